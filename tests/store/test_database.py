"""Both databases for real: schema, start-up of several processes at once, what a mistake is told."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select, text

from cds_rules.store.database import Database, read_url
from cds_rules.store.errors import StoreError, StoreUnavailable
from cds_rules.store.migrations import FOLDER, VERSIONS, heads
from cds_rules.store.tables import adjudication, alert, ledger, metadata, reading, review_item, review_set, token
from tests.store.postgres import Cluster


def test_the_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    with database.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_newest_revision_is_that_of_alembic() -> None:
    script = ScriptDirectory(str(FOLDER), version_locations=[str(VERSIONS)])
    assert heads() == frozenset(script.get_heads())
    assert len(heads()) == 1, "two branches: rebase the later migration on the earlier one"


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(token).values(id="a", expires=datetime.now(UTC)))
    database.migrate()
    with database.reading() as connection:
        assert connection.execute(select(token.c.id)).scalars().all() == ["a"]


def test_a_store_of_before_learns_how_far_its_alerts_have_been_reviewed(url: str) -> None:
    database = Database(url)
    if database.sqlite:
        Path(str(database.url.database)).parent.mkdir()
    script = ScriptDirectory(str(FOLDER), version_locations=[str(VERSIONS)])
    with database.writing() as connection:
        steps = EnvironmentContext(
            Config(), script, fn=lambda revision, _: script._upgrade_revs("forgetting", revision)
        )
        with steps as environment:
            environment.configure(connection=connection, target_metadata=metadata)
            environment.run_migrations()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    #        card, readings (trigger, action), adjudicated
    items = [
        ("wanted", [], False),
        ("read", ["yy"], False),
        ("disputed", ["yy", "ny"], False),
        ("disputed-action", ["yy", "yn"], False),
        ("settled", ["yn", "yn"], False),
        ("settled-judged", ["yy", "ny"], True),
        ("settled-elsewhere", ["yy"], False),
        ("settled-elsewhere", ["yy", "yy"], False),
    ]
    row = {
        "kind": "decision",
        "at": at,
        "tenant": "",
        "key_id": "k",
        "digest": "d",
        "mac": "m",
        "sequence": 1,
        "identity": "1",
    }
    said = {
        "at": at,
        "hook": "patient-view",
        "rule": "r",
        "topic": "t",
        "version": "1",
        "level": "info",
        "state": "open",
    }
    item = {"rule": "r", "version": "1", "stratum": "alert", "level": "info", "hook": "patient-view", "weight": 1.0}
    with database.writing() as connection:
        connection.execute(insert(ledger).values(**row))
        made = {"name": "n", "house": "", "made": at, "made_by": "a", "fingerprint": "f", "seed": 1, "strata": "[]"}
        connection.execute(insert(review_set).values(id=1, **made))
        for tenant, card in [("", each) for each in dict.fromkeys([*(card for card, *_ in items), "none"])] + [
            ("elsewhere", "wanted")
        ]:
            connection.execute(insert(alert).values(sequence=1, position=0, card=card, tenant=tenant, **said))
        for number, (card, readings, judged) in enumerate(items):
            connection.execute(insert(review_item).values(id=number, set_id=1, position=number, card=card, **item))
            for place, (trigger, action) in enumerate(readings, 1):
                found = {"at": at, "trigger_right": trigger, "action_right": action}
                connection.execute(insert(reading).values(item_id=number, place=place, reader=f"r{place}", **found))
            if judged:
                connection.execute(insert(adjudication).values(item_id=number, judge="j", **found))
    database.migrate()
    with database.reading() as connection:
        told = connection.execute(select(alert.c.card, alert.c.tenant, alert.c.review)).all()
    assert len(told) == 9
    assert all(review == ("none" if tenant else card.partition("-")[0]) for card, tenant, review in told)
    database.close()


def _migrate(url: str, barrier: object, told: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    try:
        database = Database(url)
        database.migrate()
        database.close()
        told.put("done")  # type: ignore[attr-defined]
    except BaseException as error:
        told.put(repr(error))  # type: ignore[attr-defined]


def test_several_processes_may_start_at_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(3), context.Queue()
    workers = [context.Process(target=_migrate, args=(url, barrier, told)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert [told.get(timeout=60) for _ in workers] == ["done"] * 3
    for worker in workers:
        worker.join()
    database = Database(url)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM chain")).scalar() == 1
    database.close()


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'of-tomorrow'"))
    with pytest.raises(StoreError, match="made by a newer version of cds-rules"):
        database.migrate()


def test_an_instant_comes_back_with_its_zone(database: Database) -> None:
    there = datetime(2026, 3, 1, 9, 30, 0, 123456, timezone(timedelta(hours=2)))
    with database.writing() as connection:
        connection.execute(insert(token).values(id="a", expires=there))
    with database.reading() as connection:
        found = connection.execute(select(token.c.expires)).scalar_one()
        later = connection.execute(select(token.c.id).where(token.c.expires > there - timedelta(seconds=1))).all()
    assert (found, found.utcoffset()) == (there, timedelta(0))
    assert later


def test_a_small_question_is_answered_while_another_writes_and_after_one_that_failed(database: Database) -> None:
    asked = "SELECT 1 FROM token WHERE id IN ({}) LIMIT 1"
    with database.writing() as connection:
        connection.execute(insert(token).values(id="a", expires=datetime.now(UTC)))
    with database.writing() as connection:
        connection.execute(insert(token).values(id="b", expires=datetime.now(UTC)))
        assert [database.finds(asked, each) for each in (["a"], ["0", "a"], ["b"])] == [True, True, False]
    with pytest.raises(StoreUnavailable) as told:
        database.finds("SELECT 1 FROM nowhere WHERE id IN ({})", ["MARKER"])
    assert "MARKER" not in str(told.value)
    assert "nowhere" not in str(told.value)
    assert database.finds(asked, ["b"])


def test_nothing_of_a_failed_transaction_stays(database: Database) -> None:
    twice = insert(token).values(id="a", expires=datetime.now(UTC))

    def failing() -> None:
        with database.writing() as connection:
            connection.execute(twice)
            connection.execute(twice)

    with pytest.raises(StoreUnavailable):
        failing()
    with database.reading() as connection:
        assert not connection.execute(select(token)).all()


def test_a_reader_of_postgresql_does_not_write(postgres: Cluster) -> None:
    database = Database(postgres.database())
    database.migrate()
    with pytest.raises(StoreUnavailable), database.reading() as connection:
        connection.execute(insert(token).values(id="a", expires=datetime.now(UTC)))
    database.close()


def test_sqlite_flushes_each_commit_and_readers_wait_for_no_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    database.migrate()
    with database.writing() as writer, database.reading() as reader:
        writer.execute(insert(token).values(id="a", expires=datetime.now(UTC)))
        assert not reader.execute(select(token)).all()
        assert reader.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert reader.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    database.close()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("cds-rules.db", "not a database URL"),
        ("mysql://host/name", 'found "mysql"'),
        ("sqlite://", "a plain file"),
        ("sqlite:///:memory:", "a plain file"),
        ("sqlite:///file:a?mode=ro&uri=true", "a plain file"),
    ],
)
def test_what_is_no_database_of_ours_is_told(said: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read_url(said)


def test_an_error_of_the_database_shows_neither_password_nor_rows() -> None:
    database = Database("postgresql://someone:the-password@127.0.0.1:1/name")
    with pytest.raises(StoreUnavailable) as caught:
        database.migrate()
    assert str(caught.value) == "store: the database does not answer or is locked (OperationalError)"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="its file cannot be made"):
        Database(f"sqlite:///{tmp_path / 'file' / 'below' / 'a.db'}").migrate()


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/kept/decisions.db")
    database.migrate()
    assert {file.name: file.stat().st_mode & 0o077 for file in (tmp_path / "kept").iterdir()} == dict.fromkeys(
        [file.name for file in (tmp_path / "kept").iterdir()], 0
    )
    database.close()
