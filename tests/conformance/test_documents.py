"""Everything that is sent holds to the published schemas, and to what CDS Hooks asks for beyond them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.fhir.validation import why_invalid
from cds_rules.hooks.discovery import SERVICES
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.hooks.schemas import DISCOVERY, OUTCOME, RESPONSE, SUMMARY_MOST
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.conformance.conftest import Exchange, Json, call
from tests.hooks.build import everything, magnesium, request, searchset
from tests.hooks.fakes import AT
from tests.hooks.test_discovery import hollow
from tests.service.conftest import HERE
from tests.service.test_real_clients import draft, ordering
from tests.shared import SHARED, needs_shared


def mistakes(schema: Json, body: Any) -> list[str]:
    return [f"{each.json_path}: {each.message}" for each in Draft202012Validator(schema).iter_errors(body)]


def places(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every value with where it stands."""
    found = [(path, value)]
    if isinstance(value, dict):
        found += [each for key, part in value.items() for each in places(part, f"{path}.{key}")]
    if isinstance(value, list):
        found += [each for part in value for each in places(part, f"{path}[]")]
    return found


@pytest.fixture(scope="session")
def discovery(client: TestClient) -> Json:
    return client.get("/cds-services").json()  # type: ignore[no-any-return]


def test_schemas_are_schemas() -> None:
    for schema in (DISCOVERY, RESPONSE, OUTCOME):
        Draft202012Validator.check_schema(schema)


def test_every_answer_holds_to_its_schema(answers: list[Exchange]) -> None:
    assert {each.name: found for each in answers if (found := mistakes(RESPONSE, each.body))} == {}


def test_every_refusal_holds_to_its_schema(refusals: list[Exchange]) -> None:
    assert {each.name: found for each in refusals if (found := mistakes(OUTCOME, each.body))} == {}


def test_discovery_holds_to_its_schema(discovery: Json) -> None:
    assert mistakes(DISCOVERY, discovery) == []


def test_a_schema_notices_what_is_wrong(cards: list[Json]) -> None:
    card = next(card for card in cards if card.get("suggestions"))
    for change in (
        {"summary": "x" * (SUMMARY_MOST + 1)},
        {"indicator": "hard-stop"},
        {"selectionBehavior": "all"},
        {"links": []},
        {"detail": ""},
        {"source": {"label": "x"}},
        {"uuid": "1"},
        {"unknown": 1},
    ):
        assert mistakes(RESPONSE["properties"]["cards"], [card | change]), change
    bare = {key: value for key, value in card.items() if key != "selectionBehavior"}
    assert mistakes(RESPONSE["properties"]["cards"], [bare])


def test_nothing_sent_is_null_or_empty_but_the_list_of_cards(
    answers: list[Exchange], refusals: list[Exchange], discovery: Json
) -> None:
    for body in (*(each.body for each in (*answers, *refusals)), discovery):
        assert not hollow(body)


def test_answers_are_json_to_the_letter(client: TestClient) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for path in ("/cds-services", "/openapi.json", "/healthz", "/readyz", "/samples"):
        json.loads(client.get(path).content.decode("utf-8"), parse_constant=refuse)


def test_answers_are_not_to_be_kept_and_say_their_type(answers: list[Exchange], refusals: list[Exchange]) -> None:
    for each in (*answers, *refusals):
        assert each.headers["cache-control"] == "no-store"
        assert each.headers["content-type"] == "application/json"


def test_resources_in_actions_are_valid_fhir_r4(actions: list[Json]) -> None:
    resources = [each["resource"] for each in actions if "resource" in each]
    assert resources
    assert [found for each in resources if (found := why_invalid(json.dumps(each).encode()))] == []


def test_what_is_created_is_a_whole_proposal_for_this_patient(answers: list[Exchange]) -> None:
    tried = 0
    for each in answers:
        for card in each.cards:
            for offer in card.get("suggestions", ()):
                for action in offer["actions"]:
                    if action["type"] != "create":
                        continue
                    tried += 1
                    resource = action["resource"]
                    assert resource["subject"]["reference"] == f"Patient/{each.sent['context']['patientId']}"
                    assert resource["status"] == "draft"
                    assert resource["intent"] in ("proposal", "order", "plan")
                    assert "id" not in resource
    assert tried


