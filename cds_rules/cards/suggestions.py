"""Suggestions of a card: tests to order, a draft to delete or revise, an active order to stop (clinical specification 0.9).

Every resource is built here and checked by fhir.resources before it is offered; one that does not pass is not offered.
Nothing is offered for a test that is already ordered: the card says so instead.
Floor: cards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cds_rules.engine.judging import Finding
from cds_rules.engine.reference import YES, World, truth
from cds_rules.fhir.validation import is_valid
from cds_rules.knowledge.pack import Rows
from cds_rules.knowledge.rules import ANY_CITED, Suggestion
from cds_rules.vocabulary.chart import Chart, Medication

MOST = 4
_WORDS = {
    "magnesium": "serum magnesium",
    "bmp": "basic metabolic panel",
    "ck": "creatine kinase (CK)",
    "tsh": "TSH",
    "vitamin-d": "25-hydroxyvitamin D",
    "calcium": "calcium and albumin",
    "ecg": "12-lead ECG",
}


@dataclass(slots=True)
class Offers:
    """What a card offers: CDS Hooks suggestions without uuids, and the tests that are already ordered."""

    suggestions: list[dict[str, Any]] = field(default_factory=list)
    already_ordered: list[str] = field(default_factory=list)


def offers(
    finding: Finding,
    chart: Chart,
    world: World,
    raw: Mapping[str, bytes],
    orders: Rows,
    patient: str,
    focal: Iterable[Medication],
    excess_mg: float,
) -> Offers:
    """Build what a finding offers on this chart.

    Args:
        raw: resources as they came, by reference, for updates.
        orders: the pack's table of tests.
        patient: reference of the patient, "" when there is none: then no order is offered.
        focal: medications in focus of the hook.
        excess_mg: elemental magnesium in mg a day by which the total exceeds what a revised draft must keep (clinical specification 2.9).
    """
    found = Offers()
    in_focus = tuple(focal)
    for wanted in finding.rule.suggestions:
        if len(found.suggestions) >= MOST or truth(wanted.when, world) is not YES:
            continue
        if wanted.offer.startswith("order-"):
            _order(found, wanted, finding, chart, orders, patient)
            continue
        for medication in in_focus:
            meant = medication.classes & wanted.classes or (
                ANY_CITED in wanted.classes and medication.source.reference in finding.references
            )
            if meant and len(found.suggestions) < MOST:
                _change(found, wanted, medication, finding, raw, excess_mg)
    recommended = False
    for suggestion in found.suggestions:
        if suggestion.get("isRecommended") and recommended:
            del suggestion["isRecommended"]
        recommended = recommended or "isRecommended" in suggestion
    return found


def _order(found: Offers, wanted: Suggestion, finding: Finding, chart: Chart, orders: Rows, patient: str) -> None:
    rows = [row for row in orders if row["offer"] == wanted.offer and row["unit"] in ("", _magnesium_unit(chart))]
    if not rows or not patient:
        return
    test = wanted.offer.removeprefix("order-")
    if {order.test for order in chart.orders} & set(rows[0]["covers"].split("|")):
        found.already_ordered.append(_WORDS[test])
        return
    reason = f"{finding.rule.id}: {finding.rule.title}"
    actions = []
    for row in rows:
        resource = json.loads(_service_request(row["system"], row["code"], row["display"], reason, wanted.urgent))
        resource["subject"] = {"reference": patient}
        actions.append({"type": "create", "description": f"Order {row['display']}", "resource": resource})
    found.suggestions.append(
        _suggestion(f"Order {_WORDS[test]}{' now' if wanted.urgent else ''}", actions, wanted.recommended)
    )


def _magnesium_unit(chart: Chart) -> str:
    """Whether this site reports magnesium by mass or by amount, from its latest result."""
    for result in chart.results:
        if result.key == "magnesium":
            return "molar" if "mol" in result.source.value.lower() else "mass"
    return "mass"


@lru_cache(maxsize=256)
def _service_request(system: str, code: str, display: str, reason: str, urgent: bool) -> bytes:
    """A ServiceRequest that has been validated with a stand-in for the patient."""
    resource: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": system, "code": code, "display": display}], "text": display},
        "subject": {"reference": "Patient/stand-in"},
        "reasonCode": [{"text": reason}],
    }
    if urgent:
        resource["priority"] = "stat"
    body = json.dumps(resource).encode()
    if not is_valid(body):
        raise ValueError(f"the order {code} of the pack's orders.csv does not make a valid ServiceRequest")
    return body


def _change(
    found: Offers,
    wanted: Suggestion,
    medication: Medication,
    finding: Finding,
    raw: Mapping[str, bytes],
    excess_mg: float,
) -> None:
    name, reference = medication.label[:60], f"{medication.resource_type}/{medication.resource_id}"
    if not medication.resource_id:
        return
    if medication.state == "draft" and wanted.offer in ("stop", "delete"):
        action = {"type": "delete", "description": f"Delete the draft order for {name}", "resourceId": reference}
        found.suggestions.append(_suggestion(f"Delete the draft: {name}", [action], wanted.recommended))
    elif medication.state == "active" and wanted.offer == "stop" and medication.resource_type == "MedicationRequest":
        update = _resource(raw.get(medication.source.reference))
        update |= {"status": "stopped", "statusReason": {"text": f"{finding.rule.id}: {finding.rule.title}"}}
        _update(found, update, f"Stop {name}", wanted.recommended)
    elif medication.state == "draft" and wanted.offer == "revise":
        update = _resource(raw.get(medication.source.reference))
        if words := _lowered(update, medication, excess_mg):
            _update(found, update, f"Lower {name} to {words}", wanted.recommended)


def _resource(body: bytes | None) -> dict[str, Any]:
    return json.loads(body) if body else {}


def _update(found: Offers, resource: dict[str, Any], label: str, recommended: bool) -> None:
    if resource and is_valid(json.dumps(resource).encode()):
        found.suggestions.append(
            _suggestion(label, [{"type": "update", "description": label, "resource": resource}], recommended)
        )


def _suggestion(label: str, actions: Sequence[Mapping[str, Any]], recommended: bool) -> dict[str, Any]:
    return {"label": label[:80], **({"isRecommended": True} if recommended else {}), "actions": list(actions)}


def _lowered(resource: dict[str, Any], medication: Medication, excess_mg: float) -> str:
    """Lower the times a day of a draft until `excess_mg` of magnesium a day is gone; "" when that cannot be done safely.

    Only a whole number of a whole dose is offered, and only where the draft says its times a day in the usual form.
    """
    content, dose, per_day = medication.product.magnesium, medication.dosage.dose, medication.dosage.per_day
    if content is None or content.elemental_mg is None or dose is None or dose.unit != content.per or not per_day:
        return ""
    try:
        (instruction,) = resource["dosageInstruction"]
        repeat = instruction["timing"]["repeat"]
        usual = repeat["period"] == 1 and repeat["periodUnit"] == "d" and repeat["frequency"] == per_day
    except (KeyError, TypeError, ValueError):
        return ""
    times = math.floor(per_day - excess_mg / (content.elemental_mg * dose.value) + 1e-9)
    if not usual or not 1 <= times < per_day:
        return ""
    repeat["frequency"] = times
    instruction["timing"].pop("code", None)
    instruction.pop("text", None)
    words = "once a day" if times == 1 else f"{times} times a day"
    instruction["text"] = words
    return words
