"""Every shape that real clients are known to send, against the real rules: cards or a reasoned refusal, never a failure."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.hooks.build import PATIENT, context, everything, magnesium, request, searchset
from tests.hooks.fakes import AT
from tests.hooks.test_discovery import hollow
from tests.service.conftest import HERE

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
FINDING = "dev.cds-rules.finding"
CREATININE = magnesium(
    3.9,
    "2026-01-10T08:00:00Z",
    id="cr1",
    code={"coding": [{"system": "http://loinc.org", "code": "2160-0", "display": "Creatinine"}]},
)
MAGNESIUM_OXIDE = {
    "coding": [{"system": RXNORM, "code": "198741", "display": "magnesium oxide 400 MG Oral Tablet"}],
    "text": "Magnesium oxide 400 mg tablet",
}


def draft(**changes: Any) -> dict[str, Any]:
    """A careful R4 draft; a change that is ... takes the field away."""
    built = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2026-01-15T11:00:00Z",
        "medicationCodeableConcept": MAGNESIUM_OXIDE,
        "dosageInstruction": [
            {
                "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
            }
        ],
    } | changes
    return {name: value for name, value in built.items() if value is not ...}


def orders(*resources: Any, **fields: Any) -> dict[str, Any]:
    """draftOrders as the sandbox sends it: a Bundle without type."""
    return {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources], **fields}


def ordering(
    hook: str, *drafts: Any, selections: Any = ("MedicationRequest/request-123",), **changes: Any
) -> dict[str, Any]:
    told = {"draftOrders": orders(*drafts)} | ({"selections": list(selections)} if hook == "order-select" else {})
    return request(
        hook, **({"context": context(**told), "prefetch": everything(creatinine=searchset(CREATININE))} | changes)
    )


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> TestClient:
    return TestClient(create_app(knowledge, Settings(), clock=lambda: AT), raise_server_exceptions=False, client=HERE)


def post(client: TestClient, sent: dict[str, Any], *, slash: bool = False, **headers: str) -> Any:
    address = f"/cds-services{'/' if slash else ''}/magnesium-cramps-{sent['hook']}"
    return client.post(
        address, content=json.dumps(sent).encode(), headers={"Content-Type": "application/json", **headers}
    )


def rules(client: TestClient, sent: dict[str, Any]) -> dict[str, str]:
    """Rule and level of each card."""
    response = post(client, sent)
    assert response.status_code == 200, response.text
    assert not hollow(response.json())
    return {card["extension"][FINDING]["rule"]: card["indicator"] for card in response.json()["cards"]}


SEVERE = {"mg-oral-severe-ckd"}


def test_the_careful_draft_that_the_others_are_measured_by(client: TestClient) -> None:
    for hook in ("order-select", "order-sign"):
        assert rules(client, ordering(hook, draft())).keys() == SEVERE


@pytest.mark.parametrize(
    "changes",
    [
        {"intent": ...},
        {"category": {"coding": [{"code": "outpatient"}]}},
        {"reasonCode": {"text": "cramps"}},
        {"category": {"text": "x"}, "reasonCode": {"coding": []}, "intent": ...},
        {"status": "active"},
        {"subject": {"reference": "https://ehr.example.org/fhir/Patient/p1"}},
        {"dosageInstruction": [{"doseQuantity": {"value": 1, "unit": "{pill}"}, "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}}]},
        {"dosageInstruction": ...},
        {"authoredOn": ...},
        {"contained": [{"resourceType": "Medication", "id": "m", "code": MAGNESIUM_OXIDE}], "medicationCodeableConcept": ..., "medicationReference": {"reference": "#m"}},
    ],
)  # fmt: skip
def test_a_draft_as_the_sandbox_and_epic_send_it_is_the_same_draft(client: TestClient, changes: dict[str, Any]) -> None:
    assert rules(client, ordering("order-sign", draft(**changes))).keys() == SEVERE


def test_a_medication_in_an_entry_of_its_own_is_found(client: TestClient) -> None:
    medication = {"resourceType": "Medication", "id": "med-1", "code": MAGNESIUM_OXIDE}
    referring = draft(medicationCodeableConcept=..., medicationReference={"reference": "Medication/med-1"})
    assert rules(client, ordering("order-sign", referring, medication)).keys() == SEVERE


@pytest.mark.parametrize(
    "drug",
    [
        {},
        {"medicationCodeableConcept": {}},
        {"medicationCodeableConcept": {"coding": []}},
        {"medicationCodeableConcept": None},
    ],
)
def test_a_draft_before_a_drug_was_chosen_gives_no_card(client: TestClient, drug: dict[str, Any]) -> None:
    empty = draft(medicationCodeableConcept=..., intent=..., dosageInstruction=...) | drug
    assert rules(client, ordering("order-select", empty)) == {}


def test_a_second_click_on_a_tab_sends_neither_selections_nor_drafts(client: TestClient) -> None:
    assert rules(client, request("order-select", prefetch=everything(creatinine=searchset(CREATININE)))) == {}


def test_the_draft_of_a_dstu2_server_is_read(client: TestClient) -> None:
    order = draft(resourceType="MedicationOrder", subject=..., patient={"reference": "Patient/p1"}, intent=...)
    assert rules(client, ordering("order-select", order, selections=["MedicationOrder/request-123"])).keys() == SEVERE


def test_an_unselected_draft_alone_gives_no_card(client: TestClient) -> None:
    assert rules(client, ordering("order-select", draft(), selections=["MedicationRequest/other"])) == {}


@pytest.mark.parametrize(
    "sent",
    [
        request(
            context={"patientId": "p1", "userId": "Practitioner/u1"},
            fhirServer="https://r2.smarthealthit.org",
            prefetch=...,
        ),
        request(prefetch={"patient": PATIENT, "medications": "<html>502 Bad Gateway</html>"}),
        request(
            prefetch={"patient": PATIENT, "medications": searchset(link=[{"relation": "next", "url": "https://e/2"}])}
        ),
    ],
)
def test_what_the_sandbox_could_not_fetch_is_a_412_that_names_the_keys(
    client: TestClient, sent: dict[str, Any]
) -> None:
    response = post(client, sent)
    assert response.status_code == 412
    assert "prefetch key" in response.text
    assert "p1" not in response.text


def test_the_sandbox_can_be_given_a_card_instead(knowledge: Knowledge) -> None:
    client = TestClient(create_app(knowledge, Settings(profile="sandbox"), clock=lambda: AT), client=HERE)
    response = post(client, request(prefetch=...))
    assert [card["extension"][FINDING]["rule"] for card in response.json()["cards"]] == ["not-assessed"]


def test_an_address_with_two_slashes(client: TestClient) -> None:
    assert post(client, request(), slash=True).json()["cards"] == []


def test_crd_generator_sends_its_own_keys_and_an_order_that_is_already_active(client: TestClient) -> None:
    active = draft(status="active")
    sent = ordering(
        "order-sign",
        active,
        fhirAuthorization={"access_token": "", "token_type": "Bearer", "expires_in": 300},
        context={"patientId": "p1", "encounterId": None, "services": None, "draftOrders": orders(active)},
        prefetch={"medicationRequestBundle": searchset(active, PATIENT), "serviceRequestBundle": None},
    )
    assert post(client, sent).status_code in (200, 412)
    whole = ordering(
        "order-sign", active, prefetch=everything(creatinine=searchset(CREATININE), medications=searchset(active))
    )
    assert rules(client, whole) == rules(client, ordering("order-sign", active)), "the same order twice is counted once"


def test_medplum_sends_null_for_what_it_cannot_fill(client: TestClient) -> None:
    prefetch = dict.fromkeys(everything()) | {"patient": PATIENT, "magnesium": magnesium()}
    response = post(client, request(prefetch=prefetch), accept="application/fhir+json, */*; q=0.1")
    assert response.headers["content-type"] == "application/json"
    assert [card["extension"][FINDING]["rule"] for card in response.json()["cards"]] == ["hypermagnesemia-lab"]


def test_healthchain_sends_another_patient_and_single_resources(client: TestClient) -> None:
    response = post(
        client,
        request(prefetch={"patient": {**PATIENT, "id": "p2"}, "conditions": {"resourceType": "Condition", "id": "c"}}),
    )
    assert response.status_code == 412
    assert "holds another patient than context.patientId" in response.text


def test_epic_sends_extensions_everywhere_and_outcomes_in_empty_searches(client: TestClient) -> None:
    outcome = {"severity": "warning", "code": "processing", "details": {"coding": [{"code": "4101"}]}}
    none_found = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
        "entry": [
            {"search": {"mode": "outcome"}, "resource": {"resourceType": "OperationOutcome", "issue": [outcome]}}
        ],
    }
    prefetch = {key: copy.deepcopy(none_found) for key in everything()} | {
        "patient": PATIENT,
        "magnesium": searchset(magnesium()),
    }
    sent = request(
        prefetch=prefetch,
        extension={
            "com.epic.cdshooks.request.cds-hooks-specification-version": "1.0",
            "com.epic.cdshooks.request.fhir-version": "R4",
        },
        context=context(extension={"x": "1"}),
        fhirAuthorization={"access_token": "t", "scope": "whatever", "expires_in": "300", "extension": {"a": "b"}},
    )
    assert rules(client, sent) == {"hypermagnesemia-lab": "critical"}


def test_an_empty_record_is_judged_and_silent(client: TestClient) -> None:
    response = post(client, request())
    account = response.json()["extension"]["dev.cds-rules.evaluation"]
    assert (response.status_code, response.json()["cards"]) == (200, [])
    assert "not_judged" not in account
    assert account["judged"]


def cards(client: TestClient) -> list[dict[str, Any]]:
    found = (
        post(client, ordering("order-sign", draft())).json()["cards"]
        + post(client, request(prefetch=everything(magnesium=searchset(magnesium())))).json()["cards"]
    )
    assert len(found) == 2
    return found  # type: ignore[no-any-return]


def test_cards_are_safe_everywhere(client: TestClient) -> None:
    """What Inferno's CRD kit checks, and what Epic asks for beyond it."""
    for card in cards(client):
        assert len(card["summary"]) < 140
        assert card["indicator"] in ("info", "warning", "critical")
        assert card["source"]["label"]
        assert re.fullmatch(r"[A-Za-z0-9]{1,100}", card["source"]["topic"]["code"])
        assert card["source"]["topic"]["system"]
        assert re.fullmatch(r"[0-9a-f-]{36}", card["uuid"])
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") == "any"
        assert all(each["code"] and each["system"] and each["display"] for each in card.get("overrideReasons", ()))
        for link in card.get("links", ()):
            assert link["label"]
            assert link["url"].startswith("https://")
            assert link["type"] == "absolute"
        for suggestion in card.get("suggestions", ()):
            (action,) = suggestion["actions"]
            assert suggestion["label"]
            assert suggestion["uuid"]
            assert action["description"]
            if action["type"] == "delete":
                assert action["resourceId"] == "MedicationRequest/request-123"
            elif action["type"] == "create":
                assert action["resource"]["subject"]["reference"] == "Patient/p1"
                assert action["resource"]["status"] == "draft"
                assert action["resource"]["intent"]


