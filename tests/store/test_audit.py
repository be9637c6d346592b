"""The audit where it is not kept for good: what is old goes by the same command as the rest, leaves a row, and nothing else goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from cds_rules.evaluate import Knowledge
from cds_rules.store.audit import Entry, Pruned, entries, note, prune, pruned
from cds_rules.store.database import Database
from cds_rules.store.errors import StoreUnavailable
from cds_rules.store.tables import audit, audit_pruned
from tests.store.scenes import decided, store, write

NOW = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
AGES = (900, 400, 366, 365, 30, 1)
"""Days, oldest first."""


def looked(database: Database, *ages: int) -> None:
    for age in ages:
        note(database, Entry(NOW - timedelta(days=age), "ada", "reader", "GET", f"/alerts/{age}", 200))


def there(database: Database) -> list[int]:
    return [int(each.item.rpartition("/")[2]) for each in reversed(entries(database))]


def test_it_is_kept_for_good_unless_a_site_says_otherwise(url: str) -> None:
    opened = store(url)
    looked(opened.database, *AGES)
    assert opened.prune(NOW + timedelta(days=10_000)) == {"decisions": 0, "contents": 0, "feedback": 0}
    assert there(opened.database) == list(AGES)
    assert pruned(opened.database) is None
    opened.close()


def test_what_is_older_than_a_site_keeps_it_goes_and_the_ledger_verifies(url: str, knowledge: Knowledge) -> None:
    opened = store(url, audit_days=365)
    write(opened, decided(knowledge))
    anchor = opened.verify().anchor
    looked(opened.database, *AGES)
    assert opened.prune(NOW)["audit entries"] == 3
    assert there(opened.database) == [365, 30, 1]
    assert pruned(opened.database) == Pruned(NOW, NOW - timedelta(days=365), 3)
    assert opened.prune(NOW)["audit entries"] == 0
    assert opened.prune(NOW + timedelta(days=1))["audit entries"] == 1
    verified = opened.verify(anchor)
    assert (verified.problem, verified.rows) == ("", 1)
    opened.close()


def test_the_newest_entry_stays_so_that_numbers_go_on(database: Database) -> None:
    looked(database, 900, 800)
    assert prune(database, NOW, NOW) == 1
    last = entries(database)[0].number
    looked(database, 1)
    assert entries(database)[0].number == last + 1


@pytest.mark.parametrize(
    "change",
    [
        update(audit).values(subject="nobody"),
        delete(audit),
        delete(audit).where(audit.c.item == "/alerts/30"),
        update(audit_pruned).values(rows=0),
        delete(audit_pruned),
    ],
    ids=str,
)
def test_nothing_else_of_it_is_changed_or_removed(database: Database, change: object) -> None:
    looked(database, *AGES)
    prune(database, NOW, NOW - timedelta(days=365))
    with pytest.raises(StoreUnavailable), database.writing() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert there(database) == [365, 30, 1]
    assert pruned(database)


def test_it_is_not_emptied_at_a_stroke(database: Database) -> None:
    looked(database, *AGES)
    prune(database, NOW, NOW - timedelta(days=365))
    for table in (audit, audit_pruned):
        with pytest.raises(StoreUnavailable), database.writing() as connection:
            connection.execute(text(f"{'DELETE FROM' if database.sqlite else 'TRUNCATE'} {table.name}"))


def test_no_more_goes_than_is_said(database: Database) -> None:
    looked(database, *AGES)

    def more_than_it_says() -> None:
        with database.writing() as connection:
            connection.execute(insert(audit_pruned).values(at=NOW, before=NOW, through=2, rows=2))
            connection.execute(delete(audit))

    with pytest.raises(StoreUnavailable):
        more_than_it_says()
    with database.reading() as connection:
        assert connection.execute(select(audit_pruned)).all() == []
    assert there(database) == list(AGES)


def test_a_row_says_no_more_than_what_is_there_to_go(database: Database) -> None:
    looked(database, *AGES)
    for through, before, rows in (
        (10**9, NOW, 6),  # what is yet to come could go unsaid
        (6, NOW, 6),  # the newest stays
        (3, NOW - timedelta(days=365), 0),
        (3, NOW - timedelta(days=365), 2),
    ):
        with pytest.raises(StoreUnavailable), database.writing() as connection:
            connection.execute(insert(audit_pruned).values(at=NOW, before=before, through=through, rows=rows))
    assert pruned(database) is None


def test_what_is_young_enough_stays_wherever_it_stands(database: Database) -> None:
    looked(database, 900, 10, 400, 1)  # a clock was wrong
    assert prune(database, NOW, NOW - timedelta(days=365)) == 2
    with pytest.raises(StoreUnavailable), database.writing() as connection:
        connection.execute(delete(audit).where(audit.c.item == "/alerts/10"))
    assert there(database) == [10, 1]


def test_no_other_table_of_that_name_lets_rows_go(database: Database) -> None:
    looked(database, *AGES)

    def beside_it() -> None:
        with database.writing() as connection:
            connection.execute(text("CREATE TEMP TABLE audit_pruned (through BIGINT, before TIMESTAMP, rows BIGINT)"))
            connection.execute(text("INSERT INTO audit_pruned VALUES (1000000000, '9999-01-01', 6)"))
            connection.execute(text(f"DELETE FROM {'main' if database.sqlite else 'public'}.audit"))

    with pytest.raises(StoreUnavailable):
        beside_it()
    assert there(database) == list(AGES)


def test_no_row_is_put_in_the_place_of_another(database: Database) -> None:
    if not database.sqlite:
        pytest.skip("PostgreSQL has no REPLACE")
    looked(database, *AGES)
    prune(database, NOW, NOW - timedelta(days=365))
    for table in ("audit", "audit_pruned"):
        with pytest.raises(StoreUnavailable), database.writing() as connection:
            connection.execute(text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"))
    assert there(database) == [365, 30, 1]
