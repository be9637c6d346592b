"""The report: one HTML file that a clinician can read offline, patient by patient, with the cards as an EHR would show them.

Flows in: `Result`s as they come, then the `Summary`. Flows out: a file. Patients with a card are written in full, the others
as one line each. Only what the report shows is kept until the end. Floor: edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cds_rules.cards.cards import FINDING
from cds_rules.knowledge.languages import Language
from cds_rules.replay.expectations import Difference
from cds_rules.replay.run import Result
from cds_rules.replay.summary import LEVELS, Summary, ranked
from cds_rules.review.pages import pieces
from cds_rules.review.shown import ShownCard, shown_card
from cds_rules.vocabulary.chart import UNREAD_REASONS, Unread

_ENGLISH = Language()
_MOST_UNREAD = 20
_MOST_PROBLEMS = 200
_URGENCY = {level: place for place, level in enumerate(LEVELS)}


@dataclass(frozen=True, slots=True)
class ShownEvaluation:
    """One evaluation with cards."""

    hook: str
    at: datetime
    order: str
    drafts: tuple[str, ...]
    cards: tuple[ShownCard, ...]
    not_judged: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(slots=True)
class ShownPatient:
    """A patient with cards: every evaluation that gave one, and what was not used over all of them."""

    number: int
    patient: str
    about: str
    origins: tuple[str, ...]
    evaluations: list[ShownEvaluation] = field(default_factory=list)
    judged_times: int = 0
    unread: dict[tuple[str, str], Unread] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    @property
    def levels(self) -> list[tuple[str, int]]:
        """Cards by level, most urgent first."""
        counts = Counter(card.level for each in self.evaluations for card in each.cards)
        return [(level, counts[level]) for level in LEVELS if counts[level]]

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why resources were not used, in words, with how many."""
        counts = Counter(reason for _, reason in self.unread)
        return [(UNREAD_REASONS.get(reason, reason), count) for reason, count in ranked(counts)]

    @property
    def examples(self) -> list[Unread]:
        """The first of them."""
        return list(self.unread.values())[:_MOST_UNREAD]


@dataclass(frozen=True, slots=True)
class Quiet:
    """A patient without a card."""

    patient: str
    about: str
    times: int
    not_judged: int
    because: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """Gathers what will be shown."""

    patients: list[ShownPatient] = field(default_factory=list)
    quiet: list[Quiet] = field(default_factory=list)

    def add(self, results: Iterable[Result]) -> None:
        """Take the results of one task; those of one patient stand together."""
        held: dict[str, list[Result]] = {}
        for result in results:
            held.setdefault(result.patient, []).append(result)
        for own in held.values():
            if any(result.cards for result in own):
                self.patients.append(_shown(len(self.patients) + 1, own))
            else:
                because = dict.fromkeys(
                    reason for result in own for reasons in result.not_judged.values() for reason in reasons
                )
                self.quiet.append(
                    Quiet(
                        own[0].patient,
                        own[-1].about,
                        len(own),
                        sum(bool(result.not_judged) for result in own),
                        tuple(because),
                    )
                )

    def write(
        self,
        path: Path,
        summary: Summary,
        run: dict[str, str],
        differences: Sequence[Difference] = (),
        language: Language = _ENGLISH,
    ) -> None:
        """Write the file.

        run: name -> value lines about this run. differences: between expected and found cards. language: of headings.
        """
        rules = {
            card.rule: card.card["source"]["topic"]["display"]
            for each in self.patients
            for held in each.evaluations
            for card in held.cards
        }
        with path.open("w", encoding="utf-8") as file:
            for piece in pieces(
                "report.html",
                language,
                run=run,
                summary=summary,
                burden=list(summary.burden()),
                levels=LEVELS,
                rules=dict(sorted(rules.items(), key=lambda each: each[1])),
                patients=self.patients,
                quiet=self.quiet,
                differences=differences,
                problems=summary.problems[:_MOST_PROBLEMS],
                more_problems=max(0, len(summary.problems) - _MOST_PROBLEMS),
                reasons=UNREAD_REASONS,
            ):
                file.write(piece)


def _shown(number: int, results: Sequence[Result]) -> ShownPatient:
    shown = ShownPatient(number, results[0].patient, results[-1].about, results[0].origins, judged_times=len(results))
    for result in results:
        shown.notes |= dict.fromkeys(result.notes)
        for each in result.unread:
            shown.unread.setdefault((each.reference, each.reason), each)
        if result.cards:
            cards = (
                shown_card(card, result.evidence.get(card["extension"][FINDING]["rule"], ()), result.at)
                for card in result.cards
            )
            shown.evaluations.append(
                ShownEvaluation(
                    result.hook,
                    result.at,
                    result.order,
                    result.drafts,
                    tuple(sorted(cards, key=lambda card: _URGENCY[card.level])),
                    tuple(result.not_judged.items()),
                )
            )
    return shown
