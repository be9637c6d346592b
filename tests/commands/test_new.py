"""`cds-rules new`: a draft that lints and tests once it is listed, and never anything overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Typed, change


def test_a_new_rule_lints_and_tests(typed: Typed, pack: Path) -> None:
    made = typed("new", "trial-rule", "--group", "quinine", "--pack", pack, "--title", 'A "trial": µ rule')
    assert made.code == 0
    assert f"list trial-rule in the group quinine of {pack / 'pack.yaml'}" in made.out

    unlisted = typed("lint", pack)
    assert unlisted.code == 1
    assert 'the rule trial-rule says group "quinine" and is not listed there' in unlisted.out

    change(pack / "pack.yaml", "[quinine-leg-cramps]", "[quinine-leg-cramps, trial-rule]")
    assert typed("lint", pack).code == 0
    tested = typed("test", "trial-rule", "--pack", pack)
    assert (tested.code, tested.out.splitlines()[-1]) == (0, "3 cases, 0 failed")
    assert "not noticed: trial-rule: " in typed("test", "trial-rule", "--pack", pack, "--mutants").out


def test_a_new_rule_is_a_draft_with_a_title_from_its_id(typed: Typed, pack: Path) -> None:
    typed("new", "trial-rule", "--group", "quinine", "--pack", pack)
    text = (pack / "rules/trial-rule.yaml").read_text("utf-8")
    assert 'title: "Trial rule"\n' in text
    assert "status: draft " in text


def test_what_exists_is_left_as_it_is(typed: Typed, pack: Path) -> None:
    before = (pack / "rules/mg-gi-upset.yaml").read_bytes()
    done = typed("new", "mg-gi-upset", "--group", "magnesium-gut", "--pack", pack)
    assert done.code == 2
    assert done.err.endswith("mg-gi-upset.yaml exists and is left as it is\n")
    assert (pack / "rules/mg-gi-upset.yaml").read_bytes() == before


def test_the_schema_is_named_where_it_lies(typed: Typed, pack: Path) -> None:
    typed("new", "without", "--group", "quinine", "--pack", pack)
    assert "$schema" not in (pack / "rules/without.yaml").read_text("utf-8")
    typed("schema", "--write", pack / "schema")
    typed("new", "with-one", "--group", "quinine", "--pack", pack)
    for kind, end in (("rule", ".yaml"), ("cases", ".cases.yaml")):
        [first, *_] = (pack / f"rules/with-one{end}").read_text("utf-8").splitlines()
        assert first == f"# yaml-language-server: $schema=../schema/{kind}.schema.json"


@pytest.mark.parametrize(
    ("identifier", "group", "sentence"),
    [
        ("Bad_Id", "quinine", '"Bad_Id" is not a rule id; small letters, digits and hyphens belong there'),
        ("../away", "quinine", '"../away" is not a rule id'),
        ("trial", "quinin", 'the pack copy has no group "quinin"; did you mean "quinine"?'),
    ],
)
def test_wrong_words_are_a_sentence_and_write_nothing(
    typed: Typed, pack: Path, identifier: str, group: str, sentence: str
) -> None:
    before = sorted(pack.rglob("*"))
    done = typed("new", identifier, "--group", group, "--pack", pack)
    assert done.code == 2
    assert done.err.startswith(f"cds-rules: {sentence}")
    assert sorted(pack.rglob("*")) == before


def test_a_pack_head_that_cannot_be_read_is_told(typed: Typed, pack: Path) -> None:
    (pack / "pack.yaml").write_text("groups: [")
    done = typed("new", "trial", "--group", "quinine", "--pack", pack)
    assert done.code == 2
    assert "copy/pack.yaml:1: not valid YAML" in done.err
