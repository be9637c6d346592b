from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fhir.builders import AT, LOINC, ago, coded, lab, only, patient, read, reasons


def test_a_value_keeps_what_was_charted_and_where() -> None:
    result = only(read(lab(value=159.12, unit="umol/L", days=2)).chart.results)
    assert (result.key, round(result.value, 6), result.unit) == ("creatinine", 1.8, "mg/dL")
    assert (result.source.reference, result.source.value, result.source.label) == (
        "Observation/lab",
        "159.12 umol/L",
        "a test",
    )
    assert result.at == AT - timedelta(days=2)


@pytest.mark.parametrize("status", ["registered", "preliminary", "cancelled", "unknown", None, "nonsense"])
def test_only_finished_results_count(status: str | None) -> None:
    reading = read(lab(status=status))
    assert not reading.chart.results
    assert reasons(reading) == {"Observation/lab": "status"}


@pytest.mark.parametrize(("status", "rank"), [("final", 0), ("amended", 1), ("corrected", 2)])
def test_corrections_outrank(status: str, rank: int) -> None:
    assert only(read(lab(status=status)).chart.results).correction == rank


def test_an_error_is_called_one() -> None:
    assert reasons(read(lab(status="entered-in-error"))) == {"Observation/lab": "entered-in-error"}


def test_dates_are_taken_in_order() -> None:
    dated = {"effectiveDateTime": None, "issued": ago(1), "effectivePeriod": {"start": ago(9), "end": ago(5)}}
    assert only(read(lab(**dated)).chart.results).at == AT - timedelta(days=5)
    assert only(read(lab(**dated | {"effectivePeriod": None})).chart.results).at == AT - timedelta(days=1)
    assert reasons(read(lab(effectiveDateTime=None))) == {"Observation/lab": "no-date"}
    assert reasons(read(lab(effectiveDateTime="yesterday"))) == {"Observation/lab": "no-date"}


@pytest.mark.parametrize(("minutes", "counts"), [(4, True), (5, True), (6, False)])
def test_the_future_begins_after_five_minutes(minutes: int, counts: bool) -> None:
    reading = read(lab(days=-minutes / 1440))
    assert bool(reading.chart.results) is counts
    assert reasons(reading) == ({} if counts else {"Observation/lab": "future"})


def test_a_date_without_time_is_noon_but_never_later_than_now() -> None:
    assert only(read(lab(effectiveDateTime="2026-02-20")).chart.results).at.hour == 12
    assert only(read(lab(effectiveDateTime=AT.date().isoformat())).chart.results).at == AT
    assert reasons(read(lab(effectiveDateTime="2026-03-02"))) == {"Observation/lab": "future"}


def test_a_time_without_offset_is_read_in_the_zone() -> None:
    result = only(read(lab(effectiveDateTime="2026-02-20T08:00:00"), zone=ZoneInfo("America/New_York")).chart.results)
    assert result.at.utcoffset() == timedelta(hours=-5)


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"value": None}, "no-value"),
        ({"value": None, "dataAbsentReason": {"text": "lost"}}, "no-value"),
        ({"value": None, "valueString": "See Comments"}, "no-value"),
        ({"unit": "furlong"}, "unit"),
        ({"unit": ""}, "unit"),
        ({"valueQuantity": {"value": 1, "unit": "umol/L", "code": "mg/dL"}}, "unit-conflict"),
        ({"value": 9e9}, "implausible"),
        ({"valueQuantity": {"value": 1, "unit": "mg/dL", "comparator": "~"}}, "comparator"),
        ({"code": "19124-7"}, "specimen"),
        ({"specimen": {"display": "Urine, random"}}, "specimen"),
    ],
)
def test_what_cannot_be_used_has_its_reason(over: dict[str, object], reason: str) -> None:
    reading = read(lab(**over))  # type: ignore[arg-type]
    assert not reading.chart.results
    assert reasons(reading) == {"Observation/lab": reason}


def test_values_of_a_wrong_type_are_malformed_and_harm_nobody_else() -> None:
    reading = read(lab(valueQuantity={"value": "1.8", "unit": "mg/dL"}), lab("good"))
    assert [result.source.reference for result in reading.chart.results] == ["Observation/good"]
    assert reasons(reading) == {"Observation/lab": "malformed"}


@pytest.mark.parametrize(
    ("text", "value", "comparator"),
    [("1.8 mg/dL", 1.8, ""), ("<0.5 mg/dL", 0.5, "<"), ("≥ 2 mg/dL", 2, ">="), (" 3 mg/dL ", 3, "")],
)
def test_a_text_that_is_only_a_number_with_its_unit_is_a_value(text: str, value: float, comparator: str) -> None:
    result = only(read(lab(value=None, valueString=text)).chart.results)
    assert (result.value, result.comparator) == (value, comparator)


def test_comparators_are_kept_beside_the_value() -> None:
    result = only(
        read(lab(code="33914-3", valueQuantity={"value": 60, "comparator": ">", "unit": "mL/min"})).chart.results
    )
    assert (result.value, result.comparator, result.source.value) == (60, ">", ">60 mL/min")


def test_blood_pressure_is_read_from_its_components() -> None:
    parts = [
        {"code": coded(LOINC, "8462-4"), "valueQuantity": {"value": 50, "unit": "mmHg", "code": "mm[Hg]"}},
        {"code": coded(LOINC, "8480-6", "Systolic"), "valueQuantity": {"value": 85, "code": "mm[Hg]"}},
    ]
    result = only(read(lab(code="85354-9", value=None, component=parts)).chart.results)
    assert (result.key, result.value, result.source.reference) == ("sbp", 85, "Observation/lab")


