from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cds_rules.vocabulary.chart import Amount, Dosage
from tests.fhir.builders import (
    AT,
    administration,
    ago,
    coded,
    condition,
    dispense,
    only,
    patient,
    read,
    reasons,
    request,
    statement,
)


def days(number: float) -> Any:
    return AT - timedelta(days=number)


# --- which product ---------------------------------------------------------------------------------------------------


def by_reference(name: str, **over: Any) -> dict[str, Any]:
    return request(medicationCodeableConcept=None, medicationReference={"reference": name, **over})


OXIDE = {"resourceType": "Medication", "id": "x", "code": {"text": "magnesium oxide 400 mg tablet"}}


@pytest.mark.parametrize(
    "resources",
    [
        [request()],
        [
            request(
                medicationCodeableConcept={
                    "coding": [{"system": "local", "code": "1", "display": "magnesium oxide 400 MG"}]
                }
            )
        ],
        [by_reference("Medication/x"), OXIDE],
        [by_reference("http://ehr/fhir/Medication/x/_history/2"), OXIDE],
        [by_reference("urn:uuid:x"), OXIDE],
        [by_reference("#x") | {"contained": [OXIDE]}],
        [by_reference("Medication/gone", display="magnesium oxide")],
        [
            by_reference("Medication/y"),
            {
                "resourceType": "Medication",
                "id": "y",
                "ingredient": [{"itemCodeableConcept": {"text": "magnesium oxide"}}],
            },
        ],
        [request(medicationCodeableConcept=None, medication={"concept": {"text": "magnesium oxide"}})],
        [request(medicationCodeableConcept=None, medication={"reference": {"reference": "Medication/x"}}), OXIDE],
    ],
)
def test_the_product_is_found_wherever_it_is_named(resources: list[dict[str, Any]]) -> None:
    medication = only(read(*resources).chart.medications)
    assert medication.product.ingredients == ("magnesium oxide",)
    assert medication.label


@pytest.mark.parametrize(
    "body", [by_reference("Medication/gone"), by_reference("#gone"), request(medicationCodeableConcept=None)]
)
def test_a_product_that_cannot_be_found_is_told(body: dict[str, Any]) -> None:
    reading = read(body)
    assert not reading.chart.medications
    assert reasons(reading) == {"MedicationRequest/m": "no-code"}


def test_a_product_nothing_is_known_of_is_counted() -> None:
    chart = read(request(drug="unobtainium"), request("n", drug="unobtainium")).chart
    assert chart.not_understood == {("medication", "unobtainium"): 2}
    assert not chart.unread


# --- what counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"status": "draft"}, "status"),
        ({"status": "on-hold"}, "status"),
        ({"status": "unknown"}, "status"),
        ({"status": None}, "status"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"intent": "proposal"}, "status"),
        ({"intent": "plan"}, "status"),
        ({"intent": "option"}, "status"),
        ({"doNotPerform": True}, "status"),
        ({"days": -1}, "future"),
    ],
)
def test_orders_that_do_not_count_have_their_reason(over: dict[str, Any], reason: str) -> None:
    reading = read(request(**over))
    assert not reading.chart.medications
    assert reasons(reading) == {"MedicationRequest/m": reason}
    assert reading.chart.unread[0].about.startswith("mg-")


@pytest.mark.parametrize("intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"])
def test_orders_of_every_kind_count(intent: str) -> None:
    assert only(read(request(intent=intent)).chart.medications).state == "active"


def bounded(start: float, end: float | None) -> dict[str, Any]:
    period = {"start": ago(start), **({} if end is None else {"end": ago(end)})}
    return {"text": "1 tab po bid", "timing": {"repeat": {"boundsPeriod": period}}}


