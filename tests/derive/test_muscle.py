"""Muscle: the partial SAMS-CI score of a chart, contributors, the checklist."""

from __future__ import annotations

from tests.derive.charts import ago, cramp, derived, medication, problem, result, statin, symptom


def test_the_highest_scoring_symptom_is_taken() -> None:
    found = derived(statin(start=21), cramp(1, 5, "thigh", side="bilateral"), symptom("muscle-pain", 1, 5)).sams_ci
    assert found is not None
    assert found.points == 6
    assert found.words.startswith("SAMS-CI partial 6 of 11;")
    assert found.missing == ("improvement after stopping", "recurrence on rechallenge")


def test_an_increase_counts_as_a_start() -> None:
    found = derived(statin(start=300, dose_increased=ago(20)), cramp(1, 5, "calf", side="left")).sams_ci
    assert found is not None
    assert (found.site_points, found.onset_points) == (1, 3)


def test_an_unknown_start_leaves_the_onset_open() -> None:
    found = derived(statin(start=None), cramp(1, 5)).sams_ci
    assert found is not None
    assert found.onset_points is None


def test_no_score_without_a_symptom() -> None:
    assert derived(statin()).sams_ci is None


def test_contributors() -> None:
    found = derived(
        statin("atorvastatin", 80),
        result("tsh", 9.0),
        result("vitamin_d_25oh", 12),
        result("egfr_reported", 29),
        result("slco1b1", 0, text="decreased function"),
        result("potassium", 3.2),
        problem("alcohol-use-disorder"),
        medication("salmeterol", "beta2-agonist"),
        age=76,
    ).statin_contributors
    assert found == (
        "high dose intensity (atorvastatin 80 mg)",
        "TSH above range (9 mIU/L)",
        "25-hydroxyvitamin D 12 ng/mL",
        "eGFR 29",
        "age 76",
        "alcohol use disorder",
        "SLCO1B1 decreased function",
        "salmeterol",
        "low potassium (3.2 mmol/L)",
    )
    assert derived(statin(mg=20), age=75).statin_contributors == ()


def test_the_checklist_opens_with_what_the_chart_holds() -> None:
    found = derived(problem("pad"), medication("furosemide", "loop-diuretic"), cramp(timing="exertional")).differential
    assert [each.text.split(":")[0] for each in found.present] == ["diuretic", "peripheral artery disease"]
    assert "furosemide" in found.found
    assert "idiopathic nocturnal cramps" in found.further


def test_the_checklist_speaks_of_dialysis_only_there() -> None:
    assert "dialysate" in derived(problem("dialysis")).differential.found
    assert "dialysate" not in derived().differential.further
