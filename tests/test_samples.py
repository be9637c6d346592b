"""The sample patients: written as their description says, readable, and answered with exactly their golden cards."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import service_for
from cds_rules.replay.command import DONE, Asked, run
from cds_rules.service.home import SHOWN
from cds_rules.service.samples import read_samples
from tests.samples import FOLDER, answer, expected, files, samples
from tests.vignettes.render import Rendered

ANEW = "Run `python -m tests.samples --accept`, read the difference as a clinician would, and commit it."
SAMPLES = {sample[0]["id"]: sample for sample in samples()}
each_sample = pytest.mark.parametrize(
    ("patient", "at", "rendered"), [pytest.param(*sample, id=name) for name, sample in SAMPLES.items()]
)


def rules(body: dict[str, Any]) -> list[str]:
    return [card["extension"]["dev.cds-rules.finding"]["rule"] for card in body["cards"]]


@each_sample
def test_files_are_those_of_the_description(patient: dict[str, Any], at: datetime, rendered: Rendered) -> None:
    for name, text in files(rendered).items():
        path = FOLDER / patient["id"] / name
        assert path.is_file(), f"{path.relative_to(FOLDER)} is missing. {ANEW}"
        assert path.read_text("utf-8") == text, f"{path.relative_to(FOLDER)} is not what patients.yaml says. {ANEW}"


@each_sample
def test_the_coding_style_carries_the_whole_case(patient: dict[str, Any], at: datetime, rendered: Rendered) -> None:
    assert not rendered.lost, f"{patient['style']} cannot tell {rendered.lost}; choose another style in patients.yaml."


@each_sample
def test_cards_are_golden(patient: dict[str, Any], at: datetime, rendered: Rendered, knowledge: Knowledge) -> None:
    status, body = answer(knowledge, rendered.request, at)
    assert status == 200
    golden = FOLDER / patient["id"] / "cards.yaml"
    assert golden.is_file(), f"{golden.relative_to(FOLDER)} is missing. {ANEW}"
    assert expected(patient, at, body["cards"]) == golden.read_text("utf-8"), ANEW


@each_sample
def test_every_case_can_be_taught_from(patient: dict[str, Any], at: datetime, rendered: Rendered) -> None:
    assert patient["title"]
    assert patient["title"][0].isupper()
    assert patient["narrative"].endswith(".")


def test_every_rule_has_its_case(knowledge: Knowledge) -> None:
    missing = sorted(knowledge.rules.keys() - SAMPLES.keys())
    assert not missing, f"Describe a patient in fhir_samples/patients.yaml for each of {missing}. {ANEW}"
    for name in SAMPLES:
        golden = YAML(typ="safe").load(FOLDER / name / "cards.yaml")
        shown = [card["rule"] for card in golden["cards"]]
        if name in knowledge.rules:
            assert name in shown
        if name.startswith("silent-"):
            assert not shown


def test_the_request_of_the_readme_gives_its_card_on_any_day(knowledge: Knowledge) -> None:
    """Its curl is called years from now, by a service that does not heed the instant in the request."""
    readme = (FOLDER.parent / "README.md").read_text("utf-8")
    called = re.search(r"^curl .* -d @fhir_samples/(\S+)/request\.json \S+/cds-services/(\S+)$", readme, re.MULTILINE)
    assert called, "README.md: the curl line has to send fhir_samples/NAME/request.json to /cds-services/ID."
    name, identity = called.groups()
    assert name == SHOWN, "README and the page at / show the same sample"
    _, at, _ = SAMPLES[name]
    request = json.loads((FOLDER / name / "request.json").read_text("utf-8"))
    service = service_for(request["hook"])
    assert service is not None
    assert service.id == identity
    for days in (0, 30, 162, 365, 720, 740, 1500, 3660, 7300):
        status, body = answer(knowledge, request, at + timedelta(days=days))
        assert status == 200
        assert rules(body) == [name]
        assert body["cards"][0]["indicator"] == "critical"


def test_the_service_offers_every_case() -> None:
    assert set(read_samples()) == set(SAMPLES)


def test_replay_finds_all_cards_as_expected(capsys: pytest.CaptureFixture[str]) -> None:
    """Requests, and the same records as bundles, named by their folders."""
    assert run(Asked((FOLDER,), expect=FOLDER, jobs=1)) == DONE
    assert f"All cards are as expected ({len(SAMPLES)} expectations)" in "".join(capsys.readouterr())


def test_no_file_lies_about() -> None:
    held = {path.name for path in Path(FOLDER).iterdir()} - {"patients.yaml"}
    assert held == set(SAMPLES), (
        f"fhir_samples: {sorted(held ^ set(SAMPLES))}: folders without an entry in patients.yaml, or entries without a folder; "
        "delete them or describe them."
    )
    for name in held:
        assert {path.name for path in (FOLDER / name).iterdir()} == {"bundle.json", "request.json", "cards.yaml"}
