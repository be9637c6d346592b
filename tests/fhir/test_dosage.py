from __future__ import annotations

import pytest

from cds_rules.vocabulary.chart import Amount, Dosage
from tests.fhir.builders import ago, only, read, request

TWICE = {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}


def dosage(sig: object, **over: object) -> Dosage:
    found: Dosage = only(read(request(sig=sig, **over)).chart.medications).dosage  # type: ignore[arg-type]
    return found


def quantity(value: float, unit: str = "", code: str = "") -> dict[str, object]:
    return {"value": value, **({"unit": unit} if unit else {}), **({"code": code} if code else {})}


@pytest.mark.parametrize(
    ("dose", "expected"),
    [
        (quantity(2, "tablet"), Amount(2, "unit")),
        (quantity(2, "{pill}"), Amount(2, "unit")),
        (quantity(1, "TAB"), Amount(1, "unit")),
        (quantity(1, "each", "{tbl}"), Amount(1, "unit")),
        (quantity(1), Amount(1, "unit")),
        (quantity(1, code="1"), Amount(1, "unit")),
        (quantity(500, "mg", "mg"), Amount(500, "mg")),
        (quantity(2, "gm"), Amount(2, "g")),
        (quantity(1, "L"), Amount(1000, "mL")),
        (quantity(40, "mEq", "meq"), Amount(40, "mEq")),
        (quantity(0, "mg"), None),
        (quantity(-1, "mg"), None),
        (quantity(10, "[iU]", "[iU]"), None),
        (quantity(10, "UNIT"), None),
    ],
)
def test_dose_units_are_understood_or_left_open(dose: dict[str, object], expected: Amount | None) -> None:
    assert dosage({"doseAndRate": [{"doseQuantity": dose}]}).dose == expected


@pytest.mark.parametrize(
    ("timing", "per_day"),
    [
        (TWICE, 2),
        ({"repeat": {"frequency": 1, "frequencyMax": 3, "period": 1, "periodUnit": "d"}}, 3),
        ({"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}, 3),
        ({"repeat": {"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}}, 6),
        ({"repeat": {"period": 1, "periodUnit": "d"}}, 1),
        ({"repeat": {"period": 1, "periodUnit": "d", "when": ["MORN", "HS"]}}, 2),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}, 1 / 7),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "thu"]}}, 2 / 7),
        ({"repeat": {"frequency": 2, "period": 1, "periodUnits": "d"}}, 2),
        ({"repeat": {"when": ["HS"]}}, 1),
        ({"repeat": {"when": ["PC"]}}, 3),
        ({"repeat": {"timeOfDay": ["08:00:00", "20:00:00"]}}, 2),
        ({"code": {"coding": [{"code": "BID"}]}}, 2),
        ({"code": {"coding": [{"code": "Q6H"}]}}, 4),
        ({"code": {"text": "t.i.d."}}, 3),
        ({"code": {"text": "every 8 hours"}}, 3),
        ({"repeat": {"frequency": 2}}, None),
        ({}, None),
    ],
)
def test_timings_become_times_a_day(timing: dict[str, object], per_day: float | None) -> None:
    assert dosage({"timing": timing}).per_day == (per_day and pytest.approx(per_day))


@pytest.mark.parametrize(
    "timing", [{"repeat": {"count": 1}}, {"event": [ago(0)]}, {"code": {"text": "once"}}, {"code": {"text": "STAT"}}]
)
def test_once_is_once(timing: dict[str, object]) -> None:
    found = dosage({"timing": timing})
    assert found.one_time
    assert found.per_day is None


def test_counted_doses_of_one_day_are_one_occasion() -> None:
    found = dosage({"timing": {"repeat": {"count": 2, "frequency": 2, "period": 1, "periodUnit": "d"}}})
    assert (found.one_time, found.per_day) == (True, 2)


def test_the_upper_end_of_a_range_counts() -> None:
    span = {"low": quantity(2, "gm"), "high": quantity(4)}
    assert dosage({"doseAndRate": [{"doseRange": span}]}).dose == Amount(4, "g")


def test_of_two_doses_the_number_of_tablets_is_taken_where_their_strength_is_known() -> None:
    both = {"doseAndRate": [{"doseQuantity": quantity(400, "mg")}, {"doseQuantity": quantity(1, "tablet")}]}
    assert dosage(both).dose == Amount(1, "unit")
    assert dosage(both, drug="furosemide").dose == Amount(400, "mg")


@pytest.mark.parametrize(
    "rate",
    [
        {"rateQuantity": quantity(2, "g/h")},
        {"rateQuantity": quantity(48, "g/d", "g/d")},
        {"rateRatio": {"numerator": quantity(4, "g"), "denominator": quantity(2, "h", "h")}},
    ],
)
def test_rates_are_per_hour(rate: dict[str, object]) -> None:
    assert dosage({"doseAndRate": [rate]}, drug="magnesium sulfate").per_hour == Amount(2, "g")


def test_older_shapes_are_read() -> None:
    flat = {"doseQuantity": quantity(1, "tablet"), "timing": TWICE, "asNeededBoolean": True}
    found = dosage(flat)
    assert (found.dose, found.per_day, found.prn) == (Amount(1, "unit"), 2, True)


def test_ceilings_are_per_day() -> None:
    ceiling = {"numerator": quantity(8, "tablet"), "denominator": quantity(2, "d", "d")}
    assert dosage({"maxDosePerPeriod": ceiling}).maximum_per_day == Amount(4, "unit")
    assert dosage({"maxDosePerPeriod": [ceiling]}).maximum_per_day == Amount(4, "unit")


def test_text_fills_what_the_structure_leaves_open_and_no_more() -> None:
    filled = dosage({"text": "1 tab po bid", "doseAndRate": [{"doseQuantity": quantity(2, "tablet")}]})
    assert (filled.dose, filled.per_day) == (Amount(2, "unit"), 2)
    assert dosage({"text": "1 tab po bid", "timing": {"code": {"coding": [{"code": "QID"}]}}}).per_day == 4


def test_instructions_that_hold_together_add_up() -> None:
    both = [
        {"doseAndRate": [{"doseQuantity": quantity(1, "tablet")}], "timing": {"repeat": {"when": ["MORN"]}}},
        {"doseAndRate": [{"doseQuantity": quantity(2, "tablet")}], "timing": {"repeat": {"when": ["HS"]}}},
    ]
    found = only(read(request(dosageInstruction=both)).chart.medications).dosage
    assert (found.dose, found.per_day) == (Amount(1.5, "unit"), 2)


def test_steps_that_follow_each_other_leave_the_amount_open() -> None:
    steps = [
        {"sequence": place, "doseAndRate": [{"doseQuantity": quantity(place, "tablet")}], "timing": TWICE}
        for place in (1, 2)
    ]
    found = only(read(request(dosageInstruction=steps)).chart.medications).dosage
    assert (found.dose, found.per_day) == (None, None)


def test_the_step_that_holds_now_is_known_by_its_period() -> None:
    steps = [
        {
            "sequence": place,
            "doseAndRate": [{"doseQuantity": quantity(place, "tablet")}],
            "timing": {"repeat": {**TWICE["repeat"], "boundsPeriod": {"start": ago(start), "end": ago(end)}}},
        }
        for place, start, end in ((1, 20, 10), (2, 10, -10))
    ]
    medication = only(read(request(dosageInstruction=steps)).chart.medications)
    assert medication.dosage.dose == Amount(2, "unit")
    assert medication.state == "active"
