"""`python -m bench [PART ...]`: evaluation by stage, service, large bundle, bulk, start-up and memory, as ratios in one table.

Parts: evaluate, service, huge, bulk, start. Without any: all.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
from rich.console import Console
from rich.table import Table

import cds_rules
from bench import inputs
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
    """The median time of one call of each, taken in turns so that a busy machine slows all of them alike."""
    for one in work * 3:
        one()
    gc.collect()
    gc.freeze()
    times: list[list[float]] = [[] for _ in work]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for one, taken in zip(work, times, strict=True):
            begin = time.perf_counter()
            one()
            taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in times]


def micro(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs" if seconds < 0.1 else f"{seconds:.2f} s"


# --- evaluation, stage by stage ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def clocks(knowledge: Any) -> Iterator[dict[str, float]]:
    """Time spent in each stage of `evaluate`, by putting a clock around the functions it calls."""
    stage = sys.modules[cds_rules.Evaluation.__module__]  # the façade hides the module behind the function
    spent: dict[str, float] = defaultdict(float)
    names = {
        "read_chart": "read",
        "why_invalid": "validate",
        "derive": "derive",
        "arbitrate": "arbitrate",
        "cards": "cards",
    }
    kept = {name: getattr(stage, name) for name in names if hasattr(stage, name)}

    def around(work: Callable[..., Any], word: str) -> Callable[..., Any]:
        def clocked(*args: Any, **more: Any) -> Any:
            begin = time.perf_counter()
            try:
                return work(*args, **more)
            finally:
                spent[word] += time.perf_counter() - begin

        return clocked

    judge = type(knowledge.judge)
    judging = judge.judge
    judge.judge = around(judging, "match")
    for name, work in kept.items():
        setattr(stage, name, around(work, names[name]))
    try:
        yield spent
    finally:
        judge.judge = judging
        for name, work in kept.items():
            setattr(stage, name, work)


def call(body: bytes) -> Any:
    """The Call of a request, its prefetch cut into documents without decoding them."""
    sent = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    prefetch = msgspec.json.decode(sent["prefetch"], type=dict[str, msgspec.Raw])
    context = msgspec.json.decode(sent["context"])
    documents = tuple(cds_rules.Document(bytes(raw), f"prefetch:{key}") for key, raw in prefetch.items())
    return cds_rules.Call(
        hook=msgspec.json.decode(sent["hook"]),
        at=AT,
        documents=documents,
        patient_id=context["patientId"],
        hook_instance="bench",
    )


def evaluation() -> None:
    knowledge = cds_rules.load_packs()
    for words, vignette, wanted in (("no card", inputs.SILENT, 10), ("two cards", inputs.TALKING, 20)):
        body = inputs.request(50_000, vignette)
        found = cds_rules.evaluate(knowledge, call(body))
        ours, yardstick = best(
            lambda body=body: cds_rules.evaluate(knowledge, call(body)), lambda body=body: orjson.loads(body)
        )
        label = f"evaluate {len(body) // 1000} KB, {inputs.RESOURCES} resources, {words} (cards: {len(found.cards)})"
        row(label, micro(ours), f"orjson {micro(yardstick)}", ours / yardstick, wanted)
        with clocks(knowledge) as spent:
            turns, begin = 200, time.perf_counter()
            for _ in range(turns):
                cds_rules.evaluate(knowledge, call(body))
            whole = (time.perf_counter() - begin) / turns
        for name, seconds in spent.items():
            share = seconds / turns / whole
            row(f"  {name}", micro(seconds / turns), "share of evaluation", share, 0.25 if name == "match" else None)


# --- the service ------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(app: str) -> Iterator[int]:
    """A uvicorn process with one worker that has answered."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning", "--no-access-log"]
    process = subprocess.Popen(command)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None:
                raise RuntimeError(f"{app} did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def caller(port: int, path: str, body: bytes, count: int, times: list[float]) -> None:
    """One kept-alive connection that sends the same request again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(count):
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


def load(port: int, path: str, body: bytes, callers: int, count: int) -> tuple[list[float], float]:
    """Times of all answers, sorted, and answers a second."""

    async def run() -> tuple[list[float], float]:
        times: list[float] = []
        await caller(port, path, body, 20, [])
        begin = time.perf_counter()
        await asyncio.gather(*(caller(port, path, body, count // callers, times) for _ in range(callers)))
        return sorted(times), len(times) / (time.perf_counter() - begin)

    return asyncio.run(run())


def service() -> None:
    path = "/cds-services/magnesium-cramps-patient-view"
    measured = {}
    for name, app in (("stub", "bench.stub:app"), ("ours", "service:app")):
        with server(app) as port:
            for size in (5_000, 50_000, 1_000_000):
                for callers in (1, 16):
                    count = 200 if size > 100_000 else 2000
                    measured[name, size, callers] = load(port, path, inputs.sized(size), callers, count)
    for size in (5_000, 50_000, 1_000_000):
        for callers in (1, 16):
            (times, rate), (stub, stub_rate) = measured["ours", size, callers], measured["stub", size, callers]
            p50, p95, p99 = (times[int(len(times) * share)] for share in (0.5, 0.95, 0.99))
            wanted = 8 if (size, callers) == (50_000, 1) else None
            label = f"service {size // 1000} KB, {callers} caller{'s' if callers > 1 else ''}"
            row(f"{label}: p50", micro(p50), f"stub {micro(stub[len(stub) // 2])}", p50 / stub[len(stub) // 2], wanted)
            row(f"{label}: p99 (p95 {micro(p95)})", micro(p99), "own p50", p99 / p50, 5 if wanted else None)
            row(f"{label}: requests a second", f"{rate:,.0f}", f"stub {stub_rate:,.0f}", rate / stub_rate)


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


REPLAY = (sys.executable, "-c", "from cds_rules.cli import app; app()", "replay")


def large_bundle() -> None:
    shared = next(iter(sorted((SHARED / "data" / "nasty" / "huge").glob("*.json*"))), None) if SHARED.is_dir() else None
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "huge.json"
        made.write_bytes(inputs.huge(60_000_000))
        for label, path in (("generated 60 MB bundle", made), *([("nasty/huge", shared)] if shared else [])):
            import gzip

            body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            begin = time.perf_counter()
            parsed = orjson.loads(body)
            yardstick = time.perf_counter() - begin
            del parsed
            small = Path(folder) / "small.json"
            small.write_bytes(inputs.huge(20_000))
            idle, idle_memory = measured(*REPLAY, str(small), "--at", "2026-06-15")
            seconds, memory = measured(*REPLAY, str(path), "--at", "2026-06-15")
            row(
                f"replay {label} (start-up taken off)",
                micro(seconds - idle),
                f"orjson {micro(yardstick)}",
                (seconds - idle) / yardstick,
                3,
            )
            row(
                "  peak memory",
                f"{memory:,.0f} MB",
                f"small bundle {idle_memory:,.0f} MB + file {len(body) / 1e6:,.0f} MB",
                memory / (idle_memory + len(body) / 1e6),
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
        folders = [("generated NDJSON", Path(made))]
        inputs.ndjson(Path(made), 500)
        if (SHARED / "data" / "synthea-bulk").is_dir():
            folders.append(("synthea-bulk", SHARED / "data" / "synthea-bulk"))
        for label, folder in folders:
            patients, bare = bare_loop(folder)
            seconds, memory = measured(*REPLAY, str(folder), "--at", "2026-06-15")
            ours, yardstick = patients / seconds, patients / bare
            row(
                f"replay {label}, patients a second (start-up included)",
                f"{ours:,.0f}",
                f"bare loop {yardstick:,.0f}",
                ours / yardstick,
                0.1,
                least=True,
            )
            row("  peak memory", f"{memory:,.0f} MB")


# --- start-up ---------------------------------------------------------------------------------------------------------


def start() -> None:
    bare = min(
        measured(
            sys.executable,
            "-c",
            "import starlette.applications, uvicorn, msgspec, jinja2, ruamel.yaml, fhir.resources.R4B, durable.engine",
        )[0]
        for _ in range(3)
    )
    code = (
        "import cds_rules, sys; from bench.__main__ import call; from bench import inputs; "
        "k = cds_rules.load_packs(); assert cds_rules.evaluate(k, call(inputs.request(50_000))).cards is not None"
    )
    ours, memory = min(measured(sys.executable, "-c", code) for _ in range(3))
    row("start-up to first answer", micro(ours), f"bare import {micro(bare)}", ours / bare, 4)
    row("  peak memory", f"{memory:,.0f} MB")


PARTS = {"evaluate": evaluation, "service": service, "huge": large_bundle, "bulk": bulk, "start": start}


def main(wanted: list[str]) -> None:
    for name in wanted or PARTS:
        try:
            PARTS[name]()
        except Exception as error:  # one part that cannot run must not hide the others
            row(name, f"not measured: {type(error).__name__}: {str(error)[:160]}")
    Console(width=130).print(TABLE)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {sys.version.split()[0]}, this process at most {peak:,.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
