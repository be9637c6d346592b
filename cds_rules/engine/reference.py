"""What a condition means: three values, and the facts that settle it.

NO < UNKNOWN < YES; `all` is the minimum, `any` the maximum, `not` turns them round. A pattern is met by one fact that
passes every test; it is unknown when a fact could pass but for a field that is not known, or not exactly enough, or when
facts of its kind may be missing (a gap). This page is the definition: durable-rules must agree with it.
Floor: engine.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from functools import cache
from itertools import count
from typing import Any as Anything
from typing import Literal

from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Indicator, Not, Pattern, Rule, patterns
from cds_rules.vocabulary.facts import KINDS, Between, Fact, Value
from cds_rules.vocabulary.frozen import Frozen


class Truth(IntEnum):
    """Met, not met, or not to be told."""

    NO = 0
    UNKNOWN = 1
    YES = 2


NO, UNKNOWN, YES = Truth.NO, Truth.UNKNOWN, Truth.YES


class World:
    """The facts of one evaluation by kind, and the kinds of which some may be missing.

    about: the facts of a kind, and of those that say what they are about the ones about each thing (a lab of some code).
    found: number of a pattern that was asked for -> its truth: rules share many, and each is judged once.
    """

    __slots__ = ("about", "facts", "found", "gaps")

    def __init__(self, facts: Iterable[Fact], gaps: Iterable[str] = ()) -> None:
        self.facts: dict[str, list[Fact]] = {}
        self.about: dict[tuple[Value, ...], list[Fact]] = {}
        for each in facts:
            self.facts.setdefault(each.kind, []).append(each)
        for kind, several in self.facts.items():
            self.about[(kind,)] = several
            if name := KINDS[kind].names:
                for each in several:
                    self.about.setdefault((kind, each.fields[name]), []).append(each)
        self.gaps = frozenset(gaps)
        self.found: dict[int, Truth] = {}


_HOLDS: Mapping[str, Callable[[Anything, Anything], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_ENDS: Mapping[str, Callable[[Between, Anything], tuple[bool, bool]]] = {
    "eq": lambda value, constant: (False, not value.least <= constant <= value.most),
    "in": lambda value, constants: (False, not any(value.least <= each <= value.most for each in constants)),
    "lt": lambda value, constant: (value.most < constant, value.least >= constant),
    "le": lambda value, constant: (value.most <= constant, value.least > constant),
    "gt": lambda value, constant: (value.least > constant, value.most <= constant),
    "ge": lambda value, constant: (value.least >= constant, value.most < constant),
}
"""Whether a number of which the ends are known certainly passes, and whether it certainly does not."""
Check = tuple[str, Callable[[Anything, Anything], bool], Anything, str]


def _check(test: Comparison) -> Check:
    """A comparison as field, function, operand and operator."""
    if test.operator == "in":
        return test.field, lambda value, constants: value in constants, frozenset(test.constants), "in"
    return test.field, _HOLDS[test.operator], test.constants[0], test.operator


def passes(test: Comparison, value: Value) -> Truth:
    """Judge one comparison; a value that is not known, or not exactly enough, is UNKNOWN."""
    _, holds, operand, way = _check(test)
    if value is None:
        return UNKNOWN
    if type(value) is Between:
        return _by_ends(value, way, operand)
    return YES if holds(value, operand) else NO


def _by_ends(value: Between, way: str, operand: Anything) -> Truth:
    passes, fails = _ENDS[way](value, operand)
    return YES if passes else NO if fails else UNKNOWN


def _fits(checks: tuple[Check, ...], fields: Mapping[str, Value]) -> Truth:
    worst = YES
    for name, holds, operand, way in checks:
        value = fields[name]
        if value is None:
            worst = UNKNOWN
        elif type(value) is Between:
            worst = min(worst, found := _by_ends(value, way, operand))
            if found is NO:
                return NO
        elif not holds(value, operand):
            return NO
    return worst


@cache
def _checks(pattern: Pattern) -> tuple[Check, ...]:
    return tuple(map(_check, pattern.tests))


def fits(pattern: Pattern, each: Fact) -> Truth:
    """Judge whether one fact, of the pattern's kind, passes every test."""
    return _fits(_checks(pattern), each.fields)


def _about(pattern: Pattern) -> tuple[tuple[Value, ...], ...]:
    """Where a world has the facts that could pass: those of the kind or, of a pattern that says what about, those and the ones
    of which it is not known."""
    kind = pattern.kind
    for test in pattern.tests:
        if test.field == KINDS[kind].names:
            return *((kind, each) for each in test.constants), (kind, None)
    return ((kind,),)


Meaning = Callable[[World], Truth]
_numbers = count()


