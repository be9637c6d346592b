"""`cds-rules test`: the cases of packs, by both matchers; with --mutants also how well they hold the rules.

Exit code 0 when every case passes (and at least 98 % of mutants are noticed), 1 otherwise.
Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cds_rules.engine.cases import CaseResult, Mutant, run_cases, survivors
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import Pack, read_packs
from cds_rules.knowledge.rules import Rule
from cds_rules.vocabulary.errors import Mistake

CAUGHT_AT_LEAST = 0.98


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What the cases of one rule showed."""

    pack: Pack
    rule: Rule
    results: tuple[CaseResult, ...]
    mistakes: tuple[Mistake, ...]
    survivors: tuple[Mutant, ...] = ()
    mutants: int = 0

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The cases that did not pass."""
        return tuple(result for result in self.results if not result.passed)


def run(folders: Sequence[Path], only: str = "", with_mutants: bool = False) -> Iterator[RuleReport]:
    """Run the cases of every rule (or of one), rule by rule.

    Raises:
        PackError: a pack cannot be read.
    """
    for pack in read_packs(folders):
        for rule in pack.rules:
            if only and rule.id != only:
                continue
            path = pack.folder / "rules" / f"{rule.id}.cases.yaml"
            cases, mistakes = read_cases(path, f"{pack.folder.name}/rules/{path.name}", rule.id, pack.words)
            alive, count = survivors(rule, cases) if with_mutants else ([], 0)
            yield RuleReport(pack, rule, tuple(run_cases(rule, cases)), mistakes, tuple(alive), count)
