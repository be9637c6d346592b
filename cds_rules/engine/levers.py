"""Which changes of a record would turn one leaf of a rule: the smallest ones, as alternatives.

A lever proposes; whether it moves the rule is found out by running it (`counterfactuals`). A leaf that nobody can move
(the hook, age, sex, time that has to pass for a result) has no lever.
Flows in: a judged leaf and `Settled`. Flows out: alternatives, each one or more `Change`s together. Floor: engine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from cds_rules.derive import Derived
from cds_rules.derive.kidneys import TIER_EGFR, egfr_bedside_schwartz, egfr_ckd_epi_2021
from cds_rules.derive.labs import Lab
from cds_rules.derive.magnesium import Product
from cds_rules.engine.changes import (
    Bound,
    Change,
    Dose,
    Filtration,
    Measured,
    Ordered,
    Recorded,
    Reported,
    Since,
    Taken,
    Value,
    Without,
)
from cds_rules.engine.explanation import wanted_tiers
from cds_rules.engine.reference import NO, YES, Judgement, fits
from cds_rules.knowledge.rules import Comparison, Constant, Pattern
from cds_rules.vocabulary.chart import Result, Source
from cds_rules.vocabulary.facts import Fact
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.quantities import half_up

Alternatives = list[tuple[Change, ...]]
_MOST_TOGETHER = 3
"""Changes that one alternative may ask for; more than a reader can keep in mind says nothing."""
LAB_UNITS: Mapping[str, str] = {
    "magnesium": "mg/dL", "potassium": "mmol/L", "sodium": "mmol/L", "calcium": "mg/dL", "ionized_calcium": "mmol/L",
    "creatinine": "mg/dL", "ck": "U/L", "qtc": "ms", "rr": "/min", "hr": "/min", "sbp": "mm[Hg]",
    "egfr_reported": "mL/min/{1.73_m2}",
}  # fmt: skip
"""Key of a result -> its canonical unit (UCUM)."""
_USUAL: Mapping[str, float] = {
    "magnesium": 2.0, "potassium": 4.2, "sodium": 140.0, "calcium": 9.4, "ionized_calcium": 1.2, "creatinine": 0.8,
    "ck": 100.0, "qtc": 420.0, "rr": 16.0, "hr": 70.0, "sbp": 120.0,
}  # fmt: skip
"""Unremarkable values, for a result of which only that it is there matters."""


def worsens(change: Value | Measured) -> bool:
    """Whether a result would lie farther from the unremarkable than it does, or a new one outside of it.

    >>> worsens(Value("ck", "Observation/1", "at least", 681.0, "U/L", 120.0))
    True
    >>> worsens(Value("magnesium", "Observation/1", "at most", 4.7, "mg/dL", 4.86))
    False
    """
    if isinstance(change, Measured):
        return change.bound == "at most" if change.key == "egfr_reported" else change.bound != ""
    usual = _USUAL.get(change.key)
    if usual is None:
        return change.value < change.was
    return abs(change.value - usual) > abs(change.was - usual)


_STEPS: Mapping[str, float] = {"ionized_calcium": 0.01, "creatinine": 0.01}
_MEMBERS: Mapping[str, str] = {"diuretic": "thiazide-diuretic", "mg-wasting": "loop-diuretic"}
"""A class that stands for several -> the member a change takes."""


def levers(leaf: Judgement, wanted: bool, derived: Derived) -> Alternatives:
    """Alternatives that might make a leaf met (wanted) or not met."""
    pattern = leaf.condition
    assert isinstance(pattern, Pattern)
    found = _BY_KIND.get(pattern.kind, _none)(_Leaf(pattern, leaf, wanted, derived))
    return [each for each in dict.fromkeys(found) if 0 < len(each) <= _MOST_TOGETHER]


class _Leaf(Frozen, frozen=True):
    pattern: Pattern
    judgement: Judgement
    wanted: bool
    derived: Derived

    @property
    def bearing(self) -> list[Fact]:
        """The facts that make it met, or might."""
        return [each for each in self.judgement.facts if fits(self.pattern, each) is not NO]

    def constants(self, field: str) -> tuple[Constant, ...]:
        """What a field is compared with for equality."""
        return next(
            (test.constants for test in self.pattern.tests if test.field == field and test.operator in ("eq", "in")), ()
        )

    def tests(self, *fields: str) -> list[Comparison]:
        """The comparisons of some fields."""
        return [test for test in self.pattern.tests if test.field in fields]


def _none(leaf: _Leaf) -> Alternatives:
    return []


# --- entries that are there or not -------------------------------------------------------------------------------


def _without(source: Source, derived: Derived) -> Without:
    drug = next((each for each in derived.drugs if each.source.reference == source.reference), None)
    if drug is None:
        return Without(source.reference, source.label, "entry")
    return Without(source.reference, drug.name, "draft" if drug.state == "draft" else "drug")


def _gone(leaf: _Leaf) -> Alternatives:
    """Every bearing fact gone: of each, one of the entries it rests on."""
    choices = [[_without(source, leaf.derived) for source in each.sources] for each in leaf.bearing]
    if not all(choices) or len(choices) > 6:
        return []
    return [tuple(dict.fromkeys(choice)) for choice in itertools.islice(itertools.product(*choices), 12)]


def _condition(leaf: _Leaf) -> Alternatives:
    if not leaf.wanted:
        return _gone(leaf)
    return [(Recorded(str(key)),) for key in leaf.constants("key")[:2]]


def _symptom(leaf: _Leaf) -> Alternatives:
    if not leaf.wanted:
        return _gone(leaf)
    flags = {test.field for test in leaf.pattern.tests if test.constants == (True,)}
    if keys := leaf.constants("key"):
        return [(Reported(str(key)),) for key in keys[:2]]
    for flag, symptom in (
        ("severe_deficiency", Reported("seizure")),
        ("gut", Reported("diarrhea")),
        ("statin_period", Reported("muscle-pain", "thigh")),
        ("cramp", Reported("muscle-cramp", "calf")),
        ("after_diuretic", Reported("muscle-cramp", "calf")),
    ):
        if flag in flags:
            return [(symptom,)]
    return []


def _order(leaf: _Leaf) -> Alternatives:
    return [(Ordered(str(leaf.constants("test")[0])),)] if leaf.wanted else _gone(leaf)


def _risk(leaf: _Leaf) -> Alternatives:
    if not leaf.wanted:
        return _gone(leaf)
    return (
        [(Taken("ppi", "ppi", "active", 0.0),)] if leaf.pattern.kind == "deficiency-risk" else [(Recorded("diabetes"),)]
    )


def _pair(leaf: _Leaf) -> Alternatives:
    return [] if leaf.wanted else _gone(leaf)


def _patient(leaf: _Leaf) -> Alternatives:
    keys = {"pregnant": ("pregnancy", "pregnant"), "torsades": ("torsades",), "comfort_care": ("comfort-care",)}
    found: Alternatives = []
    for test in leaf.tests(*keys):
        if test.constants[0] is leaf.wanted:
            found.append((Recorded(keys[test.field][0]),))
        else:
            problems = [each for key in keys[test.field] for each in leaf.derived.record.problems.get(key, ())]
            found.append(tuple(_without(each.source, leaf.derived) for each in problems))
    return found


# --- numbers -----------------------------------------------------------------------------------------------------


class _Span(Frozen, frozen=True):
    """Numbers between two ends; an end that belongs to it or not."""

    low: float = -math.inf
    high: float = math.inf
    low_in: bool = True
    high_in: bool = True

    def cut(self, operator: str, constant: float) -> _Span:
        """The part of it that also passes a comparison."""
        match operator:
            case "gt" | "ge" if constant >= self.low:
                return _Span(constant, self.high, operator == "ge", self.high_in)
            case "lt" | "le" if constant <= self.high:
                return _Span(self.low, constant, self.low_in, operator == "le")
            case "eq":
                return _Span(constant, constant)
        return self

    def within(self, step: float) -> list[tuple[Bound, float]]:
        """The first number inside from either end."""
        found: list[tuple[Bound, float]] = []
        if self.low > -math.inf:
            found.append(("at least", self.low if self.low_in else self.low + step))
        if self.high < math.inf:
            found.append(("at most", self.high if self.high_in else self.high - step))
        return found

    def outside(self, step: float) -> list[tuple[Bound, float]]:
        """The first number outside beyond either end."""
        found: list[tuple[Bound, float]] = []
        if self.low > -math.inf:
            found.append(("at most", self.low - step if self.low_in else self.low))
        if self.high < math.inf:
            found.append(("at least", self.high + step if self.high_in else self.high))
        return found

    def holds(self, value: float) -> bool:
        """Whether a number is inside."""
        return (value > self.low or (self.low_in and value == self.low)) and (
            value < self.high or (self.high_in and value == self.high)
        )


def _span(leaf: _Leaf, lab: Lab | None) -> _Span:
    """What the value of a result has to be for the tests on value, ratio and flag."""
    span = _Span()
    low, high = (lab.low, lab.high) if lab else (None, None)
    if lab is None and "magnesium" in leaf.constants("code"):
        decisions = leaf.derived.record.decisions
        low, high = decisions.magnesium_lower_limit, decisions.magnesium_upper_limit
    for test in leaf.pattern.tests:
        constant = test.constants[0]
        if test.field == "value" and isinstance(constant, float):
            span = span.cut(test.operator, constant)
        elif test.field == "ratio" and isinstance(constant, float) and high:
            span = span.cut(test.operator, constant * high)
        elif test.field == "flag":
            if "low" in test.constants and low is not None:
                span = span.cut("lt", low)
            if "high" in test.constants and high is not None:
                span = span.cut("gt", high)
            if "normal" in test.constants:
                span = span.cut("ge", low) if low is not None else span
                span = span.cut("le", high) if high is not None else span
    return span


def _step(key: str, near: float) -> float:
    return _STEPS.get(key, 0.1 if abs(near) < 100 else 1.0)


_KEYS: Mapping[str, str] = {"corrected_calcium": "calcium", "egfr": "egfr_reported"}


def _lab(leaf: _Leaf) -> Alternatives:
    return [each for code in leaf.constants("code") for each in _of_code(leaf, str(code))]


def _of_code(leaf: _Leaf, code: str) -> Alternatives:
    derived = leaf.derived
    if code == "crcl":
        return _clearance(leaf)
    key = _KEYS.get(code, code)
    shift = 0.0
    if code in ("calcium", "corrected_calcium") and derived.calcium is not None:
        key = derived.calcium.result.key
        shift = derived.calcium.result.value - derived.calcium.value
    lab = derived.labs[key]
    span = _span(leaf, lab)
    bounded = (span.low, span.high) != (-math.inf, math.inf)
    unit = lab.unit if lab else LAB_UNITS.get(key, "")
    found: Alternatives = []
    if lab is not None and bounded:
        wanted = span.within if leaf.wanted else span.outside
        step = _step(key, lab.latest.value)
        for bound, value in wanted(step):
            to = round(value + shift, 4)
            if to > 0 and (to - lab.latest.value) * (1 if bound == "at least" else -1) > 0:
                found.append((Value(key, lab.source.reference, bound, to, unit, lab.latest.value),))
    if leaf.wanted and unit:
        usual = _USUAL.get(key)
        if usual is not None and span.holds(usual):
            found.append((Measured(key, "", usual, unit),))
        elif bounded:
            found += [
                ((Measured(key, bound, round(value, 4), unit),))
                for bound, value in span.within(_step(key, min(abs(span.low), abs(span.high))))
                if value > 0
            ]
    if not leaf.wanted and not bounded and lab is not None and not leaf.tests("hemolyzed"):
        found.append((Without(lab.source.reference, key, "entry"),))
    return found


def _clearance(leaf: _Leaf) -> Alternatives:
    kidney = leaf.derived.kidney
    limits = [test.constants[0] for test in leaf.tests("value")]
    if kidney.crcl is None or kidney.creatinine is None or not limits or not isinstance(limits[0], float):
        return []
    lower = leaf.wanted  # a clearance below the limit: a higher creatinine
    was = kidney.creatinine.value
    exact = was * kidney.crcl / limits[0]
    to = math.ceil(exact * 100 + 1e-6) / 100 if lower else math.floor(exact * 100) / 100
    return [
        (Value("creatinine", kidney.creatinine.source.reference, "at least" if lower else "at most", to, "mg/dL", was),)
    ]


# --- kidneys -----------------------------------------------------------------------------------------------------


def _kidney(leaf: _Leaf) -> Alternatives:
    derived, kidney = leaf.derived, leaf.derived.kidney
    found: Alternatives = []
    if leaf.tests("aki_stage") and not leaf.wanted:
        found += _calmer(derived, 1.99)
    tests = leaf.tests("tier", "impaired", "severe")
    if not tests:
        return found
    every = frozenset({*TIER_EGFR, "UNKNOWN", "AKI", "DIALYSIS"})
    inside = frozenset.intersection(*map(wanted_tiers, tests))
    target = inside if leaf.wanted else every - inside
    by_filtration = [TIER_EGFR[tier] for tier in TIER_EGFR if tier in target]
    match kidney.tier:
        case "AKI":
            found += _calmer(derived, 1.49)
        case "DIALYSIS":
            found.append(tuple(_without(source, derived) for source in kidney.dialysis))
        case _ if kidney.egfr_rounded is not None and kidney.estimate is not None:
            egfr = float(kidney.egfr_rounded)
            above = [low for low, _ in by_filtration if low > egfr]
            below = [high - 1 for _, high in by_filtration if high - 1 < egfr]
            if above:
                found.append(filtration(derived, "at least", min(above)))
            if below:
                found.append(filtration(derived, "at most", max(below)))
    told = {
        problem.source.reference
        for key in ("ckd-5", "ckd-4", "ckd-3b")
        for problem in derived.record.problems.get(key, ())
    }
    if stages := [source for source in kidney.sources if source.reference in told]:
        found.append(tuple(_without(source, derived) for source in stages))
    if kidney.tier in (None, "UNKNOWN") or kidney.old:
        found += [
            (Measured("egfr_reported", bound, value, LAB_UNITS["egfr_reported"]),)
            for bound, value in _told_by(by_filtration)
        ]
    if target <= {"AKI", "DIALYSIS", "UNKNOWN"}:
        found += [(Recorded(key),) for tier, key in (("AKI", "aki"), ("DIALYSIS", "dialysis")) if tier in target]
    return found


def _told_by(spans: Sequence[tuple[float, float]]) -> list[tuple[Bound, float]]:
    """The ends of the eGFRs of some tiers."""
    if not spans:
        return []
    low, high = min(low for low, _ in spans), max(high for _, high in spans)
    if high == math.inf:
        return [("at least", low) if low > 0 else ("", 90.0)]
    return [("at most", high - 1)]


def _calmer(derived: Derived, times: float) -> Alternatives:
    """Without acute injury, or with a lesser one: creatinine below so many times its reference, no diagnosis."""
    aki = derived.kidney.aki
    if aki is None:
        return []
    changes: list[Change] = []
    if aki.new is not None and aki.criterion != "diagnosis" and aki.reference_mg_dl:
        to = aki.reference_mg_dl * times
        if aki.old is not None and times < 1.5:
            to = min(to, aki.old.value + 0.29)
        to = math.floor(to * 100) / 100
        changes.append(Value("creatinine", aki.new.source.reference, "at most", to, "mg/dL", aki.new.value))
    changes += [
        _without(each.source, derived)
        for each in derived.record.problems.get("aki", ())
        if any(source.reference == each.source.reference for source in derived.kidney.sources)
    ]
    return [tuple(changes)]


def filtration(derived: Derived, bound: Bound, egfr: float) -> tuple[Change, ...]:
    """Another eGFR: the report and the creatinine that stand behind it, changed together."""
    kidney, record = derived.kidney, derived.record
    results: list[tuple[str, str, float]] = []
    reported = record.latest("egfr_reported")
    if reported is not None:
        results.append((reported.source.reference, reported.key, egfr))
    creatinine = record.latest("creatinine")
    if creatinine is not None and (value := _creatinine_for(derived, creatinine, bound, egfr)) is not None:
        results.append((creatinine.source.reference, creatinine.key, value))
    if kidney.computed and (creatinine is None or len(results) == (reported is not None)):
        return ()
    return (Filtration(bound, egfr, float(kidney.egfr_rounded or 0), tuple(results)),)


def _creatinine_for(derived: Derived, creatinine: Result, bound: Bound, egfr: float) -> float | None:
    """The creatinine nearest to the measured one, to a hundredth, whose eGFR is at least or at most this."""
    who = derived.patient
    age, sex = who.age_years, who.sex
    if age is None:
        return None
    if age < 18:
        height = derived.labs["height"]
        if height is None:
            return None
        formula: Callable[[float], float] = lambda value: egfr_bedside_schwartz(value, height.latest.value)  # noqa: E731
    elif sex is not None:
        formula = lambda value: egfr_ckd_epi_2021(value, age, sex)  # noqa: E731
    else:
        formula = lambda value: min(egfr_ckd_epi_2021(value, age, "female"), egfr_ckd_epi_2021(value, age, "male"))  # noqa: E731
    low, high = 1, 5000  # hundredths of mg/dL; the eGFR falls as creatinine rises
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half_up(formula(middle / 100)) >= egfr + (bound == "at most") else (low, middle)
    return (low if bound == "at least" else high) / 100


# --- magnesium ---------------------------------------------------------------------------------------------------

_STATES_OF: Mapping[str, Callable[[Product], bool]] = {
    "focal_oral": lambda each: each.focal and each.counts,
    "heavy": lambda each: each.focal and each.heavy,
    "focal_supplement": lambda each: each.focal and each.counts and each.klass == "mg-oral-supplement",
    "focal_iv": lambda each: each.focal and each.kind == "iv",
    "focal_bowel_prep": lambda each: each.focal and each.kind == "bowel-prep",
    "focal_enema": lambda each: each.focal and each.kind == "enema",
    "source_taken": lambda each: each.state != "draft",
    "source_drafted": lambda each: each.focal and each.state == "draft",
    "toxicity_source": lambda each: each.state != "draft" and (each.counts or each.kind != "oral"),
    "toxicity_source_iv": lambda each: each.state != "draft" and each.kind == "iv",
    "iv_active": lambda each: each.state == "active" and each.kind == "iv",
    "both_iv": lambda each: each.both and each.kind == "iv",
    "both_oral": lambda each: each.both and each.counts,
}
_CLASS_OF: Mapping[str, str] = {
    "heavy": "mg-laxative",
    "focal_iv": "mg-iv",
    "iv_active": "mg-iv",
    "both_iv": "mg-iv",
    "toxicity_source_iv": "mg-iv",
    "focal_bowel_prep": "mg-bowel-prep",
    "focal_enema": "mg-enema",
}
_USUAL_MG = 200.0
"""Elemental magnesium a day of a product that a change adds."""


def _magnesium(leaf: _Leaf) -> Alternatives:
    """For a leaf that is met any one of its tests turned; for one that is not, all that are not passed turned together."""
    fact = next(each for each in leaf.derived.facts if each.kind == "magnesium")
    if not leaf.wanted:
        return [each for test in leaf.pattern.tests for each in _turned(test, False, leaf.derived)]
    unmet = [test for test in leaf.pattern.tests if fits(Pattern("magnesium", (test,)), fact) is not YES]
    choices = [_turned(test, True, leaf.derived) for test in unmet]
    return [
        tuple(dict.fromkeys(itertools.chain(*choice))) for choice in itertools.islice(itertools.product(*choices), 12)
    ]


def _turned(test: Comparison, met: bool, derived: Derived) -> Alternatives:
    """Alternatives that make one test on `magnesium` met, or not met."""
    if test.field in _STATES_OF:
        if (test.constants[0] is True) is not met:
            bearing = [each for each in derived.magnesium.products if _STATES_OF[test.field](each)]
            return [tuple(_without(each.source, derived) for each in bearing)]
        draft = derived.record.ordering and (
            test.field.startswith("focal") or test.field in ("heavy", "source_drafted")
        )
        klass = _CLASS_OF.get(test.field, "mg-oral-supplement")
        amount = None if klass in ("mg-iv", "mg-bowel-prep", "mg-enema") else _USUAL_MG
        return [(Taken(klass, "magnesium", "draft" if draft else "active", 0.0, amount),)]
    constant = test.constants[0]
    if test.field == "total_mg" and isinstance(constant, float):
        span = _Span().cut(test.operator, constant)
        targets = span.within(1.0) if met else span.outside(1.0)
        return [each for bound, total in targets for each in _with_total(derived, bound, total)]
    limit = derived.magnesium.upper_limit_mg
    if test.field == "over_limit" and limit is not None:
        more = (test.constants[0] is True) is met
        return _with_total(derived, "at least" if more else "at most", limit + more)
    if test.field == "source_count":
        if met:
            return [(Taken("mg-oral-supplement", "magnesium", "active", 0.0, _USUAL_MG),)]
        return [(_without(each.source, derived),) for each in derived.magnesium.oral if each.elemental_mg]
    if test.field == "obstetric" and (test.constants[0] is True) is not met:
        keys = ("pregnancy", "pregnant", "postpartum")
        problems = [each for key in keys for each in derived.record.problems.get(key, ())]
        return [tuple(_without(each.source, derived) for each in problems)]
    return []


def _with_total(derived: Derived, bound: Bound, total: float) -> Alternatives:
    """Another elemental total: one product's dose changed, or products left out until it fits."""
    oral = [each for each in derived.magnesium.oral if each.elemental_mg]
    was = derived.magnesium.total_mg
    found: Alternatives = []
    for each in oral:
        amount = float(each.elemental_mg or 0)
        to = total - (was - amount)
        dosage = each.drug.medication.dosage
        if to > 0 and (dosage.dose is not None or dosage.maximum_per_day is not None):
            found.append((Dose(each.source.reference, each.name, "magnesium", bound, to, amount),))
        if bound == "at most" and was - amount <= total:
            found.append((_without(each.source, derived),))
    if bound == "at most" and not found and len(oral) > 1:
        gone: list[Change] = []
        left = was
        for each in sorted(oral, key=lambda each: -(each.elemental_mg or 0)):
            if left > total:
                gone.append(_without(each.source, derived))
                left -= each.elemental_mg or 0
        found.append(tuple(gone))
    if bound == "at least" and not oral:
        found.append((Taken("mg-oral-supplement", "magnesium", "active", 0.0, total),))
    return found


