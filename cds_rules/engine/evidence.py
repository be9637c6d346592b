"""The facts a fired rule rests on: those without which, by themselves or together, it would not say what it says.

A fact that has a double (a second diuretic) cannot be missed by itself. So evidence is asked for as philosophers of cause
do: a fact counts when there are others with which it can be missed, and without which it cannot; those together are a cut.
A fact that only repeats what the others say already (a second reason, where one and the same fact gives both) is in no cut.

Where no `not` of a rule has anything to deny, cuts follow from its conditions: a fact counts when it is in a support, a
smallest set with which the rule says the same. Else facts are taken away and the rule is asked (`cuts`).
Flows in: a rule with what was judged of it. Flows out: facts, in the order of its conditions. Floor: engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from cds_rules.engine.reference import NO, YES, Truth, World, fits, said, truth
from cds_rules.knowledge.rules import All, Any, Condition, Not, Pattern, Rule, patterns
from cds_rules.vocabulary.facts import Fact

MOST_TOGETHER = 3
"""Groups of doubles that a cut is looked for in: what takes more to be missed says nothing to a reader."""
_MOST = 300
"""Supports that are told apart; beyond them every fact of each counts as evidence."""
Supports = list[frozenset[int]]


def evidence(rule: Rule, world: World, chosen: int) -> tuple[Fact, ...]:
    """The evidence of a rule that fired. chosen: the number of the level that applies."""
    deniable = [pattern for pattern in denied(rule) if truth(pattern, world) is not NO]
    if any(fits(pattern, each) is not NO for pattern in deniable for each in world.facts.get(pattern.kind, ())):
        facts = [each for several in world.facts.values() for each in several]
        places = frozenset().union(*cuts(rule, facts, world.gaps))
        return tuple(each for place, each in enumerate(facts) if place in places)
    known: dict[int, Fact] = {}
    needed = frozenset().union(
        *_all_of([_supports(rule.trigger, world, known), _of_levels(rule, world, chosen, known)])
    )
    return tuple(each for key, each in known.items() if key in needed)


def cuts(rule: Rule, facts: Sequence[Fact], gaps: Iterable[str], most: int = MOST_TOGETHER) -> Supports:
    """The smallest sets of facts without which a rule says something else, as positions in `facts`.

    Facts that every pattern of the rule reads alike are doubles and go together.
    """
    gaps = frozenset(gaps)
    asked = list(dict.fromkeys(pattern for _, condition in rule.conditions() for pattern in patterns(condition)))
    doubles: dict[tuple[Truth, ...], list[int]] = {}
    for place, each in enumerate(facts):
        read = tuple(fits(pattern, each) if pattern.kind == each.kind else NO for pattern in asked)
        if any(read):
            doubles.setdefault(read, []).append(place)
    before = said(rule, World(facts, gaps))
    found: Supports = []
    for size in range(1, min(len(doubles), most) + 1):
        for chosen in itertools.combinations(map(frozenset, doubles.values()), size):
            gone = frozenset().union(*chosen)
            if any(known <= gone for known in found):
                continue
            if said(rule, World((each for place, each in enumerate(facts) if place not in gone), gaps)) != before:
                found.append(gone)
    return found


@cache
def denied(rule: Rule) -> tuple[Pattern, ...]:
    """The patterns that stand under a `not`."""

    def under(condition: Condition, inside: bool) -> Iterator[Pattern]:
        match condition:
            case Pattern():
                if inside:
                    yield condition
            case Not(part):
                yield from under(part, True)
            case All(parts) | Any(parts):
                for part in parts:
                    yield from under(part, inside)

    return tuple(dict.fromkeys(pattern for _, condition in rule.conditions() for pattern in under(condition, False)))


def _of_levels(rule: Rule, world: World, chosen: int, known: dict[int, Fact]) -> Supports:
    """Supports of this indicator: of the level that applies, and of the later ones that would give the same."""
    level, *later = rule.levels[chosen:]
    found = _supports(level.when, world, known)
    for each in later:
        if each.indicator == level.indicator:
            found = found + _supports(each.when, world, known)
        elif truth(each.when, world) is YES:
            break
    return _smallest(found)


def _supports(condition: Condition, world: World, known: dict[int, Fact]) -> Supports:
    """The smallest sets of facts with which a condition is met; none where it is not. A `not` needs no facts."""
    if truth(condition, world) is not YES:
        return []
    match condition:
        case Pattern(kind):
            facts = {id(each): each for each in world.facts[kind] if fits(condition, each) is YES}
            known |= {key: each for key, each in facts.items() if key not in known}
            return [frozenset({key}) for key in facts]
        case Not():
            return [frozenset()]
        case All(parts):
            return _all_of([_supports(part, world, known) for part in parts])
        case Any(parts):
            return _smallest([support for part in parts for support in _supports(part, world, known)])


def _all_of(parts: Iterable[Supports]) -> Supports:
    found: Supports = [frozenset()]
    for part in parts:
        if found == [frozenset()]:
            found = part
        elif part != [frozenset()]:
            found = _smallest([before | more for before in found for more in part])
    return found


def _smallest(supports: Supports) -> Supports:
    """Those that hold no other one."""
    if len(supports) < 2:
        return supports
    distinct = sorted(set(supports), key=len)
    if len(distinct) > _MOST:
        return [frozenset().union(*distinct)]
    found: Supports = []
    for each in distinct:
        if not any(smaller <= each for smaller in found):
            found.append(each)
    return found
