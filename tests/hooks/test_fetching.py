"""What is worth fetching: never too little."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.fhir import Document
from cds_rules.hooks.fetching import asks, completed, medications_not_sent, settled
from cds_rules.hooks.prefetch import QUERIES, State
from cds_rules.hooks.request import read_request
from cds_rules.vocabulary.frozen import replace
from tests.hooks.build import PATIENT, body, context, everything, searchset
from tests.hooks.fakes import AT
from tests.laws.patients import Patient, Patients

PARTS = {
    "Patient": "patient",
    "MedicationRequest": "medications",
    "MedicationStatement": "medications",
    "MedicationAdministration": "medications",
    "Condition": "conditions",
    "Observation": "labs",
    "Procedure": "procedures",
    "ServiceRequest": "orders",
}


def without(patient: Patient, types: set[str]) -> Patient:
    return replace(patient, chart=tuple(each for each in patient.chart if each["resourceType"] not in types))


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_a_record_that_is_settled_without_some_part_stays_so_with_it(knowledge: Knowledge, seed: int) -> None:
    """What asking nothing rests on: silence on part of a record, with the rest taken for missing, is silence on all of it."""
    tried = 0
    for number in range(seed, seed + 50):
        patient, chance = Patients(knowledge.tables).draw(number), random.Random(number)
        kept_back = {each for each in PARTS if chance.random() < 0.5}
        gone = {PARTS[each] for each in kept_back} | ({"vitals"} if "Observation" in kept_back else set())
        call = replace(without(patient, kept_back).call(), missing=dict.fromkeys(gone, "kept back"))
        part = evaluate(knowledge, call)
        if part.findings or part.not_judged:
            continue
        tried += 1
        whole = evaluate(knowledge, patient.call())
        assert not whole.findings, f"patient {number} without {sorted(kept_back)}"
    assert tried


def asked(knowledge: Knowledge, hook: str = "patient-view", **changes: Any) -> list[str]:
    return [ask.query.key for ask in asks(knowledge, read_request(body(hook, **changes)), AT)]


def test_a_whole_record_leaves_nothing_to_ask_for(knowledge: Knowledge) -> None:
    assert asked(knowledge) == []


def test_a_query_carries_the_patient_of_the_call(knowledge: Knowledge) -> None:
    found = asks(knowledge, read_request(body(prefetch=...)), AT)
    assert [ask.query.key for ask in found] == [query.key for query in QUERIES]
    assert found[0].search == "Patient/p1"
    assert all("p1" in ask.search and "{{" not in ask.search for ask in found)


@pytest.mark.parametrize("key", [query.key for query in QUERIES])
def test_one_key_that_is_missing_is_asked_for_alone(knowledge: Knowledge, key: str) -> None:
    prefetch = everything()
    del prefetch[key]
    assert asked(knowledge, prefetch=prefetch) in ([key], [])


def test_what_was_fetched_is_not_asked_for_again(knowledge: Knowledge) -> None:
    request = read_request(body(prefetch=...))
    told = [settled(ask, (), 0, "could not be fetched") for ask in asks(knowledge, request, AT)]
    done = completed(request, told)
    assert asks(knowledge, done, AT) == ()
    assert {delivery.state for delivery in done.prefetch.deliveries} == {State.FAILED, State.MISSING}


def test_medications_that_nothing_names_are_found() -> None:
    def order(**fields: Any) -> dict[str, Any]:
        return {"resourceType": "MedicationRequest", "id": "1", **fields}

    documents = [
        Document(json.dumps(each).encode())
        for each in (
            searchset(
                order(medicationReference={"reference": "Medication/a"}),
                order(medicationReference={"reference": "https://ehr/fhir/Medication/b/_history/1"}),
                order(medicationReference={"reference": "Medication/named", "display": "Aspirin"}),
                order(medicationReference={"reference": "Medication/held"}),
                order(medicationReference={"reference": "#inside"}),
                order(medicationReference={"reference": "urn:uuid:1"}),
                order(medicationReference={"reference": 5}),
                order(medicationReference="Medication/text"),
                order(medicationCodeableConcept={"text": "Aspirin"}, medicationReference={"reference": "Medication/c"}),
                order(medication={"reference": {"reference": "Medication/r5"}}),
                order(medication={"concept": {"text": "Aspirin"}}),
                {"resourceType": "Medication", "id": "held"},
                PATIENT,
            ),
            order(medicationReference={"reference": "Medication/single"}),
            {"resourceType": "Bundle", "entry": "none"},
            {"resourceType": "Bundle", "entry": [None, 5, {}, {"resource": []}]},
            [],
        )
    ]
    assert medications_not_sent(documents) == (
        "Medication/a",
        "https://ehr/fhir/Medication/b/_history/1",
        "Medication/r5",
        "Medication/single",
    )


def test_an_irrelevant_draft_asks_for_medications_first(knowledge: Knowledge) -> None:
    other = {"resourceType": "MedicationRequest", "id": "1", "status": "draft", "medicationCodeableConcept": {"text": "Amoxicillin 500 mg"}}  # fmt: skip
    told = context(draftOrders={"resourceType": "Bundle", "entry": [{"resource": other}]})
    first = asked(knowledge, "order-sign", prefetch=..., context=told)
    assert first == ["medications", "endedMedications", "statements", "administrations", "dispenses"]
    assert len(asked(knowledge, "patient-view", prefetch=...)) == len(QUERIES)
