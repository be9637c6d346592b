"""POST /explain with the real rules: the body of a hook in, the explanation of every rule out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.settings import ProfileChange, Settings
from tests.service.conftest import HERE

BODY = Path("fhir_samples/mg-oral-severe-ckd/request.json").read_bytes()
AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


def client(knowledge: Knowledge, **settings: object) -> TestClient:
    return TestClient(create_app(knowledge, Settings(**settings), clock=lambda: AT), client=HERE)  # type: ignore[arg-type]


def test_every_rule_of_the_hook_is_explained_once(knowledge: Knowledge) -> None:
    told = client(knowledge).post("/explain", content=BODY).json()
    rules = [each["rule"] for each in told["rules"]]
    wanted = {rule.id for rule in knowledge.rules.values() if "patient-view" in rule.hooks}
    assert (len(rules), set(rules)) == (len(wanted), wanted)
    assert (rules[0], told["rules"][0]["outcome"]) == ("mg-oral-severe-ckd", "fired")
    assert told["rules"][0]["counterfactuals"][0]["if"] == "eGFR were at least 30 (is 28)"


def test_one_rule_can_be_asked_for(knowledge: Knowledge) -> None:
    told = client(knowledge).post("/explain?rule=mg-oral-moderate-ckd", content=BODY).json()
    (rule,) = told["rules"]
    assert rule["nearest"][0]["facts"][0]["checks"][0]["distance"]["limit"] == 30


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [("/explain?rule=nope", BODY, 404), ("/explain", b"{", 400), ("/explain", b'{"hook": "nope"}', 400)],
)
def test_what_cannot_be_explained_is_refused(knowledge: Knowledge, path: str, content: bytes, status: int) -> None:
    assert client(knowledge).post(path, content=content).status_code == status


def test_a_hook_without_rules_is_refused(knowledge: Knowledge) -> None:
    asked = {**json.loads(BODY), "hook": "appointment-book"}
    assert client(knowledge).post("/explain", json=asked).status_code == 404


def test_it_can_be_left_out(knowledge: Knowledge) -> None:
    assert client(knowledge, explain=False).post("/explain", content=BODY).status_code == 404
    assert not Settings(mode="production").explains
    assert Settings().explains


def test_a_profile_puts_the_reasons_on_the_card(knowledge: Knowledge) -> None:
    path = "/cds-services/magnesium-cramps-patient-view"
    plain = client(knowledge).post(path, content=BODY).json()["cards"][0]["detail"]
    asked = client(knowledge, profile="site", profiles={"site": ProfileChange(why=True)})
    (block,) = [
        part
        for part in asked.post(path, content=BODY).json()["cards"][0]["detail"].split("\n\n**")
        if part.startswith("Why this card")
    ]
    assert "Would not appear if eGFR were at least 30 (is 28)" in block
    assert block.count("\n- ") <= 3
    assert "Why this card" not in plain
