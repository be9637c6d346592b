from __future__ import annotations

import pytest

from cds_rules.fhir.sig import parse_sig
from cds_rules.vocabulary.chart import Amount


@pytest.mark.parametrize(
    ("text", "value", "unit", "per_day"),
    [
        ("1 tab po bid", 1, "unit", 2),
        ("Take 1 tablet by mouth once daily", 1, "unit", 1),
        ("TAKE ONE TABLET BY MOUTH TWICE A DAY", 1, "unit", 2),
        ("take two capsules three times a day with meals", 2, "unit", 3),
        ("400 mg twice daily", 400, "mg", 2),
        ("1,000 mg daily", 1000, "mg", 1),
        ("0.5 g BID", 0.5, "g", 2),
        ("30 mL at bedtime", 30, "mL", 1),
        ("15 ml po q.i.d.", 15, "mL", 4),
        ("2 tsp at bedtime", 10, "mL", 1),
        ("1 tbsp daily", 15, "mL", 1),
        ("40 meq po daily", 40, "mEq", 1),
        ("1 tablet every 12 hours", 1, "unit", 2),
        ("1 cap q8h", 1, "unit", 3),
        ("1-2 tabs q4-6h prn", 2, "unit", 6),
        ("1 or 2 tablets daily", 2, "unit", 1),
        ("1/2 tablet daily", 0.5, "unit", 1),
        ("1 1/2 tablets daily", 1.5, "unit", 1),
        ("half tablet daily", 0.5, "unit", 1),
        ("Take 1 tablet (20 mg total) by mouth nightly.", 1, "unit", 1),
        ("magnesium oxide 400 mg tablet: take 1 tablet po tid", 1, "unit", 3),
        ("500 mg/5 mL: take 10 mL daily", 10, "mL", 1),
        ("1 po qd", 1, "unit", 1),
        ("take 1 by mouth daily", 1, "unit", 1),
        ("1 capsule with breakfast and at bedtime", 1, "unit", 2),
        ("one tablet daily in the morning", 1, "unit", 1),
        ("1 tablet every other day", 1, "unit", 0.5),
        ("1 tablet twice a week", 1, "unit", 2 / 7),
        ("1 tablet weekly", 1, "unit", 1 / 7),
        ("2 tabs every 3 days", 2, "unit", 1 / 3),
        ("5ml 3x/day", 5, "mL", 3),
        ("4 packets a day", 4, "unit", 1),
        ("1 packet daily for 10 days", 1, "unit", 1),
        ("1-0-1", 1, "unit", 2),
        ("1-0-2-1 Tabletten", 4 / 3, "unit", 3),
        ("10 mg PO", 10, "mg", None),
        ("1 bid", 1, "unit", 2),
        ("1 q6h prn pain", 1, "unit", 4),
        ("Take one tablet daily as directed", 1, "unit", 1),
        ("Take half a tablet by mouth every morning.", 0.5, "unit", 1),
        ("one and a half tablets daily", 1.5, "unit", 1),
        ("1 and 1/2 tabs daily", 1.5, "unit", 1),
        ("one to two tablets every four to six hours", 2, "unit", 6),
        ("Amoxicillin 500mg 3x täglich", 500, "mg", 3),
        ("2mal tägl. 5ml", 5, "mL", 2),
        ("1 Tablette alle 8 Stunden", 1, "unit", 3),
        ("240 mg, Oral, DAILY, Disp-90 tablet, R-0", 240, "mg", 1),
        ("100mg (4ml) three times daily", 100, "mg", 3),
        ("1 tab qam and 2 tabs qhs", 1.5, "unit", 2),
        ("200 mg in the morning, 400 mg at bedtime", 300, "mg", 2),
        ("1 tablet MWF", 1, "unit", 3 / 7),
        ("1 tablet daily, hold for pulse below 60", 1, "unit", 1),
        ("1 tablet bid, do not take with milk", 1, "unit", 2),
        ("30 mL PO twice daily with meals", 30, "mL", 2),
        ("4 gm IV", 4, "g", None),
    ],
)
def test_what_is_certain_is_read(text: str, value: float, unit: str, per_day: float | None) -> None:
    dosage = parse_sig(text)
    assert dosage.dose is not None
    assert (pytest.approx(value), unit, dosage.per_day) == (
        dosage.dose.value,
        dosage.dose.unit,
        per_day and pytest.approx(per_day),
    )
    assert dosage.text == text
    assert not dosage.one_time


