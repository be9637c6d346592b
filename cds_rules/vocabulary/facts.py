"""Facts: the flat, typed statements that rules match, and the register of every kind of fact there is.

A fact has a kind and fields. A field is text out of a fixed list, free text, a number or a truth value; None means
"not known" and is never met nor not met. A number of which only the ends are known is `Between` them, and a comparison is
settled where both ends are on the same side. Numbers are finite and quantized, so that comparing them plainly is comparing
with the tolerance of clinical specification 0.3 and both matchers read the same number.
`KINDS` is the contract between `derive` (fills facts), rule files (name facts) and both matchers.
Floor: vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.frozen import Frozen


class Between(Frozen, frozen=True):
    """A number that is known as the two ends between which it lies, both included and different; `math.inf`: no end.

    >>> str(Between(400.0, math.inf)), str(Between(3.0, 33.5))
    ('at least 400', '3 to 33.5')
    """

    least: float
    most: float

    def __str__(self) -> str:
        if self.most == math.inf:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}" if self.least == -math.inf else f"{self.least:g} to {self.most:g}"


Value = str | float | bool | Between | None
FieldType = Literal["number", "flag", "text"]
_DOMAINS = ("patient", "conditions", "medications", "labs", "vitals", "procedures", "orders")

DOMAINS: tuple[str, ...] = _DOMAINS
"""The parts of a record that can be delivered or missing as a whole; prefetch keys feed them."""

DRAFTS = "drafts"
"""The drafts of an order hook. They come with the call itself: they are never missing, but one of them may be unreadable."""


class Field(Frozen, frozen=True):
    """One field of a kind of fact: its type, its unit ("" for none), its allowed words (empty: any), and its meaning.

    ordered: the words go from good to bad.
    """

    type: FieldType
    meaning: str
    unit: str = ""
    words: tuple[str, ...] = ()
    ordered: bool = False


class Kind(Frozen, frozen=True):
    """One kind of fact: its fields and the domains of the record without which its absence says nothing.

    names: the field that says what a fact of this kind is about, "" where there is exactly one fact.
    """

    meaning: str
    fields: Mapping[str, Field]
    domains: tuple[str, ...]
    names: str = ""


class Fact(Frozen, frozen=True):
    """A statement a rule can match, with the places in the record it rests on.

    own: the places of single fields, of a fact that sums up several things (magnesium by mouth and by vein).
    """

    kind: str
    fields: Mapping[str, Value]
    sources: tuple[Source, ...] = ()
    own: Mapping[str, tuple[Source, ...]] | None = None

    def sources_of(self, fields: Iterable[str]) -> tuple[Source, ...]:
        """Where what some of its fields say stands: everywhere, unless each of these fields has places of its own."""
        if self.own is None:
            return self.sources
        own = [self.own.get(name, self.sources) for name in fields] or [self.sources]
        return tuple(dict.fromkeys(source for several in own for source in several))


def quantized(number: float) -> float:
    """Cut a number to what both matchers read alike: nine decimals, no exponent.

    Raises:
        ValueError: not finite, or beyond 1e12.

    >>> quantized(0.1 + 0.2), quantized(0.00001), quantized(-0.0)
    (0.3, 0.0, 0.0)
    """
    if not math.isfinite(number) or abs(number) > 1e12:
        raise ValueError("a fact holds finite numbers up to 1e12")
    return round(number, 9 if abs(number) >= 1e-4 else 4) + 0.0


def ends(value: float | Between) -> tuple[float, float]:
    """The least and the most that a number may be: twice itself where it is known.

    >>> ends(3.0), ends(Between(1.0, 2.0))
    ((3.0, 3.0), (1.0, 2.0))
    """
    return (value.least, value.most) if isinstance(value, Between) else (value, value)


def between(least: float, most: float) -> float | Between | None:
    """A number between two ends: itself where they meet, None where there is no end at all.

    >>> between(3, 3), between(-math.inf, math.inf), between(1, 2)
    (3.0, None, Between(least=1.0, most=2.0))
    """
    low, high = (each if math.isinf(each) else quantized(each) for each in (least, most))
    if math.isinf(low) and math.isinf(high):
        return None
    return low if low == high else Between(low, high)


def fact(kind: str, *sources: Source, **fields: Value) -> Fact:
    """Build a fact of a registered kind; fields that are not named are None.

    Raises:
        KeyError: no such kind or field.
        TypeError, ValueError: a value that does not fit its field.
    """
    declared = KINDS[kind].fields
    for name in fields:
        if name not in declared:
            raise KeyError(f"{kind} has no field {name}")
    return Fact(kind, {name: _fitting(kind, name, fields.get(name)) for name in declared}, sources)


def _fitting(kind: str, name: str, value: Value) -> Value:
    if value is None:
        return None
    declared = KINDS[kind].fields[name]
    if declared.type == "number":
        if isinstance(value, str | bool):
            raise TypeError(f"{kind}.{name} is a number")
        return between(value.least, value.most) if isinstance(value, Between) else quantized(value)
    if declared.type == "flag":
        if not isinstance(value, bool):
            raise TypeError(f"{kind}.{name} is true or false")
        return value
    if not isinstance(value, str):
        raise TypeError(f"{kind}.{name} is text")
    if declared.words and value not in declared.words:
        raise ValueError(f"{kind}.{name} is one of {', '.join(declared.words)}")
    return value


HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start", "encounter-discharge", "medication-refill")
ORDER_HOOKS = frozenset({"order-select", "order-sign", "medication-refill"})
"""Hooks that bring drafts, on which the rules look first; at the others they look at what is active."""

NOT_KNOWN = "UNKNOWN"
"""The tier of kidneys of which nothing is on file: last in the list, and neither better nor worse than another."""
TIERS = ("OK", "G3a", "G3b", "G4", "G5", "AKI", "DIALYSIS", NOT_KNOWN)
LABS = (
    "creatinine", "egfr", "cystatin_c", "magnesium", "potassium", "sodium", "calcium", "albumin", "ck", "tsh",
    "vitamin_d_25oh", "qtc", "bun", "ionized_calcium", "corrected_calcium",
)  # fmt: skip
VITALS = ("sbp", "hr", "rr", "weight", "height", "crcl")
REASONS = ("cramps", "malaria", "other", "none")
TESTS = ("magnesium", "creatinine", "bmp", "cmp", "ck", "tsh", "calcium", "ecg", "vitamin-d", "other")


def _number(meaning: str, unit: str = "") -> Field:
    return Field("number", meaning, unit)


def _flag(meaning: str) -> Field:
    return Field("flag", meaning)


def _text(meaning: str, *words: str) -> Field:
    return Field("text", meaning, words=words)


KINDS: Mapping[str, Kind] = {
    "call": Kind(
        "The call itself; exactly one.",
        {
            "hook": _text("hook that was called", *HOOKS),
            "ordering": _flag("a hook that brings drafts: order-select, order-sign, medication-refill"),
        },
        (),
    ),
    "patient": Kind(
        "The patient; exactly one.",
        {
            "age_years": _number("completed years", "a"),
            "sex": _text("administrative sex", "male", "female"),
            "pregnant": _flag("pregnant now"),
            "postpartum": _flag("delivered within 42 days"),
            "comfort_care": _flag("comfort, hospice or palliative-only care (clinical specification 3.11)"),
            "torsades": _flag("torsades_active: recorded within 7 days (clinical specification 3.11)"),
        },
        ("patient", "conditions"),
    ),
    "kidney": Kind(
        "Kidney function (clinical specification 3.1, 3.3); exactly one.",
        {
            "tier": Field("text", "worst applicable tier", words=TIERS, ordered=True),
            "impaired": _flag("tier is G3b, G4, G5, AKI or DIALYSIS"),
            "severe": _flag("tier is G4, G5, AKI or DIALYSIS"),
            "egfr": _number("chosen eGFR, rounded half up", "mL/min/{1.73_m2}"),
            "egfr_age_days": _number("age of the chosen eGFR", "d"),
            "aki_stage": _number("KDIGO stage, 0 without AKI"),
            "crcl": _number("Cockcroft-Gault creatinine clearance", "mL/min"),
            "dosing_tier": _text("tier that limits of statin doses are judged by", *TIERS),
        },
        ("patient", "labs", "conditions", "procedures"),
    ),
    "magnesium": Kind(
        "Magnesium products taken and drafted together (clinical specification 3.9); exactly one.",
        {
            "focal_oral": _flag("FOCAL holds mg_oral"),
            "heavy": _flag("FOCAL mg_oral holds a laxative or antacid"),
            "focal_binder_only": _flag("every FOCAL mg_oral is a phosphate binder"),
            "focal_supplement": _flag("FOCAL mg_oral holds a supplement"),
            "focal_iv": _flag("FOCAL holds IV or IM magnesium"),
            "focal_iv_small": _flag("every FOCAL IV order is one-time and at most 2 g"),
            "focal_bowel_prep": _flag("FOCAL holds a magnesium bowel preparation"),
            "focal_enema": _flag("FOCAL holds a magnesium enema"),
            "obstetric": _flag("obstetric_mg (3.11)"),
            "total_mg": _number(
                "elemental magnesium a day of all oral products in BOTH; unknown amounts count 0; of a part of the"
                " medications a lower bound",
                "mg/d",
            ),
            "amount_mg": _number(
                "total_mg as far as it is known: where an amount or a part of the medications is unknown, from there upward",
                "mg/d",
            ),
            "source_count": _number("products of at least 8 mg a day; of a part of the medications a lower bound"),
            "over_limit": _flag("total_mg above the supplement limit (UL) for age"),
            "source_taken": _flag("a source of any kind is active or stopped within 3 days"),
            "source_drafted": _flag("a draft in focus is a source of any kind"),
            "toxicity_source": _flag(
                "a source for 2.2: oral, preparation, enema, or IV that is not obstetric; active or stopped within 3 days"
            ),
            "toxicity_source_iv": _flag("toxicity_source holds IV or IM magnesium that is not obstetric"),
            "iv_active": _flag("IV or IM magnesium is active"),
            "both_iv": _flag("BOTH holds IV or IM magnesium"),
            "both_oral": _flag("BOTH holds mg_oral"),
            "focal_start_days": _number("days since the latest start of the FOCAL oral products", "d"),
        },
        ("medications", "conditions"),
    ),
    "toxicity": Kind(
        "Signs that fit magnesium excess (clinical specification 3.10); exactly one.",
        {
            "present": _flag("toxicity_present"),
            "specific_major": _flag("at least one specific major sign"),
            "major": _flag("at least one major sign, specific or not"),
            "oldest_sign_days": _number("age of the oldest qualifying sign", "d"),
            "level_measured": _flag("a magnesium is on file that is at most as old as the oldest sign, or one day"),
        },
        ("vitals", "conditions"),
    ),
    "lab": Kind(
        "The latest usable result of each laboratory key; for potassium the latest that is not hemolyzed.",
        {
            "code": _text(
                "laboratory key; calcium is the one that counts by 3.5 and has no value: corrected_calcium (mg/dL) or"
                " ionized_calcium (mmol/L) stands beside it; egfr is the chosen one",
                *LABS,
            ),
            "value": _number("in the canonical unit of 3.4; none for calcium, and for a bound that says nothing"),
            "age_days": _number("age of the result", "d"),
            "flag": _text(
                "against the limits of 3.5 and 3.6 or the lab's own; None for a bound that says nothing",
                "low",
                "normal",
                "high",
            ),
            "ratio": _number("CK divided by its upper limit, unrounded"),
            "hemolyzed": _flag("hemolyzed specimen"),
            "since_magnesium": _flag("drawn on or after the (latest) start of the FOCAL magnesium products"),
            "since_diuretic": _flag(
                "drawn on or after the start of the earliest implicated diuretic; true in order hooks"
            ),
            "since_statin": _flag("drawn on or after the start of the statin; true in order hooks"),
            "since_symptom": _flag("drawn on or after the onset of the latest statin-period muscle symptom"),
            "since_scheduled": _flag("drawn on or after the earliest known start of a scheduled FOCAL mg_oral product"),
            "magnesium_started": _flag(
                "an active oral or IV magnesium product was started on or after the day of the result"
            ),
            "repeatedly_low": _flag("potassium: another one below 3.5 at least 24 h earlier, at most 14 days old"),
        },
        ("labs",),
        names="code",
    ),
    "vital": Kind(
        "The latest vital sign or body measure of each key, and what is computed with it.",
        {
            "code": _text("sbp, hr, rr, weight, height; crcl is Cockcroft-Gault in mL/min", *VITALS),
            "value": _number("mm[Hg], /min, kg, cm, mL/min"),
            "age_days": _number("age", "d"),
        },
        ("patient", "labs", "vitals"),
        names="code",
    ),
    "slco1b1": Kind(
        "The SLCO1B1 phenotype on file (clinical specification 2.27), of any age; the newest that can be read.",
        {"function": _text("transporter function", "poor", "decreased", "normal")},
        ("labs",),
    ),
    "medication": Kind(
        "A medication of the record or a draft, one fact for each class it belongs to.",
        {
            "class": _text("class of clinical specification 5.1"),
            "ingredient": _text("first ingredient"),
            "state": _text("active, stopped or draft", "active", "stopped", "draft"),
            "focal": _flag("belongs to FOCAL"),
            "both": _flag("belongs to BOTH: a draft, or active and not replaced by a draft"),
            "route": _text("route"),
            "start_days": _number("days since the start", "d"),
            "known_days": _number(
                "days an active medication is known to be taken; 0 when its start is not recorded", "d"
            ),
            "stopped_days": _number("days since it was stopped", "d"),
            "dose_mg": _number("milligrams a day of the ingredient", "mg/d"),
            "prn": _flag("taken as needed"),
            "renewal": _flag("a draft that only renews or replaces an active order of the same ingredient"),
            "reason": _text("why it is given", *REASONS),
            "before_cramp": _flag(
                "active, started 0 to 365 days before a true muscle cramp of 30 days, or at an unknown time"
            ),
        },
        ("medications",),
        names="class",
    ),
    "magnesium-product": Kind(
        "A magnesium product of `magnesium`: in BOTH, or stopped within 3 days; one fact each.",
        {
            "class": _text("class of clinical specification 5.1"),
            "oral": _flag("mg_oral: an oral class with at least 50 mg a day or an unknown amount"),
            "heavy": _flag("mg_oral that is a laxative or antacid"),
            "state": _text("active, stopped or draft", "active", "stopped", "draft"),
            "focal": _flag("belongs to FOCAL"),
            "prn": _flag("taken as needed"),
            "known_days": _number("days an active product is known to be taken; 0 when its start is not recorded", "d"),
            "reason": _text("why it is given", *REASONS),
        },
        ("medications",),
        names="class",
    ),
    "statin-dose": Kind(
        "A statin in BOTH whose daily dose is known, or an active one that a draft replaces.",
        {
            "statin": _text("statin"),
            "dose_mg": _number("milligrams a day", "mg/d"),
            "state": _text("active or draft", "active", "draft"),
            "focal": _flag("belongs to FOCAL"),
            "both": _flag("belongs to BOTH"),
            "days_at_dose": _number(
                "days an active statin is known to be taken at this dose; 0 when not recorded", "d"
            ),
        },
        ("medications",),
        names="statin",
    ),
    "condition": Kind(
        "An active condition that counts (clinical specification 4.3).",
        {
            "key": _text("condition key of 5.3"),
            "age_days": _number("days since it was recorded or began, whichever is later; none: long ago", "d"),
            "confirmed": _flag("not provisional, differential or unconfirmed"),
        },
        ("conditions",),
        names="key",
    ),
    "symptom": Kind(
        "A reported symptom or sign (clinical specification 5.4, 3.11).",
        {
            "key": _text("symptom key of 5.4"),
            "age_days": _number("days since it was last recorded", "d"),
            "onset_days": _number("days since onset", "d"),
            "cramp": _flag("true_muscle_cramp"),
            "nocturnal": _flag("said to come at night or in sleep"),
            "gut": _flag("diarrhea, bloating, nausea, abdominal cramp, or a cramp record at abdomen or stomach"),
            "after_magnesium": _flag("not before the start of an active mg_oral product"),
            "after_diuretic": _flag("a true muscle cramp whose onset is not before the start of an active diuretic"),
            "statin_period": _flag("statin-period muscle symptom (3.11)"),
            "severe_deficiency": _flag("severe_deficiency_sign (3.11)"),
            "confirmed": _flag("not provisional, differential or unconfirmed"),
        },
        ("conditions", "labs", "medications"),
        names="key",
    ),
    "order": Kind(
        "A test that is already ordered.",
        {
            "test": _text("test", *TESTS),
            "state": _text("active or draft", "active", "draft"),
        },
        ("orders",),
        names="test",
    ),
    "renal-risk": Kind(
        "A risk factor for impaired kidneys (renal_risk_factor, 3.1), one fact each.",
        {"key": _text("condition key or medication class")},
        ("conditions", "medications"),
        names="key",
    ),
    "deficiency-risk": Kind(
        "A risk for magnesium deficiency (mg_risk, 3.9b), one fact each.",
        {
            "key": _text("medication class or condition key"),
            "diuretic": _flag("a loop or thiazide diuretic"),
            "count": _number("how many different risks there are"),
        },
        ("conditions", "medications"),
        names="key",
    ),
    "interaction": Kind(
        "A row of table 2.25 that applies to a statin and a partner in BOTH.",
        {
            "statin": _text("statin"),
            "partner": _text("partner drug"),
            "effect": _text("what the row says", "contra", "avoid", "cap"),
            "focal": _flag("a draft in focus takes part"),
            "cap_mg": _number("allowed dose of a cap row", "mg/d"),
        },
        ("medications",),
        names="statin",
    ),
    "spacing": Kind(
        "An oral magnesium product and an oral drug of table 2.34 in BOTH, of which a draft in focus takes part.",
        {
            "partner": _text("partner drug"),
            "avoid": _flag("marked in the table: do not combine"),
            "settled": _flag("both active for more than 30 days, the draft only renews one of them"),
        },
        ("medications",),
        names="partner",
    ),
}


@cache
def call(hook: str) -> Fact:
    """The one fact about the call itself."""
    return fact("call", hook=hook, ordering=hook in ORDER_HOOKS)
