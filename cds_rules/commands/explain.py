"""`cds-rules explain`: why each rule spoke or was silent about one record or request, as text or JSON.

Flows in: a file, the words of the command line. Flows out: lines on standard output, an exit code. Floor: edge.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cds_rules.cards.texts import cleaned
from cds_rules.evaluate import Call, Knowledge, evaluate
from cds_rules.hooks.explained import explained
from cds_rules.hooks.request import BadRequest
from cds_rules.replay.instants import moments as moments_of
from cds_rules.replay.instants import read_when
from cds_rules.replay.record import Record
from cds_rules.replay.run import call_of_record, call_of_request
from cds_rules.replay.sources import joined, load, plan
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.facts import HOOKS

_THEN = {"fired": "would be {}", "suppressed": "would be held back", "not-fired": "would be silent"}  # fmt: skip
_MARKS = {"met": "+", "not met": "-", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command line."""

    path: Path
    rule: str = ""
    hook: str = ""
    at: str = "last"
    json: bool = False
    verify: bool = False
    parameters: bool = False


def command(knowledge: Knowledge, asked: Asked) -> int:
    """Explain what the file asks.

    Returns:
        0; with --verify 1 when an evidence is not faithful.

    Raises:
        BadInput: no such rule, hook or instant, or nothing in the file that can be judged.
    """
    if asked.rule and asked.rule not in knowledge.rules:
        raise BadInput(f'there is no rule "{asked.rule}"; `cds-rules lint` lists the packs', "--rule")
    wrong = 0
    for name, call in calls(knowledge, asked.path, asked.hook, asked.at):
        evaluation = evaluate(knowledge, call)
        if asked.rule and asked.rule not in evaluation.outcomes:
            raise BadInput(f'"{asked.rule}" is not a rule of {call.hook}', "--rule")
        told = explained(knowledge, evaluation, asked.rule or None, asked.verify)
        if asked.parameters:
            told["parameters"] = dict(vars(knowledge.parameters))
        wrong += sum(bool(each.get("unfaithful")) for each in told["rules"])
        print(
            json.dumps(told, ensure_ascii=False, indent=1)
            if asked.json
            else "\n".join(text(name, told, bool(asked.rule)))
        )
    return 1 if wrong else 0


def calls(knowledge: Knowledge, path: Path, hook: str, at: str) -> Iterator[tuple[str, Call]]:
    """The questions of a file: a CDS Hooks request as it is, a record at the instant that is asked for.

    Raises:
        BadInput: nothing in it can be judged; says why.
    """
    if hook and hook not in HOOKS:
        raise BadInput(f'"{hook}" is no hook; one of {", ".join(knowledge.judge.hooks())} belongs there', "--hook")
    when, now, some = read_when(at), datetime.now(UTC), False
    for origin, request in _requests(path):
        some = True
        try:
            yield origin, call_of_request(knowledge, request, when, now)[0]
        except BadRequest as error:
            raise BadInput("; ".join(map(str, error.faults)), origin) from None
    for record in records(path):
        some = True
        each_order = when == "each-order"
        for moment in moments_of(record, when, now):
            name = f"{record.name} {moment.order.reference}" if moment.order else record.name
            yield name, call_of_record(record, moment, hook or ("order-sign" if each_order else "patient-view"))
    if not some:
        raise BadInput("nothing in it can be judged: a Bundle, NDJSON or a CDS Hooks request belongs there", str(path))


def records(path: Path) -> list[Record]:
    """The patients' records of a file or folder.

    Raises:
        BadInput: a document in it cannot be read.
    """
    found: list[Record] = []
    with TemporaryDirectory(prefix="cds-rules-") as spool:
        made = plan([path], Path(spool))
        problems = list(made.problems)
        fragments = []
        for task in made.tasks:
            loaded = load(task)
            found += loaded.records
            fragments += loaded.fragments
            problems += loaded.problems
        for task in joined(fragments):
            loaded = load(task)
            found += loaded.records
            problems += loaded.problems
    if problems and not found:
        raise BadInput("; ".join(map(str, problems)))
    return found


def _requests(path: Path) -> list[tuple[str, bytes]]:
    with TemporaryDirectory(prefix="cds-rules-") as spool:
        return [request for task in plan([path], Path(spool)).tasks for request in load(task).requests]


# --- text --------------------------------------------------------------------------------------------------------


