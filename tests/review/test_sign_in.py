"""Signing in with a provider that speaks real HTTP and signs for real, and everything that must not let anybody in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from cds_rules.service.settings import Review
from tests.review.conftest import BASE, Browser
from tests.review.provider import CLIENT, KEYS, SECRET, STRANGER, Provider

Pages = Callable[..., Browser]


def signing(provider: Provider, **changes: Any) -> Review:
    """Settings with this provider."""
    secret = SecretStr(changes.pop("secret", SECRET))
    return Review(issuer=provider.address, client_id=CLIENT, client_secret=secret, **changes)


def sign_in(browser: Browser) -> httpx2.Response:
    return browser.through(browser.get("/sign-in/openid?to=/%3Frule%3Dx"))


@pytest.mark.parametrize("algorithm", KEYS)
def test_somebody_whom_the_provider_knows_comes_in(pages: Pages, provider: Provider, algorithm: str) -> None:
    provider.algorithm = algorithm
    browser = pages(review=signing(provider))
    arrived = sign_in(browser)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/review/?rule=x")
    page = browser.get("/").text
    assert "Ada Okafor" in page
    assert "reviewer" in page


def test_a_client_without_a_secret_proves_itself_by_pkce_alone(pages: Pages, provider: Provider) -> None:
    provider.public = True
    browser = pages(review=signing(provider, secret=""))
    assert sign_in(browser).status_code == 303
    (asked,) = provider.asked
    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert asked["redirect_uri"] == f"{BASE}/review/sign-in/callback"


def test_the_provider_sees_neither_verifier_nor_secret_in_the_address(pages: Pages, provider: Provider) -> None:
    began = pages(review=signing(provider)).get("/sign-in/openid")
    query = parse_qs(urlsplit(began.headers["location"]).query)
    assert query.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
    assert SECRET not in began.headers["location"]


WRONG: dict[str, Callable[[Provider], None]] = {
    "signed with the public key": lambda it: setattr(it, "forged", "HS256"),
    "not signed": lambda it: setattr(it, "forged", "none"),
    "signed by a stranger": lambda it: setattr(it, "key", STRANGER),
    "for another client": lambda it: it.claims.update(aud="somebody-else"),
    "for several, of another": lambda it: it.claims.update(aud=[CLIENT, "x"], azp="x"),
    "by another issuer": lambda it: it.claims.update(iss="https://elsewhere.example"),
    "expired": lambda it: it.claims.update(exp=int(time.time()) - 60),
    "of another sign-in": lambda it: it.claims.update(nonce="another"),
    "without a nonce": lambda it: it.claims.update(nonce=...),
    "about nobody": lambda it: it.claims.update(sub=""),
    "with a foreign access token": lambda it: it.claims.update(at_hash="AAAA"),
    "another state": lambda it: it.answer.update(state="another"),
    "another issuer in the answer": lambda it: it.answer.update(iss="https://elsewhere.example"),
    "no issuer in the answer": lambda it: it.answer.update(iss=""),
    "refused": lambda it: it.answer.update(error="access_denied"),
    "no code": lambda it: it.answer.update(code=""),
    "another code": lambda it: it.answer.update(code="guessed"),
    "calls itself something else": lambda it: it.document.update(issuer="https://elsewhere.example"),
    "signs with a shared secret": lambda it: it.document.update(id_token_signing_alg_values_supported=["HS256"]),
    "keys elsewhere": lambda it: it.document.update(jwks_uri="http://10.0.0.1/jwks"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_nobody_else_comes_in(
    pages: Pages, provider: Provider, caplog: pytest.LogCaptureFixture, wrong: Callable[[Provider], None]
) -> None:
    wrong(provider)
    browser = pages(review=signing(provider))
    with caplog.at_level(logging.WARNING, "cds_rules"):
        began = browser.get("/sign-in/openid")
        ended = browser.through(began) if began.status_code == 303 else began
    assert ended.status_code == 400
    assert "The sign-in did not work" in ended.text
    assert browser.get("/").status_code == 303
    assert "sign-in failed" in caplog.text
    assert "Okafor" not in caplog.text


def test_a_wrong_secret_is_refused_by_the_provider(pages: Pages, provider: Provider) -> None:
    assert sign_in(pages(review=signing(provider, secret="wrong"))).status_code == 400
    assert provider.refused == ["client"]


def test_what_one_browser_began_no_other_can_end(pages: Pages, provider: Provider) -> None:
    mine = pages(review=signing(provider))
    began = mine.get("/sign-in/openid")
    ended = pages(mine).through(began)
    assert ended.status_code == 400
    assert "The sign-in was not begun here" in ended.text


def test_a_code_is_of_use_once(pages: Pages, provider: Provider) -> None:
    browser = pages(review=signing(provider))
    began = browser.get("/sign-in/openid")
    back = httpx2.get(began.headers["location"], follow_redirects=False).headers["location"]
    again = f"{urlsplit(back).path}?{urlsplit(back).query}"
    waiting = browser.client.cookies["cds_review_waiting"]
    assert browser.client.get(again, follow_redirects=False).status_code == 303
    browser.post("/sign-out")
    browser.client.cookies.set("cds_review_waiting", waiting, domain="127.0.0.1", path="/review")
    assert browser.client.get(again, follow_redirects=False).status_code == 400


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"roles": ["cds-reader", "cds-admin"]}, "admin"),
        ({"roles": "cds-reviewer"}, "reviewer"),
        ({"roles": ["other"]}, None),
        ({"roles": [{"cds-admin": 1}]}, None),
        ({"roles": ...}, None),
    ],
)
def test_the_claim_decides_the_role(pages: Pages, provider: Provider, claims: dict[str, Any], role: str | None) -> None:
    provider.claims |= claims
    browser = pages(review=signing(provider))
    arrived = sign_in(browser)
    assert arrived.status_code == (303 if role else 403)
    assert (role or "None of your roles") in (browser.get("/").text if role else "None of your roles")


def test_a_role_may_lie_deep_in_the_token(pages: Pages, provider: Provider) -> None:
    provider.claims |= {"realm_access": {"roles": ["staff-review"]}}
    review = signing(provider, role_claim="realm_access.roles", reviewer=("staff-review",))
    assert sign_in(pages(review=review)).status_code == 303


def test_a_claim_says_whose_alerts_may_be_seen(pages: Pages, provider: Provider) -> None:
    provider.claims |= {"clinics": ["north", "unknown"]}
    review = signing(provider, house_claim="clinics", houses={"north": "https://ehr.example.org north", "south": "x"})
    browser = pages(review=review)
    sign_in(browser)
    desk = browser.client.app.state.desk  # type: ignore[attr-defined]
    from cds_rules.store.visits import under_way

    (visit,) = under_way(desk.store.database, desk.clock(), timedelta(hours=1), None)
    assert visit.houses == {"https://ehr.example.org north"}


def test_a_provider_that_is_away_is_said_without_its_address(pages: Pages) -> None:
    browser = pages(review=Review(issuer="http://127.0.0.1:9", client_id=CLIENT))
    page = browser.get("/sign-in/openid")
    assert page.status_code == 400
    assert "127.0.0.1:9" not in page.text


def test_who_signs_out_may_do_so_at_the_provider_too(pages: Pages, provider: Provider) -> None:
    provider.document = {"end_session_endpoint": f"{provider.address}/end"}
    browser = pages(review=signing(provider))
    sign_in(browser)
    browser.post("/sign-out")
    assert "Sign out of 127.0.0.1 too" in browser.get("/sign-in?out").text
    left = urlsplit(browser.get("/sign-in/leave").headers["location"])
    assert f"{left.scheme}://{left.netloc}{left.path}" == f"{provider.address}/end"
    assert parse_qs(left.query) == {
        "client_id": [CLIENT],
        "post_logout_redirect_uri": [f"{BASE}/review/sign-in"],
    }


def test_a_provider_that_signs_nobody_out_is_not_asked_to(pages: Pages, provider: Provider) -> None:
    assert pages(review=signing(provider)).get("/sign-in/leave").headers["location"] == f"{BASE}/review/sign-in"
