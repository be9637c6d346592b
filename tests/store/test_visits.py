"""Visits that can be taken back, and an audit that only grows; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from cds_rules.store import visits
from cds_rules.store.audit import PAGE, Entry, entries, note
from cds_rules.store.database import Database
from cds_rules.store.errors import StoreUnavailable
from cds_rules.store.tables import audit, visit
from cds_rules.store.visits import Visit

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
IDLE = timedelta(minutes=30)
ADA = Visit("ada", "Ada", "reviewer", frozenset({"a", "b"}), "", NOW, NOW, NOW + timedelta(hours=10))


def test_a_visit_is_found_by_its_token_alone(database: Database) -> None:
    visits.begin(database, "token", ADA)
    assert visits.find(database, "token", NOW, IDLE) == ADA
    assert visits.find(database, "Token", NOW, IDLE) is None


def test_the_token_is_not_in_the_database(database: Database) -> None:
    visits.begin(database, "token", ADA)
    with database.reading() as connection:
        assert "token" not in str(connection.execute(select(visit)).all())


def test_a_visit_ends_when_it_is_ended_when_idle_and_when_its_time_is_up(database: Database) -> None:
    for token in ("one", "two", "three"):
        visits.begin(database, token, ADA)
    visits.end(database, "one")
    assert visits.find(database, "one", NOW, IDLE) is None
    assert visits.find(database, "two", NOW + timedelta(minutes=31), IDLE) is None
    assert visits.find(database, "three", NOW + timedelta(hours=10), timedelta(days=1)) is None


def test_every_page_puts_the_idle_end_off(database: Database) -> None:
    visits.begin(database, "token", ADA)
    for minutes in (20, 40, 60):
        assert visits.find(database, "token", NOW + timedelta(minutes=minutes), IDLE)


def test_all_visits_of_somebody_can_be_ended(database: Database) -> None:
    visits.begin(database, "one", ADA)
    visits.begin(database, "two", ADA)
    visits.begin(database, "other", replace(ADA, subject="ben", houses=None))
    assert visits.end_all(database, "ada", None) == 2
    assert [(each.subject, each.houses) for each in visits.under_way(database, NOW, IDLE, None)] == [("ben", None)]


def test_who_may_see_some_houses_knows_of_nobody_elses_visits(database: Database) -> None:
    visits.begin(database, "both", ADA)
    visits.begin(database, "one", replace(ADA, subject="ben", houses=frozenset({"a"})))
    visits.begin(database, "all", replace(ADA, subject="eve", houses=None))
    told = [[each.subject for each in visits.under_way(database, NOW, IDLE, houses)] for houses in (("a",), ("a", "b"))]
    assert [sorted(each) for each in told] == [["ben"], ["ada", "ben"]]
    assert [visits.end_all(database, subject, ("a",)) for subject in ("ada", "ben", "eve")] == [0, 1, 0]


def test_who_was_idle_too_long_is_not_signed_in(database: Database) -> None:
    visits.begin(database, "token", ADA)
    assert visits.under_way(database, NOW + IDLE, IDLE, None)
    assert not visits.under_way(database, NOW + timedelta(minutes=31), IDLE, None)


def test_the_audit_is_read_page_by_page_newest_first(database: Database) -> None:
    for number in range(PAGE + 1):
        note(database, Entry(NOW, "ada" if number else "ben", "reader", "GET", f"/alerts/{number}", 200))
    first = entries(database)
    assert (len(first), first[0].item) == (PAGE, f"/alerts/{PAGE}")
    assert [each.subject for each in entries(database, before=first[-1].number)] == ["ben"]
    assert [each.item for each in entries(database, subject="ben")] == ["/alerts/0"]


@pytest.mark.parametrize("change", [update(audit).values(subject="nobody"), delete(audit)], ids=["update", "delete"])
def test_the_audit_is_never_changed(database: Database, change: object) -> None:
    note(database, Entry(NOW, "ada", "reader", "GET", "/alerts/1", 200))
    with pytest.raises(StoreUnavailable), database.writing() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert [each.subject for each in entries(database)] == ["ada"]
