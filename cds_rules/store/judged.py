"""Decisions that a review set can be drawn from: judged with some rules, and kept with what was judged.

They are gone through a page at a time, in the order in which they were asked, so that any number of them fits; what became of
each rule is read off the record, and nothing is judged again. Flows in: whose, which. Flows out: decisions. Floor: edge (store).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, or_, select

from cds_rules.store.browse import Wanted
from cds_rules.store.database import Database
from cds_rules.store.recall import states
from cds_rules.store.tables import alert, ledger

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Told:
    """A decision as it was recorded. states: of each rule. alerts: rules that showed a card, and whether the filter fits it."""

    sequence: int
    states: Mapping[str, str]
    alerts: Mapping[str, bool]


def judged(database: Database, house: str, fingerprint: str, wanted: Wanted) -> Iterator[Told]:
    """The decisions of a house in the days that are wanted; those that come while this goes on are not among them."""
    own = (
        ledger.c.tenant == house,
        ledger.c.fingerprint == fingerprint,
        ledger.c.content.is_not(None),
        *wanted.within(ledger.c.at),
    )
    page = select(ledger.c.at, ledger.c.sequence, ledger.c.record).order_by(ledger.c.at, ledger.c.sequence).limit(_PAGE)
    with database.reading() as connection:
        newest = connection.scalar(select(func.max(ledger.c.sequence)))
    if newest is None:
        return
    asked = page = page.where(*own, ledger.c.sequence <= newest)
    while True:
        with database.reading() as connection:
            rows = connection.execute(asked).all()
            alerts = _alerts(connection, [row.sequence for row in rows], wanted)
        yield from (Told(row.sequence, states(row.record), alerts.get(row.sequence, {})) for row in rows)
        if len(rows) < _PAGE:
            return
        last = rows[-1]
        beside = and_(ledger.c.at == last.at, ledger.c.sequence > last.sequence)
        asked = page.where(ledger.c.at >= last.at, or_(ledger.c.at > last.at, beside))


def _alerts(connection: Connection, sequences: Sequence[int], wanted: Wanted) -> Mapping[int, Mapping[str, bool]]:
    found: dict[int, dict[str, bool]] = {}
    names, values = tuple(wanted.of_alerts), tuple(wanted.of_alerts.values())
    asked = select(alert.c.sequence, alert.c.rule, *(alert.c[name] for name in names))
    for sequence, rule, *told in connection.execute(asked.where(alert.c.sequence.in_(sequences))):
        found.setdefault(sequence, {})[rule] = tuple(told) == values
    return found


def content_of(database: Database, sequence: int) -> bytes | None:
    """What a decision was judged on, sealed; None where it is not kept."""
    with database.reading() as connection:
        found: bytes | None = connection.scalar(select(ledger.c.content).where(ledger.c.sequence == sequence))
        return found
