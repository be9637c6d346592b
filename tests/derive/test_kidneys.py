"""Kidney function: choice of eGFR, tier, acute injury, dialysis, clearance."""

from __future__ import annotations

import pytest

from cds_rules.derive.kidneys import egfr_ckd_epi_2021, tier_of_egfr
from tests.derive.charts import creatinine, derived, egfr, event, field, problem, result


def tier(*entries: object, **who: object) -> object:
    return derived(*entries, **who).kidney.tier  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (60, "OK"),
        (59.5, "OK"),
        (59.4, "G3a"),
        (45, "G3a"),
        (44.4, "G3b"),
        (29.5, "G3b"),
        (29.4, "G4"),
        (14.5, "G4"),
        (14.4, "G5"),
    ],
)
def test_tier_follows_the_rounded_egfr(value: float, expected: str) -> None:
    assert tier(egfr(value)) == expected
    assert tier_of_egfr(value) == expected


def test_children_need_a_height() -> None:
    assert tier(creatinine(1.6), age=10) == "UNKNOWN"
    found = derived(creatinine(1.6), result("height", 150, 365), age=10).kidney
    assert (found.tier, found.method) == ("G3b", "bedside Schwartz")
    assert tier(creatinine(1.6), result("height", 150, 365.5), age=10) == "UNKNOWN"


def test_ckd_epi_refuses_children() -> None:
    with pytest.raises(ValueError, match="18 years"):
        egfr_ckd_epi_2021(1.0, 17, "male")


def test_unknown_sex_takes_the_lower_estimate() -> None:
    found = derived(creatinine(1.5), age=70, sex=None).kidney
    assert found.egfr == min(egfr_ckd_epi_2021(1.5, 70, "female"), egfr_ckd_epi_2021(1.5, 70, "male"))
    assert "sex not known" in found.notes[0]


def test_a_report_up_to_a_day_older_than_the_creatinine_wins() -> None:
    assert not derived(egfr(50, 3), creatinine(3.0, 2)).kidney.computed
    assert derived(egfr(50, 3.01), creatinine(3.0, 2)).kidney.computed


def test_a_report_stands_in_when_the_newer_creatinine_cannot_be_computed() -> None:
    found = derived(egfr(28, 30), creatinine(2.0, 2), age=None).kidney
    assert (found.tier, found.computed) == ("G4", False)
    assert "could not be turned into an eGFR" in found.notes[0]


def test_the_method_of_a_report_is_named() -> None:
    assert derived(egfr(50, method="MDRD")).kidney.method == "MDRD"
    assert derived(creatinine(1.0)).kidney.method == "CKD-EPI 2021"


@pytest.mark.parametrize(
    ("value", "comparator", "rounded"), [(15, "<", 14), (60, ">", 60), (60, ">=", 60), (90, ">", 90), (15, "<=", 15)]
)
def test_comparators_of_a_report(value: float, comparator: str, rounded: int) -> None:
    assert derived(egfr(value, comparator=comparator)).kidney.egfr_rounded == rounded


def test_good_news_reassures_for_365_days() -> None:
    assert tier(egfr(82, 365)) == "OK"
    assert tier(egfr(82, 365.1)) == "UNKNOWN"


@pytest.mark.parametrize(("days", "expected"), [(365.1, "G4"), (730, "G4"), (730.1, "UNKNOWN")])
def test_bad_news_counts_for_730_days(days: float, expected: str) -> None:
    assert tier(egfr(26, days)) == expected


def test_old_egfr_and_recorded_stage_take_the_worse() -> None:
    assert tier(egfr(75, 400), problem("ckd-4")) == "G4"
    assert tier(egfr(26, 400), problem("ckd-3b")) == "G4"
    assert tier(egfr(75, 400), problem("ckd-3a")) == "UNKNOWN"


def test_a_recent_egfr_speaks_alone() -> None:
    assert tier(egfr(75, 300), problem("ckd-4")) == "OK"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("ckd-3b", "G3b"),
        ("ckd-4", "G4"),
        ("ckd-5", "G5"),
        ("ckd-3a", "UNKNOWN"),
        ("ckd-3-unspecified", "UNKNOWN"),
        ("ckd-unspecified", "UNKNOWN"),
    ],
)
def test_without_an_egfr_the_recorded_stage_counts(key: str, expected: str) -> None:
    assert tier(problem(key)) == expected


def test_unconfirmed_and_resolved_stages_do_not_count() -> None:
    assert tier(problem("ckd-5", confirmed=False)) == "UNKNOWN"
    assert tier(problem("ckd-5", active=False)) == "UNKNOWN"


def test_creatinine_of_one_in_pregnancy_is_impaired() -> None:
    pregnant = problem("pregnant", 60)
    assert tier(creatinine(1.0, 30), pregnant, age=30) == "G3b"
    assert tier(creatinine(0.99, 30), pregnant, age=30) == "OK"
    assert tier(creatinine(1.0, 30.1), pregnant, age=30) == "OK"
    assert tier(creatinine(4.0, 30), pregnant, age=30) == "G4"
    assert "not validated in pregnancy" in derived(creatinine(0.6), pregnant, age=30).kidney.notes[0]


