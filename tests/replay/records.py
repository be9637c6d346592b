"""Small records in FHIR for replay's tests, with defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-03-01"}
SUBJECT = {"subject": {"reference": "Patient/p1"}}


def patient(identifier: str = "p1", **more: Any) -> dict[str, Any]:
    return {**PATIENT, "id": identifier, **more}


def lab(
    value: float = 1.0, when: str = "2026-01-10T08:00:00Z", code: str = "2160-0", unit: str = "mg/dL", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": f"o{abs(hash((value, when, code))) % 10**8}", "status": "final", **SUBJECT,
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": when, "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        **more,
    }  # fmt: skip


def order(
    identifier: str = "m1", text: str = "Magnesium oxide 400 mg oral tablet", when: str = "2026-01-05", **more: Any
) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest", "id": identifier, "status": "active", "intent": "order", **SUBJECT,
        "medicationCodeableConcept": {"text": text}, "authoredOn": when,
        "dosageInstruction": [{"text": "1 tablet twice a day"}], **more,
    }  # fmt: skip


def condition(when: str = "2026-01-01", **more: Any) -> dict[str, Any]:
    status = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
    return {
        "resourceType": "Condition",
        "id": "c1",
        **SUBJECT,
        "clinicalStatus": status,
        "recordedDate": when,
        "code": {"text": "x"},
        **more,
    }


def bundle(*resources: dict[str, Any], kind: str = "collection") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": each} for each in resources]}


def write(path: Path, body: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body), "utf-8")
    return path


def write_lines(path: Path, *bodies: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies), "utf-8")
    return path
