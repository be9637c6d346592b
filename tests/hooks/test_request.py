"""Reading a request: every shape that real clients send, and a sentence for every one that cannot be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_rules.hooks.request import BadRequest, read_request
from tests.hooks.build import body, context, request

AT = datetime(2026, 1, 15, tzinfo=UTC)
DRAFT = {"resourceType": "MedicationRequest", "id": "request-123", "status": "draft"}


def orders(*resources: Any, **fields: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources], **fields}


def refusal(sent: bytes, hook: str | None = None) -> str:
    with pytest.raises(BadRequest) as caught:
        read_request(sent, hook)
    return str(caught.value)


def test_reads_what_a_careful_client_sends() -> None:
    found = read_request(
        body(fhirServer="https://ehr.example.org/fhir", context=context(encounterId="e1")), "patient-view"
    )
    assert (found.hook, found.patient_id, found.user_id, found.encounter_id) == (
        "patient-view",
        "p1",
        "Practitioner/u1",
        "e1",
    )
    assert found.fhir_server == "https://ehr.example.org/fhir"
    assert found.prefetch.missing == {}


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", "body: found something that is not JSON (input data was truncated); a JSON object in UTF-8 belongs here"),
        (b"{", "body: found something that is not JSON (input data was truncated); a JSON object in UTF-8 belongs here"),
        (b"[]", "body: found something that is JSON, but not an object; a JSON object in UTF-8 belongs here"),
        (b"null", "body: found something that is JSON, but not an object; a JSON object in UTF-8 belongs here"),
        (b"\xef\xbb\xbf{}", "body: found something that begins with a byte-order mark; a JSON object in UTF-8 belongs here"),
        (b'{"hook": "\xff"}', "body: found something that is not UTF-8 (byte 10); a JSON object in UTF-8 belongs here"),
        (b'{"x": NaN}', "body: found something that is not JSON (invalid character (byte 6)); a JSON object in UTF-8 belongs here"),
        (b'{"x": 1,}', "body: found something that is not JSON (trailing comma in object (byte 8)); a JSON object in UTF-8 belongs here"),
        (b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "body: found something that is nested too deeply; a JSON object in UTF-8 belongs here"),
    ],
)  # fmt: skip
def test_a_body_that_is_not_a_request_is_said_to_be_so(sent: bytes, message: str) -> None:
    assert refusal(sent) == message


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00x", r"\ud800A"])
def test_a_lone_surrogate_anywhere_is_refused(escape: str) -> None:
    sent = body().replace(b'"birthDate"', f'"{escape}": 1, "birthDate"'.encode())
    assert "is not JSON" in refusal(sent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hook": ...}, "hook: found nothing; a string is required here"),
        ({"hook": 5}, "hook: found a number; a string is required here"),
        ({"hook": "order-sign"}, 'hook: found another hook; this address serves "patient-view"'),
        ({"hookInstance": ...}, "hookInstance: found nothing; a string is required here"),
        ({"hookInstance": ""}, "hookInstance: found an empty string; a string is required here"),
        ({"context": ...}, "context: found nothing; the object that the hook defines is required here"),
        ({"context": []}, "context: found an array; the object that the hook defines is required here"),
        ({"context": {"userId": "Practitioner/u1"}}, "context.patientId: found nothing; a string is required here"),
        ({"context": {"patientId": 7}}, "context.patientId: found a number; a string is required here"),
        ({"context": {"patientId": None}}, "context.patientId: found null; a string is required here"),
        ({"prefetch": []}, "prefetch: found an array; an object of key and resource, or nothing, belongs here"),
        ({"prefetch": "none"}, "prefetch: found a string; an object of key and resource, or nothing, belongs here"),
        (
            {"fhirAuthorization": {"access_token": "t", "patient": "p2"}},
            "fhirAuthorization.patient: found another patient than context.patientId; data of two patients are never mixed",
        ),
    ],
)
def test_each_fault_is_named_with_its_place_and_what_belongs_there(changes: dict[str, Any], message: str) -> None:
    assert refusal(body(**changes), "patient-view") == message


def test_all_faults_are_said_at_once() -> None:
    said = refusal(b'{"hook": 1, "prefetch": true, "context": {}}', "patient-view")
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "hookInstance",
        "hook",
        "context.patientId",
        "prefetch",
    ]


def test_a_refusal_quotes_nothing_of_the_body() -> None:
    sent = body(hook="Marker-Jane-Doe", context={"patientId": ["Marker-Jane-Doe"]}, prefetch="Marker-Jane-Doe")
    assert "Marker" not in refusal(sent, "patient-view")


@pytest.mark.parametrize(
    "changes",
    [
        {"hookInstance": "abc"},
        {"hookInstance": "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA"},
        {"prefetch": ...},
        {"prefetch": None},
        {"prefetch": {}},
        {"context": context(userId=...)},
        {"context": context(userId="RelatedPerson/9", encounterId=None, futureField={"a": [1]})},
        {"context": context(patientId="Patient/p1")},
        {"fhirAuthorization": {"access_token": "", "expires_in": "300"}},
        {"fhirAuthorization": None},
        {"fhirAuthorization": "Bearer x"},
        {"fhirAuthorization": {"patient": "Patient/p1", "scope": "whatever the clerk wrote"}},
        {"extension": {"com.epic.cdshooks.request.bpa-trigger-action": "23", "nested": {"a": {"b": [None]}}}},
        {"extension": [{"x": 1}]},
        {"extension": "text"},
        {"extension": {"dev.cds-rules.at": 5}},
        {"extension": {"dev.cds-rules.at": "yesterday"}},
        {"extension": {"dev.cds-rules.at": "0001-01-01T00:00:00+14:00"}},
        {"fhirServer": None},
        {"user": "Practitioner/old", "patient": "p1", "applyCql": True},
    ],
)
def test_lenient_in_what_is_not_needed(changes: dict[str, Any]) -> None:
    found = read_request(body(**changes), "patient-view")
    assert found.patient_id == "p1"
    assert found.at is None


def test_the_call_carries_documents_hook_and_instant() -> None:
    call = read_request(body("order-sign", context=context(draftOrders=orders(DRAFT)))).call(AT)
    assert (call.hook, call.at, call.patient_id) == ("order-sign", AT, "p1")
    assert call.selections is None
    assert [document.origin for document in call.documents if document.origin == "draft"] == ["draft"]


def test_patient_view_has_no_drafts() -> None:
    found = read_request(body(context=context(draftOrders=orders(DRAFT), selections=["MedicationRequest/request-123"])))
    assert (found.drafts, found.selections) == (None, None)


@pytest.mark.parametrize("absent", [..., None])
@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_draft_orders_may_be_absent(hook: str, absent: Any) -> None:
    assert read_request(body(hook, context=context(draftOrders=absent))).drafts is None


@pytest.mark.parametrize("wrong", ["text", 5, [DRAFT], True])
def test_draft_orders_of_another_kind_are_refused(wrong: Any) -> None:
    assert refusal(body("order-sign", context=context(draftOrders=wrong))).endswith("a Bundle belongs here")


@pytest.mark.parametrize("absent", [..., None, []])
def test_order_select_without_selections_has_no_draft_in_focus(absent: Any) -> None:
    sent = body("order-select", context=context(draftOrders=orders(DRAFT), selections=absent))
    assert read_request(sent).selections == frozenset()


@pytest.mark.parametrize(
    "selection",
    [
        "MedicationRequest/request-123",
        "request-123",
        " MedicationRequest/request-123 ",
        "https://ehr.example.org/fhir/MedicationRequest/request-123",
        "https://ehr.example.org/fhir/MedicationRequest/request-123/_history/2",
        "urn:uuid:0b9a1c3e-6f6c-4d2e-9a55-2f6f1c9f8f10",
    ],
)
def test_selections_are_matched_in_every_form(selection: str) -> None:
    drafts = {
        "resourceType": "Bundle",
        "entry": [{"fullUrl": "urn:uuid:0b9a1c3e-6f6c-4d2e-9a55-2f6f1c9f8f10", "resource": DRAFT}],
    }
    sent = body("order-select", context=context(draftOrders=drafts, selections=[selection]))
    assert read_request(sent).selections == {"MedicationRequest/request-123"}


def test_one_selection_as_a_string_is_one_selection() -> None:
    sent = body("order-select", context=context(draftOrders=orders(DRAFT), selections="MedicationRequest/request-123"))
    assert read_request(sent).selections == {"MedicationRequest/request-123"}


@pytest.mark.parametrize("wrong", [[5], [{"reference": "MedicationRequest/1"}], {"a": 1}, 7])
def test_selections_of_another_kind_are_refused(wrong: Any) -> None:
    assert "context.selections" in refusal(
        body("order-select", context=context(draftOrders=orders(DRAFT), selections=wrong))
    )


def test_a_selection_without_a_draft_is_kept_and_harmless() -> None:
    sent = body("order-select", context=context(draftOrders=orders(), selections=["ServiceRequest/gone"]))
    assert read_request(sent).selections == {"ServiceRequest/gone"}


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("2026-01-15T12:00:00Z", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15T13:00:00+01:00", datetime(2026, 1, 15, 12, tzinfo=UTC)),
        ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
    ],
)
def test_a_request_may_name_its_instant(said: str, instant: datetime) -> None:
    assert read_request(body(extension={"dev.cds-rules.at": said})).at == instant


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    text = json.dumps(request())
    assert (
        read_request(text.replace('"hook":', '"hook": "order-sign", "hook":', 1).encode(), "patient-view").hook
        == "patient-view"
    )


def test_a_refill_brings_its_drafts_as_medications() -> None:
    refilled = {"resourceType": "Bundle", "entry": []}
    read = read_request(body("medication-refill", context=context(userId=..., medications=refilled)))
    assert (read.user_id, read.selections) == ("", None)
    assert read.drafts is not None
    assert json.loads(read.drafts) == refilled
    said = refusal(body("medication-refill", context=context(medications=[])), "medication-refill")
    assert said == "context.medications: found an array; a Bundle belongs here"


@pytest.mark.parametrize("hook", ["encounter-start", "encounter-discharge"])
def test_drafts_mean_nothing_where_a_hook_has_none(hook: str) -> None:
    read = read_request(body(hook, context=context(encounterId="e1", draftOrders={"resourceType": "Bundle"})))
    assert (read.drafts, read.encounter_id) == (None, "e1")


@pytest.mark.parametrize(
    ("sent", "field", "address"),
    [
        ("order-select", "draftOrders", "order-select"),
        ("order-sign", "draftOrders", "order-sign"),
        ("medication-refill", "medications", "medication-refill"),
        ("medication-prescribe", "medications", "order-select"),
        ("medication-prescribe", "medications", "order-sign"),
        ("order-review", "orders", "order-sign"),
    ],
)
def test_each_hook_has_its_orders_where_the_library_puts_them(sent: str, field: str, address: str) -> None:
    told = read_request(body(sent, context=context(**{field: orders(DRAFT)})), address)
    assert told.hook == address
    assert json.loads(told.drafts or b"")["entry"]
    if sent == "medication-prescribe":
        assert told.selections is None, "that hook knows no selections: what is prescribed is in focus"


def test_a_hook_of_before_is_read_where_no_address_says_which() -> None:
    assert read_request(body("order-review", context=context(orders=orders(DRAFT)))).hook == "order-sign"


def test_a_hook_of_before_is_not_taken_for_another() -> None:
    with pytest.raises(BadRequest, match='this address serves "patient-view"'):
        read_request(body("order-review"), "patient-view")


def test_the_user_may_stand_where_it_stood_before_1_0() -> None:
    told = read_request(body(user="Practitioner/u9", context={"patientId": "p1"}))
    assert told.user_id == "Practitioner/u9"