@pytest.mark.parametrize(
    ("over", "state", "stopped"),
    [
        ({}, "active", None),
        ({"sig": bounded(30, -5)}, "active", None),
        ({"sig": bounded(30, 2)}, "stopped", 2),
        ({"dispenseRequest": {"validityPeriod": {"start": ago(30), "end": ago(2)}}}, "stopped", 2),
        ({"dispenseRequest": {"validityPeriod": {"end": ago(-2)}}}, "active", None),
        ({"status": "stopped", "sig": bounded(30, 2)}, "stopped", 2),
        ({"status": "completed", "meta": {"lastUpdated": ago(1)}}, "stopped", 1),
        ({"status": "cancelled", "meta": {"lastUpdated": ago(1)}}, "stopped", 1),
        ({"status": "stopped"}, "stopped", None),
        ({"status": "completed", "sig": bounded(30, -9), "meta": {"lastUpdated": ago(1)}}, "stopped", 1),
    ],
)
def test_the_end_of_an_order_is_known(over: dict[str, Any], state: str, stopped: float | None) -> None:
    medication = only(read(request(**over)).chart.medications)
    assert (medication.state, medication.stop) == (state, None if stopped is None else days(stopped))


def test_a_record_can_be_read_at_an_instant_of_its_past() -> None:
    """MIMIC: every order is completed, with a period; in the midst of it the order was running."""
    assert only(read(request(status="completed", sig=bounded(3, -3))).chart.medications).state == "active"
    assert (
        only(
            read(request(status="completed", sig=bounded(3, -3), meta={"lastUpdated": ago(-4)})).chart.medications
        ).state
        == "active"
    )
    assert only(read(request(status="cancelled", sig=bounded(3, -3))).chart.medications).state == "stopped"


def test_an_end_written_as_a_date_lasts_through_that_day() -> None:
    today = AT.date().isoformat()
    assert only(read(request(dispenseRequest={"validityPeriod": {"end": today}})).chart.medications).state == "active"
    assert (
        only(read(request(dispenseRequest={"validityPeriod": {"end": "2026-02-28"}})).chart.medications).state
        == "stopped"
    )


@pytest.mark.parametrize(
    ("over", "state"),
    [
        ({}, "active"),
        ({"status": "stopped"}, "stopped"),
        ({"status": "completed"}, "stopped"),
        ({"effectivePeriod": {"start": ago(30), "end": ago(2)}}, "stopped"),
        ({"status": "not-taken"}, None),
        ({"status": "intended"}, None),
        ({"status": "unknown"}, None),
        ({"status": "on-hold"}, None),
        ({"status": "entered-in-error"}, None),
        ({"taken": "n"}, None),
    ],
)
def test_statements_count_when_active(over: dict[str, Any], state: str | None) -> None:
    assert [medication.state for medication in read(statement(**over)).chart.medications] == ([state] if state else [])


def test_what_the_patient_says_is_marked() -> None:
    assert only(
        read(patient(), statement(informationSource={"reference": "Patient/p"})).chart.medications
    ).patient_reported
    assert only(read(request(reportedBoolean=True)).chart.medications).patient_reported
    assert not only(read(statement()).chart.medications).patient_reported


@pytest.mark.parametrize(
    ("over", "counts"),
    [
        ({"days": 36.9}, True),
        ({"days": 37.1}, False),
        ({"status": "in-progress"}, True),
        ({"status": "preparation"}, False),
        ({"supply": None}, False),
        ({"whenHandedOver": None}, False),
        ({"daysSupply": {"value": 30}}, True),
        ({"days": -1}, False),
    ],
)
def test_a_dispensed_supply_counts_for_its_days_and_a_week(over: dict[str, Any], counts: bool) -> None:
    reading = read(dispense(**over))
    assert bool(reading.chart.medications) is counts
    assert bool(reading.chart.unread) is not counts


def test_a_later_stop_of_the_order_ends_a_supply() -> None:
    stopped = request(status="stopped", sig=bounded(40, 5))
    assert [one.resource_type for one in read(stopped, dispense(days=10)).chart.medications] == ["MedicationRequest"]
    assert {one.resource_type for one in read(stopped, dispense(days=3)).chart.medications} == {
        "MedicationRequest",
        "MedicationDispense",
    }


