"""What a review set came to: agreement, predictive value and sensitivity by rule; and what leaves the house of it.

An export names a set by its number and an item by its place. It holds no comment, no reference, no date and no name.
Flows in: rows of a set, and for vignettes what was judged. Flows out: numbers, a CSV file, an archive of cases.
Floor: edge (review).
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.review.statistics import Agreement, Judgement, Sensitivity, Share, Stratum, agreement, sensitivity, share
from cds_rules.review.vignettes import Vignette, vignette
from cds_rules.store.packing import unpacked
from cds_rules.store.reviews import Drawn, Row
from cds_rules.vocabulary.errors import BadInput

DECIDED = frozenset({"yes", "no"})
NOTHING = "none"
"""Stands for the judgement of an action where none was proposed."""


@dataclass(frozen=True, slots=True)
class OfRule:
    """What a review found of one rule.

    trigger, action: of its alerts, the share that was right. open: items that are not settled. sensitivity: see there.
    """

    rule: str
    alerts: int
    silences: int
    open: int
    trigger: Share
    action: Share
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class Results:
    """All of a set. readers: how many people read. trigger, action: agreement of two readings before any adjudication."""

    items: int
    readers: int
    read: int
    settled: int
    trigger: Agreement
    action: Agreement
    rules: tuple[OfRule, ...]


def results(rows: Sequence[Row], strata: Sequence[Drawn]) -> Results:
    """Reckon over what two readers have read; of one reading alone nothing is told."""
    rules = sorted({row.rule for row in rows})
    return Results(
        items=len(rows),
        readers=len({reader for row in rows for reader in row.readers}),
        read=sum(bool(row.trigger) for row in rows),
        settled=sum(bool(row.final("trigger")) for row in rows),
        trigger=agreement(cast(tuple[str, str], row.trigger) for row in rows if row.trigger),
        action=agreement(cast(tuple[str, str], row.action) for row in rows if row.action and row.stratum == "alert"),
        rules=tuple(_of_rule(rule, [row for row in rows if row.rule == rule], strata) for rule in rules),
    )


def _of_rule(rule: str, rows: Sequence[Row], strata: Sequence[Drawn]) -> OfRule:
    alerts = [row for row in rows if row.stratum == "alert"]
    parts: dict[bool, list[Stratum]] = {True: [], False: []}
    for drawn in strata:
        if drawn.rule == rule:
            own = [row.final("trigger") for row in rows if row.stratum == drawn.stratum]
            told = Stratum(drawn.population, own.count("yes"), sum(each in DECIDED for each in own))
            parts[drawn.stratum == "alert"].append(told)
    return OfRule(
        rule=rule,
        alerts=len(alerts),
        silences=len(rows) - len(alerts),
        open=sum(not row.final("trigger") for row in rows),
        trigger=share(_judgements(row.final("trigger") for row in alerts)),
        action=share(_judgements(row.final("action") for row in alerts)),
        sensitivity=sensitivity(parts[True], parts[False]),
    )


def _judgements(found: Iterable[str]) -> Iterable[Judgement]:
    return (cast(Judgement, each) for each in found if each not in ("", NOTHING))


HEAD = (
    "set", "item", "rule", "version", "stratum", "level", "hook", "weight", "first_trigger", "second_trigger",
    "first_action", "second_action", "adjudicated_trigger", "adjudicated_action", "trigger", "action",
)  # fmt: skip


def as_csv(identity: int, rows: Iterable[Row]) -> str:
    """A row an item (RFC 4180). Readers are the first and the second, and have no names; an item that is not settled is empty."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD)
    for row in rows:
        trigger, action = (row.trigger, row.action) if row.final("trigger") and row.trigger else (("", ""), ("", ""))
        writer.writerow(
            [
                *(identity, row.position, row.rule, row.version, row.stratum, row.level, row.hook, f"{row.weight:.6g}"),
                *(*trigger, *action, *(row.judged or ("", "")), row.final("trigger"), row.final("action")),
            ]
        )
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Told:
    """Vignettes of a set. left_out: settled items of which there is none, and why, counted."""

    vignettes: tuple[Vignette, ...]
    left_out: Mapping[str, int]


def told(identity: int, rows: Iterable[Row], contents: Mapping[int, bytes], knowledge: Knowledge) -> Told:
    """The vignettes of what is settled with yes or no, judged by the rules of today."""
    found: list[Vignette] = []
    left_out: dict[str, int] = {}
    for row in rows:
        final = row.final("trigger")
        if not final:
            continue
        why, made = "", None
        if final not in DECIDED:
            why = "settled as unsure"
        elif row.id not in contents:
            why = "what was judged is not kept any more"
        elif row.rule not in knowledge.rules:
            why = "the rule is not there any more"
        else:
            made = _vignette(f"review {identity} item {row.position}", row, contents[row.id], knowledge, final == "yes")
            why = "" if made else "it cannot be told without more than a case may hold"
        if made:
            found.append(made)
        else:
            left_out[why] = left_out.get(why, 0) + 1
    return Told(tuple(found), left_out)


def _vignette(name: str, row: Row, content: bytes, knowledge: Knowledge, speak: bool) -> Vignette | None:
    rule = knowledge.rules[row.rule]
    try:
        evaluation = evaluate(knowledge, unpacked(json.dumps(json.loads(content)["call"]).encode()))
    except BadInput:
        return None
    if evaluation.hook not in rule.hooks:
        return None
    made = vignette(rule, evaluation, knowledge.pack_of[row.rule].words, name, speak)
    if made and row.stratum == "suppressed" and not speak and made.said in ("info", "warning", "critical"):
        return None  # right by the order between rules, of which the cases of one rule know nothing
    return made


def archive(made: Told) -> bytes:
    """The cases by rule: `agreed`, which pass, and `contradicted`, which fail until the rule is changed."""
    files: dict[str, list[str]] = {}
    for each in made.vignettes:
        folder = "agreed" if each.agreed else "contradicted"
        files.setdefault(f"{folder}/{each.rule}.cases.yaml", []).append(f"  - {each.line()}")
    counts: dict[str, Any] = {
        folder: sum(name.startswith(folder) for name in files) for folder in ("agreed", "contradicted")
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, lines in sorted(files.items()):
            zipped.writestr(
                _member(name), "\n".join(["# From a review; checked and signed by nobody yet.", "cases:", *lines, ""])
            )
        zipped.writestr(_member("README.txt"), _README.format(**counts) + _left_out(made))
    return held.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """A member without the hour it was made at."""
    return zipfile.ZipInfo(name)


_README = """Cases of a review, for `cds-rules test --cases FOLDER`.

agreed ({agreed} files): the rule says what the readers found it ought to say.
contradicted ({contradicted} files): it does not; where it was silent, the level is the lowest of the rule and is yours to decide.
To keep a case, move its line into the file of cases beside the rule.
"""


def _left_out(made: Told) -> str:
    lines = [f"  {count}: {why}" for why, count in sorted(made.left_out.items())]
    return "\n".join(["", "Left out:", *lines, ""]) if lines else ""
