"""`cds-rules schema`: what docs/schema holds is what the reader knows, and it holds for every file of our pack."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tests.commands.conftest import Typed
from tests.conftest import PACK_FOLDER

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
RULES_AND_PACK = [
    path
    for path in (PACK_FOLDER / "pack.yaml", *sorted(PACK_FOLDER.glob("rules/*.yaml")))
    if not path.name.endswith(".cases.yaml")
]
TRANSLATIONS = sorted(PACK_FOLDER.glob("languages/*/**/*.yaml"))
KINDS = ("rule", "cases", "pack", "words", "texts")


def kind_of(path: Path) -> str:
    """Which schema a file of a pack is written to."""
    if path.name in ("pack.yaml", "words.yaml"):
        return path.stem
    if path.parents[2].name == "languages":
        return "texts"
    return "cases" if path.name.endswith(".cases.yaml") else "rule"


def document(path: Path) -> Any:
    """A file as an editor sees it: dates are text there."""

    def plain(value: Any) -> Any:
        match value:
            case dict():
                return {key: plain(each) for key, each in value.items()}
            case list():
                return [plain(each) for each in value]
            case date():
                return value.isoformat()
        return value

    return plain(YAML(typ="safe", pure=True).load(path.read_text("utf-8")))


@pytest.fixture(scope="module")
def validators() -> dict[str, Draft202012Validator]:
    found = {}
    for kind in KINDS:
        schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text("utf-8"))
        Draft202012Validator.check_schema(schema)
        found[kind] = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_schemas_in_docs_are_current(typed: Typed, kind: str) -> None:
    current = (SCHEMAS / f"{kind}.schema.json").read_text("utf-8") == typed("schema", kind).out
    assert current, "docs/schema is behind the code: run `cds-rules schema --write docs/schema`"


def test_all_are_written_where_none_is_named(typed: Typed, tmp_path: Path) -> None:
    assert typed("schema", "--write", tmp_path / "a/b").code == 0
    assert {path.name for path in (tmp_path / "a/b").iterdir()} == {f"{kind}.schema.json" for kind in KINDS}
    assert typed("schema", "rule", "--write", tmp_path / "one").code == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["rule.schema.json"]


@pytest.mark.parametrize(
    "path",
    [PACK_FOLDER / "pack.yaml", *sorted(PACK_FOLDER.glob("rules/*.yaml")), *TRANSLATIONS],
    ids=lambda path: f"{path.parents[1].name}/{path.name}",
)
def test_every_file_of_our_pack_holds_to_its_schema(validators: dict[str, Draft202012Validator], path: Path) -> None:
    errors = validators[kind_of(path)].iter_errors(document(path))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize(
    "path", [*RULES_AND_PACK, *TRANSLATIONS], ids=lambda path: f"{path.parents[1].name}/{path.name}"
)
def test_the_pack_its_rules_and_their_translations_name_their_schema(path: Path) -> None:
    [first, *_] = path.read_text("utf-8").splitlines()
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SCHEMAS / f"{kind_of(path)}.schema.json"


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("rules/mg-gi-upset.yaml", ("statos",), "active"),
        ("rules/mg-gi-upset.yaml", ("status",), "activ"),
        ("rules/mg-gi-upset.yaml", ("reviewed",), "yesterday"),
        ("rules/mg-gi-upset.yaml", ("hooks",), ["patient-vew"]),
        ("rules/mg-gi-upset.yaml", ("when",), {"fact": "magnesum", "focal_oral": True}),
        ("rules/mg-gi-upset.yaml", ("when",), {"fact": "magnesium", "focal": "yes"}),
        ("rules/mg-gi-upset.yaml", ("when",), {"fact": "medication", "class": "ppy"}),
        ("rules/mg-gi-upset.yaml", ("when",), {"fact": "magnesium", "total_mg": {"above": 3}}),
        ("rules/mg-gi-upset.yaml", ("when",), {"fact": "kidney", "tier": {"in": ["G9"]}}),
        ("rules/mg-gi-upset.cases.yaml", ("cases", 0, "expect"), "inform"),
        ("rules/mg-gi-upset.cases.yaml", ("cases", 0, "with"), {"kidny": {"tier": "G4"}}),
        ("rules/mg-gi-upset.cases.yaml", ("cases", 0, "with"), {"kidney": {"tier": "G9"}}),
        ("rules/mg-gi-upset.cases.yaml", ("cases",), []),
        ("pack.yaml", ("links", "nih-magnesium", "url"), "ods.od.nih.gov"),
        ("pack.yaml", ("removals", 0, "at_least"), "severe"),
        ("pack.yaml", ("parameters",), {"dose": {"value": "350", "low": 250, "high": 400, "because": "a decision"}}),
    ],
)
def test_the_schemas_refuse_what_lint_refuses(
    validators: dict[str, Draft202012Validator],
    typed: Typed,
    pack: Path,
    name: str,
    place: tuple[str | int, ...],
    wrong: object,
) -> None:
    spoiled = document(pack / name)
    holder = spoiled
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = wrong
    assert not validators[kind_of(pack / name)].is_valid(spoiled)
    YAML(typ="safe", pure=True).dump(spoiled, pack / name)
    assert typed("lint", pack).code == 1


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("words", {"name": "Deutsch", "decimal": ",", "day": "%d.%m.%Y"}),
        ("words", {"name": "Deutsch", "decimal": ",", "day": "%d.%m.%Y", "words": {"leg": ""}}),
        ("texts", {"title": "a", "summary": "b", "why": "c", "consider": "d"}),
        ("texts", {"title": "a", "summary": "b", "why": "c", "consider": ["d"], "levels": []}),
    ],
)
def test_the_schemas_of_translations_refuse_what_the_reader_refuses(
    validators: dict[str, Draft202012Validator], kind: str, wrong: object
) -> None:
    assert not validators[kind].is_valid(wrong)


def test_a_kind_that_is_none_is_a_sentence(typed: Typed) -> None:
    assert (
        typed("schema", "card").err
        == 'cds-rules: "card" is no kind of file; one of cases, pack, rule, texts, words belongs here\n'
    )
    assert typed("schema").err == "cds-rules: rule, cases, pack, words or texts belongs here\n"
