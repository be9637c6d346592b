"""Where FHIR versions differ in what we read: one table, from the field of another version to the place R4 has for it.

A decoded resource flows in; the same resource in the shape of R4 flows out, with the version whose shape it had. Everything
after this reads R4 alone. R4B differs from R4 in nothing that is read. Floor: fhir.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from cds_rules.fhir import wire
from cds_rules.fhir.wire import many
from cds_rules.vocabulary.frozen import Frozen

Version = Literal["DSTU2", "STU3", "R4", "R5"]
_ANY = object
_ONLY: Mapping[str, Version] = {"MedicationOrder": "DSTU2", "DiagnosticOrder": "DSTU2", "ProcedureRequest": "STU3"}
"""Kinds that R4 no longer has, and the version that had them last."""


_TOLD = re.compile(r"/(DSTU2|STU3|R4B?|R5|1\.0|3\.0|4\.[03]|5\.0)/|//hl7\.org/fhir/StructureDefinition/\w+\|(\d\.\d)")
_NUMBERED: Mapping[str, Version] = {
    "DSTU2": "DSTU2", "1.0": "DSTU2", "STU3": "STU3", "3.0": "STU3", "R4": "R4", "R4B": "R4", "4.0": "R4", "4.3": "R4", "R5": "R5",
    "5.0": "R5",
}  # fmt: skip


class Difference(Frozen, frozen=True):
    """A field as another version has it.

    field: its name there. form: the type that only that version gives it, where the name alone does not tell. settle: puts
    what it says where R4 has it, and says whether it was of that version after all. version: None for a field of R4 itself
    that holds others.
    """

    field: str
    version: Version | None
    settle: Callable[[Any, Any], bool | Version]
    form: type = _ANY


def as_r4(kind: str, resource: Any) -> Version:
    """Bring a decoded resource into the shape of R4, in place.

    Returns:
        The version whose shape it had; R4 where nothing tells it from another.

    >>> condition = wire.Condition(clinicalStatus="active", assertedDate="2020-01-01")
    >>> as_r4("Condition", condition), condition.recordedDate
    ('STU3', '2020-01-01')
    """
    version: Version = _ONLY.get(kind, "R4")
    for difference in DIFFERENCES.get(kind, ()):
        value = getattr(resource, difference.field)
        if value is not None and isinstance(value, difference.form):
            found = difference.settle(resource, value)
            mark = found if isinstance(found, str) else difference.version if found else None
            if mark is not None and mark != "R4" and (version == "R4" or mark == "DSTU2"):
                version = mark
    return version


_TELLING: Mapping[Version, frozenset[str]] = {
    "STU3": frozenset({"Condition"}),
    "R5": frozenset({"MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}),
    "DSTU2": frozenset(),
}
"""Kinds of which every resource of a version shows it: where a record has them, one odd resource of another kind tells nothing."""


def spoken_by(several: Iterable[tuple[str, str]]) -> Version:
    """The version of a record, from the kinds and versions of its resources: R4 is also the shape of all that no version tells.

    >>> spoken_by([("Condition", "STU3"), ("Observation", "R4")]), spoken_by([("Observation", "R4")])
    ('STU3', 'R4')
    >>> spoken_by([("Condition", "R4"), ("MedicationStatement", "STU3")])
    'R4'
    """
    listed = list(several)
    if all(found == "R4" for _, found in listed):
        return "R4"
    for version, kinds in _TELLING.items():
        shown = [found for kind, found in listed if kind in kinds]
        marked = (shown or [found for _, found in listed]).count(version)
        if marked and marked * 2 >= len(shown):
            return version
    return "R4"


def told(profiles: Any) -> Version | None:
    """The version that meta.profile names, by the address or the version of a profile of FHIR itself.

    >>> told(["http://hl7.org/fhir/StructureDefinition/Condition|3.0.2"]), told(["https://fhir.example/STU3/SD/x"]), told(None)
    ('STU3', 'STU3', None)
    """
    for profile in profiles if isinstance(profiles, list) else ():
        if isinstance(profile, str) and (match := _TOLD.search(profile)):
            return _NUMBERED.get(match[1] or match[2][:3])
    return None


def _noted(resource: Any, value: Any) -> bool:
    """A field that tells the version and nothing else."""
    return True


def _to(field: str) -> Callable[[Any, Any], bool]:
    """The same under another name."""

    def settle(resource: Any, value: Any) -> bool:
        if getattr(resource, field) is None:
            setattr(resource, field, value)
        return True

    return settle


def _each(kind: str) -> Callable[[Any, Any], Version]:
    """What lies inside: one object or several."""

    def settle(resource: Any, value: Any) -> Version:
        found: set[Version] = {as_r4(kind, one) for one in many(value)} - {"R4"}
        return min(found, default="R4")

    return settle


def _note(resource: Any, value: Any) -> bool:
    resource.note = [*many(resource.note), wire.Annotation(value)]
    return True


def _is_not(status: str) -> Callable[[Any, Any], bool]:
    """A flag that says that it was not done; from R4 on the status does."""

    def settle(resource: Any, value: Any) -> bool:
        if value:
            resource.status = status
        return True

    return settle


def _unknown(condition: wire.Condition, value: wire.CodeableConcept) -> bool:
    """R5 asks for a clinical status always, and has a word for what is left out elsewhere."""
    unknown = any(code == "unknown" for _, code, _ in wire.spoken(value).codings)
    if unknown:
        condition.clinicalStatus = None
    return unknown


def _concepts(found: Iterable[wire.CodeableReference]) -> list[wire.CodeableConcept]:
    return [one.concept for one in found if one.concept is not None]


def _medication(order: Any, value: wire.CodeableReference) -> bool:
    order.medicationCodeableConcept, order.medicationReference = value.concept, value.reference
    return True


def _reason(order: Any, value: Any) -> bool:
    order.reasonCode = _concepts(many(value))
    order.reasonReference = [one.reference for one in many(value) if one.reference is not None]
    return True


def _adherence(statement: wire.MedicationStatement, value: wire.Adherence) -> bool:
    """R5 asks apart whether the statement stands (status) and whether the medication is taken (adherence)."""
    for _, code, _ in wire.spoken(value.code).codings:
        for word in ("taking", "not-taking", "on-hold", "stopped", "unknown"):
            if statement.status == "recorded" and code.startswith(word):
                statement.status = "active" if word == "taking" else word
    return True


def _recorded(statement: wire.MedicationStatement, value: str) -> bool:
    """R5: a statement without adherence says that the medication is taken, as it lists it."""
    if value == "recorded":
        statement.status = "active"
    return value == "recorded"


def _not_taken(statement: wire.MedicationStatement, value: str) -> bool:
    if value == "n":
        statement.status = "not-taken"
    return True


def _effective_period(order: wire.MedicationRequest, value: wire.Period) -> bool:
    for instruction in many(order.dosageInstruction) or (wire.DosageInstruction(),):
        timing = instruction.timing = instruction.timing or wire.Timing()
        repeat = timing.repeat = timing.repeat or wire.Repeat()
        repeat.boundsPeriod = repeat.boundsPeriod or value
        order.dosageInstruction = order.dosageInstruction or instruction
    return True


def _strength(ingredient: wire.Ingredient, value: wire.Quantity) -> bool:
    ingredient.strength = wire.Ratio(numerator=value)
    return True


def _ingredient(ingredient: wire.Ingredient, value: wire.CodeableReference) -> bool:
    ingredient.itemCodeableConcept = value.concept
    return True


def _ordered_code(request: wire.ServiceRequest, value: wire.OrderedCode) -> bool:
    if value.concept is None:
        return False
    value.coding, value.text = value.concept.coding, value.concept.text
    return True


def _ordered_by_code(request: wire.ServiceRequest, value: Any) -> Version:
    """A ProcedureRequest: the intent came with STU3, where it is required."""
    return "DSTU2" if request.intent is None else "STU3"


def _encounter_reason(encounter: wire.Encounter, value: Any) -> Version:
    """A list of concepts in STU3, of objects with a list of references in R5."""
    given = [one for reason in many(value) for one in reason.value or ()]
    if given:
        encounter.reasonCode = _concepts(given)
        return "R5"
    encounter.reasonCode = [wire.CodeableConcept(reason.coding, reason.text) for reason in many(value)]
    return "STU3"


def _services(encounter: wire.Encounter, value: Any) -> bool:
    named = [one for one in many(value) if one.concept is not None]
    for one in named:
        one.coding, one.text = one.concept.coding, one.concept.text
    return bool(named)


def _performed(plan: wire.CarePlan, value: Any) -> bool:
    performed = [concept for activity in many(value) for concept in _concepts(activity.performedActivity or ())]
    plan.activity = [*many(value), *(wire.Activity(wire.Detail(concept)) for concept in performed)]
    return bool(performed)


def _decision(consent: wire.Consent, value: str) -> bool:
    """R5: what a provision says is the opposite of the decision above it."""
    opposite = "permit" if value == "deny" else "deny"
    for provision in many(consent.provision):
        provision.type = opposite
    return True


def _consent_period(consent: wire.Consent, value: wire.Period) -> bool:
    consent.provision = [*many(consent.provision), wire.Provision(period=value)]
    return True


def _questionnaire(response: wire.QuestionnaireResponse, value: wire.Reference) -> bool:
    response.questionnaire = value.reference
    return True


_PATIENT = Difference("patient", "DSTU2", _to("subject"))
_R5_ORDER = (Difference("medication", "R5", _medication), Difference("reason", "R5", _reason))
_DOSAGES = Difference("dosageInstruction", None, _each("Dosage"))
_REQUEST = (
    *_R5_ORDER,
    _DOSAGES,
    Difference("effectiveDosePeriod", "R5", _effective_period),
    Difference("reported", "R5", _to("reportedBoolean")),
    Difference("category", "STU3", _noted, wire.CodeableConcept),
    _PATIENT,
    Difference("dateWritten", "DSTU2", _to("authoredOn")),
    Difference("dateEnded", "DSTU2", _noted),
    Difference("reasonCodeableConcept", "DSTU2", _to("reasonCode")),
)
_ORDERED_TEST = (Difference("code", "R5", _ordered_code), _PATIENT)

DIFFERENCES: Mapping[str, tuple[Difference, ...]] = {
    "Observation": (
        Difference("comment", "STU3", _note),
        Difference("comments", "DSTU2", _note),
        Difference("category", "DSTU2", _noted, wire.CodeableConcept),
    ),
    "Condition": (
        Difference("clinicalStatus", "STU3", _noted, str),
        Difference("clinicalStatus", "R5", _unknown, wire.CodeableConcept),
        Difference("verificationStatus", "STU3", _noted, str),
        Difference("assertedDate", "STU3", _to("recordedDate")),
        Difference("abatementBoolean", "STU3", _noted),
        _PATIENT,
        Difference("dateRecorded", "DSTU2", _to("recordedDate")),
        Difference("category", "DSTU2", _noted, wire.CodeableConcept),
    ),
    "MedicationRequest": _REQUEST,
    "MedicationOrder": _REQUEST,
    "MedicationStatement": (
        *_R5_ORDER,
        Difference("adherence", "R5", _adherence),
        Difference("status", "R5", _recorded),
        Difference("taken", "STU3", _not_taken),
        Difference("dosage", None, _each("Dosage")),
        _PATIENT,
        Difference("wasNotTaken", "DSTU2", _is_not("not-taken")),
    ),
    "MedicationDispense": (
        *_R5_ORDER,
        _DOSAGES,
        Difference("notDone", "STU3", _is_not("declined")),
        _PATIENT,
    ),
    "MedicationAdministration": (
        *_R5_ORDER,
        Difference("occurenceDateTime", "R5", _to("effectiveDateTime")),
        Difference("occurencePeriod", "R5", _to("effectivePeriod")),
        Difference("notGiven", "STU3", _is_not("not-done")),
        _PATIENT,
        Difference("wasNotGiven", "DSTU2", _is_not("not-done")),
        Difference("effectiveTimeDateTime", "DSTU2", _to("effectiveDateTime")),
        Difference("effectiveTimePeriod", "DSTU2", _to("effectivePeriod")),
    ),
    "Dosage": (
        Difference("asNeeded", "R5", _to("asNeededBoolean")),
        Difference("asNeededFor", "R5", _to("asNeededCodeableConcept")),
        *(Difference(name, "STU3", _noted) for name in wire.DoseAndRate.__struct_fields__),
    ),
    "Medication": (Difference("ingredient", None, _each("Ingredient")),),
    "Ingredient": (
        Difference("item", "R5", _ingredient),
        Difference("strengthRatio", "R5", _to("strength")),
        Difference("strengthQuantity", "R5", _strength),
        Difference("amount", "STU3", _to("strength")),
    ),
    "ServiceRequest": _ORDERED_TEST,
    "ProcedureRequest": (Difference("code", None, _ordered_by_code), _PATIENT),
    "DiagnosticOrder": (_PATIENT,),
    "Procedure": (
        Difference("occurrenceDateTime", "R5", _to("performedDateTime")),
        Difference("occurrencePeriod", "R5", _to("performedPeriod")),
        Difference("notDone", "STU3", _is_not("not-done")),
        _PATIENT,
        Difference("notPerformed", "DSTU2", _is_not("not-done")),
    ),
    "Encounter": (
        Difference("actualPeriod", "R5", _to("period")),
        Difference("serviceType", "R5", _services),
        Difference("reason", None, _encounter_reason),
        _PATIENT,
    ),
    "CarePlan": (
        Difference("activity", "R5", _performed),
        Difference("modified", "DSTU2", _noted),
    ),
    "Consent": (
        Difference("patient", None, _to("subject")),
        Difference("decision", "R5", _decision),
        Difference("date", "R5", _to("dateTime")),
        Difference("period", None, _consent_period),
    ),
    "QuestionnaireResponse": (
        Difference("questionnaire", "STU3", _questionnaire, wire.Reference),
        Difference("group", "DSTU2", _noted),
    ),
}  # fmt: skip
"""By kind of resource, or of object inside one, in the order in which they are settled."""
