"""`cds-rules why`: why a rule did or did not speak about a patient at a time, from the ledger of decisions.

Answers with what was recorded at the nearest decision in which the rule was judged, with the decisions around it, and judges
again where the inputs are kept. The id of the patient is looked for by its hash; it is neither printed nor logged.
Flows in: settings of the service, the words of the command line. Flows out: lines or JSON on standard output, an exit code.
Floor: edge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_rules import load_packs
from cds_rules.commands.explain import text
from cds_rules.commands.ledger import recorded_of, store
from cds_rules.evaluate import Call, Knowledge, evaluate
from cds_rules.hooks.explained import explained
from cds_rules.replay.instants import read_when
from cds_rules.vocabulary.errors import BadInput

if TYPE_CHECKING:
    from cds_rules.store.recall import Recalled, Shown

AROUND = 3
"""Decisions that are told before and after the nearest one."""
_SHORT = 12
"""Characters of a fingerprint that are enough to tell two apart."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command line."""

    patient: str
    at: str
    rule: str
    issuer: str = ""
    tenant: str = ""
    server: str = ""
    json: bool = False


def command(config: Path | None, asked: Asked, folders: Sequence[Path] = (), site: Path | None = None) -> int:
    """Tell what is recorded.

    Args:
        folders, site: packs and parameters to judge again with; without them those of the settings.

    Returns:
        0; 1 when no decision about this patient, or none in which the rule was judged, is recorded.

    Raises:
        BadInput: no instant, or a rule that neither the packs nor the records know.
        StoreError: the database or a key cannot be used.
    """
    at = read_when(asked.at)
    if not isinstance(at, datetime):
        raise BadInput(f'"{asked.at}" is no instant; a day (2026-01-31) or an instant belongs there', "--at")
    if not asked.patient:
        raise BadInput("nothing is named; the id that the EHR sends in context.patientId belongs there", "--patient")
    with store(config) as opened:
        from cds_rules.store.decisions import Caller

        knowledge = _knowledge(config, folders, site)
        found = opened.recall(asked.patient, Caller(asked.tenant, asked.issuer), at, asked.server)
        judged = [each for each in found if asked.rule in each.fates]
        if asked.rule not in knowledge.rules and not judged:
            raise BadInput(
                f'no pack and no decision has a rule "{asked.rule}"; `cds-rules lint` lists the packs', "--rule"
            )
        nearest = min(judged, key=lambda each: abs(each.at - at), default=None)
        told: dict[str, Any] = {"rule": asked.rule, "at": at.isoformat()}
        if found:
            told |= _told(knowledge, asked, found, nearest, at)
        else:
            told["nothing"] = f"no decision about such a patient is recorded{_whose(asked)}; {recorded_of(opened)}"
        if nearest is not None:
            told["again"] = _again(knowledge, asked, nearest, nearest.call(opened.keys))
    print(json.dumps(told, ensure_ascii=False, indent=1) if asked.json else "\n".join(_text(told)))
    return 0 if nearest else 1


def _knowledge(config: Path | None, folders: Sequence[Path], site: Path | None) -> Knowledge:
    from cds_rules.service.configuration import read_settings

    packs = read_settings(config).packs
    return load_packs(None, folders or packs.folders, site or packs.parameters, packs.codes)


def _whose(asked: Asked) -> str:
    named = [name for name in ("issuer", "tenant", "server") if getattr(asked, name)]
    return f" under this {' and '.join(named)}" if named else " of calls without a token"


def _told(
    knowledge: Knowledge, asked: Asked, found: Sequence[Recalled], nearest: Recalled | None, at: datetime
) -> dict[str, Any]:
    told: dict[str, Any] = {}
    place = found.index(nearest) if nearest else sum(each.at <= at for each in found)
    around = found[max(place - AROUND, 0) : place + AROUND + 1]
    told["decisions"] = [_line(each, asked.rule, each is nearest) for each in around]
    if len({each.server for each in found}) > 1:
        told["servers"] = len({each.server for each in found})
    if nearest is None:
        rule = knowledge.rules[asked.rule]
        return told | {
            "nothing": "in none of the recorded decisions around was this rule judged"
            f" ({len(found)} looked at; it is a rule of {', '.join(sorted(rule.hooks))}, status {rule.status})"
        }
    fate, card = nearest.fates[asked.rule], nearest.cards.get(asked.rule)
    told["recorded"] = {
        "row": nearest.row,
        "at": nearest.at.isoformat(),
        "hook": nearest.hook,
        "status": nearest.status,
        "outcome": fate.state,
        "level": fate.level,
        "by": fate.by,
        "winner": fate.winner,
        "because": list(fate.because),
        "card": card and _card(card),
        "not delivered": [
            {"key": key, "state": state, "because": because} for key, state, because in nearest.undelivered
        ],
        "matcher": nearest.matcher,
        "fingerprint": nearest.fingerprint,
    }
    return told


