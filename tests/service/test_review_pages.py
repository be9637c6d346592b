"""The review pages inside the service: where they are, and that no other site may read them."""

from __future__ import annotations

from collections.abc import Callable

from starlette.testclient import TestClient

from cds_rules.service.settings import Review


def test_the_pages_are_built_when_first_asked_for_and_lead_to_the_sign_in(client: TestClient) -> None:
    answer = client.get("/review", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/review/")
    answer = client.get("http://127.0.0.1/review/", follow_redirects=False)
    assert answer.headers["location"] == "/review/sign-in?to=%2F"


def test_no_other_site_may_read_them(client: TestClient) -> None:
    origin = {"Origin": "https://elsewhere.example.org"}
    assert client.get("/cds-services", headers=origin).headers["access-control-allow-origin"] == "*"
    answer = client.get("http://127.0.0.1/review/sign-in", headers=origin)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )


def test_where_they_are_not_enabled_they_are_not_there(serve: Callable[..., TestClient]) -> None:
    with serve(review=Review(enabled=False)) as client:
        assert client.get("/review/").status_code == 404
