"""Calcium: corrected for albumin, or ionized where it was measured.

Flows in: a `Record`. Flows out: `Calcium`, None when there is none. Floor: derive.
"""

from __future__ import annotations

from typing import Literal

from cds_rules.derive.record import EPSILON, Record, counted
from cds_rules.vocabulary.chart import Result, Source
from cds_rules.vocabulary.frozen import Frozen

LOW_TOTAL_MG_DL, HIGH_TOTAL_MG_DL = 8.5, 10.5
LOW_IONIZED_MMOL_L, HIGH_IONIZED_MMOL_L = 1.12, 1.32
_IONIZED_FIRST_DAYS, _IONIZED_LAST_DAYS = 14.0, 30.0


def corrected_calcium_mg_dl(calcium_mg_dl: float, albumin_g_dl: float) -> float:
    """Total calcium corrected for albumin.

    Returns:
        Corrected calcium in mg/dL.

    Source:
        Payne RB et al., BMJ 1973;4:643. doi:10.1136/bmj.4.5893.643

    >>> round(corrected_calcium_mg_dl(7.8, 2.0), 1)
    9.4
    """
    return calcium_mg_dl + 0.8 * (4.0 - albumin_g_dl)


class Calcium(Frozen, frozen=True):
    """The calcium that counts. value: in `unit`; method: ionized, corrected, or uncorrected (no albumin within 7 days)."""

    method: Literal["ionized", "corrected", "uncorrected"]
    value: float
    unit: str
    result: Result
    albumin: Result | None
    age_days: float

    @property
    def flag(self) -> str:
        """low, normal or high."""
        low, high = (
            (LOW_IONIZED_MMOL_L, HIGH_IONIZED_MMOL_L)
            if self.method == "ionized"
            else (LOW_TOTAL_MG_DL, HIGH_TOTAL_MG_DL)
        )
        return "low" if self.value < low - EPSILON else "high" if self.value > high + EPSILON else "normal"

    @property
    def sources(self) -> tuple[Source, ...]:
        """The calcium, and the albumin used to correct it."""
        return (self.result.source, self.albumin.source) if self.albumin else (self.result.source,)


def calcium(record: Record) -> Calcium | None:
    """Choose the calcium that counts (clinical specification 3.5).

    Ionized calcium takes precedence in the window of the rule (14 or 30 days). Between 15 and 30 days old it yields to a
    total calcium of the last 14 days, so that the newer measurement is the one that is seen.
    """
    total, ionized = record.latest("calcium"), record.latest("ionized_calcium")
    if ionized is not None and (
        total is None
        or record.within(ionized.at, _IONIZED_FIRST_DAYS)
        or (record.within(ionized.at, _IONIZED_LAST_DAYS) and not record.within(total.at, _IONIZED_FIRST_DAYS))
    ):
        return Calcium("ionized", counted(ionized), "mmol/L", ionized, None, record.age_of(ionized))
    if total is None:
        return None
    if total.method == "corrected":  # the laboratory has corrected it already; doing so twice would hide a low calcium
        return Calcium("corrected", counted(total), "mg/dL", total, None, record.age_of(total))
    near = [
        each for each in record.results.get("albumin", ()) if abs((each.at - total.at).total_seconds()) <= 7 * 86400
    ]
    albumin = min(near, key=lambda each: abs((each.at - total.at).total_seconds()), default=None)
    if albumin is None:
        return Calcium("uncorrected", counted(total), "mg/dL", total, None, record.age_of(total))
    return Calcium(
        "corrected",
        corrected_calcium_mg_dl(counted(total), counted(albumin)),
        "mg/dL",
        total,
        albumin,
        record.age_of(total),
    )