def orders_of(sent: Json) -> dict[str, Json]:
    context = sent["context"]
    bundle = context.get("draftOrders") or context.get("medications") or {}
    return {
        f"{entry['resource']['resourceType']}/{entry['resource'].get('id')}": entry["resource"]
        for entry in bundle.get("entry", ())
    }


MAY_CHANGE = {"status", "statusReason", "dosageInstruction", "dispenseRequest", "medicationCodeableConcept", "note"}
"""Of an order that is lowered or stopped; all else stays as the client wrote it."""


def test_an_update_keeps_everything_but_what_it_is_for(answers: list[Exchange]) -> None:
    tried = 0
    for each in answers:
        known = orders_of(each.sent)
        for card in each.cards:
            for offer in card.get("suggestions", ()):
                for action in offer["actions"]:
                    resource = action.get("resource", {})
                    name = f"{resource.get('resourceType')}/{resource.get('id')}"
                    if action["type"] != "update" or name not in known:
                        continue
                    tried += 1
                    before = known[name]
                    differing = {key for key in before if resource.get(key) != before[key]}
                    assert differing <= MAY_CHANGE
    assert tried


def test_a_deletion_names_a_draft_of_the_call(answers: list[Exchange]) -> None:
    tried = 0
    for each in answers:
        for card in each.cards:
            for offer in card.get("suggestions", ()):
                for action in offer["actions"]:
                    if action["type"] == "delete":
                        tried += 1
                        assert action["resourceId"] in orders_of(each.sent)
                        assert "resource" not in action
    assert tried


def test_uuids_are_new_with_every_call_and_unique_in_it(client: TestClient, answers: list[Exchange]) -> None:
    sent = ordering("order-sign", draft())
    first, second = (call(client, sent | {"hookInstance": name}) for name in ("one", "two"))

    def uuids(each: Exchange) -> list[str]:
        return [value for path, value in places(each.body["cards"]) if path.endswith(".uuid")]

    assert uuids(first)
    assert set(uuids(first)).isdisjoint(uuids(second))
    for each in answers:
        assert len(set(uuids(each))) == len(uuids(each))


def test_the_same_call_gives_the_same_cards_most_urgent_first(client: TestClient, answers: list[Exchange]) -> None:
    rank = {"critical": 0, "warning": 1, "info": 2}
    for each in answers:
        assert call(client, each.sent).body == each.body
        urgency = [rank[card["indicator"]] for card in each.cards]
        assert urgency == sorted(urgency)


def test_a_few_cards_a_call_and_none_twice(answers: list[Exchange]) -> None:
    for each in answers:
        rules = [card["extension"]["dev.cds-rules.finding"]["rule"] for card in each.cards]
        assert len(rules) == len(set(rules)) <= 6


def test_topic_is_one_code_for_each_rule(cards: list[Json]) -> None:
    codes: dict[str, set[str]] = {}
    for card in cards:
        codes.setdefault(card["extension"]["dev.cds-rules.finding"]["rule"], set()).add(card["source"]["topic"]["code"])
    assert all(found == {rule.replace("-", "")} for rule, found in codes.items())
    assert len({code for found in codes.values() for code in found}) == len(codes)


def test_one_suggestion_at_most_is_recommended_where_one_can_be_chosen(cards: list[Json]) -> None:
    for card in cards:
        offers = card.get("suggestions", ())
        assert all(isinstance(offer.get("isRecommended", True), bool) for offer in offers)
        if card.get("selectionBehavior") == "at-most-one":
            assert sum(offer.get("isRecommended", False) for offer in offers) <= 1


def test_every_action_explains_itself(actions: list[Json]) -> None:
    assert all(len(each["description"].split()) >= 2 for each in actions)


def test_a_client_that_takes_one_action_a_suggestion_gets_no_more(knowledge: Knowledge) -> None:
    settings = Settings(profile="epic")
    epic = TestClient(create_app(knowledge, settings, clock=lambda: AT), raise_server_exceptions=False, client=HERE)
    tried = 0
    for hook in ("order-select", "order-sign"):
        for card in call(epic, ordering(hook, draft())).cards:
            assert card.get("selectionBehavior", "any") == "any"
            for offer in card.get("suggestions", ()):
                tried += 1
                (action,) = offer["actions"]
                assert action["type"] != "update"
    assert tried


FORBIDDEN = {"actionSelectionBehavior", "systemActions", "appContext", "autolaunchable", "icon"}


