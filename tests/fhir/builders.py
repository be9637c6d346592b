"""Small FHIR resources with defaults, and one call that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_rules.fhir import Document, Reading, read_chart
from tests.fhir.fakes import FakeTerminology

Json = dict[str, Any]
AT = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
TERMINOLOGY = FakeTerminology()
LOINC = "http://loinc.org"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def ago(days: float) -> str:
    return (AT - timedelta(days=days)).isoformat()


def coded(system: str, code: str, display: str = "", text: str = "") -> Json:
    coding = {"system": system, "code": code, **({"display": display} if display else {})}
    return {"coding": [coding], **({"text": text} if text else {})}


def without_none(body: Json) -> Json:
    return {key: value for key, value in body.items() if value is not None}


def patient(name: str = "p", **over: Any) -> Json:
    return without_none({"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1950-03-01", **over})


def lab(
    name: str = "lab",
    code: str = "2160-0",
    value: float | None = 1.8,
    unit: str = "mg/dL",
    days: float = 2,
    **over: Any,
) -> Json:
    quantity = None if value is None else {"value": value, "unit": unit}
    return without_none(
        {
            "resourceType": "Observation",
            "id": name,
            "status": "final",
            "code": coded(LOINC, code, text="a test"),
            "subject": {"reference": "Patient/p"},
            "effectiveDateTime": ago(days),
            "valueQuantity": quantity,
            **over,
        }
    )


def condition(name: str = "c", code: str = "N18.4", days: float | None = 40, **over: Any) -> Json:
    return without_none(
        {
            "resourceType": "Condition",
            "id": name,
            "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
            "code": coded(ICD, code),
            "subject": {"reference": "Patient/p"},
            "recordedDate": None if days is None else ago(days),
            **over,
        }
    )


def request(
    name: str = "m", drug: str = "magnesium oxide", days: float | None = 30, sig: Any = None, **over: Any
) -> Json:
    instruction = {"text": "1 tab po bid"} if sig is None else sig
    return without_none(
        {
            "resourceType": "MedicationRequest",
            "id": name,
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"reference": "Patient/p"},
            "authoredOn": None if days is None else ago(days),
            "dosageInstruction": [instruction],
            **over,
        }
    )


def statement(name: str = "s", drug: str = "magnesium oxide", **over: Any) -> Json:
    return without_none(
        {
            "resourceType": "MedicationStatement",
            "id": name,
            "status": "active",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"reference": "Patient/p"},
            "effectivePeriod": {"start": ago(30)},
            **over,
        }
    )


def dispense(
    name: str = "d", drug: str = "magnesium oxide", days: float = 10, supply: float | None = 30, **over: Any
) -> Json:
    return without_none(
        {
            "resourceType": "MedicationDispense",
            "id": name,
            "status": "completed",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"reference": "Patient/p"},
            "whenHandedOver": ago(days),
            "daysSupply": None if supply is None else {"value": supply, "code": "d"},
            **over,
        }
    )


def administration(name: str = "a", drug: str = "magnesium sulfate", days: float = 0.5, **over: Any) -> Json:
    return without_none(
        {
            "resourceType": "MedicationAdministration",
            "id": name,
            "status": "completed",
            "medicationCodeableConcept": {"text": drug},
            "subject": {"reference": "Patient/p"},
            "effectiveDateTime": ago(days),
            "dosage": {"dose": {"value": 2, "unit": "g", "code": "g"}},
            **over,
        }
    )


def bundle(resources: Iterable[Json], kind: str = "searchset") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource} for resource in resources]}


def document(body: Any, origin: str = "test") -> Document:
    return Document(json.dumps(body).encode(), origin)


def read(*resources: Json, drafts: Iterable[Json] = (), patient_id: str | None = "p", **over: Any) -> Reading:
    """Read resources as one Bundle, drafts as another."""
    documents = [document(bundle(resources))]
    drafted = list(drafts)
    if drafted:
        documents.append(document({"resourceType": "Bundle", "entry": [{"resource": one} for one in drafted]}, "draft"))
    return read_chart(documents, terminology=TERMINOLOGY, at=AT, patient_id=patient_id, **over)


def reasons(reading: Reading) -> dict[str, str]:
    """Reference -> reason of everything that was not used."""
    return {one.reference: one.reason for one in reading.chart.unread}


def only(entries: tuple[Any, ...]) -> Any:
    (entry,) = entries
    return entry
