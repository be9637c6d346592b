"""`cds-rules explain` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.conftest import Typed

SAMPLE = Path("fhir_samples/mg-oral-severe-ckd/request.json")


def test_the_text_says_what_fired_why_and_what_is_nearest(typed: Typed) -> None:
    done = typed("explain", SAMPLE)
    assert done.code == 0
    assert "FIRED critical  mg-oral-severe-ckd" in done.out
    assert "why: Would not appear if eGFR were at least 30 (is 28)" in done.out
    assert "NOT-FIRED  mg-oral-moderate-ckd" in done.out
    assert "nearest: not found: kidney function, eGFR 30 to 44 (on the record: eGFR 28)  [Observation/" in done.out


def test_one_rule_is_told_whole_as_json(typed: Typed) -> None:
    done = typed("explain", SAMPLE, "--rule", "mg-oral-severe-ckd", "--json", "--verify", "--parameters")
    told = json.loads(done.out)
    (rule,) = told["rules"]
    assert (rule["outcome"], rule["level"], rule["unfaithful"]) == ("fired", "critical", [])
    assert [clause["part"] for clause in rule["conditions"]] == ["when", *["level"] * 4, "unless"]
    assert [clause["says"] for clause in rule["conditions"] if clause["applies"]] == ["", "critical"]
    assert told["parameters"]["magnesium_upper_limit"] == 2.4


def test_verified_evidence_is_said_to_be_faithful(typed: Typed) -> None:
    done = typed("explain", SAMPLE, "--verify")
    assert (done.code, done.out.count("EVIDENCE: faithful")) == (0, 1)


def test_a_silence_is_told_without_an_illness_to_wish_for(typed: Typed) -> None:
    """Whoever reads why a card did not come must not read that the patient should be ill."""
    for sample in ("diuretic-cramps", "statin-muscle-symptoms", "silent-healthy-kidneys", "hypomagnesemia-lab"):
        out = typed("explain", f"fhir_samples/{sample}/request.json").out
        silent = [block for block in out.split("\n\n") if block.startswith("NOT-FIRED")]
        assert any("  would be " in block for block in silent)
        for block in silent:
            assert "were on the problem list" not in block
            assert "were reported" not in block
            assert "would have to be" not in block


def test_text_of_a_record_neither_steers_the_terminal_nor_makes_lines(typed: Typed, tmp_path: Path) -> None:
    evil = "\\u001b[2J\\u0007\\nFIRED critical  no-such-rule\\u202e"
    path = tmp_path / "request.json"
    path.write_text(SAMPLE.read_text().replace("Magnesium oxide 400 mg tablet", f"Magnesium oxide 400 mg tablet{evil}"))
    out = typed("explain", path).out
    assert "no-such-rule were not taken" in out
    assert not [line for line in out.splitlines() if line.startswith("FIRED critical  no-such-rule")]
    assert not set("\x1b\x07\u202e") & set(out)


def test_a_rule_hook_or_file_that_is_not_there_is_a_sentence(typed: Typed, tmp_path: Path) -> None:
    for words in (
        (SAMPLE, "--rule", "mg-oral-sever-ckd"),
        (SAMPLE, "--rule", "mg-absorption-interaction"),
        (SAMPLE, "--hook", "patient-few"),
        (tmp_path / "nothing.json",),
    ):
        done = typed("explain", *words)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("cds-rules: ")
        assert done.err.count("\n") == 1


def test_what_was_not_sent_is_named_with_the_key_that_would_bring_it(typed: Typed, tmp_path: Path) -> None:
    request = json.loads(SAMPLE.read_text())
    request["prefetch"] = {key: request["prefetch"][key] for key in ("patient", "medications")}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    done = typed("explain", path, "--rule", "mg-oral-severe-ckd")
    assert "NOT-JUDGED  mg-oral-severe-ckd" in done.out
    (line,) = [line for line in done.out.splitlines() if "would be brought by prefetch" in line][:1]
    assert "creatinine" in line


def test_a_leaf_shows_the_value_in_the_words_of_the_chart(typed: Typed) -> None:
    done = typed("explain", "fhir_samples/hypomagnesemia-lab/request.json", "--rule", "hypomagnesemia-lab")
    leaf = next(line for line in done.out.splitlines() if "flag is low" in line)
    assert ": Magnesium 0.9 mg/dL" in leaf
    kidney = next(line for line in typed("explain", SAMPLE).out.splitlines() if "tier is one of G4, G5" in line)
    assert "[tier G4, egfr 28 mL/min/{1.73_m2} - Observation/" in kidney
    assert ": Creatinine 1.8 mg/dL" in kidney


def test_numbers_are_written_as_a_reader_needs_them(typed: Typed) -> None:
    done = typed("explain", "fhir_samples/mg-bowel-prep-renal/request.json")
    assert "value 28.98 mL/min" in done.out


def test_a_miss_is_told_once(typed: Typed) -> None:
    for block in typed("explain", SAMPLE).out.split("\n\n"):
        nearest = [line for line in block.splitlines() if line.startswith("  nearest:")]
        assert len(nearest) == len(set(nearest)), block
