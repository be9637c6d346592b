"""A token is new once, whoever asks."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from cds_rules.store.database import Database
from cds_rules.store.errors import StoreUnavailable
from cds_rules.store.tables import token
from cds_rules.store.tokens import Tokens

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


def test_a_token_is_new_once(database: Database) -> None:
    tokens = Tokens(database, Clock())
    soon = NOON + timedelta(minutes=5)
    assert [tokens.first_seen("https://ehr.example.org", "a", soon) for _ in range(3)] == [True, False, False]
    assert Tokens(database, Clock()).first_seen("https://ehr.example.org", "a", soon) is False


def test_issuers_do_not_share_tokens(database: Database) -> None:
    tokens = Tokens(database, Clock())
    soon = NOON + timedelta(minutes=5)
    assert tokens.first_seen("https://a.example.org", "|b", soon)
    assert tokens.first_seen("https://b.example.org", "|b", soon)
    assert tokens.first_seen("https://a.example.org|", "b", soon)


def test_what_has_expired_is_swept_and_its_name_is_free_again(database: Database) -> None:
    clock = Clock()
    tokens = Tokens(database, clock)
    for number in range(5):
        tokens.first_seen("a", str(number), NOON + timedelta(minutes=5))
    clock.at = NOON + timedelta(minutes=6)
    assert tokens.first_seen("a", "0", clock.at + timedelta(minutes=5))
    assert not tokens.first_seen("a", "0", clock.at + timedelta(minutes=5))
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(token)).scalar() == 1


def test_no_word_of_a_token_is_kept(database: Database) -> None:
    Tokens(database, Clock()).first_seen("https://ehr.example.org", "the-jti", NOON + timedelta(minutes=5))
    with database.reading() as connection:
        rows = repr(connection.execute(select(token)).all())
    assert "ehr" not in rows
    assert "the-jti" not in rows


def _race(url: str, barrier: object, told: object) -> None:
    tokens = Tokens(Database(url))
    expires = datetime.now(UTC) + timedelta(minutes=5)
    barrier.wait()  # type: ignore[attr-defined]
    told.put([tokens.first_seen("issuer", str(number), expires) for number in range(50)])  # type: ignore[attr-defined]


def test_of_many_workers_one_alone_sees_it_first(database: Database, url: str) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(3), context.Queue()
    workers = [context.Process(target=_race, args=(url, barrier, told)) for _ in range(3)]
    for worker in workers:
        worker.start()
    answers = [told.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert [sum(each) for each in zip(*answers, strict=True)] == [1] * 50


def test_what_cannot_be_remembered_is_an_error() -> None:
    tokens = Tokens(Database("postgresql://127.0.0.1:1/name"))
    with pytest.raises(StoreUnavailable):
        tokens.first_seen("a", "b", NOON)
