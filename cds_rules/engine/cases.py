"""Cases run against a rule, and mutants of a rule run against its cases.

A mutant is the rule with one small fault: a comparison flipped at its edge, a threshold moved by one unit, a condition
left out, a level moved. Cases that do not notice a mutant do not hold that part of the rule.
Floor: engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from cds_rules.engine.judging import Judge
from cds_rules.engine.reference import World
from cds_rules.engine.reference import said as stands
from cds_rules.knowledge.cases import Case
from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Not, Operator, Pattern, Rule
from cds_rules.vocabulary.frozen import Frozen, replace

T = TypeVar("T")


class CaseResult(Frozen, frozen=True):
    """What a rule said in a case; passed when both matchers said just what was expected."""

    case: Case
    found: str
    disagreements: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True when the rule said what the case expects and the matchers agreed."""
        return self.found == self.case.expect and not self.disagreements


def run_cases(rule: Rule, cases: Iterable[Case]) -> list[CaseResult]:
    """Run a rule's cases by both matchers, without arbitration."""
    judge = Judge((rule,))
    results = []
    for case in cases:
        verdict = judge.judge(case.hook, World(case.facts, case.gaps), dict.fromkeys(case.gaps, ("not delivered",)))
        outcome = verdict.outcomes.get(rule.id)
        results.append(
            CaseResult(case, said(outcome.state, outcome.indicator) if outcome else "silent", verdict.disagreements)
        )
    return results


def said(state: str, indicator: str | None) -> str:
    """An outcome in the words of cases.

    >>> said("fired", "info"), said("suppressed", None), said("not-judged", None)
    ('info', 'silent', 'not-judged')
    """
    return str(indicator) if state == "fired" else "not-judged" if state == "not-judged" else "silent"


class Mutant(Frozen, frozen=True):
    """A rule with one fault, and the fault in words."""

    fault: str
    rule: Rule


def mutants(rule: Rule) -> Iterator[Mutant]:
    """Every single-fault neighbour of a rule."""
    for fault, when in _mutations(rule.when):
        yield Mutant(f"when: {fault}", replace(rule, when=when))
    for number, level in enumerate(rule.levels):
        for fault, when in _mutations(level.when):
            yield Mutant(
                f"levels[{number}]: {fault}",
                replace(rule, levels=_swapped(rule.levels, number, replace(level, when=when))),
            )
        if len(rule.levels) > 1:
            rest = rule.levels[:number] + rule.levels[number + 1 :]
            yield Mutant(f"levels[{number}]: left out", replace(rule, levels=rest))
    for number, unless in enumerate(rule.unless):
        for fault, when in _mutations(unless.when):
            yield Mutant(
                f"unless[{number}]: {fault}",
                replace(rule, unless=_swapped(rule.unless, number, replace(unless, when=when))),
            )
        yield Mutant(
            f"unless[{number}]: left out", replace(rule, unless=rule.unless[:number] + rule.unless[number + 1 :])
        )
    yield Mutant("ages.from: one year more", replace(rule, age_from=rule.age_from + 1))
    yield Mutant("ages.from: one year less", replace(rule, age_from=rule.age_from - 1))


def survivors(rule: Rule, cases: Iterable[Case]) -> tuple[list[Mutant], int]:
    """The mutants that no case notices, and how many there were in all. Judged by the reference alone."""
    known = [(case, World(case.facts, case.gaps)) for case in cases]
    alive, count = [], 0
    for mutant in mutants(rule):
        count += 1
        if all(_said_by(mutant.rule, case.hook, world) == case.expect for case, world in known):
            alive.append(mutant)
    return alive, count


def _said_by(rule: Rule, hook: str, world: World) -> str:
    if hook not in rule.hooks:
        return "silent"
    state, indicator = stands(rule, world)
    return said(state, indicator)


def _swapped(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


_EDGES: dict[Operator, Operator] = {"lt": "le", "le": "lt", "gt": "ge", "ge": "gt"}
_TURNED: dict[Operator, Operator] = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}


def _mutations(condition: Condition) -> Iterator[tuple[str, Condition]]:
    match condition:
        case Pattern(kind, tests):
            for number, test in enumerate(tests):
                for fault, other in _test_mutations(test):
                    yield f"{condition}: {fault}", Pattern(kind, _swapped(tests, number, other))
                if len(tests) > 1:
                    yield f"{condition}: without {test}", Pattern(kind, tests[:number] + tests[number + 1 :])
        case Not(part):
            yield f"{condition}: without not", part
            for fault, changed in _mutations(part):
                yield fault, Not(changed)
        case All(parts) | Any(parts):
            build = All if isinstance(condition, All) else Any
            for number, part in enumerate(parts):
                for fault, changed in _mutations(part):
                    yield fault, build(_swapped(parts, number, changed))
                if len(parts) > 1:
                    yield f"without ({part})", build(parts[:number] + parts[number + 1 :])


def _test_mutations(test: Comparison) -> Iterator[tuple[str, Comparison]]:
    constant = test.constants[0]
    if test.operator in _EDGES:
        yield "edge flipped", replace(test, operator=_EDGES[test.operator])
        yield "turned round", replace(test, operator=_TURNED[test.operator])
    if isinstance(constant, bool):
        yield "turned round", replace(test, constants=(not constant,))
    elif isinstance(constant, float) and test.operator != "in":
        step = 1.0 if constant == int(constant) and abs(constant) >= 5 else 0.1
        yield f"{step:g} more", replace(test, constants=(round(constant + step, 6),))
        yield f"{step:g} less", replace(test, constants=(round(constant - step, 6),))
    elif test.operator == "in" and len(test.constants) > 1:
        for number, word in enumerate(test.constants):
            yield f"without {word}", replace(test, constants=test.constants[:number] + test.constants[number + 1 :])
