"""Symptoms: which cramps are muscle cramps, what came after which drug, signs of excess and of severe deficiency.

Flows in: a `Record`, the `Patient` and `Drug`s. Flows out: `Complaint`s, `Toxicity`, `Direction`. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from cds_rules.derive.exposure import Drug, Statin
from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON, Record, counted, problem_moment, same_day_or_later, unique
from cds_rules.vocabulary.chart import Result, Source, Symptom
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import Said, joined, said, word

MUSCLE_SITES = frozenset(
    {
        "leg", "calf", "foot", "toe", "thigh", "hip", "buttock", "arm", "hand", "shoulder", "upper-arm", "back",
        "generalized", "muscle",
    }
)  # fmt: skip
GUT_SITES = frozenset({"abdomen", "stomach"})
_NOT_MUSCLE_SITES = GUT_SITES | {"pelvis", "uterus", "menstrual", "chest"}
_MUSCLE_SYMPTOMS = frozenset({"muscle-pain", "muscle-tenderness", "muscle-weakness"})
_GUT_SYMPTOMS = frozenset({"diarrhea", "bloating", "nausea", "nausea-or-vomiting", "abdominal-cramp"})
_NAUSEA = frozenset({"nausea", "vomiting", "nausea-or-vomiting"})
SPECIFIC_MAJOR = frozenset({"hyporeflexia", "flaccid-paralysis", "respiratory-depression"})
OTHER_MAJOR = frozenset({"hypotension", "bradycardia", "heart-block"})
MINOR = frozenset({"muscle-weakness", "lethargy", "confusion", "flushing", "nausea-or-vomiting"})
_SEVERE_DEFICIENCY = frozenset({"seizure", "tetany", "ventricular-arrhythmia", "torsades"})
_VITAL_SIGNS = (("rr", 12.0, "respiratory-depression"), ("sbp", 90.0, "hypotension"), ("hr", 50.0, "bradycardia"))
_EXCESS = (
    "muscle-weakness", "lethargy", "hyporeflexia", "hypotension", "flushing", "confusion", "depression",
    "respiratory-depression", "flaccid-paralysis", "bradycardia", "heart-block", "diarrhea", "abdominal-cramp",
)  # fmt: skip
_DEFICIENCY = ("muscle-cramp", "muscle-twitch", "tremor", "paresthesia", "seizure", "tetany", "loss-of-appetite")
_NEUTRAL = ("nausea", "vomiting", "nausea-or-vomiting", "arrhythmia", "irregular-heartbeat", "fatigue")
_DIRECTIONS = (said("excess"), said("deficiency"), said("does not discriminate"))
DIRECTION_TEXTS = tuple(
    f"{title}: {word(key)}"
    for title, keys in zip(_DIRECTIONS, (_EXCESS, _DEFICIENCY, _NEUTRAL), strict=True)
    for key in keys
)
"""Everything the block about the direction of findings can say, for the pages about rules."""
SYMPTOM_DAYS, SEVERE_DAYS, VITALS_DAYS = 30.0, 7.0, 1.0
_AS_SYMPTOMS = ("torsades", "ventricular-arrhythmia")


def is_true_muscle_cramp(key: str, site: str | None, muscle_specific: bool) -> bool:
    """Whether a cramp record speaks of a skeletal muscle (clinical specification 3.11).

    >>> is_true_muscle_cramp("muscle-cramp", "calf", False), is_true_muscle_cramp("muscle-cramp", "abdomen", True)
    (True, False)
    """
    return key == "muscle-cramp" and (site in MUSCLE_SITES or (site is None and muscle_specific))


class Complaint(Frozen, frozen=True):
    """A reported symptom or sign, judged.

    cramp: true muscle cramp. gut: what magnesium may do to the gut. after_magnesium, after_diuretic, statin_period: not
    before an active product or drug, None when the medication list was not delivered. severe_deficiency: a
    severe_deficiency_sign within 7 days.
    """

    key: str
    site: str | None
    side: str | None
    timing: str | None
    recorded: datetime
    onset: datetime
    age_days: float
    onset_days: float
    confirmed: bool
    cramp: bool
    gut: bool
    after_magnesium: bool | None
    after_diuretic: bool | None
    statin_period: bool | None
    severe_deficiency: bool
    source: Source

    @property
    def name(self) -> Said:
        """The key in plain words."""
        return word(self.key)

    @property
    def onset_age(self) -> float:
        """Days since onset."""
        return self.onset_days

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where it stands in the record."""
        return (self.source,)


