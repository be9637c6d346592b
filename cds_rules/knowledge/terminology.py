"""What codes and names mean: codings and texts of the record -> keys of knowledge.md section 5.

Built once at start-up from the rows of the packs' CSV files (`valuesets/` and `tables/`); afterwards every question is a
dictionary look-up or one precompiled pattern, and answers to equal questions are remembered in bounded caches.
Flows in: table rows. Flows out: `Terminology`. Nothing is read from a file here.
Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cds_rules.vocabulary.chart import Product

Coding = tuple[str, str, str]
"""(system, code, display), "" where the record is silent; systems as charted, not normalized."""


@dataclass(frozen=True, slots=True)
class LabMatch:
    """A laboratory key of 5.2 with the method the code names; excluded says why such a result must not count, or ""."""

    key: str
    method: str = ""
    excluded: str = ""


@dataclass(frozen=True, slots=True)
class SymptomMatch:
    """A symptom key of 5.4 and what the code or text itself says about site, side and timing."""

    key: str
    site: str | None = None
    side: str | None = None
    timing: str | None = None
    muscle_specific: bool = False


class Terminology:
    """The packs' code tables, ready to be asked."""

    @classmethod
    def from_tables(cls, tables: Mapping[str, Sequence[Mapping[str, str]]]) -> Terminology:
        """Build from table name (file stem) -> rows; rows of several packs are simply concatenated."""
        raise NotImplementedError

    def product(self, codings: Sequence[Coding], text: str) -> Product | None:
        """Say what a medication is, or None when nothing is known of it."""
        raise NotImplementedError

    def lab(self, codings: Sequence[Coding], text: str) -> LabMatch | None:
        """Say which laboratory value, vital sign or measure a code stands for."""
        raise NotImplementedError

    def convert(self, key: str, value: float, unit: str, code: str, system: str) -> float | str:
        """Bring a value into the canonical unit of its key, or say why not: "unit" or "unit-conflict"."""
        raise NotImplementedError

    def canonical_unit(self, key: str) -> str:
        """The unit `convert` yields for a key, "" where there is none."""
        raise NotImplementedError

    def plausible(self, key: str, value: float) -> bool:
        """Whether a living patient can have this value (canonical unit, knowledge.md 4.2)."""
        raise NotImplementedError

    def problems(self, codings: Sequence[Coding], text: str) -> tuple[str, ...]:
        """Condition keys of 5.3; reviewed whole phrases of a text only when no code is usable."""
        raise NotImplementedError

    def symptoms(self, codings: Sequence[Coding], text: str) -> tuple[SymptomMatch, ...]:
        """Symptoms and signs of 5.4 that a code or text names."""
        raise NotImplementedError

    def body_site(self, codings: Sequence[Coding], text: str) -> tuple[str | None, str | None]:
        """(site, side) words of `Symptom`."""
        raise NotImplementedError

    def test(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Order.test` word of an ordered test, None for an order that is not one of ours."""
        raise NotImplementedError

    def reasons(self, codings: Sequence[Coding], text: str) -> frozenset[str]:
        """The `Medication.reasons` words a reason names; {"other"} for a reason that is none of them."""
        raise NotImplementedError

    def event(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Event.key` of a procedure, encounter or service: dialysis, kidney-transplant, delivery."""
        raise NotImplementedError

    def route(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Medication.route` word of a route or of a sig, None when it says nothing."""
        raise NotImplementedError
