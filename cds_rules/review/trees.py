"""The explanation of a rule as a tree to unfold: conditions in words, met or not, with the facts each one was judged on.

Flows in: explanations of the engine. Flows out: `Node`s for a template. Floor: edge (review).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cds_rules.commands.words import number_words, pattern_words
from cds_rules.derive import Derived
from cds_rules.engine.explanation import Check, Explanation, Miss, Reading, readings
from cds_rules.engine.reference import NO, YES, Judgement
from cds_rules.knowledge.rules import All, Any, Not, Pattern
from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.facts import KINDS
from cds_rules.vocabulary.wording import Said, said

Truth = Literal["met", "unknown", "not-met"]
_UNITS = {"mL/min/{1.73_m2}": "mL/min/1.73 m²", "mm[Hg]": "mmHg", "mg/d": "mg a day", "d": "days", "a": "years"}
_MOST_FACTS, _MOST_SOURCES = 3, 3


@dataclass(frozen=True, slots=True)
class Told:
    """One fact as a leaf read it: its values in words, where each number misses its limit, and where it stands."""

    values: tuple[str, ...]
    sources: tuple[Source, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Node:
    """A condition with its truth. words: of a leaf, or how its parts belong together."""

    truth: Truth
    words: str
    parts: tuple[Node, ...] = ()
    facts: tuple[Told, ...] = ()
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """One clause of a rule: what triggers it, a level, an exception. applies: it decided the outcome."""

    part: Said
    applies: bool
    node: Node


def branches(each: Explanation, derived: Derived, units: Mapping[str, str]) -> tuple[Branch, ...]:
    """The clauses of a rule. units: laboratory key -> canonical unit."""
    parts = {"when": said("Triggers"), "level": said("Level"), "unless": said("Stays silent")}
    return tuple(
        Branch(
            said("{part}: {says}", part=parts[clause.role], says=clause.says) if clause.says else parts[clause.role],
            clause.applies,
            _node(clause.judgement, derived, units),
        )
        for clause in each.clauses
    )


def misses(each: Explanation, units: Mapping[str, str]) -> tuple[Node, ...]:
    """What stands between a silent rule and its card."""
    return tuple(_missed(miss, units) for miss in (each.shortfall.misses if each.shortfall else ()))


def _missed(miss: Miss, units: Mapping[str, str]) -> Node:
    words = pattern_words(miss.pattern, units)
    return Node(
        "not-met",
        words if miss.wanted else f"no {words}",
        facts=(_told(miss.reading),) if miss.reading else (),
        leaf=True,
    )


def _node(judgement: Judgement, derived: Derived, units: Mapping[str, str]) -> Node:
    condition = judgement.condition
    truth: Truth = "met" if judgement.truth is YES else "not-met" if judgement.truth is NO else "unknown"
    if isinstance(condition, Pattern):
        found = readings(judgement, derived)
        return Node(truth, pattern_words(condition, units), facts=tuple(map(_told, found[:_MOST_FACTS])), leaf=True)
    parts = tuple(_node(part, derived, units) for part in judgement.parts)
    match condition:
        case All(()):
            return Node(truth, "always", leaf=True)
        case All((_,)) | Any((_,)):
            return parts[0]
        case All():
            return Node(truth, "all of these", parts)
        case Any():
            return Node(truth, "at least one of these", parts)
        case Not():
            return Node(truth, "not this", parts)


def _told(reading: Reading) -> Told:
    sources = tuple(dict.fromkeys(reading.fact.sources))
    values = [*_values(reading)]
    return Told(tuple(values), sources[:_MOST_SOURCES], len(sources) - _MOST_SOURCES)


def _values(reading: Reading) -> Iterator[str]:
    names = KINDS[reading.fact.kind].names
    for check in reading.checks:
        if check.test.field != names:
            yield _checked(check, reading.fact.kind)
    if reading.measured and not any(check.distance for check in reading.checks):
        of, value, unit = reading.measured
        yield f"{of} {_amount(value, unit)}"


def _checked(check: Check, kind: str) -> str:
    value, field = check.value, check.test.field
    if isinstance(value, bool):
        meaning = KINDS[kind].fields[field].meaning
        return meaning if value else f"not: {meaning}"
    name = field.removesuffix("_days").removesuffix("_years").removesuffix("_mg").replace("_", " ")
    words = f"{name} not known" if value is None else f"{name} {_amount(value, check.unit)}"
    if check.distance:
        words += f" (limit {number_words(check.distance.limit)}"
        if check.distance.field != field:
            words += f", {check.distance.field} {number_words(round(check.distance.value, 2))}"
        words += ")"
    return words


def _amount(value: object, unit: str) -> str:
    if isinstance(value, float):
        shown = number_words(round(value, 2))
        return f"{shown} {_UNITS.get(unit, unit)}".strip()
    return str(value)
