"""Laboratory results: which one counts, limits, flags, bounds, what they were drawn after."""

from __future__ import annotations

import pytest

from cds_rules.derive.statements import slco1b1_function
from tests.derive.charts import (
    ago,
    cramp,
    creatinine,
    derived,
    egfr,
    facts,
    field,
    magnesium,
    medication,
    oxide,
    record,
    result,
    statin,
    sulfate_iv,
)


def flag(*entries: object, code: str = "magnesium", **who: object) -> object:
    return field(derived(*entries, **who), "lab", "flag", code=code)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "expected"), [(1.69, "low"), (1.7, "normal"), (2.4, "normal"), (2.41, "high")])
def test_a_value_on_the_limit_is_normal(value: float, expected: str) -> None:
    assert flag(magnesium(value)) == expected


def test_the_laboratorys_own_limit_is_respected() -> None:
    assert flag(magnesium(2.5, low=1.6, high=2.6)) == "normal"
    assert flag(magnesium(2.7, low=1.6, high=2.6)) == "high"


@pytest.mark.parametrize(
    ("value", "comparator", "expected"),
    [
        (5.0, "<", None),
        (2.0, "<", None),
        (1.7, "<", "low"),
        (1.7, "<=", None),
        (1.6, "<=", "low"),
        (2.4, ">", "high"),
        (2.4, ">=", None),
        (2.5, ">=", "high"),
        (1.0, ">", None),
    ],
)
def test_a_bound_speaks_only_where_it_allows(value: float, comparator: str, expected: str | None) -> None:
    assert flag(magnesium(value, comparator=comparator)) == expected
    assert (field(derived(magnesium(value, comparator=comparator)), "lab", "value") is None) == (expected is None)


def test_a_censored_ck_below_its_limit_is_normal() -> None:
    assert flag(result("ck", 20, comparator="<"), code="ck") == "normal"
    assert flag(result("ck", 1000, comparator="<"), code="ck") is None


def test_a_bound_counts_as_just_beyond() -> None:
    value = field(derived(magnesium(3.0, comparator=">")), "lab", "value")
    assert isinstance(value, float)
    assert 3.0 < value < 3.001


def test_the_latest_counts() -> None:
    assert field(derived(magnesium(1.5, 2), magnesium(2.0, 1)), "lab", "value") == 2.0


def test_at_the_same_time_corrected_beats_final_then_the_worse_value() -> None:
    assert field(derived(creatinine(3.0), creatinine(1.0, correction=2)), "lab", "value", code="creatinine") == 1.0
    assert field(derived(creatinine(1.0), creatinine(3.0)), "lab", "value", code="creatinine") == 3.0
    assert derived(egfr(50), egfr(40)).kidney.egfr == 40


def test_hemolyzed_potassium_is_skipped_and_magnesium_is_not() -> None:
    found = derived(
        result("potassium", 6.1, 1, hemolyzed=True), result("potassium", 3.4, 5), magnesium(2.8, hemolyzed=True)
    )
    assert field(found, "lab", "value", code="potassium") == 3.4
    assert field(found, "lab", "hemolyzed", code="magnesium") is True


def test_ck_ratio_uses_the_reported_or_default_limit() -> None:
    assert field(derived(result("ck", 801, high=200)), "lab", "ratio") == pytest.approx(4.005)
    assert field(derived(result("ck", 680)), "lab", "ratio") == 4.0
    assert field(derived(result("ck", 800), sex="male"), "lab", "ratio") == 4.0
    assert field(derived(result("ck", 800), sex=None), "lab", "ratio") == 4.0


def test_qtc_is_high_above_470_or_480() -> None:
    assert flag(result("qtc", 480), code="qtc") == "normal"
    assert flag(result("qtc", 481), code="qtc") == "high"
    assert flag(result("qtc", 470), code="qtc", sex="male") == "normal"
    assert flag(result("qtc", 471), code="qtc", sex=None) == "high"