def _card(card: Shown) -> dict[str, Any]:
    answered = card.answered.isoformat() if card.answered else ""
    return {
        "level": card.level,
        "version": card.version,
        "answer": card.state,
        "answered": answered,
        "reason": card.reason,
    }


def _line(each: Recalled, rule: str, nearest: bool) -> dict[str, Any]:
    fate = each.fates.get(rule)
    return {
        "row": each.row,
        "at": each.at.isoformat(),
        "hook": each.hook,
        "outcome": fate.state if fate else "not a rule of this hook then",
        "level": fate.level if fate else "",
        "nearest": nearest,
    }


def _again(knowledge: Knowledge, asked: Asked, recorded: Recalled, call: Call | None) -> dict[str, Any]:
    """The decision judged with the rules of this installation, where its inputs are kept."""
    if call is None:
        return {
            "nothing": "what was judged was removed after store.content_days"
            if recorded.emptied
            else "what was judged was not kept; store.keep = full keeps it, sealed, from then on"
        }
    same = recorded.fingerprint == knowledge.fingerprint
    again: dict[str, Any] = {"same rules": same, "fingerprint": knowledge.fingerprint}
    evaluation = evaluate(knowledge, call)
    if asked.rule not in evaluation.outcomes:
        return again | {"nothing": f"it is no rule of {call.hook} any more"}
    outcome, fate = evaluation.outcomes[asked.rule], recorded.fates[asked.rule]
    told = _unnamed(explained(knowledge, evaluation, asked.rule), call.patient_id)
    return again | {
        "same outcome": (outcome.state, outcome.indicator or "") == (fate.state, fate.level),
        "explanation": told,
    }


def _unnamed(told: Any, patient: str | None) -> Any:
    """An explanation in which the patient's own resource has no id."""
    match told:
        case dict():
            return {key: _unnamed(value, patient) for key, value in told.items()}
        case list():
            return [_unnamed(each, patient) for each in told]
        case str() if patient and (told == f"Patient/{patient}" or told.endswith(f"/Patient/{patient}")):
            return "Patient"
    return told


def _text(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['rule']} around {told['at']}"
    if "servers" in told:
        yield f"  these are of {told['servers']} FHIR servers, where the id may mean others; --server names one"
    for each in told.get("decisions", ()):
        level = f" {each['level']}" if each["level"] else ""
        yield f"{'>' if each['nearest'] else ' '} {each['at']}  {each['hook']}  {each['outcome']}{level}  (row {each['row']})"
    if "nothing" in told:
        yield f"nothing to tell: {told['nothing']}"
    if "recorded" in told:
        yield from _recorded(told["recorded"])
        yield from _judged_again(told["again"], told["recorded"]["fingerprint"])


def _recorded(said: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    level = f" {said['level']}" if said["level"] else ""
    yield f"RECORDED  {said['outcome']}{level}, answered {said['status']}"
    if said["by"]:
        by = f" by {said['by']}"
        winner = f", for {said['winner']}" if said["winner"] else ""
        yield f"  suppressed{by}{winner}"
    yield from (f"  because {each}" for each in said["because"])
    if card := said["card"]:
        answered = f" at {card['answered']}" if card["answered"] else ""
        reason = f" ({card['reason']})" if card["reason"] else ""
        yield f"  card shown: {card['level']}, rule version {card['version']}; {card['answer']}{answered}{reason}"
    for each in said["not delivered"]:
        because = f" ({each['because']})" if each["because"] else ""
        yield f"  not delivered: {each['key']}, {each['state']}{because}"
    yield f"  matched by {said['matcher']}; fingerprint {said['fingerprint'][:_SHORT]}"


def _judged_again(again: Mapping[str, Any], before: str) -> Iterator[str]:
    yield ""
    if "same rules" not in again:
        yield f"NOT JUDGED AGAIN: {again['nothing']}"
        return
    now = again["fingerprint"][:_SHORT]
    rules = "the rules it was judged with" if again["same rules"] else f"other rules: fingerprint {now}"
    was = "" if again["same rules"] else f", recorded {before[:_SHORT]}"
    yield f"JUDGED AGAIN with {rules}{was}"
    if "nothing" in again:
        yield f"  {again['nothing']}"
        return
    yield "  the same outcome as recorded" if again["same outcome"] else "  ANOTHER OUTCOME than recorded"
    yield from (f"  {line}" if line else "" for line in text("the inputs that were kept", again["explanation"], True))
