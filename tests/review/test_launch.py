"""A launch from an EHR opens the one alert that its card was about, for the patient in context, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.service.settings import Launch, Review
from cds_rules.store.decisions import Caller
from tests.review.conftest import BASE, Browser
from tests.review.provider import CLIENT, SECRET, Provider
from tests.store.scenes import decided, sample, write

Pages = Callable[..., Browser]
EHR = Caller("north", "https://ehr.example.org")


@pytest.fixture
def ehr(provider: Provider) -> Provider:
    """The authorization server of an EHR; these pages have no secret there."""
    provider.public = True
    provider.claims = {"sub": "dr-lee", "fhirUser": "Practitioner/7"}
    return provider


def launched(
    pages: Pages, ehr: Provider, knowledge: Knowledge, secret: Path | None = None, **context: Any
) -> tuple[Browser, str, Any]:
    """A browser that was launched, the path of the card's page, and where it was sent."""
    launch = Launch(f"{ehr.address}/fhir", CLIENT, issuer=EHR.client, tenant=EHR.tenant, client_secret_file=secret)
    browser = pages(review=Review(launches=(launch,)))
    body = sample()
    body["fhirServer"] = launch.iss
    decision = decided(knowledge, body, caller=EHR)
    write(browser.client.app.state.desk.store, decision)  # type: ignore[attr-defined]
    card = decision.cards[0]["uuid"]
    ehr.context = {"patient": decision.call.patient_id, "appContext": card} | context
    return browser, f"/alerts/{card}", browser.through(browser.get(f"/launch?iss={launch.iss}&launch=xyz"))


def test_a_launch_opens_the_alert_of_the_card(pages: Pages, ehr: Provider, knowledge: Knowledge) -> None:
    _, path, arrived = launched(pages, ehr, knowledge)
    assert (arrived.status_code, arrived.headers["location"]) == (303, f"/review{path}")
    (asked,) = ehr.asked
    assert asked["launch"] == "xyz"
    assert asked["aud"] == f"{ehr.address}/fhir"
    assert asked["scope"] == "launch openid fhirUser"
    assert asked["redirect_uri"] == f"{BASE}/review/launch/callback"
    assert asked["code_challenge_method"] == "S256"


def test_a_client_with_a_secret_proves_itself_with_it(
    pages: Pages, ehr: Provider, knowledge: Knowledge, tmp_path: Path
) -> None:
    ehr.public = False
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    assert launched(pages, ehr, knowledge, secret)[2].status_code == 303
    secret.write_text("another")
    assert launched(pages, ehr, knowledge, secret)[2].status_code == 400


def test_a_launch_opens_nothing_else(pages: Pages, ehr: Provider, knowledge: Knowledge) -> None:
    browser, path, _ = launched(pages, ehr, knowledge)
    for other in ("/", "/alerts/another", "/sets", "/audit"):
        refused = browser.get(other)
        assert refused.status_code == 403, other
        assert "The EHR opened this page for one alert" in refused.text
    assert browser.post(f"{path}/anything").status_code == 403


@pytest.mark.parametrize(
    "context",
    [{"patient": "somebody-else"}, {"appContext": "another-card"}, {"appContext": None}, {"patient": ["x"]}],
    ids=str,
)
def test_a_card_of_another_patient_is_not_opened(
    pages: Pages, ehr: Provider, knowledge: Knowledge, context: dict[str, Any]
) -> None:
    browser, path, arrived = launched(pages, ehr, knowledge, **context)
    assert arrived.status_code == 404
    assert browser.get(path).status_code == 303


def test_an_ehr_that_is_not_named_is_not_asked(pages: Pages, ehr: Provider, knowledge: Knowledge) -> None:
    browser, _, _ = launched(pages, ehr, knowledge)
    other = browser.get("/launch?iss=http://127.0.0.1:1/fhir&launch=xyz")
    assert other.status_code == 400
    assert "opened by an EHR that is named in the settings" in other.text


def test_an_ehr_without_pkce_is_refused(pages: Pages, ehr: Provider) -> None:
    ehr.document = {"code_challenge_methods_supported": ["plain"]}
    browser = pages(review=Review(launches=(Launch(f"{ehr.address}/fhir", CLIENT),)))
    assert browser.get(f"/launch?iss={ehr.address}/fhir&launch=xyz").status_code == 400
