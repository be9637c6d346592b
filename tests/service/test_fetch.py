"""What a request did not bring is read from the client's FHIR server: a real one, over a socket, with all it can do wrong."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.service.addresses import AddressError
from cds_rules.service.app import create_app
from cds_rules.service.fetch import MOST_MEDICATIONS, Servers
from cds_rules.service.settings import Fetch, Settings
from tests.hooks.build import PATIENT, context, everything, magnesium, request, searchset
from tests.hooks.fakes import AT
from tests.service.conftest import HERE
from tests.service.fhir_server import FhirServer, fhir, outcome, running
from tests.service.test_real_clients import CREATININE, FINDING, MAGNESIUM_OXIDE, draft

TOKEN = "a-token-that-shows-up-nowhere"
EVALUATION = "dev.cds-rules.evaluation"
OXIDE = {**draft(id="rx1"), "status": "active"}
REQUIRED = {query.key for query in QUERIES if query.required}


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with running(FhirServer([PATIENT, magnesium(), CREATININE])) as made:
        yield made


@pytest.fixture
def serve(knowledge: Knowledge, server: FhirServer) -> Iterator[Callable[..., TestClient]]:
    opened: list[TestClient] = []

    def made(**settings: Any) -> TestClient:
        fetch = Fetch(**{"servers": (server.base,)} | settings)
        app = create_app(knowledge, Settings(fetch=fetch), clock=lambda: AT)
        client = TestClient(app, raise_server_exceptions=False, client=HERE)
        opened.append(client.__enter__())
        return client

    yield made
    for client in opened:
        client.__exit__(None, None, None)


def granted(**changes: Any) -> dict[str, Any]:
    built = {
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "cds-rules",
    } | changes
    return {name: value for name, value in built.items() if value is not ...}


def post(client: TestClient, server: FhirServer, hook: str = "patient-view", **changes: Any) -> Any:
    sent = request(hook, **({"fhirServer": server.base, "fhirAuthorization": granted(), "prefetch": ...} | changes))
    return client.post(f"/cds-services/magnesium-cramps-{hook}", content=json.dumps(sent).encode())


def shown(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [card["extension"][FINDING]["rule"] for card in answer.json()["cards"]]


def keys(answer: Any) -> dict[str, tuple[str, str]]:
    """State and reason of the keys that are not wholly there."""
    account = answer.json()["extension"][EVALUATION]
    return {each["key"]: (each["state"], each["because"]) for each in account.get("prefetch", ())}


def test_with_nothing_sent_all_is_fetched_and_judged(serve: Any, server: FhirServer) -> None:
    server.token = TOKEN
    answer = post(serve(), server)
    assert shown(answer) == ["hypermagnesemia-lab"]
    assert keys(answer) == {}
    assert answer.json()["extension"][EVALUATION]["fetched"] == ["patient", "creatinine", "magnesium"]
    assert len(server.seen) == len(QUERIES)
    assert {each.method for each in server.seen} == {"GET"}
    assert {each.authorization for each in server.seen} == {f"Bearer {TOKEN}"}
    assert all(each.accept.startswith("application/fhir+json") for each in server.seen)


def test_the_same_cards_whether_sent_fetched_or_both(serve: Any, server: FhirServer) -> None:
    server.resources += [OXIDE]
    client = serve()
    sent = everything(magnesium=searchset(magnesium()), creatinine=searchset(CREATININE), medications=searchset(OXIDE))
    some = {key: sent[key] for key in ("patient", "magnesium", "conditions")}
    answers = [post(client, server, prefetch=each) for each in (sent, some, ...)]
    cards = [answer.json()["cards"] for answer in answers]
    assert cards[0]
    assert cards[0] == cards[1] == cards[2]


def test_only_what_was_not_sent_is_asked_for(serve: Any, server: FhirServer) -> None:
    prefetch = everything()
    del prefetch["magnesium"]
    answer = post(serve(), server, prefetch=prefetch)
    assert shown(answer) == ["hypermagnesemia-lab"]
    (seen,) = server.seen
    assert seen.path == "/fhir/Observation"
    assert "patient=p1" in seen.query
    assert "19123-9" in seen.query
    assert "_sort=-date" in seen.query


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_of_another_drug_costs_no_more_than_the_medications(serve: Any, server: FhirServer, hook: str) -> None:
    """Which is most of what is ordered: with them known every rule is settled, whatever laboratory and problem list hold."""
    answer = post(serve(), server, hook, context=drafts(hook, medicationCodeableConcept={"text": "Amoxicillin 500 mg"}))
    assert shown(answer) == []
    assert set(server.asked()) == {
        "MedicationRequest",
        "MedicationStatement",
        "MedicationAdministration",
        "MedicationDispense",
    }
    assert len(server.seen) == 5


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_an_order_of_ours_is_judged_on_all_there_is(serve: Any, server: FhirServer, hook: str) -> None:
    server.resources = [PATIENT, CREATININE]
    assert shown(post(serve(), server, hook, context=drafts(hook))) == ["mg-oral-severe-ckd"]
    assert len(server.seen) == len(QUERIES)


def drafts(hook: str, **changes: Any) -> dict[str, Any]:
    """The context of an order hook with one draft, selected."""
    selected = {"selections": ["MedicationRequest/request-123"]} if hook == "order-select" else {}
    return context(draftOrders={"resourceType": "Bundle", "entry": [{"resource": draft(**changes)}]}, **selected)


def test_what_was_sent_whole_is_not_asked_for(serve: Any, server: FhirServer) -> None:
    assert shown(post(serve(), server, prefetch=everything())) == []
    assert server.seen == []


@pytest.mark.parametrize("sent", [None, {"resourceType": "Bundle", "type": "searchset", "total": 0}])
def test_known_absent_is_not_asked_for(serve: Any, server: FhirServer, sent: Any) -> None:
    assert shown(post(serve(), server, prefetch=everything(magnesium=sent))) == []
    assert server.seen == []


def test_what_the_server_refused_the_client_is_not_asked_for_again(serve: Any, server: FhirServer) -> None:
    refused = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    answer = post(serve(), server, prefetch=everything(magnesium=refused))
    assert answer.status_code == 412
    assert "prefetch key magnesium holds an OperationOutcome" in answer.text
    assert server.seen == []


@pytest.mark.parametrize("code", ["transient", "timeout", "throttled"])
def test_what_failed_for_a_passing_reason_is(serve: Any, server: FhirServer, code: str) -> None:
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}
    assert shown(post(serve(), server, prefetch=everything(magnesium=failed))) == ["hypermagnesemia-lab"]


def test_a_page_of_html_in_place_of_a_resource_is_asked_for(serve: Any, server: FhirServer) -> None:
    answer = post(serve(), server, prefetch=everything(magnesium="<html>502 Bad Gateway</html>"))
    assert shown(answer) == ["hypermagnesemia-lab"]


def many(count: int, **last: Any) -> list[dict[str, Any]]:
    """Magnesium levels that are normal, but for the one that is oldest and so comes last."""
    return [
        magnesium(2.0, f"2026-01-{14 - number // 24:02}T{23 - number % 24:02}:00:00Z", id=f"m{number}")
        for number in range(count)
    ]


def test_pages_are_followed_to_the_end(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT, *({**OXIDE, "id": f"rx{number}"} for number in range(7))]
    server.page = 3
    answer = post(serve(), server)
    assert keys(answer) == {}
    assert server.asked().count("MedicationRequest") == 2 * 3


def test_paging_ends_when_there_is_enough(serve: Any, server: FhirServer) -> None:
    newest = next(query.newest for query in QUERIES if query.key == "magnesium")
    assert newest == 20
    server.resources = [PATIENT, *many(50)]
    server.page = 10
    prefetch = everything()
    del prefetch["magnesium"]
    answer = post(serve(), server, prefetch=prefetch)
    assert len(server.seen) == 2
    assert keys(answer) == {}


def test_the_rest_of_what_the_client_sent_is_read_and_no_more(serve: Any, server: FhirServer) -> None:
    first = searchset(
        {**OXIDE, "id": "rx9"},
        link=[{"relation": "next", "url": f"{server.base}/MedicationRequest?patient=p1&start=0"}],
    )
    server.resources = [OXIDE]
    answer = post(serve(), server, prefetch=everything(medications=first, creatinine=searchset(CREATININE)))
    assert shown(answer)
    assert [each.query for each in server.seen] == ["patient=p1&start=0"]


def test_a_server_behind_a_proxy_that_writes_other_links_is_asked_where_it_is(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT, OXIDE, {**OXIDE, "id": "rx2"}]
    server.page = 1
    server.links = lambda url: url.partition("/fhir")[2].removeprefix("/")
    answer = post(serve(), server)
    assert keys(answer) == {}


@pytest.mark.parametrize(
    "link",
    ["http://127.0.0.1:{other}/fhir/x", "https://evil.example/fhir?page=2", "//127.0.0.1:{other}/fhir", "http://169.254.169.254/", "http://x@127.0.0.1:{other}/", "file:///etc/passwd", "\\\\evil.example", "../other/MedicationRequest?page=2", "http://127.0.0.1:{own}/fhir/../other", "javascript:x"],
)  # fmt: skip
def test_a_next_page_elsewhere_is_not_called_and_what_it_holds_is_not_known(
    serve: Any, server: FhirServer, link: str
) -> None:
    with running(FhirServer()) as other:
        server.resources = [PATIENT, OXIDE, {**OXIDE, "id": "rx2"}]
        server.page = 1
        server.links = lambda _: link.format(other=other.port, own=server.port)
        answer = post(serve(), server)
        assert other.seen == []
    assert answer.status_code in (200, 412)
    assert "was read in part, and the rest was not read: its next page is not on the FHIR server" in answer.text


def test_pages_without_end_are_cut_off(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT, *({**OXIDE, "id": f"rx{number}"} for number in range(30))]
    server.page = 1
    answer = post(serve(max_pages=4), server)
    assert "more than 4 pages" in answer.text
    assert server.asked().count("MedicationRequest") <= 2 * 4


def test_a_page_that_leads_to_itself_is_read_once(serve: Any, server: FhirServer) -> None:
    loop = lambda: fhir(searchset(OXIDE, link=[{"relation": "next", "url": f"{server.base}/MedicationRequest?again"}]))  # noqa: E731
    server.faults["MedicationRequest"] = loop
    answer = post(serve(), server)
    assert "was read in part" in answer.text
    assert len([each for each in server.seen if each.query == "again"]) == 2


def elsewhere(identity: str = "m1", **changes: Any) -> dict[str, Any]:
    return draft(**{"id": "rx1", "status": "active", "medicationCodeableConcept": ..., "medicationReference": {"reference": f"Medication/{identity}"}} | changes)  # fmt: skip


OXIDE_MEDICATION = {"resourceType": "Medication", "id": "m1", "code": MAGNESIUM_OXIDE}


@pytest.mark.parametrize("absolute", [False, True])
def test_a_medication_that_was_not_included_is_read(serve: Any, server: FhirServer, absolute: bool) -> None:
    order = elsewhere()
    if absolute:
        order["medicationReference"] = {"reference": f"{server.base}/Medication/m1/_history/3"}
    server.resources = [PATIENT, CREATININE, order, OXIDE_MEDICATION]
    assert "mg-oral-severe-ckd" in shown(post(serve(), server))
    assert server.asked().count("Medication") == 1


def test_a_medication_of_a_draft_is_read(serve: Any, server: FhirServer) -> None:
    server.resources = [OXIDE_MEDICATION]
    orders = {"resourceType": "Bundle", "entry": [{"resource": elsewhere(status="draft")}]}
    prefetch = everything(creatinine=searchset(CREATININE))
    del prefetch["ecg"]
    answer = post(serve(), server, "order-sign", prefetch=prefetch, context=context(draftOrders=orders))
    assert shown(answer) == ["mg-oral-severe-ckd"]


def test_medications_are_read_up_to_a_limit_however_late_they_are_met(serve: Any, server: FhirServer) -> None:
    orders = [elsewhere(f"m{number}", id=f"rx{number}") for number in range(MOST_MEDICATIONS + 10)]
    told = [
        {**elsewhere(f"n{number}", id=f"st{number}"), "resourceType": "MedicationStatement"} for number in range(15)
    ]
    server.resources = [PATIENT, *told]
    post(serve(), server, prefetch={"medications": searchset(*orders)})
    assert server.asked().count("Medication") == MOST_MEDICATIONS


@pytest.mark.parametrize("reference", ["https://evil.example/fhir/Medication/m1", "http://127.0.0.1:1/fhir/Medication/m1", "Medication/../../x", "Medication/..", "Patient/p1", "Medication/a b", "urn:uuid:1", "#m1"])  # fmt: skip
def test_a_reference_elsewhere_is_not_followed(serve: Any, server: FhirServer, reference: str) -> None:
    server.resources = [PATIENT, {**elsewhere(), "medicationReference": {"reference": reference}}]
    answer = post(serve(), server)
    assert answer.status_code in (200, 412)
    assert "Medication" not in server.asked()


def test_an_order_whose_medication_cannot_be_read_is_not_known(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT, elsewhere()]
    answer = post(serve(), server)
    assert answer.status_code == 412
    assert "the product of a MedicationRequest could not be read" in answer.text


def test_a_reference_with_a_name_is_read_by_its_name(serve: Any, server: FhirServer) -> None:
    order = elsewhere()
    order["medicationReference"]["display"] = "Magnesium oxide 400 mg oral tablet"
    server.resources = [PATIENT, CREATININE, order]
    assert "mg-oral-severe-ckd" in shown(post(serve(), server))
    assert "Medication" not in server.asked()


HTML = lambda: Response("<html>", 200, media_type="text/html")  # noqa: E731


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        (lambda: outcome(401, "login"), "it did not accept the access token (401)"),
        (lambda: outcome(403, "forbidden"), "the access token does not cover it (403)"),
        (lambda: outcome(404, "not-found"), "it does not have it (404)"),
        (lambda: outcome(410, "deleted"), "it does not have it any more (410)"),
        (lambda: outcome(400, "invalid"), "it refused the question (400)"),
        (lambda: outcome(429, "throttled"), "it asks to slow down (429)"),
        (lambda: outcome(429, "throttled", retry_after="3600"), "it asks to slow down (429)"),
        (lambda: outcome(500, "exception"), "it failed (500)"),
        (lambda: Response("<html>", 503, media_type="text/html"), "it failed (503)"),
        (lambda: Response(status_code=302, headers={"Location": "https://evil.example/"}), "it redirects to another origin"),
        (HTML, "it answered in another media type than JSON"),
        (lambda: Response("{", media_type="application/json"), "the FHIR server's answer is not FHIR in JSON"),
        (lambda: Response(b'{"resourceType": "\xff"}', media_type="application/json"), "the FHIR server's answer is not FHIR in JSON"),
        (lambda: Response("null", media_type="application/json"), "the FHIR server's answer is not FHIR in JSON"),
        (lambda: outcome(200, "exception"), "the FHIR server's answer holds an OperationOutcome"),
        (lambda: fhir({"resourceType": "Patient", "id": "p1"}), "holds another type of resource"),
        (lambda: fhir({"resourceType": "Bundle", "total": "many"}), "the FHIR server's answer is not FHIR in JSON"),
        (lambda: Response(b" " * 3_000_000, media_type="application/json"), "its answer is too large"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_known_and_said(serve: Any, server: FhirServer, fault: Any, because: str) -> None:
    server.resources = [PATIENT]
    server.faults["Observation"] = fault
    answer = post(serve(max_bytes=1_000_000), server)
    assert answer.status_code == 412
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert because in answer.text
    assert "magnesium" in answer.text
    assert "p1" not in answer.text
    assert str(server.port) not in answer.text


def test_cards_that_apply_are_shown_beside_what_could_not_be_read(serve: Any, server: FhirServer) -> None:
    server.faults["Condition"] = lambda: outcome(500, "exception")
    answer = post(serve(), server)
    assert shown(answer) == ["hypermagnesemia-lab"]
    assert keys(answer)["conditions"] == (
        "failed",
        "was not sent, and could not be fetched from the FHIR server: it failed (500)",
    )
    assert "Not assessed" in answer.json()["cards"][0]["detail"]


def test_what_only_adds_may_be_absent(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT]
    for kind in ("MedicationStatement", "MedicationAdministration", "MedicationDispense"):
        server.faults[kind] = lambda: outcome(404, "not-supported")
    answer = post(serve(), server)
    assert shown(answer) == []
    assert set(keys(answer)) == {"statements", "administrations", "dispenses"}
    assert {state for state, _ in keys(answer).values()} == {"missing"}


@pytest.mark.parametrize("kind", ["MedicationDispense", "MedicationStatement"])
def test_what_only_adds_is_not_waited_for(serve: Any, server: FhirServer, kind: str) -> None:
    server.resources = [PATIENT]
    server.delays[kind] = 20
    answer = post(serve(seconds=30), server)
    assert shown(answer) == []
    assert [because for _, because in keys(answer).values()] == [
        "was not sent, and could not be fetched from the FHIR server: it did not answer in time"
    ]


def test_an_answer_comes_within_the_budget_whatever_the_server_does(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT]
    server.delays["Observation"] = 20
    started = time.monotonic()
    answer = post(serve(seconds=0.5), server)
    assert answer.status_code == 412
    assert "it did not answer in time" in answer.text
    assert time.monotonic() - started < 10


def test_queries_run_side_by_side(serve: Any, server: FhirServer) -> None:
    server.resources = [PATIENT, magnesium()]
    server.delays = dict.fromkeys({query.type for query in QUERIES}, 0.25)
    answer = post(serve(seconds=2.5), server)
    assert keys(answer) == {}, "one after another they would take more than four seconds"


def test_a_server_that_says_when_to_come_back_is_asked_once_more(serve: Any, server: FhirServer) -> None:
    answers = iter([outcome(429, "throttled", retry_after="0"), fhir(searchset(PATIENT))])
    server.resources = [magnesium()]
    server.faults["Patient"] = lambda: next(answers)
    assert keys(post(serve(), server)) == {}
    assert server.asked().count("Patient") == 2


@pytest.mark.parametrize("expires_in", [0, -1, "0"])
def test_an_expired_token_is_not_used(serve: Any, server: FhirServer, expires_in: Any) -> None:
    answer = post(serve(), server, fhirAuthorization=granted(expires_in=expires_in))
    assert answer.status_code == 412
    assert "the access token has expired" in answer.text
    assert server.seen == []


def test_fetching_ends_before_the_token_does(serve: Any, server: FhirServer) -> None:
    server.delays["Observation"] = 20
    answer = post(serve(seconds=30), server, fhirAuthorization=granted(expires_in="0.4"))
    assert "it did not answer in time" in answer.text


@pytest.mark.parametrize(
    "scope", ["patient/*.read launch", "patient/Observation.rs?category=laboratory", "Whatever Epic likes to write", "", ..., 5, None]
)  # fmt: skip
def test_no_scope_is_refused_before_it_was_tried(serve: Any, server: FhirServer, scope: Any) -> None:
    assert shown(post(serve(), server, fhirAuthorization=granted(scope=scope))) == ["hypermagnesemia-lab"]


@pytest.mark.parametrize("changes", [{"token_type": "bearer"}, {"token_type": ...}, {"expires_in": "300"}, {"expires_in": ...}, {"patient": "p1"}, {"patient": "Patient/p1"}, {"extension": {"a": []}}])  # fmt: skip
def test_an_authorization_is_read_as_clients_write_it(serve: Any, server: FhirServer, changes: dict[str, Any]) -> None:
    assert shown(post(serve(), server, fhirAuthorization=granted(**changes))) == ["hypermagnesemia-lab"]


@pytest.mark.parametrize("token", ["", "  ", ..., None, 5, "a\r\nX-Evil: 1", "a b", "\u00e4", {"a": 1}])
def test_without_a_token_that_can_be_sent_nobody_is_asked(serve: Any, server: FhirServer, token: Any) -> None:
    answer = post(serve(), server, fhirAuthorization=granted(access_token=token))
    assert answer.status_code == 412
    assert "no access token came with the request" in answer.text
    assert server.seen == []


def test_an_open_server_is_asked_only_where_the_operator_allows_it(serve: Any, server: FhirServer) -> None:
    assert post(serve(), server, fhirAuthorization=...).status_code == 412
    assert server.seen == []
    assert shown(post(serve(without_token=True), server, fhirAuthorization=...)) == ["hypermagnesemia-lab"]
    assert {each.authorization for each in server.seen} == {""}


def test_data_of_two_patients_is_refused(serve: Any, server: FhirServer) -> None:
    answer = post(serve(), server, fhirAuthorization=granted(patient="p2"))
    assert answer.status_code == 400
    assert "fhirAuthorization.patient" in answer.text
    assert server.seen == []


@pytest.mark.parametrize(
    "said",
    ["http://127.0.0.1:{port}/other", "http://127.0.0.1:{port}/fhir/../other", "http://127.0.0.1:{port}/fhir/%2e%2e/other", "http://127.0.0.1:{port}/fhirx", "http://127.0.0.1:{port}", "http://localhost:{port}/fhir", "https://127.0.0.1:{port}/fhir", "http://x:y@127.0.0.1:{port}/fhir", "http://127.0.0.1:{port}/fhir?x=1", "http://169.254.169.254/", "http://[::1]:{port}/fhir", "http://0x7f.1:{port}/fhir", "ftp://127.0.0.1:{port}/fhir", "nonsense"],
)  # fmt: skip
def test_a_server_that_is_not_on_the_list_is_not_asked(serve: Any, server: FhirServer, said: str) -> None:
    answer = post(serve(), server, fhirServer=said.format(port=server.port))
    assert answer.status_code == 412
    assert "fhirServer was not asked" in answer.text
    assert str(server.port) not in answer.text
    assert server.seen == []


@pytest.mark.parametrize("said", ["{base}/", "{base}/tenant1", "HTTP://127.0.0.1:{port}/fhir"])
def test_a_listed_server_is_known_in_other_spellings(server: FhirServer, said: str) -> None:
    servers = Servers.read([server.base])
    assert servers.base(said.format(base=server.base, port=server.port)).origin.port == server.port


def test_a_list_with_a_mistake_is_refused() -> None:
    with pytest.raises(AddressError):
        Servers.read(["ehr.example.org"])


def test_a_server_that_takes_no_search_by_get_is_asked_by_post(serve: Any, server: FhirServer) -> None:
    server.get_allowed = False
    assert shown(post(serve(), server)) == ["hypermagnesemia-lab"]
    posted = [each for each in server.seen if each.method == "POST"]
    assert posted
    assert all(each.path.endswith("/_search") for each in posted)


@pytest.mark.parametrize("identity", ["a/../../b", "a&_count=1", "a?b", "a#b", "a b", "\u00e4", "..", "a%2fb"])
def test_a_patient_id_cannot_change_the_question(serve: Any, server: FhirServer, identity: str) -> None:
    answer = post(serve(), server, context=context(patientId=identity))
    assert answer.status_code == 412
    assert "context.patientId is no id of FHIR" in answer.text
    assert server.seen == []


def test_nothing_of_token_or_patient_is_logged_or_shown(
    serve: Any, server: FhirServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = serve()
    marked = [{**PATIENT, "name": [{"text": "MARKER"}]}, {**magnesium(), "note": [{"text": "MARKER"}]}]
    for resources, fault in ((marked, None), (marked, lambda: outcome(500, "exception")), ([], HTML)):
        server.resources = resources
        server.faults = {"MedicationRequest": fault} if fault else {}
        assert TOKEN not in post(client, server).text
    assert TOKEN not in caplog.text
    assert "MARKER" not in caplog.text
    assert "Patient/p1" not in caplog.text
    assert "patient=p1" not in caplog.text


def test_a_token_is_not_used_for_the_next_call(serve: Any, server: FhirServer) -> None:
    client = serve(without_token=True)
    post(client, server)
    server.seen.clear()
    post(client, server, fhirAuthorization=...)
    assert {each.authorization for each in server.seen} == {""}
