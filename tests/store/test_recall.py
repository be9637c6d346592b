"""What was answered about a patient is found by the hash of the id, around an instant, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.store.decisions import Caller
from cds_rules.store.store import Store
from tests.store import scenes
from tests.store.scenes import NOBODY, decided, override, sample, write

RULE = "mg-oral-severe-ckd"
PATIENT = "mg-oral-severe-ckd-patient"
NOON = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


@pytest.fixture
def kept(url: str) -> Iterator[Store]:
    made = scenes.store(url, keep="full")
    yield made
    made.database.close()


def test_decisions_come_oldest_first_from_both_sides_of_the_instant(kept: Store, knowledge: Knowledge) -> None:
    hours = (3, 0, 1, 2)
    write(kept, *(decided(knowledge, at=NOON + timedelta(hours=hour)) for hour in hours))
    found = kept.recall(PATIENT, NOBODY, NOON + timedelta(hours=1, minutes=30))
    assert [each.at - NOON for each in found] == [timedelta(hours=hour) for hour in range(4)]
    assert {each.fates[RULE].state for each in found} == {"fired"}


def test_another_patient_tenant_or_server_finds_nothing(kept: Store, knowledge: Knowledge) -> None:
    ward = Caller("ward", "https://ehr")
    write(kept, decided(knowledge, sample(fhirServer="https://ehr.example.org/r4"), caller=ward))
    assert kept.recall("somebody", ward, NOON) == ()
    assert kept.recall(PATIENT, NOBODY, NOON) == ()
    assert kept.recall(PATIENT, Caller("ward"), NOON) == ()
    assert kept.recall(PATIENT, Caller("ward", "https://other-ehr"), NOON) == ()
    assert kept.recall(PATIENT, ward, NOON, "https://other.example.org") == ()
    assert len(kept.recall(PATIENT, ward, NOON, "https://ehr.example.org/r4/")) == 1


def test_the_callers_of_recorded_decisions_are_listed(kept: Store, knowledge: Knowledge) -> None:
    assert kept.houses() == ()
    write(kept, *(decided(knowledge, caller=caller) for caller in (NOBODY, Caller("ward", "https://ehr"), NOBODY)))
    assert kept.houses() == ("", "https://ehr ward")


def test_every_outcome_is_recorded_with_what_suppressed_it(kept: Store, knowledge: Knowledge) -> None:
    first = decided(knowledge)
    write(kept, first)
    card = next(each for each in first.cards if each["extension"]["dev.cds-rules.finding"]["rule"] == RULE)
    kept.feedback([override(card["uuid"])], service=scenes.SERVICE, caller=scenes.NOBODY)
    later = datetime.now(UTC)
    remembered = kept.overrides(scenes.NOBODY, first.server, PATIENT, later)
    assert remembered
    second = decided(knowledge, at=later, overrides=remembered)
    write(kept, second)
    (before, after) = kept.recall(PATIENT, NOBODY, later)
    for rule, outcome in second.evaluation.outcomes.items():
        fate = after.fates[rule]
        assert (fate.state, fate.level, fate.because) == (outcome.state, outcome.indicator or "", outcome.because)
        assert (fate.by, fate.winner) == (outcome.by or "", outcome.winner)
    assert (before.cards[RULE].level, before.cards[RULE].state) == ("critical", "overridden")
    assert after.fates[RULE].by == "override"


def test_what_was_judged_comes_back_whole(kept: Store, knowledge: Knowledge) -> None:
    decision = decided(knowledge)
    write(kept, decision)
    (found,) = kept.recall(PATIENT, NOBODY, NOON)
    call = found.call(kept.keys)
    assert call is not None
    assert evaluate(knowledge, call).outcomes == decision.evaluation.outcomes


def test_a_forgotten_patient_is_not_found(kept: Store, knowledge: Knowledge) -> None:
    write(kept, decided(knowledge))
    kept.forget(datetime.now(UTC), PATIENT, NOBODY)
    assert kept.recall(PATIENT, NOBODY, NOON) == ()
