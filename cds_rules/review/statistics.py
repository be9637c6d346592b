"""What two readers of a review set found: how far they agree, and how often alerts and silences were right.

Flows in: judgements. Flows out: estimates with 95 % intervals and the numbers they rest on; nothing of a patient. Floor: edge.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cds_rules.store.report import Z, wilson

Judgement = Literal["yes", "no", "unsure"]
JUDGEMENTS: tuple[Judgement, ...] = ("yes", "no", "unsure")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two readers agree. items: read by both. observed: share of them on which they agree.

    kappa: beyond what chance alone would give; None where chance alone gives agreement on everything, or nothing was read.
    low, high: its interval; None with it.
    """

    items: int
    observed: float
    kappa: float | None
    low: float | None
    high: float | None


def agreement(pairs: Iterable[tuple[str, str]]) -> Agreement:
    """Cohen's kappa of pairs of judgements, unweighted: "unsure" is an answer of its own.

    Source:
        Cohen J, Educ Psychol Meas 1960;20:37-46. doi:10.1177/001316446002000104, with its standard error.
        Worked example: Viera AJ, Garrett JM, Fam Med 2005;37:360-363, table 3.

    >>> read = [("yes", "yes")] * 15 + [("yes", "no")] * 10 + [("no", "yes")] * 5 + [("no", "no")] * 70
    >>> found = agreement(read)
    >>> found.items, found.observed, round(found.kappa, 2)
    (100, 0.85, 0.57)
    >>> agreement([("yes", "yes")] * 4).kappa is None
    True
    """
    counted = Counter(pairs)
    whole = counted.total()
    if not whole:
        return Agreement(0, 0.0, None, None, None)
    observed = sum(count for (one, other), count in counted.items() if one == other) / whole
    ones, others = Counter[str](), Counter[str]()
    for (one, other), count in counted.items():
        ones[one] += count
        others[other] += count
    chance = sum(ones[each] * others[each] for each in ones) / (whole * whole)
    if chance == 1:
        return Agreement(whole, observed, None, None, None)
    kappa = (observed - chance) / (1 - chance)
    half = Z * math.sqrt(observed * (1 - observed) / whole) / (1 - chance)
    return Agreement(whole, observed, kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


@dataclass(frozen=True, slots=True)
class Share:
    """A share of items that are settled, with its interval (Wilson). unsure: settled as unsure, and counted on neither side."""

    part: int
    whole: int
    unsure: int

    @property
    def share(self) -> float | None:
        """None where nothing was settled."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """95 %."""
        return wilson(self.part, self.whole)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The share if every unsure item were a no, and if every one were a yes; None where there is none.

        >>> Share(3, 4, 1).bounds, Share(3, 4, 0).bounds
        ((0.6, 0.8), None)
        """
        if not self.unsure:
            return None
        whole = self.whole + self.unsure
        return self.part / whole, (self.part + self.unsure) / whole


def share(judgements: Iterable[Judgement]) -> Share:
    """The share of "yes" among "yes" and "no": for the trigger of alerts this is the positive predictive value.

    >>> share(["yes", "no", "yes", "unsure"])
    Share(part=2, whole=3, unsure=1)
    """
    counted = Counter(judgements)
    return Share(counted["yes"], counted["yes"] + counted["no"], counted["unsure"])


@dataclass(frozen=True, slots=True)
class Stratum:
    """Part of what was judged, of which some were drawn at random. population: how many there were.

    part: of the settled ones, in how many the rule ought to speak. whole: settled ones.
    """

    population: int
    part: int
    whole: int

    @property
    def estimate(self) -> float:
        """In how many of the whole stratum the rule ought to speak."""
        return self.population * self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Of all in which a rule ought to speak, in how many it did, as estimated from a sample.

    spoke, missed: estimated counts. complete: every stratum in which there was something has a settled item; else there is
    no estimate.
    """

    spoke: float
    missed: float
    low: float
    high: float
    complete: bool

    @property
    def share(self) -> float | None:
        """None where it cannot be told."""
        total = self.spoke + self.missed
        return self.spoke / total if self.complete and total else None


def sensitivity(alerts: Sequence[Stratum], silences: Sequence[Stratum]) -> Sensitivity:
    """Weigh what was found in each stratum by how many it stands for.

    The interval recovers the variance of each stratum from its Wilson limits, adds them up, and takes the ratio of missed to
    spoken (MOVER); so it stays honest where no missed one was found among the sampled silences. Strata are taken as drawn
    from more of their kind: no correction is made for a stratum that was read whole.

    Source:
        Zou GY, Donner A, Stat Med 2008;27:1693-1702. doi:10.1002/sim.3095 (sums);
        Donner A, Zou GY, Stat Methods Med Res 2012;21:347-359. doi:10.1177/0962280210383082 (ratios).

    90 of 100 alerts were right, all of them read; of 1000 silences 100 were read, and in 2 of them the rule ought to have
    spoken. That stands for 20 that were missed:

    >>> found = sensitivity([Stratum(100, 90, 100)], [Stratum(1000, 2, 100)])
    >>> found.spoke, found.missed, round(found.share, 3), round(found.low, 3), round(found.high, 3)
    (90.0, 20.0, 0.818, 0.561, 0.942)
    >>> found = sensitivity([Stratum(100, 90, 100)], [Stratum(1000, 0, 100)])
    >>> found.share, round(found.low, 3), found.high
    (1.0, 0.708, 1.0)
    """
    there = [each for each in (*alerts, *silences) if each.population]
    complete = bool(there) and all(each.whole for each in there)
    spoke, least_spoke, most_spoke = _summed(alerts)
    missed, least_missed, most_missed = _summed(silences)
    if not complete:
        return Sensitivity(spoke, missed, 0.0, 1.0, False)
    product = spoke * missed

    def root(numerator: float, denominator: float) -> float:
        inner = product**2 - numerator * denominator * (2 * missed - numerator) * (2 * spoke - denominator)
        return math.sqrt(max(0.0, inner))

    low, high = 0.0, 1.0
    if least_spoke > 0:
        below = least_spoke * (2 * spoke - least_spoke)
        low = 1 / (1 + (product + root(most_missed, least_spoke)) / below)
    above = most_spoke * (2 * spoke - most_spoke)
    if above > 0:
        high = 1 / (1 + max(0.0, product - root(least_missed, most_spoke)) / above)
    return Sensitivity(spoke, missed, low, high, True)


def _summed(strata: Sequence[Stratum]) -> tuple[float, float, float]:
    """The estimated count over strata, with its limits."""
    total = sum(each.estimate for each in strata)
    below = above = 0.0
    for each in strata:
        if not each.population:
            continue
        low, high = wilson(each.part, each.whole)
        below += (each.estimate - each.population * low) ** 2
        above += (each.population * high - each.estimate) ** 2
    return total, max(0.0, total - math.sqrt(below)), total + math.sqrt(above)
