"""Kill workers at random under load, and look whether anything that was acknowledged is gone.

`python -m tests.store.kill 200` against SQLite, with `--postgresql` against a cluster that crashes in between as well.
Exit code 0: no acknowledged feedback lost, none counted twice, the ledger verifies.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from cds_rules.store.ledger import Verified
from cds_rules.store.tables import alert, feedback
from tests.store import scenes
from tests.store.postgres import Cluster, binaries, cluster

VIEW = f"/cds-services/{scenes.SERVICE}"
WORKERS = 3
CALLERS = 10
BOOT_SECONDS = 300
"""A busy machine needs long to start a worker."""


@dataclass
class Load:
    """What callers sent and heard. acknowledged: (card, outcome, timestamp) of feedback that was answered 200."""

    port: int
    rate: float
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: set[tuple[str, str, str]] = field(default_factory=set)
    sent: set[tuple[str, str, str]] = field(default_factory=set)
    answered: int = 0
    feedback_calls: int = 0
    refused: int = 0
    broken: int = 0
    strange: list[str] = field(default_factory=list)
    _number: int = 0

    def run(self) -> None:
        """One caller, until it is over: a hook, then feedback on its card, said again when no answer came."""
        connection: http.client.HTTPConnection | None = None
        pace = CALLERS / self.rate
        text = json.dumps(scenes.sample())
        patient = scenes.sample()["context"]["patientId"]
        due = time.monotonic() + random.random() * pace
        waiting: list[dict[str, Any]] = []
        while not self.over.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + pace, time.monotonic() - 1)
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
            try:
                if waiting:
                    self._feedback(connection, waiting)
                else:
                    with self.lock:
                        self._number += 1
                        name = f"{patient}-{self._number}"
                    body = text.replace(patient, name)
                    hook = json.dumps(json.loads(body) | {"hookInstance": name}).encode()
                    status, answer = self._ask(connection, VIEW, hook)
                    if status == 200:
                        self.answered += 1
                        waiting.append(_item(answer["cards"][0]))
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _feedback(self, connection: http.client.HTTPConnection, waiting: list[dict[str, Any]]) -> None:
        item = waiting[0]
        place = (item["card"], item["outcome"], item["outcomeTimestamp"])
        with self.lock:
            self.sent.add(place)
            self.feedback_calls += 1
        status, _ = self._ask(connection, f"{VIEW}/feedback", json.dumps({"feedback": [item]}).encode())
        if status == 200:
            with self.lock:
                self.acknowledged.add(place)
            if random.random() < 0.8:  # else: said again, as a second click does
                waiting.clear()

    def _ask(self, connection: http.client.HTTPConnection, address: str, body: bytes) -> tuple[int, Any]:
        connection.request("POST", address, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status in (429, 503):  # told to come back: what waited for a worker comes all at once
            self.refused += 1
        elif answer.status != 200:
            self.strange.append(f"{answer.status} {said[:300]!r}")
        return answer.status, json.loads(said)


def _item(card: dict[str, Any]) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    if random.random() < 0.5:
        return {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": at, "overrideReason": {}}
    accepted = [{"id": card["suggestions"][0]["uuid"]}]
    return {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": at, "acceptedSuggestions": accepted}


@dataclass
class Result:
    """What came out. lost: acknowledged and not there; doubled: rows beyond one an item."""

    kills: int
    restarts: int
    load: Load
    seconds: float
    lost: int
    doubled: int
    counted: int
    verified: Verified

    @property
    def good(self) -> bool:
        """Whether nothing that was acknowledged is gone or counted twice, and the ledger verifies."""
        return not (self.lost or self.doubled or self.verified.problem or self.load.strange) and bool(
            self.load.acknowledged
        )

    def __str__(self) -> str:
        load = self.load
        asked = (load.answered + load.feedback_calls + load.refused) / self.seconds
        return (
            f"{self.kills} workers killed, {self.restarts} database crashes in {self.seconds:.0f} s, {asked:.0f} requests a second; "
            f"{load.answered} hooks answered, {self.verified.rows} decisions kept; {load.feedback_calls} feedback calls, "
            f"{len(load.acknowledged)} items acknowledged, {self.lost} lost, {self.doubled} doubled, {self.counted} cards counted as answered; "
            f"{load.broken} connections broken, {load.refused} told to come back, {len(load.strange)} other answers {load.strange[:2]}; "
            f"ledger: {self.verified.problem or 'verifies'}"
        )


def run(
    kills: int,
    url: str,
    folder: Path,
    *,
    rate: float = 50,
    crashing: Cluster | None = None,
    seconds: float = float("inf"),
    pause: float = 0.6,
) -> Result:
    """Serve, load, kill, count. seconds: when to stop even if fewer have been killed. pause: seconds between two kills."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CDS_RULES_")}
    environment |= {
        "CDS_RULES_STORE_URL": url,
        "CDS_RULES_STORE_KEY": scenes.KEY,
        "XDG_DATA_HOME": str(folder),
        "CDS_RULES_SERVER_PORT": str(port),
        "CDS_RULES_SERVER_WORKERS": str(WORKERS),
    }
    log = (folder / "log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-c", "from cds_rules.service.run import main; main()"],
        env=environment,
        stdout=log,
        stderr=log,
    )
    started, killed, restarts, load = time.monotonic(), 0, 0, Load(port, rate)
    callers = [threading.Thread(target=load.run, daemon=True) for _ in range(CALLERS)]
    try:
        _wait(lambda: _alive(port), BOOT_SECONDS)
        for caller in callers:
            caller.start()
        while killed < kills and time.monotonic() - started < seconds:
            time.sleep(pause * random.uniform(0.3, 1.7))
            _wait(lambda: len(_answering(server.pid, folder)) > 1, BOOT_SECONDS)
            os.kill(random.choice(_workers(server.pid)), signal.SIGKILL)
            if crashing and killed % 25 == min(24, kills // 2):
                crashing.restart()
                restarts += 1
            killed += 1
        _wait(lambda: _alive(port), BOOT_SECONDS)
        time.sleep(2)
    finally:
        load.over.set()
        for caller in callers:
            if caller.ident:
                caller.join(30)
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            for pid in (*_workers(server.pid), server.pid):
                os.kill(pid, signal.SIGKILL)
            server.wait()
        log.close()
    return _count(killed, restarts, load, time.monotonic() - started, url)


def _count(kills: int, restarts: int, load: Load, seconds: float, url: str) -> Result:
    kept = scenes.store(url)
    with kept.database.reading() as connection:
        rows = connection.execute(select(feedback.c.card, feedback.c.outcome, feedback.c.outcome_at)).all()
        counted = connection.scalar(select(func.count(alert.c.card.distinct())).where(alert.c.state != "open"))
    there = [(row.card, row.outcome, row.outcome_at.isoformat()) for row in rows]
    verified = kept.verify()
    kept.database.close()
    return Result(
        kills,
        restarts,
        load,
        seconds,
        lost=len(load.acknowledged - set(there)),
        doubled=len(there) - len(set(there) & load.sent),
        counted=counted or 0,
        verified=verified,
    )


def _workers(supervisor: int) -> list[int]:
    """The processes that answer: children of the supervisor, but for the one that tracks its resources."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == supervisor and b"resource_tracker" not in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def _answering(supervisor: int, folder: Path) -> list[int]:
    """The workers that have begun to serve, by the server's own words."""
    begun = set(re.findall(r"Started server process \[(\d+)\]", (folder / "log").read_text()))
    return [pid for pid in _workers(supervisor) if str(pid) in begun]


def _alive(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait(until: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("the service did not come up")
        time.sleep(0.05)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--rate", type=float, default=50, help="requests a second")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop then even if fewer were killed")
    parser.add_argument(
        "--pause", type=float, default=0.6, help="seconds between two kills; starting workers takes what the load needs"
    )
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cds-rules-kill-") as made:
        folder = Path(made)
        if given.postgresql:
            programs = binaries()
            if programs is None:
                sys.exit("no PostgreSQL is installed")
            with cluster(programs) as running:
                result = run(
                    given.kills,
                    running.database(),
                    folder,
                    rate=given.rate,
                    crashing=running,
                    seconds=given.minutes * 60,
                    pause=given.pause,
                )
        else:
            result = run(
                given.kills,
                f"sqlite:///{folder / 'a.db'}",
                folder,
                rate=given.rate,
                seconds=given.minutes * 60,
                pause=given.pause,
            )
        if not result.good:
            print((folder / "log").read_text()[-3000:], file=sys.stderr)
    print(result)
    return 0 if result.good else 1


if __name__ == "__main__":
    sys.exit(main())
