"""When a record is judged: at a date, at its own end, now, or at each medication order.

Flows in: the words of `--at` and a `Record`. Flows out: `Moment`s. Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cds_rules.replay.asof import orders
from cds_rules.replay.record import Item, Record
from cds_rules.vocabulary.clock import can_be_reckoned_with, is_exact_day, parse_moment
from cds_rules.vocabulary.errors import BadInput

When = datetime | Literal["last", "now", "each-order"]


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant at which a record is judged; order: the order being written at it; note: what a reader should know."""

    at: datetime
    order: Item | None = None
    note: str = ""


def read_when(text: str) -> When:
    """Read the argument of `--at`.

    Raises:
        BadInput: none of last, now, each-order, a day or an instant.

    >>> read_when("2026-01-31").isoformat()
    '2026-01-31T12:00:00+00:00'
    """
    match text:
        case "last" | "now" | "each-order":
            return text
    moment = parse_moment(text)
    if moment is None or not is_exact_day(text) or not can_be_reckoned_with(moment):
        raise BadInput(
            f'"{text}" is no instant; last, now, each-order, a day (2026-01-31) or an instant (2026-01-31T08:00:00Z) belongs there',
            "--at",
        )
    return moment


def moments(record: Record, when: When, now: datetime) -> Iterator[Moment]:
    """The instants at which a record is to be judged.

    now: the instant this run began; for `now`, and for `last` where a record holds no date.
    """
    if isinstance(when, datetime):
        yield Moment(when)
    elif when == "now":
        yield Moment(now)
    elif when == "each-order":
        yield from (Moment(order.since, order) for order in orders(record) if order.since)
    elif (end := last(record)) is not None:
        yield Moment(end)
    else:
        yield Moment(now, note="no date in the record: judged as of now")


def last(record: Record) -> datetime | None:
    """The latest thing that happened in a record, births and deaths and planned things apart; UTC, None without a date."""
    latest = max((item.latest for item in record.items if item.latest), default=None)
    return latest.astimezone(UTC) if latest else None
