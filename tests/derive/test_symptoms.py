"""Symptoms: true cramps, what came after which drug, toxicity, severe deficiency, direction."""

from __future__ import annotations

import pytest

from tests.derive.charts import (
    cramp,
    derived,
    facts,
    field,
    magnesium,
    medication,
    oxide,
    problem,
    result,
    statin,
    symptom,
)


@pytest.mark.parametrize(
    "site", ["leg", "calf", "foot", "toe", "thigh", "hip", "buttock", "arm", "hand", "back", "generalized", "muscle"]
)
def test_muscle_sites_make_a_true_cramp(site: str) -> None:
    assert field(derived(cramp(site=site)), "symptom", "cramp") is True


@pytest.mark.parametrize("site", ["abdomen", "stomach", "pelvis", "uterus", "menstrual", "chest", "other"])
def test_other_sites_never_do(site: str) -> None:
    assert field(derived(cramp(site=site, muscle_specific=True)), "symptom", "cramp") is False


def test_without_a_site_the_code_decides() -> None:
    assert field(derived(cramp(site=None)), "symptom", "cramp") is False
    assert field(derived(cramp(site=None, muscle_specific=True)), "symptom", "cramp") is True


def test_after_a_diuretic_the_same_day_counts() -> None:
    tablet = medication("indapamide", "thiazide-diuretic", start=40)
    assert field(derived(tablet, cramp(1, 40)), "symptom", "after_diuretic") is True
    assert field(derived(tablet, cramp(1, 41)), "symptom", "after_diuretic") is False
    unknown = medication("indapamide", "thiazide-diuretic", start=None)
    assert field(derived(unknown, cramp(1, 1100)), "symptom", "after_diuretic") is True
    assert field(derived(cramp(), gaps=["medications"]), "symptom", "after_diuretic") is None


def test_after_magnesium_looks_at_the_record() -> None:
    assert field(derived(oxide(start=10), symptom("diarrhea", 10, 30)), "symptom", "after_magnesium") is True
    assert field(derived(oxide(start=10), symptom("diarrhea", 11)), "symptom", "after_magnesium") is False
    assert field(derived(symptom("diarrhea", 11)), "symptom", "after_magnesium") is False


@pytest.mark.parametrize("key", ["diarrhea", "bloating", "nausea", "abdominal-cramp"])
def test_gut_symptoms(key: str) -> None:
    assert field(derived(symptom(key)), "symptom", "gut") is True


def test_a_cramp_record_at_the_abdomen_is_of_the_gut() -> None:
    assert field(derived(cramp(site="abdomen")), "symptom", "gut") is True
    assert field(derived(cramp(site="calf")), "symptom", "gut") is False


@pytest.mark.parametrize("key", ["muscle-pain", "muscle-tenderness", "muscle-weakness"])
def test_statin_period(key: str) -> None:
    assert field(derived(statin(start=21), symptom(key, 1, 21)), "symptom", "statin_period") is True
    assert field(derived(statin(start=21), symptom(key, 1, 22)), "symptom", "statin_period") is False
    assert field(derived(symptom(key)), "symptom", "statin_period") is False


def test_statin_period_ends_seven_days_after_the_statin() -> None:
    def period(stop: float) -> object:
        return field(derived(statin(start=90, state="stopped", stop=stop), cramp()), "symptom", "statin_period")

    assert period(7) is True
    assert period(7.1) is False


def test_statin_period_needs_a_symptom_of_30_days() -> None:
    assert field(derived(statin(start=90), cramp(30)), "symptom", "statin_period") is True
    assert field(derived(statin(start=90), cramp(30.1)), "symptom", "statin_period") is False


def test_chest_and_abdominal_pain_are_no_statin_symptoms() -> None:
    assert field(derived(statin(start=90), symptom("muscle-pain", site="chest")), "symptom", "statin_period") is False


def test_a_first_statin_draft_counts_every_symptom() -> None:
    assert field(derived(statin(state="draft"), cramp(1, 900), hook="order-sign"), "symptom", "statin_period") is True
    both = derived(statin(state="draft"), statin(start=10), cramp(1, 900), hook="order-sign")
    assert field(both, "symptom", "statin_period") is False


@pytest.mark.parametrize("key", ["seizure", "tetany", "ventricular-arrhythmia"])
def test_severe_deficiency_for_seven_days(key: str) -> None:
    assert field(derived(symptom(key, 7)), "symptom", "severe_deficiency") is True
    assert field(derived(symptom(key, 7.1)), "symptom", "severe_deficiency") is False
    assert field(derived(symptom(key, 1, confirmed=False)), "symptom", "severe_deficiency") is False


