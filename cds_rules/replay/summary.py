"""What a run came to: cards by rule and level, what was not judged, not read, not understood, skipped, and how fast.

Flows in: `Done`s. Flows out: counts, and the same as rows for a table. Floor: edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from cds_rules.cards.cards import FINDING
from cds_rules.replay.run import Done, Result
from cds_rules.replay.sources import Plan, Problem

LEVELS = ("critical", "warning", "info")
K = TypeVar("K", str, tuple[str, str])


def ranked(counts: Mapping[K, int]) -> list[tuple[K, int]]:
    """Counts, the largest first and equal ones by name: two runs over the same records list them alike.

    >>> ranked({"unit": 1, "no-code": 1, "status": 2})
    [('status', 2), ('no-code', 1), ('unit', 1)]
    """
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


@dataclass(slots=True)
class Summary:
    """Counts over a run. unread: once a patient, resource and reason, however often that patient was judged. not_understood:
    patients a code or text was seen in, so that one long chart weighs no more than another."""

    patients: int = 0
    evaluations: int = 0
    with_card: int = 0
    silent: int = 0
    cards: Counter[tuple[str, str]] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    not_judged: Counter[tuple[str, str]] = field(default_factory=Counter)
    not_understood: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    matchers: Counter[str] = field(default_factory=Counter)
    disagreements: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    failures: int = 0
    invalid: int = 0
    fingerprint: str = ""
    seconds: float = 0.0

    def begin(self, made: Plan) -> None:
        """Take over what planning found."""
        self.problems += made.problems
        self.ignored += made.ignored
        self.left_out += made.left_out
        self.notes.update(made.notes)

    def add(self, done: Done) -> None:
        """Count one task."""
        self.patients += done.records
        self.problems += done.problems
        self.left_out += done.left_out
        self.failures += done.failures
        self.invalid += done.invalid
        held: dict[str, list[Result]] = {}
        for result in done.results:
            held.setdefault(result.patient, []).append(result)
        for results in held.values():
            self._patient(results)

    def _patient(self, results: Sequence[Result]) -> None:
        self.evaluations += len(results)
        self.with_card += any(result.cards for result in results)
        unread: set[tuple[str, str]] = set()
        unknown: set[tuple[str, str]] = set()
        for result in results:
            for card in result.cards:
                finding = card["extension"][FINDING]
                self.cards[finding["rule"], finding["level"]] += 1
            self.silent += not result.cards and not result.not_judged
            unread.update((each.reference, each.reason) for each in result.unread)
            for rule, because in result.not_judged.items():
                self.not_judged.update((rule, reason) for reason in because or ("no reason given",))
            unknown.update(result.not_understood)
            self.matchers[result.matcher] += 1
            self.disagreements.update(result.disagreements)
            self.fingerprint = result.fingerprint
        self.notes.update({note for result in results for note in result.notes if not note[:1].isdigit()})
        self.unread.update(reason for _, reason in unread)
        self.not_understood.update(unknown)

    def burden(self) -> Iterator[tuple[str, dict[str, int], int, float, float]]:
        """Rows of (rule, cards by level, all cards, per 100 patients, per 100 evaluations), most frequent first."""
        totals: Counter[str] = Counter()
        for (rule, _), count in self.cards.items():
            totals[rule] += count
        for rule, count in ranked(totals):
            by_level = {level: self.cards[rule, level] for level in LEVELS}
            yield rule, by_level, count, 100 * count / max(self.patients, 1), 100 * count / max(self.evaluations, 1)

    @property
    def patients_a_second(self) -> float:
        """Patients and requests judged a second."""
        return self.patients / self.seconds if self.seconds else 0.0
