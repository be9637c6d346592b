"""The explanation of a rule as a tree to unfold: conditions in words, met or not, with the facts each one was judged on.

Flows in: explanations of the engine. Flows out: `Node`s for a template. Floor: edge (review).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cds_rules.cards.silence import miss_words, pattern_words, reading_words
from cds_rules.derive import Derived
from cds_rules.engine.explanation import Explanation, Reading, readings
from cds_rules.engine.reference import NO, YES, Judgement
from cds_rules.knowledge.rules import All, Any, Not, Pattern
from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.wording import Said, said

Truth = Literal["met", "unknown", "not-met"]
_MOST_FACTS, _MOST_SOURCES = 3, 3


@dataclass(frozen=True, slots=True)
class Told:
    """One fact as a leaf read it: its values in words, and where it stands. more: places that are left out."""

    values: Said
    sources: tuple[Source, ...]
    more: int


NOTHING = Told(said("none on the record"), (), 0)


@dataclass(frozen=True, slots=True)
class Node:
    """A condition with its truth. words: of a leaf, or how its parts belong together."""

    truth: Truth
    words: Said
    parts: tuple[Node, ...] = ()
    facts: tuple[Told, ...] = ()
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """One clause of a rule: what triggers it, a level, an exception. applies: it decided the outcome."""

    part: Said
    applies: bool
    node: Node


def branches(each: Explanation, derived: Derived) -> tuple[Branch, ...]:
    """The clauses of a rule."""
    parts = {"when": said("Triggers"), "level": said("Level"), "unless": said("Stays silent")}
    return tuple(
        Branch(
            said("{part}: {says}", part=parts[clause.role], says=clause.says) if clause.says else parts[clause.role],
            clause.applies,
            _node(clause.judgement, derived),
        )
        for clause in each.clauses
    )


def misses(each: Explanation) -> tuple[Said, ...]:
    """What stands between a silent rule and its card."""
    return tuple(map(miss_words, each.shortfall.misses if each.shortfall else ()))


def _node(judgement: Judgement, derived: Derived) -> Node:
    condition = judgement.condition
    truth: Truth = "met" if judgement.truth is YES else "not-met" if judgement.truth is NO else "unknown"
    if isinstance(condition, Pattern):
        found = readings(judgement, derived)
        words = pattern_words(condition, found[0].checks if found else ())
        facts = tuple(map(_told, found[:_MOST_FACTS])) or (NOTHING,)
        return Node(truth, words, facts=facts, leaf=True)
    parts = tuple(_node(part, derived) for part in judgement.parts)
    match condition:
        case All(()):
            return Node(truth, said("always"), leaf=True)
        case All((_,)) | Any((_,)):
            return parts[0]
        case All():
            return _together(truth, said("all of these"), parts)
        case Any():
            return _together(truth, said("at least one of these"), parts)
        case Not():
            return Node(truth, said("not this"), parts)


def _together(truth: Truth, words: Said, parts: tuple[Node, ...]) -> Node:
    """Parts that belong together in the same way stand on one level."""
    flat = (part.parts if part.words == words and not part.leaf else (part,) for part in parts)
    return Node(truth, words, tuple(each for several in flat for each in several))


def _told(reading: Reading) -> Told:
    sources = tuple(dict.fromkeys(reading.fact.sources))
    return Told(reading_words(reading), sources[:_MOST_SOURCES], len(sources) - _MOST_SOURCES)
