"""The service over HTTP: addresses, refusals, headers, and that nothing leaks."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_rules.hooks.discovery import SERVICES
from cds_rules.service.edge import correlation_of
from cds_rules.service.settings import Cors, Limits
from cds_rules.vocabulary.frozen import replace
from tests.hooks.build import body, context, request
from tests.hooks.fakes import AT, card, evaluation, unjudged
from tests.hooks.test_discovery import hollow
from tests.service.conftest import Stage

VIEW = "/cds-services/magnesium-cramps-patient-view"
JSON = {"Content-Type": "application/json"}


def said(response: Any) -> str:
    """The texts of an OperationOutcome, after looking at its shape."""
    assert response.headers["content-type"].startswith("application/json")
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert not hollow(outcome)
    assert all(issue["severity"] == "error" and issue["code"] for issue in outcome["issue"])
    return "\n".join(issue["diagnostics"] for issue in outcome["issue"])


def test_discovery(client: TestClient) -> None:
    for address in ("/cds-services", "/cds-services/"):
        response = client.get(address, follow_redirects=False)
        assert response.status_code == 200
        hooks = [service["hook"] for service in response.json()["services"]]
        assert hooks == [service.hook for service in SERVICES]
        assert {"patient-view", "order-select", "order-sign"} <= set(hooks)


def test_every_service_of_discovery_answers_at_its_address(client: TestClient) -> None:
    for service in client.get("/cds-services").json()["services"]:
        for address in (f"/cds-services/{service['id']}", f"/cds-services//{service['id']}"):
            response = client.post(address, content=body(service["hook"]), headers=JSON)
            assert response.status_code == 200, address
            assert [each["uuid"] for each in response.json()["cards"]] == ["1"]
            assert not hollow(response.json())


def test_an_evaluation_with_gaps_and_no_card_is_a_412(client: TestClient, stage: Stage) -> None:
    stage.result = evaluation(**unjudged(mg_oral_aki="prefetch key magnesium was not sent"))
    response = client.post(VIEW, content=body(), headers=JSON)
    assert response.status_code == 412
    assert (
        said(response)
        == "Not assessed, prefetch key magnesium was not sent. Rules that could not be judged: mg-oral-aki."
    )
    assert "p1" not in response.text


def test_a_site_can_choose_a_card_instead(serve: Callable[..., TestClient], stage: Stage) -> None:
    client = serve(profile="sandbox")
    stage.result = evaluation(**unjudged(mg_oral_aki="prefetch key magnesium was not sent"))
    response = client.post(VIEW, content=body(), headers=JSON)
    assert response.status_code == 200
    assert response.json()["cards"][0]["indicator"] == "info"


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/fhir+json",
        'application/json; charset="utf-8"',
    ],
)
def test_json_in_every_spelling_is_taken(client: TestClient, kind: str) -> None:
    assert client.post(VIEW, content=body(), headers={"Content-Type": kind}).status_code == 200


def test_a_body_without_content_type_is_taken(client: TestClient) -> None:
    assert client.post(VIEW, content=body()).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/json; charset=iso-8859-1",
        "multipart/form-data; boundary=x",
    ],
)
def test_other_content_types_are_refused(client: TestClient, kind: str) -> None:
    response = client.post(VIEW, content=body(), headers={"Content-Type": kind})
    assert response.status_code == 415
    assert said(response) == "Send application/json in UTF-8."


@pytest.mark.parametrize("accept", ["application/json", "application/fhir+json, */*; q=0.1", "*/*", "text/html"])
def test_any_accept_header_gets_json(client: TestClient, accept: str) -> None:
    assert (
        client.post(VIEW, content=body(), headers=JSON | {"Accept": accept}).headers["content-type"]
        == "application/json"
    )


@pytest.mark.parametrize(
    ("method", "address", "status", "message"),
    [
        ("POST", "/cds-services/other", 404, "There is no such service. GET /cds-services lists the services."),
        ("POST", "/cds-services/other/feedback", 404, "There is no such service. GET /cds-services lists the services."),
        ("GET", "/cds", 404, "There is nothing at this address. GET /cds-services lists the services."),
        ("GET", "/samples/none.json", 404, "There is no such sample. GET /samples lists the samples."),
        ("GET", "/samples/..%2Fpatients.json", 404, "There is nothing at this address. GET /cds-services lists the services."),
        ("GET", VIEW, 405, "This address does not take this method; the Allow header lists those it takes."),
        ("DELETE", VIEW, 405, "This address does not take this method; the Allow header lists those it takes."),
        ("POST", "/cds-services", 405, "This address does not take this method; the Allow header lists those it takes."),
    ],
)  # fmt: skip
def test_refusals_are_json_and_say_what_to_do(
    client: TestClient, method: str, address: str, status: int, message: str
) -> None:
    response = client.request(method, address, content=body() if method == "POST" else None, headers=JSON)
    assert response.status_code == status
    assert said(response) == message


def test_allow_names_the_methods(client: TestClient) -> None:
    assert client.get(VIEW).headers["allow"] == "OPTIONS, POST"
    assert client.post("/cds-services").headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_bad_request_names_every_fault(client: TestClient, stage: Stage) -> None:
    stage.calls.clear()
    response = client.post(VIEW, content=b'{"hook": "order-sign", "hookInstance": "x", "context": {}}', headers=JSON)
    assert response.status_code == 400
    assert said(response).splitlines() == [
        'hook: found another hook; this address serves "patient-view"',
        "context.patientId: found nothing; a string is required here",
    ]
    assert not stage.calls


def test_a_declared_length_beyond_the_limit_is_refused_unread(serve: Callable[..., TestClient]) -> None:
    response = serve(limits=Limits(max_body=2000)).post(VIEW, content=b" " * 3000 + body(), headers=JSON)
    assert response.status_code == 413
    assert said(response) == "The body is larger than 2000 bytes."
    assert response.headers["connection"] == "close"


def test_a_streamed_body_is_cut_off_at_the_limit(serve: Callable[..., TestClient]) -> None:
    response = serve(limits=Limits(max_body=2000)).post(VIEW, content=(b" " * 500 for _ in range(10)), headers=JSON)
    assert response.status_code == 413


def test_two_megabytes_are_served(client: TestClient) -> None:
    assert client.post(VIEW, content=body(padding="x" * 2_000_000), headers=JSON).status_code == 200


@pytest.mark.parametrize("pack", [gzip.compress, lambda sent: gzip.compress(sent[:40]) + gzip.compress(sent[40:])])
def test_gzip_is_unpacked(client: TestClient, stage: Stage, pack: Callable[[bytes], bytes]) -> None:
    response = client.post(VIEW, content=pack(body()), headers=JSON | {"Content-Encoding": "gzip"})
    assert response.status_code == 200
    assert stage.calls[-1].patient_id == "p1"


def test_gzip_is_never_unpacked_beyond_the_limit(serve: Callable[..., TestClient]) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert (
        serve(limits=Limits(max_body=100_000))
        .post(VIEW, content=bomb, headers=JSON | {"Content-Encoding": "gzip"})
        .status_code
        == 413
    )


@pytest.mark.parametrize(
    ("sent", "encoding", "status", "message"),
    [
        (body(), "gzip", 400, "body: found something that is not gzip; the Content-Encoding header says gzip"),
        (gzip.compress(body())[:-20], "gzip", 400, "body: found gzip that is cut off; the whole body belongs here"),
        (body(), "br", 415, "Send the body as it is, or packed with gzip."),
    ],
)
def test_other_packings_are_refused(client: TestClient, sent: bytes, encoding: str, status: int, message: str) -> None:
    response = client.post(VIEW, content=sent, headers=JSON | {"Content-Encoding": encoding})
    assert (response.status_code, said(response)) == (status, message)


def test_an_empty_body_is_a_400(client: TestClient) -> None:
    assert client.post(VIEW, headers=JSON).status_code == 400


ANSWERS = [
    ("GET", "/", b"", 200),
    ("GET", "/cds-services", b"", 200),
    ("GET", "/healthz", b"", 200),
    ("GET", "/readyz", b"", 200),
    ("GET", "/samples", b"", 200),
    ("POST", VIEW, body(), 200),
    ("POST", VIEW, b"{", 400),
    ("GET", VIEW, b"", 405),
    ("GET", "/nowhere", b"", 404),
    ("POST", "/cds-services/other", b"{}", 404),
    ("POST", VIEW + "/feedback", b"{}", 400),
    ("POST", VIEW, b" " * 20_000, 413),
]


@pytest.mark.parametrize(("method", "address", "sent", "status"), ANSWERS)
def test_every_answer_has_the_headers_of_the_edge(
    serve: Callable[..., TestClient], method: str, address: str, sent: bytes, status: int
) -> None:
    response = serve(limits=Limits(max_body=10_000)).request(
        method, address, content=sent or None, headers=JSON | {"Origin": "https://sandbox.cds-hooks.org"}
    )
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
    assert "Origin" in response.headers["vary"]
    assert response.headers["x-correlation-id"]
    assert response.headers["cache-control"] == ("max-age=300" if address == "/cds-services" else "no-store")
    assert response.content


def test_a_media_type_refusal_and_a_failure_have_them_too(client: TestClient, stage: Stage) -> None:
    stage.result = RuntimeError("Jane Doe")
    refused = client.post(VIEW, content=body(), headers={"Content-Type": "text/plain", "Origin": "https://x.example"})
    failed = client.post(VIEW, content=body(), headers=JSON | {"Origin": "https://x.example"})
    assert (refused.status_code, failed.status_code) == (415, 500)
    assert refused.headers["access-control-allow-origin"] == failed.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(("address", "status"), [("/cds-services", 200), ("/healthz", 200), (VIEW, 405), ("/no", 404)])
def test_head_is_answered_without_a_body(client: TestClient, address: str, status: int) -> None:
    answer = client.head(address)
    assert (answer.status_code, answer.content) == (status, b"")
    assert answer.headers.get("allow") == ("OPTIONS, POST" if status == 405 else None)


@pytest.mark.parametrize(
    "address", ["/cds-services", VIEW, VIEW + "/feedback", "/cds-services//magnesium-cramps-patient-view", "/nowhere"]
)
def test_preflight_needs_no_token(client: TestClient, address: str) -> None:
    asked = {
        "Origin": "https://sandbox.cds-hooks.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    response = client.options(address, headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert {"authorization", "content-type"} <= set(response.headers["access-control-allow-headers"].split(", "))


def test_with_a_list_of_origins_others_get_no_header(serve: Callable[..., TestClient]) -> None:
    client = serve(cors=Cors(origins=("https://ehr.example.org",)))
    known = client.post(VIEW, content=body(), headers=JSON | {"Origin": "https://ehr.example.org"})
    other = client.post(VIEW, content=body(), headers=JSON | {"Origin": "https://evil.example.org"})
    assert known.headers["access-control-allow-origin"] == "https://ehr.example.org"
    assert "access-control-allow-origin" not in other.headers
    assert (
        "access-control-allow-methods"
        not in client.options(VIEW, headers={"Origin": "https://evil.example.org"}).headers
    )


def test_the_correlation_is_a_hash_of_the_hook_instance(client: TestClient) -> None:
    for sent in (body(), body(context={})):
        response = client.post(VIEW, content=sent, headers=JSON)
        assert response.headers["x-correlation-id"] == correlation_of(request()["hookInstance"])
    first, second = (client.post(VIEW, content=b"{", headers=JSON).headers["x-correlation-id"] for _ in range(2))
    assert first != second


SECRET = "Zebedee-Marker"


@pytest.mark.parametrize(
    "raised", [RuntimeError(SECRET), KeyError(SECRET), MemoryError(), ValueError(f"{SECRET} at row 5")]
)
def test_a_failure_is_a_500_that_says_nothing_was_assessed_and_leaks_nothing(
    client: TestClient, stage: Stage, caplog: pytest.LogCaptureFixture, raised: BaseException
) -> None:
    stage.result = raised
    with caplog.at_level(logging.DEBUG):
        response = client.post(VIEW, content=body(context=context(patientId=SECRET)), headers=JSON)
    assert response.status_code == 500
    assert "nothing was assessed" in said(response)
    assert "cards" not in response.json()
    assert "Traceback" not in response.text
    assert SECRET not in response.text + caplog.text
    assert type(raised).__name__ in caplog.text
    assert response.headers["x-correlation-id"] in caplog.text


def test_deep_nesting_found_late_is_a_400(client: TestClient, stage: Stage) -> None:
    stage.result = RecursionError()
    assert client.post(VIEW, content=body(), headers=JSON).status_code == 400


def test_no_log_holds_what_the_client_sent(client: TestClient, stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.result = replace(evaluation(cards=(card(summary=SECRET),)), disagreements=("mg-oral-aki: when",))
    sent = body(
        hookInstance=SECRET,
        context=context(patientId=SECRET, userId=SECRET),
        prefetch={SECRET: SECRET},
        fhirAuthorization={"access_token": SECRET},
    )
    with caplog.at_level(logging.DEBUG):
        client.post(VIEW, content=sent, headers=JSON | {"Authorization": f"Bearer {SECRET}"})
        client.get(f"/{SECRET}?patient={SECRET}")
        client.post(VIEW, content=body(hook=SECRET), headers=JSON)
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("cds_rules"))
    assert SECRET not in ours
    assert "matchers disagree conditions=mg-oral-aki: when" in ours
    assert "call status=200 endpoint=magnesium-cramps-patient-view" in ours


def test_the_clock_decides_unless_the_service_heeds_the_instant_of_a_request(
    serve: Callable[..., TestClient], stage: Stage
) -> None:
    named = body(extension={"dev.cds-rules.at": "2020-02-02T00:00:00Z"})
    instants = []
    for client, sent in ((serve(), named), (serve(heed_at=True), named), (serve(heed_at=True), body())):
        client.post(VIEW, content=sent, headers=JSON)
        instants.append(stage.calls[-1].at)
    assert instants == [AT, datetime(2020, 2, 2, tzinfo=UTC), AT]


def test_ready_only_when_the_check_of_itself_passes(
    serve: Callable[..., TestClient], stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    assert serve().get("/readyz").json() == {
        "status": "ready",
        "mode": "development",
        "warnings": ["DEVELOPMENT MODE: anybody on this machine may call; never with real patients"],
        "packs": [{"name": "a-pack", "version": "1.0.0", "rules": 0}],
        "fingerprint": "abc",
    }
    stage.result = RuntimeError(SECRET)
    client = serve()
    assert client.get("/healthz").status_code == 200
    for response in (client.get("/readyz"), client.post(VIEW, content=body(), headers=JSON)):
        assert response.status_code == 503
        assert "not ready" in said(response)
    assert SECRET not in caplog.text
    assert "the invented patient could not be judged: RuntimeError at " in caplog.text


def test_the_page_shows_every_query_to_be_copied(client: TestClient) -> None:
    page = client.get("/").text
    for key, template in client.get("/cds-services").json()["services"][0]["prefetch"].items():
        assert f"<code>{key}</code>" in page
        assert template.replace("&", "&amp;") in page


def test_samples_can_be_sent_as_they_are(client: TestClient) -> None:
    listed = client.get("/samples").json()["samples"]
    assert listed
    for sample in listed:
        request_body = client.get(sample["request"])
        assert request_body.status_code == 200
        assert client.post(sample["postTo"], content=request_body.content, headers=JSON).status_code == 200


def test_samples_can_be_switched_off(serve: Callable[..., TestClient]) -> None:
    assert serve(samples=False).get("/samples").json() == {"samples": []}


def test_hostile_hook_instances_do_not_break_headers(client: TestClient) -> None:
    for hostile in ("x\r\nSet-Cookie: a=b", "\u202e\u0000", "💊" * 1000):
        response = client.post(VIEW, content=json.dumps(request(hookInstance=hostile)).encode(), headers=JSON)
        assert response.status_code == 200
        assert "set-cookie" not in response.headers
        assert len(response.headers["x-correlation-id"]) == 16
