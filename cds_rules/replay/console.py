"""What a run shows on a terminal: a progress bar and messages on stderr, results and tables on stdout.

Flows in: results, a `Summary`. Flows out: text. Text of records is never taken for markup. Floor: edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cds_rules.cards.cards import FINDING
from cds_rules.cards.texts import cleaned
from cds_rules.replay.expectations import Difference
from cds_rules.replay.run import Result
from cds_rules.replay.sources import Problem
from cds_rules.replay.summary import LEVELS, Summary, ranked
from cds_rules.vocabulary.chart import UNREAD_REASONS

_MOST_ROWS = 15
_MOST_PROBLEMS = 30
_MOST_PLACES = 3
_NUMBER = re.compile(r"\d+")
_STYLES = {"critical": "bold red", "warning": "yellow", "info": "blue"}


class Screen:
    """The two streams of a run. results_on_stderr: stdout is taken by NDJSON."""

    def __init__(self, results_on_stderr: bool = False) -> None:
        self.messages = Console(stderr=True, highlight=False, soft_wrap=True)
        self.results = self.messages if results_on_stderr else Console(highlight=False)
        if not self.results.is_terminal and self.results.width < 120:
            self.results = Console(stderr=results_on_stderr, highlight=False, width=120)

    @contextmanager
    def progress(self, total: int) -> Iterator[Progress]:
        """A bar on stderr; nothing where stderr is not a terminal."""
        columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.messages, transient=True, disable=not self.messages.is_terminal) as bar:
            bar.add_task("replaying", total=total)
            yield bar

    def say(self, text: str, style: str = "") -> None:
        """A message for the person at the terminal."""
        self.messages.print(Text(text, style), soft_wrap=True)

    def problems(self, problems: Sequence[Problem]) -> None:
        """What was skipped."""
        if problems:
            self.say(f"Skipped ({len(problems)}):", "yellow")
        alike: dict[str, list[Problem]] = {}
        for problem in problems:
            alike.setdefault(_NUMBER.sub("N", cleaned(problem.message)), []).append(problem)
        for kind, same in list(alike.items())[:_MOST_PROBLEMS]:
            named = ", ".join(cleaned(problem.where) for problem in same[:_MOST_PLACES])
            more = f" and {len(same) - _MOST_PLACES} more" if len(same) > _MOST_PLACES else ""
            self.say(f"  {named}{more}: {kind if len(same) > 1 else cleaned(same[0].message)}")
        if len(alike) > _MOST_PROBLEMS:
            self.say(f"  and {len(alike) - _MOST_PROBLEMS} more kinds; --report lists them")

    def each(self, result: Result) -> None:
        """One line an evaluation."""
        order = f"{cleaned(result.order)}  " if result.order else ""
        line = Text(f"{cleaned(result.patient)}  {result.at:%Y-%m-%d %H:%M}  {order}")
        for card in result.cards:
            level = card["indicator"]
            line.append(f"{level} ", _STYLES.get(level, ""))
            line.append(f"{card['extension'][FINDING]['rule']}  ")
        if not result.cards:
            line.append("no card  ", "dim")
        if result.not_judged:
            line.append(f"not judged: {len(result.not_judged)}  ", "magenta")
        if result.unread:
            line.append(f"unread: {len(result.unread)}", "dim")
        self.results.print(line, soft_wrap=True)

    def differences(self, differences: Sequence[Difference]) -> None:
        """Expected and found, side by side."""
        rows = (
            (each.name, f"{each.at:%Y-%m-%d %H:%M}" if each.at else "", each.rule, each.expected, each.found)
            for each in differences
        )
        self._table(
            f"Differences from what was expected ({len(differences)})",
            ("patient", "at", "rule", "expected", "found"),
            rows,
        )

    def summary(self, summary: Summary) -> None:
        """The tables at the end."""
        rows = (
            (
                rule,
                *(str(by_level[level] or "") for level in LEVELS),
                str(count),
                f"{patients:.1f}",
                f"{evaluations:.1f}",
            )
            for rule, by_level, count, patients, evaluations in summary.burden()
        )
        if summary.cards:
            self._table("Cards", ("rule", *LEVELS, "all", "per 100 patients", "per 100 evaluations"), rows)
        counted = (
            ("Not judged", ("rule", "because", "evaluations"), [(rule, because, count) for (rule, because), count in ranked(summary.not_judged)]),
            ("Not used, by reason", ("reason", "meaning", "resources"), [(reason, UNREAD_REASONS.get(reason, ""), count) for reason, count in ranked(summary.unread)]),
            ("Not understood", ("kind", "code or text", "patients"), [(kind, code, count) for (kind, code), count in ranked(summary.not_understood)]),
        )  # fmt: skip
        for title, columns, found in counted:
            if found:
                more = f", the first {_MOST_ROWS} of {len(found)}" if len(found) > _MOST_ROWS else ""
                self._table(f"{title}{more}", columns, (tuple(map(str, each)) for each in found[:_MOST_ROWS]))
        self._closing(summary)

    def _closing(self, summary: Summary) -> None:
        for note, count in ranked(summary.notes)[:_MOST_ROWS]:
            self.results.print(Text(f"Note: {note}{f' ({count} patients)' if count > 1 else ''}"), soft_wrap=True)
        if summary.left_out:
            kinds = ", ".join(
                f"{cleaned(kind) or 'without a type'} {count}" for kind, count in ranked(summary.left_out)[:8]
            )
            self.results.print(Text(f"No rule reads: {kinds}"), soft_wrap=True)
        if summary.ignored:
            kinds = ", ".join(f"{count} {ending}" for ending, count in ranked(summary.ignored))
            self.results.print(Text(f"Not FHIR files: {kinds}"), soft_wrap=True)
        for condition, count in ranked(summary.disagreements):
            self.results.print(
                Text(f"The two matchers disagreed {count} times on {condition}; please report it", "red"),
                soft_wrap=True,
            )
        for matcher, count in summary.matchers.items():
            if matcher != "durable-rules and reference":
                self.results.print(Text(f"{count} evaluations matched by {matcher}"), soft_wrap=True)
        self.results.print(
            Text.assemble(
                (f"{summary.patients} patients", "bold"), f", {summary.evaluations} evaluations, {summary.cards.total()} cards; ",
                f"{summary.with_card} patients with a card, {summary.silent} evaluations silent with every rule judged; ",
                f"{len(summary.problems)} inputs skipped; {summary.patients_a_second:,.0f} patients a second",
            ),
            soft_wrap=True,
        )  # fmt: skip

    def _table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        table = Table(title=Text(title), title_justify="left", title_style="bold", pad_edge=False)
        numbers = {*LEVELS, "all", "per 100 patients", "per 100 evaluations", "evaluations", "resources"}
        for column in columns:
            table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cleaned(cell)) for cell in row))
        self.results.print(table)
