"""What could be otherwise in a record: one thing each, in the reader's terms, and the chart as it would then be.

Changes are made to the chart, not to the facts that rules read: what hangs together (creatinine, eGFR and tier; total,
heavy and source count) is derived again and cannot contradict itself. Time, age and sex are not changed.
Flows in: a `Chart`. Flows out: a changed `Chart`. Floor: engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from cds_rules.vocabulary.chart import (
    Amount,
    Chart,
    Dosage,
    MagnesiumContent,
    Medication,
    Order,
    Problem,
    Product,
    Result,
    Source,
    State,
    Symptom,
)
from cds_rules.vocabulary.frozen import Frozen, replace

Bound = Literal["at least", "at most", ""]
"""On which side of the value the same holds; "" where it holds for this value alone."""
IMAGINED = "imagined"
"""Stands where a reference to the record would stand, in entries that a change adds."""


class Value(Frozen, frozen=True):
    """A result of the record with another value. key: of the result; value: canonical unit; was: what it is."""

    key: str
    reference: str
    bound: Bound
    value: float
    unit: str
    was: float

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this value."""
        return _with_values(chart, {(self.reference, self.key): self.value})


class Filtration(Frozen, frozen=True):
    """Another eGFR (mL/min/1.73 m², whole), with the results that tell it: (reference, key, value) each."""

    bound: Bound
    value: float
    was: float
    results: tuple[tuple[str, str, float], ...]

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this eGFR."""
        return _with_values(chart, {(reference, key): value for reference, key, value in self.results})


class Measured(Frozen, frozen=True):
    """A result that the record does not have, taken at the instant of the evaluation."""

    key: str
    bound: Bound
    value: float
    unit: str

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this result."""
        result = Result(self.key, self.value, self.unit, at, Source(f"{IMAGINED}/{self.key}", self.key, when=at))
        return replace(chart, results=(result, *chart.results))


class Without(Frozen, frozen=True):
    """An entry of the record that is not there: a drug not taken or ordered, a diagnosis, a symptom, a test order."""

    reference: str
    label: str
    kind: Literal["drug", "draft", "entry"]

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart without all that this entry says."""

        def kept(entries: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(each for each in entries if each.source.reference != self.reference)

        return replace(
            chart,
            results=kept(chart.results),
            medications=kept(chart.medications),
            problems=kept(chart.problems),
            symptoms=kept(chart.symptoms),
            orders=kept(chart.orders),
            events=kept(chart.events),
        )


class Dose(Frozen, frozen=True):
    """A drug of the record in another dose. value: mg a day of what is counted ("magnesium" or the ingredient)."""

    reference: str
    label: str
    of: str
    bound: Bound
    value: float
    was: float

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with every dose of this drug in proportion."""
        factor = self.value / self.was
        return _with_medication(chart, self.reference, lambda each: replace(each, dosage=_scaled(each.dosage, factor)))


class Since(Frozen, frozen=True):
    """A drug of the record taken for longer, in days."""

    reference: str
    label: str
    days: float

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with an earlier start."""
        start = at - timedelta(days=self.days)
        return _with_medication(chart, self.reference, lambda each: replace(each, start=start))


class Taken(Frozen, frozen=True):
    """A drug that the record does not have. state: active, or a draft in focus. days: since its start. mg: a day of the
    ingredient, or elemental magnesium; None: amount not known."""

    klass: str
    ingredient: str
    state: State
    days: float
    mg: float | None = None
    reason: str = ""

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this drug."""
        magnesium = self.klass.startswith("mg-")
        content = MagnesiumContent("", self.mg, "unit", "elemental", strength_mg=self.mg) if magnesium else None
        strengths = () if magnesium or self.mg is None else ((self.ingredient, self.mg, "unit"),)
        reference = f"{IMAGINED}/{self.klass}"
        draft = self.state == "draft"
        medication = Medication(
            product=Product((self.ingredient,), frozenset({self.klass}), strengths, magnesium=content),
            label=self.ingredient,
            state=self.state,
            source=Source(reference, self.ingredient),
            resource_type="MedicationRequest",
            classes=frozenset({self.klass}),
            route="iv" if self.klass.endswith("-iv") else "oral",
            dosage=Dosage(Amount(1.0, "unit"), 1.0) if self.mg is not None else Dosage(),
            start=None if draft else at - timedelta(days=self.days),
            stop=at if self.state == "stopped" else None,
            reasons=frozenset({self.reason} if self.reason else ()),
            selected=draft,
        )
        return replace(chart, medications=(medication, *chart.medications))


class Recorded(Frozen, frozen=True):
    """A confirmed, active condition of this key, recorded at the instant."""

    key: str

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this condition."""
        source = Source(f"{IMAGINED}/{self.key}", self.key, when=at)
        return replace(chart, problems=(Problem(self.key, True, True, source, at, at), *chart.problems))


class Reported(Frozen, frozen=True):
    """A symptom of this key, reported at the instant. site: body site, "" when not said."""

    key: str
    site: str = ""

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this symptom."""
        source = Source(f"{IMAGINED}/{self.key}", self.key, when=at)
        return replace(chart, symptoms=(Symptom(self.key, at, source, at, self.site or None), *chart.symptoms))


class Ordered(Frozen, frozen=True):
    """A test that is already ordered."""

    test: str

    def applied(self, chart: Chart, at: datetime) -> Chart:
        """The chart with this order."""
        return replace(
            chart, orders=(Order(self.test, "active", Source(f"{IMAGINED}/{self.test}", self.test)), *chart.orders)
        )


Change = Value | Filtration | Measured | Without | Dose | Since | Taken | Recorded | Reported | Ordered


def applied(changes: Iterable[Change], chart: Chart, at: datetime) -> Chart:
    """The chart with several changes, in whatever order they stand."""
    for change in changes:
        chart = change.applied(chart, at)
    return chart


def _with_values(chart: Chart, values: dict[tuple[str, str], float]) -> Chart:
    def changed(each: Result) -> Result:
        value = values.get((each.source.reference, each.key))
        return each if value is None else replace(each, value=value, comparator="")

    return replace(chart, results=tuple(map(changed, chart.results)))


def _with_medication(chart: Chart, reference: str, change: Any) -> Chart:
    return replace(
        chart,
        medications=tuple(change(each) if each.source.reference == reference else each for each in chart.medications),
    )


def _scaled(dosage: Dosage, factor: float) -> Dosage:
    def scaled(amount: Amount | None) -> Amount | None:
        return None if amount is None else Amount(amount.value * factor, amount.unit)

    return replace(
        dosage,
        dose=scaled(dosage.dose),
        per_hour=scaled(dosage.per_hour),
        maximum_per_day=scaled(dosage.maximum_per_day),
    )
