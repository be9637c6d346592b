"""Results of which the date names no day: certain is what every day it can mean agrees on."""

from __future__ import annotations

import pytest

from cds_rules.cards.silence import miss_words
from cds_rules.derive import derive
from cds_rules.engine.inquiry import Inquiry
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.vocabulary.facts import Between, Fact
from tests.fhir.builders import AT, bundle, condition, document, lab, patient, read, request

MAGNESIUM, CREATININE = "19123-9", "2160-0"
OXIDE = request("m", "Magnesium oxide 400 mg tablet", days=100, sig={"text": "1 tablet PO daily"})


def judged(knowledge: Knowledge, *resources: dict, language: str = "en") -> Evaluation:
    call = Call(
        hook="patient-view",
        documents=(document(bundle([patient(), *resources])),),
        at=AT,
        patient_id="p",
        language=language,
    )
    return evaluate(knowledge, call)


def rules(evaluation: Evaluation) -> dict[str, dict]:
    return {each["extension"]["dev.cds-rules.finding"]["rule"]: each for each in evaluation.cards}


def magnesium(value: float, when: str, name: str = "g") -> dict:
    return lab(name, MAGNESIUM, value, "mg/dL", effectiveDateTime=when)


def fact(kind: str, *results: dict) -> Fact:
    chart = read(patient(), *results).chart
    facts = derive(chart, hook="patient-view", at=AT).facts
    return next(each for each in facts if each.kind == kind)


@pytest.mark.parametrize(
    ("when", "age"),
    [
        ("2026-02-20T10:00:00Z", 9.0),
        ("2026-01", Between(28.916666667, 58.916666667)),
        ("2025", Between(59.916666667, 423.916666667)),
        ("2026", Between(0, 58.916666667)),
    ],
)
def test_the_age_of_a_result_is_as_exact_as_its_date(when: str, age: object) -> None:
    assert fact("lab", magnesium(5.0, when)).fields["age_days"] == age


def test_a_window_that_the_date_straddles_makes_a_rule_unsure(knowledge: Knowledge) -> None:
    """AT is 1 March: February is 1 to 28 days ago, and a high magnesium counts for 14 days without a source."""
    evaluation = judged(knowledge, magnesium(5.0, "2026-02"))
    assert not evaluation.cards
    assert evaluation.not_judged["hypermagnesemia-lab"] == ("not known: when exactly a sample was taken",)


def test_a_window_that_holds_the_whole_date_is_met_and_one_beyond_it_is_not(knowledge: Knowledge) -> None:
    card = rules(judged(knowledge, OXIDE, magnesium(5.0, "2026-02")))["hypermagnesemia-lab"]  # a source: 90 days
    assert card["summary"].startswith("Magnesium 5 mg/dL (2.06 mmol/L), in 2026-02: above range")
    evaluation = judged(knowledge, magnesium(5.0, "2025-01"))
    assert not evaluation.cards
    assert "hypermagnesemia-lab" not in evaluation.not_judged


def test_a_card_shows_no_more_of_a_date_than_was_written(knowledge: Knowledge) -> None:
    results = [magnesium(5.0, "2026-02"), magnesium(4.9, "2026-01", "h"), lab("c", value=1.0, effectiveDateTime="2026")]
    card = rules(judged(knowledge, OXIDE, *results))["hypermagnesemia-lab"]
    shown = card["summary"] + card["detail"]
    assert "5 mg/dL, 2026-02 — Observation/g" in card["detail"]
    assert "Trend: 5 mg/dL on 2026-02, before that 4.9 mg/dL on 2026-01" in card["detail"]
    assert "(in 2026)" in card["summary"]
    assert not any(day in shown for day in ("2026-02-0", "2026-02-2", "2026-01-0", "2026-01-3", "d ago (comp"))
    german = rules(judged(knowledge, OXIDE, *results, language="de"))["hypermagnesemia-lab"]
    assert "02.2026" in german["summary"]
    assert "01.02.2026" not in german["detail"]


def test_kidney_function_of_a_year_that_may_be_too_old_is_not_known(knowledge: Knowledge) -> None:
    """A creatinine of 2025 is 60 to 424 days old on 1 March 2026: it may reassure or not."""
    assert fact("kidney", lab("c", value=0.8, effectiveDateTime="2025")).fields["tier"] is None
    assert fact("kidney", lab("c", value=2.2, effectiveDateTime="2025")).fields["tier"] == "G4"
    card = rules(judged(knowledge, OXIDE, lab("c", value=2.2, effectiveDateTime="2025")))["mg-oral-severe-ckd"]
    assert "(in 2025)" in card["summary"]


def test_of_two_results_either_may_be_the_latest(knowledge: Knowledge) -> None:
    fields = fact("lab", magnesium(5.0, "2026-02"), magnesium(2.0, "2026-02-10", "h")).fields
    assert (fields["value"], fields["flag"]) == (Between(2.0, 5.0), None)


@pytest.mark.parametrize(
    ("onset", "english", "german"),
    [
        ("2026-02-10", "for 19 d", "seit 19 Tagen"),
        ("2026-02", "since 2026-02", "seit 02.2026"),
        ("2025", "since 2025", "seit 2025"),
    ],
)
def test_an_onset_is_told_as_it_is_written(knowledge: Knowledge, onset: str, english: str, german: str) -> None:
    chart = [
        request("d", "Furosemide 40 mg tablet", days=400, sig={"text": "1 tablet PO daily"}),
        condition("c", "R25.2", 2, onsetDateTime=onset),
    ]
    assert rules(judged(knowledge, *chart))["diuretic-cramps"]["summary"].startswith(f"Muscle cramps {english} on Furo")
    card = rules(judged(knowledge, *chart, language="de"))["diuretic-cramps"]
    assert card["summary"].startswith(f"Muskelkrämpfe {german} unter Furo")


def test_a_condition_shows_the_date_it_is_written_with(knowledge: Knowledge) -> None:
    chart = [OXIDE, condition("k", "N18.4", None, recordedDate="2024")]
    detail = rules(judged(knowledge, *chart))["mg-oral-severe-ckd"]["detail"]
    assert "active, 2024 — Condition/k" in detail


def test_what_keeps_a_rule_silent_shows_no_more_of_a_date_either(knowledge: Knowledge) -> None:
    told = judged(knowledge, magnesium(5.0, "2025-01"))
    every = Inquiry(knowledge.rulebook, told.scenario, told.settled).explanations()
    explained = next(each for each in every if each.rule.id == "hypermagnesemia-lab")
    assert explained.shortfall is not None
    said = [str(miss_words(miss)) for miss in explained.shortfall.misses]
    assert any("in 2025-01" in each for each in said), said
    assert not any("d ago" in each for each in said)


def test_a_level_that_may_lie_in_the_window_is_not_told_as_none(knowledge: Knowledge) -> None:
    chart = [OXIDE, condition("z", "Z99.2", 400), magnesium(2.3, "2026-01")]  # 29 to 59 days; the window is 35
    card = rules(judged(knowledge, *chart))["mg-oral-dialysis"]
    assert card["summary"].endswith("last Mg 2.3 mg/dL (in 2026-01)")
    assert card["indicator"] == "warning"