def test_the_same_request_at_the_same_instant_gives_the_same_bytes(client: TestClient) -> None:
    sent = ordering("order-sign", draft())
    assert post(client, sent).content == post(client, sent).content
    other = post(client, sent | {"hookInstance": "another"}).json()["cards"]
    assert other[0]["uuid"] != post(client, sent).json()["cards"][0]["uuid"]


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "a | b | c",
    "`code` **bold** _it_ # head",
    "line\nbreak\r\n\r\n# heading",
    "\u202eevil\u202c \u0007\u0000",
    "{{ 7*7 }} {% raw %} ${x} %s",
    "</script><script>alert(1)</script>",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_stays_text(client: TestClient, text: str) -> None:
    concept = {
        "coding": [{"system": RXNORM, "code": "198741", "display": text}],
        "text": f"Magnesium oxide 400 mg {text}",
    }
    lab = magnesium(
        id="mg<1>",
        code={"coding": [{"system": "http://loinc.org", "code": "19123-9", "display": text}], "text": text},
        note=[{"text": text}],
    )
    sent = ordering(
        "order-sign",
        draft(medicationCodeableConcept=concept, note=[{"text": text}]),
        hookInstance=text,
        prefetch=everything(
            patient=PATIENT | {"name": [{"text": text}]},
            creatinine=searchset(CREATININE),
            magnesium=searchset(lab),
            **{text: searchset(lab)},
        ),
    )
    response = post(client, sent)
    assert response.status_code == 200
    cards = response.json()["cards"]
    assert cards
    for card in cards:
        shown = card["summary"] + card["detail"]
        assert "<img" not in card["detail"]
        assert "<script" not in card["detail"]
        assert "](javascript:" not in shown
        assert "\n# heading" not in card["detail"]
        assert len(card["summary"]) < 140
        assert not re.search(r"[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]", shown)
        for suggestion in card.get("suggestions", ()):
            said = [suggestion["label"], *(action["description"] for action in suggestion["actions"])]
            assert not re.search(r"[\u0000-\u001f\u202a-\u202e\u2066-\u2069]", "".join(said)), "it is one plain line"


def mangled(value: Any, wrong: Any) -> list[Any]:
    """Copies of a value in each of which one part is something else."""
    if isinstance(value, dict):
        return [{**value, key: each} for key, part in value.items() for each in (wrong, *mangled(part, wrong))]
    if isinstance(value, list):
        return [
            [*value[:number], each, *value[number + 1 :]]
            for number, part in enumerate(value)
            for each in (wrong, *mangled(part, wrong))
        ]
    return []


@pytest.mark.parametrize("wrong", [None, 5, "x", [], {}, [[]], True, -1e300, {"a": {"b": []}}], ids=str)
def test_no_wrong_part_anywhere_makes_the_service_fail(client: TestClient, wrong: Any) -> None:
    whole = ordering(
        "order-select",
        draft(),
        prefetch={"patient": PATIENT, "creatinine": searchset(CREATININE), "magnesium": searchset(magnesium())},
    )
    for sent in mangled(whole, wrong):
        response = client.post("/cds-services/magnesium-cramps-order-select", content=json.dumps(sent).encode())
        assert response.status_code in (200, 400, 412), (response.status_code, json.dumps(sent)[:2000])
        assert not hollow(response.json())