def _any_since(moment: datetime, drugs: Iterable[Drug]) -> bool:
    return any(drug.since(moment) for drug in drugs)


def true_cramps(record: Record) -> list[Symptom]:
    """True muscle cramps recorded within 30 days, newest first."""
    return [
        each
        for each in record.symptoms
        if is_true_muscle_cramp(each.key, each.site, each.muscle_specific)
        and record.within(each.recorded, SYMPTOM_DAYS)
    ]


def complaints(
    record: Record, magnesium: Sequence[Drug], diuretics: Sequence[Drug], statins: Sequence[Statin]
) -> tuple[Complaint, ...]:
    """All reported symptoms, judged, newest first.

    Args:
        magnesium: active mg_oral products. diuretics: active diuretics. statins: of `exposure.statins`.
    """
    taken = [each.drug for each in statins if each.state != "draft"]
    every_counts = record.ordering and not taken  # no statin before: whatever there is came before this draft too
    found = []
    for symptom in record.symptoms:
        key, recorded, onset = symptom.key, symptom.recorded, symptom.onset or symptom.recorded
        cramp = is_true_muscle_cramp(key, symptom.site, symptom.muscle_specific)
        age = record.age_of_date(recorded, symptom.source.written)
        muscular = cramp or (key in _MUSCLE_SYMPTOMS and symptom.site not in _NOT_MUSCLE_SITES)
        statin_period = muscular and age <= SYMPTOM_DAYS + EPSILON and (every_counts or _any_since(onset, taken))
        found.append(
            Complaint(
                key=key,
                site=symptom.site,
                side=symptom.side,
                timing=symptom.timing,
                recorded=recorded,
                onset=onset,
                age_days=age,
                onset_days=record.age_of_date(onset, symptom.onset_written),
                confirmed=record.counts(symptom),
                cramp=cramp,
                gut=key in _GUT_SYMPTOMS or (key == "muscle-cramp" and symptom.site in GUT_SITES),
                after_magnesium=record.certain(_any_since(recorded, magnesium), "medications"),
                after_diuretic=record.certain(cramp and _any_since(onset, diuretics), "medications")
                if cramp
                else False,
                statin_period=record.certain(statin_period, "medications") if muscular else False,
                severe_deficiency=key in _SEVERE_DEFICIENCY and record.counts(symptom) and age <= SEVERE_DAYS + EPSILON,
                source=symptom.source,
            )
        )
    return (*found, *_rhythm(record))


def _rhythm(record: Record) -> list[Complaint]:
    """Arrhythmias that stand in the record as conditions."""
    found = []
    for key in _AS_SYMPTOMS:
        for problem in record.problems.get(key, ()):
            moment = problem_moment(problem)
            if moment is None:
                continue
            age = record.age_days(moment)
            severe = record.counts(problem) and age <= SEVERE_DAYS + EPSILON
            onset = problem.onset or moment
            found.append(
                Complaint(
                    key, None, None, None, moment, onset, age, record.age_days(onset), record.counts(problem),
                    False, False, False, False, False, severe, problem.source,
                )
            )  # fmt: skip
    return found


class Sign(Frozen, frozen=True):
    """A sign that fits magnesium excess. weight: specific-major, major or minor; value: of a vital sign."""

    key: str
    weight: str
    age_days: float
    source: Source
    value: str = ""

    @property
    def name(self) -> Said:
        """The sign in plain words, with the measured value."""
        return said("{sign} ({value})", sign=word(self.key), value=self.value) if self.value else word(self.key)