def test_torsades_as_a_condition_is_a_severe_sign() -> None:
    found = derived(problem("torsades", 7))
    assert field(found, "symptom", "severe_deficiency", key="torsades") is True
    assert field(found, "patient", "torsades") is True
    assert field(derived(problem("torsades", 7.1)), "patient", "torsades") is False
    assert field(derived(gaps=["conditions"]), "patient", "torsades") is None


def present(*entries: object, **more: object) -> object:
    return field(derived(*entries, **more), "toxicity", "present")  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["hyporeflexia", "flaccid-paralysis", "respiratory-depression"])
def test_one_specific_major_sign_is_enough(key: str) -> None:
    assert present(symptom(key, 7)) is True
    assert present(symptom(key, 7.1)) is False


def test_another_major_sign_needs_a_further_one() -> None:
    assert present(symptom("bradycardia")) is False
    assert present(symptom("bradycardia"), symptom("lethargy")) is True
    assert present(symptom("bradycardia"), symptom("hypotension")) is True


def test_two_minor_signs_are_needed() -> None:
    assert present(symptom("lethargy")) is False
    assert present(symptom("lethargy"), symptom("confusion")) is True
    assert field(derived(symptom("lethargy"), symptom("confusion")), "toxicity", "major") is False


def test_nausea_and_vomiting_count_once() -> None:
    assert present(symptom("nausea"), symptom("vomiting")) is False
    assert present(symptom("nausea"), symptom("flushing")) is True


@pytest.mark.parametrize(("key", "sick", "well"), [("rr", 11, 12), ("sbp", 89, 90), ("hr", 49, 50)])
def test_vital_signs_of_24_hours(key: str, sick: float, well: float) -> None:
    with_one_more = symptom("lethargy")
    assert present(result(key, sick, 1), with_one_more) is True
    assert present(result(key, well, 1), with_one_more) is False
    assert present(result(key, sick, 1.1), with_one_more) is False


def test_vital_signs_speak_for_adults_only() -> None:
    assert present(result("rr", 10, 0.1), age=18) is True
    assert present(result("rr", 10, 0.1), age=17) is False
    assert present(result("rr", 10, 0.1), age=None) is False


def test_a_sign_by_code_and_by_number_counts_once() -> None:
    assert present(symptom("hypotension"), result("sbp", 80, 0.1)) is False


def test_unconfirmed_signs_do_not_count() -> None:
    assert present(symptom("hyporeflexia", confirmed=False)) is False


def test_signs_that_were_not_delivered_are_not_absent() -> None:
    assert present(gaps=["vitals"]) is None
    assert present(symptom("hyporeflexia"), gaps=["vitals"]) is True


def test_a_level_since_the_oldest_sign() -> None:
    def measured(*entries: object, **more: object) -> object:
        return field(derived(*entries, **more), "toxicity", "level_measured")  # type: ignore[arg-type]

    assert measured(symptom("hyporeflexia", 3), magnesium(2.0, 3)) is True
    assert measured(symptom("hyporeflexia", 3), magnesium(2.0, 3.1)) is False
    assert measured(symptom("hyporeflexia", 0.1), magnesium(2.0, 1)) is True
    assert measured(symptom("hyporeflexia", 0.1)) is False
    assert measured(symptom("hyporeflexia", 0.1), gaps=["labs"]) is None


@pytest.mark.parametrize(
    ("keys", "verdict"),
    [
        ((), "no pattern"),
        (("nausea", "fatigue"), "no pattern"),
        (("lethargy",), "points to excess"),
        (("tremor",), "points to deficiency"),
        (("tremor", "depression"), "mixed"),
    ],
)
def test_direction(keys: tuple[str, ...], verdict: str) -> None:
    assert derived(*(symptom(key) for key in keys)).direction.verdict == verdict


def test_direction_counts_true_cramps_only() -> None:
    assert derived(cramp(site="abdomen")).direction.verdict == "no pattern"
    assert derived(cramp()).direction.deficiency == ("muscle cramp",)


def test_cramps_view_is_newest_first() -> None:
    found = derived(cramp(20), cramp(2), cramp(31))
    assert [round(each.age_days) for each in found.cramps] == [2, 20]
    assert len(facts(found, "symptom", cramp=True)) == 3
