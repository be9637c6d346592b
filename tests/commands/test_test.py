"""`cds-rules test`: the table, what failed, what no case noticed, and the exit code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.commands.conftest import RULES, Typed, change


def test_one_rule_passes_and_is_counted(typed: Typed) -> None:
    done = typed("test", "mg-gi-upset", "--mutants")
    assert done.code == 0
    counted = re.fullmatch(r"(\d+) cases, 0 failed; (\d+) of (\d+) mutants noticed", done.out.splitlines()[-1])
    assert counted
    cases, noticed, mutants = counted.groups()
    [row] = [line for line in done.out.splitlines() if line.startswith("│")]
    assert row.replace("│", " ").split() == ["mg-gi-upset", cases, "0", mutants, noticed]
    assert "mg-oral-aki" not in done.out


def test_all_rules_stand_in_the_table(typed: Typed, pack: Path) -> None:
    done = typed("test", "--pack", pack)
    assert done.code == 0
    rows = {line.split()[1] for line in done.out.splitlines() if line.startswith("│")}
    assert rows == {rule for rules in RULES.values() for rule in rules}


def test_a_case_that_fails_is_named(typed: Typed, pack: Path) -> None:
    cases = pack / "rules/mg-gi-upset.cases.yaml"
    change(cases, "diarrhoea on magnesium, expect: info", "diarrhoea on magnesium, expect: critical")
    done = typed("test", "mg-gi-upset", "--pack", pack)
    assert done.code == 1
    assert "failed: mg-gi-upset: diarrhoea on magnesium: expected critical, found info" in done.out
    assert done.out.splitlines()[-1].endswith(" cases, 1 failed")


def test_a_case_that_cannot_be_read_is_named(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-gi-upset.cases.yaml", "expect: info", "expect: inform")
    done = typed("test", "mg-gi-upset", "--pack", pack)
    assert done.code == 1
    assert 'cases[0].expect: found "inform"; did you mean "info"?' in done.out


def test_mutants_that_nobody_notices_are_named(typed: Typed, pack: Path) -> None:
    (pack / "rules/mg-gi-upset.cases.yaml").write_text("cases:\n  - {name: nothing at all, expect: silent}\n")
    assert typed("test", "mg-gi-upset", "--pack", pack).code == 0
    done = typed("test", "mg-gi-upset", "--pack", pack, "--mutants")
    assert done.code == 1
    assert "not noticed: mg-gi-upset: ages.from: one year more" in done.out


def test_a_pack_that_cannot_be_read_is_told_and_not_tested(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-gi-upset.yaml", "status: active", "status: activ")
    done = typed("test", "--pack", pack)
    assert (done.code, done.out) == (2, "")
    assert re.fullmatch(
        r'cds-rules: copy/rules/mg-gi-upset\.yaml:\d+: status: found "activ"; did you mean "active"\?\n', done.err
    )


def test_an_unknown_rule_is_a_sentence(typed: Typed) -> None:
    done = typed("test", "mg-gi-upst")
    assert (done.code, done.out) == (2, "")
    assert done.err == 'cds-rules: no rule has the id "mg-gi-upst"; did you mean "mg-gi-upset"?\n'
