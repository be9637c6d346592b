"""The discovery document, to the letter of CDS Hooks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cds_rules.hooks.discovery import SERVICES, discovery, service_at, service_for
from cds_rules.hooks.prefetch import QUERIES


def hollow(value: Any, path: str = "$") -> list[str]:
    """Places that are null or empty, of which CDS Hooks allows only `cards: []`."""
    if value is None or value in ("", [], {}):
        return [] if path == "$.cards" else [path]
    if isinstance(value, dict):
        return [each for key, part in value.items() for each in hollow(part, f"{path}.{key}")]
    if isinstance(value, list):
        return [each for number, part in enumerate(value) for each in hollow(part, f"{path}[{number}]")]
    return []


def test_every_entry_is_complete() -> None:
    document = discovery({})
    assert not hollow(document)
    for entry in document["services"]:
        assert {"hook", "title", "description", "id", "prefetch", "usageRequirements"} <= entry.keys()
        assert re.fullmatch(r"[a-z][a-z0-9-]*", entry["id"])
        assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"])
        assert list(entry["prefetch"]) == [query.key for query in QUERIES]


def test_ids_never_change() -> None:
    assert [(service.hook, service.id) for service in SERVICES] == [
        ("patient-view", "magnesium-cramps-patient-view"),
        ("order-select", "magnesium-cramps-order-select"),
        ("order-sign", "magnesium-cramps-order-sign"),
        ("encounter-start", "magnesium-cramps-encounter-start"),
        ("encounter-discharge", "magnesium-cramps-encounter-discharge"),
        ("medication-refill", "magnesium-cramps-medication-refill"),
    ]


def test_the_page_for_integrators_names_every_service() -> None:
    page = (Path(__file__).parents[2] / "docs" / "integrators.md").read_text("utf-8")
    for service in SERVICES:
        assert f"| {service.hook} | `POST /cds-services/{service.id}` |" in page


def test_services_are_found_by_id_and_by_hook() -> None:
    for service in SERVICES:
        assert service_at(service.id) is service_for(service.hook) is service
    assert service_at("feedback") is None
    assert service_for("appointment-book") is None