@pytest.mark.parametrize(
    ("drug", "over", "state"),
    [
        ("magnesium sulfate", {"days": 0.9}, "active"),
        ("magnesium sulfate", {"days": 1.1}, "stopped"),
        ("magnesium oxide", {"days": 1.9}, "active"),
        ("magnesium oxide", {"days": 2.1}, "stopped"),
        ("magnesium sulfate", {"days": 9, "status": "in-progress"}, "active"),
        ("magnesium sulfate", {"status": "not-done"}, None),
        ("magnesium sulfate", {"status": "on-hold"}, None),
        ("magnesium sulfate", {"effectiveDateTime": None}, None),
        ("magnesium sulfate", {"days": -1}, None),
    ],
)
def test_what_was_given_counts_for_a_day_or_two(drug: str, over: dict[str, Any], state: str | None) -> None:
    assert [one.state for one in read(administration(drug=drug, **over)).chart.medications] == (
        [state] if state else []
    )


def test_a_dose_that_was_given_is_one_time() -> None:
    assert only(read(administration()).chart.medications).dosage.one_time


# --- since when, how much --------------------------------------------------------------------------------------------


def test_the_start_is_that_of_an_uninterrupted_run() -> None:
    chart = read(
        request("old", days=200, status="completed", sig=bounded(200, 100)),
        dispense("refill", days=95, supply=30),
        request("now", days=40),
    ).chart
    assert {one.source.reference: one.start for one in chart.medications}["MedicationRequest/now"] == days(200)


def test_a_gap_of_more_than_30_days_begins_anew() -> None:
    chart = read(request("old", days=200, status="completed", sig=bounded(200, 71)), request("now", days=40)).chart
    assert {one.source.reference: one.start for one in chart.medications}["MedicationRequest/now"] == days(40)


def test_other_ingredients_have_runs_of_their_own() -> None:
    chart = read(request("other", "furosemide", days=400), request("now", days=40)).chart
    assert {one.source.reference: one.start for one in chart.medications}["MedicationRequest/now"] == days(40)


@pytest.mark.parametrize(
    ("before", "after", "increased"),
    [("1 tab bid", "2 tabs bid", True), ("2 tabs bid", "1 tab bid", False), ("1 tab bid", "1 tab bid", False)],
)
def test_a_later_higher_dose_is_an_increase(before: str, after: str, increased: bool) -> None:
    first = {"text": before, "timing": {"repeat": {"boundsPeriod": {"start": ago(90), "end": ago(20)}}}}
    chart = read(
        request("old", days=90, status="completed", sig=first), request("now", days=20, sig={"text": after})
    ).chart
    now = next(one for one in chart.medications if one.source.reference == "MedicationRequest/now")
    assert now.dose_increased == (days(20) if increased else None)
    assert now.start == days(90)


# --- one product, several records ------------------------------------------------------------------------------------


def test_the_order_outranks_statement_dispense_and_administration() -> None:
    chart = read(administration(drug="magnesium oxide"), dispense(), statement(), request()).chart
    medication = only(chart.medications)
    assert medication.resource_type == "MedicationRequest"
    assert {source.reference for source in medication.others} == {
        "MedicationStatement/s",
        "MedicationDispense/d",
        "MedicationAdministration/a",
    }


def test_two_orders_of_one_ingredient_both_count() -> None:
    assert len(read(request("a"), request("b")).chart.medications) == 2


def test_two_orders_with_one_identifier_are_one() -> None:
    same = [{"system": "orders", "value": "7"}]
    medication = only(
        read(request("a", days=30, identifier=same), request("b", days=10, identifier=same)).chart.medications
    )
    assert medication.source.reference == "MedicationRequest/b"


def test_a_stopped_order_does_not_hide_an_active_statement() -> None:
    chart = read(request(status="stopped", sig=bounded(40, 20)), statement()).chart
    assert sorted(one.state for one in chart.medications) == ["active", "stopped"]


def test_repeated_administrations_are_one() -> None:
    chart = read(*(administration(f"a{hour}", days=hour / 24) for hour in range(1, 9))).chart
    assert only(chart.medications).source.reference == "MedicationAdministration/a1"


