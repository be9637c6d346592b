"""One record in the words of several FHIR versions: read alike, validated each by its own, DSTU2 refused without a false silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.fhir.validation import version_of, why_invalid
from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.response import answer
from tests.fhir.builders import (
    AT,
    ICD,
    LOINC,
    Json,
    administration,
    ago,
    coded,
    condition,
    dispense,
    lab,
    patient,
    read,
    reasons,
    request,
    statement,
)
from tests.hooks.build import body, everything, searchset

SUBJECT = {"reference": "Patient/p"}
DIALYSIS = coded("local", "dialysis")
COMFORT = coded(ICD, "Z51.5", "Palliative care")
MAGNESIUM = {"text": "magnesium oxide"}
SIG = {
    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
    "asNeededCodeableConcept": {"text": "leg cramps"},
    "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
}
FLAT = {name: value for name, value in SIG.items() if name != "doseAndRate"} | {
    "doseQuantity": {"value": 1, "unit": "tablet"}
}
R5_SIG = {name: value for name, value in SIG.items() if not name.startswith("asNeeded")} | {
    "asNeeded": True,
    "asNeededFor": [{"text": "leg cramps"}],
}


def own(kind: str, **content: Any) -> Json:
    return {"resourceType": kind, "id": kind[0].lower(), "subject": SUBJECT, **content}


def without(body: Json, *names: str, **over: Any) -> Json:
    return {name: value for name, value in body.items() if name not in names} | over


ORDER = request(sig=SIG, reasonCode=[{"text": "leg cramps"}])
STATEMENT = statement(dosage=[SIG])
GIVEN = administration()
HANDED_OUT = dispense()
SERVICE = own("ServiceRequest", status="active", intent="order", code=coded(LOINC, "19123-9"), authoredOn=ago(1))
PROCEDURE = own("Procedure", status="completed", code=DIALYSIS, performedDateTime=ago(2))
ENCOUNTER = own(
    "Encounter", status="completed", reasonCode=[coded("local", "delivery")], period={"start": ago(9), "end": ago(7)}
)
ENCOUNTER["class"] = {"code": "IMP"}
PLAN = own(
    "CarePlan", status="active", intent="plan", activity=[{"detail": {"code": DIALYSIS, "status": "in-progress"}}]
)
CONSENT = {
    "resourceType": "Consent", "id": "c", "status": "active", "patient": SUBJECT, "dateTime": ago(3), "scope": {"text": "adr"},
    "category": [{"text": "directive"}], "provision": {"type": "permit", "code": [COMFORT]}, "policyRule": {"text": "x"},
}  # fmt: skip

ALIKE: dict[str, tuple[str, Json, Json]] = {
    "order in R5": ("R5", ORDER, without(ORDER, "medicationCodeableConcept", "reasonCode", medication={"concept": MAGNESIUM}, reason=[{"concept": {"text": "leg cramps"}}], dosageInstruction=[R5_SIG])),
    "order that refers in R5": ("R5", ORDER, without(ORDER, "medicationCodeableConcept", "reasonCode", medication={"reference": {"reference": "Medication/x", "display": "magnesium oxide"}}, reason=[{"concept": {"text": "leg cramps"}}], dosageInstruction=[R5_SIG])),
    "order in STU3": ("STU3", ORDER, ORDER | {"context": {"reference": "Encounter/1"}, "category": {"text": "outpatient"}, "dosageInstruction": [FLAT]}),
    "statement in R5": ("R5", STATEMENT, without(STATEMENT, "medicationCodeableConcept", medication={"concept": MAGNESIUM}, status="recorded", adherence={"code": {"coding": [{"code": "taking-as-directed"}]}}, dosage=[R5_SIG])),
    "statement in R5 without adherence": ("R5", STATEMENT, without(STATEMENT, "medicationCodeableConcept", medication={"concept": MAGNESIUM}, status="recorded", dosage=[R5_SIG])),
    "statement in STU3": ("STU3", STATEMENT, STATEMENT | {"taken": "y", "dosage": [FLAT]}),
    "administration in R5": ("R5", GIVEN, without(GIVEN, "medicationCodeableConcept", "effectiveDateTime", medication={"concept": GIVEN["medicationCodeableConcept"]}, occurenceDateTime=GIVEN["effectiveDateTime"])),
    "administration in STU3": ("STU3", GIVEN, GIVEN | {"notGiven": False}),
    "dispense in R5": ("R5", HANDED_OUT, without(HANDED_OUT, "medicationCodeableConcept", medication={"concept": MAGNESIUM})),
    "dispense in STU3": ("STU3", HANDED_OUT, HANDED_OUT | {"notDone": False}),
    "condition in R5": ("R5", without(condition(), "clinicalStatus"), condition(clinicalStatus=coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "unknown"))),
    "condition in STU3": ("STU3", condition(), without(condition(), "recordedDate", clinicalStatus="active", verificationStatus="confirmed", assertedDate=ago(40), context={"reference": "Encounter/1"})),
    "observation in STU3": ("STU3", lab(note=[{"text": "Specimen hemolyzed"}]), lab(comment="Specimen hemolyzed", context={"reference": "Encounter/1"})),
    "service in R5": ("R5", SERVICE, SERVICE | {"code": {"concept": coded(LOINC, "19123-9")}}),
    "procedure in R5": ("R5", PROCEDURE, without(PROCEDURE, "performedDateTime", occurrenceDateTime=ago(2))),
    "procedure in STU3": ("STU3", PROCEDURE, PROCEDURE | {"notDone": False}),
    "encounter in R5": ("R5", ENCOUNTER, without(ENCOUNTER, "reasonCode", "period", "class", reason=[{"value": [{"concept": coded("local", "delivery")}]}], actualPeriod={"start": ago(9), "end": ago(7)})),
    "encounter in R5 by its service": ("R5", ENCOUNTER, without(ENCOUNTER, "reasonCode", "period", "class", serviceType=[{"concept": coded("local", "delivery")}], actualPeriod={"start": ago(9), "end": ago(7)})),
    "encounter in STU3": ("STU3", ENCOUNTER, without(ENCOUNTER, "reasonCode", reason=[coded("local", "delivery")], status="finished")),
    "plan in R5": ("R5", PLAN, PLAN | {"activity": [{"performedActivity": [{"concept": DIALYSIS}]}]}),
    "plan in STU3": ("STU3", PLAN, PLAN | {"context": {"reference": "Encounter/1"}}),
    "consent in R5": ("R5", CONSENT, without(CONSENT, "patient", "dateTime", "provision", "scope", "policyRule", subject=SUBJECT, date=ago(3)[:10], decision="deny", provision=[{"code": [COMFORT]}])),
}  # fmt: skip


def told(body: Json) -> tuple[Any, ...]:
    chart = read(patient(), body).chart
    found = (*chart.results, *chart.medications, *chart.problems, *chart.symptoms, *chart.orders, *chart.events)
    assert found, chart.unread
    return found


@pytest.mark.parametrize("name", ALIKE)
def test_every_version_tells_the_same(name: str) -> None:
    _, in_r4, other = ALIKE[name]
    if name in ("consent in R5", "encounter in STU3"):  # a date for an instant; a word for the same state
        mine, theirs = told(in_r4)[0], told(other)[0]
        assert mine.key == theirs.key
        return
    assert told(other) == told(in_r4)


@pytest.mark.parametrize("name", ALIKE)
def test_each_is_told_by_its_shape_and_validated_by_its_own_version(name: str) -> None:
    version, in_r4, other = ALIKE[name]
    for wanted, shape in (("R4", in_r4), (version, other)):
        raw = json.dumps(shape).encode()
        assert version_of(shape["resourceType"], raw) == wanted
        if shape["resourceType"] not in ("Encounter", "CarePlan", "Consent"):  # sketches: not all that is required
            assert why_invalid(raw) is None


def test_a_profile_outranks_the_shape() -> None:
    body = lab(meta={"profile": ["http://hl7.org/fhir/StructureDefinition/Observation|3.0.2"]})
    assert version_of("Observation", json.dumps(body).encode()) == "STU3"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (statement(status="recorded", adherence={"code": {"coding": [{"code": "not-taking"}]}}), "status"),
        (statement(status="recorded", adherence={"code": {"coding": [{"code": "on-hold-as-directed"}]}}), "status"),
        (statement(status="recorded", adherence={"code": {"coding": [{"code": "unknown"}]}}), "status"),
        (statement(status="entered-in-error", adherence={"code": {"coding": [{"code": "taking"}]}}), "entered-in-error"),
        (statement(status="draft"), "status"),
        (statement(taken="n"), "status"),
        (administration(notGiven=True), "status"),
        (dispense(notDone=True), "status"),
    ],
)  # fmt: skip
def test_what_was_not_taken_does_not_count(body: Json, reason: str) -> None:
    reading = read(body)
    assert not [one for one in reading.chart.medications if one.state == "active"]
    assert set(reasons(reading).values()) == {reason}


def test_stopped_and_ended_are_over() -> None:
    stopped = statement(status="recorded", adherence={"code": {"coding": [{"code": "stopped-as-directed"}]}})
    ended = request(status="ended", effectiveDosePeriod={"start": ago(30), "end": ago(1)}, sig={"text": "1 tab po bid"})
    for one in (stopped, ended):
        (medication,) = read(one).chart.medications
        assert medication.state == "stopped"
    assert read(ended).chart.medications[0].stop is not None


def test_an_r5_provision_is_the_opposite_of_the_decision_above_it() -> None:
    permitted = without(ALIKE["consent in R5"][2], decision="permit")
    assert not read(permitted).chart.problems


DSTU2: dict[str, Json] = {
    "MedicationOrder": {"resourceType": "MedicationOrder", "id": "m", "status": "active", "patient": SUBJECT, "dateWritten": ago(9)[:10], "medicationCodeableConcept": MAGNESIUM},
    "MedicationStatement": {"resourceType": "MedicationStatement", "id": "m", "status": "active", "patient": SUBJECT, "wasNotTaken": False, "medicationCodeableConcept": MAGNESIUM},
    "MedicationAdministration": {"resourceType": "MedicationAdministration", "id": "m", "status": "completed", "patient": SUBJECT, "effectiveTimeDateTime": ago(0.1), "medicationCodeableConcept": MAGNESIUM},
    "Condition": {"resourceType": "Condition", "id": "m", "patient": SUBJECT, "clinicalStatus": "active", "verificationStatus": "confirmed", "code": coded(ICD, "N18.4")},
    "Observation": lab("m", category={"text": "laboratory"}),
    "DiagnosticOrder": {"resourceType": "DiagnosticOrder", "id": "m", "subject": SUBJECT, "item": [{"code": {"text": "magnesium"}}]},
    "ProcedureRequest": {"resourceType": "ProcedureRequest", "id": "m", "subject": SUBJECT, "status": "requested", "code": coded(LOINC, "19123-9")},
}  # fmt: skip


@pytest.mark.parametrize("kind", DSTU2)
def test_dstu2_is_refused_by_name_and_leaves_its_part_of_the_record_open(kind: str) -> None:
    reading = read(patient(), DSTU2[kind])
    chart = reading.chart
    assert not (*chart.medications, *chart.problems, *chart.results, *chart.orders)
    assert reasons(reading) == {f"{kind}/m": "version"}
    assert reading.lost


def test_dstu2_that_is_none_of_ours_or_of_another_patient_leaves_nothing_open() -> None:
    fracture = DSTU2["Condition"] | {"code": {"text": "Fracture of wrist"}}
    stranger = DSTU2["Condition"] | {"patient": {"reference": "Patient/another"}}
    assert not read(patient(), fracture).lost
    assert not read(patient(), stranger).lost


def test_a_dstu2_draft_is_read() -> None:
    draft = DSTU2["MedicationOrder"] | {"status": "draft", "dosageInstruction": [{"text": "1 tab po bid"}]}
    reading = read(patient(), drafts=[draft])
    (medication,) = reading.chart.medications
    assert (medication.state, medication.dosage.per_day) == ("draft", 2.0)
    assert not reading.lost


def test_a_dstu2_record_is_answered_as_not_assessed(knowledge: Knowledge) -> None:
    service = service_for("patient-view")
    assert service is not None
    taken = DSTU2["MedicationStatement"] | {"patient": {"reference": "Patient/p1"}}
    given = answer(knowledge, service, body(prefetch=everything(statements=searchset(taken))), at=AT)
    assert given.status == 412
    assert "a MedicationStatement of FHIR DSTU2 could not be read" in given.content().decode()