def test_what_a_client_must_first_agree_to_is_never_sent(answers: list[Exchange]) -> None:
    for each in answers:
        names = {path.rpartition(".")[2] for path, _ in places(each.body)}
        assert not names & FORBIDDEN


def test_links_and_sources_lead_to_public_pages_without_patient(answers: list[Exchange]) -> None:
    for each in answers:
        patient = each.sent["context"]["patientId"]
        for path, value in places(each.body):
            if path.endswith(".url"):
                assert value.startswith("https://")
                assert patient not in value


def test_a_card_says_all_without_its_buttons(cards: list[Json]) -> None:
    """Clients may hide labels: summary and detail hold what was found, why it matters and what to consider."""
    for card in cards:
        assert len(card["detail"]) > 150
        assert re.search(r"\d", card["summary"] + card["detail"])
        assert not re.search(r"<[a-zA-Z/!]", card["detail"])


def test_override_reasons_are_few_and_fit(cards: list[Json]) -> None:
    for card in cards:
        assert 1 <= len(card["overrideReasons"]) <= 6
        assert len({each["code"] for each in card["overrideReasons"]}) == len(card["overrideReasons"])


@needs_shared
def test_override_reasons_are_of_the_suggested_code_system_or_ours(cards: list[Json]) -> None:
    folder = SHARED / "cds-hooks" / "vocabulary-hl7-cds-hooks"
    codes = {
        concept["code"]
        for path in folder.glob("*.json")
        if (body := json.loads(path.read_text()))["resourceType"] == "CodeSystem"
        for concept in body.get("concept", ())
    }
    assert codes
    for card in cards:
        for reason in card["overrideReasons"]:
            if reason["system"] == "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes":
                assert reason["code"] in codes
            else:
                assert reason["system"].startswith("https://cds-rules.dev/")


def test_extensions_are_objects_with_names_of_ours(answers: list[Exchange], discovery: Json) -> None:
    for body in (*(each.body for each in answers), discovery):
        for path, value in places(body):
            if path.endswith(".extension") and ".resource." not in path:
                assert isinstance(value, dict)
                assert all(re.fullmatch(r"[a-z]+(\.[a-z0-9-]+){2,}", name) for name in value)


def test_critical_is_for_danger_to_life(client: TestClient, cards: list[Json]) -> None:
    """Some clients make a modal window of it: few rules may, and the page of a service says which."""
    critical = {card["extension"]["dev.cds-rules.finding"]["rule"] for card in cards if card["indicator"] == "critical"}
    page = client.get(f"/docs/{SERVICES[0].id}").text + client.get(f"/docs/{SERVICES[2].id}").text
    assert critical
    for rule in critical:
        row = next(line for line in page.splitlines() if f"<code>{rule}</code>" in line)
        assert "critical" in row


# --- discovery ------------------------------------------------------------------------------------------------------


def test_every_service_answers_at_its_address(client: TestClient, discovery: Json) -> None:
    for entry in discovery["services"]:
        assert client.post(f"/cds-services/{entry['id']}", json={}).status_code == 400


def test_hooks_are_of_the_library_and_each_has_an_address_of_its_own(discovery: Json) -> None:
    library = {
        "patient-view",
        "order-select",
        "order-sign",
        "encounter-start",
        "encounter-discharge",
        "medication-refill",
    }
    assert {entry["hook"] for entry in discovery["services"]} <= library
    ids = [entry["id"] for entry in discovery["services"]]
    assert len(ids) == len(set(ids))
    assert "feedback" not in ids


def test_hook_versions_are_those_of_the_library(discovery: Json) -> None:
    for entry in discovery["services"]:
        assert entry["hookVersion"] == ("0.1" if entry["hook"] == "medication-refill" else "1.0")
        assert entry["version"] == "2.0.1"


def test_discovery_can_be_kept_and_asked_whether_it_holds(client: TestClient) -> None:
    first = client.get("/cds-services")
    assert first.headers["cache-control"] == "max-age=300"
    again = client.get("/cds-services", headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/cds-services", headers={"If-None-Match": '"x"'}).status_code == 200
    assert client.head("/cds-services").headers["etag"] == first.headers["etag"]


def test_discovery_says_what_a_service_cannot_do_without(discovery: Json) -> None:
    assert all("412" in entry["usageRequirements"] for entry in discovery["services"])


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.key)
def test_templates_ask_for_the_newest_and_not_for_everything(query: Any, discovery: Json) -> None:
    for entry in discovery["services"]:
        template = entry["prefetch"][query.key]
        assert template.startswith(query.type)
        assert template.count("?") <= 1
        if query.type != "Patient":
            names = [part.partition("=")[0] for part in template.partition("?")[2].split("&")]
            assert len(names) == len(set(names))
            assert "_count" in names
            if query.type == "Observation":
                assert "_sort=-date" in template
                codes = dict(part.split("=", 1) for part in template.partition("?")[2].split("&"))["code"]
                assert all("|" in code and code.startswith("http") for code in codes.split(","))