# --- drugs -------------------------------------------------------------------------------------------------------


def _drug(leaf: _Leaf) -> Alternatives:
    derived = leaf.derived
    if not leaf.wanted:
        return [*_lowered(leaf), *_gone(leaf)]
    longer = _longer(leaf)
    names = leaf.constants("class") or leaf.constants("statin") or ("mg-oral-supplement",)
    states = leaf.constants("state")
    focal = True in leaf.constants("focal")
    draft = derived.record.ordering and ("draft" in states or (focal and "active" not in states))
    if "draft" in states and not derived.record.ordering:
        return longer
    state = "draft" if draft else "stopped" if states == ("stopped",) else "active"
    days = max((_bound(test) for test in leaf.tests("known_days", "days_at_dose")), default=0.0)
    if True in leaf.constants("before_cramp"):
        days = max(days, 90.0)
    dose = max((_bound(test) for test in leaf.tests("dose_mg")), default=0.0)
    reasons = [str(each) for each in leaf.constants("reason")]
    reason = "cramps" if reasons == ["cramps"] else ""
    found: Alternatives = []
    for name in map(str, names[:3]):
        klass = "statin" if leaf.pattern.kind == "statin-dose" else _MEMBERS.get(name, name)
        amount = dose or (_USUAL_MG if klass.startswith("mg-") and klass != "mg-iv" else None)
        found.append((Taken(klass, name, state, days, amount, reason),))  # type: ignore[arg-type]
    return [*longer, *found]


