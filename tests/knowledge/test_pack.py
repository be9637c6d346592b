"""Reading packs: every mistake of a file at once, with place, what was found, what belongs there and the near miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_rules.knowledge.pack import read_pack, read_packs
from cds_rules.knowledge.rules import All, Comparison, Pattern
from cds_rules.vocabulary.errors import PackError

PACK = """\
name: trial
title: A trial pack
version: 1.0.0
source: {label: Trial, url: "https://example.org/"}
parameters:
  old: {value: 75, low: 70, high: 80, unit: a, because: "a project decision"}
  how: {value: once, choices: [once, twice], because: another}
groups:
  - {id: only, title: Only, rules: [trial-rule]}
overrides: {already-addressed: Already addressed}
"""
RULE = """\
title: A trial rule
version: 1.0.0
status: active
group: only
hooks: [patient-view]
reviewed: 2026-11-23
when:
  all:
    - {fact: kidney, tier: {in: [G4, G5]}}
    - {fact: patient, age_years: {ge: $old}}
    - {fact: lab, code: ck, ratio: {gt: 4, le: 10}}
levels:
  - {is: warning}
card: {summary: s, why: w, consider: [c]}
overrides: [already-addressed]
evidence:
  - {supports: "4", grade: A, claim: c, citation: c, numbers: [4, 10]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trial" / "rules").mkdir(parents=True)
    (tmp_path / "trial" / "pack.yaml").write_text(PACK)
    (tmp_path / "trial" / "rules" / "trial-rule.yaml").write_text(RULE)
    return tmp_path / "trial"


def mistakes(folder: Path, old: str, new: str, file: str = "rules/trial-rule.yaml") -> list[str]:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(PackError) as refused:
        read_pack(folder)
    return [str(mistake) for mistake in refused.value.mistakes]


def test_a_good_pack_is_read(folder: Path) -> None:
    rule = read_pack(folder).rules[0]
    assert isinstance(rule.when, All)
    assert rule.when.parts[0] == Pattern("kidney", (Comparison("tier", "in", ("G4", "G5")),))
    assert rule.when.parts[1] == Pattern("patient", (Comparison("age_years", "ge", (75.0,)),))
    assert rule.when.parts[2] == Pattern(
        "lab",
        (Comparison("code", "eq", ("ck",)), Comparison("ratio", "gt", (4.0,)), Comparison("ratio", "le", (10.0,))),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "fact: kidney",
            "fact: kidny",
            'trial/rules/trial-rule.yaml:9: when.all[0].fact: unknown fact "kidny"; did you mean "kidney"?',
        ),
        (
            "tier:",
            "teir:",
            'trial/rules/trial-rule.yaml:9: when.all[0].teir: kidney has no field "teir"; did you mean "tier"?',
        ),
        (
            "[G4, G5]",
            "[G4, G6]",
            'when.all[0].tier.in[1]: unknown word "G6"; one of AKI, DIALYSIS, G3a, G3b, G4, G5, OK, UNKNOWN belongs here',
        ),
        ("{ge: $old}", "{ge: $odl}", 'when.all[1].age_years: unknown parameter "$odl"; did you mean "old"?'),
        ("{ge: $old}", "{ge: old}", 'when.all[1].age_years: found "old"; a number in a belongs here'),
        ("{gt: 4, le: 10}", "{gtt: 4}", 'when.all[2].ratio: unknown comparison "gtt"; did you mean "gt"?'),
        ("code: ck", "code: {lt: 5}", 'when.all[2].code: "lt" compares numbers, and code is text'),
        (
            "is: warning",
            "is: hard-stop",
            'levels[0].is: found "hard-stop"; one of critical, info, warning belongs here',
        ),
        ("status: active", "status: on", 'status: found "on"; one of active, draft, retired belongs here'),
        ("title: A trial rule\n", "", "title: is missing"),
        ("group: only", "group: onyl", 'group: found "onyl"; did you mean "only"?'),
        ("reviewed: 2026-11-23", "reviewed: soon", 'reviewed: found "soon"; a date such as 2026-11-23 belongs here'),
        (
            "overrides: [already-addressed]",
            "overrides: [already-adressed]",
            'overrides: unknown word "already-adressed"; did you mean "already-addressed"?',
        ),
        ("version: 1.0.0", "version: 1", "version: found 1; text belongs here"),
        ("levels:\n  - {is: warning}", "levels: []", "levels: holds 0 entries; at least 1 belong here"),
        (
            "levels:\n  - {is: warning}",
            "levels:\n  - {is: info}\n  - {is: warning}",
            "levels[0]: has no `when`, so the levels after it can never apply",
        ),
        ("{gt: 4, le: 10}", "{gt: .inf}", "when.all[2].ratio: found inf; a finite number"),
        ("when:\n  all:", "when:\n  any: []\n  all:", '"all" stands alone; found beside it: any'),
    ],
)
def test_a_mistake_says_where_what_and_what_belongs_there(folder: Path, old: str, new: str, message: str) -> None:
    assert any(message in mistake for mistake in mistakes(folder, old, new)), mistakes


