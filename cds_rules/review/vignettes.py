"""Regression cases out of a review: for a settled item the little world that its rule saw, without whom it is about.

A vignette holds the facts of the kinds, and of these only the fields, that the rule asks about; ages in days are whole, an
age above 89 years is 90; every word in it is a word of the packs. What would change the rule's answer by that is left out.
A fact knows no name, no reference and no date; so neither does a vignette.
Flows in: a rule, an evaluation. Flows out: a case as `cds-rules test` reads it. Floor: edge (review).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from cds_rules.engine.cases import run_cases
from cds_rules.evaluate import Evaluation
from cds_rules.knowledge.cases import QUIET, Case
from cds_rules.knowledge.conditions import Words
from cds_rules.knowledge.rules import Pattern, Rule, patterns
from cds_rules.vocabulary.facts import KINDS, Between, Fact, Value, call, fact

OLDEST = 89
"""Years of age that may be told; above it is said as one more (as HIPAA's Safe Harbor has it, 45 CFR 164.514(b)(2))."""


@dataclass(frozen=True, slots=True)
class Vignette:
    """A case. said: what the rule, by itself, says of it today; ought: what readers found it ought to say."""

    rule: str
    name: str
    hook: str
    given: Mapping[str, Any]
    without: tuple[str, ...]
    gaps: tuple[str, ...]
    said: str
    ought: str

    @property
    def agreed(self) -> bool:
        """Whether the rule says what it ought to."""
        return self.said == self.ought

    def line(self) -> str:
        """As it stands in a file of cases: a mapping of YAML on one line."""
        more = {"without": self.without, "gaps": self.gaps}
        told = {"name": self.name, "hook": self.hook, "with": self.given}
        told |= {name: list(kinds) for name, kinds in more.items() if kinds}
        return json.dumps(told | {"expect": self.ought}, ensure_ascii=False)


def vignette(rule: Rule, evaluation: Evaluation, words: Words, name: str, speak: bool) -> Vignette | None:
    """The case of an evaluation; None where it cannot be told without more than a case may hold.

    Args:
        words: of the packs. speak: whether readers found that the rule ought to speak.
    """
    asked = [pattern for _, condition in rule.conditions() for pattern in patterns(condition)]
    gaps = frozenset(evaluation.settled.world.gaps) & {pattern.kind for pattern in asked}
    facts = [each for each in evaluation.derived.facts if each.kind != "call"]
    before = _said(rule, name, evaluation.hook, facts, gaps)
    plain = list(_plain(facts, asked))
    if any(not _known(each, asked, words) for each in plain):
        return None
    if _said(rule, name, evaluation.hook, plain, gaps) != before:
        return None
    spoke = before in ("info", "warning", "critical")
    ought = (before if spoke else rule.levels[-1].indicator) if speak else ("silent" if spoke else before)
    without = sorted({pattern.kind for pattern in asked} & QUIET.keys() - {each.kind for each in plain})
    return Vignette(rule.id, name, evaluation.hook, _given(plain), tuple(without), tuple(sorted(gaps)), before, ought)


def _said(rule: Rule, name: str, hook: str, facts: Iterable[Fact], gaps: frozenset[str]) -> str:
    (result,) = run_cases(rule, [Case(rule.id, name, hook, (call(hook), *facts), gaps, "")])
    return result.found


def _plain(facts: Iterable[Fact], asked: list[Pattern]) -> Iterable[Fact]:
    """The facts that the rule asks about, with the fields it asks about, each once."""
    seen: set[tuple[str, tuple[tuple[str, Value], ...]]] = set()
    fields = {
        kind: {test.field for pattern in asked if pattern.kind == kind for test in pattern.tests} for kind in KINDS
    }
    for each in facts:
        own = [pattern for pattern in asked if pattern.kind == each.kind]
        if not own or not _about(each, own):
            continue
        told = {name: _coarse(name, value) for name, value in each.fields.items() if name in fields[each.kind]}
        key = each.kind, tuple(told.items())
        if key not in seen:
            seen.add(key)
            yield fact(each.kind, **told)


def _about(each: Fact, own: list[Pattern]) -> bool:
    """Whether the rule asks about this one: the laboratory value, class or condition it names."""
    names = KINDS[each.kind].names
    wanted = [[test for test in pattern.tests if test.field == names] for pattern in own]
    if not names or not all(wanted):
        return True
    return any(each.fields[names] in test.constants for tests in wanted for test in tests)


def _coarse(name: str, value: Value) -> Value:
    if isinstance(value, Between):
        least, most = _coarse(name, value.least), _coarse(name, value.most)
        return least if least == most else Between(cast(float, least), cast(float, most))
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        return value
    if name == "age_years":
        return min(value, OLDEST + 1)
    return float(int(value)) if name.endswith("_days") else value


def _stated(value: Value) -> Any:
    """A value as a case states it; a number that is known by its ends as those."""
    if isinstance(value, Between):
        ends = {"ge": value.least, "le": value.most}
        return {name: end for name, end in ends.items() if not math.isinf(end)}
    return value


def _known(each: Fact, asked: list[Pattern], words: Words) -> bool:
    """Whether every text in a fact is a word of register, packs or rule."""
    for name, value in each.fields.items():
        if isinstance(value, str):
            constants = {
                one for pattern in asked for test in pattern.tests if test.field == name for one in test.constants
            }
            if value not in {*KINDS[each.kind].fields[name].words, *words.get((each.kind, name), ()), *constants}:
                return False
    return True


def _given(facts: Iterable[Fact]) -> dict[str, Any]:
    """Facts as a case states them: what is not known is named where a case would take it for something else."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in facts:
        quiet, fields = QUIET.get(each.kind), KINDS[each.kind].fields
        told = {
            name: _stated(value)
            for name, value in each.fields.items()
            if value is not None or (fields[name].type == "flag" if quiet is None else quiet.get(name) is not None)
        }
        found.setdefault(each.kind, []).append(told)
    return {kind: stated if len(stated) > 1 else stated[0] for kind, stated in found.items()}
