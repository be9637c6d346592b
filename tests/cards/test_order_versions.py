"""Orders that a card offers are written in the version of FHIR that the record speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cds_rules.evaluate import Call, Knowledge, evaluate
from cds_rules.fhir.validation import version_of, why_invalid
from tests.fhir.builders import AT, bundle, condition, document, lab, patient, request, statement
from tests.vignettes.versions import in_r5, in_stu3

Json = dict[str, Any]
CHART = [
    patient(birthDate="1960-03-01"),
    request("m", "Magnesium oxide 400 mg tablet", days=20, sig={"text": "1 tablet PO twice daily"}),
    lab("c", value=2.4, days=200),
    condition("k", "N18.4", 400),
]


def card(knowledge: Knowledge, chart: list[Json]) -> Json:
    call = Call(hook="patient-view", documents=(document(bundle(chart)),), at=AT, patient_id="p")
    found = {each["extension"]["dev.cds-rules.finding"]["rule"]: each for each in evaluate(knowledge, call).cards}
    return found["mg-oral-severe-ckd"]


@pytest.mark.parametrize(
    ("version", "written", "kind"),
    [
        ("R4", lambda body: body, "ServiceRequest"),
        ("R5", in_r5, "ServiceRequest"),
        ("STU3", in_stu3, "ProcedureRequest"),
    ],
)
def test_what_is_offered_is_of_the_version_of_the_record(
    knowledge: Knowledge, version: str, written: Callable[[Json], Json], kind: str
) -> None:
    suggestions = card(knowledge, [written(each) for each in CHART])["suggestions"]
    resources = [action["resource"] for each in suggestions for action in each["actions"]]
    assert [each["resourceType"] for each in resources] == ["MedicationRequest", kind, kind]
    for each in resources:
        body = json.dumps(each).encode()
        # nothing but its reason for a status would tell this MedicationRequest of STU3 from one of R4
        assert version_of(each["resourceType"], body) in (version, "R4"), each
        assert why_invalid(body) is None
    assert resources[0]["status"] == "stopped"
    assert ("statusReason" in resources[0]) is (version != "STU3")
    assert "mg-oral-severe-ckd: " in json.dumps(resources[0])


def test_one_odd_resource_does_not_make_a_record_of_another_version(knowledge: Knowledge) -> None:
    odd = in_stu3({**statement("s", "Vitamin D 1000 units capsule"), "dosage": [{"text": "daily"}]})
    order = card(knowledge, [*CHART, odd])["suggestions"][1]["actions"][0]["resource"]
    assert order["resourceType"] == "ServiceRequest"


def test_the_code_and_the_reason_stand_where_each_version_has_them(knowledge: Knowledge) -> None:
    def ordered(written: Callable[[Json], Json]) -> Json:
        return card(knowledge, [written(each) for each in CHART])["suggestions"][1]["actions"][0]["resource"]

    r5, stu3 = ordered(in_r5), ordered(in_stu3)
    assert r5["code"]["concept"]["coding"][0]["code"] == stu3["code"]["coding"][0]["code"] == "19123-9"
    assert r5["reason"][0]["concept"] == stu3["reasonCode"][0]
    assert "reasonCode" not in r5


def test_for_dstu2_the_tests_are_named_in_words(knowledge: Knowledge) -> None:
    draft = {
        "resourceType": "MedicationOrder",
        "id": "o",
        "status": "draft",
        "patient": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "Magnesium oxide 400 mg tablet"},
        "dosageInstruction": [{"text": "1 tablet PO twice daily"}],
    }
    documents = (document(bundle([CHART[0], *CHART[2:]])), document(bundle([draft]), "draft"))
    call = Call(hook="order-sign", documents=documents, at=AT, patient_id="p")
    (found,) = evaluate(knowledge, call).cards
    assert "To order: serum magnesium" in found["detail"]
    assert not any(action["type"] == "create" for each in found["suggestions"] for action in each["actions"])
