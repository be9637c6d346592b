"""Units: every known spelling converts, contradictions are refused, the published examples hold."""

from __future__ import annotations

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.knowledge.tables import UCUM, tables, terminology
from tests.shared import SHARED, needs_shared

FACTORS = {(row["key"], row["ucum"]) for row in tables()["unit_conversions"]}
KEYS = sorted({key for key, _ in FACTORS})
SPELLINGS = [(row["raw"], row["ucum"]) for row in tables()["units"]]
ACCEPTED = [(key, raw) for raw, ucum in SPELLINGS for key in KEYS if (key, ucum) in FACTORS]


@pytest.mark.parametrize(("key", "raw"), ACCEPTED)
def test_every_known_spelling_converts_as_unit_and_as_code(key: str, raw: str) -> None:
    as_unit = terminology().convert(key, 2.0, raw, "", "")
    assert isinstance(as_unit, float)
    assert as_unit > 0
    assert terminology().convert(key, 2.0, "", raw, UCUM) == as_unit
    assert terminology().convert(key, 2.0, f"  {raw} ", raw, UCUM) == as_unit


@pytest.mark.parametrize(
    "unit", ["umol/L", "\u00b5mol/L", "\u03bcmol/L", "UMOL/L", "mcmol/L", "micromol/L", "\u00b5mol/l "]
)
def test_micro_is_understood_however_it_is_written(unit: str) -> None:
    assert terminology().convert("creatinine", 88.4, unit, "", "") == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("key", "unit", "code"),
    [
        ("magnesium", "mmol/L", "mg/dL"),
        ("magnesium", "mEq/L", "mmol/L"),
        ("creatinine", "umol/L", "mg/dL"),
        ("creatinine", "g/dL", "mg/dL"),
        ("calcium", "mg/dL", "mmol/L"),
    ],
)
def test_unit_and_code_that_contradict_each_other_are_not_believed(key: str, unit: str, code: str) -> None:
    assert terminology().convert(key, 2.0, unit, code, UCUM) == "unit-conflict"


def test_unit_and_code_that_mean_the_same_number_agree() -> None:
    assert terminology().convert("potassium", 3.4, "mEq/L", "mmol/L", UCUM) == 3.4
    assert terminology().convert("ck", 300, "IU/L", "[IU]/L", UCUM) == 300


def test_a_code_of_another_system_leaves_the_word_to_the_unit() -> None:
    assert terminology().convert("magnesium", 1.0, "mmol/L", "258813002", "http://snomed.info/sct") == pytest.approx(
        2.4305
    )


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("magnesium", ""),
        ("creatinine", ""),
        ("potassium", "mg/dL"),
        ("tsh", "ng/mL"),
        ("ck", "ng/mL"),
        ("albumin", "umol/L"),
    ],
)
def test_a_missing_or_foreign_unit_is_unusable(key: str, unit: str) -> None:
    assert terminology().convert(key, 2.0, unit, "", "") == "unit"


def test_egfr_may_stand_without_unit_or_area() -> None:
    assert terminology().convert("egfr_reported", 28, "", "", "") == 28
    assert terminology().convert("egfr_reported", 28, "mL/min", "mL/min", UCUM) == 28


def test_an_unknown_key_has_no_unit() -> None:
    assert terminology().convert("hemoglobin", 14, "g/dL", "g/dL", UCUM) == "unit"
    assert terminology().canonical_unit("hemoglobin") == ""


def test_potassium_in_meq_per_dl_becomes_a_number_no_one_lives_with() -> None:
    value = terminology().convert("potassium", 4.2, "mEq/dL", "", "")
    assert isinstance(value, float)
    assert not terminology().plausible("potassium", value)


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("creatinine", 0.1, 30),
        ("magnesium", 0.2, 25),
        ("potassium", 1, 12),
        ("sodium", 90, 200),
        ("calcium", 3, 20),
        ("ck", 1, 500000),
        ("qtc", 200, 900),
        ("egfr_reported", 1, 250),
    ],
)
def test_implausible_values_are_known_on_both_sides(key: str, low: float, high: float) -> None:
    plausible = terminology().plausible
    assert plausible(key, low)
    assert plausible(key, high)
    assert not plausible(key, math.nextafter(low, -math.inf))
    assert not plausible(key, math.nextafter(high, math.inf))


@given(st.sampled_from(ACCEPTED), st.floats(0.01, 1e5), st.floats(1.001, 100))
def test_conversion_keeps_proportions(accepted: tuple[str, str], value: float, times: float) -> None:
    key, unit = accepted
    one, more = terminology().convert(key, value, unit, "", ""), terminology().convert(key, value * times, unit, "", "")
    assert isinstance(one, float)
    assert isinstance(more, float)
    assert more / one == pytest.approx(times)


@given(st.sampled_from(KEYS), st.floats(0.01, 1e5))
def test_the_canonical_unit_changes_nothing(key: str, value: float) -> None:
    assert terminology().convert(key, value, terminology().canonical_unit(key), "", "") == value


def _convert_rows() -> list[dict[str, str]]:
    path = SHARED / "clinical" / "worked_examples.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["formula"] == "convert"]


@needs_shared
def test_the_worked_conversions_hold() -> None:
    rows = _convert_rows()
    assert len(rows) > 50
    for row in rows:
        given_ = dict(
            part.split("=", 1) for name in ("input1", "input2", "input3", "input4", "input5") if (part := row[name])
        )
        found = terminology().converted(given_["analyte"], float(given_["value"]), given_["from"], given_["to"])
        assert found == pytest.approx(float(row["expected"]), abs=float(row["tolerance"])), row
