"""Going through alerts: every one once, whoever may see it, and counts that are those of the rows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from cds_rules.evaluate import Knowledge
from cds_rules.store.browse import (
    Houses,
    Listed,
    Place,
    Wanted,
    browse,
    content_of,
    counted,
    find,
    houses_shown,
    judged_with,
    rules_shown,
)
from cds_rules.store.database import Database
from cds_rules.store.decisions import Caller
from cds_rules.store.kept import kept
from cds_rules.store.keys import Keys
from cds_rules.store.ledger import append
from cds_rules.store.packing import unpacked
from cds_rules.store.tables import adjudication, alert, reading, review_item, review_set, tally
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


def test_review_state_comes_from_review_sets(database: Database) -> None:
    many(database, 5)
    cards = [each.card for each in walked(database, None)]
    with database.writing() as connection:
        key = connection.execute(
            insert(review_set).values(name="n", house="", made=START, made_by="a", fingerprint="f", seed=1, strata="[]")
        ).inserted_primary_key[0]
        for place, card in enumerate(cards[:4]):
            connection.execute(
                insert(review_item).values(
                    id=place + 1, set_id=key, position=place, rule="r", version="1", stratum="alert", level="info",
                    hook="patient-view", weight=1.0, card=card,
                )
            )  # fmt: skip
        judged = {"at": START, "trigger_right": "yes", "action_right": "yes"}
        for item, places in ((2, (1,)), (3, (1, 2)), (4, (1,))):
            for place in places:
                connection.execute(insert(reading).values(item_id=item, place=place, reader=f"r{place}", **judged))
        connection.execute(insert(adjudication).values(item_id=4, judge="j", **judged))
    assert [each.review for each in walked(database, None)] == ["wanted", "read", "settled", "settled", "none"]
    for review, those in (("wanted", [0]), ("read", [1]), ("settled", [2, 3]), ("none", [4])):
        assert [each.card for each in walked(database, None, Wanted(review=review))] == [cards[each] for each in those]


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


def test_decisions_a_set_can_be_drawn_from(url: str, knowledge: Knowledge) -> None:
    opened = store(url, keep="full")
    caller = Caller("t", "https://ehr.example.org")
    made = [decided(knowledge, at=START + timedelta(days=number), caller=caller) for number in range(4)]
    write(opened, *made)
    fingerprint, house = made[0].evaluation.fingerprint, caller.house
    found = judged_with(opened.database, house, fingerprint, None, None)
    assert found == (4, 3, 2, 1)
    day = START.date() + timedelta(days=1)
    assert judged_with(opened.database, house, fingerprint, day, day) == (2,)
    assert judged_with(opened.database, "", fingerprint, None, None) == ()
    assert judged_with(opened.database, house, "other rules", None, None) == ()
    content = content_of(opened.database, 2)
    assert content
    assert unpacked(opened.keys.unseal(content)).at == made[1].at
    opened.close()


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
