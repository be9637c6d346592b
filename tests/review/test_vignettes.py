"""Vignettes are cases that `cds-rules test` accepts, say what the rule said of the whole record, and name nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_rules.engine.cases import run_cases
from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import Pack
from cds_rules.review.vignettes import vignette
from tests.store.scenes import SAMPLES

NAMES = sorted(path.parent.name for path in SAMPLES.glob("*/request.json"))


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_says_the_same_of_the_vignette_as_of_the_record(
    knowledge: Knowledge, pack: Pack, tmp_path: Path, name: str
) -> None:
    request = read_request((SAMPLES / name / "request.json").read_bytes())
    assert request.at
    evaluation = evaluate(knowledge, request.call(request.at))
    told = set()
    for number, rule in enumerate(pack.rules):
        state = evaluation.outcomes[rule.id].state if rule.id in evaluation.outcomes else "not-fired"
        if evaluation.hook not in rule.hooks or (state == "not-fired" and number % 6):
            continue
        made = vignette(rule, evaluation, pack.words, "as recorded", speak=False)
        if made is None:
            continue
        told.add(rule.id)
        line = made.line().replace(f'"expect": "{made.ought}"', f'"expect": "{made.said}"')
        file = tmp_path / f"{rule.id}.cases.yaml"
        file.write_text(f"cases:\n  - {line}\n", "utf-8")
        cases, mistakes = read_cases(file, file.name, rule.id, pack.words)
        assert not mistakes
        (result,) = run_cases(rule, cases)
        assert result.passed, (rule.id, result.found, line)
    assert {finding.rule.id for finding in evaluation.findings} <= told, "every card can be told"