# --- reasons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "over",
    [
        {"reasonCode": [{"text": "leg cramps"}]},
        {"reasonCode": {"text": "leg cramps"}},
        {"reasonReference": [{"reference": "Condition/cramps"}]},
        {"sig": {"text": "1 tab at bedtime for leg cramps"}},
        {"sig": {"text": "1 tab", "asNeededCodeableConcept": {"text": "muscle cramps"}}},
        {"reason": [{"concept": {"text": "cramps"}}]},
    ],
)
def test_reasons_are_found_wherever_they_are_given(over: dict[str, Any]) -> None:
    cramps = condition("cramps") | {"code": {"text": "nocturnal leg cramps"}}
    medication = only(read(cramps, request(**over)).chart.medications)
    assert medication.reasons == {"cramps"}


def test_another_reason_is_one_and_none_is_none() -> None:
    assert only(read(request(reasonCode=[{"text": "gout"}])).chart.medications).reasons == {"other"}
    assert only(read(request()).chart.medications).reasons == frozenset()
    assert only(read(request(sig={"text": "1 tab daily for 10 days"})).chart.medications).reasons == frozenset()


# --- drafts ----------------------------------------------------------------------------------------------------------


def test_drafts_are_drafts_whatever_their_status_says() -> None:
    for status in ("draft", "active", None):
        medication = only(read(drafts=[request("d", status=status)]).chart.medications)
        assert (medication.state, medication.selected, medication.resource_id) == ("draft", True, "d")


def test_a_selection_marks_its_draft() -> None:
    for selections in ({"MedicationRequest/a"}, {"a"}):
        chart = read(drafts=[request("a"), request("b")], selections=frozenset(selections)).chart
        assert {one.resource_id: one.selected for one in chart.medications} == {"a": True, "b": False}


def test_a_draft_that_is_already_active_on_the_server_counts_once() -> None:
    medication = only(read(request("d"), drafts=[request("d")]).chart.medications)
    assert medication.state == "draft"


def test_a_draft_says_what_it_replaces() -> None:
    prior = {"reference": "http://ehr/MedicationRequest/m/_history/2", "identifier": {"system": "o", "value": "1"}}
    medication = only(
        read(
            drafts=[request("d", priorPrescription=prior, identifier=[{"system": "o", "value": "2"}])]
        ).chart.medications
    )
    assert medication.replaces == {"MedicationRequest/m", "o|1"}
    assert medication.identifiers == {"o|2"}


def test_drafts_of_the_public_sandbox_are_read() -> None:
    sandbox = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "category": {"text": "x"},
        "reasonCode": {"text": "leg cramps"},
        "medicationCodeableConcept": {
            "text": "magnesium oxide 400 MG Oral Tablet",
            "coding": [{"system": "rx", "code": "1"}],
        },
        "dosageInstruction": [
            {
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "{pill}"}}],
                "timing": {
                    "repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": ago(0)}}
                },
            }
        ],
        "subject": {"reference": "Patient/p"},
    }
    medication = only(read(drafts=[sandbox]).chart.medications)
    assert (medication.dosage.per_day, medication.reasons) == (2, {"cramps"})


def test_a_sandbox_draft_before_a_drug_is_chosen_is_told() -> None:
    empty = {"resourceType": "MedicationRequest", "id": "d", "subject": {"reference": "Patient/p"}}
    assert reasons(read(drafts=[empty])) == {"MedicationRequest/d": "no-code"}


def test_a_dstu2_draft_is_read_and_a_dstu2_record_is_told() -> None:
    order = {
        "resourceType": "MedicationOrder",
        "id": "o",
        "status": "draft",
        "dateWritten": ago(0),
        "patient": {"reference": "Patient/p"},
        "medicationCodeableConcept": {"text": "magnesium oxide"},
        "dosageInstruction": [
            {
                "doseQuantity": {"value": 1, "unit": "{pill}"},
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnits": "d"}},
            }
        ],
    }
    medication = only(read(drafts=[order]).chart.medications)
    assert (medication.state, medication.resource_type, medication.dosage.per_day) == ("draft", "MedicationOrder", 2)
    assert reasons(read(order)) == {"MedicationOrder/o": "version"}


def test_drafts_of_other_patients_do_not_count() -> None:
    reading = read(patient(), drafts=[request("d", subject={"reference": "Patient/q"})])
    assert not reading.chart.medications
    assert reasons(reading) == {"MedicationRequest/d": "other-patient"}


