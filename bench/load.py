"""`python -m bench load [--minutes 5] [--workers 1]`: sixteen callers with mixed bodies for minutes; errors, memory, times.

What is wanted: no error; memory that grows by less than a twentieth after the first minute; a 99th percentile of at most
five times the median. The last needs a machine that has nothing else to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import inputs
from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.request import BadRequest, read_request

CALLERS = 16
ROOT = Path(__file__).parents[1]
FINE = frozenset({200, 400, 404, 412, 501})
"""What the mixed bodies may be answered; anything else is an error."""


@dataclass(slots=True)
class Report:
    """What a load came to. times: seconds of each answer. memory: (seconds since the start, MB of all processes)."""

    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Answers that no body of ours asks for, and connections that broke."""
        return len(self.broken) + sum(count for status, count in self.statuses.items() if status not in FINE)

    def percentile(self, share: float) -> float:
        """A percentile of the times."""
        ranked = sorted(self.times)
        return ranked[min(len(ranked) - 1, int(len(ranked) * share))]

    def growth(self, settled: float = 60.0) -> float:
        """Memory at the end over memory once the service had settled."""
        after = [held for when, held in self.memory if when >= min(settled, self.memory[-1][0] / 2)]
        tenth = max(1, len(after) // 10)
        return statistics.median(after[-tenth:]) / statistics.median(after[:tenth])


def bodies() -> list[tuple[str, bytes]]:
    """Address and body: every sample, charts of 5 and 50 KB with and without cards, and what is faulty."""
    found = []
    for path in sorted((ROOT / "fhir_samples").glob("*/request.json")):
        body = path.read_bytes()
        with contextlib.suppress(BadRequest):
            if service := service_for(read_request(body).hook):
                found.append((f"/cds-services/{service.id}", body))
    view = "/cds-services/magnesium-cramps-patient-view"
    for size, patient in ((5_000, inputs.TALKING), (50_000, inputs.TALKING), (50_000, inputs.SILENT)):
        found += [(view, inputs.sized(size, patient))] * 5
    bare = b'{"hook": "patient-view", "hookInstance": "a", "context": {"patientId": "p"}}'
    return [*found, (view, bare), (view, b"{"), (f"{view}/feedback", b"{}"), ("/cds-services/none", b"{}")]


async def _caller(port: int, asked: list[tuple[str, bytes]], seed: int, end: float, report: Report) -> None:
    chance = random.Random(seed)
    reader = writer = None
    while time.monotonic() < end:
        path, body = chance.choice(asked)
        begin = time.perf_counter()
        try:
            if reader is None or writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
            )
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            report.broken.append(type(error).__name__)
            reader = writer = None
            continue
        report.statuses[int(head.split()[1])] += 1
        report.times.append(time.perf_counter() - begin)
        if b"connection: close" in head:
            writer.close()
            reader = writer = None
    if writer:
        writer.close()


async def _watch(process: int, end: float, report: Report) -> None:
    begin = time.monotonic()
    while time.monotonic() < end:
        report.memory.append((time.monotonic() - begin, held(process)))
        await asyncio.sleep(1)


def held(process: int) -> float:
    """MB that a process and its children keep in memory."""
    said = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,rss="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in said.splitlines()]
    family = {process}
    while more := {pid for pid, parent, _ in rows if parent in family} - family:
        family |= more
    return sum(rss for pid, _, rss in rows if pid in family) / 1024


@contextlib.contextmanager
def service(workers: int) -> Iterator[tuple[int, int]]:
    """The service as README starts it, without its log; gives its process and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    told = {"SERVER_PORT": str(port), "SERVER_WORKERS": str(workers), "HEED_AT": "true", "TELEMETRY_LOG_LEVEL": "error"}
    process = subprocess.Popen(
        [sys.executable, "service.py"],
        cwd=ROOT,
        env=os.environ | {f"CDS_RULES_{name}": said for name, said in told.items()},
    )
    try:
        for _ in range(1200):
            if process.poll() is not None:
                raise RuntimeError("the service did not start")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)


def sustained(seconds: float, workers: int = 1, callers: int = CALLERS) -> Report:
    """Load the service for a while."""
    report, asked = Report(), bodies()

    async def run(process: int, port: int) -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(
            _watch(process, end, report), *(_caller(port, asked, seed, end, report) for seed in range(callers))
        )

    with service(workers) as (process, port):
        asyncio.run(run(process, port))
    return report
