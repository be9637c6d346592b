"""What every reading function shares: the clock, the terminology, the patient, and the lists being filled.

One `Reader` lives for one call of `read_chart`. Reading functions take it, the reference of a resource and the decoded
resource, and add statements or a reason why there is none.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from cds_rules.fhir import wire
from cds_rules.fhir.statuses import STATUSES
from cds_rules.fhir.wire import Spoken, spoken
from cds_rules.knowledge.terminology import Terminology
from cds_rules.vocabulary.chart import Event, Order, Problem, Result, Symptom, Unread
from cds_rules.vocabulary.clock import is_exact_day, last_day, parse_moment
from cds_rules.vocabulary.facts import DRAFTS
from cds_rules.vocabulary.frozen import Frozen

TOLERANCE = timedelta(minutes=5)
"""How far in the future a date may lie before it makes its resource unusable (clinical specification 4.2)."""


# A client that calls on every change of an order sends the same dates each time.
_parsed = lru_cache(maxsize=16384)(parse_moment)


class Dated(Frozen, frozen=True):
    """A date of the record: the first moment it can mean; for one without a day the last moment, and as it is written."""

    at: datetime
    until: datetime | None = None
    written: str = ""


@dataclass(slots=True)
class Reader:
    """The state of one reading. `lookup` finds a resource another one refers to, by reference and contained resources."""

    terminology: Terminology
    at: datetime
    zone: tzinfo
    lookup: Callable[[str | None, wire.Raw | None, str], Any] = lambda reference, contained, kind: None
    results: list[Result] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    symptoms: list[Symptom] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    not_understood: dict[tuple[str, str], int] = field(default_factory=dict)
    pregnancies: list[tuple[datetime, bool, str, Problem]] = field(default_factory=list)
    lost: dict[str, dict[str, None]] = field(default_factory=dict)

    def moment(self, text: str | None) -> datetime | None:
        """Read a date or time; one that only names the day (month, year) of the evaluation is not later than it."""
        if not text:
            return None
        moment = _parsed(text, self.zone)
        if (
            len(text) <= 10
            and moment is not None
            and moment > self.at
            and self.at.astimezone(self.zone).date().isoformat().startswith(text)
        ):
            return self.at
        return moment

    def dated(self, *texts: str | None) -> Dated | None:
        """The first of several dates that can be read, with the last moment it can mean where it names no day."""
        for text in texts:
            if text and (moment := self.moment(text)) is not None:
                until = None if is_exact_day(text) else self.latest(text)
                return Dated(moment) if until is None or until <= moment else Dated(moment, until, text)
        return None

    def latest(self, text: str | None) -> datetime | None:
        """Read the latest moment a date can mean: the last day of a month or year, but not later than the evaluation.

        So an onset known by its year alone never says that a symptom is older than a drug begun in that year.
        """
        if not text or is_exact_day(text):
            return self.moment(text)
        first, last = self.moment(text), _parsed(last_day(text), self.zone)
        return last if first is None or last is None or last <= self.at else max(first, self.at)

    def end(self, text: str | None) -> datetime | None:
        """Read the end of a Period: one written as a date lasts through that day, as FHIR says."""
        moment = _parsed(text, self.zone) if text else None
        if moment is not None and text is not None and len(text) == 10:
            return datetime.combine(moment.date(), time(23, 59, 59), self.zone)
        return moment

    def is_future(self, moment: datetime | None) -> bool:
        """Whether a date lies so far ahead that its resource cannot be used."""
        return moment is not None and moment > self.at + TOLERANCE

    def skip(self, reference: str, reason: str, detail: str, about: str = "") -> None:
        """Note what was not used and why; detail never holds text of the record."""
        self.unread.append(Unread(reference, reason, detail, about))

    def skip_status(
        self, reference: str, status: str | None, wanted: str, about: str = "", *, domain: str = ""
    ) -> None:
        """Note what was not used because of its status.

        domain: the part of the record that is not known when the status is none that FHIR has; "": none of them.
        """
        reason = "entered-in-error" if status == "entered-in-error" else "status"
        self.skip(reference, reason, _status_detail(status, wanted), about)
        kind = reference.partition("/")[0].partition("#")[0]
        if domain and status not in STATUSES[kind]:
            self.lose(domain, f"the status of {a_or_an(kind)}")

    def lose(self, domain: str, what: str) -> None:
        """Note that something of a part of the record (`vocabulary.facts.DOMAINS`, or `DRAFTS`) is there and could not be read at all."""
        self.lost.setdefault(domain, {})[what] = None

    def lose_draft(self, what: str = "the product of a draft") -> None:
        """Note that a draft could not be read: neither what is ordered now nor all that is taken is known."""
        self.lose("medications", what)
        self.lose(DRAFTS, what)

    def unknown(self, kind: str, concept: Spoken) -> None:
        """Count a concept nothing is known of."""
        if concept.codings:
            system, code, display = concept.codings[0]
            word = f"{system}|{code} {display}".strip()
        else:
            word = concept.text
        if word:
            self.not_understood[kind, word] = self.not_understood.get((kind, word), 0) + 1


def a_or_an(kind: str) -> str:
    """A type of resource with its article.

    >>> a_or_an("Observation"), a_or_an("Condition")
    ('an Observation', 'a Condition')
    """
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def status_word(value: wire.CodeableConcept | str | None) -> str:
    """The word of a status that is a concept, or up to STU3 a code; "" where it is absent.

    >>> status_word("active"), status_word(wire.CodeableConcept(text="Resolved")), status_word(None)
    ('active', 'resolved', '')
    """
    if value is None or isinstance(value, str):
        return value or ""
    concept = spoken(value)
    return (concept.codings[0][1] if concept.codings else concept.text).lower()


def _status_detail(status: str | None, wanted: str) -> str:
    """Say what status was found, if it is one a program wrote, and what belongs there."""
    word = status if status and len(status) <= 24 and status.replace("-", "").isalpha() else "unknown"
    return f"status is {word if status else 'absent'}; {wanted} counts"