@cache
def meaning(condition: Condition) -> Meaning:
    """What a condition means: a function from a world to a truth. Made once for a condition."""
    match condition:
        case Pattern(kind):
            checks, about, number = _checks(condition), _about(condition), next(_numbers)

            def some_fact(world: World) -> Truth:
                best = world.found.get(number)
                if best is None:
                    best = UNKNOWN if kind in world.gaps else NO
                    for place in about:
                        for each in world.about.get(place, ()):
                            if best is not YES and (found := _fits(checks, each.fields)) is not NO:
                                best = found
                    world.found[number] = best
                return best

            return some_fact
        case Not(part):
            inner = meaning(part)
            return lambda world: _TURNED[inner(world)]
        case All():
            return _first(_quickest(condition), NO, YES)
        case Any():
            return _first(_quickest(condition), YES, NO)


_TURNED = (YES, UNKNOWN, NO)


def _quickest(condition: All | Any) -> tuple[Meaning, ...]:
    """The meanings of its parts, one `all` in another taken for one; first what is quickly told and settles the most."""

    def flat(parts: Iterable[Condition]) -> Iterator[Condition]:
        for part in parts:
            yield from flat(part.parts) if isinstance(part, type(condition)) else (part,)

    def rank(part: Condition) -> tuple[bool, int]:
        asked = list(patterns(part))
        nearly_always_met = {each.kind for each in asked} == {"patient"}
        return nearly_always_met, len(asked)

    return tuple(map(meaning, sorted(flat(condition.parts), key=rank)))


def _first(parts: tuple[Meaning, ...], settling: Truth, otherwise: Truth) -> Meaning:
    """The minimum (settling NO) or maximum (settling YES) of the parts."""

    def joined(world: World) -> Truth:
        found = otherwise
        for part in parts:
            truth = part(world)
            if truth is settling:
                return settling
            if truth is UNKNOWN:
                found = UNKNOWN
        return found

    return joined


def truth(condition: Condition, world: World) -> Truth:
    """Judge a condition over the facts of a world."""
    return meaning(condition)(world)


class Judgement(Frozen, frozen=True):
    """A condition with its truth, the facts that bear it, and the judgements of its parts.

    For a pattern that is met the facts are those that pass; for one that is not, all of its kind (the near misses).
    """

    condition: Condition
    truth: Truth
    facts: tuple[Fact, ...] = ()
    parts: tuple[Judgement, ...] = ()


def judge(condition: Condition, world: World) -> Judgement:
    """Judge a condition and keep the whole tree, for evidence and explanation."""
    match condition:
        case Pattern(kind):
            verdict, known = truth(condition, world), world.facts.get(kind, [])
            bearing = known if verdict is NO else [each for each in known if fits(condition, each) is verdict]
            return Judgement(condition, verdict, tuple(bearing))
        case Not(part):
            inner = judge(part, world)
            return Judgement(condition, Truth(2 - inner.truth), (), (inner,))
        case All(parts):
            inners = tuple(judge(part, world) for part in parts)
            return Judgement(condition, min((inner.truth for inner in inners), default=YES), (), inners)
        case Any(parts):
            inners = tuple(judge(part, world) for part in parts)
            return Judgement(condition, max((inner.truth for inner in inners), default=NO), (), inners)


def unknowns(judgement: Judgement) -> tuple[Pattern, ...]:
    """The patterns because of which a condition cannot be judged, in order, each once."""
    found: dict[Pattern, None] = {}

    def walk(node: Judgement) -> None:
        if node.truth is UNKNOWN:
            if isinstance(node.condition, Pattern):
                found.setdefault(node.condition)
            for part in node.parts:
                walk(part)

    walk(judgement)
    return tuple(found)


State = Literal["fired", "suppressed", "not-fired", "not-judged"]


def standing(rule: Rule, truths: Mapping[str, Truth]) -> tuple[State, int]:
    """What the truths of its conditions make of one rule.

    truths: by "rule: condition"; those of levels and exceptions may be left out where the trigger is not met.

    Returns:
        The state, and the number of the level that applies (fired) or of the exception (suppressed); else 0.
    """
    when = truths[f"{rule.id}: when"]
    if when is NO:
        return "not-fired", 0
    levels = [truths[f"{rule.id}: level {number}"] for number in range(len(rule.levels))]
    if all(level is NO for level in levels):
        return "not-fired", 0
    for number in range(len(rule.unless)):
        if truths[f"{rule.id}: unless {number}"] is YES:
            return "suppressed", number
    if when is UNKNOWN or YES not in levels:
        return "not-judged", 0
    return "fired", levels.index(YES)


def said(rule: Rule, world: World) -> tuple[State, Indicator | None]:
    """What one rule says of a world before arbitration: its state, and the level where it fires."""
    truths: dict[str, Truth] = {}
    for name, condition in rule.conditions():
        truths[f"{rule.id}: {name}"] = found = truth(condition, world)
        if name == "when" and found is NO:
            break
    state, number = standing(rule, truths)
    return state, rule.levels[number].indicator if state == "fired" else None
