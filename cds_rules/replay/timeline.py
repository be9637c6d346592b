"""One record, event by event, without look-ahead: when each rule would first have spoken, and how long before the lab.

At each moment at which something became known or ended, the record is judged as it stood then (`asof`): nothing later is
read. Flows in: a `Record`. Flows out: `Timeline`. Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cds_rules.evaluate import Evaluation, Knowledge, evaluate
from cds_rules.replay.instants import Moment
from cds_rules.replay.record import Record
from cds_rules.replay.run import call_of_record

LABS = ("magnesium", "potassium", "ck")
"""Results whose first abnormal value is what a card should have come before."""
SERIES = ("egfr", "magnesium", "potassium", "ck")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: a medication or a card. end: the moment from which on it was no more, None: to the last one."""

    name: str
    start: datetime
    end: datetime | None
    level: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A result. flag: low, high, or "" for one in range or without a range."""

    key: str
    at: datetime
    value: float
    unit: str
    flag: str


@dataclass(frozen=True, slots=True)
class First:
    """When a rule first spoke. labs: the abnormal results that came later, the first of each key, with days between."""

    rule: str
    title: str
    at: datetime
    level: str
    labs: tuple[tuple[Point, float], ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened to one patient, and what would have been said. until: the last moment that was judged.

    used: (name or key, moment) of what a card rests on, to be marked: the start of a span, a point, a symptom.
    """

    name: str
    moments: int
    since: datetime
    until: datetime
    first: tuple[First, ...]
    cards: tuple[Span, ...]
    medications: tuple[Span, ...]
    results: tuple[Point, ...]
    symptoms: tuple[tuple[str, datetime], ...]
    disagreements: int
    used: frozenset[tuple[str, datetime]] = frozenset()


def moments(record: Record) -> list[datetime]:
    """The distinct moments at which something became known or ended, oldest first."""
    found = {moment for item in record.items if item.kind != "Patient" for moment in (item.since, item.until) if moment}
    return sorted(found)


def timeline(knowledge: Knowledge, record: Record, hook: str = "patient-view") -> Timeline | None:
    """Judge a record at each of its moments; None for one without a dated entry. Its times are in UTC."""
    steps = [
        (moment.astimezone(UTC), evaluate(knowledge, call_of_record(record, Moment(moment), hook)))
        for moment in moments(record)
    ]
    if not steps:
        return None
    last = steps[-1][0]
    cards = _spans(
        (at, {card["extension"]["dev.cds-rules.finding"]["rule"]: card["indicator"] for card in step.cards})
        for at, step in steps
    )
    taken = _spans((at, dict.fromkeys(_taken(step), "")) for at, step in steps)
    results = _results(steps)
    first: dict[str, Span] = {}
    for span in cards:
        first.setdefault(span.name, span)
    return Timeline(
        name=record.name,
        moments=len(steps),
        since=steps[0][0],
        until=last,
        first=tuple(
            First(span.name, knowledge.rules[span.name].title, span.start, span.level, _later(results, span.start))
            for span in sorted(first.values(), key=lambda each: (each.start, each.name))
        ),
        cards=cards,
        medications=taken,
        results=results,
        symptoms=tuple(
            dict.fromkeys(
                (each.key, each.recorded.astimezone(UTC))
                for each in steps[-1][1].chart.symptoms
                if each.recorded <= last
            )
        ),
        disagreements=sum(bool(step.disagreements) for _, step in steps),
    )


def _taken(step: Evaluation) -> Iterable[str]:
    """What is taken and what some rule asks about."""
    return (each.label for each in step.chart.medications if each.state == "active" and each.classes)


def _spans(steps: Iterable[tuple[datetime, dict[str, str]]]) -> tuple[Span, ...]:
    """Runs of consecutive moments with the same name and level."""
    done: list[Span] = []
    running: dict[str, Span] = {}
    for at, there in steps:
        for name, span in list(running.items()):
            if there.get(name) != span.level:
                done.append(Span(name, span.start, at, span.level))
                del running[name]
        for name, level in there.items():
            running.setdefault(name, Span(name, at, None, level))
    return tuple(sorted((*done, *running.values()), key=lambda each: (each.start, each.name)))


def _results(steps: list[tuple[datetime, Evaluation]]) -> tuple[Point, ...]:
    """The results that rules look at, each once, as they were judged when they came."""
    found: dict[tuple[str, datetime, float], Point] = {}
    for _, step in steps:
        for key in LABS:
            lab = step.derived.labs[key]
            if lab is not None:
                flag = lab.flag if lab.flag in ("low", "high") else ""
                found.setdefault(
                    (key, lab.at, lab.latest.value),
                    Point(key, lab.at.astimezone(UTC), lab.latest.value, lab.unit, flag),
                )
        kidney = step.derived.kidney
        if kidney.egfr_rounded is not None and kidney.at is not None:
            value = float(kidney.egfr_rounded)
            found.setdefault(
                ("egfr", kidney.at, value),
                Point("egfr", kidney.at.astimezone(UTC), value, "mL/min/1.73 m²", "low" if value < 60 else ""),
            )
    return tuple(sorted(found.values(), key=lambda each: (each.at, each.key)))


def _later(results: Iterable[Point], start: datetime) -> tuple[tuple[Point, float], ...]:
    found: dict[str, tuple[Point, float]] = {}
    for point in results:
        if point.key in LABS and point.flag and point.at > start:
            found.setdefault(point.key, (point, (point.at - start).total_seconds() / 86400))
    return tuple(found.values())
