"""The reasons on a card: what may be offered as a way out, on the samples' real answers."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cds_rules.cards.reasons import change_words, reasons
from cds_rules.engine.changes import Change, Measured, Recorded, Taken, Value
from cds_rules.engine.inquiry import Inquiry
from cds_rules.engine.overrides import Covered, Override
from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.hooks.response import answered
from cds_rules.vocabulary.frozen import replace

SAMPLES = Path("fhir_samples")


def told(knowledge: Knowledge, rule: str) -> str:
    """The reasons of the card of a rule, on its own sample."""
    body = json.loads((SAMPLES / rule / "request.json").read_text("utf-8"))
    request = read_request(json.dumps(body).encode())
    assert request.at
    evaluation = answered(knowledge, request, request.at).evaluation
    inquiry = Inquiry(knowledge.rulebook, evaluation.scenario, evaluation.settled)
    finding = next(each for each in evaluation.findings if each.rule.id == rule)
    return " | ".join(reasons(finding, inquiry))


@pytest.mark.parametrize(
    ("rule", "drug"),
    [
        ("refractory-hypok-hypoca", "Potassium chloride"),
        ("hypomagnesemia-suspected", "Digoxin"),
        ("hypomagnesemia-suspected", "Omeprazole"),
        ("mg-neuromuscular-potentiation", "Rocuronium"),
        ("statin-muscle-symptoms", "Simvastatin"),
    ],
)
def test_a_drug_is_no_way_out_unless_the_card_offers_to_stop_it(knowledge: Knowledge, rule: str, drug: str) -> None:
    assert drug not in told(knowledge, rule)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("statin-interaction", "Clarithromycin 500 mg tablet were not ordered"),
        ("mg-oral-severe-ckd", "Magnesium oxide 400 mg tablet were not taken"),
        ("mg-bowel-prep-renal", "were not ordered"),
    ],
)
def test_a_drug_that_the_card_offers_to_stop_is_one(knowledge: Knowledge, rule: str, words: str) -> None:
    assert words in told(knowledge, rule)


@pytest.mark.parametrize("rule", ["mg-iv-renal", "mg-oral-moderate-ckd", "mg-oral-severe-ckd"])
def test_a_result_that_would_have_to_be_worse_is_no_way_out(knowledge: Knowledge, rule: str) -> None:
    said = told(knowledge, rule)
    assert "eGFR were at least" in said
    assert "magnesium were at most 1.6 mg/dL" not in said


def test_a_risk_that_was_overridden_without_the_order_is_not_charged_to_it(knowledge: Knowledge) -> None:
    request = read_request((SAMPLES / "refractory-hypok-hypoca" / "request.json").read_bytes())
    assert request.at
    call = answered(knowledge, request, request.at).call
    rule = "refractory-hypok-hypoca"
    before = Covered(rule, "warning", frozenset({"potassium chloride"}), {})
    override = Override(call.at - timedelta(days=1), "warning", "benefit-outweighs-risk", (before,))
    evaluation = evaluate(knowledge, replace(call, overrides=(override,)))
    inquiry = Inquiry(knowledge.rulebook, evaluation.scenario, evaluation.settled)
    added = inquiry.added(knowledge.rules[rule])
    assert added
    assert added.before
    assert added.before.state == "fired"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Taken("mg-iv", "magnesium", "active", 0.0), "intravenous magnesium were taken"),
        (Taken("mg-bowel-prep", "magnesium", "draft", 0.0), "magnesium bowel preparation were ordered"),
        (Recorded("lambert-eaton"), "Lambert-Eaton syndrome were on the problem list"),
        (Recorded("aki"), "acute kidney injury were on the problem list"),
        (Measured("egfr_reported", "at most", 29.0, "mL/min/{1.73_m2}"), "a new eGFR were at most 29 mL/min/1.73 m²"),
        (Value("sbp", "Observation/1", "at least", 90.0, "mm[Hg]", 84.0), "systolic blood pressure were at least 90 mmHg (is 84)"),
        (Value("rr", "Observation/1", "at least", 12.0, "/min", 10.0), "respiratory rate were at least 12/min (is 10)"),
    ],
)  # fmt: skip
def test_a_change_is_said_in_the_words_of_a_clinician(change: Change, words: str) -> None:
    assert change_words(change) == words