def text(name: str, told: Mapping[str, Any], deep: bool) -> Iterator[str]:
    """An explanation as lines. deep: the whole tree of every rule, else of those that fired.

    What the record says stays text: it neither makes lines nor steers the terminal.
    """
    told = _cleaned(told)
    yield f"{cleaned(name)}: {told['hook']} at {told['at']}"
    for key, value in told.get("parameters", {}).items():
        yield f"  {key} = {value}"
    for rule in told["rules"]:
        yield ""
        level = f" {rule['level']}" if "level" in rule else ""
        yield f"{rule['outcome'].upper()}{level}  {rule['rule']}: {rule['title']}"
        yield from (f"  because {each}" for each in rule.get("because", ()))
        yield from (f"  why: {each}" for each in rule.get("why", ()))
        for each in rule.get("counterfactuals", ()):
            then = _THEN[each["outcome"]].format(each["level"])
            instead = f"; instead: {', '.join(each['instead'])}" if each["instead"] else ""
            yield f"  {then} if {each['if']}{instead}"
        for each in rule.get("missing", ()):
            what = "; ".join([*each["not known"], *each["because"]]) or "may be missing"
            yield f"  missing: {each['leaf']} ({what})"
            if each["prefetch"]:
                keys = each["prefetch"]
                yield f"    would be brought by prefetch key{'s' if len(keys) > 1 else ''} {', '.join(keys)}"
            yield from (
                f"    not used: {one['reference']}: {one['detail'] or one['reason']}" for one in each["unusable"]
            )
        if "unfaithful" in rule:
            yield from (f"  EVIDENCE: {each}" for each in rule["unfaithful"] or ["faithful"])
        if deep or rule["outcome"] == "fired":
            for clause in rule["conditions"]:
                applies = "  <- applies" if clause["applies"] and clause["part"] != "when" else ""
                says = f" {clause['says']}" if clause["says"] else ""
                yield f"  {clause['part']}{says}{applies}"
                yield from _tree(clause["is"], 2)
        else:
            for miss in rule.get("nearest", ()):
                where = [source for fact in miss["facts"] for source in fact["sources"]]
                yield f"  nearest: {miss['says']}{f'  [{_places(where)}]' if where else ''}"


def _cleaned(told: Any) -> Any:
    match told:
        case dict():
            return {key: _cleaned(each) for key, each in told.items()}
        case list():
            return list(map(_cleaned, told))
        case str():
            return cleaned(told)
    return told


def _tree(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    mark, pad = _MARKS[node["truth"]], "  " * depth
    if "leaf" in node:
        yield f"{pad}{mark} {node['leaf']}{_found(node['facts'])}"
        return
    kind = next(each for each in ("all", "any", "not") if each in node)
    if not node[kind]:
        yield f"{pad}{mark} always"
        return
    yield f"{pad}{mark} {kind}{' of' if kind != 'not' else ''}"
    for part in node[kind]:
        yield from _tree(part, depth + 1)


def _found(facts: Iterable[Mapping[str, Any]]) -> str:
    told = [_one(each) for each in facts]
    return f"  [{'; '.join(told)}]" if told else "  [none on the record]"


def _one(fact: Mapping[str, Any]) -> str:
    values = []
    for check in fact["checks"]:
        value = "not known" if check["value"] is None else check["value"]
        shown = _number(value) if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else value
        unit = f" {check['unit']}" if check["unit"] and check["value"] is not None else ""
        words = f"{check['field']} {shown}{unit}"
        if distance := check.get("distance"):
            words += f" ({distance['of']} {_number(distance['value'])}, limit {_number(distance['limit'])})"
        values.append(words)
    if (measured := fact.get("measured")) and not any("distance" in check for check in fact["checks"]):
        values.append(f"{measured['of']} {_number(measured['value'])} {measured['unit']}")
    where = _places(fact["sources"])
    return f"{', '.join(values)}{f' - {where}' if where else ''}"


def _places(sources: Sequence[Mapping[str, Any]]) -> str:
    where = ", ".join(map(_source, sources[:2]))
    return f"{where} and {len(sources) - 2} more" if len(sources) > 2 else where


def _source(source: Mapping[str, Any]) -> str:
    """Where it stands, and what stands there in the words of the chart."""
    day = f" of {source['date'][:10]}" if "date" in source else ""
    value = f": {source['label']} {source['value']}" if source.get("value") and "date" in source else ""
    return f"{source['reference']}{day}{value}"


def _number(value: float) -> str:
    """To two decimals.

    >>> _number(28.9773), _number(6801.0), _number(0.5)
    ('28.98', '6801', '0.5')
    """
    return f"{round(value, 2):.15g}"
