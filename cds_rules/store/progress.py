"""How far the reading of an item is, and of the alert it was made from: one definition for review sets and worklist.

The database reckons it from readings and adjudications (`progress`). Beside an alert it is written down whenever one of them
changes (`mark`), so that a list of alerts reads neither. Flows in: items that changed. Flows out: a word. Floor: edge (store).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, or_, select, update

from cds_rules.store.tables import adjudication, alert, reading, review_item, review_set

Progress = Literal["none", "wanted", "read", "disputed", "settled"]
"""In no review set; waiting for readers; read once; two readers differ, and nobody has adjudicated; they agree, or somebody has."""
PROGRESS: tuple[Progress, ...] = ("none", "wanted", "read", "disputed", "settled")
"""In the order in which they are passed through."""
TO_READ = frozenset({"wanted", "read"})
"""Another reading is welcome."""
READERS = 2


def progress() -> ColumnElement[str]:
    """Of the item that a question is about."""
    found = reading.c.trigger_right, reading.c.action_right
    by_readings = select(
        case(
            (func.count() == 0, "wanted"),
            (func.count() < READERS, "read"),
            (or_(*(func.min(each) != func.max(each) for each in found)), "disputed"),
            else_="settled",
        )
    ).where(reading.c.item_id == review_item.c.id)
    adjudicated = exists().where(adjudication.c.item_id == review_item.c.id)
    return case((adjudicated, "settled"), else_=by_readings.correlate(review_item).scalar_subquery())


def mark(connection: Connection, cards: Iterable[str]) -> None:
    """Write down how far some alerts are; inside `Database.alone`. Of several items the one that is furthest counts."""
    ranks = {word: rank for rank, word in enumerate(PROGRESS)}
    furthest = (
        select(func.coalesce(func.max(case(ranks, value=progress())), 0))
        .select_from(review_item.join(review_set))
        .where(review_item.c.card == alert.c.card, review_set.c.house == alert.c.tenant)
        .correlate(alert)
        .scalar_subquery()
    )
    written = (
        update(alert)
        .where(alert.c.card == bindparam("of"))
        .values(review=case(dict(enumerate(PROGRESS)), value=furthest))
    )
    if each := [{"of": card} for card in dict.fromkeys(cards)]:
        connection.execute(written, each)
