"""Structured directions of FHIR, completed by their text: how much, how often, as needed, at most.

`DosageInstruction`s of any FHIR version flow in, one `Dosage` flows out. What the structure leaves open is taken from the
text as far as that is certain (`sig`); where both speak, the structure stands.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cds_rules.fhir import wire
from cds_rules.fhir.reader import Reader
from cds_rules.fhir.sig import UNITS, parse_sig
from cds_rules.fhir.wire import many, spoken
from cds_rules.vocabulary.chart import Amount, Dosage

_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.0, "a": 365.0}
_CODES: dict[str, float] = {
    "QD": 1, "DAILY": 1, "OD": 1, "AM": 1, "PM": 1, "BED": 1, "HS": 1, "QHS": 1, "QAM": 1, "QPM": 1, "Q24H": 1, "BID": 2, "TID": 3, "QID": 4,
    "QOD": 0.5, "Q1H": 24, "Q2H": 12, "Q3H": 8, "Q4H": 6, "Q6H": 4, "Q8H": 3, "Q12H": 2, "WK": 1 / 7, "WEEKLY": 1 / 7, "MO": 1 / 30,
}  # fmt: skip
"""Times a day of the timing codes of FHIR (GTSAbbreviation) and their everyday kin."""
_ONCE = frozenset(("ONCE", "STAT", "X1", "NOW"))
_MEALS = {"C": 3.0, "AC": 3.0, "PC": 3.0}
_SOLID = (
    "tab", "tbl", "cap", "pill", "caplet", "gelcap", "softgel", "lozenge", "gumm", "chew", "packet", "sachet", "supp", "puff", "kapsel", "stück",
    "comprim", "dose form",
)  # fmt: skip
_UCUM = {
    "ug": ("mcg", 1.0),
    "meq": ("mEq", 1.0),
    "[tsp_us]": ("mL", 5.0),
    "[tbs_us]": ("mL", 15.0),
    "[foz_us]": ("mL", 29.5735),
    "dl": ("mL", 100.0),
    "kg": ("g", 1000.0),
}
_NONE = Dosage()
MG = {"mg": 1.0, "g": 1000.0, "mcg": 0.001}
"""Units of weight, in mg."""
_MOST = 1e7
"""From here on a dose, a day's or an hour's amount (a weight in mg) is a slip: it is not known."""


def amount(quantity: wire.Quantity | None) -> Amount | None:
    """A dose as an `Amount`; None without a positive number and a unit that is known.

    A tablet, capsule, pill and the like is a "unit"; so is a plain count ("1", no unit) of a form.

    >>> amount(wire.Quantity(value=2, unit="{pill}")), amount(wire.Quantity(value=0.5, code="g", unit="gram"))
    (Amount(value=2.0, unit='unit'), Amount(value=0.5, unit='g'))
    """
    if quantity is None or quantity.value is None or not 0 < quantity.value < _MOST:
        return None
    value = float(quantity.value)
    for word in (quantity.code, quantity.unit):
        if word is None:
            continue
        plain = word.strip().lower()
        bare = plain.strip("{}[]().").replace("(s)", "s")
        found = UNITS.get(plain) or _UCUM.get(plain) or UNITS.get(bare)
        if found is not None:
            return _possible(value * found[1], found[0])
        if bare.startswith(_SOLID) or plain == "1":
            return Amount(value, "unit")
    return Amount(value, "unit") if not quantity.code and not quantity.unit else None


def _possible(value: float, unit: str) -> Amount | None:
    """An amount that somebody can be given."""
    return Amount(value, unit) if 0 < value * MG.get(unit, 1.0) < _MOST else None


def read(reader: Reader, instructions: Sequence[wire.DosageInstruction], *, counted: bool = False) -> Dosage:
    """Read all instructions of an order as one `Dosage`.

    Several that hold at the same time add up; several that follow each other leave the amount unknown, unless their
    periods tell which one holds now.

    Args:
        counted: the strength of a tablet (capsule, ...) is known. Where an order states its dose in more than one way, the
            number of tablets is then taken, else the weight.
    """
    if not instructions:
        return _NONE
    if len(instructions) > 1:
        instructions = [one for one in instructions if _holds(reader, one)] or instructions
    if len(instructions) == 1:
        return _one(instructions[0], counted)
    read_all = [_one(one, counted) for one in instructions]
    text = "; ".join(dict.fromkeys(one.text for one in read_all if one.text))
    prn = all(one.prn for one in read_all)
    steps = {one.sequence for one in instructions if one.sequence is not None}
    if len(steps) > 1 or any(one.prn for one in read_all) != prn:
        return Dosage(prn=prn, text=text)
    dose, per_day = _sum(read_all)
    return Dosage(dose, per_day, prn, all(one.one_time for one in read_all), None, None, text)


def _holds(reader: Reader, instruction: wire.DosageInstruction) -> bool:
    """Whether the period of an instruction, if it has one, contains the evaluation."""
    period = bounds(instruction)
    if period is None:
        return True
    start, end = reader.moment(period.start), reader.end(period.end)
    return (start is None or start <= reader.at) and (end is None or end >= reader.at)


def bounds(instruction: wire.DosageInstruction) -> wire.Period | None:
    """The period an instruction is bound to."""
    repeat = instruction.timing.repeat if instruction.timing else None
    return repeat.boundsPeriod if repeat else None


def period(reader: Reader, instructions: Sequence[wire.DosageInstruction]) -> tuple[datetime | None, datetime | None]:
    """The first start and the last end the instructions are bound to; an end only when every one of them has one."""
    periods = [bounds(instruction) for instruction in instructions]
    if periods.count(None) == len(periods):
        return None, None
    starts: list[datetime] = []
    ends: list[datetime | None] = []
    for found in periods:
        if found and (start := reader.moment(found.start)):
            starts.append(start)
        ends.append(reader.end(found.end) if found else None)
    known = [end for end in ends if end is not None]
    return min(starts, default=None), max(known) if known and len(known) == len(ends) else None


def _sum(parts: Sequence[Dosage]) -> tuple[Amount | None, float | None]:
    """The mean dose and the times a day of instructions that hold together, so that their product is the day's sum."""
    total = times = 0.0
    units = set()
    for part in parts:
        if part.dose is None or part.per_day is None:
            return None, None
        total += part.dose.value * part.per_day
        times += part.per_day
        units.add(part.dose.unit)
    return (Amount(total / times, units.pop()), times) if len(units) == 1 and times else (None, None)


