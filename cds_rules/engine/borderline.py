"""Cards that a repeat of a laboratory test could turn: within-subject biological and analytical variation.

A mark and a number, never another level. Each value is taken as the middle of what repeats would give, normally spread by
its coefficient of variation (a table of the pack, with citations); the eGFR follows creatinine. Draws are a fixed
low-discrepancy sequence, so that the same chart always gives the same number.
Flows in: a rule that fired, `Settled`, its `Scenario`. Flows out: `Borderline`, or None. Floor: engine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist

from cds_rules.engine.reference import World, said
from cds_rules.engine.settling import Rulebook, Scenario, Settled
from cds_rules.knowledge.rules import Pattern, Rule, patterns
from cds_rules.vocabulary.chart import Result
from cds_rules.vocabulary.frozen import Frozen, replace

TABLE = "biological_variation"
DRAWS = 200
"""Simulated repeats: the probability is known to about three percent points."""
FEWEST = DRAWS // 100
"""Repeats that have to turn a card that is marked: with several results a corner may be one that hardly ever comes."""
INSIDE = 1.96
"""Standard deviations within which 95 of 100 repeats lie; a card that turns only beyond is not marked."""
_PRIMES = (2, 3, 5, 7)
_EXPONENT = -1.2
"""Of creatinine in CKD-EPI 2021, above the knee where rules look: a reported eGFR follows creatinine with it."""


class Borderline(Frozen, frozen=True):
    """How often repeats would say something else. probability: 0 to 1. keys: the analytes that were varied."""

    probability: float
    keys: tuple[str, ...]


def variation(rulebook: Rulebook) -> Mapping[str, float]:
    """Key of a result -> coefficient of variation of a repeat, biological and analytical together."""
    return {
        row["key"]: math.hypot(float(row["within_subject_pct"]), float(row["analytical_pct"] or 0)) / 100
        for row in rulebook.tables.get(TABLE, ())
    }


def borderline(rulebook: Rulebook, rule: Rule, scenario: Scenario, settled: Settled) -> Borderline | None:
    """Whether repeats of the results behind a card would often turn it, and how often."""
    spread = variation(rulebook)
    results = [each for each in _varied(rule, settled) if _analyte(each.key) in spread]
    deviations = [spread[_analyte(each.key)] for each in results]
    if not results:
        return None
    known = said(rule, settled.world)

    def turned(scores: Sequence[float]) -> bool:
        factors = {
            id(each): (1 + deviation * score) ** (_EXPONENT if each.key == "egfr_reported" else 1)
            for each, deviation, score in zip(results, deviations, scores, strict=True)
        }
        chart = replace(
            scenario.chart,
            results=tuple(
                replace(each, value=each.value * factors[id(each)]) if id(each) in factors else each
                for each in scenario.chart.results
            ),
        )
        derived = rulebook.derived(replace(scenario, chart=chart))
        return said(rule, World(derived.facts, derived.gaps)) != known

    if not any(turned(corner) for corner in itertools.product((-INSIDE, INSIDE), repeat=len(results))):
        return None
    count = sum(turned(scores) for scores in _draws(len(results)))
    if count < FEWEST:
        return None
    return Borderline(count / DRAWS, tuple(dict.fromkeys(_analyte(each.key) for each in results)))


def _analyte(key: str) -> str:
    return "creatinine" if key == "egfr_reported" else key


def _varied(rule: Rule, settled: Settled) -> list[Result]:
    """The latest results that a rule reads, as far as they can be varied together, at most four."""
    derived = settled.derived
    asked: dict[str, None] = {}
    for _, condition in rule.conditions():
        for pattern in patterns(condition):
            for key in _keys(pattern, derived.kidney.computed or derived.kidney.tier == "AKI"):
                asked.setdefault(key)
    found = [lab.latest for key in asked if (lab := derived.labs[key]) is not None]
    return found[: len(_PRIMES)]


def _keys(pattern: Pattern, by_creatinine: bool) -> tuple[str, ...]:
    if pattern.kind == "kidney":
        return ("creatinine",) if by_creatinine else ("egfr_reported",)
    codes = [str(constant) for test in pattern.tests if test.field == "code" for constant in test.constants]
    return tuple({"crcl": "creatinine"}.get(code, code) for code in codes)


def _draws(dimensions: int) -> Iterator[tuple[float, ...]]:
    """Normal scores by Halton's sequence."""
    inverse = NormalDist().inv_cdf
    for place in range(1, DRAWS + 1):
        yield tuple(inverse(_radical(place, prime)) for prime in _PRIMES[:dimensions])


def _radical(place: int, base: int) -> float:
    """The digits of a number in a base, mirrored at the point.

    >>> _radical(1, 2), _radical(2, 2), _radical(3, 2)
    (0.5, 0.25, 0.75)
    """
    found, fraction = 0.0, 1.0 / base
    while place:
        place, digit = divmod(place, base)
        found += digit * fraction
        fraction /= base
    return found