def test_every_mistake_of_a_file_is_told_at_once(folder: Path) -> None:
    found = mistakes(
        folder, "title: A trial rule\nversion: 1.0.0\nstatus: active", "titel: x\nversion: one\nstatus: on"
    )
    assert len(found) == 4


def test_mistakes_of_several_files_are_told_at_once(folder: Path) -> None:
    (folder / "rules" / "trial-rule.yaml").write_text(RULE.replace("kidney", "kidny"))
    found = mistakes(folder, "value: 75", "value: 90", "pack.yaml")
    assert "parameters.old: value 90 does not fit; between 70 and 80 a belongs here" in found[0]
    assert "kidny" in found[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: a\ntitle: b\n", 'the key "title" stands twice'),
        ("title: [a\n", "not valid YAML"),
        ("- a\n", "found a list; a mapping belongs here"),
        ("", "found nothing; a mapping belongs here"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "rules" / "trial-rule.yaml").write_text(text)
    with pytest.raises(PackError, match=message):
        read_pack(folder)


def test_yaml_is_read_as_version_1_2(folder: Path) -> None:
    """`no` and `on` are words there, not truth values."""
    (folder / "rules" / "trial-rule.yaml").write_text(RULE.replace("title: A trial rule", "title: no"))
    assert read_pack(folder).rules[0].title == "no"


def test_a_group_must_list_just_the_rules_there_are(folder: Path) -> None:
    found = mistakes(folder, "rules: [trial-rule]", "rules: [trail-rule]", "pack.yaml")
    assert any('the rule trial-rule says group "only" and is not listed there' in mistake for mistake in found)
    assert any("the rule trail-rule is listed and has no file rules/trail-rule.yaml" in mistake for mistake in found)


def test_a_rule_file_needs_a_rule_id_as_its_name(folder: Path) -> None:
    (folder / "rules" / "Trial_Rule.yaml").write_text(RULE)
    with pytest.raises(PackError, match=r'the file name "Trial_Rule\.yaml" is not a rule id'):
        read_pack(folder)


def test_a_site_changes_a_parameter_within_its_bounds(folder: Path) -> None:
    (folder / "site.yaml").write_text("old: 72\n")
    (pack,) = read_packs([folder], folder / "site.yaml")
    assert pack.parameters["old"].value == 72
    assert isinstance(pack.rules[0].when, All)
    assert pack.rules[0].when.parts[1] == Pattern("patient", (Comparison("age_years", "ge", (72.0,)),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("old: 90\n", "site.yaml: old: found 90; between 70 and 80 a belongs here (a project decision)"),
        ("odl: 75\n", 'site.yaml: odl: no pack has such a parameter; did you mean "old"?'),
        ("old: many\n", 'site.yaml: old: found "many"; between 70 and 80 a belongs here (a project decision)'),
        ("old: true\n", "site.yaml:1: old: found true; a number belongs here"),
        ("how: thrice\n", 'site.yaml: how: found "thrice"; one of once, twice belongs here (another)'),
        ("how: 2\n", "site.yaml: how: found 2; one of once, twice belongs here (another)"),
        ("old: 72\nold: 73\n", 'site.yaml:2: the key "old" stands twice'),
        ("- old\n", "site.yaml: found a list; a mapping belongs here"),
    ],
)
def test_a_site_file_that_does_not_fit_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "site.yaml").write_text(text)
    with pytest.raises(PackError) as refused:
        read_packs([folder], folder / "site.yaml")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"key,code\n\xff,1\n", "trial/valuesets/labs.csv: cannot be read as CSV in UTF-8"),
        (b"code,display\n1,one\n", "trial/valuesets/labs.csv:1: has no column key"),
    ],
)
def test_a_value_set_that_cannot_be_used_is_named(folder: Path, body: bytes, message: str) -> None:
    (folder / "valuesets").mkdir()
    (folder / "valuesets" / "labs.csv").write_bytes(body)
    with pytest.raises(PackError) as refused:
        read_packs([folder])
    assert message in str(refused.value)


def test_a_rule_names_at_least_one_hook(folder: Path) -> None:
    assert any("hooks: holds no hook" in each for each in mistakes(folder, "hooks: [patient-view]", "hooks: []"))


def test_the_source_of_a_pack_has_an_address(folder: Path) -> None:
    found = mistakes(folder, "https://example.org/", "example.org", "pack.yaml")
    assert any('source.url: found "example.org"; an absolute https address belongs here' in each for each in found)
