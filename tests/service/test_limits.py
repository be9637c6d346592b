"""From where, over what, how much and how many: what goes beyond is refused in words, with when to come back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.testclient import TestClient

from cds_rules.service.app import create_app
from cds_rules.service.bodies import depth_beyond
from cds_rules.service.settings import Limits, Server, Settings, Telemetry
from tests.hooks.build import body
from tests.hooks.fakes import AT
from tests.service.conftest import HERE, KNOWLEDGE, Stage
from tests.service.jwt import bearer, token, trusting

VIEW = "/cds-services/magnesium-cramps-patient-view"
JSON = {"Content-Type": "application/json"}


def nested(levels: int) -> Any:
    return [] if levels == 1 else [nested(levels - 1)]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    ),
    st.integers(1, 8),
)
def test_depth_is_told_as_the_parser_sees_it(value: Any, limit: int) -> None:
    def depth(each: Any) -> int:
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    for ascii_only in (True, False):
        assert depth_beyond(json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace"), limit) == (
            depth(value) > limit
        )


def test_what_is_nested_too_deeply_is_a_400(serve: Callable[..., TestClient]) -> None:
    client = serve(limits=Limits(max_depth=20))
    assert client.post(VIEW, content=body(extension={"a": nested(10)}), headers=JSON).status_code == 200
    answer = client.post(VIEW, content=body(extension={"a": nested(30)}), headers=JSON)
    assert (answer.status_code, "nested deeper than 20 levels" in answer.text) == (400, True)
    assert client.post(VIEW, content=body(extension={"a": "[{" * 500}), headers=JSON).status_code == 200


def test_too_many_resources_are_a_413(serve: Callable[..., TestClient]) -> None:
    many = [{"resourceType": "Observation"}] * 200
    answer = serve(limits=Limits(max_entries=150)).post(VIEW, content=body(prefetch={"x": many}), headers=JSON)
    assert (answer.status_code, "more than 150 resources" in answer.text) == (413, True)


@pytest.mark.parametrize(("place", "status"), [("one", 503), ("of", 429)])
def test_one_too_many_is_told_when_to_come_back(serve: Callable[..., TestClient], place: str, status: int) -> None:
    client = serve(limits=Limits(concurrent=2, concurrent_per_client=1))
    admission = client.app.state.desk.admission  # type: ignore[attr-defined]
    held = [admission.one(), admission.one()] if place == "one" else [admission.of(HERE[0])]
    for each in held:
        each.__enter__()
    answer = client.post(VIEW, content=body(), headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
    assert answer.json()["issue"][0]["code"] == "throttled"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get("/healthz").status_code == 200, "whoever watches over the service is always answered"
    for each in held:
        each.__exit__(None, None, None)
    assert client.post(VIEW, content=body(), headers=JSON).status_code == 200
    assert "cds_rules_turned_away_total" in client.get("/metrics").text


def test_a_request_that_fails_gives_its_place_back(serve: Callable[..., TestClient], stage: Stage) -> None:
    client = serve(limits=Limits(concurrent=1, concurrent_per_client=1))
    for sent in (b"{", b"[" * 10_000, body(hook="x")):
        assert client.post(VIEW, content=sent, headers=JSON).status_code == 400
    stage.result = RuntimeError()
    assert client.post(VIEW, content=body(), headers=JSON).status_code == 500
    assert client.post(VIEW, content=body(), headers=JSON).status_code == 500


def test_development_mode_answers_this_machine_alone(stage: Stage) -> None:
    app = create_app(KNOWLEDGE, Settings(), clock=lambda: AT)
    for host in ("10.0.0.9", "::ffff:8.8.8.8", "unknown"):
        answer = TestClient(app, client=(host, 1)).post(VIEW, content=body(), headers=JSON)
        assert (answer.status_code, "this machine alone" in answer.text) == (403, True)
    for host in ("127.0.0.1", "127.8.8.8", "::1"):
        assert TestClient(app, client=(host, 1)).post(VIEW, content=body(), headers=JSON).status_code == 200


def test_development_mode_is_loud(serve: Callable[..., TestClient], caplog: pytest.LogCaptureFixture) -> None:
    with serve() as client:
        assert "DEVELOPMENT MODE" in caplog.text
        assert client.get("/cds-services").headers["x-cds-rules-mode"] == "development"
        assert "never with real patients" in client.get("/readyz").json()["warnings"][0]


@pytest.fixture
def production(stage: Stage) -> Callable[..., TestClient]:
    """A client of a service in production, behind a proxy that speaks TLS, or not."""

    def made(scheme: str = "https", host: str = "198.51.100.7", **telemetry: Any) -> TestClient:
        settings = replace(
            trusting(),
            mode="production",
            server=Server(public_url="http://127.0.0.1:8000"),
            telemetry=Telemetry(**telemetry),
        )
        app = create_app(KNOWLEDGE, settings, clock=lambda: AT)
        return TestClient(app, base_url=f"{scheme}://cds.example.org", client=(host, 1))

    return made


def test_production_answers_over_https_alone(production: Callable[..., TestClient]) -> None:
    said = bearer(token(VIEW))
    plain = production("http")
    for path, sent in ((VIEW, body()), (f"{VIEW}/feedback", b"{}")):
        assert plain.post(path, content=sent, headers=bearer(token(path))).status_code == 403
    for path in ("/cds-services", "/reports/feedback"):
        assert plain.get(path, headers=bearer(token(path))).status_code == 403
    answer = production().post(VIEW, content=body(), headers=said)
    assert answer.status_code == 200
    assert "x-cds-rules-mode" not in answer.headers
    assert production("http").get("/healthz").status_code == 200


def test_production_serves_no_samples_and_no_stranger(production: Callable[..., TestClient]) -> None:
    assert production().get("/samples").json() == {"samples": []}
    for path in ("/cds-services", "/reports/feedback"):
        assert production().get(path).status_code == 401
    for path in (VIEW, f"{VIEW}/feedback"):
        assert production().post(path, content=body()).status_code == 401


def test_metrics_are_for_whom_the_settings_name(production: Callable[..., TestClient]) -> None:
    assert production().get("/metrics").status_code == 403
    assert production(host="127.0.0.1").get("/metrics").status_code == 200
    assert production(metrics_networks=("198.51.100.0/24",)).get("/metrics").status_code == 200
    locked = production(metrics_token=SecretStr("open sesame"))
    assert [
        locked.get("/metrics", headers={"Authorization": f"Bearer {said}"}).status_code
        for said in ("open sesame", "open", "")
    ] == [200, 403, 403]
    assert production(metrics=False, host="127.0.0.1").get("/metrics").status_code == 404
