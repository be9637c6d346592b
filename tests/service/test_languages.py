"""The language of an answer: asked for by header, fixed by a profile, and said on the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.samples import FOLDER

REQUEST = (FOLDER / "mg-oral-severe-ckd" / "request.json").read_bytes()


@pytest.mark.parametrize(
    ("header", "language", "title"),
    [
        ({}, "en", "Oral magnesium with eGFR below 30"),
        ({"Accept-Language": "de-AT, en;q=0.5"}, "de", "Orales Magnesium bei eGFR unter 30"),
        ({"Accept-Language": "fr"}, "en", "Oral magnesium with eGFR below 30"),
    ],
)
def test_cards_speak_the_language_that_is_asked_for(
    knowledge: Knowledge, header: dict[str, str], language: str, title: str
) -> None:
    client = TestClient(create_app(knowledge, Settings(heed_at=True)), client=("127.0.0.1", 50000))
    answer = client.post(
        "/cds-services/magnesium-cramps-patient-view",
        content=REQUEST,
        headers={"Content-Type": "application/json", **header},
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = json.loads(answer.content)
    assert answer.headers["Content-Language"] == language
    assert "Accept-Language" in answer.headers["Vary"]
    assert body["cards"][0]["source"]["topic"]["display"] == title
