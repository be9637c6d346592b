"""`python -m bench [PART ...]`: evaluation by stage, service, large bundle, bulk, start-up, review and memory, as ratios in one table.

Parts: evaluate, why, service, huge, bulk, start, review, load. Without any: all but load; each takes seconds. `load --minutes 5` takes
minutes: sixteen callers with mixed bodies, errors and memory. Ours and the yardstick are measured in turns, evaluation by
the processor's time, so that a busy machine slows both alike; what runs in processes of its own in several rounds, of which
the quietest counts for each. Reference material beside the checkout is used where there is some, else
generated records.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import gzip
import itertools
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson
from rich.console import Console
from rich.table import Table

import cds_rules
from bench import alerts, inputs
from bench.load import CALLERS, sustained
from cds_rules.engine.counterfactuals import counterfactuals
from cds_rules.engine.explanation import explain
from cds_rules.vocabulary.frozen import replace
from tests.laws.patients import Patients
from tests.shared import SHARED
from tests.vignettes.render import AT

TABLE = Table("what", "ours", "yardstick", "ratio", "wanted", title="cds-rules: ratios of one run")


def row(
    what: str,
    ours: str,
    yardstick: str = "",
    ratio: float | None = None,
    wanted: float | None = None,
    least: bool = False,
) -> None:
    """One line of the table; marked where the ratio is on the wrong side of what is wanted."""
    bad = ratio is not None and wanted is not None and (ratio < wanted if least else ratio > wanted)
    TABLE.add_row(
        what,
        ours,
        yardstick,
        "" if ratio is None else f"{ratio:.2f}{' (!)' if bad else ''}",
        "" if wanted is None else f"{'>=' if least else '<='} {wanted:g}",
    )


def best(*work: Callable[[], object], seconds: float = 2.0) -> list[float]:
    """The median processor time of one call of each, in turns; on a busy machine waiting would count against the longer."""
    for one in work * 3:
        one()
    gc.collect()
    cds_rules.steady()  # as the service and replay do
    times: list[list[float]] = [[] for _ in work]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for one, taken in zip(work, times, strict=True):
            begin = time.thread_time()
            one()
            taken.append(time.thread_time() - begin)
    return [statistics.median(taken) for taken in times]


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs" if seconds < 0.1 else f"{seconds:.2f} s"


# --- evaluation, stage by stage ---------------------------------------------------------------------------------------


STAGES = {
    "cds_rules.fhir.read": {"unpack": "decode", "_decoded": "decode"},
    cds_rules.Evaluation.__module__: {
        "read_chart": "read",
        "why_invalid": "validate",
        "views": "cards",
        "cards": "cards",
    },
    "cds_rules.engine.settling": {"derive": "derive", "World": "match", "arbitrate": "arbitrate"},
}
"""Module -> the functions it calls, and the stage each belongs to. Decoding happens inside of reading and is taken off."""


@contextlib.contextmanager
def clocks(knowledge: Any) -> Iterator[dict[str, float]]:
    """Time spent in each stage of `evaluate`, by putting a clock around the functions it calls."""
    spent: dict[str, float] = dict.fromkeys(
        ("decode", "read", "validate", "derive", "match", "arbitrate", "cards"), 0.0
    )

    def around(work: Callable[..., Any], word: str) -> Callable[..., Any]:
        def clocked(*args: Any, **more: Any) -> Any:
            begin = time.thread_time()
            try:
                return work(*args, **more)
            finally:
                spent[word] += (taken := time.thread_time() - begin)
                if word == "decode":
                    spent["read"] -= taken

        return clocked

    judge = type(knowledge.judge)
    clocked = [(judge, "judge", "match")] + [
        (sys.modules[module], name, word) for module, names in STAGES.items() for name, word in names.items()
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, word in clocked:
            work = getattr(owner, name)
            stack.callback(setattr, owner, name, work)
            setattr(owner, name, around(work, word))
        yield spent


def call(body: bytes) -> Any:
    """The Call of a request, its prefetch cut into documents without decoding them."""
    prefetch = msgspec.json.decode(prefetch_of(body), type=dict[str, msgspec.Raw])
    sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    context = msgspec.json.decode(sent["context"])
    documents = tuple(cds_rules.Document(bytes(raw), f"prefetch:{key}") for key, raw in prefetch.items())
    return cds_rules.Call(
        hook=msgspec.json.decode(sent["hook"]),
        at=AT,
        documents=documents,
        patient_id=context["patientId"],
        hook_instance="bench",
    )


def prefetch_of(body: bytes) -> bytes:
    """The bytes of the prefetch of a request."""
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["prefetch"])


def evaluation() -> None:
    knowledge = cds_rules.load_packs()
    for words, vignette, wanted in (("no card", inputs.SILENT, 10), ("two cards", inputs.TALKING, 20)):
        bodies = inputs.patients(50_000, vignette)
        cards = {len(cds_rules.evaluate(knowledge, call(body)).cards) for body in bodies}
        label = f"evaluate {len(bodies[0]) // 1000} KB, {inputs.RESOURCES} resources, {words} (cards: {', '.join(map(str, sorted(cards)))})"
        for patients, held in ((bodies, wanted), (bodies[:1], None)):
            mine = itertools.cycle([call(body) for body in patients])
            theirs = itertools.cycle([prefetch_of(body) for body in patients])
            ours, yardstick = best(
                lambda mine=mine: cds_rules.evaluate(knowledge, next(mine)),
                lambda theirs=theirs: orjson.loads(next(theirs)),
            )
            row(
                label if held else "  the same patient again and again",
                micro(ours),
                f"orjson {micro(yardstick)}",
                ours / yardstick,
                held,
            )
        calls = [call(body) for body in bodies for _ in range(4)]
        with clocks(knowledge) as spent:
            begin = time.thread_time()
            for each in calls:
                cds_rules.evaluate(knowledge, each)
            whole = (time.thread_time() - begin) / len(calls)
        for name, seconds in spent.items():
            once = seconds / len(calls)
            row(f"  {name}, {once / whole:.0%} of it", micro(once), f"orjson {micro(yardstick)}", once / yardstick)
        row(
            "  match as a part of the whole",
            micro(spent["match"] / len(calls)),
            micro(whole),
            spent["match"] / len(calls) / whole,
            0.25,
        )


# --- explanations -----------------------------------------------------------------------------------------------------


def why() -> None:
    """Explaining all rules, and the counterfactuals of a card, against the evaluation they are asked about."""
    knowledge = cds_rules.load_packs()
    patients = Patients(knowledge.tables)
    calls = [patients.draw(seed).call() for seed in range(15)]
    found = [cds_rules.evaluate(knowledge, each) for each in calls]
    cards = [(each, finding.rule) for each in found for finding in each.findings]

    def judged() -> None:
        for each in calls:
            cds_rules.evaluate(knowledge, each)

    def explained() -> None:
        for each in found:
            explain(knowledge.rulebook, each.settled, each.chart)

    def differing() -> None:
        for each, rule in cards:
            counterfactuals(knowledge.rulebook, rule, each.scenario, each.settled)

    def with_reasons() -> None:
        for each in calls:
            cds_rules.evaluate(knowledge, replace(each, why=True))

    evaluation, all_rules, ways, reasoned = best(judged, explained, differing, with_reasons)
    once = evaluation / len(calls)
    row(
        "explain every rule of a patient",
        micro(all_rules / len(calls)),
        f"evaluation {micro(once)}",
        all_rules / evaluation,
        3,
    )
    row(
        "counterfactuals of a card", micro(ways / len(cards)), f"evaluation {micro(once)}", ways / len(cards) / once, 25
    )
    row(
        "evaluate with the reasons on each card",
        micro(reasoned / len(calls)),
        f"evaluation {micro(once)}",
        reasoned / evaluation,
    )


# --- the service ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(app: str) -> Iterator[int]:
    """A uvicorn process with one worker that takes connections. It judges the generated patients as of their day."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning", "--no-access-log"]
    process = subprocess.Popen(command, env=os.environ | {"CDS_RULES_HEED_AT": "true"})
    try:
        for _ in range(6000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{app} did not start")
            time.sleep(0.005)
        yield port
    finally:
        process.terminate()
        process.wait(10)


PATH = "/cds-services/magnesium-cramps-patient-view"
SECONDS, ANSWERS = 1.0, 100
"""A load lasts so long, and until there are so many answers: the 99th percentile of fewer would be the worst one."""
ROUNDS = 3


async def caller(port: int, body: bytes, times: list[float], enough: Callable[[], bool]) -> None:
    """One kept-alive connection that sends the same request again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    while not enough():
        begin = time.perf_counter()
        writer.write(head + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.split(b"\r\n")[0].decode())
        length = next(
            int(line.split(b":")[1]) for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        times.append(time.perf_counter() - begin)
    writer.close()


def load(port: int, body: bytes, callers: int) -> tuple[list[float], float]:
    """Times of all answers, sorted, and answers a second."""

    async def run() -> tuple[list[float], float]:
        warm: list[float] = []
        await caller(port, body, warm, lambda: len(warm) >= 10)
        times: list[float] = []
        begin = time.perf_counter()
        enough = lambda: len(times) >= ANSWERS and time.perf_counter() - begin > SECONDS  # noqa: E731
        await asyncio.gather(*(caller(port, body, times, enough) for _ in range(callers)))
        return sorted(times), len(times) / (time.perf_counter() - begin)

    return asyncio.run(run())


def service() -> None:
    sizes = [(size, inputs.sized(size), "two cards") for size in (5_000, 50_000, 1_000_000)]
    sizes.insert(1, (50_000, inputs.sized(50_000, inputs.SILENT), "no card"))
    with server("bench.stub:app") as stub_port, server("service:app") as port:
        for size, body, cards in sizes:
            for callers in (1, 16):
                turns = [(load(stub_port, body, callers), load(port, body, callers)) for _ in range(ROUNDS)]
                (stub, stub_rate), (times, rate) = (
                    min(each, key=lambda one: one[0][len(one[0]) // 2]) for each in zip(*turns, strict=True)
                )
                (p50, p95, p99), (stub50, stub95, _) = (
                    [each[int(len(each) * share)] for share in (0.5, 0.95, 0.99)] for each in (times, stub)
                )
                held = (size, callers) == (50_000, 1)
                label = f"service {len(body) / 1000:,.0f} KB, {cards}, {callers} caller{'s' if callers > 1 else ''}"
                row(f"{label}: p50", micro(p50), f"stub {micro(stub50)}", p50 / stub50, 8 if held else None)
                row("  p95", micro(p95), f"stub {micro(stub95)}", p95 / stub95)
                row("  p99", micro(p99), "own p50", p99 / p50, 5 if held else None)
                row("  requests a second", f"{rate:,.0f}", f"stub {stub_rate:,.0f}", rate / stub_rate)


# --- replay -----------------------------------------------------------------------------------------------------------


def measured(*command: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process of its own."""
    code = (
        "import resource, subprocess, sys, time; b = time.perf_counter(); "
        "r = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE); t = time.perf_counter() - b; "
        "print(t, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, r.returncode); sys.stderr.buffer.write(r.stderr[-500:])"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    seconds, memory, exit_code = (float(word) for word in done.stdout.split())
    if exit_code:
        raise RuntimeError(done.stderr.strip()[-300:] or f"exit {exit_code:g}")
    return seconds, memory


def replayed(path: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of the replay command over a path."""
    return measured(
        sys.executable, "-c", "from cds_rules.cli import app; app()", "replay", str(path), "--at", "2026-06-15"
    )


def large_bundle() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small, path, label = Path(folder) / "small.json", Path(folder) / "huge.json", "generated 60 MB bundle"
        small.write_bytes(inputs.huge(20_000))
        if held := sorted((SHARED / "data" / "nasty" / "huge").glob("*.json*")):
            path, label = held[0], "nasty/huge"
        else:
            path.write_bytes(inputs.huge(60_000_000))
        body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()

        def decoded() -> tuple[float, float]:
            begin = time.perf_counter()
            orjson.loads(body)
            return time.perf_counter() - begin, 0.0

        turns = [(decoded(), replayed(small), replayed(path)) for _ in range(ROUNDS)]
        (yardstick, _), (idle, idle_memory), (seconds, memory) = map(min, zip(*turns, strict=True))
        ours = seconds - idle
        row(f"replay {label} (start-up taken off)", micro(ours), f"orjson {micro(yardstick)}", ours / yardstick, 3)
        file = len(body) / 1e6
        row(
            "  peak memory",
            f"{memory:,.0f} MB",
            f"small {idle_memory:,.0f} + file {file:,.0f} MB",
            memory / (idle_memory + file),
        )


class Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class Concept(msgspec.Struct):
    coding: list[Coding] = []
    text: str = ""


class Reference(msgspec.Struct):
    reference: str = ""


class Quantity(msgspec.Struct):
    value: float = 0.0


class Bare(msgspec.Struct):
    """The fields ten hand-written predicates need."""

    resourceType: str = ""
    id: str = ""
    status: str = ""
    subject: Reference | None = None
    code: Concept | None = None
    medicationCodeableConcept: Concept | None = None
    valueQuantity: Quantity | None = None
    effectiveDateTime: str = ""


PREDICATES: tuple[Callable[[dict[str, float]], bool], ...] = (
    lambda seen: seen.get("19123-9", 0) > 2.4,
    lambda seen: seen.get("19123-9", 9) < 1.7,
    lambda seen: seen.get("2160-0", 0) > 2 and "310798" in seen,
    lambda seen: seen.get("33914-3", 99) < 30,
    lambda seen: seen.get("2823-3", 9) < 3.5 and "310798" in seen,
    lambda seen: seen.get("2157-6", 0) > 800 and "312961" in seen,
    lambda seen: seen.get("6298-4", 9) < 3.5,
    lambda seen: seen.get("2951-2", 199) < 130,
    lambda seen: "R25.2" in seen and "310798" in seen,
    lambda seen: "R25.2" in seen and "312961" in seen,
)


def bare_loop(folder: Path) -> tuple[int, float]:
    """Patients, and seconds, of the shortest program that could say something about each."""
    decode = msgspec.json.Decoder(Bare).decode
    begin = time.perf_counter()
    charts: dict[str, dict[str, float]] = {}
    for line in inputs.lines(folder):
        body = decode(line)
        owner = (
            body.subject.reference.rpartition("/")[2]
            if body.subject
            else body.id
            if body.resourceType == "Patient"
            else ""
        )
        seen = charts.setdefault(owner, {})
        if concept := body.code or body.medicationCodeableConcept:
            for coding in concept.coding:
                seen[coding.code] = body.valueQuantity.value if body.valueQuantity else 1.0
    for seen in charts.values():
        for predicate in PREDICATES:
            predicate(seen)
    return len(charts), time.perf_counter() - begin


def bulk() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder, label = Path(made) / "bulk", "generated NDJSON"
        folder.mkdir()
        if (SHARED / "data" / "synthea-bulk").is_dir():
            folder, label = SHARED / "data" / "synthea-bulk", "synthea-bulk"
        else:
            inputs.ndjson(folder, 200)
        small = Path(made) / "small.json"
        small.write_bytes(inputs.huge(20_000))
        turns = [(replayed(small), bare_loop(folder), replayed(folder)) for _ in range(ROUNDS)]
        (idle, _), (patients, bare), (seconds, memory) = map(min, zip(*turns, strict=True))
        yardstick = patients / bare
        for words, ours in (("start-up taken off", patients / (seconds - idle)), ("with start-up", patients / seconds)):
            row(
                f"replay {label}, patients a second, {words}",
                f"{ours:,.1f}",
                f"bare loop {yardstick:,.1f}",
                ours / yardstick,
                0.1,
                least=True,
            )
        row(f"  peak memory, {patients} patients", f"{memory:,.0f} MB")


# --- start-up ---------------------------------------------------------------------------------------------------------

BARE = "import starlette.applications, uvicorn, msgspec, jinja2, ruamel.yaml, fhir.resources.R4B, durable.engine"


@contextlib.contextmanager
def compiled() -> Iterator[None]:
    """Let processes started here keep what they compile, in a folder that is empty at first, as an installation does."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def first_answer() -> float:
    """Seconds from starting the service to the first answer with cards."""
    begin, times = time.perf_counter(), list[float]()
    with server("service:app") as port:
        asyncio.run(caller(port, inputs.request(50_000), times, lambda: bool(times)))
        return time.perf_counter() - begin


def start() -> None:
    with compiled():
        (bare, ours), *pairs = [(measured(sys.executable, "-c", BARE)[0], first_answer()) for _ in range(4)]
    row("service, first start ever, nothing compiled yet", micro(ours), f"bare import {micro(bare)}", ours / bare)
    bare, ours = (min(times) for times in zip(*pairs, strict=True))
    row("service, start-up to first answer", micro(ours), f"bare import {micro(bare)}", ours / bare, 4)


# --- review -----------------------------------------------------------------------------------------------------------

FEW, MANY = 1_000, 100_000


def review() -> None:
    """The worklist at many alerts against the same at few."""
    knowledge = cds_rules.load_packs()
    at_half = f"{(alerts.UNTIL - timedelta(days=alerts.DAYS / 2)).isoformat()}~{MANY}"
    with tempfile.TemporaryDirectory() as made:
        few, many = (alerts.filled(Path(made), knowledge, count) for count in (FEW, MANY))
        for what, asked in (
            ("first page", {}),
            ("a page in the middle", {"query": urlencode({"older": at_half})}),
            ("one rule", {"query": "rule=mg-oral-severe-ckd"}),
            ("overridden and critical", {"query": "state=overridden&level=critical"}),
            ("of a review state that none has", {"query": "review=wanted"}),
            ("of a review state that few have", {"query": "review=settled"}),
            ("in no review set", {"query": "review=none"}),
            ("of one house", {"houses": {alerts.HOUSES[1]}}),
            ("of two houses", {"houses": set(alerts.HOUSES[1:])}),
        ):
            little, much = (alerts.asking(each, knowledge, **asked) for each in (few, many))
            yardstick, ours = best(little, much)
            row(f"worklist, {what}, {MANY:,} alerts", micro(ours), f"{FEW:,}: {micro(yardstick)}", ours / yardstick, 3)
            if not asked:
                held = alerts.memory(much)
                row(
                    "  memory of a page",
                    f"{held:.1f} MB",
                    f"{alerts.memory(little):.1f} MB",
                    held / alerts.memory(little),
                    3,
                )
        for each in (few, many):
            each.database.close()


# --- load -------------------------------------------------------------------------------------------------------------


def long_load(minutes: float, workers: int) -> None:
    """Sixteen callers for minutes: no part of the default, since it takes so long."""
    found = sustained(minutes * 60, workers)
    p50, p99, growth = found.percentile(0.5), found.percentile(0.99), found.growth()
    answers = ", ".join(f"{count:,} x {status}" for status, count in sorted(found.statuses.items()))
    row(f"load, {CALLERS} callers, {minutes:g} min, {workers} worker(s): errors", f"{found.errors}", answers)
    row("  p50", micro(p50), f"{len(found.times) / minutes / 60:,.0f} answers a second")
    row("  p99", micro(p99), "own p50", p99 / p50, 5)
    row("  memory at the end", f"{found.memory[-1][1]:,.0f} MB", "after the first minute", growth, 1.05)


PARTS = {
    "evaluate": evaluation,
    "why": why,
    "service": service,
    "huge": large_bundle,
    "bulk": bulk,
    "start": start,
    "review": review,
}


def main(wanted: list[str]) -> None:
    for name in wanted:
        try:
            PARTS[name]()
        except Exception as error:  # one part that cannot run must not hide the others
            row(name, f"not measured: {type(error).__name__}: {str(error)[:160]}")
    Console(width=130).print(TABLE)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {sys.version.split()[0]}, this process at most {peak:,.0f} MB")


def options(arguments: list[str]) -> list[str]:
    """Parts to run; `load` with its own options becomes a part of its own."""
    reader = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    reader.add_argument("parts", nargs="*", choices=[[], *PARTS, "load"], metavar="PART")
    reader.add_argument("--minutes", type=float, default=5.0, help="how long load lasts")
    reader.add_argument("--workers", type=int, default=1, help="processes that answer to load")
    read = reader.parse_args(arguments)
    PARTS["load"] = lambda: long_load(read.minutes, read.workers)
    return read.parts or [name for name in PARTS if name != "load"]


if __name__ == "__main__":
    main(options(sys.argv[1:]))
