"""What was answered about one patient around an instant, read back from the ledger.

Flows in: the patient as the EHR names it (here only its hash is looked for), an instant. Flows out: `Recalled`s.
Floor: edge (store).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from cds_rules.evaluate import Call
from cds_rules.store.database import Database
from cds_rules.store.houses import values
from cds_rules.store.keys import Keys
from cds_rules.store.packing import unpacked
from cds_rules.store.tables import alert, ledger

MOST = 200
"""Decisions that are looked at on either side of the instant."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one rule, as it was recorded; the words of `Outcome`."""

    state: str
    level: str
    because: tuple[str, ...] = ()
    by: str = ""
    winner: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """The card of a rule, and what was last answered to it: open, accepted or overridden."""

    level: str
    version: str
    state: str
    answered: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """One decision. row: its place in the ledger. server: its hash. undelivered: (prefetch key, state, because).

    sealed: what was judged, None where it is not kept; emptied: it was kept, and removed since.
    """

    row: int
    at: datetime
    hook: str
    status: int
    server: str
    fingerprint: str
    matcher: str
    fates: Mapping[str, Fate]
    cards: Mapping[str, Shown]
    undelivered: tuple[tuple[str, str, str], ...]
    sealed: bytes | None
    emptied: bool

    def call(self, keys: Keys) -> Call | None:
        """What was judged; None where it is not kept.

        Raises:
            StoreError: it was changed, or sealed by a key that is not set.
        """
        return unpacked(keys.unseal(self.sealed)) if self.sealed else None


def recall(
    database: Database, keys: Keys, *, patient: str, house: str, at: datetime, server: str = ""
) -> tuple[Recalled, ...]:
    """The decisions about a patient around an instant, oldest first.

    Args:
        house: whose patient it is (`Caller.house`).
        server: only those of this FHIR server, "" for any.
    """
    decision = select(ledger).where(
        ledger.c.kind == "decision",
        ledger.c.patient.in_(keys.hashes("patient", house, patient)),
        ledger.c.record.is_not(None),
    )
    if server:
        decision = decision.where(ledger.c.server.in_(keys.hashes("server", server.rstrip("/"))))
    earlier = decision.where(ledger.c.at <= at).order_by(ledger.c.at.desc(), ledger.c.sequence.desc()).limit(MOST)
    later = decision.where(ledger.c.at > at).order_by(ledger.c.at, ledger.c.sequence).limit(MOST)
    with database.reading() as connection:
        before = connection.execute(earlier).mappings().all()
        rows = [*reversed(before), *connection.execute(later).mappings().all()]
        cards = _cards(connection, [row["sequence"] for row in rows])
    return tuple(_recalled(row, cards.get(row["sequence"], {})) for row in rows)


def houses(database: Database) -> tuple[str, ...]:
    """Of whom decisions are recorded: `Caller.house`, "" for calls without a token."""
    with database.reading() as connection:
        return values(connection, ledger.c.tenant, ledger.c.kind == "decision")


def recalled(connection: Connection, row: RowMapping) -> tuple[Recalled, Mapping[str, Sequence[str]]]:
    """One decision of the ledger that still has its record, and what each finding rested on (references or their hashes)."""
    evidence = {rule: tuple(found) for rule, found in json.loads(row["record"])["evidence"].items()}
    return _recalled(row, _cards(connection, [row["sequence"]]).get(row["sequence"], {})), evidence


def states(record: str) -> Mapping[str, str]:
    """What became of each rule, off the record of a decision; the words of `Fate.state`."""
    return {rule: state for rule, (state, *_) in json.loads(record)["outcomes"].items()}


def _cards(connection: Connection, rows: Iterable[int]) -> Mapping[int, Mapping[str, Shown]]:
    found: dict[int, dict[str, Shown]] = {}
    for each in connection.execute(select(alert).where(alert.c.sequence.in_(list(rows)))).mappings():
        found.setdefault(each["sequence"], {})[each["rule"]] = Shown(
            each["level"], each["version"], each["state"], each["state_at"], each["reason"] or ""
        )
    return found


def _recalled(row: RowMapping, cards: Mapping[str, Shown]) -> Recalled:
    record: Mapping[str, Any] = json.loads(row["record"])
    return Recalled(
        row=row["sequence"],
        at=row["at"],
        hook=row["hook"],
        status=row["status"],
        server=row["server"] or "",
        fingerprint=row["fingerprint"],
        matcher=record["matcher"],
        fates={
            rule: Fate(state, level, tuple(because), *more)
            for rule, (state, level, because, *more) in record["outcomes"].items()
        },
        cards=cards,
        undelivered=tuple((key, state, because) for key, state, because in record["prefetch"]),
        sealed=row["content"],
        emptied=row["content"] is None and row["content_digest"] is not None,
    )
