"""The explanation of an evaluation as a value: for each rule what became of it, the judged tree below, and what is nearest.

Nothing here decides: states are the outcomes of the evaluation, truths are those of the reference. An explanation is made
when somebody asks, from what an evaluation keeps, so that answering a hook pays nothing for it.
Flows in: `Settled`. Flows out: `Explanation`s, what fired first, then nearest misses first. Floor: engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from cds_rules.derive import Derived
from cds_rules.derive.kidneys import IMPAIRED, SEVERE, TIER_EGFR
from cds_rules.engine.judging import Outcome
from cds_rules.engine.reference import NO, UNKNOWN, YES, Judgement, Truth, judge, passes, unknowns
from cds_rules.engine.settling import Rulebook, Settled
from cds_rules.knowledge.rules import SEVERITY, All, Any, Comparison, Not, Pattern, Rule
from cds_rules.vocabulary.chart import Chart, Unread
from cds_rules.vocabulary.facts import DOMAINS, KINDS, Between, Fact, Value
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.quantities import Vague

Role = Literal["when", "level", "unless"]
_FAR = 9.0
"""Relative distance of what cannot be measured: a fact that is not there, a word that is another one."""


class Distance(Frozen, frozen=True):
    """How far a number is from the limit it misses. field: which number of the fact; unit: UCUM, "" without one."""

    field: str
    value: float
    limit: float
    unit: str

    @property
    def relative(self) -> float:
        """The distance as a part of the limit."""
        return abs(self.value - self.limit) / max(abs(self.limit), abs(self.value), 1e-9)


class Check(Frozen, frozen=True):
    """One comparison of a leaf with one fact. distance: for a comparison that is not met, where numbers tell it."""

    test: Comparison
    value: Value
    unit: str
    truth: Truth
    distance: Distance | None = None


class Reading(Frozen, frozen=True):
    """One fact as a leaf reads it, test by test. measured: (field, value, unit) of the number behind words such as a tier."""

    fact: Fact
    checks: tuple[Check, ...]
    measured: tuple[str, float, str] | None = None

    @property
    def missed(self) -> tuple[Check, ...]:
        """The comparisons that are not met."""
        return tuple(each for each in self.checks if each.truth is not YES)

    @property
    def cost(self) -> tuple[int, float]:
        """How many comparisons are missed, and by how much in all."""
        missed = self.missed
        return len(missed), sum(each.distance.relative if each.distance else 1.0 for each in missed)


class Miss(Frozen, frozen=True):
    """A leaf that stands between a rule and its card: it would have to be met, or not met.

    reading: the nearest fact of its kind, None where the record has none.
    """

    leaf: Judgement
    wanted: bool
    reading: Reading | None

    @property
    def pattern(self) -> Pattern:
        """The condition of the leaf."""
        assert isinstance(self.leaf.condition, Pattern)
        return self.leaf.condition


class Shortfall(Frozen, frozen=True):
    """The fewest leaves that would have to be otherwise, and how far away they are in all."""

    misses: tuple[Miss, ...]
    distance: float

    @property
    def cost(self) -> tuple[int, int, float]:
        """What nearer means: no other hook, then fewer leaves, then a smaller distance."""
        return sum(miss.pattern.kind == "call" for miss in self.misses), len(self.misses), self.distance


class Clause(Frozen, frozen=True):
    """One condition of a rule with its judgement. says: the level, or because what the rule would be silent.

    applies: the level that was chosen, the exception that silenced the rule, the trigger that is met.
    """

    role: Role
    judgement: Judgement
    says: str = ""
    applies: bool = False


class Lack(Frozen, frozen=True):
    """Why a leaf cannot be judged. fields: what is not known of facts that are there. because: what was not delivered.

    domains: the parts of the record (`vocabulary.facts.DOMAINS`) that would tell. names: keys of the record it asks for.
    unusable: entries about these keys that could not be used.
    """

    pattern: Pattern
    fields: tuple[str, ...]
    because: tuple[str, ...]
    domains: tuple[str, ...]
    names: tuple[str, ...]
    unusable: tuple[Unread, ...]


class Explanation(Frozen, frozen=True):
    """Why a rule said what it said. shortfall: what stands between it and its card, None when it fired."""

    rule: Rule
    outcome: Outcome
    clauses: tuple[Clause, ...]
    lacking: tuple[Lack, ...] = ()
    shortfall: Shortfall | None = None

    @property
    def rank(self) -> tuple[int, int, tuple[int, int, float], str]:
        """Order of explanations: fired by level, suppressed, not judged, then the nearest miss first."""
        state, level = self.outcome.state, self.outcome.indicator
        away = self.shortfall.cost if self.shortfall else (0, 0, 0.0)
        return _STATES.index(state), -SEVERITY[level] if level else 0, away, self.rule.id


_STATES = ("fired", "suppressed", "not-judged", "not-fired")


def explain(rulebook: Rulebook, settled: Settled, chart: Chart, only: str | None = None) -> tuple[Explanation, ...]:
    """Explain every rule of the hook, or one of them.

    Args:
        chart: what `settled` was made of; tells which entries could not be used.
        only: id of a rule; one without an outcome here gives no explanation.
    """
    found = [
        _explanation(rule, settled.outcomes[rule.id], settled, chart)
        for rule in rulebook.judge.rules
        if rule.id in settled.outcomes and only in (None, rule.id)
    ]
    return tuple(sorted(found, key=lambda each: each.rank))


def _explanation(rule: Rule, outcome: Outcome, settled: Settled, chart: Chart) -> Explanation:
    world = settled.world
    trigger = judge(rule.trigger, world)
    levels = [judge(level.when, world) for level in rule.levels]
    exceptions = [judge(unless.when, world) for unless in rule.unless]
    chosen = next((number for number, level in enumerate(levels) if level.truth is YES), None)
    silenced = next((number for number, each in enumerate(exceptions) if each.truth is YES), None)
    met = trigger.truth is YES
    clauses = (
        Clause("when", trigger, applies=met),
        *(
            Clause("level", judged, level.indicator, met and number == chosen)
            for number, (level, judged) in enumerate(zip(rule.levels, levels, strict=True))
        ),
        *(
            Clause("unless", judged, unless.because, number == silenced)
            for number, (unless, judged) in enumerate(zip(rule.unless, exceptions, strict=True))
        ),
    )
    lacking: tuple[Lack, ...] = ()
    if outcome.state == "not-judged":
        open_clauses = [trigger] if trigger.truth is UNKNOWN else levels
        lacking = _lacking(open_clauses, settled.derived, chart)
    shortfall = None
    if outcome.state != "fired" and outcome.by in (None, "unless"):
        shortfall = nearest(fires(trigger, levels, exceptions), YES, settled.derived)
    return Explanation(rule, outcome, clauses, lacking, shortfall)


def fires(trigger: Judgement, levels: Sequence[Judgement], exceptions: Sequence[Judgement]) -> Judgement:
    """That a rule fires, as one judged condition: its trigger, one of its levels, none of its exceptions."""
    some = Judgement(
        Any(tuple(each.condition for each in levels)), max(each.truth for each in levels), (), tuple(levels)
    )
    none = [Judgement(Not(each.condition), Truth(2 - each.truth), (), (each,)) for each in exceptions]
    parts = (trigger, some, *none)
    return Judgement(All(tuple(each.condition for each in parts)), min(each.truth for each in parts), (), parts)


# --- leaves ------------------------------------------------------------------------------------------------------


def leaves(judgement: Judgement) -> Iterator[Judgement]:
    """The patterns of a judged tree, left to right."""
    if isinstance(judgement.condition, Pattern):
        yield judgement
    for part in judgement.parts:
        yield from leaves(part)


def readings(leaf: Judgement, derived: Derived) -> tuple[Reading, ...]:
    """The facts that bear a leaf, nearest first: those that are about what it asks for, test by test."""
    pattern = leaf.condition
    assert isinstance(pattern, Pattern)
    names = KINDS[pattern.kind].names
    naming = [test for test in pattern.tests if test.field == names]
    about = [each for each in leaf.facts if all(passes(test, each.fields[names]) is not NO for test in naming)]
    return tuple(sorted((_reading(pattern, each, derived) for each in about), key=lambda each: each.cost))


def _reading(pattern: Pattern, each: Fact, derived: Derived) -> Reading:
    checks = []
    for test in pattern.tests:
        value = each.fields[test.field]
        truth = passes(test, value)
        missed = None if truth is not NO else _distance(test, each, derived)
        checks.append(Check(test, value, unit_of(each, test.field, derived), truth, missed))
    egfr = each.fields["egfr"] if each.kind == "kidney" else None
    measured = ("egfr", egfr, unit_of(each, "egfr", derived)) if isinstance(egfr, float) else None
    return Reading(each, tuple(checks), measured)


def unit_of(each: Fact, field: str, derived: Derived) -> str:
    """The unit of a field of a fact; that of a result depends on what was measured."""
    if field == "value" and each.kind in ("lab", "vital"):
        code = str(each.fields["code"])
        if code == "egfr":
            return KINDS["kidney"].fields["egfr"].unit
        if code == "crcl":
            return KINDS["kidney"].fields["crcl"].unit
        lab = derived.labs.get({"corrected_calcium": "calcium"}.get(code, code))
        return lab.unit if lab else ""
    return KINDS[each.kind].fields[field].unit


def _distance(test: Comparison, each: Fact, derived: Derived) -> Distance | None:
    value = each.fields[test.field]
    if KINDS[each.kind].fields[test.field].type == "number" and test.operator not in ("eq", "in"):
        limit = test.constants[0]
        if isinstance(value, Between):  # it is missed, so the nearer end is one
            value = _as_written(test.field, value.least if test.operator in ("lt", "le") else value.most, each)
        assert isinstance(value, float)
        assert isinstance(limit, float)
        return Distance(test.field, value, limit, unit_of(each, test.field, derived))
    if each.kind == "kidney" and test.field in ("tier", "impaired", "severe"):
        return _filtration(wanted_tiers(test), each)
    if each.kind == "lab" and test.field == "flag":
        return _flag(test, each, derived)
    return None


def _as_written(field: str, value: float, each: Fact) -> float:
    """An age that is counted from a date without a day remembers that date."""
    written = next((source.written for source in each.sources if source.written), "")
    return Vague(value, written) if written and field.endswith("age_days") else value


def wanted_tiers(test: Comparison) -> frozenset[str]:
    """The tiers of kidney function with which a comparison of `kidney` is met."""
    match test.field:
        case "impaired" | "severe":
            inside = IMPAIRED if test.field == "impaired" else SEVERE
            outside = frozenset({*TIER_EGFR, "UNKNOWN", "AKI", "DIALYSIS"}) - inside
            return inside if test.constants[0] else outside
        case _:
            return frozenset(map(str, test.constants))


def _filtration(tiers: frozenset[str], each: Fact) -> Distance | None:
    """Where the eGFR would have to be for one of these tiers; None where the tier does not come from the eGFR."""
    egfr = each.fields["egfr"]
    if not isinstance(egfr, float) or each.fields["tier"] not in TIER_EGFR:
        return None
    bounds = [TIER_EGFR[tier] for tier in tiers if tier in TIER_EGFR]
    limits = [low if egfr < low else high for low, high in bounds if not low <= egfr < high]
    if not limits:
        return None
    return Distance("egfr", egfr, min(limits, key=lambda limit: abs(limit - egfr)), KINDS["kidney"].fields["egfr"].unit)


def _flag(test: Comparison, each: Fact, derived: Derived) -> Distance | None:
    value = each.fields["value"]
    code = str(each.fields["code"])
    lab = derived.labs.get(code)
    if lab is None or not isinstance(value, float):
        return None
    limits = [
        limit
        for word, limit in (("low", lab.low), ("high", lab.high), ("normal", lab.low), ("normal", lab.high))
        if word in test.constants and limit is not None
    ]
    if not limits:
        return None
    return Distance("value", value, min(limits, key=lambda limit: abs(limit - value)), lab.unit)


# --- what is missing ---------------------------------------------------------------------------------------------


def _lacking(judgements: Iterable[Judgement], derived: Derived, chart: Chart) -> tuple[Lack, ...]:
    found: dict[Pattern, Lack] = {}
    for judgement in judgements:
        for pattern in unknowns(judgement):
            found.setdefault(pattern, _lack(pattern, derived, chart))
    return tuple(found.values())


_TELLING: dict[str, tuple[str, ...]] = {
    "kidney": ("creatinine", "egfr_reported", "cystatin_c"),
    "toxicity": ("sbp", "hr", "rr"),
    "crcl": ("creatinine", "weight", "height"),
    "egfr": ("creatinine", "egfr_reported"),
    "corrected_calcium": ("calcium", "albumin"),
}


def _lack(pattern: Pattern, derived: Derived, chart: Chart) -> Lack:
    kind = KINDS[pattern.kind]
    missing = derived.record.gaps
    domains = tuple(domain for domain in DOMAINS if domain in kind.domains and domain in missing)
    facts = [each for each in derived.facts if each.kind == pattern.kind]
    fields = tuple(
        dict.fromkeys(
            test.field
            for test in pattern.tests
            if any(passes(test, each.fields[test.field]) is UNKNOWN for each in facts)
        )
    )
    named = [str(constant) for test in pattern.tests if test.field == kind.names for constant in test.constants]
    names = [each for name in (named or [pattern.kind]) for each in _TELLING.get(name, (name,) if named else ())]
    return Lack(
        pattern,
        fields,
        tuple(dict.fromkeys(missing[domain] for domain in domains)),
        domains,
        tuple(dict.fromkeys(names)),
        tuple(each for each in chart.unread if each.about and each.about in names),
    )


# --- nearest misses ----------------------------------------------------------------------------------------------


def nearest(judgement: Judgement, wanted: Truth, derived: Derived) -> Shortfall:
    """The shortest way from how a condition was judged to YES or NO, counted in leaves, then in relative distance."""
    if judgement.truth is wanted:
        return Shortfall((), 0.0)
    condition = judgement.condition
    match condition:
        case Pattern():
            return _of_leaf(judgement, wanted, derived)
        case Not():
            return nearest(judgement.parts[0], YES if wanted is NO else NO, derived)
        case All() | Any():
            ways = [nearest(part, wanted, derived) for part in judgement.parts]
            if isinstance(condition, All) is (wanted is YES):  # each part has to be so
                return _together(ways)
            return min(ways, key=lambda way: way.cost, default=Shortfall((), _FAR))


def _together(ways: Iterable[Shortfall]) -> Shortfall:
    """All of them; a leaf that stands in several has to turn once."""
    misses = {(miss.pattern, miss.wanted): miss for way in ways for miss in way.misses}
    return Shortfall(tuple(misses.values()), sum(map(_away, misses.values())))


def _away(miss: Miss) -> float:
    if miss.reading is None:
        return _FAR
    return miss.reading.cost[1] if miss.wanted else 1.0


def _of_leaf(leaf: Judgement, wanted: Truth, derived: Derived) -> Shortfall:
    found = readings(leaf, derived)
    miss = Miss(leaf, wanted is YES, found[0] if found else None)
    return Shortfall((miss,), _away(miss))