def _one(instruction: wire.DosageInstruction, counted: bool) -> Dosage:
    text = instruction.text or instruction.patientInstruction or ""
    said = parse_sig(text) if text else _NONE
    dose, rate = _structured_dose(instruction, counted)
    timed, once = _timing(instruction.timing)
    prn = bool(instruction.asNeededBoolean or instruction.asNeededCodeableConcept)
    maximum = _ceiling(instruction)
    dose = dose or said.dose
    per_day = timed if timed is not None or once else said.per_day
    if dose is not None and per_day is not None and _possible(dose.value * per_day, dose.unit) is None:
        dose = per_day = None
    return Dosage(
        dose=dose,
        per_day=per_day,
        prn=prn or said.prn,
        one_time=once or (timed is None and said.one_time),
        per_hour=rate or said.per_hour,
        maximum_per_day=maximum or said.maximum_per_day,
        text=text,
    )


def _structured_dose(instruction: wire.DosageInstruction, counted: bool) -> tuple[Amount | None, Amount | None]:
    doses = [amount(instruction.dose)]
    rate = None
    for part in (*many(instruction.doseAndRate), instruction):
        if part.doseQuantity is not None:
            doses.append(amount(part.doseQuantity))
        if part.doseRange is not None:
            doses.append(_upper(part.doseRange))
        if rate is None:
            rate = _per_hour(part)
    stated = [dose for dose in doses if dose is not None]
    if len(stated) > 1:
        return next((dose for dose in stated if (dose.unit == "unit") == counted), stated[0]), rate
    return stated[0] if stated else None, rate


def _upper(span: wire.Range) -> Amount | None:
    """The upper end of a range; a bound without a unit has that of the other one."""
    low, high = span.low, span.high
    if high is None:
        return amount(low)
    if low is not None and not high.unit and not high.code:
        high = wire.Quantity(value=high.value, unit=low.unit, code=low.code)
    return amount(high)


