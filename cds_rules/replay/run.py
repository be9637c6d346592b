"""Evaluating what was read: tasks in, one `Done` a task out, in the order of the tasks, in one process or several.

A task that fails through a fault of ours is a `Problem` like any other, named as such, and counted: nothing stops a run.
Flows in: paths, `Options`, the instant the run began. Flows out: `Done`s. Floor: edge.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cds_rules import load_packs
from cds_rules.cards.cards import FINDING
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.fhir.validation import why_invalid
from cds_rules.hooks.request import BadRequest, read_request
from cds_rules.knowledge.languages import ENGLISH
from cds_rules.replay.asof import as_of, orders, unsettled
from cds_rules.replay.instants import Moment, When, last, moments
from cds_rules.replay.record import Record, dated
from cds_rules.replay.sources import Fragment, Plan, Problem, Slices, Task, joined, load, stem_of
from cds_rules.replay.wire import USED, entries
from cds_rules.review.shown import evidence_of
from cds_rules.store.packing import packed
from cds_rules.vocabulary.chart import Source, Unread
from cds_rules.vocabulary.clock import completed_years
from cds_rules.vocabulary.errors import BadInput, CdsRulesError
from cds_rules.vocabulary.frozen import Frozen, replace
from cds_rules.vocabulary.wording import Said, said, word
from cds_rules.vocabulary.wording import joined as joined_words

_AHEAD = 64
"""Tasks a process pool is given ahead of the one whose answer is awaited."""


class Options(Frozen, frozen=True):
    """How to replay.

    strict: full FHIR validation of all that is read. packs, folders, parameters, codes: as for `load_packs`. language: of the
    cards. calls: results also carry what was judged, and what became of every rule that is in use.
    """

    hook: str = "patient-view"
    when: When = "last"
    strict: bool = False
    packs: tuple[str, ...] | None = None
    folders: tuple[Path, ...] = ()
    parameters: Path | None = None
    language: str = ENGLISH
    codes: Path | None = None
    calls: bool = False


class Result(Frozen, frozen=True):
    """One evaluation as replay tells of it, without the chart it came from.

    name: stem of the file, by which expected cards are found. about: the patient in a few words. order: the reference of
    the order being written. drafts: what the drafts are called. evidence: rule -> the values its card rests on. notes: what a reader should know.
    call: what was judged, packed; outcomes: rule -> its state and level; both only where they were asked for.
    """

    name: str
    patient: str
    about: str
    origins: tuple[str, ...]
    hook: str
    at: datetime
    cards: tuple[dict[str, Any], ...]
    evidence: Mapping[str, tuple[Source, ...]]
    not_judged: Mapping[str, tuple[str, ...]]
    judged: int
    unread: tuple[Unread, ...]
    not_understood: Mapping[tuple[str, str], int]
    matcher: str
    disagreements: tuple[str, ...]
    fingerprint: str
    order: str = ""
    drafts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    call: bytes = b""
    outcomes: Mapping[str, tuple[str, str]] = {}


@dataclass(slots=True)
class Done:
    """What came of one task. failures: evaluations that a fault of ours stopped. invalid: resources --strict refused."""

    results: list[Result] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fragments: list[Fragment] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    records: int = 0
    failures: int = 0
    invalid: int = 0


Work = Callable[[Iterable[Task]], Iterator[Done]]
"""Tasks in, what came of each out, in order."""


def replay(made: Plan, workers: Work) -> Iterator[Done]:
    """Evaluate a plan, one `Done` a task, in order; pieces of records found on the way are joined and come last."""
    fragments: list[Fragment] = []
    for done in workers(made.tasks):
        fragments += done.fragments
        yield done
    yield from workers(joined(fragments))


@contextmanager
def workers(knowledge: Knowledge, options: Options, now: datetime, jobs: int) -> Iterator[Work]:
    """This process, or `jobs` others. Start them before anything else starts a thread: they are forked where that is safe.

    Raises:
        CdsRulesError: while working, when a process ends without a word.
    """
    if jobs == 1:
        yield lambda tasks: (work(knowledge, task, options, now) for task in tasks)
        return
    global _here
    _here = (knowledge, options, now)
    if sys.platform == "linux":  # a fork shares the rules that are loaded already
        pool = ProcessPoolExecutor(jobs, get_context("fork"))
    else:
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (options, now))
    with pool:
        pool.submit(_ready).result()
        try:
            yield lambda tasks: _answers(pool, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


def _answers(pool: ProcessPoolExecutor, tasks: Iterable[Task]) -> Iterator[Done]:
    """Answers in order, never far ahead of the reader."""
    waiting: deque[Future[Done]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_work_here, task))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise CdsRulesError("a process ended without a word, as when memory runs out; try fewer --jobs") from None


_here: tuple[Knowledge, Options, datetime] | None = None


def _start(options: Options, now: datetime) -> None:
    global _here
    _here = (load_packs(options.packs, options.folders, options.parameters, options.codes), options, now)


def _ready() -> None:
    """Makes the pool start its processes."""


def _work_here(task: Task) -> Done:
    assert _here is not None
    knowledge, options, now = _here
    return work(knowledge, task, options, now)


def work(knowledge: Knowledge, task: Task, options: Options, now: datetime) -> Done:
    """Read a task and evaluate each patient and request in it."""
    loaded = load(task)
    done = Done(problems=loaded.problems, fragments=loaded.fragments)
    for record in loaded.records:
        done.records += 1
        done.left_out += record.left_out
        if options.strict:
            record, unread = _strict(record)
            done.invalid += len(unread)
        else:
            unread = ()
        several = len(loaded.records) > 1
        name = record.patient_id if several and record.patient_id else task.name
        where = f"{task.folder} ({record.name})" if isinstance(task.parts, Slices) else record.origins[0]
        for moment in moments(record, options.when, now):
            _judge(
                done,
                where,
                lambda m=moment, r=record, u=unread, n=name: _of_record(knowledge, r, m, options, n, u),
            )
        if options.when == "each-order" and not orders(record):
            done.problems.append(
                Problem(
                    where,
                    "no dated medication order; --at each-order judges at each of them",
                )
            )
    for origin, body in loaded.requests:
        before = len(done.results)
        _judge(done, origin, lambda o=origin, b=body: _of_request(knowledge, o, b, options, now))
        done.records += len(done.results) - before  # a request that is refused is no patient
    return done


def _judge(done: Done, where: str, evaluation: Any) -> None:
    try:
        done.results.append(evaluation())
    except BadRequest as error:
        done.problems.append(Problem(where, "; ".join(map(str, error.faults))))
    except BadInput as error:
        done.problems.append(Problem(where, str(error)))
    except Exception as error:  # a fault of ours must not end a run over thousands; its text may hold patient data
        place = traceback.extract_tb(error.__traceback__)[-1]
        done.failures += 1
        done.problems.append(
            Problem(
                where,
                f"an error of this program ({type(error).__name__} in {Path(place.filename).name}, line {place.lineno}); please report it",
            )
        )


def call_of_record(record: Record, moment: Moment, hook: str, language: str = ENGLISH) -> Call:
    """The question about a record as of a moment, without look-ahead."""
    return Call(
        hook=hook,
        at=moment.at,
        documents=as_of(record, moment.at, moment.order, drafts=hook.startswith("order-")),
        patient_id=record.patient_id,
        hook_instance=f"{record.name}|{moment.order.reference if moment.order else ''}",
        missing=record.missing if record.has_patient else {"patient": "the record has no Patient", **record.missing},
        language=language,
    )


def call_of_request(knowledge: Knowledge, body: bytes, when: When, now: datetime) -> tuple[Call, tuple[str, ...]]:
    """The question of a CDS Hooks request, with what a reader should know.

    Raises:
        BadRequest, BadInput: it cannot be read, or asks for a hook without rules.
    """
    request = read_request(body)
    if request.hook not in knowledge.judge.hooks():
        raise BadInput(
            f"a request of a hook we have no rules for; one of {', '.join(knowledge.judge.hooks())} belongs there"
        )
    if isinstance(when, datetime):
        return request.call(when), ()
    if when == "now":
        return request.call(now), ()
    if request.at is not None:
        return request.call(request.at), ()
    call = request.call(now)
    items = dated(entry for document in call.documents for entry in entries(bytes(document.raw)) if entry.kind in USED)
    found = last(Record("", (), None, items))
    return request.call(found or now), () if found else (said("no date in the request: judged as of now"),)


def _of_record(
    knowledge: Knowledge, record: Record, moment: Moment, options: Options, name: str, unread: tuple[Unread, ...]
) -> Result:
    call = call_of_record(record, moment, options.hook, options.language)
    notes = [*record.notes, *([moment.note] if moment.note else [])]
    if count := unsettled(record.items):
        notes.append(f"{count} finished orders without an end date: not counted as active at any time")
    evaluation = evaluate(knowledge, call)
    result = _result(evaluation, name, record.name, record.origins, tuple(notes))
    if options.calls:
        result = _with_call(result, knowledge, call, evaluation)
    order = moment.order.reference if moment.order else ""
    return replace(result, order=order, unread=(*result.unread, *unread)) if order or unread else result


def _of_request(knowledge: Knowledge, origin: str, body: bytes, options: Options, now: datetime) -> Result:
    call, notes = call_of_request(knowledge, body, options.when, now)
    call = replace(call, language=options.language)
    evaluation = evaluate(knowledge, call)
    result = _result(evaluation, stem_of(origin), f"Patient/{call.patient_id}", (origin,), notes)
    return _with_call(result, knowledge, call, evaluation) if options.calls else result


def _with_call(result: Result, knowledge: Knowledge, call: Call, evaluation: Evaluation) -> Result:
    """A result with all that a reader of it needs to judge for themselves."""
    outcomes = {
        rule: (outcome.state, outcome.indicator or "")
        for rule, outcome in evaluation.outcomes.items()
        if knowledge.rules[rule].status == "active"
    }
    return replace(result, call=packed(call), outcomes=outcomes)


def _result(
    evaluation: Evaluation, name: str, patient: str, origins: tuple[str, ...], notes: tuple[str, ...]
) -> Result:
    shown = {card["extension"][FINDING]["rule"] for card in evaluation.cards}
    return Result(
        name=name,
        patient=patient,
        about=about(evaluation),
        origins=origins,
        hook=evaluation.hook,
        at=evaluation.at,
        cards=evaluation.cards,
        evidence={
            finding.rule.id: evidence_of(evaluation, finding.rule.id)
            for finding in evaluation.findings
            if finding.rule.id in shown
        },
        not_judged={rule: tuple(because) for rule, because in evaluation.not_judged.items()},
        judged=len(evaluation.outcomes) - len(evaluation.not_judged),
        unread=evaluation.unread,
        not_understood=dict(evaluation.chart.not_understood),
        matcher=evaluation.matcher,
        disagreements=evaluation.disagreements,
        fingerprint=evaluation.fingerprint,
        drafts=tuple(each.label for each in evaluation.chart.medications if each.state == "draft"),
        notes=notes,
    )


def about(evaluation: Evaluation) -> Said:
    """Sex, birth and age at the instant, as far as they are known."""
    subject = evaluation.chart.subject
    if subject is None:
        return said("no Patient resource")
    words = [word(subject.sex) if subject.sex else said("sex not known")]
    if subject.birth_date:
        words += [
            said("born {date}", date=subject.birth_date.isoformat()),
            said("{years} years", years=completed_years(subject.birth_date, evaluation.at)),
        ]
    else:
        words.append(said("birth date not known"))
    return joined_words(words)


def _strict(record: Record) -> tuple[Record, tuple[Unread, ...]]:
    """The record without what full FHIR validation refuses, and the reasons."""
    kept, unread = [], []
    for item in record.items:
        reason = why_invalid(bytes(item.entry.raw))
        if reason is None:
            kept.append(item)
        else:
            unread.append(Unread(item.reference, "invalid", reason))
    return changed(record, items=kept), tuple(unread)
