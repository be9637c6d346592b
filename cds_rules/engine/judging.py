"""All rules of a hook judged over the facts of one patient: what fired, what did not, what could not be told, and why.

Flows in: rules at start-up; facts and gaps at run time. Flows out: `Verdict`. Both matchers judge every condition; where
they differ the more cautious truth stands and the difference is counted.
Floor: engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Literal

from cds_rules.engine import durable
from cds_rules.engine.evidence import evidence
from cds_rules.engine.reference import (
    NO,
    UNKNOWN,
    Meaning,
    State,
    Truth,
    World,
    judge,
    meaning,
    passes,
    standing,
    unknowns,
)
from cds_rules.knowledge.rules import Condition, Indicator, Pattern, Rule, patterns
from cds_rules.vocabulary.asked import asked
from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.errors import MatcherError
from cds_rules.vocabulary.facts import HOOKS, KINDS, Fact, call
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import Said, joined, said

NOTHING: Mapping[str, str] = MappingProxyType({})

Evidence = tuple[tuple[Fact, tuple[Source, ...]], ...]
"""Facts, each with where it stands in the record."""

By = Literal["unless", "draft", "group", "removal", "override", "comfort-care"]
"""What suppresses a rule that would fire: its own exception, its status, another rule, a clinician, comfort care."""


class Returned(Frozen, frozen=True):
    """An override that no longer stands. reason: its code, "" when none was given. changes: what is otherwise since then."""

    at: datetime
    reason: str
    changes: tuple[Said, ...]


class Finding(Frozen, frozen=True):
    """A rule that fired: its level, the facts it rests on, and what could not be told beside.

    rests_on: works out the evidence, when first asked: a finding that another card takes in is never asked. doubts:
    sentences about levels and suppressions that could not be judged. also: findings this one took in. returned: the
    latest override of its card, where none stands.
    """

    rule: Rule
    indicator: Indicator
    rests_on: Callable[[], Evidence]
    doubts: tuple[str, ...] = ()
    also: tuple[Finding, ...] = ()
    returned: Returned | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The evidence, those of the trigger first, each once."""
        return tuple(each for each, _ in self.sources)

    @property
    def sources(self) -> Evidence:
        """Where each fact of the evidence stands, as far as the rule asks for it."""
        return self.rests_on()

    @property
    def references(self) -> tuple[str, ...]:
        """The resources it rests on, in order, each once."""
        return tuple(dict.fromkeys(source.reference for _, sources in self.sources for source in sources))


@cache
def asked_fields(rule: Rule) -> Mapping[str, tuple[str, ...]]:
    """The fields of each kind of fact that the conditions of a rule name, in their order: that of the lines of a card."""
    found: dict[str, dict[str, None]] = {}
    for _, condition in rule.conditions():
        for pattern in patterns(condition):
            found.setdefault(pattern.kind, {}).update((test.field, None) for test in pattern.tests)
    return {kind: tuple(fields) for kind, fields in found.items()}


class Outcome(Frozen, frozen=True):
    """What became of one rule: exactly one a rule and evaluation.

    because: short sentences without patient data. by: what suppressed it; winner: the rule that did, for a group or a
    removal. indicator: the level it has, or would have had but for a suppression after judging.
    """

    state: State
    indicator: Indicator | None = None
    because: tuple[str, ...] = ()
    by: By | None = None
    winner: str = ""


_NOT_FIRED = Outcome("not-fired")
_NO_LEVEL = Outcome("not-fired", because=(said("no level applies"),))


class Verdict(Frozen, frozen=True):
    """What all rules of a hook say before arbitration.

    matcher: "durable-rules and reference", or "reference" with the reason after a colon. disagreements: conditions
    ("rule: condition") on which the two differed.
    """

    findings: tuple[Finding, ...]
    outcomes: Mapping[str, Outcome]
    matcher: str
    disagreements: tuple[str, ...] = ()


class _Compiled(Frozen, frozen=True):
    """One hook's rules and their conditions by name: all triggers are judged first, then the details of rules not NO."""

    rules: tuple[Rule, ...]
    when: Mapping[str, Meaning]
    details: Mapping[str, Mapping[str, Meaning]]
    when_matcher: durable.Matcher | None
    details_matchers: Mapping[str, durable.Matcher]


@dataclass(slots=True)
class Judge:
    """Rules compiled for every hook once; judges facts as often as wanted.

    Raises:
        MatcherError: when built, if a hook's rules do not fit into one ruleset.
    """

    rules: Sequence[Rule]
    _hooks: dict[str, _Compiled] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for hook in HOOKS:
            rules = tuple(rule for rule in self.rules if hook in rule.hooks and rule.status != "retired")
            if not rules:
                continue
            when = {f"{rule.id}: when": rule.trigger for rule in rules}
            details = {
                rule.id: {f"{rule.id}: {name}": part for name, part in rule.conditions() if name != "when"}
                for rule in rules
            }
            called = call(hook)
            matcher = durable.Matcher(f"{hook} when", when, called) if durable.AVAILABLE else None
            matchers = {
                rule: durable.Matcher(f"{hook} {rule}", parts, called)
                for rule, parts in details.items()
                if durable.AVAILABLE
            }
            self._hooks[hook] = _Compiled(
                rules,
                {name: meaning(part) for name, part in when.items()},
                {rule: {name: meaning(part) for name, part in parts.items()} for rule, parts in details.items()},
                matcher,
                matchers,
            )

    def hooks(self) -> tuple[str, ...]:
        """The hooks for which there are rules."""
        return tuple(self._hooks)

    def prepared(self) -> Iterator[str]:
        """Compile all rulesets, one matcher a step; yields its hook."""
        for hook, compiled in self._hooks.items():
            for matcher in (compiled.when_matcher, *compiled.details_matchers.values()):
                if matcher is not None:
                    matcher.prepare()
                    yield hook

    def judge(
        self, hook: str, world: World, gaps: Mapping[str, Sequence[str]], missing: Mapping[str, str] = NOTHING
    ) -> Verdict:
        """Judge every rule of a hook.

        Args:
            world: the call and all that was derived.
            gaps: kind of fact -> why facts of it may be missing.
            missing: domain of the record -> why it was not delivered, to say why a field is not known.
        """
        compiled = self._hooks.get(hook)
        if compiled is None:
            return Verdict((), {}, "none: no rule is registered for this hook")
        reading = _Reading(world)
        reading.settle(compiled.when_matcher, compiled.when)
        opened = [
            rule for rule, name in zip(compiled.rules, compiled.when, strict=True) if reading.truths[name] is not NO
        ]
        for rule in opened:
            reading.settle(compiled.details_matchers.get(rule.id), compiled.details[rule.id])
        findings, outcomes = [], {rule.id: _NOT_FIRED for rule in compiled.rules}
        for rule in opened:
            outcomes[rule.id], finding = decide(rule, reading.truths, world, gaps, missing)
            if finding:
                findings.append(finding)
        return Verdict(tuple(findings), outcomes, reading.matcher, tuple(reading.disagreements))