def _per_hour(part: wire.DoseAndRate) -> Amount | None:
    if part.rateRatio is not None:
        given, lasting = amount(part.rateRatio.numerator), _days(part.rateRatio.denominator)
        return _possible(given.value / lasting / 24, given.unit) if given and lasting else None
    rate = part.rateQuantity or (part.rateRange.high if part.rateRange else None)
    if rate is None or rate.value is None:
        return None
    unit, _, per = (rate.code or rate.unit or "").replace(" per ", "/").replace(" ", "").lower().partition("/")
    hours = {"h": 1.0, "hr": 1.0, "hour": 1.0, "min": 1 / 60, "minute": 1 / 60, "d": 24.0, "day": 24.0}.get(per)
    given = amount(wire.Quantity(value=rate.value, unit=unit))
    return _possible(given.value / hours, given.unit) if given and hours else None


def _days(quantity: wire.Quantity | None) -> float | None:
    """A length of time in days."""
    if quantity is None or quantity.value is None or quantity.value <= 0:
        return None
    word = (quantity.code or quantity.unit or "").strip().lower()
    factor = _DAYS.get(word) or {
        "day": 1.0,
        "days": 1.0,
        "hour": 1 / 24,
        "hours": 1 / 24,
        "hr": 1 / 24,
        "week": 7.0,
        "weeks": 7.0,
    }.get(word)
    return quantity.value * factor if factor else None


def days(quantity: wire.Quantity | None) -> float | None:
    """A supply in days; a bare number is days.

    >>> days(wire.Quantity(value=30)), days(wire.Quantity(value=2, code="wk"))
    (30.0, 14.0)
    """
    if quantity is not None and quantity.value is not None and not quantity.unit and not quantity.code:
        return float(quantity.value) if quantity.value > 0 else None
    return _days(quantity)


def _timing(timing: wire.Timing | None) -> tuple[float | None, bool]:
    """Times a day, and whether it is given on one occasion only (once, or all counted doses in one period)."""
    if timing is None:
        return None, False
    repeat = timing.repeat
    if repeat is not None:
        if repeat.count == 1:
            return None, True
        per_day = _repeated(repeat)
        if per_day is not None:
            return per_day, repeat.count is not None and repeat.count == repeat.frequency
    if timing.code is not None:
        concept = spoken(timing.code)
        for word in (*(code for _, code, _ in concept.codings), concept.text):
            plain = word.upper().replace(".", "").replace(" ", "")
            if plain in _CODES:
                return float(_CODES[plain]), False
            if plain in _ONCE:
                return None, True
        if concept.label and (said := parse_sig(concept.label)).per_day is not None:
            return said.per_day, False
    if repeat is None and timing.event is not None and len(many(timing.event)) == 1:
        return None, True
    return None, False


def _repeated(repeat: wire.Repeat) -> float | None:
    """Times a day of `timing.repeat`; the upper end of a frequency range, the shorter end of a period range."""
    weekly = len(set(repeat.dayOfWeek)) / 7 if repeat.dayOfWeek else 1.0
    frequency = repeat.frequencyMax or repeat.frequency
    unit = _DAYS.get(repeat.periodUnit or repeat.periodUnits or "")
    if unit is not None and repeat.period:
        times = frequency if frequency is not None else float(_moments(repeat) or 1)
        length = repeat.period * unit
        return times / length * (weekly if length == 1 else 1.0) if times > 0 and length > 0 else None
    moments = _moments(repeat)
    if moments is not None:
        return moments * weekly
    if repeat.dayOfWeek:
        return (frequency or 1.0) * weekly
    return None


def _moments(repeat: wire.Repeat) -> float | None:
    """Times a day named by clock times or by events such as bedtime or meals."""
    if repeat.timeOfDay:
        return float(len(set(repeat.timeOfDay)))
    events = set(many(repeat.when))
    if not events:
        return None
    return sum(_MEALS.get(event, 1.0) for event in events)


def _ceiling(instruction: wire.DosageInstruction) -> Amount | None:
    for ratio in many(instruction.maxDosePerPeriod):
        most, lasting = amount(ratio.numerator), _days(ratio.denominator)
        if most and lasting:
            return _possible(most.value / lasting, most.unit)
    return None