@pytest.mark.parametrize(
    "text",
    [
        "1 tablet daily for 3 days then 2 tablets daily",
        "taper as directed",
        "titrate 200 mg bid to effect",
        "1 tablet bid on Monday, 2 tablets daily on other days",
        "increase to 2 tablets daily after a week",
        "per sliding scale",
        "use as directed",
        "200 mg in the morning, 2 tablets at bedtime",
        "1 tab in the morning and 2 tabs twice daily",
        "HOLD magnesium oxide 400 mg bid until seen",
        "do not take this medication: 1 tab bid",
        "discontinued. 1 tablet daily",
        "1 Tablette morgens, dann 2 Tabletten abends",
        "1 tablet daily or as directed",
        "50 mg je Quadratmeter",
    ],
)
def test_what_is_not_certain_is_left_open(text: str) -> None:
    dosage = parse_sig(text)
    assert dosage.dose is None or dosage.per_day is None


def test_two_frequencies_leave_it_open() -> None:
    assert parse_sig("1 tab bid, 1 tab tid").per_day is None
    assert parse_sig("1 tab bid (twice daily)").per_day == 2


def test_strength_is_not_a_dose() -> None:
    assert parse_sig("magnesium 400 mg/5 mL daily").dose is None
    assert parse_sig("10 mg/kg daily").dose is None


@pytest.mark.parametrize(
    "text", ["q6h prn", "1 tab as needed", "take if needed", "P.R.N.", "1 tablet daily then 2, prn"]
)
def test_as_needed_is_read(text: str) -> None:
    assert parse_sig(text).prn


@pytest.mark.parametrize(
    ("text", "once", "per_day"),
    [
        ("2 g IV once", True, None),
        ("4 g iv x1", True, None),
        ("240 mL one time only", True, None),
        ("240 mL PO 2 doses, one time only", True, 2),
        ("take 1 now", True, None),
        ("once daily", False, 1),
        ("once a day", False, 1),
        ("once every morning", False, 1),
        ("once weekly", False, 1 / 7),
    ],
)
def test_once_is_not_once_a_day(text: str, once: bool, per_day: float | None) -> None:
    dosage = parse_sig(text)
    assert (dosage.one_time, dosage.per_day) == (once, per_day)


def test_rates_and_ceilings_are_not_doses() -> None:
    infusion = parse_sig("2 g/hr IV continuous infusion")
    assert (infusion.per_hour, infusion.dose) == (Amount(2, "g"), None)
    limited = parse_sig("1 tab q4h prn, max 8 tabs per day")
    assert (limited.dose, limited.maximum_per_day) == (Amount(1, "unit"), Amount(8, "unit"))
    assert parse_sig("400 mg daily, not to exceed 800 mg/day").maximum_per_day == Amount(800, "mg")


@pytest.mark.parametrize(
    ("text", "maximum"),
    [
        ("1 tab q6h prn max 4/day", Amount(4, "unit")),
        ("30 mL q6h prn, max 3/day", Amount(90, "mL")),
        ("2 tabs q6h prn, no more than 3 doses per day", Amount(6, "unit")),
        ("2 tabs q6h prn max 4/day", None),
    ],
)
def test_a_ceiling_may_be_a_number_of_doses(text: str, maximum: Amount | None) -> None:
    assert parse_sig(text).maximum_per_day == maximum
    assert parse_sig(text).per_day == 4


def test_od_is_once_daily_but_not_in_the_right_eye() -> None:
    assert parse_sig("1 tab od").per_day == 1
    assert parse_sig("1 gtt OD").per_day is None


@pytest.mark.parametrize(
    "text", ["", " ", "x" * 10_000, "1/0 tab daily", "\u0000", "½ tab daily", "()[]{}", "q q q", "0 tabs daily"]
)
def test_odd_text_is_no_error(text: str) -> None:
    parse_sig(text)
