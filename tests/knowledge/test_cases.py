"""The cases beside the rules pass and hold them."""

from __future__ import annotations

import pytest

from cds_rules.commands.test import CAUGHT_AT_LEAST, run
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import read_packs
from tests.conftest import PACK_FOLDER

REPORTS = {report.rule.id: report for report in run(read_packs([PACK_FOLDER]), with_mutants=True)}


@pytest.mark.parametrize("rule", REPORTS)
def test_the_cases_of_a_rule_pass(rule: str) -> None:
    report = REPORTS[rule]
    assert not report.mistakes
    assert [(each.case.name, each.case.expect, each.found, each.disagreements) for each in report.failed] == []


def test_cases_notice_almost_every_mutant() -> None:
    alive = [f"{report.rule.id}: {mutant.fault}" for report in REPORTS.values() for mutant in report.survivors]
    count = sum(report.mutants for report in REPORTS.values())
    assert len(alive) <= (1 - CAUGHT_AT_LEAST) * count, "\n".join(alive)


def test_mistakes_in_cases_are_told(tmp_path) -> None:
    path = tmp_path / "x.cases.yaml"
    path.write_text(
        "given: {kidny: {tier: G4}}\ncases:\n  - {name: a, expect: loud}\n  - {name: b, expect: info, with: {kidney: {tier: G9}}}\n"
    )
    _, mistakes = read_cases(path, "x.cases.yaml", "x", {})
    told = "\n".join(map(str, mistakes))
    assert 'given.kidny: unknown fact "kidny"; did you mean "kidney"?' in told
    assert 'cases[0].expect: found "loud"' in told
    assert 'cases[1].with.kidney[0].tier: found "G9"; kidney.tier is one of OK' in told