def test_thousands_of_orders_for_one_drug_take_no_square_of_steps() -> None:
    many = [request(f"r{place}", status="stopped", days=place % 300) for place in range(3000)]
    many += [administration(f"a{place}", "magnesium oxide", days=place % 300) for place in range(3000)]
    assert len(read(*many).chart.medications) == 3001


NAMELESS: dict[str, Any] = {
    "no Medication delivered": {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/x"},
    },
    "an empty concept": {"medicationCodeableConcept": {}},
    "a bare local code": {"medicationCodeableConcept": coded("urn:oid:1.2.3", "4711")},
    "a Medication that says nothing": {
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "#x"},
        "contained": [{"resourceType": "Medication", "id": "x"}],
    },
}


@pytest.mark.parametrize("name", NAMELESS)
@pytest.mark.parametrize("make", [request, statement, dispense, administration])
def test_a_medication_that_nobody_can_name_leaves_the_medications_open(make: Any, name: str) -> None:
    reading = read(make(**NAMELESS[name]))
    assert not reading.chart.medications
    assert set(reasons(reading).values()) == {"no-code"}
    assert reading.lost.keys() == {"medications"}


@pytest.mark.parametrize(
    "body",
    [
        request(medicationCodeableConcept={"text": "unobtainium"}),
        request(medicationCodeableConcept=coded("http://www.nlm.nih.gov/research/umls/rxnorm", "1")),
        request(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x", "display": "unobtainium"}),
        statement(medicationCodeableConcept=coded("http://snomed.info/sct", "787481004")),
        request(medicationCodeableConcept={}, status="completed"),
        request(medicationCodeableConcept={}, status="on-hold"),
        request(medicationCodeableConcept={}, status="entered-in-error"),
        request(medicationCodeableConcept={}, subject={"reference": "Patient/another"}),
        dispense(medicationCodeableConcept={}, days=300),
        administration(medicationCodeableConcept={}, days=30),
    ],
)  # fmt: skip
def test_one_that_is_named_or_over_leaves_nothing_open(body: Any) -> None:
    assert not read(body).lost


def test_a_medication_is_named_by_its_ingredient() -> None:
    other = {"resourceType": "Medication", "id": "x", "ingredient": [{"itemCodeableConcept": {"text": "unobtainium"}}]}
    order = request(medicationCodeableConcept=None, medicationReference={"reference": "#x"}, contained=[other])
    assert not read(order).lost
    compounded = other | {"code": coded("https://fhir.kbv.de/CodeSystem/KBV_CS_ERP_Medication_Type", "rezeptur")}
    assert not read(order | {"contained": [compounded]}).lost


def test_a_draft_that_nobody_can_name_leaves_the_medications_open() -> None:
    draft = request(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"}, status="draft")
    assert read(drafts=[draft]).lost.keys() == {"medications", "drafts"}


@pytest.mark.parametrize("chosen", [None, {}, {"coding": []}])
def test_a_draft_without_a_chosen_drug_is_none_yet(chosen: Any) -> None:
    reading = read(drafts=[request(medicationCodeableConcept=chosen, status="draft")])
    assert not reading.lost
    assert not reading.chart.medications


def test_directions_may_stand_in_the_name() -> None:
    order = request(drug="Magnesium oxide 400 mg PO BID", dosageInstruction=None)
    medication = only(read(order).chart.medications)
    assert (medication.dosage.dose, medication.dosage.per_day, medication.route) == (Amount(400, "mg"), 2, "oral")
    drafted = only(read(drafts=[order | {"status": "draft"}]).chart.medications)
    assert drafted.dosage.per_day == 2


def test_a_strength_in_the_name_is_no_dose_and_real_directions_stand() -> None:
    bare = only(read(request(drug="Magnesium oxide 400 mg", dosageInstruction=None)).chart.medications)
    assert bare.dosage == Dosage()
    told = request(drug="Magnesium oxide 400 mg PO BID", sig={"text": "1 tablet daily"})
    assert only(read(told).chart.medications).dosage.per_day == 1
