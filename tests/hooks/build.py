"""Small builders of CDS Hooks requests, with defaults for what a test does not care about."""

from __future__ import annotations

import json
from typing import Any

from cds_rules.hooks.prefetch import QUERIES

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-05-05", "gender": "female"}


def searchset(*resources: Any, **fields: Any) -> dict[str, Any]:
    """A searchset Bundle of resources."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": each} for each in resources],
        **fields,
    }


def everything(**changes: Any) -> dict[str, Any]:
    """A prefetch object in which each key of ours was delivered: the patient, and searches without matches."""
    empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    return {query.key: PATIENT if query.type == "Patient" else empty for query in QUERIES} | changes


def magnesium(value: float = 6.1, when: str = "2026-01-14T12:00:00Z", **fields: Any) -> dict[str, Any]:
    """A serum magnesium in mg/dL."""
    return {
        "resourceType": "Observation",
        "id": "mg1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "19123-9"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
        **fields,
    }


def request(hook: str = "patient-view", **changes: Any) -> dict[str, Any]:
    """A request as a careful client sends it; a change that is ... takes the field away."""
    built: dict[str, Any] = {
        "hook": hook,
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/u1", "patientId": "p1"},
        "prefetch": everything(),
    }
    built |= changes
    return {name: value for name, value in built.items() if value is not ...}


def context(**changes: Any) -> dict[str, Any]:
    """A context; a change that is ... takes the field away."""
    built = {"userId": "Practitioner/u1", "patientId": "p1"} | changes
    return {name: value for name, value in built.items() if value is not ...}


def body(hook: str = "patient-view", **changes: Any) -> bytes:
    """The bytes of a request."""
    return json.dumps(request(hook, **changes)).encode()
