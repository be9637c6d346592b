"""Stores full of alerts for `python -m bench review`: written through the ledger, over three months, some of them answered, few of them reviewed.

Flows in: a file, a number. Flows out: a store, and pages of it asked in this thread.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import text
from starlette.requests import Request

from cds_rules.evaluate import Knowledge
from cds_rules.review.shell import House
from cds_rules.review.visitors import Visitor
from cds_rules.review.worklist import picture, worklist
from cds_rules.service import settings as sections
from cds_rules.service.settings import Settings
from cds_rules.store.ledger import append
from cds_rules.store.store import Store
from tests.store.scenes import KEY

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 90
HOUSES = ("", "https://one.example.org", "https://two.example.org")
_BATCH = 5000


def filled(folder: Path, knowledge: Knowledge, count: int) -> Store:
    """A store with so many alerts, one a decision."""
    url = f"sqlite:///{folder / f'{count}.db'}"
    made = Store(Settings(store=sections.Store(url=SecretStr(url), key=SecretStr(KEY))))
    made.migrate()
    chance, rules = random.Random(1), sorted(knowledge.rules)
    empty = dict.fromkeys(("client", "server", "user_id", "instance", "latency_us", "content"))
    record = '{"outcomes":{},"evidence":{},"prefetch":[],"matcher":"reference"}'
    for first in range(0, count, _BATCH):
        written = []
        for number in range(first, min(first + _BATCH, count)):
            at = UNTIL - timedelta(days=DAYS) * (1 - number / count)
            house, patient = chance.choice(HOUSES), f"{chance.randrange(count // 3):064x}"
            shared = {"at": at, "tenant": house, "hook": "patient-view", "patient": patient}
            row = empty | shared | {"kind": "decision", "identity": f"{number:032d}", "status": 200, "fingerprint": "f", "record": record}  # fmt: skip
            card = shared | {
                "position": 0, "card": str(UUID(int=number)), "server": None, "rule": chance.choice(rules), "topic": "t",
                "version": "1.0.0", "level": chance.choice(("info", "warning", "critical")), "memory": None,
                "state": "open", "state_at": None, "reason": None,
            }  # fmt: skip
            written.append((row, [card]))
        with made.database.alone() as connection:
            append(connection, made.keys, written)
    with made.database.alone() as connection:
        connection.execute(text("UPDATE alert SET state = 'overridden', reason = 'level-monitored' WHERE id % 5 = 0"))
        connection.execute(text("UPDATE alert SET state = 'accepted' WHERE id % 7 = 0"))
        connection.execute(
            text("UPDATE alert SET review = 'settled' WHERE id <= 20")
        )  # the oldest: found last by a scan
    return made


def asking(
    store: Store, knowledge: Knowledge, query: str = "", houses: Any = None, chart: bool = False
) -> Callable[[], bytes]:
    """Work that answers one page of the worklist, or its chart, in the thread that calls it."""
    settings = Settings(store=store.settings)
    house = House(knowledge, settings, store, lambda: UNTIL, "/review", None)  # type: ignore[arg-type]
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": [], "app": None,
        "path_params": {"scheme": "light"}, "cds_rules_house": house,
        "state": {"visitor": Visitor("bench", "Bench", "admin", houses), "csrf": ""},
    }  # fmt: skip

    def asked() -> bytes:
        return bytes((picture if chart else worklist)(Request(dict(scope))).body)

    return asked


def memory(work: Callable[[], object]) -> float:
    """The most that one call holds at once, in MB."""
    work()
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1024 / 1024
