"""The check of ourselves: one invented patient who must get one card, asked through the whole path before we say "ready".

Flows in: knowledge. Flows out: "" or what is wrong. Floor: edge (service).
"""

from __future__ import annotations

from datetime import UTC, datetime

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.hooks.profiles import SHIPPED
from cds_rules.hooks.response import FINDING, answer
from cds_rules.hooks.wire import encode
from cds_rules.service.edge import place_of

RULE = "hypermagnesemia-lab"
"""Magnesium 6.1 mg/dL the day before: the one rule that no version of our pack can be without."""

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


def _request() -> bytes:
    subject = {"reference": "Patient/canary"}
    magnesium = {
        "resourceType": "Observation",
        "id": "canary-magnesium",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "19123-9", "display": "Magnesium"}]},
        "subject": subject,
        "effectiveDateTime": "2026-01-14T12:00:00Z",
        "valueQuantity": {"value": 6.1, "unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"},
    }
    return encode(
        {
            "hook": "patient-view",
            "hookInstance": "00000000-0000-4000-8000-000000000000",
            "context": {"userId": "Practitioner/canary", "patientId": "canary"},
            "prefetch": {query.key: None for query in QUERIES}
            | {
                "patient": {"resourceType": "Patient", "id": "canary", "birthDate": "1960-01-01", "gender": "female"},
                "magnesium": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": magnesium}]},
            },
        }
    )


def failing(knowledge: Knowledge) -> str:
    """Say why this knowledge must not answer anybody, or "" when it does what it must."""
    service = service_for("patient-view")
    if service is None:
        return "there is no service for patient-view"
    try:
        found = answer(knowledge, service, _request(), at=AT, profile=SHIPPED["sandbox"])
    except Exception as error:  # whatever it is, it would meet the first patient as well
        return f"the invented patient could not be judged: {place_of(error)}"
    fired = [card["extension"][FINDING]["rule"] for card in found.body["cards"]]
    if RULE in knowledge.rules and fired != [RULE]:
        return f"the invented patient must get {RULE} and got {', '.join(fired) or 'nothing'}"
    return "" if found.evaluation.outcomes else "no rule judges patient-view"
