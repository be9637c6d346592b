"""Decisions that a set can be drawn from: all of them, each once, in their order, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.store import judged as module
from cds_rules.store.browse import Wanted
from cds_rules.store.decisions import Caller
from cds_rules.store.judged import content_of, judged
from cds_rules.store.packing import unpacked
from tests.store.scenes import decided, override, sample, store, write

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALLER = Caller("t", "https://ehr.example.org")
RULE = "mg-oral-severe-ckd"


def test_all_decisions_come_once_in_their_order(
    url: str, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    opened = store(url, keep="full")
    hours = (5, 5, 0, 30, 5, 5, 80)
    made = [decided(knowledge, at=START + timedelta(hours=each), caller=CALLER) for each in hours]
    write(opened, *made, decided(knowledge, at=START))
    fingerprint, house = made[0].evaluation.fingerprint, CALLER.house

    def found(house: str = house, fingerprint: str = fingerprint, wanted: Wanted = Wanted()) -> list[int]:  # noqa: B008
        return [each.sequence for each in judged(opened.database, house, fingerprint, wanted)]

    assert found() == [3, 1, 2, 5, 6, 4, 7]
    day = START.date() + timedelta(days=1)
    assert found(wanted=Wanted(since=day, until=day)) == [4]
    assert found("") == [8]
    assert found("elsewhere") == found(fingerprint="other rules") == []
    content = content_of(opened.database, 4)
    assert content
    assert unpacked(opened.keys.unseal(content)).at == made[3].at
    opened.close()


def test_a_decision_says_what_became_of_each_rule_and_which_alerts_fit(url: str, knowledge: Knowledge) -> None:
    opened = store(url, keep="full")
    made = decided(knowledge), decided(knowledge, sample("mg-oral-aki"))
    write(opened, *made)
    opened.feedback([override(made[1].cards[0]["uuid"])], service="s", caller=Caller())
    for wanted in (Wanted(), Wanted(state="overridden"), Wanted(level="info"), Wanted(review="none", state="open")):
        told = list(judged(opened.database, "", made[0].evaluation.fingerprint, wanted))
        assert [each.states for each in told] == [
            {rule: outcome.state for rule, outcome in each.evaluation.outcomes.items()} for each in made
        ]
        assert [each.alerts for each in told] == [
            {
                card["extension"]["dev.cds-rules.finding"]["rule"]: wanted.level in ("", card["indicator"])
                and wanted.state in ("", "overridden" if each is made[1] and not number else "open")
                for number, card in enumerate(each.cards)
            }
            for each in made
        ]
    opened.close()


def test_what_is_not_kept_with_what_was_judged_is_left_out(url: str, knowledge: Knowledge) -> None:
    opened = store(url, keep="hashed")
    made = decided(knowledge)
    write(opened, made)
    assert list(judged(opened.database, "", made.evaluation.fingerprint, Wanted())) == []
    assert content_of(opened.database, 1) is None
    opened.close()