class _Reading:
    """The truths both matchers found, and where they differed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.truths: dict[str, Truth] = {}
        self.disagreements: list[str] = []
        self.matcher = (
            "durable-rules and reference"
            if durable.AVAILABLE
            else "reference: durable-rules does not run on this Python"
        )

    def settle(self, matcher: durable.Matcher | None, meanings: Mapping[str, Meaning]) -> None:
        own = {name: means(self._world) for name, means in meanings.items()}
        if matcher is not None:
            try:
                theirs = matcher.truths(self._world, certain=UNKNOWN not in own.values())
            except MatcherError as error:
                self.matcher = f"reference: {error}"
            else:
                for name, found in own.items() if theirs != own else ():
                    if theirs[name] is not found:
                        self.disagreements.append(name)
                        # cautious: rather fire, rather at this level, rather not suppressed
                        own[name] = min(found, theirs[name]) if ": unless " in name else max(found, theirs[name])
        self.truths |= own


@dataclass(slots=True)
class _Grounds:
    """Works out, when first asked, what a rule that fired rests on."""

    rule: Rule
    world: World
    level: int
    found: Evidence | None = None

    def __call__(self) -> Evidence:
        if self.found is None:
            asked = asked_fields(self.rule)
            facts = evidence(self.rule, self.world, self.level)
            self.found = tuple((each, each.sources_of(asked.get(each.kind, ()))) for each in facts)
        return self.found


def decide(
    rule: Rule,
    truths: Mapping[str, Truth],
    world: World,
    gaps: Mapping[str, Sequence[str]],
    missing: Mapping[str, str] = NOTHING,
) -> tuple[Outcome, Finding | None]:
    """Settle one rule from the truths of its conditions: its outcome and, when it fired, the finding."""
    state, number = standing(rule, truths)
    match state:
        case "not-fired":
            return (_NOT_FIRED if truths[f"{rule.id}: when"] is NO else _NO_LEVEL), None
        case "suppressed":
            return Outcome("suppressed", because=(said(rule.unless[number].because),), by="unless"), None
        case "not-judged":
            causes = [rule.trigger]
            if truths[f"{rule.id}: when"] is not UNKNOWN:
                levels = enumerate(rule.levels)
                causes = [each.when for place, each in levels if truths[f"{rule.id}: level {place}"] is UNKNOWN]
            return Outcome("not-judged", because=_reasons(causes, world, gaps, missing)), None
    chosen = rule.levels[number]
    doubts = [  # the first level that is met wins: what stands behind it cannot change the card
        said("could be {level}: {reason}", level=said(level.indicator), reason=reason)
        for place, level in enumerate(rule.levels[:number])
        if truths[f"{rule.id}: level {place}"] is UNKNOWN and level.indicator != chosen.indicator
        for reason in _reasons([level.when], world, gaps, missing)
    ]
    for place, unless in enumerate(rule.unless):
        if truths[f"{rule.id}: unless {place}"] is UNKNOWN:
            doubts += [
                said('"{exception}" could not be checked: {reason}', exception=said(unless.because), reason=reason)
                for reason in _reasons([unless.when], world, gaps, missing)
            ]
    finding = Finding(rule, chosen.indicator, _Grounds(rule, world, number), tuple(dict.fromkeys(doubts)))
    return Outcome("fired", chosen.indicator), finding


def _reasons(
    conditions: Iterable[Condition], world: World, gaps: Mapping[str, Sequence[str]], missing: Mapping[str, str]
) -> tuple[str, ...]:
    """Say why conditions could not be judged: what was not delivered, or which field is not known."""
    found: dict[str, None] = {}
    for condition in conditions:
        for pattern in unknowns(judge(condition, world)):
            undelivered = [missing[domain] for domain in KINDS[pattern.kind].domains if domain in missing]
            for reason in gaps.get(pattern.kind, ()) or undelivered or (_open_fields(pattern, world),):
                found[reason] = None
    return tuple(found)


def _open_fields(pattern: Pattern, world: World) -> Said:
    names = [
        test.field
        for test in pattern.tests
        if any(passes(test, each.fields[test.field]) is UNKNOWN for each in world.facts.get(pattern.kind, ()))
    ]
    return said("not known: {what}", what=joined(dict.fromkeys(asked(pattern.kind, name) for name in names), "; "))
