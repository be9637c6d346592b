"""Every set of public data beside the checkout: read without a fault, every skipped thing explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.replay.summary import Summary
from tests.replay.test_run import evaluated
from tests.shared import SHARED, needs_shared

SETS = [
    "au-core", "bulk-export-genuine-10", "cds-hooks", "de-erezept-dispense", "de-mii-testdata", "ecqm-test-patients", "epic-shaped",
    "ips-and-language", "mimic-iii-demo/bulk", "mimic-iv-demo-fhir", "nasty/fhir-validator-cases", "nasty/invalid-primitives",
    "nasty/json-test-suite", "nasty/microsoft-fhir-server", "smart-custom", "smart-sample-patients-stu3", "spec-examples",
    "synthea-dstu-2", "synthea-hiv-ciel", "synthea-stu-3", "uk-core", "us-core",
]  # fmt: skip


@needs_shared
@pytest.mark.parametrize("name", SETS)
def test_public_data_is_replayed_without_a_fault(name: str, tmp_path: Path, knowledge: Knowledge) -> None:
    summary = Summary()
    for done in evaluated(knowledge, SHARED / "data" / name, spool=tmp_path / "spool"):
        summary.add(done)
    assert summary.failures == 0, [
        str(problem) for problem in summary.problems if "error of this program" in problem.message
    ]
    assert all(problem.where and problem.message for problem in summary.problems)
    assert summary.evaluations or name == "nasty/json-test-suite" or "invalid-primitives" in name


@needs_shared
def test_numbered_files_of_one_patient_are_one_record(tmp_path: Path, knowledge: Knowledge) -> None:
    done = evaluated(knowledge, SHARED / "data" / "smart-sample-patients-stu3", spool=tmp_path / "spool")
    assert sum(each.records for each in done) == 32
