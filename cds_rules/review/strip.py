"""The strip of one patient: what was charted until a decision, and the cards that were shown, on one time axis.

Nothing is judged again: results and medications are those the decision read, cards those of the ledger.
Flows in: an evaluation, alerts. Flows out: a `Timeline` for the picture and its table. Floor: edge (review).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cds_rules.cards.reasons import named
from cds_rules.derive.kidneys import egfr_ckd_epi_2021
from cds_rules.derive.labs import flag_of
from cds_rules.evaluate import Evaluation
from cds_rules.replay.timeline import Point, Span, Timeline
from cds_rules.store.browse import Listed
from cds_rules.vocabulary.clock import completed_years
from cds_rules.vocabulary.quantities import half_up
from cds_rules.vocabulary.wording import said, word

WINDOW = timedelta(days=730)
"""How far back the strip goes at most."""
LEAST = timedelta(days=30)
"""How much of the time before the decision is shown at least."""
WIDTH = 9.0
"""Inches of the picture, so that its letters are as large as those of the page."""
LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
"""Stands for a start that is not known."""
_LABS = ("magnesium", "potassium", "ck")
_EGFR_UNIT = "mL/min/1.73 m²"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table beside the picture. what: "medication", "result", "symptom" or "card". since: None when not known."""

    what: str
    name: str
    since: datetime | None
    until: datetime | None
    value: str
    used: bool


def strip(
    evaluation: Evaluation, alerts: Iterable[Listed], references: frozenset[str], titles: Mapping[str, str]
) -> Timeline:
    """What the picture shows. references: what the card rests on; titles: rule -> what its cards are called."""
    at, chart = evaluation.at, evaluation.chart
    begin = at - WINDOW
    points = [(point, source) for point, source in _points(evaluation) if begin <= point.at <= at]
    cards = [
        Span(titles.get(each.rule, each.rule), each.at, each.at, each.level)
        for each in alerts
        if begin <= each.at <= at + timedelta(days=1)
    ]
    symptoms = [each for each in chart.symptoms if begin <= each.recorded <= at]
    drugs = [
        each
        for each in chart.medications
        if (each.classes or each.source.reference in references) and not (each.stop and each.stop < begin)
    ]
    moments = [
        *(point.at for point, _ in points),
        *(span.start for span in cards),
        *(each.recorded for each in symptoms),
    ]
    # a drug that began earlier runs in from the left: its start would press all the rest into a corner
    since, until = min([at - LEAST, *moments]), max([at, *(span.start for span in cards)])
    spans = [
        (Span(each.label, at if each.state == "draft" else each.start or LONG_AGO, each.stop), each.source)
        for each in drugs
    ]
    used = {(point.key, point.at) for point, source in points if source in references}
    used |= {(span.name, span.start) for span, source in spans if source.reference in references}
    used |= {(each.key, each.recorded) for each in symptoms if each.source.reference in references}
    return Timeline(
        name="",
        moments=1,
        since=since,
        until=until,
        first=(),
        cards=tuple(sorted(cards, key=lambda each: (each.start, each.name))),
        medications=tuple(sorted((span for span, _ in spans), key=lambda each: (each.start, each.name))),
        results=tuple(sorted((point for point, _ in points), key=lambda each: (each.at, each.key))),
        symptoms=tuple(dict.fromkeys((each.key, each.recorded) for each in symptoms)),
        disagreements=0,
        used=frozenset(used),
    )


def _points(evaluation: Evaluation) -> Iterator[tuple[Point, str]]:
    """Results with the reference of each."""
    derived = evaluation.derived
    for key in _LABS:
        lab = derived.labs[key]
        for each in lab.history if lab else ():
            flag = flag_of(each, lab.low, lab.high) if lab else None
            yield Point(key, each.at, each.value, each.unit, _side(flag)), each.source.reference
    kidney, subject = derived.kidney, evaluation.chart.subject
    for each in evaluation.chart.results:
        if each.key == "egfr_reported":
            yield _filtration(each.at, each.value), each.source.reference
        elif each.key == "creatinine" and kidney.computed and subject and subject.birth_date and subject.sex:
            years = completed_years(subject.birth_date, each.at)
            if years >= 18:
                yield _filtration(each.at, egfr_ckd_epi_2021(each.value, years, subject.sex)), each.source.reference


def _filtration(at: datetime, value: float) -> Point:
    whole = float(half_up(value))
    return Point("egfr", at, whole, _EGFR_UNIT, "low" if whole < 60 else "")


def _side(flag: str | None) -> str:
    return flag if flag in ("low", "high") else ""


def table(told: Timeline) -> tuple[Entry, ...]:
    """The same, newest first, for who does not see the picture."""
    entries = [
        *(
            Entry(
                "medication", each.name, None if each.start == LONG_AGO else each.start, each.end, "",
                (each.name, each.start) in told.used,
            )
            for each in told.medications
        ),
        *(
            Entry(
                "result", said("eGFR") if each.key == "egfr" else named(each.key), each.at, each.at, " ".join(filter(None, (f"{each.value:g} {each.unit}", each.flag))),
                (each.key, each.at) in told.used,
            )
            for each in told.results
        ),
        *(Entry("symptom", word(key), at, at, "", (key, at) in told.used) for key, at in told.symptoms),
        *(Entry("card", each.name, each.start, each.start, each.level, False) for each in told.cards),
    ]  # fmt: skip
    return tuple(sorted(entries, key=lambda each: each.since or LONG_AGO, reverse=True))
