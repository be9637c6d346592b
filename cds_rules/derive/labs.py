"""Laboratory results and vital signs as rules and cards read them: the latest of each key, its limits, its flag.

Flows in: a `Record`. Flows out: `Lab`s by key. Magnesium's limits and bands are in `magnesium`, calcium's choice in
`calcium`. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cds_rules.derive.magnesium import (
    hypermagnesemia_band,
    hypermagnesemia_grade,
    hypomagnesemia_grade,
    magnesium_limits_mg_dl,
    magnesium_meq_l,
    magnesium_mmol_l,
)
from cds_rules.derive.muscle import ck_ratio, ck_upper_limit_u_l
from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON, Record, counted
from cds_rules.knowledge.decisions import Decisions
from cds_rules.vocabulary.chart import Result, Source
from cds_rules.vocabulary.frozen import Frozen

Limits = tuple[float | None, float | None]
VITALS = ("sbp", "hr", "rr", "weight", "height")
QTC_HIGH_MS, QTC_HIGH_FEMALE_MS = 470.0, 480.0
_DEFAULT_LIMITS: dict[str, Limits] = {
    "potassium": (3.5, 5.0),
    "sodium": (135.0, 145.0),
    "albumin": (3.5, None),
    "calcium": (8.5, 10.5),
    "ionized_calcium": (1.12, 1.32),
    "tsh": (0.4, 4.5),
    "vitamin_d_25oh": (20.0, None),
}
"""Used where the laboratory sends no range; clinical specification 3.5, 2.24, project decisions."""


class Lab(Frozen, frozen=True):
    """The latest usable result of a key, with the others of the key behind it.

    value: the number it counts as, None for a bound that says nothing against the limits. flag: low, normal, high or
    None. limits: "laboratory", "default", or "" without limits. band: of a magnesium's excess (clinical specification 3.7),
    else "". history: newest first, the latest included.
    """

    key: str
    latest: Result
    history: tuple[Result, ...]
    value: float | None
    age_days: float
    flag: str | None
    low: float | None
    high: float | None
    limits: str
    band: str

    @property
    def unit(self) -> str:
        """Canonical unit of the key."""
        return self.latest.unit

    @property
    def at(self) -> datetime:
        """When it was taken."""
        return self.latest.at

    @property
    def hemolyzed(self) -> bool:
        """Hemolyzed specimen."""
        return self.latest.hemolyzed

    @property
    def source(self) -> Source:
        """Where it stands in the record."""
        return self.latest.source

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the latest result and up to two before it stand in the record."""
        return tuple(each.source for each in self.history[:3])

    @property
    def limits_source(self) -> str:
        """Where the limits come from: laboratory or default."""
        return self.limits

    @property
    def mmol_l(self) -> float:
        """A magnesium in mmol/L."""
        return magnesium_mmol_l(self.latest.value)

    @property
    def meq_l(self) -> float:
        """A magnesium in mEq/L."""
        return magnesium_meq_l(self.latest.value)

    @property
    def grade(self) -> int:
        """A magnesium's CTCAE grade: of excess when high, of deficiency when low, else 0."""
        if self.flag == "high":
            return hypermagnesemia_grade(self.latest.value, self.high or 0.0)
        return hypomagnesemia_grade(self.latest.value, self.low or 0.0) if self.flag == "low" else 0

    @property
    def ratio(self) -> float | None:
        """Value divided by the upper limit, not rounded (CK)."""
        return ck_ratio(self.value, self.high) if self.high and self.value is not None else None


def flag_of(result: Result, low: float | None, high: float | None) -> str | None:
    """low, normal or high, when everything a result may stand for lies on the same side; None otherwise.

    A value on a limit is normal. "<5.0" against 1.7 to 2.4 says nothing; "<1.0" is low.
    """
    if low is None and high is None:
        return None
    value = result.value
    if not result.comparator:
        return _side(value, low, high)
    bottom = float("-inf") if result.comparator in ("<", "<=") else value
    top = float("inf") if result.comparator in (">", ">=") else value
    first = _side(bottom, low, high) if result.comparator != ">" else _side(counted(result), low, high)
    last = _side(top, low, high) if result.comparator != "<" else _side(counted(result), low, high)
    return first if first == last else None


def _side(value: float, low: float | None, high: float | None) -> str:
    if low is not None and value < low - EPSILON:
        return "low"
    return "high" if high is not None and value > high + EPSILON else "normal"


def limits_of(result: Result, patient: Patient, decisions: Decisions) -> tuple[float | None, float | None, str]:
    """Lower and upper limit of a result and where they come from."""
    if result.key == "magnesium":
        return magnesium_limits_mg_dl(result.low, result.high, decisions)
    if result.key == "ck":
        return None, *ck_upper_limit_u_l(result.high, patient.sex, decisions)
    if result.key == "qtc":
        return None, QTC_HIGH_FEMALE_MS if patient.sex == "female" else QTC_HIGH_MS, "default"
    if result.key in ("calcium", "ionized_calcium"):
        return *_DEFAULT_LIMITS[result.key], "default"
    if result.low is not None or result.high is not None:
        return result.low, result.high, "laboratory"
    low, high = _DEFAULT_LIMITS.get(result.key, (None, None))
    return low, high, "" if low is None and high is None else "default"


def lab_of(record: Record, patient: Patient, key: str, results: Sequence[Result]) -> Lab:
    """Describe the latest of several results of a key, newest first."""
    latest = results[0]
    low, high, source = limits_of(latest, patient, record.decisions)
    flag = flag_of(latest, low, high)
    says_nothing = bool(latest.comparator) and bool(source) and flag is None
    return Lab(
        key,
        latest,
        tuple(results),
        None if says_nothing else counted(latest),
        record.age_of(latest),
        flag,
        low,
        high,
        source,
        hypermagnesemia_band(latest.value, high or 0.0, record.decisions) if key == "magnesium" else "",
    )


class Labs(dict[str, Lab | None]):
    """Labs by key; a key without a usable result is None."""

    def __missing__(self, key: str) -> None:
        return None


def labs(record: Record, patient: Patient) -> Labs:
    """The latest of each key; for potassium the latest that is not hemolyzed."""
    found = Labs()
    for key, results in record.results.items():
        if key == "potassium":
            results = [each for each in results if not each.hemolyzed]
        if results:
            found[key] = lab_of(record, patient, key, results)
    return found


def repeatedly_low(record: Record, potassium: Lab) -> bool:
    """Another potassium below 3.5 at least 24 h before the latest and at most 14 days old (clinical specification 2.19)."""
    return any(
        counted(each) < 3.5 - EPSILON
        and (potassium.at - each.at).total_seconds() >= 86400
        and record.within(each.at, 14)
        for each in potassium.history[1:]
    )
