"""An explanation as JSON: one object a rule, the tree below it, what is missing and which prefetch key would bring it.

The answer of `POST /explain`, of `cds-rules explain --json`, and what the text of that command is written from.
Flows in: an `Evaluation`. Flows out: JSON-shaped dicts. Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any as Json

from cds_rules.cards.reasons import reasons, together
from cds_rules.cards.silence import miss_words
from cds_rules.derive import Derived
from cds_rules.engine.changes import Recorded, Reported
from cds_rules.engine.explanation import Check, Clause, Distance, Explanation, Lack, Miss, Reading, readings
from cds_rules.engine.inquiry import Inquiry
from cds_rules.engine.reference import Judgement
from cds_rules.evaluate import Evaluation, Knowledge
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.knowledge.rules import All, Any, Not, Pattern
from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.facts import KINDS, Between

TRUTHS = ("not met", "unknown", "met")
_NEAREST, _FACTS = 3, 4
"""Silent rules whose counterfactuals are worked out unasked, and facts shown of a leaf."""


def explained(
    knowledge: Knowledge, evaluation: Evaluation, only: str | None = None, verify: bool = False
) -> dict[str, Json]:
    """Explain an evaluation, or one rule of it.

    Args:
        only: id of a rule of the hook; of a silence no way is told that is an illness or a symptom. verify: try whether the evidence of each finding is faithful.
    """
    inquiry = Inquiry(knowledge.rulebook, evaluation.scenario, evaluation.settled)
    wanted = [each for each in inquiry.explanations() if only in (None, each.rule.id)]
    silent = [each.rule.id for each in wanted if each.outcome.state == "not-fired"][:_NEAREST]
    return {
        "hook": evaluation.hook,
        "at": evaluation.at.isoformat(),
        "matcher": evaluation.matcher,
        "fingerprint": evaluation.fingerprint,
        "rules": [
            _rule(each, inquiry, verify, bool(only) or each.outcome.state == "fired" or each.rule.id in silent)
            for each in wanted
        ],
    }


def _rule(each: Explanation, inquiry: Inquiry, verify: bool, ask: bool) -> dict[str, Json]:
    derived, outcome = inquiry.settled.derived, each.outcome
    finding = next((found for found in inquiry.settled.verdict.findings if found.rule.id == each.rule.id), None)
    shown = next((found for found in inquiry.settled.findings if found.rule.id == each.rule.id), None)
    told: dict[str, Json] = {
        "rule": each.rule.id,
        "title": each.rule.title,
        "version": each.rule.version,
        "outcome": outcome.state,
        "level": outcome.indicator,
        "because": list(outcome.because),
        "by": outcome.by,
        "winner": outcome.winner,
        "why": list(map(str, reasons(shown, inquiry))) if shown and ask else [],
        "evidence": _sources(source for _, places in (finding.sources if finding else ()) for source in places),
        "doubts": list(map(str, finding.doubts)) if finding else [],
        "nearest": [_miss(miss) for miss in each.shortfall.misses] if each.shortfall else [],
        "counterfactuals": [
            {
                "if": str(together(way.changes)),
                "outcome": way.outcome.state,
                "level": way.outcome.indicator,
                "instead": [found.rule.id for found in way.instead],
            }
            for way in (inquiry.counterfactuals(each.rule) if ask else ())
            if shown or not any(isinstance(change, Recorded | Reported) for change in way.changes)
        ],
        "missing": [_lack(lack) for lack in each.lacking],
        "conditions": [_clause(clause, derived) for clause in each.clauses],
    }
    if shown and ask and (mark := inquiry.borderline(each.rule)):
        told["borderline"] = {"probability": mark.probability, "results": list(mark.keys)}
    if verify and finding:
        told["unfaithful"] = list(inquiry.unfaithful(finding))
    return {key: value for key, value in told.items() if value or key == "unfaithful"}


def _clause(clause: Clause, derived: Derived) -> dict[str, Json]:
    return {"part": clause.role, "says": clause.says, "applies": clause.applies, "is": _node(clause.judgement, derived)}


def _node(judgement: Judgement, derived: Derived) -> dict[str, Json]:
    condition, truth = judgement.condition, TRUTHS[judgement.truth]
    match condition:
        case Pattern():
            found = readings(judgement, derived)
            return {
                "leaf": str(condition),
                "truth": truth,
                "facts": [_reading(reading) for reading in found[:_FACTS]],
                **({"more": len(found) - _FACTS} if len(found) > _FACTS else {}),
            }
        case All() | Any() | Not():
            return {
                {All: "all", Any: "any", Not: "not"}[type(condition)]: [
                    _node(part, derived) for part in judgement.parts
                ],
                "truth": truth,
            }


def _reading(reading: Reading) -> dict[str, Json]:
    return {
        "checks": [_check(check, reading.fact.kind) for check in reading.checks],
        **({"measured": dict(zip(("of", "value", "unit"), reading.measured, strict=True))} if reading.measured else {}),
        "sources": _sources(reading.fact.sources_of(check.test.field for check in reading.checks)),
    }


def _check(check: Check, kind: str) -> dict[str, Json]:
    return {
        "field": check.test.field,
        "meaning": KINDS[kind].fields[check.test.field].meaning,
        "wanted": str(check.test),
        "value": str(check.value) if isinstance(check.value, Between) else check.value,
        "unit": check.unit,
        "truth": TRUTHS[check.truth],
        **({"distance": _distance(check.distance)} if check.distance else {}),
    }


def _distance(distance: Distance) -> dict[str, Json]:
    return {"of": distance.field, "value": float(distance.value), "limit": distance.limit, "unit": distance.unit}


def _miss(miss: Miss) -> dict[str, Json]:
    return {
        "says": str(miss_words(miss)),
        "leaf": str(miss.pattern),
        "would have to be": "met" if miss.wanted else "not met",
        "facts": [_reading(miss.reading)] if miss.reading else [],
    }


def _sources(sources: Iterable[Source]) -> list[dict[str, Json]]:
    return [
        {
            "reference": each.reference,
            "label": each.label,
            **({"value": each.value} if each.value else {}),
            **({"date": each.written or each.when.isoformat()} if each.when else {}),
        }
        for each in dict.fromkeys(sources)
    ]


def _lack(lack: Lack) -> dict[str, Json]:
    fields = KINDS[lack.pattern.kind].fields
    return {
        "leaf": str(lack.pattern),
        "not known": [fields[name].meaning for name in lack.fields],
        "because": list(lack.because),
        "prefetch": list(keys_for(lack.domains, lack.names)),
        "unusable": [
            {"reference": each.reference, "reason": each.reason, "detail": each.detail} for each in lack.unusable
        ],
    }


def keys_for(domains: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """The prefetch keys that would bring keys of the record out of some of its parts.

    >>> keys_for(["labs"], ["magnesium"]), keys_for(["medications"], [])
    (('magnesium',), ('medications',))
    """
    wanted, parts = set(names), set(domains)
    return tuple(
        query.key
        for query in QUERIES
        if query.required and query.domain in parts and (not query.codes or not wanted or wanted & set(query.codes))
    )
