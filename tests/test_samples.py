"""The sample patients: written as their description says, readable, and answered with exactly their golden cards."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cds_rules.evaluate import Knowledge
from tests.samples import FOLDER, answer, expected, files, samples
from tests.vignettes.render import Rendered

ANEW = "Run `python -m tests.samples --accept`, read the difference as a clinician would, and commit it."
SAMPLES = [pytest.param(*sample, id=sample[0]["id"]) for sample in samples()]
each_sample = pytest.mark.parametrize(("patient", "at", "rendered"), SAMPLES)


@each_sample
def test_files_are_those_of_the_description(patient: dict[str, Any], at: datetime, rendered: Rendered) -> None:
    for path, text in files(rendered, patient["id"]).items():
        assert path.is_file(), f"{path.relative_to(FOLDER)} is missing. {ANEW}"
        assert path.read_text("utf-8") == text, f"{path.relative_to(FOLDER)} is not what patients.yaml says. {ANEW}"


@each_sample
def test_cards_are_golden(patient: dict[str, Any], at: datetime, rendered: Rendered, knowledge: Knowledge) -> None:
    status, body = answer(knowledge, rendered.request, at)
    assert status == 200
    golden = FOLDER / "expected" / f"{patient['id']}.yaml"
    assert golden.is_file(), f"{golden.relative_to(FOLDER)} is missing. {ANEW}"
    assert expected(patient, at, body["cards"]) == golden.read_text("utf-8"), ANEW


@each_sample
def test_samples_named_after_a_rule_show_its_card(
    patient: dict[str, Any], at: datetime, rendered: Rendered, knowledge: Knowledge
) -> None:
    golden = YAML(typ="safe", pure=True).load(FOLDER / "expected" / f"{patient['id']}.yaml")
    shown = [card["rule"] for card in golden["cards"]]
    if patient["id"] in knowledge.rules:
        assert patient["id"] in shown
    if patient["id"].startswith("silent-"):
        assert not shown


def test_the_first_sample_gives_a_card_at_any_time(knowledge: Knowledge) -> None:
    """The README's curl is called years from now, by a service that may not heed the instant in the request."""
    _, at, rendered = next(samples())
    request = json.loads(json.dumps(rendered.request))
    del request["extension"]
    for years in (0, 1, 3, 10):
        status, body = answer(knowledge, request, at + timedelta(days=366 * years))
        assert status == 200
        assert "mg-oral-severe-ckd" in [card["extension"]["dev.cds-rules.finding"]["rule"] for card in body["cards"]]


def test_no_file_lies_about() -> None:
    names = {patient["id"] for patient, _, _ in samples()}
    for folder, suffix in (("requests", ".json"), ("bundles", ".json"), ("expected", ".yaml")):
        held = {path.stem for path in Path(FOLDER / folder).glob(f"*{suffix}")}
        assert held <= names, (
            f"fhir_samples/{folder}: {sorted(held - names)} have no entry in patients.yaml; delete them or describe them."
        )
