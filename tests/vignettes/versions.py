"""A record in R4 written as R5 and as STU3 have it: where the versions name or place things differently.

Flows in: one resource in R4. Flows out: the same resource in the other version. What cannot be said there would be named as
lost; of what the vignettes hold, both versions can say everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
ADHERENCE = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
TAKEN = {"active": "taking", "stopped": "stopped", "completed": "stopped", "on-hold": "on-hold"}
_FLAT = ("doseQuantity", "doseRange", "rateQuantity", "rateRatio", "rateRange")


def in_r5(body: Json) -> Json:
    """The resource in R5."""
    body = dict(body)
    kind = body["resourceType"]
    if kind.startswith("Medication") and kind != "Medication":
        concept, reference = body.pop("medicationCodeableConcept", None), body.pop("medicationReference", None)
        body["medication"] = {"reference": reference} if reference else {"concept": concept}
        _move(body, "reasonCode", "reason", lambda reasons: [{"concept": reason} for reason in reasons])
        for name in ("dosageInstruction", "dosage"):
            _move(body, name, name, lambda dosages: [_moved(one, "asNeededBoolean", "asNeeded") for one in dosages])
    match kind:
        case "MedicationStatement" if body["status"] in TAKEN:
            code = {"system": ADHERENCE, "code": TAKEN[body["status"]]}
            body |= {"status": "recorded", "adherence": {"code": {"coding": [code]}}}
        case "Condition":
            body.setdefault("clinicalStatus", {"coding": [{"system": CLINICAL, "code": "unknown"}]})
        case "ServiceRequest":
            _move(body, "code", "code", lambda code: {"concept": code})
        case "Procedure":
            _move(body, "performedDateTime", "occurrenceDateTime")
        case "Encounter":
            _move(body, "period", "actualPeriod")
            _move(body, "class", "class", lambda coding: [{"coding": [coding]}])
    return body


def in_stu3(body: Json) -> Json:
    """The resource in STU3."""
    body = dict(body)
    match body["resourceType"]:
        case "Condition":
            for name in ("clinicalStatus", "verificationStatus"):
                _move(body, name, name, lambda concept: concept["coding"][0]["code"])
            _move(body, "recordedDate", "assertedDate")
        case "Observation":
            _move(body, "interpretation", "interpretation", lambda concepts: concepts[0])
            _move(body, "note", "comment", lambda notes: " ".join(note["text"] for note in notes))
        case "MedicationRequest":
            _move(body, "dosageInstruction", "dosageInstruction", lambda dosages: [_flat(one) for one in dosages])
        case "MedicationStatement":
            body["taken"] = "y"
            _move(body, "dosage", "dosage", lambda dosages: [_flat(one) for one in dosages])
        case "ServiceRequest":
            body["resourceType"] = "ProcedureRequest"
    return body


WRITTEN: Mapping[str, Callable[[Json], Json]] = {"r5": in_r5, "stu3": in_stu3}


def rewritten(value: Any, write: Callable[[Json], Json]) -> Any:
    """A request or Bundle with every resource in it written in another version."""
    if isinstance(value, list):
        return [rewritten(one, write) for one in value]
    if not isinstance(value, dict):
        return value
    inside = {name: rewritten(one, write) for name, one in value.items()}
    if inside.get("resourceType") in (None, "Bundle"):
        return inside
    return write(inside)


def _move(body: Json, name: str, to: str, change: Callable[[Any], Any] = lambda value: value) -> None:
    if name in body:
        body[to] = change(body.pop(name))


def _moved(body: Json, name: str, to: str) -> Json:
    body = dict(body)
    _move(body, name, to)
    return body


def _flat(dosage: Json) -> Json:
    (given, *_) = dosage.get("doseAndRate", [{}])
    return {name: one for name, one in dosage.items() if name != "doseAndRate"} | {
        name: given[name] for name in _FLAT if name in given
    }
