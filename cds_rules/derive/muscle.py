"""Muscle: creatine kinase against its limit, and the part of the SAMS clinical index that a chart can answer.

Flows in: numbers and words. Flows out: ratio and points. Floor: derive.
"""

from __future__ import annotations

from cds_rules.knowledge.decisions import STANDARD, Decisions
from cds_rules.vocabulary.chart import Sex, Source
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import Said, joined, said

_SITE_POINTS = {"hip": 3, "thigh": 3, "calf": 2, "shoulder": 2, "upper-arm": 2}


def ck_upper_limit_u_l(
    reported_high_u_l: float | None, sex: Sex | None, decisions: Decisions = STANDARD
) -> tuple[float, str]:
    """Upper limit of CK and its source: the laboratory's own, else a default by sex (project decision).

    >>> ck_upper_limit_u_l(None, "female")
    (170.0, 'default')
    """
    if reported_high_u_l is not None and reported_high_u_l > 0:
        return reported_high_u_l, "laboratory"
    return (decisions.ck_upper_limit_female if sex == "female" else decisions.ck_upper_limit), "default"


def ck_ratio(ck_u_l: float, upper_limit_u_l: float) -> float:
    """CK as a multiple of its upper limit, not rounded.

    Source:
        Stroes ES et al., Eur Heart J 2015;36:1012. doi:10.1093/eurheartj/ehv043

    >>> ck_ratio(801, 200)
    4.005
    """
    return ck_u_l / upper_limit_u_l


_PARTS = (said("onset"), said("improvement after stopping"), said("recurrence on rechallenge"))


class SamsCi(Frozen, frozen=True):
    """A partial SAMS-CI score. missing: the parts the chart does not answer; they count 0 and no label is given."""

    points: int
    site_points: int
    onset_points: int | None
    relief_points: int | None
    relapse_points: int | None
    sources: tuple[Source, ...] = ()

    @property
    def of(self) -> int:
        """Points of the full score."""
        return 11

    @property
    def missing(self) -> tuple[Said, ...]:
        """Parts that are not known."""
        points = (self.onset_points, self.relief_points, self.relapse_points)
        return tuple(name for name, known in zip(_PARTS, points, strict=True) if known is None)

    @property
    def words(self) -> Said:
        """The score as the card says it."""
        if missing := self.missing:
            return said(
                "SAMS-CI partial {points} of {of}; built for aches, not cramps; not known: {missing}",
                points=self.points,
                of=self.of,
                missing=joined(missing),
            )
        meaning = said("probable") if self.points >= 9 else said("possible") if self.points >= 7 else said("unlikely")
        return said(
            "SAMS-CI {points} of {of}: {meaning}; built for aches, not cramps",
            points=self.points,
            of=self.of,
            meaning=meaning,
        )


def sams_ci(
    site: str | None,
    side: str | None,
    weeks_start_to_onset: float | None,
    weeks_dechallenge_to_relief: float | None = None,
    weeks_rechallenge_to_relapse: float | None = None,
    sources: tuple[Source, ...] = (),
) -> SamsCi:
    """Score statin-associated muscle symptoms as far as the parts are known.

    Source:
        Rosenson RS et al., Cardiovasc Drugs Ther 2017;31:179. doi:10.1007/s10557-017-6723-4

    >>> sams_ci("thigh", "bilateral", 2).points
    6
    """
    where = _SITE_POINTS.get(site or "", 1) if side == "bilateral" else 1
    onset, relief, relapse = weeks_start_to_onset, weeks_dechallenge_to_relief, weeks_rechallenge_to_relapse
    onset_points = None if onset is None else 3 if onset < 4 else 2 if onset <= 12 else 1
    relief_points = None if relief is None else 2 if relief < 2 else 1 if relief <= 4 else 0
    relapse_points = None if relapse is None else 3 if relapse < 4 else 1 if relapse <= 12 else 0
    points = where + (onset_points or 0) + (relief_points or 0) + (relapse_points or 0)
    return SamsCi(points, where, onset_points, relief_points, relapse_points, sources)