class Toxicity(Frozen, frozen=True):
    """Signs that fit magnesium excess, one a key, specific ones first (clinical specification 3.10)."""

    signs: tuple[Sign, ...]

    @property
    def specific_major(self) -> bool:
        """At least one specific major sign."""
        return "specific-major" in [each.weight for each in self.signs]

    @property
    def major(self) -> bool:
        """At least one major sign, specific or not."""
        return not {each.weight for each in self.signs} <= {"minor"}

    @property
    def present(self) -> bool:
        """toxicity_present: one specific major sign, another major sign and any further sign, or two minor signs."""
        return self.specific_major or len(self.signs) >= 2

    @property
    def oldest_sign_days(self) -> float | None:
        """Age of the oldest qualifying sign."""
        return max([each.age_days for each in self.signs], default=None)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the signs stand in the record."""
        return unique(each.source for each in self.signs)


def _weight(key: str) -> str | None:
    return (
        "specific-major"
        if key in SPECIFIC_MAJOR
        else "major"
        if key in OTHER_MAJOR
        else "minor"
        if key in MINOR
        else None
    )


def _shown(result: Result) -> str:
    return result.source.value or f"{result.comparator}{result.value:g} {result.unit}".strip()


def toxicity(record: Record, patient: Patient) -> Toxicity:
    """Collect the signs: symptoms of 7 days, for adults vital signs of 24 hours; nausea and vomiting count once."""
    found: dict[str, Sign] = {}
    for symptom in record.symptoms:
        if not record.counts(symptom) or not record.within(symptom.recorded, SEVERE_DAYS):
            continue
        key = "nausea-or-vomiting" if symptom.key in _NAUSEA else symptom.key
        weight = _weight(key)
        if weight is not None:
            found.setdefault(key, Sign(key, weight, record.age_days(symptom.recorded), symptom.source))
    if patient.adult:
        for code, below, key in _VITAL_SIGNS:
            result = record.latest(code, VITALS_DAYS)
            if result is not None and result.comparator not in (">", ">=") and counted(result) < below - EPSILON:
                weight = _weight(key) or "major"
                sign = Sign(key, weight, record.age_of(result), result.source, _shown(result))
                if key not in found or found[key].age_days > sign.age_days:
                    found[key] = sign
    rank = ("specific-major", "major", "minor")
    return Toxicity(tuple(sorted(found.values(), key=lambda each: (rank.index(each.weight), each.key))))


def level_measured(record: Record, signs: Toxicity) -> bool:
    """Whether a magnesium is on file that is at most as old as the oldest sign, or one day (clinical specification 2.2)."""
    latest = record.latest("magnesium")
    return latest is not None and record.within(latest.at, max(signs.oldest_sign_days or 0.0, 1.0))


class Direction(Frozen, frozen=True):
    """Which way the findings of 30 days point (DIR, clinical specification 3.11). For display; it never triggers a card."""

    excess: tuple[Said, ...]
    deficiency: tuple[Said, ...]
    neutral: tuple[Said, ...]

    @property
    def verdict(self) -> Said:
        """points to excess, points to deficiency, mixed, or no pattern."""
        if self.excess and self.deficiency:
            return said("mixed")
        if self.excess:
            return said("points to excess")
        return said("points to deficiency") if self.deficiency else said("no pattern")

    @property
    def words(self) -> Said:
        """The verdict and what it rests on."""
        parts = [
            said("{direction}: {signs}", direction=title, signs=joined(names))
            for title, names in zip(_DIRECTIONS, (self.excess, self.deficiency, self.neutral), strict=True)
            if names
        ]
        if not parts:
            return said("Findings: {verdict}", verdict=self.verdict)
        return said("Findings: {verdict} ({signs})", verdict=self.verdict, signs=joined(parts, "; "))


def direction(reported: Iterable[Complaint], signs: Toxicity) -> Direction:
    """Sort the findings of 30 days by where they point."""
    keys = {
        each.key
        for each in reported
        if each.age_days <= SYMPTOM_DAYS + EPSILON and (each.key != "muscle-cramp" or each.cramp)
    }
    keys |= {sign.key for sign in signs.signs if sign.key != "nausea-or-vomiting"}

    def named(order: Sequence[str]) -> tuple[Said, ...]:
        return tuple(word(key) for key in order if key in keys)

    return Direction(named(_EXCESS), named(_DEFICIENCY), named(_NEUTRAL))


def on_or_after(moment: datetime, start: datetime | None) -> bool:
    """Whether a moment is not before a start; an unknown start counts as yes."""
    return start is None or same_day_or_later(moment, start)
