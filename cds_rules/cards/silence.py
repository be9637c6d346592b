"""What a rule looks for, as a clinician says it, and what the record has: of a silent rule, what keeps it silent.

It states what is there or is not. It never says what would have to be so: of an illness nobody should read that as advice.
Flows in: leaves and `Miss`es of an explanation. Flows out: sentences. Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from math import inf

from cds_rules.cards.reasons import UNITS, named
from cds_rules.derive.kidneys import TIER_EGFR
from cds_rules.engine.explanation import Check, Miss, Reading
from cds_rules.engine.levers import LAB_UNITS
from cds_rules.engine.reference import NO
from cds_rules.knowledge.rules import Comparison, Pattern
from cds_rules.vocabulary.facts import KINDS, Between
from cds_rules.vocabulary.wording import Said, joined, said, word

_SUBJECTS: Mapping[str, Said] = {
    "kidney": said("kidney function"),
    "magnesium": said("magnesium"),
    "magnesium-product": said("magnesium"),
    "toxicity": said("magnesium excess"),
    "slco1b1": said("SLCO1B1 function"),
    "renal-risk": said("risk factor for impaired kidneys"),
    "deficiency-risk": said("risk for low magnesium"),
    "interaction": said("drug that interacts with the statin"),
    "spacing": said("drug whose absorption magnesium lowers"),
}
"""Kinds of facts whose field of names, or whose tests, do not say what they are about."""
_ORDERED = said("being ordered")
_HERE = said("taken or being ordered")
_FLAGS: Mapping[str, Said] = {
    "call.ordering": said("order being written"),
    "patient.pregnant": said("pregnancy"),
    "patient.postpartum": said("delivery within 42 days"),
    "patient.comfort_care": said("comfort care"),
    "patient.torsades": said("torsades within 7 days"),
    "kidney.impaired": said("impaired"),
    "kidney.severe": said("severely impaired"),
    "magnesium.focal_oral": said("oral product"),
    "magnesium.heavy": said("laxative or antacid"),
    "magnesium.focal_binder_only": said("phosphate binder alone"),
    "magnesium.focal_supplement": said("supplement"),
    "magnesium.focal_iv": said("infusion or injection"),
    "magnesium.focal_iv_small": said("single infusion of at most 2 g"),
    "magnesium.focal_bowel_prep": said("bowel preparation"),
    "magnesium.focal_enema": said("enema"),
    "magnesium.obstetric": said("obstetric reason"),
    "magnesium.over_limit": said("more than the limit for supplements"),
    "magnesium.source_taken": said("product that is taken, or was until 3 days ago"),
    "magnesium.source_drafted": said("product being ordered"),
    "magnesium.toxicity_source": said("product that may act now"),
    "magnesium.toxicity_source_iv": said("infusion or injection that may act now"),
    "magnesium.iv_active": said("running infusion or injection"),
    "magnesium.both_iv": said("infusion or injection"),
    "magnesium.both_oral": said("oral product"),
    "toxicity.present": said("signs"),
    "toxicity.major": said("major sign"),
    "toxicity.specific_major": said("specific major sign"),
    "toxicity.level_measured": said("level measured since the signs began"),
    "lab.hemolyzed": said("hemolyzed specimen"),
    "lab.since_magnesium": said("drawn since the magnesium product was started"),
    "lab.since_scheduled": said("drawn since the magnesium product was started"),
    "lab.since_diuretic": said("drawn since the diuretic was started"),
    "lab.since_statin": said("drawn since the statin was started"),
    "lab.since_symptom": said("drawn since the symptom began"),
    "lab.magnesium_started": said("magnesium product started since then"),
    "lab.repeatedly_low": said("low twice, a day apart"),
    "medication.focal": _HERE,
    "medication.both": _HERE,
    "medication.prn": said("as needed"),
    "medication.renewal": said("renewal"),
    "medication.before_cramp": said("started in the year before the cramps"),
    "magnesium-product.oral": said("oral product"),
    "magnesium-product.heavy": said("laxative or antacid"),
    "magnesium-product.focal": _HERE,
    "magnesium-product.prn": said("as needed"),
    "statin-dose.focal": _HERE,
    "statin-dose.both": _HERE,
    "condition.confirmed": said("confirmed"),
    "symptom.confirmed": said("confirmed"),
    "symptom.cramp": said("muscle cramp"),
    "symptom.nocturnal": said("at night"),
    "symptom.gut": said("complaint of the gut"),
    "symptom.after_magnesium": said("since the magnesium product was started"),
    "symptom.after_diuretic": said("muscle cramp since the diuretic was started"),
    "symptom.statin_period": said("muscle symptom during the statin"),
    "symptom.severe_deficiency": said("sign of severe magnesium deficiency"),
    "deficiency-risk.diuretic": said("loop or thiazide diuretic"),
    "interaction.focal": _HERE,
    "spacing.avoid": said("not to be combined"),
    "spacing.settled": said("both taken for more than 30 days"),
}
_NUMBERS: Mapping[str, Said] = {
    "age_years": said("age"),
    "total_mg": said("in all"),
    "source_count": said("products"),
    "aki_stage": said("stage of acute injury"),
    "known_days": said("taken for"),
    "days_at_dose": said("at this dose for"),
    "dose_mg": said("dose"),
    "stopped_days": said("stopped for"),
    "onset_days": said("begun since"),
    "count": said("number"),
}
"""Fields that are numbers, by what they count; a value and an age speak for themselves."""
_STATES = {"active": said("taken"), "stopped": said("stopped"), "draft": _ORDERED}
_LEVELS = {"low": said("low"), "normal": said("in range"), "high": said("high")}
_REASONS = {
    "cramps": said("for cramps"),
    "malaria": said("for malaria"),
    "other": said("for another reason"),
    "none": said("without a reason"),
}
_TIERS = {
    "OK": said("eGFR from 60"),
    "G3a": said("eGFR 45 to 59"),
    "G3b": said("eGFR 30 to 44"),
    "G4": said("eGFR 15 to 29"),
    "G5": said("eGFR below 15"),
    "AKI": said("acute kidney injury"),
    "DIALYSIS": said("dialysis"),
    "UNKNOWN": said("not known"),
}
_SPOKEN = {"d": said("days"), "a": said("years"), "mg/d": said("mg a day")}
"""UCUM -> what is said in its place."""


def miss_words(miss: Miss) -> Said:
    """What stands between a rule and its card, and what the record has that is nearest to it."""
    what = pattern_words(miss.pattern, miss.reading.checks if miss.reading else ())
    if not miss.wanted:
        return said("found: {what}", what=what)
    nearest = _nearest(miss.reading) if miss.reading else None
    if nearest is None:
        return said("not found: {what}", what=what)
    return said("not found: {what} (on the record: {nearest})", what=what, nearest=nearest)


def pattern_words(pattern: Pattern, checks: tuple[Check, ...] = ()) -> Said:
    """A leaf of a rule in a clinician's words. checks: of a fact it was compared with, for the units of its values.

    >>> from cds_rules.knowledge.rules import Comparison
    >>> pattern_words(Pattern("kidney", (Comparison("tier", "in", ("G4", "G5")),)))
    'kidney function, eGFR 15 to 29 or eGFR below 15'
    >>> pattern_words(Pattern("symptom", (Comparison("cramp", "eq", (True,)), Comparison("age_days", "le", (30.0,)))))
    'muscle cramp, within 30 d'
    """
    units = {**{check.test.field: check.unit for check in checks}, **_canonical(pattern)}
    names, fields = KINDS[pattern.kind].names, {test.field for test in pattern.tests}
    naming = sorted(pattern.tests, key=lambda test: test.field != names)  # what it is about comes first
    parts = [
        _test_words(pattern.kind, test, units.get(test.field, ""))
        for test in naming
        if not ("state" in fields and test.field in ("focal", "both"))  # the state says it
    ]
    if pattern.kind == "order":
        return said("order of {tests}", tests=joined(parts))
    subject = None if names in fields else _SUBJECTS.get(pattern.kind)
    return joined(dict.fromkeys([*([subject] if subject else []), *parts]))


def reading_words(reading: Reading) -> Said:
    """What a fact says about what a leaf compares it with."""
    names, fields = KINDS[reading.fact.kind].names, {check.test.field for check in reading.checks}
    refuted = any(check.truth is NO for check in reading.checks)
    told = [
        _check_words(reading.fact.kind, check)
        for check in reading.checks
        if check.test.field != names
        and not (refuted and check.value is None)
        and not ("state" in fields and check.test.field in ("focal", "both"))  # the state says it
        and not (reading.measured and check.value in TIER_EGFR)  # the number says it
    ]
    if reading.measured:
        told.append(said("eGFR {value:0}", value=reading.measured[1]))
    return joined(dict.fromkeys(told))


def _check_words(kind: str, check: Check) -> Said:
    field, value = check.test.field, check.value
    if flag := _FLAGS.get(f"{kind}.{field}"):
        if value is None:
            return said("not known: {what}", what=flag)
        return flag if value is True else said("without: {what}", what=flag)
    name = _NUMBERS.get(field)
    if value is None:
        return said("not known: {what}", what=name or word(field))
    if not isinstance(value, float):
        return _constant(field, value)
    if field in ("age_days", "egfr_age_days"):
        return said("{days:ago}", days=value)
    amount = _amount(value, _unit(kind, field, check.unit))
    return said("{name} {bound}", name=name, bound=amount) if name else amount


def _canonical(pattern: Pattern) -> Mapping[str, str]:
    """The unit of a value, where the record has no such result to tell it."""
    found = {LAB_UNITS.get(str(code)) for test in pattern.tests if test.field == "code" for code in test.constants}
    return {"value": unit} if len(found) == 1 and (unit := found.pop()) else {}


def _test_words(kind: str, test: Comparison, ucum: str) -> Said:
    if flag := _FLAGS.get(f"{kind}.{test.field}"):
        return flag if test.constants == (True,) else said("without: {what}", what=flag)
    if KINDS[kind].fields[test.field].type == "number":
        return _number_words(test, _unit(kind, test.field, ucum))
    return _either(list(map(_constant, [test.field] * len(test.constants), test.constants)))


def _either(several: list[Said]) -> Said:
    return reduce(lambda told, more: said("{one} or {other}", one=told, other=more), several)


def _constant(field: str, constant: object) -> Said:
    key = str(constant)
    if field in ("tier", "dosing_tier"):
        return _TIERS.get(key) or word(key)
    if field == "state":
        return _STATES.get(key) or word(key)
    if field == "reason":
        return _REASONS.get(key) or word(key)
    if (field, key) == ("code", "magnesium"):
        return said("magnesium level")
    if field == "flag":
        return _LEVELS.get(key) or word(key)
    return named(key)


def _unit(kind: str, field: str, ucum: str) -> Said | str:
    if field == "ratio":
        return said("times the upper limit")
    found = ucum or KINDS[kind].fields[field].unit
    return _SPOKEN.get(found) or UNITS.get(found, found)


def _number_words(test: Comparison, unit: Said | str) -> Said:
    (limit,) = test.constants[:1]
    value = _amount(limit, unit)
    if test.field in ("age_days", "egfr_age_days"):
        return said("within {days:0} d", days=limit) if test.operator in ("le", "lt") else said("older than {days:0} d", days=limit)  # fmt: skip
    bound = {
        "lt": said("below {value}", value=value),
        "le": said("at most {value}", value=value),
        "gt": said("more than {value}", value=value),
        "ge": said("at least {value}", value=value),
    }.get(test.operator, value)
    name = _NUMBERS.get(test.field)
    return said("{name} {bound}", name=name, bound=bound) if name else bound


def _nearest(reading: Reading) -> Said | None:
    """What the fact has in place of what is missed, where numbers tell it."""
    found = list(_shown(reading))
    return joined(dict.fromkeys(found)) if found else None


def _shown(reading: Reading) -> Iterator[Said]:
    for check in reading.missed:
        far = check.distance
        if far and far.field in ("age_days", "egfr_age_days"):
            yield said("{days:ago}", days=far.value)
        elif far and far.field != "egfr":
            amount = _amount(far.value, _unit(reading.fact.kind, far.field, far.unit))
            lower_bound = isinstance(check.value, Between) and check.value.most == inf
            yield said("at least {value}", value=amount) if lower_bound else amount
        elif reading.measured:
            yield said("eGFR {value:0}", value=reading.measured[1])


def _amount(value: object, unit: Said | str) -> Said:
    return said("{value} {unit}", value=value, unit=unit) if unit else said("{value}", value=value)
