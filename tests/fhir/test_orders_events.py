from __future__ import annotations

import pytest

from tests.fhir.builders import ICD, LOINC, ago, coded, only, read, reasons

SUBJECT = {"reference": "Patient/p"}
DIALYSIS = coded("local", "dialysis")
COMFORT = coded(ICD, "Z51.5")


def service(**over: object) -> dict[str, object]:
    body = {
        "resourceType": "ServiceRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "subject": SUBJECT,
        "code": coded(LOINC, "19123-9"),
        "authoredOn": ago(1),
    }
    return {key: value for key, value in (body | over).items() if value is not None}


def procedure(**over: object) -> dict[str, object]:
    body = {
        "resourceType": "Procedure",
        "id": "x",
        "status": "completed",
        "subject": SUBJECT,
        "code": DIALYSIS,
        "performedDateTime": ago(2),
    }
    return {key: value for key, value in (body | over).items() if value is not None}


def test_an_active_order_and_a_draft_are_known() -> None:
    chart = read(service(), drafts=[service(id="d", status="draft", code=coded(LOINC, "2157-6"))]).chart
    assert {(order.test, order.state) for order in chart.orders} == {("magnesium", "active"), ("ck", "draft")}


def test_a_code_may_be_a_codeable_reference_as_in_r5() -> None:
    assert only(read(service(code={"concept": coded(LOINC, "19123-9")})).chart.orders).test == "magnesium"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"status": "draft"}, "status"),
        ({"status": "on-hold"}, "status"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"intent": "proposal"}, "status"),
        ({"doNotPerform": True}, "status"),
        ({"authoredOn": ago(-1)}, "future"),
    ],
)
def test_other_orders_do_not_count(over: dict[str, object], reason: str) -> None:
    reading = read(service(**over))
    assert not reading.chart.orders
    assert reasons(reading) == {"ServiceRequest/o": reason}


def test_finished_orders_and_orders_of_no_interest_leave_no_trace() -> None:
    chart = read(service(status="completed"), service(id="y", code=coded(LOINC, "1-1"))).chart
    assert not chart.orders
    assert not chart.unread


def test_dialysis_is_an_event() -> None:
    event = only(read(procedure()).chart.events)
    assert (event.key, event.ongoing) == ("dialysis", False)
    assert only(read(procedure(status="in-progress", performedDateTime=None)).chart.events).ongoing


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"status": "not-done"}, "status"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"performedDateTime": None}, "no-date"),
        ({"performedDateTime": ago(-2)}, "future"),
    ],
)
def test_procedures_that_did_not_happen_are_none(over: dict[str, object], reason: str) -> None:
    reading = read(procedure(**over))
    assert not reading.chart.events
    assert reasons(reading) == {"Procedure/x": reason}


def test_an_order_or_plan_for_dialysis_is_ongoing() -> None:
    assert only(read(service(code=DIALYSIS)).chart.events).ongoing
    plan = {
        "resourceType": "CarePlan",
        "id": "c",
        "status": "active",
        "subject": SUBJECT,
        "activity": [{"detail": {"code": DIALYSIS}}],
    }
    assert only(read(plan).chart.events).ongoing


def test_an_encounter_may_be_a_delivery() -> None:
    body = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": SUBJECT,
        "type": [coded("local", "delivery")],
        "period": {"start": ago(11), "end": ago(10)},
    }
    event = only(read(body).chart.events)
    assert event.key == "delivery"
    assert not read(body | {"status": "cancelled"}).chart.events


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "CarePlan", "category": [COMFORT]},
        {"resourceType": "Consent", "provision": {"code": [COMFORT]}},
        {"resourceType": "Consent", "category": [COMFORT]},
        {"resourceType": "ServiceRequest", "intent": "order", "code": COMFORT},
        {"resourceType": "Condition", "code": COMFORT},
    ],
)
def test_comfort_care_is_known_however_it_is_recorded(body: dict[str, object]) -> None:
    owner = "patient" if body["resourceType"] == "Consent" else "subject"
    chart = read({"id": "x", "status": "active", owner: SUBJECT, **body}).chart
    assert [problem.key for problem in chart.problems] == ["comfort-care"]


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "CarePlan", "status": "revoked", "category": [COMFORT]},
        {"resourceType": "CarePlan", "status": "active", "category": [COMFORT], "period": {"end": ago(1)}},
        {"resourceType": "Consent", "status": "active", "provision": {"type": "deny", "code": [COMFORT]}},
    ],
)
def test_comfort_care_that_is_over_or_denied_is_none(body: dict[str, object]) -> None:
    assert not read({"id": "x", "subject": SUBJECT, **body}).chart.problems
