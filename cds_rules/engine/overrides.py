"""Override memory: what a clinician has answered to a card, and whether it still stands (clinical specification 6).

An override silences the same rule for the same products for some time, and with it the rules that stood on that card
under "Also noted". It no longer stands when something got worse: a higher level, another product, or what the rule itself
calls worse; the card then says what changed. What cannot be compared counts as changed: a wrong silence is the worse mistake.
Flows in: findings and overrides. Flows out: findings that are heard, and why the others are not. Floor: engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from cds_rules.engine.judging import Finding, Outcome, Returned, Verdict
from cds_rules.engine.reference import YES, passes
from cds_rules.knowledge.decisions import Decisions
from cds_rules.knowledge.rules import SEVERITY, Indicator, Worse
from cds_rules.vocabulary.chart import Chart
from cds_rules.vocabulary.facts import KINDS, NOT_KNOWN, Between, Fact, Value, ends
from cds_rules.vocabulary.frozen import Frozen, replace
from cds_rules.vocabulary.wording import Said, said, word

_SAME = 1e-9


Measure = float | Between | None
"""What a rule measures worsening by: a number, the ends of one, None where the record has none."""


class Covered(Frozen, frozen=True):
    """One rule on a card as it stood: its level, the products it was about, and what it measures worsening by."""

    rule: str
    indicator: Indicator
    products: frozenset[str] = frozenset()
    measures: Mapping[str, Measure] | None = None


class Override(Frozen, frozen=True):
    """A card that was overridden. indicator: of the card. reason: code, "" when none was given. covers: the card's own rule first."""

    at: datetime
    indicator: Indicator
    reason: str
    covers: tuple[Covered, ...]


def covered(finding: Finding, facts: Iterable[Fact], chart: Chart) -> tuple[Covered, ...]:
    """What an override of this finding's card would be about."""
    known = tuple(facts)
    return tuple(_covered(each, known, chart) for each in _with_noted(finding))


def _with_noted(finding: Finding) -> Iterable[Finding]:
    yield finding
    for each in finding.also:
        yield from _with_noted(each)


def _covered(finding: Finding, facts: Sequence[Fact], chart: Chart) -> Covered:
    cited = set(finding.references)
    products = frozenset(
        "+".join(sorted(each.product.ingredients)) or each.label.casefold()
        for each in chart.medications
        if each.source.reference in cited
    )
    return Covered(
        finding.rule.id, finding.indicator, products, {str(each): _measure(each, facts) for each in finding.rule.worse}
    )


def _measure(worse: Worse, facts: Iterable[Fact]) -> Measure:
    """The worst value among the facts it is about; None without one."""
    values = [
        number
        for each in facts
        if each.kind == worse.about.kind
        and all(passes(test, each.fields[test.field]) is YES for test in worse.about.tests)
        if (number := _rank(worse, each.fields[worse.field])) is not None
    ]
    if worse.rises:
        return max(values, key=lambda each: ends(each)[::-1], default=None)
    return min(values, key=ends, default=None)


def _rank(worse: Worse, value: Value) -> Measure:
    """A number or its ends, or the place of a word in its list, which goes from good to bad; None for one that is not known."""
    if value is None or isinstance(value, Between):
        return value
    if value == NOT_KNOWN:
        return None
    words = KINDS[worse.about.kind].fields[worse.field].words
    return float(words.index(value)) if isinstance(value, str) else float(value)


def heed(
    verdict: Verdict,
    overrides: Sequence[Override],
    decisions: Decisions,
    at: datetime,
    facts: Iterable[Fact],
    chart: Chart,
) -> tuple[Verdict, Mapping[str, str]]:
    """Take out what was overridden, before findings compete for a card.

    Args:
        overrides: of this patient. decisions: how long an override stands.

    Returns:
        The verdict that goes on, and for each rule that is silent why.
    """
    known = tuple(facts)
    days = _days(decisions)
    heard: list[Finding] = []
    silent: dict[str, str] = {}
    outcomes = dict(verdict.outcomes)
    for finding in verdict.findings:
        now = _covered(finding, known, chart)
        answers = sorted(
            (
                (override, before)
                for override in overrides
                if override.at <= at
                for before in override.covers
                if before.rule == finding.rule.id
            ),
            key=lambda pair: pair[0].at,
        )
        changes = [(override, _changes(override, before, now, finding, days, at)) for override, before in answers]
        standing = [override for override, changed in changes if not changed]
        if standing:
            silent[finding.rule.id] = because = _because(standing[-1], days)
            outcomes[finding.rule.id] = Outcome("suppressed", finding.indicator, (because,), "override")
        elif changes:
            override, changed = changes[-1]
            heard.append(replace(finding, returned=Returned(override.at, override.reason, tuple(changed))))
        else:
            heard.append(finding)
    return replace(verdict, findings=tuple(heard), outcomes=outcomes), silent


def _days(decisions: Decisions) -> Mapping[str, float]:
    """How long an override stands, by the level of its card."""
    milder = decisions.override_silence
    return {"info": milder, "warning": milder, "critical": decisions.override_silence_critical}


def _changes(
    override: Override, before: Covered, now: Covered, finding: Finding, days: Mapping[str, float], at: datetime
) -> list[Said]:
    """What ends an override, in words; nothing while it stands."""
    found = []
    if SEVERITY[now.indicator] > SEVERITY[before.indicator]:
        found.append(said("level {was}, now {now}", was=word(before.indicator), now=word(now.indicator)))
    if more := sorted(now.products - before.products):
        found.append(said("another product ({products})", products=", ".join(more)))
    was, measured = before.measures or {}, now.measures or {}
    words = [_worsening(each, was.get(str(each)), measured.get(str(each))) for each in finding.rule.worse]
    found += filter(None, words)
    limit = days[override.indicator]
    if at - override.at > timedelta(days=limit):
        found.append(said("{days:0} days have passed", days=limit))
    return found


def _worsening(worse: Worse, was: Measure, now: Measure) -> Said | None:
    """What got worse, or may have: of numbers that are known by their ends the worst there may be now, the best before."""
    what = said(worse.called)
    if was is None or now is None:
        if was is now:
            return None
        return (
            said("{what} was not known, now is", what=what)
            if was is None
            else said("{what} was known, now is not", what=what)
        )
    (least, most), (before_least, before_most) = ends(now), ends(was)
    if was == now or (most - before_least if worse.rises else before_most - least) <= _SAME:
        return None
    field = KINDS[worse.about.kind].fields[worse.field]
    if field.words:
        return said(
            "{what} {was}, now {now}", what=what, was=field.words[int(before_least)], now=field.words[int(least)]
        )
    shown = {"what": what, "was": _amount(was), "now": _amount(now)}
    return (
        said("{what} {was}, now {now} {unit}", unit=field.unit, **shown)
        if field.unit
        else said("{what} {was}, now {now}", **shown)
    )


def _amount(measure: float | Between) -> Said:
    match measure:
        case Between(least, math.inf):
            return said("at least {value}", value=least)
        case Between(least, most) if least == -math.inf:
            return said("at most {value}", value=most)
        case Between(least, most):
            return said("{least} to {most}", least=least, most=most)
    return said("{value}", value=measure)


def _said(override: Override) -> str:
    return f"{override.at:%Y-%m-%d} ({override.reason.replace('-', ' ') or 'no reason given'})"


def _because(override: Override, days: Mapping[str, float]) -> str:
    until = override.at + timedelta(days=days[override.indicator])
    return f"overridden {_said(override)}, silent until {until:%Y-%m-%d} unless it gets worse"
