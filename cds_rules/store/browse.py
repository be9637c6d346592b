"""Alerts as the review pages go through them: a page at a time by keyset, counts of days, one alert with its decision.

A page begins where the one before ended (`Place`), so the thousandth costs what the first does; counts are read from
`tally`, which triggers keep. Every question names the houses whose alerts may be seen.
Flows in: what is wanted, whose alerts may be seen. Flows out: rows. Floor: edge (store).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from cds_rules.store.database import Database
from cds_rules.store.houses import Houses, of, values
from cds_rules.store.progress import PROGRESS, Progress
from cds_rules.store.recall import Recalled, recalled
from cds_rules.store.tables import alert, ledger, review_item, review_set, tally

PAGE = 50
"""Alerts on a page."""
NEIGHBOURS = 100
"""Other alerts of a patient that are looked at around one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts; "" and None for any. since, until: days in UTC, both included."""

    rule: str = ""
    level: str = ""
    state: str = ""
    review: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def of_alerts(self) -> Mapping[str, str]:
        """What is asked of alerts alone: where no card was shown there is no level, answer or review."""
        return {name: value for name in ("level", "state", "review") if (value := getattr(self, name))}

    def within(self, at: ColumnElement[datetime]) -> Iterable[ColumnElement[bool]]:
        """The condition that an instant is of the days that are wanted."""
        if self.since:
            yield at >= _midnight(self.since)
        if self.until:
            yield at < _midnight(self.until + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list: beyond this alert. newer: towards the newest."""

    at: datetime
    id: int
    newer: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert in a list. patient: its hash; state, reason: what was last answered to it."""

    id: int
    sequence: int
    card: str
    at: datetime
    tenant: str
    patient: str | None
    hook: str
    rule: str
    version: str
    level: str
    state: str
    state_at: datetime | None
    reason: str | None
    review: Progress

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.at, self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """Some alerts, newest first. newer, older: whether there are more on either side."""

    alerts: tuple[Listed, ...]
    newer: bool
    older: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """Alerts of some days. by_day: day -> rule -> how many; the others: value -> how many."""

    since: date
    until: date
    total: int
    levels: Mapping[str, int]
    states: Mapping[str, int]
    rules: Mapping[str, int]
    by_day: Mapping[date, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Found:
    """One alert with the decision it belongs to. company: the other alerts of the decision; others: of the patient.

    items: of review sets that were made from it.
    """

    alert: Listed
    decision: Recalled
    evidence: Mapping[str, Sequence[str]]
    company: tuple[Listed, ...]
    others: tuple[Listed, ...]
    items: tuple[int, ...]


_COLUMNS = tuple(alert.c[name] for name in Listed.__dataclass_fields__)


def browse(database: Database, houses: Houses, wanted: Wanted, place: Place | None = None) -> Page:
    """A page of alerts. place: None for the newest."""
    newer = place is not None and place.newer
    with database.reading() as connection:
        several: list[Iterable[Listed]] = []
        for house in (None,) if houses is None else sorted(houses):
            rows = connection.execute(_page(house, wanted, place))
            several.append([Listed(*row) for row in rows])
        key = lambda each: (each.at, each.id)  # noqa: E731
        found = list(heapq.merge(*several, key=key, reverse=not newer))[: PAGE + 1]
    more, found = len(found) > PAGE, found[:PAGE]
    alerts = tuple(reversed(found) if newer else found)
    return Page(alerts, more if newer else place is not None, True if newer else more)


def _page(house: str | None, wanted: Wanted, place: Place | None) -> Select[Any]:
    """A house at a time: several of them in one question would be sorted before the first is given."""
    asked = select(*_COLUMNS).where(*_conditions(wanted))
    if house is not None:
        asked = asked.where(alert.c.tenant == house)
    newer = place is not None and place.newer
    if place is not None:
        beyond = alert.c.at > place.at if newer else alert.c.at < place.at
        beside = alert.c.id > place.id if newer else alert.c.id < place.id
        limit = alert.c.at >= place.at if newer else alert.c.at <= place.at
        asked = asked.where(limit, or_(beyond, and_(alert.c.at == place.at, beside)))
    order = (alert.c.at, alert.c.id) if newer else (alert.c.at.desc(), alert.c.id.desc())
    return asked.order_by(*order).limit(PAGE + 1)


def _conditions(wanted: Wanted) -> Iterable[ColumnElement[bool]]:
    said = dict(wanted.of_alerts) | ({"rule": wanted.rule} if wanted.rule else {})
    if wanted.review == "none" and len(said) > 1:
        # most alerts are in no set: said like this, the index of another condition is taken, which leads to fewer
        yield alert.c.review.not_in([each for each in PROGRESS if each != said["review"]])
        del said["review"]
    yield from (alert.c[name] == value for name, value in said.items())
    yield from wanted.within(alert.c.at)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def counted(database: Database, houses: Houses, wanted: Wanted, days: int) -> Counted | None:
    """Counts of the days that are wanted, or of the last days in which there was an alert; None when there is none.

    Args:
        days: how many days are counted where the beginning is not said.
    """
    own = of(tally.c.tenant, houses)
    with database.reading() as connection:
        first, last = (
            connection.scalar(select(tally.c.day).where(*own).order_by(order).limit(1))
            for order in (tally.c.day, tally.c.day.desc())
        )
        if first is None or last is None:
            return None
        until = min(wanted.until or date.max, date.fromisoformat(last))
        # what lies before the first alert is not drawn, however far back it is asked for
        since = max(wanted.since, date.fromisoformat(first)) if wanted.since else until - timedelta(days=days - 1)
        since = min(since, until)
        those = [
            *own,
            tally.c.day >= since.isoformat(),
            tally.c.day <= until.isoformat(),
            *(tally.c[name] == value for name in ("rule", "level", "state") if (value := getattr(wanted, name))),
        ]
        by_rule = _sums(connection, those, tally.c.day, tally.c.rule)
        by_kind = _sums(connection, those, tally.c.level, tally.c.state)
    by_day: dict[date, dict[str, int]] = {}
    for day, rule, count in by_rule:
        by_day.setdefault(date.fromisoformat(day), {})[rule] = count
    return Counted(
        since,
        until,
        sum(count for *_, count in by_rule),
        levels=_added((level, count) for level, _, count in by_kind),
        states=_added((state, count) for _, state, count in by_kind),
        rules=_added((rule, count) for _, rule, count in by_rule),
        by_day=by_day,
    )


def _sums(
    connection: Connection, those: Iterable[ColumnElement[bool]], *by: ColumnElement[str]
) -> Sequence[tuple[str, str, int]]:
    asked = select(*by, func.sum(tally.c.shown)).where(*those).group_by(*by)
    return [(one, other, count) for one, other, count in connection.execute(asked)]


def _added(counts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for value, count in counts:
        found[value] = found.get(value, 0) + count
    return found


def rules_shown(database: Database, houses: Houses) -> tuple[str, ...]:
    """The rules that have an alert that may be seen. To list them need not read every alert: of everybody's, each is found by
    one look into the index; of some houses, they stand in the counts."""
    with database.reading() as connection:
        if houses is None:
            return values(connection, alert.c.rule)
        own = select(tally.c.rule).where(*of(tally.c.tenant, houses)).distinct().order_by(tally.c.rule)
        return tuple(connection.scalars(own))


def houses_shown(database: Database) -> tuple[str, ...]:
    """The houses that have an alert, each found by one look into the index."""
    with database.reading() as connection:
        return values(connection, alert.c.tenant)


def find(database: Database, houses: Houses, card: str) -> Found | None:
    """An alert by the uuid of its card; None where there is none that may be seen."""
    own = of(alert.c.tenant, houses)
    with database.reading() as connection:
        row = connection.execute(
            select(*_COLUMNS).where(alert.c.card == card, *own).order_by(alert.c.id.desc()).limit(1)
        ).first()
        if row is None:
            return None
        one = Listed(*row)
        decision = connection.execute(select(ledger).where(ledger.c.sequence == one.sequence)).mappings().one()
        if decision["record"] is None:
            return None
        mates = [
            Listed(*each)
            for each in connection.execute(
                select(*_COLUMNS).where(alert.c.sequence == one.sequence).order_by(alert.c.position)
            )
        ]
        others: Sequence[Any] = ()
        if one.patient:
            others = connection.execute(
                select(*_COLUMNS)
                .where(alert.c.patient == one.patient, alert.c.tenant == one.tenant, alert.c.sequence != one.sequence)
                .order_by(alert.c.at.desc())
                .limit(NEIGHBOURS)
            ).all()
        items = connection.scalars(
            select(review_item.c.id)
            .join_from(review_item, review_set)
            .where(review_item.c.card == one.card, *of(review_set.c.house, houses))
            .order_by(review_item.c.id)
        ).all()
        told, evidence = recalled(connection, decision)
    return Found(
        one,
        told,
        evidence,
        tuple(each for each in mates if each.id != one.id),
        tuple(Listed(*each) for each in others),
        tuple(items),
    )


def card_of(database: Database, card: str, *, house: str, patients: Collection[str], servers: Collection[str]) -> bool:
    """Whether a card of a house is about a patient, and from a server where that is known; by the hashes of both."""
    wanted = select(alert.c.id).where(
        alert.c.card == card,
        alert.c.tenant == house,
        alert.c.patient.in_(patients),
        or_(alert.c.server.is_(None), alert.c.server.in_(servers)),
    )
    with database.reading() as connection:
        return connection.execute(wanted.limit(1)).first() is not None
