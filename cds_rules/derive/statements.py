"""What was derived, said as the flat facts that rules match.

Flows in: `Derived` views. Flows out: `Fact`s of the kinds of vocabulary/facts.py. Every comparison between two facts is made
here or before, so that rules compare fields with constants only. A flag that absence makes false is None when the part of
the record that would say so was not delivered.
Floor: derive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from math import inf
from typing import TYPE_CHECKING, Final

from cds_rules.derive.exposure import DIURETICS, WASTING, followed_by_cramp
from cds_rules.derive.labs import VITALS, Lab, repeatedly_low
from cds_rules.derive.magnesium import Magnesium, Product
from cds_rules.derive.record import EPSILON, Record, problem_moment, same_day_or_later
from cds_rules.vocabulary.chart import Result, Source, Symptom
from cds_rules.vocabulary.facts import DRAFTS, KINDS, LABS, Between, Fact, Value, call, quantized

if TYPE_CHECKING:
    from cds_rules.derive import Derived

SINGLE: Final = frozenset({"call", "patient", "kidney", "magnesium", "toxicity"})
"""Kinds of which there is exactly one fact: what is not known of them is a field that is None, never an absent fact."""

_PARENTS = (("diuretic", frozenset(DIURETICS)), ("mg-wasting", frozenset(WASTING)))
"""Classes that stand for several: a fact of the parent lies beside that of the member."""
_SMALL_IV_G = 2.0
_STOPPED_DAYS = 180.0
_MEDICATIONS = "medications"


def _number(value: float) -> float:
    """`quantized`, by short cuts for whole numbers and the usual sizes."""
    if 0.0001 <= value <= 1e12:
        return value + 0.0 if value % 1 == 0 else round(value, 9)
    return quantized(value)


def _numeric(value: float | None) -> float | None:
    return None if value is None else _number(value)


def statements(derived: Derived, record: Record, cramps: Sequence[Symptom]) -> tuple[Fact, ...]:
    """All facts of one evaluation."""
    facts = [
        call(record.hook),
        _patient(derived),
        _kidney(derived, record),
        _magnesium(derived, record),
        _toxicity(derived, record),
    ]
    facts += _labs(derived, record)
    facts += _vitals(derived, record)
    facts += _medications(derived, record, cramps)
    facts += _products(derived.magnesium)
    facts += _statin_doses(derived)
    facts += _conditions(record)
    facts += _symptoms(derived)
    facts += [
        Fact("order", {"test": each.test, "state": each.state}, (each.source,))
        for each in record.chart.orders
        if each.state != "stopped"
    ]
    facts += [Fact("renal-risk", {"key": each.key}, each.sources) for each in derived.renal_risks]
    count = float(len(derived.deficiency_risks))
    facts += [
        Fact("deficiency-risk", {"key": each.key, "diuretic": each.diuretic, "count": count}, each.sources)
        for each in derived.deficiency_risks
    ]
    facts += [
        Fact(
            "interaction",
            {
                "statin": each.statin,
                "partner": each.partner,
                "effect": each.effect,
                "focal": each.focal,
                "cap_mg": _numeric(each.cap_mg),
            },
            each.sources,
        )
        for each in derived.interactions
    ]
    facts += [
        Fact("spacing", {"partner": each.partner, "avoid": each.avoid, "settled": each.settled}, each.sources)
        for each in derived.spacings
    ]
    return tuple(facts)


def _patient(derived: Derived) -> Fact:
    patient = derived.patient
    fields: dict[str, Value] = {
        "age_years": None if patient.age_years is None else float(patient.age_years),
        "sex": patient.sex,
        "pregnant": patient.pregnant,
        "postpartum": patient.postpartum,
        "comfort_care": patient.comfort_care,
        "torsades": patient.torsades,
    }
    return Fact("patient", fields, patient.sources)


def _kidney(derived: Derived, record: Record) -> Fact:
    kidney = derived.kidney
    rounded = kidney.egfr_rounded
    impaired, severe = kidney.impaired, kidney.severe
    if impaired and not severe and not record.delivered("labs", "conditions", "procedures"):
        severe = None
    stage = float(kidney.aki.stage) if kidney.aki else 0.0 if kidney.aki_excluded or kidney.tier == "DIALYSIS" else None
    fields: dict[str, Value] = {
        "tier": kidney.tier,
        "impaired": impaired,
        "severe": severe,
        "egfr": None if rounded is None else float(rounded),
        "egfr_age_days": _numeric(kidney.age_days),
        "aki_stage": stage,
        "crcl": _numeric(kidney.crcl),
        "dosing_tier": kidney.dosing_tier,
    }
    return Fact("kidney", fields, kidney.sources)


def _magnesium(derived: Derived, record: Record) -> Fact:
    delivered = record.delivered(_MEDICATIONS)
    in_focus = record.delivered(DRAFTS) if record.ordering else delivered
    say = _magnesium_of if derived.magnesium.products else _no_magnesium
    return say(derived.magnesium, record.ordering, delivered, in_focus)


def _magnesium_of(magnesium: Magnesium, ordering: bool, delivered: bool, in_focus: bool) -> Fact:
    products, oral, intravenous = magnesium.products, magnesium.focal_oral, magnesium.focal_iv

    def focal(flag: bool) -> bool | None:
        return True if flag else False if in_focus else None

    def taken(flag: bool) -> bool | None:
        return True if flag else False if delivered else None

    def at_least(amount: float) -> float | Between:  # of a part of the medications it is a lower bound
        return amount if delivered else Between(amount, inf)

    starts = [each.start_days for each in oral]
    settled = [each for each in products if each.state != "draft"]
    not_obstetric = magnesium.obstetric is False
    toxic_by_vein = any(each.kind == "iv" for each in settled) and not_obstetric
    fields: dict[str, Value] = {
        "focal_oral": focal(bool(oral)),
        "heavy": focal(magnesium.heavy),
        "focal_binder_only": (bool(oral) and all(each.klass == "mg-binder" for each in oral)) if in_focus else None,
        "focal_supplement": focal(any(each.klass == "mg-oral-supplement" for each in oral)),
        "focal_iv": focal(bool(intravenous)),
        "focal_iv_small": (
            bool(intravenous)
            and all(
                each.one_time and each.dose_g is not None and each.dose_g <= _SMALL_IV_G + EPSILON
                for each in intravenous
            )
        )
        if in_focus
        else None,
        "focal_bowel_prep": focal(any(each.focal and each.kind == "bowel-prep" for each in products)),
        "focal_enema": focal(any(each.focal and each.kind == "enema" for each in products)),
        "obstetric": magnesium.obstetric if magnesium.obstetric is not False or delivered else None,
        "total_mg": at_least(magnesium.total_mg),
        "amount_mg": Between(magnesium.total_mg, inf) if magnesium.at_least else magnesium.total_mg,
        "source_count": at_least(float(magnesium.source_count)),
        "over_limit": taken(magnesium.over_limit),
        "source_taken": taken(bool(settled)),
        "source_drafted": ordering and focal(any(each.focal for each in products)),
        "toxicity_source": taken(
            toxic_by_vein or any(each.counts or each.kind in ("bowel-prep", "enema") for each in settled)
        ),
        "toxicity_source_iv": taken(toxic_by_vein),
        "iv_active": taken(any(each.kind == "iv" and each.state == "active" for each in products)),
        "both_iv": taken(any(each.kind == "iv" and each.both for each in products)),
        "both_oral": taken(any(each.counts and each.both for each in products)),
        "focal_start_days": _numeric(min((each for each in starts if each is not None), default=None))
        if None not in starts
        else None,
    }
    by_mouth, by_vein = _standing(magnesium.oral), _standing(each for each in products if each.kind == "iv")
    own = {
        **dict.fromkeys(("total_mg", "amount_mg", "source_count", "over_limit", "both_oral"), by_mouth),
        **dict.fromkeys(
            ("focal_oral", "heavy", "focal_binder_only", "focal_supplement", "focal_start_days"), _standing(oral)
        ),
        **dict.fromkeys(("focal_iv", "focal_iv_small", "obstetric", "iv_active", "both_iv"), by_vein),
        "focal_bowel_prep": _standing(each for each in products if each.kind == "bowel-prep"),
        "focal_enema": _standing(each for each in products if each.kind == "enema"),
    }
    return Fact("magnesium", fields, magnesium.sources, own)


_no_magnesium = cache(_magnesium_of)
"""Of nobody who takes none is there more to say than of another."""


def _standing(products: Iterable[Product]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(each.source for each in products))


def _toxicity(derived: Derived, record: Record) -> Fact:
    toxicity = derived.toxicity
    domains = ("vitals", "conditions")
    fields: dict[str, Value] = {
        "present": record.certain(toxicity.present, *domains),
        "specific_major": record.certain(toxicity.specific_major, *domains),
        "major": record.certain(toxicity.major, *domains),
        "oldest_sign_days": _numeric(toxicity.oldest_sign_days),
        "level_measured": record.certain(derived.level_measured, "labs"),
    }
    return Fact("toxicity", fields, toxicity.sources)


Reached = bool | Callable[[datetime], bool | None] | None
"""Whether a moment is not before some starts: what holds for every moment, or how to tell."""


def _after_any(starts: Sequence[datetime | None], without: bool | None) -> Reached:
    """Whether a moment is not before one of the starts; one that is not known is always reached."""
    if not starts:
        return without
    known = [start for start in starts if start is not None]
    if len(known) < len(starts):
        return True
    first, day = min(known), min(start.date() for start in known)
    return lambda at: at.date() >= day or at >= first


def _after_all(starts: Sequence[datetime | None], without: bool | None) -> Reached:
    """Whether a moment is not before any of the starts; None where one that is not known would decide."""
    if not starts:
        return without
    known = [start for start in starts if start is not None]
    otherwise = True if len(known) == len(starts) else None
    return lambda at: otherwise if all(same_day_or_later(at, start) for start in known) else False


class _Since:
    """Which results were drawn on or after which starts: what holds for every moment is found once, the rest once a moment."""

    def __init__(self, derived: Derived, record: Record) -> None:
        unsaid = False if record.delivered(_MEDICATIONS) else None
        oral = derived.magnesium.focal_oral
        scheduled = [each.start for each in oral if not each.prn and each.start is not None and each.state == "active"]
        onsets = [each.onset for each in derived.symptoms if each.statin_period]
        started = [
            each.start.date()
            for each in derived.magnesium.products
            if each.state == "active" and each.start is not None and (each.counts or each.kind == "iv")
        ]
        last = max(started, default=None)
        asked: dict[str, Reached] = {
            "since_magnesium": _after_all([each.start for each in oral], unsaid),
            "since_diuretic": record.ordering
            or _after_any(
                [each.start for each in derived.diuretics if each.implicated and each.state == "active"], unsaid
            ),
            "since_statin": record.ordering
            or _after_any([each.start for each in derived.statins if each.state != "draft"], unsaid),
            "since_symptom": _after_any([max(onsets)] if onsets else (), False),
            "since_scheduled": _after_any([min(scheduled)] if scheduled else (), unsaid),
            "magnesium_started": unsaid if last is None else lambda at: last >= at.date() or unsaid,
        }
        self._settled: dict[str, Value] = {name: each for name, each in asked.items() if not callable(each)}
        self._open = [(name, each) for name, each in asked.items() if callable(each)]
        self._known: dict[datetime, dict[str, Value]] = {}

    def fields(self, at: datetime) -> dict[str, Value]:
        """The since_* fields of a result drawn at some moment."""
        found = self._known.get(at)
        if found is None:
            found = self._known[at] = {**self._settled, **{name: reached(at) for name, reached in self._open}}
        return found


def _labs(derived: Derived, record: Record) -> list[Fact]:
    since = _Since(derived, record)
    found = []
    for key in LABS:
        lab = derived.labs.get(key)
        if lab is None or key in ("calcium", "ionized_calcium", "egfr"):
            continue
        found.append(
            _lab(
                since,
                key,
                lab.latest,
                lab.value,
                lab.age_days,
                lab.flag,
                (lab.source,),
                lab.ratio if key == "ck" else None,
                key == "potassium" and repeatedly_low(record, lab),
            )
        )
    kidney, calcium = derived.kidney, derived.calcium
    if kidney.egfr_rounded is not None and kidney.estimate is not None and kidney.age_days is not None:
        found.append(
            _lab(
                since,
                "egfr",
                kidney.estimate,
                float(kidney.egfr_rounded),
                kidney.age_days,
                None,
                (kidney.estimate.source,),
            )
        )
    if calcium is not None:
        known_by = "ionized_calcium" if calcium.method == "ionized" else "corrected_calcium"
        found.append(_lab(since, "calcium", calcium.result, None, calcium.age_days, calcium.flag, calcium.sources))
        found.append(
            _lab(since, known_by, calcium.result, calcium.value, calcium.age_days, calcium.flag, calcium.sources)
        )
    return found


def _lab(
    since: _Since,
    code: str,
    result: Result,
    value: float | None,
    age_days: float,
    flag: str | None,
    sources: tuple[Source, ...],
    ratio: float | None = None,
    repeatedly: bool = False,
) -> Fact:
    fields: dict[str, Value] = {
        "code": code,
        "value": _numeric(value),
        "age_days": _number(age_days),
        "flag": flag,
        "ratio": _numeric(ratio),
        "hemolyzed": result.hemolyzed,
        "repeatedly_low": repeatedly,
        **since.fields(result.at),
    }
    return Fact("lab", fields, sources)


def _vitals(derived: Derived, record: Record) -> list[Fact]:
    found = []
    for key in VITALS:
        lab = derived.labs.get(key)
        if lab is not None:
            found.append(_vital(key, lab))
    kidney = derived.kidney
    if kidney.crcl is not None and kidney.crcl_age_days is not None:
        fields: dict[str, Value] = {
            "code": "crcl",
            "value": _number(kidney.crcl),
            "age_days": _number(kidney.crcl_age_days),
        }
        found.append(Fact("vital", fields, kidney.crcl_sources))
    phenotype = slco1b1_function(record)
    if phenotype:
        found.append(Fact("slco1b1", {"function": phenotype[0]}, (phenotype[1].source,)))
    return found


def _vital(key: str, lab: Lab) -> Fact:
    return Fact("vital", {"code": key, "value": _numeric(lab.value), "age_days": _number(lab.age_days)}, (lab.source,))


def slco1b1_function(record: Record) -> tuple[str, Result] | None:
    """The newest SLCO1B1 phenotype that can be read: poor, decreased or normal, with its result (clinical specification 2.27)."""
    for result in record.results.get("slco1b1", ()):
        text = result.text.lower()
        for function, words in (
            ("poor", ("poor", "c/c")),
            ("decreased", ("decreased", "t/c", "c/t")),
            ("normal", ("normal", "t/t", "increased")),
        ):
            if any(word in text for word in words):
                return function, result
        for function, genotypes in (("poor", ("cc",)), ("decreased", ("tc", "ct")), ("normal", ("tt",))):
            if not frozenset(genotypes).isdisjoint(text.replace(",", " ").replace(";", " ").split()):
                return function, result
    return None


def _medications(derived: Derived, record: Record, cramps: Sequence[Symptom]) -> list[Fact]:
    found = []
    onsets = [each.onset or each.recorded for each in cramps]
    for drug in derived.drugs:
        classes = drug.classes
        if not classes or (
            drug.state == "stopped" and (drug.stopped_days is None or drug.stopped_days > _STOPPED_DAYS + EPSILON)
        ):
            continue
        fields: dict[str, Value] = {
            "class": "",
            "ingredient": drug.ingredient or None,
            "state": drug.state,
            "focal": drug.focal,
            "both": drug.both,
            "route": drug.medication.route,
            "start_days": _numeric(drug.start_days),
            "known_days": _number(drug.known_days),
            "stopped_days": _numeric(drug.stopped_days),
            "dose_mg": _numeric(drug.dose_mg),
            "prn": drug.prn,
            "renewal": drug.renewal,
            "reason": drug.reason,
            "before_cramp": bool(onsets) and followed_by_cramp(drug, onsets),
        }
        sources = (drug.source,)
        for each in _with_parents(classes):
            found.append(Fact("medication", {**fields, "class": each}, sources))  # noqa: PERF401  # a comprehension hides the sources
    return found


@lru_cache(maxsize=1024)
def _with_parents(classes: frozenset[str]) -> tuple[str, ...]:
    """Classes with those that stand for them, sorted."""
    return tuple(sorted({*classes, *(parent for parent, members in _PARENTS if not classes.isdisjoint(members))}))


def _products(magnesium: Magnesium) -> Iterable[Fact]:
    for each in magnesium.products:
        fields: dict[str, Value] = {
            "class": each.klass,
            "oral": each.counts,
            "heavy": each.heavy,
            "state": each.state,
            "focal": each.focal,
            "prn": each.prn,
            "known_days": _number(each.known_days),
            "reason": each.reason,
        }
        yield Fact("magnesium-product", fields, (each.source,))


def _statin_doses(derived: Derived) -> Iterable[Fact]:
    for each in derived.statins:
        if each.dose_mg is not None and each.state != "stopped":
            fields: dict[str, Value] = {
                "statin": each.ingredient,
                "dose_mg": _number(each.dose_mg),
                "state": each.state,
                "focal": each.focal,
                "both": each.drug.both,
                "days_at_dose": _number(each.days_at_dose),
            }
            yield Fact("statin-dose", fields, (each.source,))


def _conditions(record: Record) -> Iterable[Fact]:
    for key, problems in record.problems.items():
        for problem in problems:
            moment = problem_moment(problem)
            fields: dict[str, Value] = {
                "key": key,
                "age_days": _number(record.age_days(moment)) if moment else None,
                "confirmed": record.counts(problem),
            }
            yield Fact("condition", fields, (problem.source,))


def _symptoms(derived: Derived) -> Iterable[Fact]:
    for each in derived.symptoms:
        fields: dict[str, Value] = {
            "key": each.key,
            "age_days": _number(each.age_days),
            "onset_days": _number(each.onset_days),
            "cramp": each.cramp,
            "nocturnal": each.timing == "nocturnal",
            "gut": each.gut,
            "after_magnesium": each.after_magnesium,
            "after_diuretic": each.after_diuretic,
            "statin_period": each.statin_period,
            "severe_deficiency": each.severe_deficiency,
            "confirmed": each.confirmed,
        }
        yield Fact("symptom", fields, each.sources)


def gaps_of(missing: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Kind of fact -> why facts of it may be missing, from the domains of the record that were not delivered.

    Kinds of which there is exactly one fact are left out: their unknown fields are None, and what their other fields say
    is certain (a drafted magnesium product is one whether or not the medication list came).
    """
    reasons = dict(missing)
    found = {}
    for name, kind in KINDS.items():
        because = tuple(dict.fromkeys(reasons[domain] for domain in kind.domains if domain in reasons))
        if because and name not in SINGLE:
            found[name] = because
    return found


__all__ = ["SINGLE", "gaps_of", "slco1b1_function", "statements"]
