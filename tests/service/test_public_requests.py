"""Requests that other projects published: 200 or a reasoned 4xx, never 5xx."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import SERVICES, service_for
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.hooks.test_discovery import hollow
from tests.service.conftest import HERE
from tests.shared import SHARED, needs_shared

FOLDER = SHARED / "data" / "cds-hooks"
REQUESTS = sorted(FOLDER.glob("requests/*.json"))
REPAIRED = sorted(FOLDER.glob("requests-repaired/*.json"))
INVALID = sorted(FOLDER.glob("invalid/*.json"))
LIBRARY = sorted((SHARED / "cds-hooks").glob("examples-hook-library/*.json"))
WELL_FORMED_AMONG_INVALID = {
    "AHRQ-CDS-Connect-CQL-SERVICES__missing_prefetch_keys_invocation.json",
    "AHRQ-CDS-Connect-CQL-SERVICES__null_prefetch_values_invocation.json",
    "fhir-test-cases__cdshooks-request-order-sign-bad-2.json",
}
"""Invalid for the service they were written for; to us they are requests that deliver little."""


@pytest.fixture(scope="module")
def client(knowledge: Knowledge) -> TestClient:
    return TestClient(create_app(knowledge, Settings()), raise_server_exceptions=False, client=HERE)


def hook_of(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes()).get("hook", ""))
    except ValueError:
        return ""


def post(client: TestClient, path: Path, identity: str) -> int:
    response = client.post(
        f"/cds-services/{identity}",
        content=path.read_bytes(),
        headers={"Content-Type": "application/json", "Origin": "https://ehr.example.org"},
    )
    answer = response.json()
    assert not hollow(answer)
    assert response.headers["access-control-allow-origin"] == "*"
    if response.status_code == 200:
        assert isinstance(answer["cards"], list)
    else:
        assert 400 <= response.status_code < 500, response.text
        assert answer["resourceType"] == "OperationOutcome"
        assert all(len(issue["diagnostics"]) > 20 for issue in answer["issue"])
    return response.status_code


@needs_shared
def test_there_are_as_many_as_known() -> None:
    assert (len(REQUESTS), len(INVALID)) == (58, 38)


@needs_shared
@pytest.mark.parametrize("path", [*REQUESTS, *REPAIRED], ids=lambda path: path.name)
def test_a_published_request_gets_cards_or_a_reason(client: TestClient, path: Path) -> None:
    service = service_for(hook_of(path))
    status = post(client, path, service.id if service else f"magnesium-cramps-{hook_of(path)}")
    assert status in ((200, 400, 412) if service else (404,))


@needs_shared
@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.name)
def test_an_invalid_request_is_refused(client: TestClient, path: Path) -> None:
    service = service_for(hook_of(path)) or SERVICES[0]
    status = post(client, path, service.id)
    assert status in ((200, 412) if path.name in WELL_FORMED_AMONG_INVALID else (400,))


@needs_shared
@pytest.mark.parametrize(
    "path", [path for path in LIBRARY if service_for(path.name.split(".")[0])], ids=lambda path: path.name
)
def test_contexts_of_the_hook_library_are_read_in_every_fhir_version(client: TestClient, path: Path) -> None:
    hook = path.name.split(".")[0]
    sent = {"hook": hook, "hookInstance": "4a74b1d0-4fee-4d18-b76f-7f3bd361e4bc"} | json.loads(path.read_bytes())
    response = client.post(
        f"/cds-services/magnesium-cramps-{hook}",
        content=json.dumps(sent).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in (200, 412), response.text
