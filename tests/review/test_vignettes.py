"""Vignettes are cases that `cds-rules test` accepts, say what the rule said of the whole record, and name nobody."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cds_rules.engine.cases import run_cases
from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import Pack
from cds_rules.review.vignettes import vignette
from cds_rules.vocabulary.facts import Between
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


def test_a_number_known_by_its_ends_stays_one(pack: Pack, tmp_path: Path) -> None:
    told = 0
    for rule in pack.rules:
        path = pack.folder / "rules" / f"{rule.id}.cases.yaml"
        for case in read_cases(path, path.name, rule.id, pack.words)[0]:
            if not any(isinstance(value, Between) for each in case.facts for value in each.fields.values()):
                continue
            world = SimpleNamespace(gaps=case.gaps)
            evaluation: Any = SimpleNamespace(
                hook=case.hook, derived=SimpleNamespace(facts=case.facts), settled=SimpleNamespace(world=world)
            )
            made = vignette(rule, evaluation, pack.words, case.name, speak=False)
            if made is None:
                continue
            line = json.dumps(json.loads(made.line()) | {"expect": case.expect})
            file = tmp_path / "x.cases.yaml"
            file.write_text(f"cases:\n  - {line}\n", "utf-8")
            cases, mistakes = read_cases(file, file.name, rule.id, pack.words)
            assert not mistakes
            assert run_cases(rule, cases)[0].passed, (rule.id, line)
            told += 1
    assert told > 5
