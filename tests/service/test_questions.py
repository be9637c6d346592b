"""The link of a card to the page where it can be questioned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.settings import Launch, Review, Server, Settings, Store
from tests.service.conftest import HERE
from tests.store.scenes import KEY, sample

VIEW = "/cds-services/magnesium-cramps-patient-view"
PUBLIC = Server(public_url="https://cds.example.org/base")
SERVER = "https://fhir.example.org/r4"


@pytest.fixture
def cards_of(knowledge: Knowledge, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The cards of a sample by a service with some settings."""

    def made(keep: Any = "hashed", body: dict[str, Any] | None = None, **settings: Any) -> list[dict[str, Any]]:
        kept = Store(url=SecretStr(f"sqlite:///{tmp_path / 'x.db'}"), key=SecretStr(KEY), keep=keep)
        app = create_app(knowledge, Settings(store=kept, heed_at=True, **settings))
        with TestClient(app, client=HERE) as client:
            found: list[dict[str, Any]] = client.post(VIEW, json=body or sample()).json()["cards"]
            return found

    return made


def ours(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [link for card in cards for link in card.get("links", ()) if "cds.example.org" in link["url"]]


def test_a_card_leads_to_its_page(cards_of: Callable[..., Any]) -> None:
    cards = cards_of(server=PUBLIC)
    assert ours(cards) == [
        {
            "label": "Why this card, and what if",
            "url": f"https://cds.example.org/base/review/alerts/{cards[0]['uuid']}",
            "type": "absolute",
        }
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"server": PUBLIC, "review": Review(enabled=False)},
        {"server": PUBLIC, "keep": "off"},
        {"server": PUBLIC, "profile": "oracle"},
        {"server": Server(public_url="http://localhost:8000")},
    ],
    ids=["no address", "no pages", "nothing kept", "a client without links", "not https"],
)
def test_a_card_has_no_link_that_would_lead_nowhere(cards_of: Callable[..., Any], settings: dict[str, Any]) -> None:
    assert not ours(cards_of(**settings))


def test_all_else_of_a_card_stays_as_it_is(cards_of: Callable[..., Any]) -> None:
    (plain,), (linked,) = cards_of(), cards_of(server=PUBLIC)
    assert linked | {"links": linked["links"][:-1]} == plain


def test_an_ehr_that_can_launch_gets_a_smart_link_with_the_card_in_its_context(cards_of: Callable[..., Any]) -> None:
    review = Review(launches=(Launch(iss=SERVER, client_id="review"),))
    cards = cards_of(server=PUBLIC, review=review, body=sample(fhirServer=f"{SERVER}/"))
    (link,) = ours(cards)
    assert (link["type"], link["url"]) == ("smart", "https://cds.example.org/base/review/launch")
    assert link["appContext"] == cards[0]["uuid"]
    (other,) = ours(cards_of(server=PUBLIC, review=review, body=sample(fhirServer="https://other.example.org")))
    assert other["type"] == "absolute"


def test_the_link_leads_to_the_alert(knowledge: Knowledge, tmp_path: Path) -> None:
    kept = Store(url=SecretStr(f"sqlite:///{tmp_path / 'x.db'}"), key=SecretStr(KEY), keep="full")
    settings = Settings(store=kept, heed_at=True, server=Server(public_url="https://cds.example.org"))
    with TestClient(create_app(knowledge, settings), client=HERE, base_url="http://localhost") as client:
        (link,) = ours(client.post(VIEW, json=sample()).json()["cards"])
        page = client.get("/review/sign-in?to=/")
        csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        form = {"csrf": csrf, "name": "Ada", "role": "reader", "to": "/", "house": ""}
        assert client.post("/review/sign-in/development", data=form, follow_redirects=False).status_code == 303
        path = link["url"].removeprefix("https://cds.example.org")
        end = time.monotonic() + 20
        while (found := client.get(path)).status_code == 404 and time.monotonic() < end:
            time.sleep(0.05)  # decisions are written beside the answers
        assert found.status_code == 200
        assert "Oral magnesium with eGFR below 30" in found.text
