"""What a condition means: three values, and the facts that settle it.

NO < UNKNOWN < YES; `all` is the minimum, `any` the maximum, `not` turns them round. A pattern is met by one fact that
passes every test; it is unknown when a fact could pass but for a field that is not known, or when facts of its kind may be
missing (a gap). This page is the definition: durable-rules must agree with it.
Floor: engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Not, Pattern
from cds_rules.vocabulary.facts import Fact, Value


class Truth(IntEnum):
    """Met, not met, or not to be told."""

    NO = 0
    UNKNOWN = 1
    YES = 2


NO, UNKNOWN, YES = Truth.NO, Truth.UNKNOWN, Truth.YES


class World:
    """The facts of one evaluation by kind, and the kinds of which some may be missing."""

    __slots__ = ("facts", "gaps")

    def __init__(self, facts: Iterable[Fact], gaps: Iterable[str] = ()) -> None:
        self.facts: dict[str, list[Fact]] = {}
        for each in facts:
            self.facts.setdefault(each.kind, []).append(each)
        self.gaps = frozenset(gaps)


def passes(test: Comparison, value: Value) -> Truth:
    """Judge one comparison; a value that is not known is UNKNOWN."""
    if value is None:
        return UNKNOWN
    first = test.constants[0]
    match test.operator:
        case "eq":
            met = value == first
        case "in":
            met = value in test.constants
        case "lt":
            met = value < first  # type: ignore[operator]  # the reader allows an order on numbers only
        case "le":
            met = value <= first  # type: ignore[operator]
        case "gt":
            met = value > first  # type: ignore[operator]
        case "ge":
            met = value >= first  # type: ignore[operator]
    return YES if met else NO


def fits(pattern: Pattern, each: Fact) -> Truth:
    """Judge whether one fact, of the pattern's kind, passes every test."""
    worst = YES
    for test in pattern.tests:
        truth = passes(test, each.fields[test.field])
        if truth is NO:
            return NO
        if truth is UNKNOWN:
            worst = UNKNOWN
    return worst


def truth(condition: Condition, world: World) -> Truth:
    """Judge a condition over the facts of a world."""
    match condition:
        case Pattern(kind):
            best = UNKNOWN if kind in world.gaps else NO
            for each in world.facts.get(kind, ()):
                found = fits(condition, each)
                if found is YES:
                    return YES
                best = max(best, found)
            return best
        case Not(part):
            return Truth(2 - truth(part, world))
        case All(parts):
            worst = YES
            for part in parts:
                worst = min(worst, truth(part, world))
                if worst is NO:
                    break
            return worst
        case Any(parts):
            best = NO
            for part in parts:
                best = max(best, truth(part, world))
                if best is YES:
                    break
            return best


@dataclass(frozen=True, slots=True)
class Judgement:
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
            verdict = truth(condition, world)
            known = world.facts.get(kind, [])
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


def witnesses(judgement: Judgement) -> tuple[Fact, ...]:
    """The facts on which a met condition rests, in the order of its patterns, each once.

    A `not` rests on absence and has none.
    """
    found: dict[int, Fact] = {}

    def walk(node: Judgement) -> None:
        if node.truth is YES and not isinstance(node.condition, Not):
            for each in node.facts:
                found.setdefault(id(each), each)
            for part in node.parts:
                walk(part)

    walk(judgement)
    return tuple(found.values())


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
