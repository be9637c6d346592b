"""What would have to differ: the smallest changes of a record that take a card away, lower it, or raise a silence.

The judged tree says which leaves have to turn (`ways`), levers say how (`levers`), and every candidate is run: first the
rule alone, then, before it is told, everything as for a hook. A set of changes is told only when no proper part of it
does the same.
Flows in: a rule, `Settled` and its `Scenario`. Flows out: `Counterfactual`s, fewest changes first. Floor: engine.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from cds_rules.derive import Derived
from cds_rules.engine.changes import Change, Dose, Filtration, Measured, Value, Without, applied
from cds_rules.engine.explanation import fires
from cds_rules.engine.judging import Finding, Outcome
from cds_rules.engine.levers import filtration, levers
from cds_rules.engine.reference import NO, YES, Judgement, State, World, judge, said
from cds_rules.engine.settling import Rulebook, Scenario, Settled, settle
from cds_rules.knowledge.rules import SEVERITY, All, Any, Indicator, Not, Pattern, Rule
from cds_rules.vocabulary.frozen import Frozen, replace

MOST_LEAVES, MOST_WAYS = 3, 40
"""Leaves that may have to turn together, and how many such sets are looked at."""
MOST_TRIALS, MOST_TOLD = 48, 6
"""How often the rule is run while searching, and how many answers are enough."""


Said = tuple[State, Indicator | None]
Reached = Callable[[Sequence[Change]], bool]


class Counterfactual(Frozen, frozen=True):
    """Changes that suffice, none of which can be left out, and what the rule says then.

    outcome: after arbitration, of everything run as for a hook. instead: the cards that would appear with it, or become graver.
    """

    changes: tuple[Change, ...]
    outcome: Outcome
    instead: tuple[Finding, ...] = ()


class _Trials:
    """The rule alone on changed charts, each set of changes once."""

    def __init__(self, rulebook: Rulebook, rule: Rule, scenario: Scenario) -> None:
        self._rulebook, self._rule, self._scenario = rulebook, rule, scenario
        self._known: dict[frozenset[Change], Said] = {}

    def __len__(self) -> int:
        return len(self._known)

    def scenario(self, changes: Sequence[Change]) -> Scenario:
        """The scenario with some changes."""
        return replace(self._scenario, chart=applied(changes, self._scenario.chart, self._scenario.at))

    def said(self, changes: Sequence[Change]) -> Said:
        """What the rule says, before arbitration."""
        key = frozenset(changes)
        if key not in self._known:
            self._known[key] = self._of(self._rulebook.derived(self.scenario(changes)))
        return self._known[key]

    def _of(self, derived: Derived) -> Said:
        return said(self._rule, World(derived.facts, derived.gaps))


def counterfactuals(
    rulebook: Rulebook, rule: Rule, scenario: Scenario, settled: Settled, most: int = MOST_TOLD
) -> tuple[Counterfactual, ...]:
    """The smallest changes that take away or lower the card of a rule, or that raise it where it is silent.

    Empty for a rule that another one, its status or comfort care keeps from being shown: it fired.
    """
    state, level = said(rule, settled.world)
    outcome = settled.outcomes[rule.id]
    if state == "fired" and outcome.state != "fired":
        return ()
    trials = _Trials(rulebook, rule, scenario)

    def reached(changes: Sequence[Change]) -> bool:
        now, to = trials.said(changes)
        if state != "fired":
            return now == "fired"
        if now == "fired":
            return SEVERITY[to or "info"] < SEVERITY[level or "info"]
        return now != "not-judged"

    found: dict[frozenset[Change], tuple[Change, ...]] = {}
    for candidate in _candidates(rule, state == "fired", settled):
        if len(found) >= most or len(trials) >= MOST_TRIALS:
            break
        if any(known <= frozenset(candidate) for known in found) or not reached(candidate):
            continue
        smallest = next(
            part
            for size in range(1, len(candidate) + 1)
            for part in itertools.combinations(candidate, size)
            if reached(part)
        )
        if not any(known <= frozenset(smallest) for known in found):
            found[frozenset(smallest)] = smallest
    minimal = [changes for key, changes in found.items() if not any(other < key for other in found)]
    told = [_verified(rulebook, rule, trials, settled, changes, reached) for changes in minimal]
    return tuple(sorted(filter(None, told), key=lambda each: (len(each.changes), *map(_order, each.changes[:1]))))


def _order(change: Change) -> int:
    """What a clinician can do or check comes first."""
    for place, kinds in enumerate(((Value, Filtration), (Dose, Measured), (Without,))):
        if isinstance(change, kinds):
            return place
    return 3


def _verified(
    rulebook: Rulebook,
    rule: Rule,
    trials: _Trials,
    settled: Settled,
    changes: tuple[Change, ...],
    reached: Reached,
) -> Counterfactual | None:
    """The changes run as for a hook; a bound is told only where it holds further out, too. None where it does not hold."""
    bounded = tuple(_as_far_as_it_holds(changes, place, reached, settled.derived) for place in range(len(changes)))
    after = settle(rulebook, trials.scenario(changes))
    outcome, before = after.outcomes[rule.id], settled.outcomes[rule.id]
    if before.state == "fired":
        gone = outcome.state in ("not-fired", "suppressed")
        lower = (
            outcome.state == "fired" and SEVERITY[outcome.indicator or "info"] < SEVERITY[before.indicator or "info"]
        )
        if not (gone or lower):
            return None
    elif outcome.state != "fired" and outcome.by in (None, "unless"):
        return None
    had = {finding.rule.id: SEVERITY[finding.indicator] for finding in settled.findings}
    instead = tuple(
        finding
        for finding in after.findings
        if finding.rule.id != rule.id and SEVERITY[finding.indicator] > had.get(finding.rule.id, -1)
    )
    return Counterfactual(bounded, outcome, instead)


def _as_far_as_it_holds(changes: tuple[Change, ...], place: int, reached: Reached, derived: Derived) -> Change:
    change = changes[place]
    if not isinstance(change, Value | Filtration | Dose | Measured) or not change.bound:
        return change
    further: tuple[Change, ...]
    if isinstance(change, Filtration):
        further = filtration(derived, change.bound, 90.0 if change.bound == "at least" else 6.0)
    else:
        further = (replace(change, value=change.value * (1.5 if change.bound == "at least" else 0.6)),)
    if reached((*changes[:place], *further, *changes[place + 1 :])):
        return change
    return replace(change, bound="")


# --- candidates --------------------------------------------------------------------------------------------------

Way = tuple[tuple[Judgement, bool], ...]


def _candidates(rule: Rule, fired: bool, settled: Settled) -> Iterator[tuple[Change, ...]]:
    """Sets of changes that turn a way of leaves, fewest first."""
    world = settled.world
    trigger = judge(rule.trigger, world)
    levels = [judge(level.when, world) for level in rule.levels]
    exceptions = [judge(unless.when, world) for unless in rule.unless]
    found = ways(fires(trigger, levels, exceptions), not fired)
    if fired:
        chosen = next(number for number, level in enumerate(levels) if level.truth is YES)
        rank = SEVERITY[rule.levels[chosen].indicator]
        for level, judged in zip(rule.levels[:chosen], levels[:chosen], strict=True):
            if SEVERITY[level.indicator] < rank:
                found += ways(judged, True)
        if any(SEVERITY[level.indicator] < rank for level in rule.levels[chosen:]):
            found += _together(
                [
                    ways(judged, False)
                    for level, judged in zip(rule.levels, levels, strict=True)
                    if SEVERITY[level.indicator] >= rank and judged.truth is YES and level.when != All(())
                ]
            )
    made: dict[frozenset[Change], tuple[Change, ...]] = {}
    for way in sorted(found, key=len):
        choices = [levers(leaf, wanted, settled.derived)[:8] for leaf, wanted in way]
        for choice in itertools.islice(itertools.product(*choices), 24):
            together = tuple(dict.fromkeys(itertools.chain.from_iterable(choice)))
            if len(together) <= MOST_LEAVES and _compatible(together):
                made.setdefault(frozenset(together), together)
    yield from sorted(made.values(), key=len)


def _compatible(changes: Sequence[Change]) -> bool:
    """Whether no entry is changed in two ways at once."""
    touched = [
        reference
        for change in changes
        for reference in (
            [each[0] for each in change.results]
            if isinstance(change, Filtration)
            else [getattr(change, "reference", "") or f"{type(change).__name__} {getattr(change, 'key', '')}"]
        )
    ]
    return len(touched) == len(set(touched))


def ways(judgement: Judgement, wanted: bool) -> list[Way]:
    """Sets of leaves that would have to turn, each with the truth it would have to have; none larger than `MOST_LEAVES`."""
    if judgement.truth is (YES if wanted else NO):
        return [()]
    match judgement.condition:
        case Pattern():
            return [((judgement, wanted),)]
        case Not():
            return ways(judgement.parts[0], not wanted)
        case All() | Any():
            if isinstance(judgement.condition, All) is wanted:
                return _together([ways(part, wanted) for part in judgement.parts])
            either = [way for part in judgement.parts for way in ways(part, wanted)]
            return sorted(either, key=len)[:MOST_WAYS]
    return []


def _together(parts: Sequence[list[Way]]) -> list[Way]:
    found: list[Way] = [()]
    for part in parts:
        found = [
            tuple({(id(leaf), want): (leaf, want) for leaf, want in (*before, *way)}.values())
            for before in found
            for way in part
        ]
        found = sorted((way for way in found if len(way) <= MOST_LEAVES), key=len)[:MOST_WAYS]
    return found
