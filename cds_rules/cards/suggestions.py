"""Suggestions of a card: tests to order, a draft to delete or revise, an active order to stop (clinical specification 0.9).

Every resource is built here and checked by fhir.resources before it is offered; one that does not pass is not offered.
Nothing is offered for a test that is already ordered: the card says so instead.
Floor: cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cds_rules.cards.revisions import Limit, lower_dose, lower_times
from cds_rules.cards.texts import cleaned
from cds_rules.engine.judging import Finding
from cds_rules.engine.reference import YES, World, truth
from cds_rules.fhir.validation import is_valid, version_of
from cds_rules.fhir.versions import Version
from cds_rules.fhir.wire import body_of, written
from cds_rules.knowledge.pack import Rows
from cds_rules.knowledge.rules import ANY_CITED, CAP, Suggestion
from cds_rules.vocabulary.chart import Chart, Medication
from cds_rules.vocabulary.wording import Said, said

MOST = 4
Revised = tuple[dict[str, Any], Said]
_WORDS = {
    "magnesium": said("serum magnesium"),
    "bmp": said("basic metabolic panel"),
    "ck": said("creatine kinase (CK)"),
    "tsh": said("TSH"),
    "vitamin-d": said("25-hydroxyvitamin D"),
    "calcium": said("calcium and albumin"),
    "ecg": said("12-lead ECG"),
}


@dataclass(slots=True)
class Offers:
    """What a card offers: CDS Hooks suggestions without uuids, and the tests that are already ordered.

    in_words: tests to order where the record speaks a version of FHIR in which no order is written. say: puts a text of ours into the language of the card; resources hold English, whatever the language.
    """

    say: Callable[[str], str]
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    already_ordered: list[Said] = field(default_factory=list)
    in_words: list[Said] = field(default_factory=list)


def offers(
    finding: Finding,
    chart: Chart,
    world: World,
    raw: Mapping[str, bytes],
    orders: Rows,
    patient: str,
    focal: Iterable[Medication],
    total_mg: float,
    products: Rows,
    version: Version = "R4",
    say: Callable[[str], str] = str,
) -> Offers:
    """Build what a finding offers on this chart.

    Args:
        raw: resources as they came, by reference, for updates.
        orders: the pack's table of tests.
        patient: reference of the patient, "" when there is none: then no order is offered.
        focal: medications in focus of the hook.
        total_mg: elemental magnesium in mg a day of all oral products together.
        products: the pack's table of products with their strengths.
        version: of FHIR, in which orders are written.
    """
    found = Offers(say)
    in_focus = tuple(focal)
    for wanted in finding.rule.suggestions:
        if len(found.suggestions) >= MOST or truth(wanted.when, world) is not YES:
            continue
        if wanted.offer.startswith("order-"):
            _order(found, wanted, finding, chart, orders, patient, version)
            continue
        for medication in in_focus:
            meant = medication.classes & wanted.classes or (
                ANY_CITED in wanted.classes and medication.source.reference in finding.references
            )
            if meant and len(found.suggestions) < MOST:
                revised = (
                    _revised(finding, medication, world, raw, total_mg, products) if wanted.offer == "revise" else None
                )
                _change(found, wanted, medication, finding, raw, revised, version)
    found.suggestions = _without_clashes(found.suggestions)
    recommended = False
    for suggestion in found.suggestions:
        if suggestion.get("isRecommended") and recommended:
            del suggestion["isRecommended"]
        recommended = recommended or "isRecommended" in suggestion
    return found


def _order(
    found: Offers,
    wanted: Suggestion,
    finding: Finding,
    chart: Chart,
    orders: Rows,
    patient: str,
    version: Version,
) -> None:
    rows = [
        row
        for row in orders
        if row["offer"] == wanted.offer and (not row["unit"] or row["unit"] == _magnesium_unit(chart))
    ]
    if not rows or not patient:
        return
    test = wanted.offer.removeprefix("order-")
    covering = rows[0]["covers"].split("|")
    if any(order.test in covering for order in chart.orders):
        found.already_ordered.append(_WORDS[test])
        return
    if version not in _IN_VERSION:
        found.in_words.append(_WORDS[test])
        return
    reason = f"{finding.rule.id}: {finding.rule.title}"
    actions = []
    for row in rows:
        order = _service_request(row["system"], row["code"], row["display"], reason, wanted.urgent, version)
        resource = {**order, "subject": {"reference": patient}}
        description = found.say(_ordered(row["display"]))
        actions.append({"type": "create", "description": description, "resource": resource})
    found.suggestions.append(_suggestion(found.say(_wanted(test, wanted.urgent)), actions, wanted.recommended))


@lru_cache(maxsize=256)
def _ordered(display: str) -> Said:
    return said("Order {test}", test=said(display))


@lru_cache(maxsize=64)
def _wanted(test: str, urgent: bool) -> Said:
    return said("Order {test} now" if urgent else "Order {test}", test=_WORDS[test])


def _magnesium_unit(chart: Chart) -> str:
    """Whether this site reports magnesium by mass or by amount, from its latest result."""
    for result in chart.results:
        if result.key == "magnesium":
            return "molar" if "mol" in result.source.value.lower() else "mass"
    return "mass"


@lru_cache(maxsize=256)
def _service_request(
    system: str, code: str, display: str, reason: str, urgent: bool, version: Version
) -> Mapping[str, Any]:
    """An order that has been validated with a stand-in for the patient; shared, so it is never changed."""
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
    resource = _IN_VERSION[version](resource)
    if not is_valid(written(resource)):
        raise ValueError(f"the order {code} of the pack's orders.csv does not make a valid order of FHIR {version}")
    return resource


def _as_stu3(order: dict[str, Any]) -> dict[str, Any]:
    """What R4 calls a ServiceRequest is a ProcedureRequest there, with the same fields."""
    return order | {"resourceType": "ProcedureRequest"}


def _as_r5(order: dict[str, Any]) -> dict[str, Any]:
    """Code and reason are CodeableReferences there."""
    (reason,) = order["reasonCode"]
    rest = {name: value for name, value in order.items() if name != "reasonCode"}
    return rest | {"code": {"concept": order["code"]}, "reason": [{"concept": reason}]}


_IN_VERSION: Mapping[Version, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "R4": lambda order: order,
    "STU3": _as_stu3,
    "R5": _as_r5,
}
"""How an order of R4 is written in the versions in which one is offered."""


def _change(
    found: Offers,
    wanted: Suggestion,
    medication: Medication,
    finding: Finding,
    raw: Mapping[str, bytes],
    revised: Revised | None,
    version: Version,
) -> None:
    name, reference = cleaned(medication.label)[:60], f"{medication.resource_type}/{medication.resource_id}"
    if not medication.resource_id or (wanted.ingredient and medication.product.ingredients != (wanted.ingredient,)):
        return
    if medication.state == "draft" and wanted.offer in ("stop", "delete"):
        description = found.say(said("Delete the draft order for {medication}", medication=name))
        action = {"type": "delete", "description": description, "resourceId": reference}
        label = found.say(said("Delete the draft: {medication}", medication=name))
        found.suggestions.append(_suggestion(label, [action], wanted.recommended))
    elif medication.state == "active" and wanted.offer == "stop" and medication.resource_type == "MedicationRequest":
        body = raw.get(medication.source.reference, b"{}")
        reason = {"text": f"{finding.rule.id}: {finding.rule.title}"}
        update = body_of(body) | {"status": "stopped"}
        if version == "STU3" or version_of("MedicationRequest", body) == "STU3":  # which has no reason for a status
            update["note"] = [*update.get("note", ()), reason]
        else:
            update["statusReason"] = reason
        _update(found, update, said("Stop {medication}", medication=name), wanted.recommended)
    elif wanted.offer == "revise" and revised is not None:
        resource, words = revised
        label = said("Lower {medication} to {dosage}", medication=name, dosage=words)
        _update(found, resource, label, wanted.recommended)


def _revised(
    finding: Finding,
    medication: Medication,
    world: World,
    raw: Mapping[str, bytes],
    total_mg: float,
    products: Rows,
) -> Revised | None:
    """The draft at a dose that keeps to every limit which this finding and those it took in set for it."""
    body = raw.get(medication.source.reference)
    if medication.state != "draft" or medication.resource_type != "MedicationRequest" or body is None:
        return None
    limits = [
        limit
        for each in (finding, *_taken_in(finding))
        for wanted in each.rule.suggestions
        if wanted.offer == "revise"
        and medication.classes & wanted.classes
        and wanted.ingredient in ("", *medication.product.ingredients)
        and truth(wanted.when, world) is YES
        and (limit := _limit(wanted, medication, world)) is not None
    ]
    if not limits:
        return None
    strictest = min(limits, key=lambda limit: (limit.mg, not limit.below))
    if medication.product.magnesium is not None:
        return lower_times(body, medication, total_mg - strictest.mg)
    return lower_dose(body, medication, strictest, products)


def _taken_in(finding: Finding) -> Iterable[Finding]:
    for each in finding.also:
        yield each
        yield from _taken_in(each)


def _limit(wanted: Suggestion, medication: Medication, world: World) -> Limit | None:
    if wanted.below is not None:
        return Limit(wanted.below, below=True)
    if wanted.at_most != CAP:
        return None if wanted.at_most is None else Limit(float(wanted.at_most))
    caps = [
        float(cap)
        for each in world.facts.get("interaction", ())
        if each.fields["effect"] == "cap"
        and medication.source in each.sources
        and isinstance(cap := each.fields["cap_mg"], int | float)
    ]
    return Limit(min(caps)) if caps else None


def excluding(suggestions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether of several suggestions only one can be taken, since all change the same resource."""
    changed = {_changed(action) for each in suggestions for action in each["actions"]}
    return len(suggestions) > 1 and len(changed) == 1 and None not in changed


def _changed(action: Mapping[str, Any]) -> str | None:
    """The resource an action changes; None when it creates one."""
    if action["type"] == "create":
        return None
    return action.get("resourceId") or f"{action['resource']['resourceType']}/{action['resource']['id']}"


def _without_clashes(suggestions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Suggestions of which any may be taken: a resource that two would change is left to the first of them."""
    if excluding(suggestions):
        return suggestions
    kept, taken = [], set[str]()
    for each in suggestions:
        changes = {changed for action in each["actions"] if (changed := _changed(action)) is not None}
        if taken.isdisjoint(changes):
            kept.append(each)
            taken |= changes
    return kept


def _update(found: Offers, resource: dict[str, Any], said_label: Said, recommended: bool) -> None:
    if is_valid(written(resource)):
        label = found.say(said_label)
        found.suggestions.append(
            _suggestion(label, [{"type": "update", "description": label, "resource": resource}], recommended)
        )


def _suggestion(label: str, actions: Sequence[Mapping[str, Any]], recommended: bool) -> dict[str, Any]:
    return {"label": label[:80], **({"isRecommended": True} if recommended else {}), "actions": list(actions)}
