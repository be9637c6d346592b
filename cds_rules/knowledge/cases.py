"""Cases beside a rule: little worlds of facts and what the rule must say in them.

    given:                      facts of every case; one mapping for one fact, a list for several
      kidney: {tier: G4}
    cases:
      - {name: dose just above the limit, hook: order-sign, with: {magnesium: {total_mg: 351}}, expect: critical}
      - {name: labs not delivered, gaps: [lab], expect: warning}

expect is info, warning, critical, silent or not-judged; hook is patient-view unless named. Facts of which there is exactly
one (patient, kidney, magnesium, toxicity) start from a quiet adult with good kidneys; `impaired`, `severe` follow the tier
and `over_limit` the total unless they are named. Elsewhere a flag that is not named is false and the rest is not known;
write null for a flag that is not known, and the ends of a number of which no more is known: `total_mg: {ge: 400}`,
`age_days: {ge: 3, le: 33}`.
Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any

from cds_rules.knowledge.conditions import Words
from cds_rules.knowledge.files import Reader, near, read_yaml, shown
from cds_rules.vocabulary.errors import Mistake
from cds_rules.vocabulary.facts import HOOKS, KINDS, Between, Fact, Value, between, call, fact
from cds_rules.vocabulary.frozen import Frozen

EXPECTATIONS = ("silent", "info", "warning", "critical", "not-judged")

QUIET: Mapping[str, Mapping[str, Value]] = {
    "patient": {
        "age_years": 60,
        "sex": "female",
        "pregnant": False,
        "postpartum": False,
        "comfort_care": False,
        "torsades": False,
    },
    "kidney": {"tier": "OK", "egfr": 90, "egfr_age_days": 30, "aki_stage": 0},
    "magnesium": {
        name: False if field.type == "flag" else 0
        for name, field in KINDS["magnesium"].fields.items()
        if name != "focal_start_days"
    },
    "toxicity": {"present": False, "specific_major": False, "major": False, "level_measured": False},
}
"""The facts there is exactly one of, for a quiet adult with good kidneys and no medication."""


class Case(Frozen, frozen=True):
    """One world and what a rule says in it. gaps: kinds of fact of which some may be missing."""

    rule: str
    name: str
    hook: str
    facts: tuple[Fact, ...]
    gaps: frozenset[str]
    expect: str


def read_cases(path: Path, name: str, rule: str, words: Words) -> tuple[tuple[Case, ...], tuple[Mistake, ...]]:
    """Read a rule's cases. Returns those without mistakes, and all mistakes."""
    if not path.exists():
        return (), (Mistake(name, "", f"is missing; the cases of {rule} belong there"),)
    document, syntax = read_yaml(path, name)
    if syntax and document is None:
        return (), syntax
    reader = Reader(name, syntax)
    body = reader.mapping(document, "", ("cases",), ("given",))
    given = _facts(reader, body.get("given", {}), "given", words)
    cases: list[Case] = []
    for item, where in reader.items(body, "cases", "", 1):
        entry = reader.mapping(item, where, ("name", "expect"), ("hook", "with", "without", "gaps"))
        stated = _facts(reader, entry.get("with", {}), f"{where}.with", words)
        left_out = reader.words(entry, "without", where, KINDS)
        hook = reader.word(entry, "hook", where, HOOKS, "patient-view")
        title = reader.text(entry, "name", where)
        if any(case.name == title for case in cases):
            reader.wrong(f"{where}.name", f"{shown(title)} stands twice", item)
        cases.append(
            Case(
                rule,
                title,
                hook,
                _world(hook, given, stated, left_out),
                frozenset(reader.words(entry, "gaps", where, KINDS)),
                reader.word(entry, "expect", where, EXPECTATIONS, "silent"),
            )
        )
    return tuple(cases), tuple(reader.mistakes)


Stated = dict[str, list[dict[str, Value]]]


def _facts(reader: Reader, value: object, where: str, words: Words) -> Stated:
    """Facts by kind as stated: a mapping for one, a list for several."""
    found: Stated = {}
    for kind, stated in reader.mapping(value, where, open_keys=True).items():
        place = f"{where}.{kind}"
        if kind not in KINDS or kind == "call":
            reader.wrong(
                place, f'unknown fact "{kind}"{near(kind, [each for each in KINDS if each != "call"])}', value, kind
            )
            continue
        several = stated if isinstance(stated, Sequence) and not isinstance(stated, str) else [stated]
        found[kind] = [_fields(reader, each, f"{place}[{number}]", kind, words) for number, each in enumerate(several)]
    return found


def _fields(reader: Reader, value: object, where: str, kind: str, words: Words) -> dict[str, Value]:
    declared = KINDS[kind].fields
    found: dict[str, Value] = {}
    for name, given in reader.mapping(value, where, (), tuple(declared)).items():
        if name not in declared:
            continue
        choice = words.get((kind, name), frozenset())
        if isinstance(given, str) and choice and given not in choice:
            reader.wrong(f"{where}.{name}", f"unknown word {shown(given)}{near(given, choice)}", value, name)
            continue
        plain: Value = str(given) if isinstance(given, str) else given
        if isinstance(given, Mapping) and declared[name].type == "number":
            plain = _ends(reader, given, f"{where}.{name}")
        try:
            fact(kind, **{name: plain})
        except (TypeError, ValueError) as error:
            reader.wrong(f"{where}.{name}", f"found {shown(given)}; {error}", value, name)
            continue
        found[name] = plain
    return found


def _ends(reader: Reader, value: Mapping[str, Any], where: str) -> float | Between | None:
    """A number of which only the ends are known."""
    reader.mapping(value, where, (), ("ge", "le"))
    return between(
        reader.number(value, "ge", where) if "ge" in value else -inf,
        reader.number(value, "le", where) if "le" in value else inf,
    )


def _world(hook: str, given: Stated, stated: Stated, left_out: Sequence[str]) -> tuple[Fact, ...]:
    facts = [call(hook)]
    for kind in KINDS:
        if kind == "call" or kind in left_out:
            continue
        if kind in QUIET:
            fields: dict[str, Any] = {**QUIET[kind]}
            for source in (given, stated):
                for each in source.get(kind, [])[:1]:
                    fields |= each
            facts.append(fact(kind, **_following(kind, fields)))
        else:
            for each in stated.get(kind, given.get(kind, [])):
                flags = {name: False for name, field in KINDS[kind].fields.items() if field.type == "flag"}
                facts.append(fact(kind, **{**flags, **each}))
    return tuple(facts)


def _following(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Fill in what follows from other fields unless it is named."""
    if kind == "kidney":
        tier = fields["tier"]
        follows: dict[str, Any] = {
            "impaired": tier in ("G3b", "G4", "G5", "AKI", "DIALYSIS"),
            "severe": tier in ("G4", "G5", "AKI", "DIALYSIS"),
            "dosing_tier": tier,
        }
        if tier in ("UNKNOWN", "AKI", "DIALYSIS"):
            follows |= {"egfr": None, "egfr_age_days": None}
        return {
            **fields,
            **{name: value for name, value in follows.items() if fields.get(name) == QUIET[kind].get(name)},
        }
    total = fields.get("total_mg")
    if kind == "magnesium" and not fields["over_limit"] and total is not None:
        certain = total.least > 350 or total.most <= 350 if isinstance(total, Between) else True
        most = total.most if isinstance(total, Between) else total
        return {**fields, "over_limit": most > 350 if certain else None}
    return fields