def test_another_low_potassium_a_day_earlier() -> None:
    def again(*entries: object) -> object:
        return field(derived(*entries), "lab", "repeatedly_low", code="potassium")  # type: ignore[arg-type]

    latest = result("potassium", 3.3, 0.1)
    assert again(latest, result("potassium", 3.2, 6)) is True
    assert again(latest, result("potassium", 3.2, 1.1)) is True
    assert again(latest, result("potassium", 3.2, 1.0)) is False
    assert again(latest, result("potassium", 3.2, 14.1)) is False
    assert again(latest, result("potassium", 3.5, 6)) is False


def test_band_and_grade_of_the_view() -> None:
    lab = derived(magnesium(7.3)).labs["magnesium"]
    assert lab is not None
    assert (lab.band, lab.grade) == ("severe", 3)
    low = derived(magnesium(0.8)).labs["magnesium"]
    assert low is not None
    assert (low.band, low.grade) == ("none", 3)
    assert round(lab.mmol_l, 2) == 3.0


def test_a_lab_nobody_measured_is_none() -> None:
    assert derived().labs["magnesium"] is None
    assert facts(derived(), "lab") == []


def test_drawn_since_the_latest_start_in_focus() -> None:
    def since(*entries: object, **more: object) -> object:
        return field(derived(*entries, **more), "lab", "since_magnesium")  # type: ignore[arg-type]

    assert since(magnesium(2.0, 10), oxide(start=10)) is True
    assert since(magnesium(2.0, 11), oxide(start=10)) is False
    assert since(magnesium(2.0, 20), oxide(start=10), oxide(start=90)) is False
    assert since(magnesium(2.0, 10), oxide(start=None)) is None
    assert since(magnesium(2.0, 10)) is False


def test_drawn_since_the_diuretic() -> None:
    tablet = medication("chlorthalidone", "thiazide-diuretic", start=30)
    older = medication("furosemide", "loop-diuretic", start=5)

    def since(days: float, *entries: object, hook: str = "patient-view") -> object:
        return field(derived(result("sodium", 132, days), *entries, hook=hook), "lab", "since_diuretic", code="sodium")  # type: ignore[arg-type]

    assert since(30, tablet, cramp(1, 10)) is True
    assert since(31, tablet, cramp(1, 10)) is False
    assert since(20, tablet, older, cramp(1, 10)) is True
    assert since(20, older, cramp(1, 10)) is False  # not implicated: it began after the cramps
    assert since(300, tablet, cramp(1, 10), hook="order-sign") is True


def test_drawn_since_the_statin_and_the_symptom() -> None:
    found = derived(statin(start=40), result("ck", 100, 20), cramp(1, 5))
    assert field(found, "lab", "since_statin") is True
    assert field(found, "lab", "since_symptom") is False
    assert field(derived(statin(start=40), result("ck", 100, 41)), "lab", "since_statin") is False
    assert field(derived(statin(start=40), result("ck", 100, 3), cramp(1, 5)), "lab", "since_symptom") is True


def test_magnesium_started_on_the_day_of_the_result() -> None:
    assert field(derived(magnesium(1.3, 10), oxide(start=8)), "lab", "magnesium_started") is True
    assert field(derived(magnesium(1.3, 10), oxide(start=10)), "lab", "magnesium_started") is True
    assert field(derived(magnesium(1.3, 10), oxide(start=11)), "lab", "magnesium_started") is False
    assert field(derived(magnesium(1.3, 10), sulfate_iv(start=1)), "lab", "magnesium_started") is True
    assert (
        field(derived(magnesium(1.3, 10), oxide(state="draft"), hook="order-sign"), "lab", "magnesium_started") is False
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Poor function", "poor"),
        ("possible decreased function", "decreased"),
        ("Normal function", "normal"),
        ("rs4149056 TC", "decreased"),
        ("CC", "poor"),
        ("T/T", "normal"),
        ("pending", None),
    ],
)
def test_slco1b1_words(text: str, expected: str | None) -> None:
    found = slco1b1_function(record(result("slco1b1", 0, 1500, text=text)))
    assert (found and found[0]) == expected


def test_vitals_are_facts_of_their_own() -> None:
    found = derived(result("hr", 46, 0.1))
    assert field(found, "vital", "value", code="hr") == 46
    assert facts(found, "lab") == []
    assert found.labs["hr"] is not None
    assert found.labs["hr"].at == ago(0.1)
