"""What was read from a patient's record: typed statements, each with its source.

`fhir` fills a `Chart`; `derive` turns it into `Fact`s. Values are in the canonical unit of their key (clinical specification 3.4),
text that came from the record is as it stands there (escaping is the business of `cards`). None means "not known".
Floor: vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

from cds_rules.vocabulary.frozen import Frozen, field
from cds_rules.vocabulary.wording import Said, said

Sex = Literal["male", "female"]
State = Literal["active", "stopped", "draft"]


class Source(Frozen, frozen=True):
    """Where a statement stands in the record.

    reference: "Type/id"; a resource without id gets "Type#n" with n its place in what was delivered, counted from 1.
    label: what the record calls it. value: the value as charted with its unit, "" where there is none. when: the first
    moment its date can mean; written: that date where it names no day ("2026-05", "2026"), else "".
    """

    reference: str
    label: str
    value: str = ""
    when: datetime | None = None
    written: str = ""


class Unread(Frozen, frozen=True):
    """A resource, or a part of one, that was not used, and why.

    reason is one word of `UNREAD_REASONS`; detail says what was found and what belongs there, without names or text of
    the patient; about is the key (lab, condition, symptom, class) it would have been, "" when that is not known.
    """

    reference: str
    reason: str
    detail: str
    about: str = ""


UNREAD_REASONS: Mapping[str, Said] = {
    "malformed": said("the resource or a field does not have the shape FHIR gives it"),
    "invalid": said("fails full FHIR validation, withdrawn before being cited"),
    "unknown-type": said("no or unknown resourceType"),
    "other-patient": said("belongs to another patient"),
    "entered-in-error": said("entered in error"),
    "status": said("status does not count (preliminary, cancelled, on hold, ...)"),
    "verification": said("refuted, or not confirmed enough to count"),
    "no-value": said("no value, or a reason why it is absent"),
    "no-date": said("no date that can be used"),
    "future": said("dated in the future"),
    "unit": said("unit missing or not known for this analyte"),
    "unit-conflict": said("unit and unit code contradict each other"),
    "implausible": said("value outside what a living patient can have"),
    "comparator": said("a bound on the wrong side says nothing"),
    "specimen": said("not a serum or plasma specimen"),
    "no-code": said("neither a code nor a text that is understood"),
    "duplicate": said("the same statement again"),
    "version": said("FHIR version not supported"),
    "no-rule": said("an order of a kind that no rule looks at"),
}


class Subject(Frozen, frozen=True):
    """The patient. birth_date may be cut to its year or month: then `birth_date` is its first day.

    deceased: when the patient died, None for one who is not known to be dead at the evaluation.
    """

    reference: str
    birth_date: date | None
    sex: Sex | None
    deceased: datetime | None = None
    source: Source | None = None


class Result(Frozen, frozen=True):
    """One usable measured value: laboratory, vital sign, body measure, ECG interval or coded finding.

    key: clinical specification 5.2 (creatinine, egfr_reported, magnesium, potassium, ..., sbp, hr, rr, weight, height, slco1b1).
    value: canonical unit of the key; a comparator is kept beside it ("<", "<=", ">", ">=", or "").
    low, high: the observation's own reference range in the canonical unit. method: "CKD-EPI 2021", "MDRD", ... or "".
    correction: rank of status for ties, higher wins (corrected 2, amended 1, final 0). text: for coded findings.
    until: the last moment a date without a day can mean (at is the first); None for one that names its day.
    """

    key: str
    value: float
    unit: str
    at: datetime
    source: Source
    comparator: str = ""
    low: float | None = None
    high: float | None = None
    hemolyzed: bool = False
    method: str = ""
    correction: int = 0
    text: str = ""
    until: datetime | None = None


class Amount(Frozen, frozen=True):
    """A number with a unit in lower-case words of dosing: "mg", "g", "mcg", "mL", "mEq", "mmol", "unit" (tablet, capsule, ...)."""

    value: float
    unit: str


class Dosage(Frozen, frozen=True):
    """How a product is taken, as far as it can be read with certainty.

    dose: amount each time (the upper end of a range). per_day: times a day; None when not known. one_time: given once.
    per_hour: amount per hour of a running infusion. maximum_per_day: an ordered ceiling. text: the sig as written.
    """

    dose: Amount | None = None
    per_day: float | None = None
    prn: bool = False
    one_time: bool = False
    per_hour: Amount | None = None
    maximum_per_day: Amount | None = None
    text: str = ""


class Product(Frozen, frozen=True):
    """What the terminology knows of a product: its ingredients and their strengths.

    ingredients: lower-case names. strengths: (ingredient, amount in mg, per: "unit" or "mL") where known.
    magnesium: elemental magnesium per unit or mL with its basis, when the product holds magnesium as treatment.
    """

    ingredients: tuple[str, ...]
    classes: frozenset[str]
    strengths: tuple[tuple[str, float, str], ...] = ()
    dose_form: str = ""
    route: str | None = None
    magnesium: MagnesiumContent | None = None


class MagnesiumContent(Frozen, frozen=True):
    """Elemental magnesium of a product. Units: mg per `per` ("unit" or "mL"); None when not known.

    basis: "salt" (strength is the salt's weight), "elemental", "ambiguous" (see clinical specification 9.10: `elemental_mg` is the
    salt reading, `upper_mg` the other), or "unknown". salt: "magnesium oxide", ... or "" . strength_mg: as labelled.
    """

    salt: str
    elemental_mg: float | None
    per: str
    basis: str
    upper_mg: float | None = None
    strength_mg: float | None = None


class Medication(Frozen, frozen=True):
    """One medication of the record or one drafted order, after status, date and de-duplication rules (clinical specification 4.1).

    state: "active"; "stopped" (stopped or completed, with `stop` when known); "draft" (this hook's drafts only).
    classes: keys of clinical specification 5.1, already adapted to route and reason. route: oral, iv, im, rectal, topical, inhaled,
    ophthalmic, otic, nasal, subcutaneous, other; None when unknown. start: earliest start, see 4.1. reasons: cramps,
    constipation, dyspepsia, bowel-cleansing, hyperphosphatemia, preeclampsia, eclampsia, fetal-neuroprotection,
    preterm-labour, torsades, hypomagnesemia, malaria, babesiosis, general-health, other. selected: a draft that the hook
    puts in focus. resource_id: bare id, for suggestions. identifiers/replaces: business identifiers and priorPrescription.
    doses_mg: (when, mg a day) for the dose history of the same ingredient, oldest first. patient_reported: a statement of
    the patient or an over-the-counter entry. others: further records of the same product that were folded into this one.
    """

    product: Product
    label: str
    state: State
    source: Source
    resource_type: str
    classes: frozenset[str] = frozenset()
    route: str | None = None
    dosage: Dosage = Dosage()
    start: datetime | None = None
    stop: datetime | None = None
    dose_increased: datetime | None = None
    reasons: frozenset[str] = frozenset()
    resource_id: str = ""
    selected: bool = False
    patient_reported: bool = False
    identifiers: frozenset[str] = frozenset()
    replaces: frozenset[str] = frozenset()
    others: tuple[Source, ...] = ()
    unconfirmed: bool = False


class Problem(Frozen, frozen=True):
    """One condition of the record that counts, by key of clinical specification 5.3; one code may give several problems.

    active: clinicalStatus active, recurrence, relapse or absent. confirmed: False for unconfirmed, provisional and
    differential (never the sole ground of a critical card). recorded, onset: None when not known ("long ago").
    """

    key: str
    active: bool
    confirmed: bool
    source: Source
    recorded: datetime | None = None
    onset: datetime | None = None
    abated: datetime | None = None


class Symptom(Frozen, frozen=True):
    """One reported symptom or sign by key of clinical specification 5.4.

    site: leg, calf, foot, toe, thigh, hip, buttock, arm, hand, shoulder, upper-arm, back, generalized, muscle, abdomen,
    stomach, pelvis, uterus, menstrual, chest, other; None when not said. side: left, right, bilateral. timing: nocturnal,
    exertional, dialysis, menstrual. muscle_specific: the code itself says muscle cramp (clinical specification 3.11).
    onset: the last moment its date can mean; onset_written: that date where it names no day ("2026"), else "".
    """

    key: str
    recorded: datetime
    source: Source
    onset: datetime | None = None
    site: str | None = None
    side: str | None = None
    timing: str | None = None
    muscle_specific: bool = False
    confirmed: bool = True
    onset_written: str = ""


class Order(Frozen, frozen=True):
    """A test that is already ordered: test is magnesium, creatinine, bmp, cmp, ck, tsh, calcium, ecg, vitamin-d, other."""

    test: str
    state: State
    source: Source


class Event(Frozen, frozen=True):
    """Something that happened at a time: key is dialysis, kidney-transplant, delivery; ongoing for an active order or plan."""

    key: str
    at: datetime | None
    source: Source
    ongoing: bool = False


class Chart(Frozen, frozen=True):
    """Everything that was read about one patient at one instant; newest first in each tuple, undated last."""

    subject: Subject | None
    results: tuple[Result, ...] = ()
    medications: tuple[Medication, ...] = ()
    problems: tuple[Problem, ...] = ()
    symptoms: tuple[Symptom, ...] = ()
    orders: tuple[Order, ...] = ()
    events: tuple[Event, ...] = ()
    unread: tuple[Unread, ...] = ()
    not_understood: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(kind, "system|code display" or text) -> count, of medications, laboratory codes and units nothing is known of."""
