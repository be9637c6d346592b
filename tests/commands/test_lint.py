"""`cds-rules lint`: everything at once, in sentences, and the right exit code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.commands.conftest import Typed, change


def test_our_pack_is_clean_of_errors(typed: Typed) -> None:
    done = typed("lint", "magnesium_cramps")
    assert (done.code, [line for line in done.out.splitlines() if line.startswith("error")]) == (0, [])


def test_every_mistake_of_every_file_is_named_at_once(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-total-dose.yaml", "fact: magnesium, focal_oral", "fact: magnesum, focal_oral")
    change(pack / "rules/mg-total-dose.yaml", "reviewed: 2026-11-23", "reviewed: soon")
    change(pack / "rules/mg-gi-upset.yaml", "status: active", "status: activ")
    change(pack / "pack.yaml", "quinine-leg-cramps", "quinine-leg-cramp")
    done = typed("lint", pack)
    assert done.code == 1
    told = [re.sub(r"yaml:\d+:", "yaml:", line) for line in done.out.splitlines()]
    assert told == [
        'error: copy/pack.yaml: groups: the rule quinine-leg-cramps says group "quinine" and is not listed there',
        'error: copy/pack.yaml: groups: the rule quinine-leg-cramp is listed and has no file rules/quinine-leg-cramp.yaml; did you mean "quinine-leg-cramps"?',
        'error: copy/rules/mg-gi-upset.yaml: status: found "activ"; did you mean "active"?',
        'error: copy/rules/mg-total-dose.yaml: reviewed: found "soon"; a date such as 2026-11-23 belongs here',
        'error: copy/rules/mg-total-dose.yaml: when.all[0].fact: unknown fact "magnesum"; did you mean "magnesium"?',
    ]
    lines = (pack / "rules/mg-total-dose.yaml").read_text("utf-8").splitlines()
    [number] = [number for number, line in enumerate(lines, 1) if "magnesum" in line]
    assert f"mg-total-dose.yaml:{number}: when" in done.out
    assert done.err == "5 errors, 0 warnings\n"


def test_a_key_that_stands_twice_hides_no_other_mistake(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-total-dose.yaml", "fact: magnesium, focal_oral", "fact: magnesum, focal_oral")
    change(pack / "rules/mg-total-dose.yaml", "status: active", "status: active\nstatus: draft\nversion: 2.0.0")
    change(pack / "rules/mg-gi-upset.cases.yaml", "cases:", "cases:\n  - {name: typo, expect: inof}\ncases:")
    german = pack / "languages/de"
    (german / "rules").mkdir(parents=True)
    (german / "words.yaml").write_text("name: Deutsch\ndecimal: ','\nday: '%d.%m.%Y'\nwords: {}\n", "utf-8")
    card = "title: eins\ntitle: zwei\nwhyy: was\nsummary: a\nwhy: b\nconsider: [c]\n"
    (german / "rules/mg-gi-upset.yaml").write_text(card, "utf-8")
    change(pack / "pack.yaml", "version:", "version: 0.1.0\nversoin: 1\nversion:")
    told = {re.sub(r"yaml:\d+:", "yaml:", line) for line in typed("lint", pack).out.splitlines()}
    assert told == {
        'error: copy/pack.yaml: the key "version" stands twice',
        'error: copy/pack.yaml: versoin: unknown key "versoin"; did you mean "version"?',
        'error: copy/rules/mg-total-dose.yaml: the key "status" stands twice',
        'error: copy/rules/mg-total-dose.yaml: the key "version" stands twice',
        'error: copy/rules/mg-total-dose.yaml: when.all[0].fact: unknown fact "magnesum"; did you mean "magnesium"?',
        'error: copy/languages/de/rules/mg-gi-upset.yaml: the key "title" stands twice',
        'error: copy/languages/de/rules/mg-gi-upset.yaml: whyy: unknown key "whyy"; did you mean "why"?',
        'error: copy/rules/mg-gi-upset.cases.yaml: the key "cases" stands twice',
        'error: copy/rules/mg-gi-upset.cases.yaml: cases[0].expect: found "inof"; did you mean "info"?',
    }


def test_a_number_nothing_stands_behind_is_an_error(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-oral-aki.yaml", "age_days: {le: 3}", "age_days: {le: 4}")
    done = typed("lint", pack)
    assert done.code == 1
    assert "no evidence entry names the number 4 (lab.age_days)" in done.out


def test_a_number_equal_to_a_parameter_is_not_backed_by_it(typed: Typed, pack: Path) -> None:
    text = (pack / "pack.yaml").read_text("utf-8")
    (pack / "pack.yaml").write_text(
        f"{text}\nparameters:\n  window: {{value: 4, low: 3, high: 5, unit: d, because: a decision}}\n", "utf-8"
    )
    change(pack / "rules/mg-oral-aki.yaml", "age_days: {le: 3}", "age_days: {le: 4}")
    done = typed("lint", pack)
    assert "no evidence entry names the number 4 (lab.age_days)" in done.out
    assert "copy/pack.yaml: parameters.window: is read by nothing; take it out" in done.out
    assert "evidence[3].numbers: no condition of the rule compares with 3; take it out" in done.out
    change(pack / "rules/mg-oral-aki.yaml", "age_days: {le: 4}", "age_days: {le: $window}")
    change(pack / "rules/mg-oral-aki.yaml", "numbers: [3]", "numbers: []")
    assert typed("lint", pack).out == ""


def test_ages_and_what_suggestions_rest_on_need_evidence_too(typed: Typed, pack: Path) -> None:
    change(
        pack / "rules/mg-oral-aki.yaml",
        "{offer: order-bmp}",
        "{offer: order-bmp, when: {fact: patient, age_years: {ge: 70}}}",
    )
    assert "suggestions[2]: no evidence entry names the number 70 (patient.age_years)" in typed("lint", pack).out


def test_a_critical_level_that_an_unconfirmed_symptom_can_carry_is_an_error(typed: Typed, pack: Path) -> None:
    change(pack / "rules/quinine-leg-cramps.yaml", "cramp: true, confirmed: true,", "cramp: true,")
    told = typed("lint", pack).out.splitlines()
    assert told == [
        "error: copy/rules/quinine-leg-cramps.yaml: levels[0]: symptom: cramp is true and age_days <= 90: may be unconfirmed"
        " and still carry a critical card. Add `confirmed: true`, and a level below for what is not confirmed."
    ]


def test_a_measured_value_beside_an_unconfirmed_symptom_is_a_ground_of_its_own(typed: Typed, pack: Path) -> None:
    change(
        pack / "rules/quinine-leg-cramps.yaml",
        "- {fact: symptom, cramp: true, confirmed: true, age_days: {le: 90}}",
        "- all: [{fact: symptom, cramp: true, age_days: {le: 90}}, {fact: lab, code: qtc, value: {ge: 500}}]",
    )
    assert typed("lint", pack).out == ""


def test_a_template_that_cannot_be_read_is_an_error(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-gi-upset.yaml", "'diarrhea' in gut_keys %}", "'diarrhea' in gut_keys }")
    done = typed("lint", pack)
    assert done.code == 1
    assert "rules/mg-gi-upset.yaml: card.consider[1]: not a valid template: " in done.out


def test_cases_that_are_missing_are_named_once(typed: Typed, pack: Path) -> None:
    (pack / "rules/mg-gi-upset.cases.yaml").unlink()
    assert typed("lint", pack).out == (
        "error: copy/rules/mg-gi-upset.cases.yaml: is missing; the cases of mg-gi-upset belong there\n"
    )


def test_each_level_and_silence_need_a_case(typed: Typed, pack: Path) -> None:
    (pack / "rules/mg-gi-upset.cases.yaml").write_text(
        "cases:\n  - {name: kidneys not known, gaps: [symptom, magnesium], expect: not-judged}\n"
    )
    assert typed("lint", pack).out.splitlines() == [
        "error: copy/rules/mg-gi-upset.cases.yaml: no case in which the rule is info. Add one.",
        "error: copy/rules/mg-gi-upset.cases.yaml: no silent case. Add one.",
    ]


def test_warnings_end_with_an_exit_code_only_when_asked(typed: Typed, pack: Path) -> None:
    change(pack / "rules/mg-gi-upset.yaml", "reviewed: 2026-11-23", "reviewed: 2020-01-01")
    (pack / "rules/mg-gi-upset.bak").touch()
    done = typed("lint", pack)
    assert done.code == 0
    assert "warning: copy/rules/mg-gi-upset.yaml: reviewed: reviewed on 2020-01-01, more than 365 days ago" in done.out
    assert "warning: copy/rules/mg-gi-upset.bak: belongs to no rule of the pack" in done.out
    assert typed("lint", pack, "--strict").code == 1


def test_two_packs_may_not_share_a_rule(typed: Typed, pack: Path) -> None:
    done = typed("lint", pack, "magnesium_cramps")
    assert done.code == 1
    assert (
        "error: magnesium_cramps/rules/mg-gi-upset.yaml: the pack magnesium-cramps has a rule of this id already"
        in done.out
    )


def test_a_site_file_that_does_not_fit_is_told_by_every_command_that_takes_one(typed: Typed, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("dialysis_window: 90\n")
    told = "site.yaml: dialysis_window: found 90; between 28 and 45 d belongs here"
    assert told in typed("lint", "--parameters", site).out
    for words in (("test", "mg-gi-upset"), ("replay", tmp_path), ("serve", "--port", "0")):
        done = typed(*words, "--parameters", site)
        assert (done.code, told in done.err) == (2, True), words
    site.write_text("dialysis_window: 40\n")
    assert typed("lint", "--parameters", site).code == 0
