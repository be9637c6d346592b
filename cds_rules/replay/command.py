"""`cds-rules replay`: plan, evaluate, and tell, from the words of the command line to its exit code.

Exit codes: 0 done (inputs that were skipped are listed and do not change it); 1 a difference from expected cards, or with
--strict a resource that full FHIR validation refuses; 2 wrong usage, nothing could be judged, or --expect expects nothing of
what was replayed; 3 an evaluation failed through an error of this program. Floor: edge.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from cds_rules import load_packs, steady
from cds_rules.knowledge.languages import ENGLISH, Language
from cds_rules.replay.console import Screen
from cds_rules.replay.expectations import Difference, read_expectations
from cds_rules.replay.instants import read_when
from cds_rules.replay.lines import line
from cds_rules.replay.report import Report
from cds_rules.replay.run import Options, replay, workers
from cds_rules.replay.sources import plan
from cds_rules.replay.summary import Summary
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.facts import HOOKS
from cds_rules.vocabulary.wording import said

_MANY = 40
"""Tasks from which on starting processes pays."""

DONE, DIFFERENT, UNUSABLE, FAILED = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command line. hook: "" for order-sign at each order and patient-view else. jobs: 0 for as
    many as there are processors when there is much to do."""

    paths: tuple[Path, ...]
    hook: str = ""
    at: str = "last"
    expect: Path | None = None
    json: Path | None = None
    report: Path | None = None
    strict: bool = False
    each: bool = False
    jobs: int = 0
    pack: tuple[Path, ...] = ()
    parameters: Path | None = None
    language: str = ENGLISH
    codes: Path | None = None
    calls: bool = False


def run(asked: Asked) -> int:
    """Do it. Returns the exit code.

    Raises:
        BadInput: words that cannot be meant. PackError: the pack or the expected cards hold mistakes.
    """
    now = datetime.now(UTC)
    options = _options(asked)
    expectations = read_expectations(asked.expect) if asked.expect else None
    screen = Screen(results_on_stderr=str(asked.json) == "-")
    summary, report, differences = Summary(), Report() if asked.report else None, list[Difference]()
    with ExitStack() as stack:
        spool = Path(stack.enter_context(TemporaryDirectory(prefix="cds-rules-")))
        knowledge = load_packs(options.packs, options.folders, options.parameters, options.codes)
        if options.hook not in (served := knowledge.judge.hooks()):
            raise BadInput(f"no rule is made for {options.hook}; one of {', '.join(served)} belongs there", "--hook")
        if asked.language not in knowledge.languages:
            known = ", ".join(knowledge.languages)
            raise BadInput(f'the packs do not speak "{asked.language}"; one of {known} belongs there', "--language")
        language = knowledge.languages[asked.language]
        output = None
        if asked.json is not None:
            output = sys.stdout.buffer if str(asked.json) == "-" else stack.enter_context(asked.json.open("wb"))
        steady()  # rules and tables stay; the collector need not walk them for every patient
        begun = time.perf_counter()
        made = plan(asked.paths, spool)
        summary.begin(made)
        work = stack.enter_context(workers(knowledge, options, now, asked.jobs or _jobs(len(made.tasks))))
        bar = stack.enter_context(screen.progress(len(made.tasks)))
        for done in replay(made, work):
            summary.add(done)
            for result in done.results:
                if output is not None:
                    output.write(line(result))
                if asked.each:
                    screen.each(result)
                if expectations is not None:
                    differences += expectations.check(result)
            if report is not None:
                report.add(done.results)
            bar.advance(bar.task_ids[0])
        summary.seconds = time.perf_counter() - begun
    if expectations is not None:
        differences += expectations.unused()
        if expectations.without:
            summary.notes[f"{expectations.without} evaluations of which nothing is expected"] = 1
    screen.problems(summary.problems)
    screen.summary(summary)
    if expectations is not None:
        if differences:
            screen.differences(differences)
        elif not expectations.used:
            screen.say(
                f"{asked.expect} expects nothing of what was replayed; files are named after a patient's file or id.",
                "yellow",
            )
        else:
            screen.say(f"All cards are as expected ({len(expectations.used)} expectations).")
    if report is not None and asked.report is not None:
        report.write(asked.report, summary, _about_run(asked, options, now, language), differences, language)
    if expectations is not None and not expectations.used and not differences:
        return UNUSABLE
    return _code(summary, differences, screen, options)


def _options(asked: Asked) -> Options:
    when = read_when(asked.at)
    hook = asked.hook or ("order-sign" if when == "each-order" else "patient-view")
    if hook not in HOOKS:
        raise BadInput(f'"{hook}" is no hook; one of {", ".join(HOOKS)} belongs there', "--hook")
    if when == "each-order" and hook not in ("order-sign", "order-select"):
        raise BadInput(
            f"--at each-order drafts each order anew, which {hook} does not look at; order-sign or order-select belongs there",
            "--hook",
        )
    if asked.calls and asked.json is None:
        raise BadInput("goes into the lines of --json; name their file there as well", "--calls")
    if asked.expect is not None and not asked.expect.is_dir():
        raise BadInput(f"{asked.expect} is no folder; a folder of expected cards belongs there", "--expect")
    for path in asked.paths:
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder")
    for written in (asked.report, asked.json):
        if written is not None and str(written) != "-":
            _check_writable(written, asked.paths)
    return Options(
        hook, when, asked.strict, None, asked.pack, asked.parameters, asked.language, asked.codes, asked.calls
    )


def _jobs(tasks: int) -> int:
    """One process for a few records, every processor we may use for many."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors if tasks >= _MANY else 1


def _check_writable(path: Path, records: Sequence[Path]) -> None:
    """Refuse what cannot be written, and what is to be read: a slip must not cost a patient's record."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise BadInput(f"{path} cannot be written; a file in a folder that exists belongs there")
    if any(path.resolve() == record.resolve() or _is_read(path, record) for record in records):
        raise BadInput(f"{path} is among what is replayed and is not overwritten; a file elsewhere belongs there")


def _is_read(path: Path, folder: Path) -> bool:
    return path.suffix.lower() in (".json", ".ndjson", ".gz") and folder.resolve() in path.resolve().parents


def _about_run(asked: Asked, options: Options, now: datetime, language: Language) -> dict[str, str]:
    say = language.say
    when = f"{options.when:%Y-%m-%d %H:%M} UTC" if isinstance(options.when, datetime) else say(_WHEN[options.when])
    return {
        say(said("Records")): ", ".join(str(path) for path in asked.paths),
        say(said("Hook")): options.hook,
        say(said("Judged")): when,
        say(said("Made")): f"{now:%Y-%m-%d %H:%M} UTC",
    }


_WHEN = {
    "last": said("at the end of each record"),
    "now": said("now"),
    "each-order": said("at each medication order, as of just before it"),
}


def _code(summary: Summary, differences: Sequence[Difference], screen: Screen, options: Options) -> int:
    if options.strict:
        screen.say(f"Full FHIR validation refused {summary.invalid} resources; none of them was used.")
    if summary.failures:
        screen.say(f"{summary.failures} evaluations failed through an error of this program.", "red")
        return FAILED
    if not summary.evaluations:
        screen.say("Nothing could be judged.", "red")
        return UNUSABLE
    return DIFFERENT if differences or summary.invalid else DONE
