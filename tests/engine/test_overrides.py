"""An override silences the same rule for the same products for its time, unless something got worse; then the card says what."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from cds_rules.engine.overrides import Covered, Override, covered
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.store.packing import memory, remembered
from cds_rules.vocabulary.facts import Between
from cds_rules.vocabulary.frozen import replace
from tests.fhir.builders import AT, Json, bundle, document, lab, patient, request

OXIDE = "Magnesium oxide 400 mg tablet"


def judged(knowledge: Knowledge, *resources: Json, after: timedelta = timedelta(), overrides: Any = ()) -> Evaluation:
    documents = (document(bundle([patient(), *(resources or (request(drug=OXIDE), lab(value=2.0)))])),)
    return evaluate(
        knowledge,
        Call(hook="patient-view", at=AT + after, documents=documents, patient_id="p", overrides=tuple(overrides)),
    )


def answered(evaluation: Evaluation, reason: str = "level-monitored") -> Override:
    """The override of its first card, as the store would remember it."""
    finding = evaluation.findings[0]
    covers = covered(finding, evaluation.derived.facts, evaluation.chart)
    return Override(evaluation.at, finding.indicator, reason, covers)


def shown(evaluation: Evaluation) -> list[str]:
    return [finding.rule.id for finding in evaluation.findings]


def test_an_override_silences_and_says_so(knowledge: Knowledge) -> None:
    first = judged(knowledge)
    assert shown(first) == ["mg-oral-severe-ckd"]
    again = judged(knowledge, overrides=[answered(first)], after=timedelta(days=1))
    assert shown(again) == []
    assert again.outcomes["mg-oral-severe-ckd"].state == "suppressed"
    day = AT + timedelta(days=7)
    assert again.silenced == {
        "mg-oral-severe-ckd": f"overridden {AT:%Y-%m-%d} (level monitored), silent until {day:%Y-%m-%d} unless it gets worse"
    }


def test_without_overrides_nothing_is_silenced(knowledge: Knowledge) -> None:
    assert judged(knowledge).silenced == {}


@pytest.mark.parametrize(
    ("level", "days", "silent"),
    [
        ("critical", 7, True),
        ("critical", 7.001, False),
        ("warning", 90, True),
        ("warning", 90.001, False),
        ("info", 90, True),
    ],
)
def test_an_override_stands_as_long_as_its_level_says(
    knowledge: Knowledge, level: Any, days: float, silent: bool
) -> None:
    before = judged(knowledge)
    made = replace(answered(before), at=AT - timedelta(days=days), indicator=level)
    assert (shown(judged(knowledge, overrides=[made])) == []) is silent


def test_an_override_of_tomorrow_says_nothing_of_today(knowledge: Knowledge) -> None:
    made = replace(answered(judged(knowledge)), at=AT + timedelta(days=1))
    assert shown(judged(knowledge, overrides=[made])) == ["mg-oral-severe-ckd"]


def test_another_rule_is_not_silenced(knowledge: Knowledge) -> None:
    made = Override(AT, "critical", "", (Covered("mg-total-dose", "critical"),))
    assert shown(judged(knowledge, overrides=[made])) == ["mg-oral-severe-ckd"]


def _returned(knowledge: Knowledge, made: Override, *resources: Json) -> str:
    evaluation = judged(knowledge, *resources, overrides=[made], after=timedelta(hours=1))
    assert shown(evaluation) == ["mg-oral-severe-ckd"]
    assert evaluation.silenced == {}
    detail: str = evaluation.cards[0]["detail"]
    assert detail.startswith("**Shown again**")
    return detail.partition("**Found in this chart**")[0]


def test_a_higher_level_brings_it_back(knowledge: Knowledge) -> None:
    made = answered(judged(knowledge))
    lower = replace(made, covers=(replace(made.covers[0], indicator="warning"),))
    assert "level warning, now critical" in _returned(knowledge, lower)


def test_another_product_brings_it_back(knowledge: Knowledge) -> None:
    made = answered(judged(knowledge))
    other = replace(made, covers=(replace(made.covers[0], products=frozenset({"magnesium citrate"})),))
    assert "another product (magnesium oxide)" in _returned(knowledge, other)


def test_more_of_the_same_brings_it_back(knowledge: Knowledge) -> None:
    made = _with(answered(judged(knowledge)), amount_mg=100.0)
    assert "total magnesium a day 100, now" in _returned(knowledge, made).replace("\\", "")


def test_an_amount_that_is_no_longer_known_brings_it_back(knowledge: Knowledge) -> None:
    made = _with(answered(judged(knowledge)), amount_mg=482.0)
    unclear = request(drug=OXIDE, dosageInstruction=[{"text": "as told"}])
    told = _returned(knowledge, made, unclear, lab(value=2.0))
    assert "total magnesium a day 482, now at least 0 mg/d" in told


def test_less_of_the_same_does_not(knowledge: Knowledge) -> None:
    made = _with(answered(judged(knowledge)), amount_mg=5000.0, tier=5.0)
    assert shown(judged(knowledge, overrides=[made])) == []


def test_a_worse_tier_brings_it_back_in_words(knowledge: Knowledge) -> None:
    assert "kidney function G3b, now G4" in _returned(knowledge, _with(answered(judged(knowledge)), tier=2.0))


def test_kidneys_that_were_not_known_and_turn_out_bad_bring_it_back(knowledge: Knowledge) -> None:
    """Whoever overrode a high level did not know that the kidneys cannot get rid of it."""
    high = lab(name="mg", code="19123-9", value=5.2)
    first = judged(knowledge, request(drug=OXIDE), high)
    assert (shown(first), first.derived.kidney.tier) == (["hypermagnesemia-lab"], "UNKNOWN")
    later = judged(knowledge, request(drug=OXIDE), high, lab(value=6.5), overrides=[answered(first)])
    assert "hypermagnesemia-lab" in shown(later)
    assert "kidney function was not known, now is" in later.cards[0]["detail"]


def test_what_cannot_be_compared_brings_it_back(knowledge: Knowledge) -> None:
    told = _returned(knowledge, _with(answered(judged(knowledge)), amount_mg=None))
    assert "total magnesium a day was not known, now is" in told


def test_when_its_time_is_over_the_card_says_when_it_was_overridden(knowledge: Knowledge) -> None:
    made = replace(answered(judged(knowledge)), at=AT - timedelta(days=8))
    told = _returned(knowledge, made)
    assert (
        f"Overridden {made.at:%Y-%m-%d} (Magnesium level is being monitored); since then: 7 days have passed"
        in told.replace("\\", "")
    )


def test_the_latest_override_that_stands_counts(knowledge: Knowledge) -> None:
    old = replace(answered(judged(knowledge)), at=AT - timedelta(days=20))
    new = replace(old, at=AT - timedelta(days=2))
    assert shown(judged(knowledge, overrides=[new, old])) == []


def test_what_was_noted_on_an_overridden_card_does_not_take_its_place(knowledge: Knowledge) -> None:
    both = (request(drug=OXIDE), request(drug="Calcium carbonate 500 mg tablet"), lab(value=2.0))
    first = judged(knowledge, *both)
    finding = first.findings[0]
    noted = {each.rule.id for each in finding.also}
    again = judged(knowledge, *both, overrides=[answered(first)])
    assert not noted & set(shown(again))


UNKNOWN = {"drug": "Magnesium citrate 100 mg tablet", "name": "other", "dosageInstruction": [{"text": "as told"}]}


@pytest.mark.parametrize(("tablets", "silent"), [(1, True), (4, False)])
def test_more_of_what_is_known_beside_an_unknown_amount_brings_it_back(
    knowledge: Knowledge, tablets: int, silent: bool
) -> None:
    def chart(count: int) -> tuple[Json, ...]:
        times = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}
        dose = {"timing": times, "doseAndRate": [{"doseQuantity": {"value": count, "unit": "tablet"}}]}
        return request(drug=OXIDE, dosageInstruction=[dose]), request(**UNKNOWN), lab(value=2.0)

    first = judged(knowledge, *chart(1))
    made = remembered(memory(answered(first).covers), first.at, "critical", "")
    again = judged(knowledge, *chart(tablets), overrides=[made], after=timedelta(hours=1))
    assert (shown(again) == []) is silent
    if not silent:
        told = again.cards[0]["detail"].replace("\\", "")
        assert "total magnesium a day at least 482, now at least 1930 mg/d" in told


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (Between(400, math.inf), "total magnesium a day at least 400, now 482"),
        (Between(483, math.inf), ""),
        (Between(-math.inf, 300), "total magnesium a day at most 300, now 482"),
        (Between(500, 600), ""),
    ],
)
def test_what_was_known_by_its_ends_is_compared_by_them(knowledge: Knowledge, before: Between, said: str) -> None:
    made = _with(answered(judged(knowledge)), amount_mg=before)
    if said:
        assert said in _returned(knowledge, made).replace("\\", "")
    else:
        assert shown(judged(knowledge, overrides=[made])) == []


def _with(made: Override, **measures: float | Between | None) -> Override:
    """The override with other measures, by the field they are about."""
    first = made.covers[0]
    before = dict(first.measures or {})
    for field, value in measures.items():
        (name,) = [each for each in before if each.endswith(f" {field}")]
        before[name] = value
    return replace(made, covers=(replace(first, measures=before), *made.covers[1:]))
