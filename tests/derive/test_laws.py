"""Laws that hold for every patient."""

from __future__ import annotations

from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from cds_rules.derive.kidneys import (
    aki_criteria,
    creatinine_clearance_ml_min,
    egfr_ckd_epi_2021,
    egfr_ckd_epi_2021_cystatin,
    tier_of_egfr,
)
from cds_rules.vocabulary.chart import Sex
from tests.derive.charts import (
    Entry,
    cramp,
    creatinine,
    derived,
    egfr,
    elemental,
    magnesium,
    medication,
    oxide,
    problem,
    result,
    statin,
    symptom,
)

CREATININE = st.floats(0.1, 30)
AGE = st.integers(18, 110)
SEX = st.sampled_from(get_args(Sex))
WORSE = ("OK", "G3a", "G3b", "G4", "G5")


@given(CREATININE, CREATININE, AGE, SEX)
def test_egfr_never_rises_with_creatinine(one: float, other: float, age: int, sex: Sex) -> None:
    low, high = sorted((one, other))
    assert egfr_ckd_epi_2021(low, age, sex) >= egfr_ckd_epi_2021(high, age, sex) - 1e-9
    assert creatinine_clearance_ml_min(low, age, 70, sex) >= creatinine_clearance_ml_min(high, age, 70, sex)


@given(CREATININE, st.floats(0.1, 10), AGE, AGE, SEX)
def test_egfr_falls_with_age(value: float, cystatin: float, one: int, other: int, sex: Sex) -> None:
    young, old = sorted((one, other))
    assert egfr_ckd_epi_2021(value, young, sex) >= egfr_ckd_epi_2021(value, old, sex)
    assert egfr_ckd_epi_2021_cystatin(value, cystatin, young, sex) >= egfr_ckd_epi_2021_cystatin(
        value, cystatin, old, sex
    )


@given(st.floats(1, 250), st.floats(1, 250))
def test_tier_is_monotone(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert WORSE.index(tier_of_egfr(low)) >= WORSE.index(tier_of_egfr(high))


@given(CREATININE, CREATININE, st.lists(st.tuples(st.floats(0, 365), CREATININE), max_size=6))
def test_aki_stage_is_monotone_in_the_newest_creatinine(
    one: float, other: float, earlier: list[tuple[float, float]]
) -> None:
    low, high = sorted((one, other))
    assert aki_criteria(low, earlier).stage <= aki_criteria(high, earlier).stage


@given(st.lists(st.integers(1, 2000), max_size=6), st.randoms())
def test_the_total_is_the_sum_in_any_order(amounts: list[int], random: object) -> None:
    products = [elemental(mg) for mg in amounts]
    random.shuffle(products)  # type: ignore[attr-defined]
    assert derived(*products).magnesium.total_mg == sum(amounts)


ENTRIES: tuple[Entry, ...] = (
    creatinine(1.9, 0.2), creatinine(0.9, 60), creatinine(0.9, 200), creatinine(1.8, 0.2), egfr(40, 30), magnesium(2.9),
    magnesium(1.2), result("potassium", 3.3), result("potassium", 3.2, 3), result("calcium", 8.0), result("albumin", 3.0),
    result("albumin", 2.0), oxide(), oxide(400, 2, "mg-laxative"), statin(), statin("atorvastatin", 40),
    medication("furosemide", "loop-diuretic"), medication("clarithromycin"), problem("diabetes"), problem("diabetes", 10),
    problem("torsades", 1), cramp(), cramp(3, 9), cramp(), symptom("lethargy"), symptom("confusion"),
    medication("ciprofloxacin", "fluoroquinolone", state="draft", selected=True),
)  # fmt: skip
TABLES = {
    "statin_interactions": [{"statin": "simvastatin", "partner": "clarithromycin", "effect": "contra", "cap_mg": ""}]
}


@given(st.permutations(ENTRIES), st.sampled_from(["patient-view", "order-sign"]))
@settings(max_examples=60)
def test_the_order_of_the_chart_never_matters(entries: list[Entry], hook: str) -> None:
    first, second = derived(*ENTRIES, hook=hook, tables=TABLES), derived(*entries, hook=hook, tables=TABLES)

    def said(found: object) -> list[str]:
        return [
            repr((each.kind, each.fields, [s for s in each.sources if "Patient" not in s.reference]))
            for each in found.facts
        ]  # type: ignore[attr-defined]

    assert sorted(said(first)) == sorted(said(second))
    assert first.differential.items == second.differential.items
    assert [each.name for each in first.magnesium.products] == [each.name for each in second.magnesium.products]
