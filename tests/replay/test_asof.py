"""The record as of an instant: nothing later is in it, and what ended later is running."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.replay.asof import as_of, orders, unsettled
from cds_rules.replay.instants import last, moments, read_when
from cds_rules.replay.record import Record, records
from cds_rules.replay.wire import entries
from cds_rules.vocabulary.clock import parse_moment
from cds_rules.vocabulary.errors import BadInput
from tests.replay.records import SUBJECT, bundle, condition, lab, order, patient


def record(*resources: dict[str, Any]) -> Record:
    (found,) = records(entries(json.dumps(bundle(patient(), *resources)).encode()), ("test",))
    return found


def at(text: str) -> datetime:
    moment = parse_moment(text)
    assert moment is not None
    return moment


def seen(held: Record, when: str, **more: Any) -> list[dict[str, Any]]:
    """The resources delivered as of an instant, the Patient apart; drafts last."""
    documents = as_of(held, at(when), **more)
    delivered = [entry["resource"] for document in documents for entry in json.loads(bytes(document.raw))["entry"]]
    return [each for each in delivered if each["resourceType"] != "Patient"]


def encounter(start: str, end: str | None = None, **more: Any) -> dict[str, Any]:
    period = {"start": start} | ({"end": end} if end else {})
    return {"resourceType": "Encounter", "id": "e1", "status": "finished", **SUBJECT, "period": period, **more}


@pytest.mark.parametrize(
    "resource",
    [
        lab(when="2026-01-10T08:00:00Z"),
        lab(when="2026-01-02", issued="2026-01-10T08:00:00Z"),
        order(when="2026-01-10"),
        condition(when="2026-01-10"),
        condition(when="2026-01-10", onsetDateTime="2020-01-01"),
        {"resourceType": "Procedure", "id": "x", "status": "completed", **SUBJECT, "performedDateTime": "2026-01-10"},
        {
            "resourceType": "MedicationDispense",
            "id": "x",
            "status": "completed",
            **SUBJECT,
            "whenHandedOver": "2026-01-10",
        },
        {
            "resourceType": "MedicationAdministration",
            "id": "x",
            "status": "completed",
            **SUBJECT,
            "effectiveDateTime": "2026-01-10",
        },
        {
            "resourceType": "MedicationStatement",
            "id": "x",
            "status": "active",
            **SUBJECT,
            "effectivePeriod": {"start": "2026-01-10"},
        },
        {
            "resourceType": "ServiceRequest",
            "id": "x",
            "status": "active",
            "intent": "order",
            **SUBJECT,
            "authoredOn": "2026-01-10",
        },
        encounter("2026-01-10"),
    ],
    ids=lambda each: each["resourceType"],
)
def test_what_became_known_later_is_left_out(resource: dict[str, Any]) -> None:
    held = record(resource)
    assert seen(held, "2026-01-09") == []
    assert seen(held, "2026-01-11") == [resource]


@pytest.mark.parametrize(("when", "over"), [("2026-01", "2026-01-31"), ("2026", "2026-12-31")])
def test_a_result_without_a_day_is_known_when_its_month_or_year_is_over(when: str, over: str) -> None:
    held = record(result := lab(when=when))
    assert seen(held, "2026-01-30") == []
    assert seen(held, over) == [result]


@pytest.mark.parametrize("status", ["completed", "stopped"])
@pytest.mark.parametrize("where", ["validity", "bounds"])
def test_a_finished_order_was_active_until_its_end(status: str, where: str) -> None:
    period = {"start": "2026-01-05", "end": "2026-01-20"}
    more = (
        {"dispenseRequest": {"validityPeriod": period}}
        if where == "validity"
        else {"dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": period}}}]}
    )
    held = record(order(status=status, statusReason={"text": "done"}, **more))
    assert [(each["status"], "statusReason" in each) for each in seen(held, "2026-01-19")] == [("active", False)]
    assert [each["status"] for each in seen(held, "2026-01-21")] == [status]


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "on-hold", "completed"])
def test_an_order_whose_end_nobody_wrote_down_stays_as_it_is(status: str) -> None:
    held = record(order(status=status))
    assert [each["status"] for each in seen(held, "2026-01-06")] == [status]
    assert unsettled(held.items) == (status == "completed")


def test_a_condition_that_abated_later_was_active() -> None:
    resolved = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}]}
    held = record(condition(clinicalStatus=resolved, abatementDateTime="2026-02-01"))
    (before,), (after,) = seen(held, "2026-01-15"), seen(held, "2026-02-02")
    assert before["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "abatementDateTime" not in before
    assert after["clinicalStatus"] == resolved


def test_a_condition_that_is_inactive_since_nobody_knows_when_stays_so() -> None:
    inactive = {"coding": [{"code": "inactive"}]}
    assert seen(record(condition(clinicalStatus=inactive)), "2026-01-15")[0]["clinicalStatus"] == inactive


def test_a_diagnosis_without_a_date_is_known_when_its_stay_is_over() -> None:
    undated = condition(encounter={"reference": "Encounter/e1"})
    del undated["recordedDate"]
    held = record(undated, encounter("2026-01-01", "2026-01-10"))
    assert [each["resourceType"] for each in seen(held, "2026-01-05")] == ["Encounter"]
    assert {each["resourceType"] for each in seen(held, "2026-01-11")} == {"Condition", "Encounter"}


def test_a_stay_that_ended_later_is_still_going_on() -> None:
    (stay,) = seen(record(encounter("2026-01-01", "2026-01-10")), "2026-01-05")
    assert (stay["status"], stay["period"]) == ("in-progress", {"start": "2026-01-01"})


def test_a_patient_who_died_later_is_alive() -> None:
    (held,) = records(entries(json.dumps(bundle(patient(deceasedDateTime="2026-02-01"), lab())).encode()), ("test",))
    early, late = (json.loads(bytes(as_of(held, at(when))[0].raw)) for when in ("2026-01-15", "2026-02-02"))
    assert "deceasedDateTime" not in early["entry"][0]["resource"]
    assert "deceasedDateTime" in late["entry"][0]["resource"]


def test_at_each_order_the_order_is_the_draft_and_others_of_that_moment_are_not_there_yet() -> None:
    held = record(
        order("m1", when="2026-01-05"),
        order("m2", when="2026-01-05", status="completed"),
        order("m0", when="2026-01-04"),
        lab(when="2026-01-05"),
    )
    cases = list(moments(held, "each-order", at("2030-01-01")))
    assert [case.order.reference for case in cases if case.order] == [
        "MedicationRequest/m0",
        "MedicationRequest/m1",
        "MedicationRequest/m2",
    ]
    documents = as_of(held, cases[2].at, cases[2].order)
    assert documents[1].origin == "draft"
    shown = {
        (each["id"], each["status"])
        for each in seen(held, "2026-01-05", order=cases[2].order)
        if each["resourceType"] != "Observation"
    }
    assert shown == {("m0", "active"), ("m2", "draft")}
    assert len(seen(held, "2026-01-05", order=cases[2].order)) == 3


def test_orders_in_error_and_drafts_are_no_orders() -> None:
    held = record(order("m1", status="entered-in-error"), order("m2", status="draft"), order("m3"))
    assert [each.reference for each in orders(held)] == ["MedicationRequest/m3"]


def test_the_drafts_of_a_record_are_drafts_at_order_hooks() -> None:
    documents = as_of(record(order("m1", status="draft"), order("m2")), at("2026-02-01"), drafts=True)
    assert [document.origin for document in documents] == ["file:test", "draft"]
    assert b'"m1"' in bytes(documents[1].raw)


def test_the_end_of_a_record_is_the_last_thing_that_happened() -> None:
    planned = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "planned",
        **SUBJECT,
        "period": {"start": "2030-01-01"},
    }
    ended = order(status="completed", dispenseRequest={"validityPeriod": {"start": "2026-01-05", "end": "2027-01-01"}})
    held = record(lab(when="2026-01-10T08:00:00Z"), lab(when="9999-12-31"), planned, ended)
    assert last(held) == at("2026-01-10T08:00:00Z")


def test_a_record_without_a_date_is_judged_now_and_says_so() -> None:
    (moment,) = moments(record(), "last", at("2026-05-01"))
    assert moment.at == at("2026-05-01")
    assert "no date" in moment.note


@pytest.mark.parametrize(
    "text", ["soon", "2026", "2026-13-01", "", "2026-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_instant_is_refused_with_what_belongs_there(text: str) -> None:
    with pytest.raises(BadInput, match="each-order"):
        read_when(text)


DAYS = st.integers(1, 28).map(lambda day: f"2026-01-{day:02}T08:00:00Z")


@given(st.lists(DAYS, max_size=8), st.lists(st.tuples(DAYS, DAYS), max_size=8), DAYS)
def test_no_look_ahead(labs: list[str], courses: list[tuple[str, str]], when: str) -> None:
    """What the record says as of an instant does not depend on anything that came after."""
    resources = [lab(number, day, id=f"o{number}") for number, day in enumerate(labs)]
    for number, (start, end) in enumerate(courses):
        period = {"start": min(start, end), "end": max(start, end)}
        resources.append(
            order(f"m{number}", when=min(start, end), status="completed", dispenseRequest={"validityPeriod": period})
        )
    known = [each for each in resources if (each.get("effectiveDateTime") or each["authoredOn"]) <= when]
    assert seen(record(*resources), when) == seen(record(*known), when)
    for each in seen(record(*resources), when):
        if each["resourceType"] == "MedicationRequest":
            assert (each["status"] == "active") == (each["dispenseRequest"]["validityPeriod"]["end"] > when)