def test_dialysis_outranks_everything() -> None:
    assert tier(egfr(80), problem("dialysis")) == "DIALYSIS"
    assert tier(creatinine(7.4, 0.1), creatinine(4.1, 2), problem("dialysis")) == "DIALYSIS"


def test_a_dialysis_procedure_counts_for_30_days() -> None:
    assert tier(event("dialysis", 30)) == "DIALYSIS"
    assert tier(event("dialysis", 30.1)) == "UNKNOWN"
    assert tier(event("dialysis", None, ongoing=True)) == "DIALYSIS"


def test_a_transplant_after_the_last_dialysis_clears_it() -> None:
    assert tier(egfr(60), problem("dialysis", 900), event("kidney-transplant", 300)) == "OK"
    assert tier(egfr(60), problem("dialysis", 200), event("kidney-transplant", 300)) == "DIALYSIS"
    assert tier(egfr(60), problem("dialysis", 900), problem("kidney-transplant", 300)) == "OK"
    assert tier(egfr(60), problem("dialysis", None), problem("kidney-transplant", None)) == "DIALYSIS"


def test_a_rise_within_48_hours() -> None:
    found = derived(creatinine(1.3, 0.2), creatinine(1.0, 2.2)).kidney
    assert found.aki is not None
    assert (found.tier, found.aki.stage, found.aki.criterion) == ("AKI", 1, "rise")
    assert (found.aki.old and found.aki.old.value, found.aki.new and found.aki.new.value) == (1.0, 1.3)
    assert tier(creatinine(1.29, 0.2), creatinine(1.0, 2.2)) == "G3a"
    assert tier(creatinine(1.3, 0.2), creatinine(1.0, 2.3)) == "G3a"


def test_a_rise_of_26_5_umol_counts() -> None:
    assert tier(creatinine(115 / 88.4, 0.2), creatinine(88.5 / 88.4, 1)) == "AKI"


def test_the_newest_creatinine_is_at_most_seven_days_old() -> None:
    assert tier(creatinine(2.0, 7), creatinine(1.0, 30)) == "AKI"
    assert tier(creatinine(2.0, 7.1), creatinine(1.0, 30)) != "AKI"


def test_the_median_of_8_to_365_days_is_a_reference() -> None:
    found = derived(creatinine(1.9, 0.2), creatinine(0.8, 60), creatinine(1.0, 200)).kidney
    assert found.aki is not None
    assert (found.aki.stage, found.aki.reference_mg_dl) == (2, 0.9)
    assert tier(creatinine(1.9, 0.2), creatinine(0.9, 365.3)) != "AKI"


def test_a_recorded_injury_counts_for_14_days() -> None:
    assert tier(creatinine(1.0, 2), problem("aki", 14)) == "AKI"
    assert tier(creatinine(1.0, 2), problem("aki", 14.1)) == "OK"
    assert tier(creatinine(1.0, 2), problem("aki", None)) == "OK"


def test_a_recorded_injury_is_cleared_by_a_recovered_creatinine() -> None:
    assert tier(creatinine(1.25, 2), creatinine(1.0, 20), problem("aki", 10)) == "G3a"
    assert tier(creatinine(1.3, 2), creatinine(1.0, 20), problem("aki", 10)) == "AKI"


def test_no_egfr_stage_is_inferred_during_injury() -> None:
    found = derived(creatinine(3.0, 0.1), creatinine(1.0, 1))
    assert found.kidney.tier == "AKI"
    assert field(found, "kidney", "aki_stage") == 3


def test_what_was_not_delivered_never_reassures() -> None:
    assert tier(egfr(90), gaps=["procedures"]) is None
    assert tier(gaps=["labs"]) is None
    assert tier(egfr(28), gaps=["conditions"]) == "G4"
    found = derived(egfr(90), gaps=["conditions"])
    assert field(found, "kidney", "impaired") is None
    assert field(found, "kidney", "aki_stage") is None


def test_clearance_takes_the_lower_of_both_sexes_when_unknown() -> None:
    both = [derived(creatinine(1.1), result("weight", 60), age=70, sex=sex).kidney.crcl for sex in ("female", "male")]
    unknown = derived(creatinine(1.1), result("weight", 60), age=70, sex=None).kidney.crcl
    assert unknown == min(each for each in both if each is not None)


def test_clearance_needs_a_weight_of_a_year() -> None:
    assert derived(creatinine(1.1), result("weight", 60, 365.5)).kidney.crcl is None
    found = derived(creatinine(1.1, 15), result("weight", 45), result("height", 150), age=80)
    assert field(found, "vital", "value", code="crcl") == pytest.approx(28.9773, abs=0.001)


def test_cystatin_is_shown_but_does_not_override() -> None:
    found = derived(creatinine(1.8, 10), result("cystatin_c", 1.9, 100), age=78).kidney
    assert found.egfr_cystatin == pytest.approx(29.2542, abs=0.01)
    assert found.egfr_rounded == 28
    assert derived(creatinine(1.8, 10), result("cystatin_c", 1.9, 100.1), age=78).kidney.egfr_cystatin is None