def _bound(test: Comparison) -> float:
    """A number that passes a comparison with a lower end; 0 for one without."""
    constant = test.constants[0]
    if not isinstance(constant, float):
        return 0.0
    return constant + 1.0 if test.operator == "gt" else constant if test.operator == "ge" else 0.0


def _longer(leaf: _Leaf) -> Alternatives:
    """Drugs that lack nothing but the days they are taken."""
    found: Alternatives = []
    for each in leaf.judgement.facts:
        missed = [test for test in leaf.pattern.tests if fits(Pattern(leaf.pattern.kind, (test,)), each) is NO]
        if missed and all(test.field == "known_days" for test in missed):
            source = each.sources[0]
            found.append((Since(source.reference, _without(source, leaf.derived).label, max(map(_bound, missed))),))
    return found


def _lowered(leaf: _Leaf) -> Alternatives:
    """The doses of all bearing facts lowered to where they do not bear it."""
    limits = [test for test in leaf.tests("dose_mg") if test.operator in ("gt", "ge")]
    changes: list[Change] = []
    for each in leaf.bearing if limits else ():
        dose = each.fields["dose_mg"]
        constant = limits[0].constants[0]
        if not isinstance(dose, float) or not isinstance(constant, float):
            return []
        to = constant if limits[0].operator == "gt" else constant - 1.0
        source = each.sources[0]
        name = str(each.fields.get("statin") or each.fields.get("ingredient") or "")
        changes.append(Dose(source.reference, _without(source, leaf.derived).label, name, "at most", to, dose))
    return [tuple(changes)] if changes else []


