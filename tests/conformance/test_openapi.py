"""The OpenAPI document is valid, names every address there is, and holds for the running service."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import SecretStr
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import SERVICES, Service
from cds_rules.service.app import create_app
from cds_rules.service.openapi import document
from cds_rules.service.settings import Settings, Store
from tests.conformance.conftest import Exchange
from tests.conformance.test_documents import mistakes
from tests.hooks.fakes import AT
from tests.service.conftest import HERE
from tests.store.scenes import KEY

DOCUMENT = document()


def resolved(path: str) -> str:
    """A path of the router as the document writes it, services by their ids."""
    return path.replace("//{identity}", "/{identity}").rstrip("/") or "/"


def test_the_document_names_every_address_and_no_other(client: TestClient) -> None:
    routes = {
        (resolved(route.path), method)
        for route in client.app.router.routes  # type: ignore[attr-defined]
        if isinstance(route, Route) and route.include_in_schema  # pages for people are no part of it
        for method in route.methods or ()
        if method != "HEAD"
    }
    known = {
        (path.replace("{identity}", service.id), method)
        for path, method in routes
        for service in (SERVICES if "{identity}" in path else SERVICES[:1])
    }
    told = {(path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item}
    assert told == known


def test_references_lead_somewhere_and_operations_have_names_of_their_own() -> None:
    text = json.dumps(DOCUMENT)
    for name in re.findall(r'"#/components/(\w+/\w+)"', text):
        kind, _, part = name.partition("/")
        assert part in DOCUMENT["components"][kind]
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_it_is_served_as_it_is_made(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    assert answer.json() == DOCUMENT
    assert answer.headers["etag"]


def test_every_request_that_is_answered_holds_to_the_document(answers: list[Exchange]) -> None:
    for each in answers:
        path = DOCUMENT["paths"][f"/cds-services/{each.service}"]["post"]
        name = path["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert mistakes(DOCUMENT["components"]["schemas"][name], each.sent) == []


def test_every_status_that_is_answered_is_in_the_document(refusals: list[Exchange]) -> None:
    told = DOCUMENT["paths"][f"/cds-services/{SERVICES[0].id}"]["post"]["responses"]
    for each in refusals:
        assert str(each.status) in told or each.status in (404, 405), "those are for addresses beyond the document"


# --- generated requests, bounded and the same each time --------------------------------------------------------------


@pytest.fixture(scope="module")
def described(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The document with the application that it must hold for, and a store of its own."""
    store = Store(SecretStr(f"sqlite:///{tmp_path_factory.mktemp('store') / 'a.db'}"), key=SecretStr(KEY))
    app = create_app(knowledge, Settings(store=store), clock=lambda: AT)

    async def from_here(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"client": HERE}, receive, send)

    records = app.state.desk.records
    asyncio.run(records.open())  # and no more of the start: its thread that imports disturbs the reading of sources
    yield schemathesis.openapi.from_asgi("/openapi.json", from_here, config=SchemathesisConfig.from_dict({}))
    asyncio.run(records.close())


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


OPERATIONS = [(path, method) for path, item in DOCUMENT["paths"].items() for method in item]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_generated_requests_are_answered_as_the_document_says(described: Any, path: str, method: str) -> None:
    @settings(
        max_examples=12 if method == "post" else 3,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][method].as_strategy())
    def holds(case: schemathesis.Case) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    holds()


@pytest.mark.parametrize("mode", [GenerationMode.NEGATIVE])
@pytest.mark.parametrize("service", SERVICES[1:2], ids=lambda service: service.hook)
def test_requests_that_are_wrong_on_purpose_are_too(described: Any, service: Service, mode: GenerationMode) -> None:
    @settings(max_examples=40, derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=described[f"/cds-services/{service.id}"]["post"].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    holds()
