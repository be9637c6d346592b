from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.fhir.builders import AT, ICD, LOINC, ago, coded, condition, lab, only, read, reasons

CRAMP = coded(ICD, "R25.2")


def observed(code: object = None, **over: object) -> dict[str, object]:
    return lab("o", value=None, days=3, **over) | {"code": code or coded(LOINC, "75325-1", "Symptom")}  # type: ignore[arg-type]


def test_a_reported_finding_is_a_symptom_with_site_and_onset() -> None:
    body = observed(
        valueCodeableConcept=CRAMP,
        bodySite={"text": "left calf"},
        effectiveDateTime=None,
        effectivePeriod={"start": ago(9), "end": ago(2)},
    )
    symptom = only(read(body).chart.symptoms)
    assert (symptom.key, symptom.site, symptom.side, symptom.muscle_specific) == ("muscle-cramp", "calf", "left", True)
    assert (symptom.recorded, symptom.onset) == (AT - timedelta(days=2), AT - timedelta(days=9))


@pytest.mark.parametrize(
    "value",
    [
        {"valueBoolean": True},
        {"valueCodeableConcept": coded("http://snomed.info/sct", "373066001", "Yes")},
        {"valueCodeableConcept": {"text": "Moderate"}},
        {"valueString": "present"},
        {},
    ],
)
def test_a_code_that_names_the_symptom_counts_when_it_is_affirmed(value: dict[str, object]) -> None:
    assert only(read(observed(CRAMP, **value)).chart.symptoms).key == "muscle-cramp"


@pytest.mark.parametrize(
    "value",
    [
        {"valueBoolean": False},
        {"valueCodeableConcept": coded("http://snomed.info/sct", "373067005", "No")},
        {"valueCodeableConcept": {"text": "Absent"}},
        {"valueString": "No"},
    ],
)
def test_a_denied_symptom_is_none(value: dict[str, object]) -> None:
    reading = read(observed(CRAMP, **value))
    assert not reading.chart.symptoms
    assert not reading.chart.unread


def test_a_question_without_answer_is_none() -> None:
    reading = read(observed({"coding": [{"system": LOINC, "code": "R25.2"}]}))
    assert reasons(reading) == {"Observation/o": "no-value"}


def test_family_history_is_not_a_symptom() -> None:
    assert not read(observed({"text": "Family history"}, valueCodeableConcept=CRAMP)).chart.symptoms


def test_myoglobinuria_may_be_a_finding() -> None:
    assert [problem.key for problem in read(observed(valueCodeableConcept=coded(ICD, "R82.1"))).chart.problems] == [
        "myoglobinuria"
    ]
    assert not read(observed(valueCodeableConcept=coded(ICD, "N18.4"))).chart.problems


def test_a_condition_may_be_a_symptom() -> None:
    symptom = only(read(condition(code="M79.1", days=4, onsetDateTime=ago(20))).chart.symptoms)
    assert (symptom.key, symptom.onset, symptom.recorded) == (
        "muscle-pain",
        AT - timedelta(days=20),
        AT - timedelta(days=4),
    )


def test_two_sides_of_one_site_are_both() -> None:
    sites = [{"text": "left calf"}, {"text": "right calf"}]
    symptom = only(read(condition(code="R25.2", bodySite=sites)).chart.symptoms)
    assert (symptom.site, symptom.side) == ("calf", "bilateral")


def test_two_sites_are_two_symptoms() -> None:
    sites = [{"text": "left calf"}, {"text": "abdomen"}]
    assert {symptom.site for symptom in read(condition(code="R25.2", bodySite=sites)).chart.symptoms} == {
        "calf",
        "abdomen",
    }


def test_a_symptom_that_is_over_or_undated_has_its_reason() -> None:
    assert reasons(read(condition(code="R25.2", clinicalStatus={"text": "resolved"}))) == {"Condition/c": "status"}
    assert reasons(read(condition(code="R25.2", days=None))) == {"Condition/c": "no-date"}


@pytest.mark.parametrize(
    ("written", "onset"),
    [
        ("2026", None),
        ("2026-02", None),
        ("2026-01", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2024", datetime(2024, 12, 31, 12, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, 12, tzinfo=UTC)),
    ],
)
def test_an_onset_without_a_day_is_taken_as_late_as_it_can_be(written: str, onset: datetime | None) -> None:
    """Else a cramp of this year would seem older than every drug begun this year, and its card would be missing."""
    body = condition(code="R25.2", days=20, onsetDateTime=written)
    assert only(read(body).chart.symptoms).onset == onset