# --- signs of excess ---------------------------------------------------------------------------------------------

_SIGNS = {"respiratory-depression": ("rr", 12.0), "hypotension": ("sbp", 90.0), "bradycardia": ("hr", 50.0)}


def _toxicity(leaf: _Leaf) -> Alternatives:
    derived = leaf.derived
    found: Alternatives = []
    for test in leaf.tests("present", "major", "specific_major", "level_measured"):
        met = (test.constants[0] is True) is leaf.wanted
        if test.field == "level_measured":
            if met:
                found.append((Measured("magnesium", "", _USUAL["magnesium"], LAB_UNITS["magnesium"]),))
        elif met:
            found.append((Reported("hyporeflexia"),))
        else:
            signs = [
                _sign_gone(each.key, each.source, derived)
                for each in derived.toxicity.signs
                if test.field == "present" or each.weight != "minor"
            ]
            found += [(each,) for each in signs]
            found.append(tuple(signs))
    return found


def _sign_gone(key: str, source: Source, derived: Derived) -> Change:
    code, limit = _SIGNS.get(key, ("", 0.0))
    lab = derived.labs[code] if code else None
    if lab is not None and lab.source == source:
        return Value(code, source.reference, "at least", limit, lab.unit, lab.latest.value)
    return _without(source, derived)


_BY_KIND: Mapping[str, Callable[[_Leaf], Alternatives]] = {
    "patient": _patient,
    "kidney": _kidney,
    "magnesium": _magnesium,
    "toxicity": _toxicity,
    "lab": _lab,
    "vital": _lab,
    "slco1b1": _pair,
    "medication": _drug,
    "magnesium-product": _drug,
    "statin-dose": _drug,
    "condition": _condition,
    "symptom": _symptom,
    "order": _order,
    "renal-risk": _risk,
    "deficiency-risk": _risk,
    "interaction": _pair,
    "spacing": _pair,
}


def kinds() -> Iterable[str]:
    """The kinds of facts that have levers."""
    return _BY_KIND
