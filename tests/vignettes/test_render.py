"""The renderer itself: valid FHIR, nothing given away, nothing that changes from run to run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources import get_fhir_model_class as get_r5_class
from fhir.resources.R4B import get_fhir_model_class
from fhir.resources.STU3 import get_fhir_model_class as get_stu3_class

from tests.shared import SHARED, needs_shared
from tests.vignettes import PATH, read
from tests.vignettes.render import STYLES, render

VIGNETTES = read()


def resources(rendered: Any) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in rendered.bundle["entry"]]


@needs_shared
def test_vignettes_are_those_of_the_specification() -> None:
    assert PATH.read_text("utf-8") == (SHARED / "clinical" / "vignettes.yaml").read_text("utf-8"), (
        "tests/vignettes/vignettes.yaml and the specification differ: change both together."
    )


@pytest.mark.parametrize("style", STYLES)
def test_every_resource_is_valid_in_its_version(style: str) -> None:
    model_class = {"r5": get_r5_class, "stu3": get_stu3_class}.get(style, get_fhir_model_class)
    seen = set()
    for vignette in VIGNETTES:
        for body in resources(render(vignette, style)):
            shape = json.dumps(
                [body["resourceType"], sorted(body), sorted(json.dumps(body.get("dosageInstruction", "")))[:9]]
            )
            if shape not in seen:
                seen.add(shape)
                model_class(body["resourceType"]).model_validate(body)


@pytest.mark.parametrize("style", STYLES)
def test_answers_are_not_given_away(style: str) -> None:
    for vignette in VIGNETTES:
        written = json.dumps(render(vignette, style).request)
        assert "elemental_mg_per_day" not in written
        for entry in (*vignette.get("meds", ()), *vignette.get("draft_orders", ())):
            for word in entry.get("classes", ()):
                assert f'"{word}"' not in written or word in (entry["ingredient"], "digoxin", "quinine")


@pytest.mark.parametrize("style", STYLES)
def test_rendering_is_repeatable(style: str) -> None:
    assert all(render(vignette, style) == render(vignette, style) for vignette in VIGNETTES)


def test_messy_charts_differ_by_seed() -> None:
    assert any(render(vignette, "messy", seed=1) != render(vignette, "messy", seed=2) for vignette in VIGNETTES)


def test_bundle_and_request_hold_the_same_record() -> None:
    for vignette in VIGNETTES:
        rendered = render(vignette, "us-core")
        sent = json.dumps(rendered.request)
        assert all(f'"id": "{body["id"]}"' in sent for body in resources(rendered))