@pytest.mark.parametrize(
    "said",
    [
        {"interpretation": [{"coding": [{"code": "HEM"}]}]},
        {"interpretation": {"text": "Hemolyzed"}},
        {"note": [{"text": "Specimen moderately haemolysed."}]},
        {"comment": "hemolysis present"},
        {"component": [{"code": {"text": "Hemolysis"}, "valueBoolean": True}]},
        {"component": [{"code": {"text": "Hemolysis index"}, "valueString": "2+"}]},
        {
            "contained": [{"resourceType": "Specimen", "id": "s", "condition": [coded("v2", "HEM")]}],
            "specimen": {"reference": "#s"},
        },
    ],
)
def test_hemolysis_is_seen_wherever_it_is_said(said: dict[str, object]) -> None:
    assert only(read(lab(code="2823-3", unit="mmol/L", **said)).chart.results).hemolyzed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        {"note": [{"text": "No hemolysis."}]},
        {"note": [{"text": "not visibly hemolyzed"}]},
        {"note": [{"text": "Hemolysis: none"}]},
        {"interpretation": [{"text": "non-hemolyzed"}]},
        {"component": [{"code": {"text": "Hemolysis"}, "valueBoolean": False}]},
        {"component": [{"code": {"text": "Hemolysis"}, "valueCodeableConcept": {"text": "Not detected"}}]},
        {"interpretation": [{"coding": [{"code": "H", "display": "High"}]}]},
    ],
)
def test_its_absence_is_not_taken_for_it(said: dict[str, object]) -> None:
    assert not only(read(lab(code="2823-3", unit="mmol/L", **said)).chart.results).hemolyzed  # type: ignore[arg-type]


def test_reference_ranges_are_converted_with_their_own_unit() -> None:
    bounds = [{"low": {"value": 0.7, "unit": "mmol/L"}, "high": {"value": 2.4}}]
    result = only(read(lab(code="19123-9", referenceRange=bounds)).chart.results)
    assert (round(result.low, 3), result.high) == (1.701, 2.4)


def test_a_range_for_somebody_else_is_not_used() -> None:
    bounds = [
        {"low": {"value": 1.0}, "appliesTo": [{"text": "child"}]},
        {"low": {"value": 1.7}, "high": {"value": 2.4}},
        {"low": {"value": 4.8}, "type": {"coding": [{"code": "therapeutic"}]}},
    ]
    assert only(read(lab(code="19123-9", referenceRange=bounds)).chart.results).low == 1.7
    assert only(read(lab(code="19123-9", referenceRange=[bounds[1], bounds[1]])).chart.results).low is None


def test_the_phenotype_of_slco1b1_is_kept_as_text() -> None:
    body = lab(code="x", value=None, valueCodeableConcept={"text": "Poor function"}) | {
        "code": {"text": "SLCO1B1 phenotype"}
    }
    result = only(read(body).chart.results)
    assert (result.key, result.text) == ("slco1b1", "Poor function")


@pytest.mark.parametrize(
    "value",
    [
        {"valueCodeableConcept": {"text": "White"}},
        {"valueString": "1 Main Street"},
        {"valueQuantity": {"value": 3, "unit": "{#}"}},
        {"valueQuantity": {"value": 41, "unit": "%"}},
        {"dataAbsentReason": {"text": "unknown"}},
    ],
)
def test_what_could_be_no_value_of_ours_is_not_counted_as_not_understood(value: dict[str, Any]) -> None:
    laboratory = [{"coding": [{"code": "laboratory"}]}]
    assert not read(lab(code="32624-9", value=None, category=laboratory, **value)).chart.not_understood


def test_unknown_laboratory_codes_are_counted_and_others_are_not() -> None:
    category = [coded("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]
    chart = read(lab("a", "9999-9", category=category), lab("b", "9999-9", category=category), lab("c", "8888-8")).chart
    assert chart.not_understood == {("laboratory", "http://loinc.org|9999-9"): 2}
    assert not chart.unread


def test_results_are_sorted_newest_first() -> None:
    chart = read(lab("old", days=9), lab("new", days=1), lab("middle", days=5)).chart
    assert [result.source.reference for result in chart.results] == [
        "Observation/new",
        "Observation/middle",
        "Observation/old",
    ]


def pregnancy(name: str, code: str, days: float) -> dict[str, object]:
    return lab(name, "82810-3", None, days=days, valueCodeableConcept=coded("http://snomed.info/sct", code))


@pytest.mark.parametrize(
    ("found", "pregnant"),
    [
        ([("77386006", 10)], True),
        ([("77386006", 299)], True),
        ([("77386006", 301)], False),
        ([("77386006", 40), ("60001007", 3)], False),
        ([("60001007", 40), ("77386006", 3)], True),
    ],
)
def test_the_latest_pregnancy_status_counts_for_300_days(found: list[tuple[str, float]], pregnant: bool) -> None:
    chart = read(patient(), *(pregnancy(f"o{place}", *each) for place, each in enumerate(found))).chart
    assert [problem.key for problem in chart.problems] == (["pregnant"] if pregnant else [])


def test_a_panel_lacks_nothing_and_a_value_among_strange_components_does() -> None:
    part = {"code": coded(LOINC, "2823-3"), "valueQuantity": {"value": 4, "unit": "mmol/L"}}
    panel = read(lab(value=None, component=[part]))
    assert [result.key for result in panel.chart.results] == ["potassium"]
    assert not panel.chart.unread
    assert reasons(read(lab(value=None, component=[{"code": {"text": "?"}}]))) == {"Observation/lab": "no-value"}
