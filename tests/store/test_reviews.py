"""Review sets on both databases: blind until settled, two readers, one adjudication, and nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from cds_rules.store import reviews
from cds_rules.store.database import Database
from cds_rules.store.keys import Keys
from cds_rules.store.ledger import forget, prune
from cds_rules.store.reviews import Drawn, Judged, NewItem
from cds_rules.store.tables import reading, review_item
from tests.store.scenes import KEY

AT = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
KEYS = Keys(KEY)


def made(database: Database, house: str = "", count: int = 3) -> int:
    """A set of alerts of one rule."""
    items = [NewItem("r", "1.0.0", "alert", "warning", "patient-view", 2.0, b"{}", f"p{each}") for each in range(count)]
    return reviews.add(
        database, KEYS, items, name="First", house=house, by="admin", at=AT, fingerprint="f", seed=7,
        strata=(Drawn("r", "alert", 2 * count, count),),
    )  # fmt: skip


def found(by: str, trigger: str = "yes", action: str = "yes", comment: str = "") -> Judged:
    return Judged(by, AT, trigger, action, comment)


@pytest.fixture
def first(database: Database) -> int:
    """The first item of a set."""
    return reviews.items(database, made(database), "x")[0].id


def test_a_set_comes_back_with_what_was_drawn(database: Database) -> None:
    made(database)
    (one,) = reviews.sets(database, None)
    assert (one.name, one.seed, one.items, one.read) == ("First", 7, 3, 0)
    assert one.strata == (Drawn("r", "alert", 6, 3),)


def test_the_second_reader_does_not_see_the_first(database: Database, first: int) -> None:
    assert reviews.read(database, KEYS, first, None, found("ada", comment="because")) == "kept"
    theirs = reviews.item(database, KEYS, first, None, "ben")
    assert theirs
    assert (theirs.mine, theirs.both, theirs.listed.progress) == (None, (), "read")
    mine = reviews.item(database, KEYS, first, None, "ada")
    assert mine
    assert mine.mine == found("ada", comment="because")


def test_nor_does_the_first_see_the_second_before_it_is_settled(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada"))
    reviews.read(database, KEYS, first, None, found("ben", "no"))
    for reader in ("ada", "ben"):
        seen = reviews.item(database, KEYS, first, None, reader)
        assert seen
        assert seen.mine
        assert not seen.both
        assert seen.listed.progress == "disputed"


def test_who_adjudicates_sees_both_and_is_neither(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada"))
    reviews.read(database, KEYS, first, None, found("ben", "no"))
    seen = reviews.item(database, KEYS, first, None, "eve")
    assert seen
    assert [each.by for each in seen.both] == ["ada", "ben"]
    assert not reviews.adjudicate(database, KEYS, first, None, found("ada"))
    assert reviews.adjudicate(database, KEYS, first, None, found("eve", "no", "unsure"))
    assert not reviews.adjudicate(database, KEYS, first, None, found("dan")), "once"
    settled = reviews.item(database, KEYS, first, None, "ada")
    assert settled
    assert settled.listed.progress == "settled"
    assert len(settled.both) == 2
    assert settled.adjudicated == found("eve", "no", "unsure")


def test_nothing_is_adjudicated_that_is_not_disputed(database: Database, first: int) -> None:
    assert not reviews.adjudicate(database, KEYS, first, None, found("eve"))
    reviews.read(database, KEYS, first, None, found("ada"))
    assert not reviews.adjudicate(database, KEYS, first, None, found("eve"))
    reviews.read(database, KEYS, first, None, found("ben"))
    assert not reviews.adjudicate(database, KEYS, first, None, found("eve"))


def test_a_reading_may_be_changed_until_the_other_is_there(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada"))
    assert reviews.read(database, KEYS, first, None, found("ada", "no")) == "kept"
    reviews.read(database, KEYS, first, None, found("ben"))
    assert reviews.read(database, KEYS, first, None, found("ada")) == "locked"
    assert reviews.read(database, KEYS, first, None, found("eve")) == "full"
    seen = reviews.item(database, KEYS, first, None, "ada")
    assert seen
    assert seen.mine
    assert seen.mine.trigger == "no"


def test_a_single_reading_is_in_no_statistic(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada"))
    (of,) = reviews.sets(database, None)
    assert [each.trigger for each in reviews.rows(database, of.id)] == [(), (), ()]
    reviews.read(database, KEYS, first, None, found("ben", "no"))
    row = reviews.rows(database, of.id)[0]
    assert (row.trigger, row.action, row.final("trigger"), row.final("action")) == (
        ("yes", "no"), ("yes", "yes"), "", "",
    )  # fmt: skip
    reviews.adjudicate(database, KEYS, first, None, found("eve", "no", "no"))
    assert reviews.rows(database, of.id)[0].final("trigger") == "no"


def test_two_people_keep_their_places_whoever_reads_first(database: Database) -> None:
    identity = made(database)
    for number, each in enumerate(reviews.items(database, identity, "x")):
        for reader in ("ben", "ada") if number % 2 else ("ada", "ben"):
            reviews.read(database, KEYS, each.id, None, found(reader, "yes" if reader == "ada" else "no"))
    rows = reviews.rows(database, identity)
    assert {(row.readers, row.trigger) for row in rows} == {(("ada", "ben"), ("yes", "no"))}


def test_another_tenants_set_is_not_there(database: Database) -> None:
    identity = made(database, "north")
    (first, *_) = reviews.items(database, identity, "x")
    mine = frozenset({"south"})
    assert reviews.sets(database, mine) == ()
    assert reviews.find_set(database, identity, mine) is None
    assert reviews.item(database, KEYS, first.id, mine, "ada") is None
    assert reviews.read(database, KEYS, first.id, mine, found("ada")) == "absent"
    assert not reviews.adjudicate(database, KEYS, first.id, mine, found("ada"))
    assert not reviews.remove(database, identity, mine)
    assert reviews.sets(database, frozenset({"north"}))


def test_a_comment_is_sealed(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada", comment="Mrs Smith"))
    with database.reading() as connection:
        assert b"Smith" not in connection.scalar(select(reading.c.comment))


def test_a_set_goes_with_all_that_is_in_it(database: Database, first: int) -> None:
    reviews.read(database, KEYS, first, None, found("ada"))
    (of,) = reviews.sets(database, None)
    assert reviews.remove(database, of.id, None)
    with database.reading() as connection:
        assert connection.execute(select(reading)).all() == []
        assert connection.execute(select(review_item)).all() == []


def test_a_patient_is_forgotten_in_review_sets_too(database: Database, first: int) -> None:
    forget(database, KEYS, AT, KEYS.hashes("patient", "", "p0"))
    seen = reviews.item(database, KEYS, first, None, "ada")
    assert seen
    assert seen.content is None


def test_what_reviewers_wrote_of_a_patient_is_forgotten_and_their_answers_stay(database: Database, first: int) -> None:
    other = reviews.items(database, 1, "x")[1].id
    for item in (first, other):
        reviews.read(database, KEYS, item, None, found("ada", "yes", comment="Mrs Smith"))
        reviews.read(database, KEYS, item, None, found("ben", "no", comment="Mrs Smith too"))
        assert reviews.adjudicate(database, KEYS, item, None, found("cleo", "yes", comment="Smith, as both say"))
    forget(database, KEYS, AT, KEYS.hashes("patient", "", "p0"))
    gone, kept = (reviews.item(database, KEYS, item, None, "ada") for item in (first, other))
    assert gone
    assert kept
    assert [(each.trigger, each.comment) for each in gone.both] == [("yes", ""), ("no", "")]
    assert gone.adjudicated
    assert (gone.adjudicated.trigger, gone.adjudicated.comment) == ("yes", "")
    assert {each.comment for each in kept.both} == {"Mrs Smith", "Mrs Smith too"}


def test_what_was_judged_is_kept_no_longer_than_the_store_keeps_it(database: Database, first: int) -> None:
    prune(database, KEYS, AT, decisions=AT, content=AT, answers=AT)
    seen = reviews.item(database, KEYS, first, None, "ada")
    assert seen
    assert seen.content == b"{}"
    later = AT.replace(year=2027)
    prune(database, KEYS, later, decisions=AT, content=later, answers=AT)
    seen = reviews.item(database, KEYS, first, None, "ada")
    assert seen
    assert seen.content is None
