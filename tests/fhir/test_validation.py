from __future__ import annotations

import json
from typing import Any

import pytest

from cds_rules.fhir.validation import is_valid, warm, why_invalid
from tests.fhir.builders import administration, condition, lab, patient, request


def why(body: Any) -> str | None:
    return why_invalid(json.dumps(body).encode())


@pytest.mark.parametrize("body", [patient(), lab(), condition(), request()])
def test_sound_resources_pass(body: dict[str, Any]) -> None:
    assert is_valid(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lab(status=None), "Observation.status"),
        (lab(effectiveDateTime="yesterday"), "Observation.effectiveDateTime"),
        (lab(favourite="Secret"), "Observation.favourite"),
        (patient(birthDate="Secret"), "Patient.birthDate"),
        (request(medicationCodeableConcept=None), "MedicationRequest"),
        ({"resourceType": "Homunculus"}, "does not know"),
        ({"resourceType": 7}, "no resourceType"),
        ({"resourceType": None}, "no resourceType"),
        ({}, "no resourceType"),
        ([], "no resourceType"),
        ({"resourceType": "MedicationOrder"}, "does not know"),
        ({"resourceType": "Element"}, ""),
    ],
)
def test_a_refusal_names_fields_and_nothing_of_the_content(body: Any, says: str) -> None:
    reason = why(body)
    assert reason is not None
    assert says in reason
    assert "Secret" not in reason


def test_many_mistakes_are_named_in_one_short_line() -> None:
    reason = why({"resourceType": "Observation", **{f"wrong{number}": 1 for number in range(40)}})
    assert reason is not None
    assert len(reason) < 300
    assert reason.endswith("more")


def test_a_required_choice_may_say_why_it_is_absent() -> None:
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    body = administration(effectiveDateTime=None)
    assert why(body) is not None
    assert why(body | {"_effectiveDateTime": absent}) is None


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"{", b'{"resourceType":"Patient"', b"\xff", b'{"resourceType":"Patient","id":"\xff"}']
)
def test_what_is_not_json_is_refused_without_an_exception(raw: bytes) -> None:
    assert why_invalid(raw) is not None


def test_warming_leaves_nothing_to_import() -> None:
    warm()
