"""A chart at one instant, sorted and looked up by key; what was not delivered is remembered.

Flows in: a `Chart`, the hook and the instant. Flows out: results newest first, active problems by key, symptoms.
The order of the chart's entries never matters: ties are settled here (clinical specification 4.2). Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from cds_rules.knowledge.decisions import STANDARD, Decisions
from cds_rules.vocabulary.chart import Chart, Event, Medication, Problem, Result, Source, Symptom
from cds_rules.vocabulary.facts import ORDER_HOOKS
from cds_rules.vocabulary.quantities import Vague

EPSILON = 1e-9
_SECONDS = 86400.0
_LOWER_IS_WORSE = frozenset(
    {"egfr_reported", "sodium", "calcium", "ionized_calcium", "albumin", "vitamin_d_25oh", "sbp", "rr", "hr"}
)
_MIDDLE = {"potassium": 4.25, "magnesium": 2.05}
_NUDGE = 1e-6


def counted(result: Result) -> float:
    """The number a result counts as: "<x" just below x, ">x" just above x (clinical specification 4.2)."""
    if result.comparator == "<":
        return result.value - _NUDGE
    if result.comparator == ">":
        return result.value + _NUDGE
    return result.value


def _recency(result: Result) -> tuple[float, int, float, str]:
    """Later first, then corrected before amended before final, then the clinically worse value."""
    key, value = result.key, result.value
    worse = -value if key in _LOWER_IS_WORSE else abs(value - _MIDDLE[key]) if key in _MIDDLE else value
    return (result.at.timestamp(), result.correction, worse, result.source.reference)


def _newest_first(results: list[Result]) -> list[Result]:
    by_moment = {each.at.timestamp(): each for each in results}
    if len(by_moment) == len(results):  # nothing to settle but the moments
        return [by_moment[moment] for moment in sorted(by_moment, reverse=True)]
    return sorted(results, key=_recency, reverse=True)


def _stamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else -1e18


class Record:
    """A chart as derive reads it.

    results: by key, newest first. problems: active ones by key. ordering: the hook brings drafts. gaps: domain of the
    record -> why it was not delivered. decisions: what the project or the site decided.
    """

    __slots__ = (
        "at",
        "chart",
        "decisions",
        "events",
        "gaps",
        "hook",
        "medications",
        "ordering",
        "past",
        "problems",
        "results",
        "symptoms",
    )

    def __init__(
        self, chart: Chart, hook: str, at: datetime, gaps: Mapping[str, str], decisions: Decisions = STANDARD
    ) -> None:
        self.chart, self.hook, self.at, self.gaps, self.decisions = chart, hook, at, gaps, decisions
        self.ordering = hook in ORDER_HOOKS
        self.results: dict[str, list[Result]] = {}
        for result in chart.results:
            self.results.setdefault(result.key, []).append(result)
        for key, several in self.results.items():
            if len(several) > 1:
                self.results[key] = _newest_first(several)
        self.problems: dict[str, list[Problem]] = {}
        self.past: dict[str, list[Problem]] = {}
        for problem in sorted(chart.problems, key=lambda each: (-_stamp(each.recorded), each.source.reference)):
            (self.problems if problem.active else self.past).setdefault(problem.key, []).append(problem)
        self.symptoms: list[Symptom] = sorted(
            chart.symptoms,
            key=lambda each: (-each.recorded.timestamp(), each.key, each.source.reference, each.site or ""),
        )
        self.medications: list[Medication] = sorted(
            chart.medications, key=lambda each: (-_stamp(each.start), each.label, each.source.reference, each.state)
        )
        self.events: dict[str, list[Event]] = {}
        for event in sorted(chart.events, key=lambda each: (-_stamp(each.at), each.source.reference)):
            self.events.setdefault(event.key, []).append(event)

    def age_days(self, moment: datetime) -> float:
        """Days since a moment, fractions included."""
        return (self.at - moment).total_seconds() / _SECONDS

    def age_of(self, result: Result) -> float:
        """Days since a result was taken; `Vague` where its date names no day."""
        return self.age_of_date(result.at, result.source.written if result.until else "")

    def age_of_date(self, moment: datetime, written: str) -> float:
        """Days since a date; `Vague` where it is written without a day."""
        days = self.age_days(moment)
        return Vague(days, written) if written else days

    def within(self, moment: datetime | None, days: float) -> bool:
        """Whether a moment is known and at most so many days ago (inclusive, clinical specification 0.3)."""
        return moment is not None and self.age_days(moment) <= days + EPSILON

    def latest(self, key: str, days: float | None = None) -> Result | None:
        """The newest result of a key, if it is at most so many days old."""
        several = self.results.get(key)
        if not several or (days is not None and not self.within(several[0].at, days)):
            return None
        return several[0]

    def confirmed(self, key: str) -> Problem | None:
        """The newest active problem of a key that counts by itself."""
        return next((problem for problem in self.problems.get(key, ()) if self.counts(problem)), None)

    def counts(self, problem: Problem | Symptom) -> bool:
        """Whether a problem or symptom is confirmed, or the site takes provisional ones for confirmed (clinical specification 4.3)."""
        return problem.confirmed or self.decisions.unconfirmed_conditions == "count"

    def delivered(self, *domains: str) -> bool:
        """Whether all of these domains of the record were delivered."""
        return not self.gaps or not any(domain in self.gaps for domain in domains)

    def certain(self, flag: bool, *domains: str) -> bool | None:
        """A flag that presence makes true: absence is false only when the domains were delivered."""
        return True if flag else (False if self.delivered(*domains) else None)


def problem_moment(problem: Problem) -> datetime | None:
    """When a problem was recorded or began, whichever is later; None: long ago."""
    if problem.recorded and problem.onset:
        return max(problem.recorded, problem.onset)
    return problem.recorded or problem.onset


def unique(sources: Iterable[Source | None]) -> tuple[Source, ...]:
    """Sources in order, each once, without None."""
    return tuple(dict.fromkeys(source for source in sources if source is not None))


def same_day_or_later(moment: datetime, start: datetime) -> bool:
    """Whether a moment is not before a start; the same calendar day counts (clinical specification 3.11, 9.9)."""
    return moment.date() >= start.date() or moment >= start
