"""`cds-rules test`: the cases of packs, by both matchers; with --mutants also how well they hold the rules.

Exit code 0 when every case passes (and at least 98 % of mutants are noticed), 1 otherwise.
Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from cds_rules.engine.cases import CaseResult, Mutant, run_cases, survivors
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.files import near
from cds_rules.knowledge.pack import Pack, read_packs
from cds_rules.knowledge.rules import Rule
from cds_rules.vocabulary.errors import BadInput, Mistake

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

    @property
    def wrong(self) -> int:
        """How many cases failed or could not be read."""
        return len(self.failed) + len(self.mistakes)


def command(
    folders: Sequence[Path], only: str, with_mutants: bool, parameters: Path | None = None, cases: Path | None = None
) -> int:
    """Run the cases of all rules or of one, print a table, the cases that failed and the mutants nobody noticed.

    cases: a folder of files of cases to run in place of those beside the rules; a rule without one has none.

    Raises:
        PackError: a pack cannot be read. BadInput: no pack has the rule.
    """
    packs = read_packs(folders, parameters)
    rules = [rule.id for pack in packs for rule in pack.rules]
    if only and only not in rules:
        raise BadInput(f'no rule has the id "{only}"{near(only, rules)}')
    messages = Console(stderr=True)
    running = track(
        run(packs, only, with_mutants, cases),
        "cases",
        total=1 if only else len(rules),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    )
    reports = list(running)
    Console(highlight=False).print(_table(reports, with_mutants))
    for line in _complaints(reports):
        print(line)
    if cases is not None and not reports:
        raise BadInput(
            "found no file of cases of a rule; files such as mg-oral-aki.cases.yaml belong there", str(cases)
        )
    ran, mutants = sum(len(report.results) for report in reports), sum(report.mutants for report in reports)
    failed = sum(report.wrong for report in reports)
    noticed = mutants - sum(len(report.survivors) for report in reports)
    print(f"{ran} cases, {failed} failed" + (f"; {noticed} of {mutants} mutants noticed" if with_mutants else ""))
    return 1 if failed or noticed < CAUGHT_AT_LEAST * mutants else 0


def run(
    packs: Sequence[Pack], only: str = "", with_mutants: bool = False, cases_in: Path | None = None
) -> Iterator[RuleReport]:
    """Run the cases of every rule (or of one), rule by rule."""
    for pack in packs:
        for rule in pack.rules:
            if only and rule.id != only:
                continue
            path = (cases_in or pack.folder / "rules") / f"{rule.id}.cases.yaml"
            if cases_in and not path.exists():
                continue
            where = cases_in.name if cases_in else f"{pack.folder.name}/rules"
            cases, mistakes = read_cases(path, f"{where}/{path.name}", rule.id, pack.words)
            alive, count = survivors(rule, cases) if with_mutants else ([], 0)
            yield RuleReport(pack, rule, tuple(run_cases(rule, cases)), mistakes, tuple(alive), count)


def _table(reports: Sequence[RuleReport], with_mutants: bool) -> Table:
    table = Table(Column("rule", overflow="fold"), *(Column(name, justify="right") for name in ("cases", "failed")))
    for name in ("mutants", "noticed") if with_mutants else ():
        table.add_column(name, justify="right")
    for report in reports:
        numbers = [len(report.results), report.wrong]
        if with_mutants:
            numbers += [report.mutants, report.mutants - len(report.survivors)]
        table.add_row(report.rule.id, *map(str, numbers))
    return table


def _complaints(reports: Sequence[RuleReport]) -> Iterator[str]:
    for report in reports:
        for mistake in report.mistakes:
            yield f"mistake: {mistake}"
        for result in report.failed:
            differ = f"; the matchers differ on {', '.join(result.disagreements)}" if result.disagreements else ""
            said = f"expected {result.case.expect}, found {result.found}{differ}"
            yield f"failed: {report.rule.id}: {result.case.name}: {said}"
    for report in reports:
        for mutant in report.survivors:
            yield f"not noticed: {report.rule.id}: {mutant.fault}"
