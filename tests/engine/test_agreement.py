"""durable-rules and the reference give every condition of every rule the same truth."""

from __future__ import annotations

import math
import random

import pytest

from cds_rules.engine import durable
from cds_rules.engine.reference import NO, UNKNOWN, YES, World, truth
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Not, Pattern
from cds_rules.vocabulary.facts import HOOKS, Between, Fact, between, call, fact
from tests.engine.worlds import Worlds

needs_durable = pytest.mark.skipif(not durable.AVAILABLE, reason="durable-rules does not import on this Python")


@needs_durable
def test_two_matchers_agree_on_the_rules_of_the_pack(pack: Pack) -> None:
    """At least 200,000 rule evaluations, seeded; the long run is bench/agreement.py."""
    hooks = [hook for hook in HOOKS if any(hook in rule.hooks for rule in pack.rules)]
    evaluations = 0
    for seed, hook in enumerate(hooks):
        rules = [rule for rule in pack.rules if hook in rule.hooks]
        every = {f"{rule.id}: {name}": condition for rule in rules for name, condition in rule.conditions()}
        families = [
            {name: each for name, each in every.items() if name.endswith(": when") is first} for first in (True, False)
        ]
        matchers = [durable.Matcher(f"agreement {hook}", each, call(hook)) for each in families]
        worlds = Worlds(rules, seed)
        while evaluations < 200_000 * (seed + 1) / len(hooks):
            world = worlds.draw(hook)
            for matcher, conditions in zip(matchers, families, strict=True):
                meant = {name: truth(condition, world) for name, condition in conditions.items()}
                found = matcher.truths(world, certain=UNKNOWN not in meant.values())
                for name, condition in conditions.items():
                    assert found[name] is meant[name], (name, str(condition), world.facts, world.gaps)
            evaluations += len(rules)


@needs_durable
@pytest.mark.parametrize("seed", range(6))
def test_two_matchers_agree_on_random_conditions(seed: int) -> None:
    """Conditions no pack has: nested `not`, patterns without tests, the same fact in two patterns."""
    draw = random.Random(seed)
    called = call("patient-view")
    conditions: dict[str, Condition] = {}
    while len(conditions) < 15:
        condition = _condition(draw, 0)
        if len(durable.met(condition)) <= 12 and len(durable.refuted(condition)) <= 12:
            conditions[f"c{len(conditions)}"] = condition
    matcher = durable.Matcher(f"random {seed}", conditions, called)
    for _ in range(60):
        unknown = draw.choice((0.0, 0.2))
        facts = [_fact(draw, unknown) for _ in range(draw.randint(0, 12))]
        world = World(facts, [kind for kind in ("lab", "kidney") if draw.random() < 0.1])
        found = matcher.truths(world)
        for name, condition in conditions.items():
            assert found[name] is truth(condition, world), (str(condition), world.facts, world.gaps)


@needs_durable
@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [(400, math.inf, YES), (351, 360, YES), (300, math.inf, UNKNOWN), (300, 350, NO), (-math.inf, 351, UNKNOWN)],
)
def test_a_number_known_as_its_ends_settles_what_both_ends_settle(least: float, most: float, expected: object) -> None:
    more = Pattern("magnesium", (Comparison("total_mg", "gt", (350.0,)),))
    less = Pattern("magnesium", (Comparison("total_mg", "le", (350.0,)),))
    world = World([fact("magnesium", total_mg=between(least, most))])
    matcher = durable.Matcher("ends", {"more": more, "less": less, "not more": Not(more)}, call("patient-view"))
    assert truth(more, world) is expected
    turned = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[expected]  # type: ignore[index]
    assert matcher.truths(world) == {"more": expected, "less": turned, "not more": turned}


@needs_durable
def test_absence_ignores_the_order_of_facts() -> None:
    condition = All(
        (
            Pattern("lab", (Comparison("code", "eq", ("ck",)),)),
            Not(Pattern("lab", (Comparison("code", "eq", ("tsh",)),))),
        )
    )
    matcher = durable.Matcher("order", {"c": condition}, call("patient-view"))
    both = [fact("lab", code="ck"), fact("lab", code="tsh")]
    assert matcher.truths(World(both))["c"] is NO
    assert matcher.truths(World(both[::-1]))["c"] is NO
    assert matcher.truths(World(both[:1]))["c"] is YES
    assert matcher.truths(World(both[:1], ["lab"]))["c"] is UNKNOWN


@needs_durable
def test_a_session_in_which_no_rule_fires_is_survived() -> None:
    matcher = durable.Matcher(
        "empty", {"c": Pattern("lab", (Comparison("code", "eq", ("ck",)),))}, call("patient-view")
    )
    for _ in range(1000):
        assert matcher.truths(World([]))["c"] is NO


def _condition(draw: random.Random, depth: int) -> Condition:
    choice = draw.random()
    if depth > 2 or choice < 0.4:
        return _pattern(draw)
    if choice < 0.8:
        parts = tuple(_condition(draw, depth + 1) for _ in range(draw.randint(1, 3)))
        return All(parts) if choice < 0.6 else Any(parts)
    return Not(_condition(draw, depth + 1))


_SHAPE = {
    "lab": {"code": ("magnesium", "ck", "tsh"), "value": None, "hemolyzed": True},
    "kidney": {"tier": ("OK", "G4", "G5"), "egfr": None},
}


def _pattern(draw: random.Random) -> Pattern:
    kind = draw.choice(list(_SHAPE))
    tests = []
    for name, words in _SHAPE[kind].items():
        if draw.random() < 0.4:
            continue
        if words is None:
            first = Comparison(name, draw.choice(("lt", "le", "gt", "ge", "eq")), (float(draw.choice((1, 2, 3))),))
            tests.append(first)
            if first.operator in ("gt", "ge") and draw.random() < 0.4:  # both ends of a span
                tests.append(Comparison(name, draw.choice(("lt", "le")), (first.constants[0] + draw.choice((1, 2)),)))
        elif words is True:
            tests.append(Comparison(name, "eq", (draw.random() < 0.5,)))
        else:
            several = draw.random() < 0.4
            tests.append(Comparison(name, "in" if several else "eq", tuple(draw.sample(words, 2 if several else 1))))
    return Pattern(kind, tuple(tests))


def _number(draw: random.Random, unknown: float) -> float | Between | None:
    if draw.random() >= unknown:
        return draw.choice((0.5, 1, 1.5, 2, 2.5, 3, 4))
    return between(*sorted(draw.choice((-math.inf, 0.5, 1, 1.5, 2, 2.5, 3, 4, math.inf)) for _ in range(2)))


def _fact(draw: random.Random, unknown: float) -> Fact:
    kind = draw.choice(list(_SHAPE))
    fields = {}
    for name, words in _SHAPE[kind].items():
        value = (
            _number(draw, unknown) if words is None else draw.random() < 0.5 if words is True else draw.choice(words)
        )
        fields[name] = None if draw.random() < unknown else value
    return fact(kind, **fields)
