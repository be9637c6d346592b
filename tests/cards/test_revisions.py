"""Drafts with a lower dose: to the limit of the rule, in whole units, or not at all (clinical specification 2.9, 2.25 to 2.27)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_rules.evaluate import Call, Knowledge, evaluate
from cds_rules.fhir.validation import why_invalid
from tests.fhir.builders import AT, bundle, document, lab, patient, request

Json = dict[str, Any]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SIMVASTATIN = {5: "312962", 10: "314231", 20: "312961", 40: "198211", 80: "200345"}


def drafted(code: str, text: str, amount: float = 1, unit: str = "tablet", times: int = 1, **over: Any) -> Json:
    """A draft as an order form makes it."""
    repeat = {"frequency": times, "period": 1, "periodUnit": "d"}
    sig = {
        "text": f"{amount:g} {unit} {times} a day",
        "timing": {"repeat": repeat},
        "route": {"text": "PO"},
        "doseAndRate": [{"doseQuantity": {"value": amount, "unit": unit}}],
    }
    medication = {"coding": [{"system": RXNORM, "code": code, "display": text}], "text": text}
    return request("d", "", 0, sig, **{"status": "draft", "medicationCodeableConcept": medication, **over})


def simvastatin(mg: int, **more: Any) -> Json:
    return drafted(SIMVASTATIN[mg], f"simvastatin {mg} MG Oral Tablet", **more)


def offers(knowledge: Knowledge, rule: str, draft: Json, *chart: Json) -> tuple[list[Json], str]:
    """The suggestions of a rule's card and how they may be chosen."""
    documents = (document(bundle([patient(), *chart])), document(bundle([draft]), "draft"))
    answer = evaluate(knowledge, Call(hook="order-sign", documents=documents, at=AT, patient_id="p"))
    (card,) = [each for each in answer.cards if each["extension"]["dev.cds-rules.finding"]["rule"] == rule]
    card = json.loads(json.dumps(card))
    return card["suggestions"], card["selectionBehavior"]


def revision(suggestions: list[Json]) -> Json | None:
    """The order of the only update among suggestions; None without one."""
    found = [act["resource"] for each in suggestions for act in each["actions"] if act["type"] == "update"]
    assert len(found) <= 1
    for each in found:
        assert why_invalid(json.dumps(each).encode()) is None
    return found[0] if found else None


AMLODIPINE, CLARITHROMYCIN = request("a", "amlodipine 5 mg"), request("c", "clarithromycin 500 mg")
EGFR_25 = lab("g", "98979-8", 25, "mL/min/{1.73_m2}", 10)


def test_another_strength_of_the_table_keeps_to_the_cap(knowledge: Knowledge) -> None:
    draft = simvastatin(40)
    suggestions, behavior = offers(knowledge, "statin-interaction", draft, AMLODIPINE)
    assert [each["label"] for each in suggestions] == [
        "Delete the draft: simvastatin 40 MG Oral Tablet",
        "Lower simvastatin 40 MG Oral Tablet to 20 mg a day",
    ]
    assert behavior == "at-most-one", "both change the same draft"
    new = revision(suggestions)
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == SIMVASTATIN[20]
    instruction = new["dosageInstruction"][0]
    assert instruction["text"] == "1 tablet once a day"
    unchanged = {**draft, "medicationCodeableConcept": None, "dosageInstruction": None}
    assert {**new, "medicationCodeableConcept": None, "dosageInstruction": None} == unchanged
    assert {**instruction, "text": ""} == {**draft["dosageInstruction"][0], "text": ""}


def test_fewer_tablets_of_the_same_product_come_first(knowledge: Knowledge) -> None:
    new = revision(offers(knowledge, "statin-interaction", simvastatin(20, amount=2), AMLODIPINE)[0])
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == SIMVASTATIN[20]
    assert new["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {"value": 1, "unit": "tablet"}


def test_a_dose_in_milligrams_stays_one(knowledge: Knowledge) -> None:
    new = revision(offers(knowledge, "statin-dose-limit", simvastatin(80, amount=80, unit="mg"))[0])
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == SIMVASTATIN[40]
    assert new["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] == {"value": 40, "unit": "mg"}


def test_the_strictest_of_all_limits_counts(knowledge: Knowledge) -> None:
    """80 mg with verapamil: at most 40 by the dose limit, at most 10 by the interaction."""
    new = revision(offers(knowledge, "statin-interaction", simvastatin(80), request("v", "verapamil 120 mg"))[0])
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == SIMVASTATIN[10]


def test_a_contraindicated_pair_is_not_mended_by_a_lower_dose(knowledge: Knowledge) -> None:
    suggestions, _ = offers(knowledge, "statin-interaction", simvastatin(80), CLARITHROMYCIN)
    assert revision(suggestions) is None
    assert suggestions[0]["actions"][0]["type"] == "delete"


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (drafted("859419", "rosuvastatin calcium 40 MG Oral Tablet"), "859747"),
        (drafted("197905", "lovastatin 40 MG Oral Tablet"), "197904"),
    ],
)
def test_limits_of_severe_kidney_disease(knowledge: Knowledge, draft: Json, code: str) -> None:
    new = revision(offers(knowledge, "statin-dose-limit", draft, EGFR_25)[0])
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == code


def test_a_limit_that_must_not_be_reached(knowledge: Knowledge) -> None:
    genotype = {
        "resourceType": "Observation",
        "id": "s",
        "status": "final",
        "code": {"text": "SLCO1B1"},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2020-01-01T12:00:00Z",
        "valueCodeableConcept": {"text": "Decreased function"},
    }
    new = revision(offers(knowledge, "statin-slco1b1", simvastatin(20), genotype)[0])
    assert new is not None
    assert new["medicationCodeableConcept"]["coding"][0]["code"] == SIMVASTATIN[10]


@pytest.mark.parametrize(
    "draft",
    [
        simvastatin(80, times=2, amount=0.5),
        drafted("200345", "simvastatin 80 MG Oral Tablet", dosageInstruction=[{"text": "1 tablet daily"}]),
        drafted("476351", "ezetimibe 10 MG / simvastatin 80 MG Oral Tablet"),
        simvastatin(80, medicationCodeableConcept={"text": "simvastatin 80 mg"}, amount=80, unit="mg"),
    ],
    ids=["half tablets", "text alone", "two ingredients", "a product known by text"],
)
def test_what_is_not_certain_is_only_offered_to_be_deleted(knowledge: Knowledge, draft: Json) -> None:
    suggestions, _ = offers(knowledge, "statin-dose-limit", draft)
    assert [act["type"] for each in suggestions for act in each["actions"]] == ["delete"]


def test_one_draft_is_not_lowered_and_deleted_by_a_card_of_which_all_may_be_taken(knowledge: Knowledge) -> None:
    egfr = lab("g", "98979-8", 38, "mL/min/{1.73_m2}", 10)
    draft = drafted("198741", "magnesium oxide 400 MG Oral Tablet", times=2)
    suggestions, behavior = offers(knowledge, "mg-oral-moderate-ckd", draft, egfr)
    assert behavior == "any"
    assert [act["type"] for each in suggestions for act in each["actions"]] == ["create", "update"]
    new = revision(suggestions)
    assert new is not None
    assert new["dosageInstruction"][0]["timing"]["repeat"]["frequency"] == 1
