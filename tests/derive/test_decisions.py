"""What a site decides changes what is derived, and only that (clinical specification, the marks [P])."""

from __future__ import annotations

import pytest

from cds_rules.knowledge.decisions import Decisions
from cds_rules.vocabulary.frozen import replace
from tests.derive.charts import creatinine, derived, field, problem, result


@pytest.mark.parametrize(("limit", "flag"), [(2.4, "high"), (2.5, "normal"), (2.9, "normal")])
def test_the_upper_limit_of_magnesium_is_the_sites_where_the_laboratory_sends_none(limit: float, flag: str) -> None:
    found = derived(result("magnesium", 2.5, 1), decisions=Decisions(magnesium_upper_limit=limit))
    assert field(found, "lab", "flag", code="magnesium") == flag


def test_the_laboratorys_own_limits_stand_above_the_sites() -> None:
    own = replace(result("magnesium", 2.7, 1), low=1.6, high=2.6)
    assert (
        field(derived(own, decisions=Decisions(magnesium_upper_limit=2.9)), "lab", "flag", code="magnesium") == "high"
    )


def test_bands_follow_the_site() -> None:
    lab = derived(result("magnesium", 4.8, 1), decisions=Decisions(mg_band_moderate=5.0)).labs["magnesium"]
    assert lab is not None
    assert lab.band == "mild"


def test_the_limit_of_ck_follows_the_site_by_sex() -> None:
    decided = Decisions(ck_upper_limit=300.0, ck_upper_limit_female=200.0)
    assert field(derived(result("ck", 900, 1), decisions=decided, sex="male"), "lab", "ratio", code="ck") == 3
    assert field(derived(result("ck", 900, 1), decisions=decided, sex="female"), "lab", "ratio", code="ck") == 4.5


def test_the_weeks_baseline_can_stand_before_the_years() -> None:
    """1.4 now, 1.3 five days ago, 0.8 before: a plateau after an injury that only the median shows."""
    series = (creatinine(1.4, 0.5), creatinine(1.3, 5), creatinine(0.8, 60), creatinine(0.8, 200))
    assert derived(*series).kidney.tier == "AKI"
    assert derived(*series, decisions=Decisions(aki_reference="week-first")).kidney.tier != "AKI"
    alone = (series[0], *series[2:])
    assert derived(*alone, decisions=Decisions(aki_reference="week-first")).kidney.tier == "AKI"


def test_cystatin_c_changes_the_egfr_only_where_the_site_says_so() -> None:
    entries = (creatinine(1.8, 10), result("cystatin_c", 1.1, 12))
    shown = derived(*entries, age=78).kidney
    used = derived(*entries, age=78, decisions=Decisions(egfr_basis="creatinine-cystatin-c")).kidney
    assert shown.method == "CKD-EPI 2021"
    assert used.method == "CKD-EPI 2021 with cystatin C"
    assert used.egfr == shown.egfr_cystatin != shown.egfr
    assert {source.reference for source in used.sources} > {source.reference for source in shown.sources}


def test_statin_limits_follow_the_measure_of_the_site() -> None:
    """60 years, creatinine 1.2 and 45 kg: eGFR 52, clearance 35 mL/min."""
    entries = (creatinine(1.2, 10), result("weight", 45, 10))
    assert field(derived(*entries), "kidney", "dosing_tier") == "G3a"
    by_clearance = derived(*entries, decisions=Decisions(statin_kidney_measure="crcl"))
    assert field(by_clearance, "kidney", "dosing_tier") == "G3b"
    assert field(by_clearance, "kidney", "tier") == "G3a", "magnesium is judged by eGFR all the same"
    without_weight = derived(entries[0], decisions=Decisions(statin_kidney_measure="crcl"))
    assert field(without_weight, "kidney", "dosing_tier") == "G3a", "no weight: eGFR is used, nothing is reassured"


def test_a_provisional_diagnosis_counts_only_where_the_site_says_so() -> None:
    provisional = problem("ckd-4", confirmed=False)
    assert derived(provisional).kidney.tier == "UNKNOWN"
    counting = Decisions(unconfirmed_conditions="count")
    assert derived(provisional, decisions=counting).kidney.tier == "G4"
    block = problem("av-block-2-3", confirmed=False)
    assert field(derived(block), "condition", "confirmed", key="av-block-2-3") is False
    assert field(derived(block, decisions=counting), "condition", "confirmed", key="av-block-2-3") is True
