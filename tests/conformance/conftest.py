"""The real service with the real rules, and everything it says to a broad set of calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import SERVICES, service_for
from cds_rules.service.app import create_app
from cds_rules.service.samples import read_samples
from cds_rules.service.settings import Settings
from tests.hooks.build import everything, magnesium, request, searchset
from tests.hooks.fakes import AT
from tests.service.conftest import HERE
from tests.service.test_real_clients import CREATININE, draft, ordering

Json = dict[str, Any]
ORIGIN = {"Origin": "https://ehr.example.org"}


@dataclass(frozen=True)
class Exchange:
    """A call and its answer."""

    name: str
    service: str
    sent: Json
    status: int
    headers: Any
    body: Json

    @property
    def cards(self) -> list[Json]:
        return self.body.get("cards", [])  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def client(knowledge: Knowledge) -> TestClient:
    settings = Settings(heed_at=True, samples=True)
    return TestClient(create_app(knowledge, settings, clock=lambda: AT), raise_server_exceptions=False, client=HERE)


def call(client: TestClient, sent: Json, name: str = "", **headers: str) -> Exchange:
    """Send a request to the service of its hook."""
    service = service_for(sent["hook"])
    assert service is not None
    answer = client.post(
        f"/cds-services/{service.id}",
        content=json.dumps(sent).encode(),
        headers={"Content-Type": "application/json", **ORIGIN, **headers},
    )
    return Exchange(name, service.id, sent, answer.status_code, answer.headers, answer.json())


@pytest.fixture(scope="session")
def answers(client: TestClient) -> list[Exchange]:
    """What is said to every sample (one for each rule, and silent ones), and to an order at each order hook."""
    made = [call(client, json.loads(each.body), name) for name, each in read_samples().items()]
    made += [call(client, ordering(hook, draft()), hook) for hook in ("order-select", "order-sign")]
    made.append(call(client, request(prefetch=everything(magnesium=searchset(magnesium()))), "measured"))
    assert len(made) > 35
    assert {each.status for each in made} == {200}
    return made


@pytest.fixture(scope="session")
def cards(answers: list[Exchange]) -> list[Json]:
    """Every card among them."""
    found = [card for each in answers for card in each.cards]
    assert len(found) > 35
    return found


@pytest.fixture(scope="session")
def actions(cards: list[Json]) -> list[Json]:
    """Every action that a card offers."""
    found = [action for card in cards for offer in card.get("suggestions", ()) for action in offer.get("actions", ())]
    assert {each["type"] for each in found} == {"create", "update", "delete"}
    return found


@pytest.fixture(scope="session")
def refusals(client: TestClient) -> list[Exchange]:
    """One of each way in which a call is refused."""
    view = f"/cds-services/{SERVICES[0].id}"
    json_type = {"Content-Type": "application/json", **ORIGIN}
    marked = request(prefetch=..., context={"patientId": "MARKER", "userId": "Practitioner/MARKER"})
    made = [
        client.post(view, content=b"{", headers=json_type),
        client.post(view, content=json.dumps(request(context=...)).encode(), headers=json_type),
        client.post(view, content=json.dumps(marked).encode(), headers=json_type),
        client.post(view, content=b"<x/>", headers={"Content-Type": "text/xml", **ORIGIN}),
        client.post(view, content=b" " * 11_000_000, headers=json_type),
        client.post("/cds-services/none", content=b"{}", headers=json_type),
        client.get(view, headers=ORIGIN),
        client.get("/nowhere", headers=ORIGIN),
    ]
    found = [Exchange(str(each.status_code), "", {}, each.status_code, each.headers, each.json()) for each in made]
    assert {each.status for each in found} == {400, 404, 405, 412, 413, 415}
    return found


__all__ = ["CREATININE", "Exchange", "Json", "call"]
