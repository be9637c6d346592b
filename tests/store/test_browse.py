"""Going through alerts: every one once, whoever may see it, and counts that are those of the rows."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, update

from cds_rules.evaluate import Knowledge
from cds_rules.review.statistics import JUDGEMENTS
from cds_rules.store import reviews
from cds_rules.store.browse import (
    Houses,
    Listed,
    Place,
    Wanted,
    browse,
    counted,
    find,
    houses_shown,
    rules_shown,
)
from cds_rules.store.database import Database
from cds_rules.store.decisions import Caller
from cds_rules.store.kept import kept
from cds_rules.store.keys import Keys
from cds_rules.store.ledger import append
from cds_rules.store.progress import PROGRESS
from cds_rules.store.reviews import Judged, NewItem
from cds_rules.store.tables import alert, tally
from tests.store.scenes import KEY, decided, override, store, write

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = ("mg-oral-severe-ckd", "statin-dose-limit", "diuretic-cramps")


def many(database: Database, count: int, house: str = "", first: int = 0) -> None:
    """Decisions with one alert each; every third has the instant of the one before."""
    names = ("client", "server", "patient", "user_id", "instance", "latency_us")
    with database.alone() as connection:
        written = []
        for number in range(first, first + count):
            at = START + timedelta(hours=number - (number % 3 == 2))
            level = ("info", "warning", "critical")[number % 3]
            row = dict.fromkeys(names) | {
                "kind": "decision", "identity": f"{number:032d}", "at": at, "tenant": house, "hook": "patient-view",
                "status": 200, "fingerprint": "f", "content": None,
                "record": '{"outcomes": {}, "evidence": {}, "prefetch": [], "matcher": "durable"}',
            }  # fmt: skip
            card = {
                "position": 0, "card": str(UUID(int=number)), "at": at, "tenant": house, "server": None, "patient": None,
                "hook": "patient-view", "rule": RULES[number % len(RULES)], "topic": "t", "version": "1.0.0", "level": level,
                "memory": None, "state": "open", "state_at": None, "reason": None,
            }  # fmt: skip
            written.append((row, [card]))
        append(connection, Keys(KEY), written)


def walked(database: Database, houses: Houses, wanted: Wanted = Wanted()) -> list[Listed]:  # noqa: B008
    """All pages, from the newest to the oldest."""
    found: list[Listed] = []
    place: Place | None = None
    while True:
        page = browse(database, houses, wanted, place)
        found += page.alerts
        if not page.older:
            return found
        place = found[-1].place


@pytest.mark.parametrize("houses", [None, {"a"}, {"a", "b"}, {"a", "b", "none"}], ids=str)
def test_every_alert_that_may_be_seen_comes_once_newest_first(database: Database, houses: Houses) -> None:
    many(database, 130, "a")
    many(database, 40, "b", 130)
    many(database, 10, "c", 170)
    found = walked(database, houses)
    assert len(found) == {None: 180, 1: 130, 2: 170, 3: 170}[houses and len(houses)]
    assert len({each.id for each in found}) == len(found)
    assert found == sorted(found, key=lambda each: (each.at, each.id), reverse=True)
    assert {each.tenant for each in found} <= (set(houses) if houses else {"a", "b", "c"})


def test_going_back_leads_to_the_page_that_was_there(database: Database) -> None:
    many(database, 130)
    first = browse(database, None, Wanted())
    second = browse(database, None, Wanted(), first.alerts[-1].place)
    start = second.alerts[0]
    back = browse(database, None, Wanted(), Place(start.at, start.id, newer=True))
    assert back.alerts == first.alerts
    assert (first.newer, first.older, second.newer, back.newer, back.older) == (False, True, True, False, True)


def test_what_is_wanted_and_nothing_else(database: Database) -> None:
    many(database, 90)
    day = START.date() + timedelta(days=1)
    for wanted, fits in (
        (Wanted(rule=RULES[1]), lambda each: each.rule == RULES[1]),
        (Wanted(level="critical"), lambda each: each.level == "critical"),
        (Wanted(state="overridden"), lambda each: False),
        (Wanted(since=day, until=day), lambda each: each.at.date() == day),
        (Wanted(rule=RULES[0], level="info", since=day), lambda each: each.rule == RULES[0] and each.at.date() >= day),
    ):
        assert walked(database, None, wanted) == [each for each in walked(database, None) if fits(each)]


def tallied(database: Database) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]:
    """What the triggers counted, and what is there."""
    with database.reading() as connection:
        counts = Counter({tuple(row[:5]): row.shown for row in connection.execute(select(tally))})
        there = Counter(
            (f"{row.at:%Y-%m-%d}", row.tenant, row.rule, row.level, row.state)
            for row in connection.execute(select(alert))
        )
    return counts, there


def test_the_tally_is_that_of_the_rows_whatever_happens_to_them(url: str, knowledge: Knowledge) -> None:
    opened = store(url)
    caller = Caller("t", "https://ehr.example.org")
    one, other = decided(knowledge), decided(knowledge, caller=caller)
    write(opened, one, other)
    for step in (
        lambda: None,
        lambda: opened.feedback([override(other.cards[0]["uuid"])], service="s", caller=caller),
        lambda: opened.forget(one.at, one.call.patient_id or "", Caller()),
        lambda: opened.prune(one.at + timedelta(days=10_000)),
    ):
        step()
        counts, there = tallied(opened.database)
        assert counts == there
    assert not counts
    opened.close()


def test_counts_of_days(database: Database) -> None:
    many(database, 90, "a")
    many(database, 30, "b", 90)
    told = counted(database, {"a"}, Wanted(), 2)
    assert told
    assert (told.since, told.until) == (date(2026, 3, 4), date(2026, 3, 5))
    those = [each for each in walked(database, {"a"}) if each.at.date() >= told.since]
    assert told.total == len(those)
    assert told.levels == Counter(each.level for each in those)
    assert {day: dict(rules) for day, rules in told.by_day.items()} == {
        day: Counter(each.rule for each in those if each.at.date() == day) for day in {each.at.date() for each in those}
    }
    assert counted(database, {"nobody"}, Wanted(), 30) is None


def test_an_alert_of_another_house_is_not_found(url: str, knowledge: Knowledge) -> None:
    opened = store(url)
    made = decided(knowledge, caller=Caller("t", "https://ehr.example.org"))
    write(opened, made)
    card = made.cards[0]["uuid"]
    for houses, there in ((None, True), ({made.caller.house}, True), ({"other"}, False), (set(), False)):
        assert (find(opened.database, houses, card) is not None) is there
    found = find(opened.database, None, card)
    assert found
    assert found.decision.fates[found.alert.rule].state == "fired"
    assert found.evidence[found.alert.rule]
    opened.close()


def drawn(database: Database, cards: Sequence[str], house: str = "") -> tuple[int, list[int]]:
    """A review set of some alerts, and its items in the order of the alerts."""
    items = [NewItem("r", "1.0.0", "alert", "info", "patient-view", 1.0, b"{}", "p", card) for card in cards]
    identity = reviews.add(
        database, Keys(KEY), items, name="n", house=house, by="a", at=START, fingerprint="f", seed=1, strata=()
    )
    return identity, [each.id for each in reviews.items(database, identity, "x")]


def answer(database: Database, item: int, by: str, trigger: str = "yes", action: str = "yes") -> None:
    assert reviews.read(database, Keys(KEY), item, None, Judged(by, START, trigger, action, "")) == "kept"


def judge(database: Database, item: int, by: str) -> None:
    assert reviews.adjudicate(database, Keys(KEY), item, None, Judged(by, START, "yes", "yes", ""))


def test_the_worklist_tells_as_review_sets_do_how_far_an_alert_is(database: Database) -> None:
    many(database, 8)
    cards = [each.card for each in walked(database, None)]
    _, items = drawn(database, cards[:7])
    for place, *readings in (
        (1, "yes"), (2, "yes", "yes"), (3, "yes", "no"), (4, "yes", "no"), (5, "unsure", "unsure"), (6, "yes", "unsure"),
    ):  # fmt: skip
        for reader, trigger in zip(("ada", "ben"), readings, strict=False):
            answer(database, items[place], reader, trigger)
    judge(database, items[4], "eve")
    states = ["wanted", "read", "settled", "disputed", "settled", "settled", "disputed", "none"]
    assert [each.review for each in walked(database, None)] == states
    for review in PROGRESS:
        those = [card for card, state in zip(cards, states, strict=True) if state == review]
        assert [each.card for each in walked(database, None, Wanted(review=review))] == those
        by_level = [each.card for each in walked(database, None, Wanted(level="info")) if each.card in those]
        assert [each.card for each in walked(database, None, Wanted(review=review, level="info"))] == by_level
    found = find(database, None, cards[3])
    assert found
    assert found.alert.review == "disputed"


def test_a_difference_about_the_action_alone_is_one(database: Database) -> None:
    many(database, 1)
    _, (item,) = drawn(database, [each.card for each in walked(database, None)])
    answer(database, item, "ada", action="yes")
    answer(database, item, "ben", action="no")
    assert [each.review for each in walked(database, None)] == ["disputed"]


def test_of_several_sets_the_one_that_is_furthest_counts(database: Database) -> None:
    many(database, 1)
    cards = [each.card for each in walked(database, None)]
    (first, (one,)), (second, (other,)) = drawn(database, cards), drawn(database, cards)
    answer(database, one, "ada")
    answer(database, other, "eve")
    answer(database, other, "ben")
    for state, gone in (("settled", second), ("read", first), ("none", None)):
        assert [each.review for each in walked(database, None)] == [state]
        assert gone is None or reviews.remove(database, gone, None)


def test_a_set_of_one_house_says_nothing_of_an_alert_of_another(database: Database) -> None:
    many(database, 1, "north")
    many(database, 1, "south", 1)
    card = walked(database, None)[0].card
    with database.writing() as connection:
        connection.execute(update(alert).values(card=card))
    drawn(database, [card], "north")
    assert {each.tenant: each.review for each in walked(database, None)} == {"north": "wanted", "south": "none"}
    for house, items in (("north", 1), ("south", 0)):
        found = find(database, frozenset({house}), card)
        assert found
        assert len(found.items) == items


STEPS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.sampled_from(JUDGEMENTS)), max_size=12)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_worklist_set_and_statistics_agree_on_what_is_settled(steps: list[tuple[int, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/a.db")
        database.migrate()
        many(database, 3)
        identity, items = drawn(database, [each.card for each in walked(database, None)])
        for place, who, found in steps:
            given_ = Judged(who, START, found, found, "")
            if reviews.read(database, Keys(KEY), items[place], None, given_) != "kept":
                reviews.adjudicate(database, Keys(KEY), items[place], None, given_)
        listed = [each.progress for each in reviews.items(database, identity, "x")]
        assert [each.review for each in walked(database, None)] == listed
        settled = [bool(row.final("trigger")) for row in reviews.rows(database, identity)]
        assert settled == [each == "settled" for each in listed]
        database.close()


def plan(database: Database, ask: Callable[[], object]) -> str:
    """How SQLite goes about the questions that a function puts."""
    asked: list[tuple[str, Any]] = []
    listen = lambda *said: asked.append((said[2], said[3]))  # noqa: E731
    event.listen(database.engine, "before_cursor_execute", listen)
    ask()
    event.remove(database.engine, "before_cursor_execute", listen)
    with database.reading() as connection:
        steps = [
            row[3]
            for sql, values in asked
            if sql.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]
    return "\n".join(steps)


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'a.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.mark.parametrize("houses", [None, {"a"}], ids=str)
@pytest.mark.parametrize("review", PROGRESS)
def test_the_alerts_in_one_state_are_read_off_an_index(sqlite: Database, review: str, houses: Houses) -> None:
    told = plan(sqlite, lambda: browse(sqlite, houses, Wanted(review=review)))
    assert f"ix_alert_{'tenant_' if houses else ''}review_at" in told
    assert "TEMP B-TREE" not in told
    assert "review_item" not in told


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(review="none", rule="r"), "ix_alert_rule_at"),
        (Wanted(review="none", level="info"), "ix_alert_level_at"),
        (Wanted(review="settled", rule="r"), "ix_alert_review_at"),
        (Wanted(review="wanted", level="info", state="open"), "ix_alert_review_at"),
    ],
    ids=str,
)
def test_the_condition_that_leads_to_fewest_is_followed(sqlite: Database, wanted: Wanted, index: str) -> None:
    assert index in plan(sqlite, lambda: browse(sqlite, None, wanted))


def test_the_items_of_a_set_are_listed_without_the_readings_of_others(sqlite: Database) -> None:
    many(sqlite, 1)
    identity, (item,) = drawn(sqlite, [each.card for each in walked(sqlite, None)])
    for ask in (
        lambda: reviews.items(sqlite, identity, "ada"),
        lambda: reviews.item(sqlite, Keys(KEY), item, None, "ada"),
        lambda: reviews.adjudicate(sqlite, Keys(KEY), item, None, Judged("ada", START, "yes", "yes", "")),
    ):
        assert "SCAN reading" not in plan(sqlite, ask)


def test_an_answer_moves_an_alert_from_one_state_to_another(database: Database) -> None:
    many(database, 3)
    with database.alone() as connection:
        connection.execute(update(alert).where(alert.c.rule == RULES[0]).values(state="accepted"))
    told = counted(database, None, Wanted(), 30)
    assert told
    assert told.states == {"open": 2, "accepted": 1}


def test_houses_and_rules_that_have_an_alert(database: Database) -> None:
    assert (houses_shown(database), rules_shown(database, None)) == ((), ())
    many(database, 6, "")
    many(database, 2, "b", 6)
    assert houses_shown(database) == ("", "b")
    assert rules_shown(database, None) == tuple(sorted(RULES))


def test_which_rules_spoke_elsewhere_is_not_told(database: Database) -> None:
    many(database, 1, "a", 1)
    many(database, 2, "b", 2)
    assert rules_shown(database, ("a",)) == (RULES[1],)
    assert rules_shown(database, ("a", "b")) == tuple(sorted(RULES))
    assert rules_shown(database, ()) == ()


def test_what_is_openedis_counted_for_those_who_may_see_it(url: str, knowledge: Knowledge) -> None:
    opened = store(url, keep="full")
    caller = Caller("t", "https://ehr.example.org")
    one, other = decided(knowledge), decided(knowledge, caller=caller)
    write(opened, one, other)
    opened.feedback([override(other.cards[0]["uuid"])], service="s", caller=caller)
    told = [kept(opened.database, houses) for houses in (None, {caller.house}, {"nobody"})]
    assert [(each.decisions, each.contents, each.alerts, each.feedback) for each in told] == [
        (2, 2, 2, 1),
        (1, 1, 1, 1),
        (0, 0, 0, 0),
    ]
    opened.close()
