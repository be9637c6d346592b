"""What a card is shown with, on the report and on the review pages: one shape for both.

Flows in: evaluations. Flows out: values for templates. Floor: edge (review).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_rules.cards.cards import FINDING
from cds_rules.evaluate import Evaluation
from cds_rules.vocabulary.chart import Source


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card with what it rests on. at: the instant of its evaluation, against which ages are told."""

    card: dict[str, Any]
    rule: str
    level: str
    evidence: tuple[Source, ...]
    at: datetime

    def days(self, source: Source) -> float | None:
        """How old a value was; None for one without a date."""
        return None if source.when is None else (self.at - source.when).total_seconds() / 86400


def shown_card(card: dict[str, Any], evidence: tuple[Source, ...], at: datetime) -> ShownCard:
    """A card as it is shown."""
    return ShownCard(card, card["extension"][FINDING]["rule"], card["indicator"], evidence, at)


def evidence_of(evaluation: Evaluation, rule: str) -> tuple[Source, ...]:
    """The values of the record that the finding of a rule rests on, each once."""
    finding = next((each for each in evaluation.findings if each.rule.id == rule), None)
    return tuple(dict.fromkeys(source for _, places in finding.sources for source in places)) if finding else ()
