"""The OpenAPI 3.1 document of the service, made from what it runs on: the services, the schemas, the table of errors.

A test holds its addresses against the routes of the application. Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cds_rules
from cds_rules.hooks.discovery import SERVICES, VERSION, Service
from cds_rules.hooks.schemas import DISCOVERY, FEEDBACK, KEPT, OUTCOME, REPORT, RESPONSE, request_name, request_of
from cds_rules.service.edge import CORRELATION
from cds_rules.service.errors import CATEGORIES

Json = dict[str, Any]

_OF_BODIES = frozenset({"bad-request", "too-large", "media-type", "content-encoding"})
_OF_ADDRESSES = frozenset({"no-page", "no-service"})
_METHOD = frozenset({"method"})
_NOT_OURS_TO_PROMISE = _OF_ADDRESSES | _METHOD
_JSON = "application/json"
_TOKEN: list[Json] = [{"token": []}, {}]
"""A token of the calling client; none where the service is open."""


def document() -> Json:
    """The whole document."""
    paths: dict[str, Json] = {
        "/cds-services": {
            "get": _reading("discovery", "What services there are", _ref("Discovery")) | {"security": _TOKEN}
        },
    }
    for service in SERVICES:
        paths[f"/cds-services/{service.id}"] = {"post": _calling(service)}
        paths[f"/cds-services/{service.id}/feedback"] = {"post": _feedback(service)}
        paths[f"/docs/{service.id}"] = {"get": _reading(f"docs-{service.id}", f"{service.title}: for people", media="text/html")}  # fmt: skip
    paths |= {
        "/explain": {"post": _explaining()},
        "/reports/feedback": {"get": _reporting()},
        "/": {"get": _reading("home", "For people: what this is, services, samples", media="text/html")},
        "/healthz": {"get": _reading("health", "The process answers")},
        "/readyz": {"get": _reading("readiness", "The packs are loaded, and the check of itself passes")},
        "/openapi.json": {"get": _reading("openapi", "This document")},
        "/metrics": {
            "get": _reading("metrics", "Prometheus metrics, for the networks that may read them", media="text/plain")
        },
        "/samples": {"get": _reading("samples", "Requests that can be sent as they are")},
        "/samples/{name}.json": {"get": _sample()},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "cds-rules",
            "version": cds_rules.__version__,
            "summary": f"Magnesium safety and muscle cramps over CDS Hooks {VERSION}",
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Discovery": DISCOVERY,
                "Response": RESPONSE,
                "Feedback": FEEDBACK,
                "FeedbackKept": KEPT,
                "FeedbackReport": REPORT,
                "OperationOutcome": OUTCOME,
                **{request_name(service): request_of(service) for service in SERVICES},
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": {"Correlation": {"description": "Names this call in the log.", "schema": {"type": "string"}}},
        },
    }


def _calling(service: Service) -> Json:
    unmet = _answer("No card applies, and some rule could not be judged: which, and for want of what.", _ref("OperationOutcome"))  # fmt: skip
    return {
        "operationId": service.id,
        "security": _TOKEN,
        "summary": service.title,
        "description": service.description,
        "tags": [service.hook],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref(request_name(service))}}},
        "responses": {
            "200": _answer("What applies. An empty list: every rule was judged, and none applies.", _ref("Response")),
            "412": unmet,
            **_refusals(CATEGORIES.keys() - _NOT_OURS_TO_PROMISE),
        },
    }


def _explaining() -> Json:
    """Where the service answers it at all: it can be switched off, and is in production."""
    requests = [_ref(request_name(service)) for service in SERVICES]
    rule = {"name": "rule", "in": "query", "schema": {"type": "string"}, "description": "Only this rule."}
    return {
        "operationId": "explain",
        "security": _TOKEN,
        "summary": "Why each rule of a hook spoke or was silent: the body of a hook in, explanations out",
        "parameters": [rule],
        "requestBody": {"required": True, "content": {_JSON: {"schema": {"anyOf": requests}}}},
        "responses": {
            "200": _answer("One explanation a rule, what fired first.", {"type": "object", "required": ["rules"]}),
            **_refusals({*(CATEGORIES.keys() - _NOT_OURS_TO_PROMISE), "no-page", "no-service"}),
        },
    }


def _feedback(service: Service) -> Json:
    return {
        "operationId": f"{service.id}-feedback",
        "security": _TOKEN,
        "summary": f"What became of cards: {service.title}",
        "tags": [service.hook],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("Feedback")}}},
        "responses": {
            "200": _answer("All of it is on disk.", _ref("FeedbackKept")),
            **_refusals(CATEGORIES.keys() - _NOT_OURS_TO_PROMISE),
        },
    }


def _reporting() -> Json:
    found = _reading("feedback-report", "How cards are received, rule by rule", _ref("FeedbackReport"))
    limits = [
        {
            "name": name,
            "in": "query",
            "description": f"Cards shown {what} a day or instant.",
            "schema": {"type": "string"},
        }
        for name, what in (("since", "from"), ("until", "before"))
    ]
    return found | {
        "security": _TOKEN,
        "parameters": limits,
        "responses": found["responses"]
        | _refusals(["bad-request", *(CATEGORIES.keys() - _NOT_OURS_TO_PROMISE - _OF_BODIES)]),
    }


def _reading(name: str, title: str, schema: Json | None = None, *, media: str = _JSON) -> Json:
    return {
        "operationId": name,
        "summary": title,
        "responses": {
            "200": _answer(title, schema or {}, media),
            **_refusals(CATEGORIES.keys() - _NOT_OURS_TO_PROMISE - _OF_BODIES),
        },
    }


def _sample() -> Json:
    found = _reading("sample", "One of them")
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    return found | {"parameters": [name], "responses": found["responses"] | _refusals(["no-page"])}


def _refusals(categories: Iterable[str]) -> Json:
    """A response for each status, with what is said when nothing better is known."""
    texts: dict[int, list[str]] = {}
    for name in sorted(categories):
        texts.setdefault(CATEGORIES[name].status, []).append(CATEGORIES[name].text)
    return {str(status): _answer(" ".join(found), _ref("OperationOutcome")) for status, found in sorted(texts.items())}


def _answer(description: str, schema: Json, media: str = _JSON) -> Json:
    headers = {CORRELATION: {"$ref": "#/components/headers/Correlation"}}
    return {"description": description, "headers": headers, "content": {media: {"schema": schema} if schema else {}}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