def test_the_page_of_a_service_says_what_discovery_says(client: TestClient, discovery: Json) -> None:
    import html

    for entry in discovery["services"]:
        page = client.get(f"/docs/{entry['id']}")
        assert page.status_code == 200
        text = html.unescape(page.text)
        table = text.partition("<h2>Prefetch</h2>")[2].partition("</table>")[0]
        shown = re.findall(r"<tr><td><code>([^<]+)</code>.*?<td><code>([^<]+)</code></td></tr>", table)
        assert dict(shown) == entry["prefetch"]
        assert entry["hook"] in text
        assert "patient/Observation.rs" in text
        assert "patient/Observation.read" in text
        assert "http://loinc.org|19123-9" in text


def test_no_page_for_a_service_that_there_is_not(client: TestClient) -> None:
    assert client.get("/docs/none").status_code == 404


def test_a_patient_who_calls_is_served(client: TestClient) -> None:
    sent = request(prefetch=everything(magnesium=searchset(magnesium())))
    whole = call(client, sent).body
    for user in (
        "Patient/p1",
        "RelatedPerson/r",
        "PractitionerRole/x",
        "Practitioner/x",
        "https://ehr.example.org/Patient/1",
    ):
        assert call(client, sent | {"context": {"userId": user, "patientId": "p1"}}).body == whole


def test_unknown_fields_and_extensions_anywhere_change_nothing(client: TestClient) -> None:
    sent = ordering("order-select", draft())
    whole = call(client, sent).body
    more: Json = json.loads(json.dumps(sent))
    extension = {"davinci-crd.configuration": {"unknown": True}, "com.epic.cdshooks.request.bpa-trigger-action": "18"}
    more |= {"extension": extension, "futureField": [1, {"a": None}]}
    more["context"] |= {"futureField": 1, "extension": extension}
    more["fhirAuthorization"] = {"extension": extension, "expires_in": "x", "scope": 5}
    more["context"]["draftOrders"]["extension"] = [{"url": "https://e.example/x", "valueString": "1"}]
    assert call(client, more).body == whole


@pytest.mark.parametrize("hook_instance", ["abc", "D1577C69-DFBE-44AD-BA6D-3E05E953B2EA", "0", "é" * 100])
def test_any_text_is_a_hook_instance(client: TestClient, hook_instance: str) -> None:
    assert call(client, request(hookInstance=hook_instance)).status == 200


def test_one_key_less_changes_only_what_depends_on_it(client: TestClient) -> None:
    prefetch = everything(magnesium=searchset(magnesium()))
    whole = call(client, request(prefetch=prefetch))
    for query in QUERIES:
        less = {key: value for key, value in prefetch.items() if key != query.key}
        answer = call(client, request(prefetch=less))
        if query.required:
            assert (
                answer.status == 412
                or "not_judged" in answer.body["extension"]["dev.cds-rules.evaluation"]
                or (answer.body["cards"] == whole.body["cards"])
            )
        else:
            assert answer.body["cards"] == whole.body["cards"]


def test_twenty_calls_in_a_row_are_all_served(client: TestClient) -> None:
    sent = ordering("order-select", draft())
    assert {call(client, sent | {"hookInstance": str(number)}).status for number in range(20)} == {200}


def test_refusals_show_nothing_of_the_house_or_the_patient(refusals: list[Exchange]) -> None:
    for each in refusals:
        text = json.dumps(each.body)
        assert "MARKER" not in text
        assert not re.search(
            r"Traceback|File \"|\.py|site-packages|starlette|uvicorn|msgspec|sqlalchemy", text, re.IGNORECASE
        )


def test_every_answer_can_be_read_by_a_browser_and_named_to_the_operator(
    answers: list[Exchange], refusals: list[Exchange]
) -> None:
    for each in (*answers, *refusals):
        assert each.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in each.headers
        assert "Origin" in each.headers["vary"]
        assert each.headers["x-correlation-id"]
