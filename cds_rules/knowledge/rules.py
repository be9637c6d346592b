"""The rule language as values: what a rule file says once it has been read and checked.

A condition is a pattern on single facts, or `all`, `any`, `not` of conditions. There are no variables and no comparisons
between facts: those are computed in `derive`. Flows in: checked YAML (files.py). Flows out: to both matchers.
Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Literal

from cds_rules.vocabulary.frozen import Frozen

Operator = Literal["eq", "in", "lt", "le", "gt", "ge"]
Constant = str | float | bool
Indicator = Literal["info", "warning", "critical"]
Status = Literal["draft", "active", "retired"]

INDICATORS: tuple[Indicator, ...] = ("info", "warning", "critical")
SEVERITY = {indicator: rank for rank, indicator in enumerate(INDICATORS)}


class Comparison(Frozen, frozen=True, eq=False):
    """One comparison of a field with constants; several constants only for "in".

    parameter: the project decision that the constant is the value of, "" for one that the rule itself names.
    """

    field: str
    operator: Operator
    constants: tuple[Constant, ...]
    parameter: str = ""

    def __eq__(self, other: object) -> bool:  # whoever decided on the constant, the comparison is the same
        return isinstance(other, Comparison) and self._asks == other._asks

    def __hash__(self) -> int:
        return hash(self._asks)

    @property
    def _asks(self) -> tuple[str, Operator, tuple[Constant, ...]]:
        return self.field, self.operator, self.constants

    def __str__(self) -> str:
        words = {"eq": "is", "in": "is one of", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        return f"{self.field} {words[self.operator]} {', '.join(_said(constant) for constant in self.constants)}"


class Pattern(Frozen, frozen=True, cache_hash=True):
    """There is a fact of this kind that passes every test."""

    kind: str
    tests: tuple[Comparison, ...]

    def __str__(self) -> str:
        return f"{self.kind}: {' and '.join(str(test) for test in self.tests)}" if self.tests else self.kind


class All(Frozen, frozen=True, cache_hash=True):
    """Every part is met."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return "all of (" + "; ".join(str(part) for part in self.parts) + ")"


class Any(Frozen, frozen=True, cache_hash=True):
    """At least one part is met."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        return "any of (" + "; ".join(str(part) for part in self.parts) + ")"


class Not(Frozen, frozen=True, cache_hash=True):
    """The part is certainly not met."""

    part: Condition

    def __str__(self) -> str:
        return f"not ({self.part})"


Condition = Pattern | All | Any | Not
ALWAYS = All(())


def _said(constant: Constant) -> str:
    if isinstance(constant, bool):
        return "true" if constant else "false"
    return f"{constant:g}" if isinstance(constant, int | float) else constant


def patterns(condition: Condition) -> Iterator[Pattern]:
    """Yield every pattern of a condition, left to right."""
    match condition:
        case Pattern():
            yield condition
        case Not(part):
            yield from patterns(part)
        case All(parts) | Any(parts):
            for part in parts:
                yield from patterns(part)


class Level(Frozen, frozen=True):
    """An indicator and when it applies; the first level that is met wins."""

    indicator: Indicator
    when: Condition


class Unless(Frozen, frozen=True):
    """A suppression: the rule stays silent when this is met, and the explanation says because what."""

    when: Condition
    because: str


CAP = "cap"
"""In a suggestion's at_most: what the interactions of the draft allow."""

ANY_CITED = "any-cited"
"""In a suggestion's classes: every medication in focus that the finding rests on."""


class Suggestion(Frozen, frozen=True):
    """An offer on the card, by a building block of clinical specification 0.9.

    offer: stop, delete, revise, or order-<test>. classes: which medications a stop, delete or revise is about; ingredient:
    only those of this one, "" for any. at_most, below: mg a day that a revised draft may leave, of magnesium in all products
    together, else of its ingredient; CAP: the lowest cap of the interactions it takes part in.
    """

    offer: str
    recommended: bool = False
    when: Condition = ALWAYS
    classes: frozenset[str] = frozenset()
    urgent: bool = False
    ingredient: str = ""
    at_most: float | str | None = None
    below: float | None = None


class CardText(Frozen, frozen=True):
    """The texts of a card in one language, as templates over the derived views (docs/rule-authors.md)."""

    summary: str
    found: tuple[str, ...] = ()
    why: str = ""
    consider: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()


class Evidence(Frozen, frozen=True):
    """What stands behind a number or a claim: grade A, B or C (clinical specification 0.10) and where to read it.

    year: of publication; 0 where the citation gives none. population: whom it was seen in; "" where that is not known.
    """

    supports: str
    grade: Literal["A", "B", "C"]
    claim: str
    citation: str
    url: str = ""
    numbers: tuple[float, ...] = ()
    year: int = 0
    population: str = ""


class Worse(Frozen, frozen=True):
    """What this rule calls worse since a card was overridden: a field of some facts that rises, or falls.

    A number, or a word of a list that goes from good to bad (then it rises). called: in words, for the card.
    """

    about: Pattern
    field: str
    rises: bool
    called: str

    def __str__(self) -> str:
        return f"{self.about} {'rises' if self.rises else 'falls'} {self.field}"


class Link(Frozen, frozen=True):
    """A link on the card to something outside."""

    label: str
    url: str


class Rule(Frozen, frozen=True, cache_hash=True):
    """One rule of a pack, complete; its id is its file name."""

    id: str
    title: str
    version: str
    status: Status
    group: str
    hooks: frozenset[str]
    reviewed: date
    age_from: int
    when: Condition
    levels: tuple[Level, ...]
    unless: tuple[Unless, ...]
    card: CardText
    suggestions: tuple[Suggestion, ...]
    overrides: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    links: tuple[Link, ...] = ()
    worse: tuple[Worse, ...] = ()

    @property
    def topic(self) -> str:
        """The id as some clients want codes: letters and digits only."""
        return self.id.replace("-", "")

    @property
    def trigger(self) -> Condition:
        """`when` together with the lower age limit."""
        return _from_age(self.age_from, self.when)

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Yield each condition with its name: when, level 0.., unless 0.. ."""
        yield "when", self.trigger
        for number, level in enumerate(self.levels):
            yield f"level {number}", level.when
        for number, unless in enumerate(self.unless):
            yield f"unless {number}", unless.when


@cache
def _from_age(years: int, when: Condition) -> Condition:
    return All((Pattern("patient", (Comparison("age_years", "ge", (float(years),)),)), when))


class Group(Frozen, frozen=True):
    """Rules of which one patient sees at most one card; order breaks ties."""

    id: str
    title: str
    rules: tuple[str, ...]


class Removal(Frozen, frozen=True):
    """A card of `by` takes away the cards of `removes` that are not more severe (clinical specification 0.6)."""

    by: frozenset[str]
    removes: frozenset[str]
    at_least: Indicator = "info"
    hooks: frozenset[str] = frozenset()
    unless: Condition | None = None


class Parameter(Frozen, frozen=True):
    """A project decision that a site may change: a number within bounds (both ends allowed), or one of several words.

    choices: the words; empty for a number, which has low and high.
    """

    name: str
    value: float | str
    low: float
    high: float
    unit: str
    because: str
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What a site may set, in words.

        >>> Parameter("a", 60.0, 50.0, 70.0, "a", "").allowed
        'between 50 and 70 a'
        """
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return f"between {self.low:g} and {self.high:g}{f' {self.unit}' if self.unit else ''}"

    def fits(self, value: float | str) -> bool:
        """Whether a site may set this value."""
        if self.choices:
            return value in self.choices
        return not isinstance(value, str) and self.low <= value <= self.high
