"""The commands for rule authors, as they are typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cds_rules.cli import commands
from tests.conftest import PACK_FOLDER

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    given = [sys.executable, "-m", "cds_rules.cli", *map(str, words)]
    return subprocess.run(given, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of our pack that a test may spoil."""
    return shutil.copytree(PACK_FOLDER, tmp_path / "copy")


def test_our_pack_is_clean() -> None:
    done = typed("lint", "--strict")
    assert (done.returncode, done.stdout) == (0, "")


def test_lint_names_every_mistake(pack: Path) -> None:
    rule = pack / "rules" / "mg-total-dose.yaml"
    rule.write_text(
        rule.read_text()
        .replace("fact: magnesium, focal_oral", "fact: magnesum, focal_oral")
        .replace("grade: A", "grade: Z")
    )
    done = typed("lint", "--pack", pack)
    assert done.returncode == 1
    assert 'unknown fact "magnesum"; did you mean "magnesium"?' in done.stdout
    assert 'found "Z"; one of A, B, C belongs here' in done.stdout
    assert "Traceback" not in done.stderr


def test_lint_names_a_number_nothing_stands_behind(pack: Path) -> None:
    rule = pack / "rules" / "mg-oral-aki.yaml"
    rule.write_text(rule.read_text().replace("age_days: {le: 3}", "age_days: {le: 4}"))
    done = typed("lint", "--pack", pack)
    assert done.returncode == 1
    assert "no evidence entry names the number 4 (lab.age_days)" in done.stdout


def test_lint_warns_past_the_review_date(pack: Path) -> None:
    rule = pack / "rules" / "mg-gi-upset.yaml"
    rule.write_text(rule.read_text().replace("reviewed: 2026-11-23", "reviewed: 2020-01-01"))
    assert typed("lint", "--pack", pack).returncode == 0
    done = typed("lint", "--pack", pack, "--strict")
    assert done.returncode == 1
    assert "warning: copy/rules/mg-gi-upset.yaml: reviewed: reviewed on 2020-01-01" in done.stdout


def test_test_passes_and_counts() -> None:
    done = typed("test", "mg-gi-upset", "--mutants")
    assert done.returncode == 0, done.stdout
    assert "9 cases, 0 failed; 14 of 14 mutants noticed" in done.stdout


def test_test_names_a_case_that_fails(pack: Path) -> None:
    cases = pack / "rules" / "mg-gi-upset.cases.yaml"
    cases.write_text(
        cases.read_text().replace("diarrhoea on magnesium, expect: info", "diarrhoea on magnesium, expect: critical")
    )
    done = typed("test", "mg-gi-upset", "--pack", pack)
    assert done.returncode == 1
    assert "mg-gi-upset: diarrhoea on magnesium: expected critical, found info" in done.stdout


def test_a_new_rule_lints_and_tests(pack: Path) -> None:
    done = typed("new", "trial-rule", "--group", "quinine", "--pack", pack, "--title", 'A "trial": rule')
    assert done.returncode == 0, done.stderr
    head = pack / "pack.yaml"
    head.write_text(head.read_text().replace("rules: [quinine-leg-cramps]", "rules: [quinine-leg-cramps, trial-rule]"))
    assert typed("lint", "--pack", pack).stdout == ""
    tested = typed("test", "trial-rule", "--pack", pack)
    assert tested.returncode == 0, tested.stdout
    again = typed("new", "trial-rule", "--group", "quinine", "--pack", pack)
    assert again.returncode == 2
    assert "exists and is left as it is" in again.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("lint", "--pack", "nope"),
            '"nope" is neither an installed pack (magnesium_cramps) nor a folder with a pack.yaml',
        ),
        (("test", "no-such-rule"), 'no rule "no-such-rule" in these packs'),
        (("new", "Bad_Id", "--group", "g", "--pack", str(PACK_FOLDER)), '"Bad_Id" is not a rule id'),
        (("schema", "card"), 'found "card"; rule, cases or pack belongs here'),
    ],
)
def test_wrong_words_give_one_sentence(words: tuple[str, ...], sentence: str) -> None:
    done = typed(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["rule", "cases", "pack"])
def test_the_schemas_in_docs_are_current(kind: str) -> None:
    assert (SCHEMAS / f"{kind}.schema.json").read_text() == typed("schema", kind).stdout


def test_the_schema_knows_the_words_of_the_value_sets() -> None:
    schema = json.loads((SCHEMAS / "rule.schema.json").read_text())
    assert "thiazide-diuretic" in json.dumps(schema)


def test_every_command_says_what_it_does() -> None:
    assert all(command.callback and command.callback.__doc__ for command in commands.registered_commands)
