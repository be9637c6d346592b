"""An evaluation as the answer to a hook: cards, or the statement that something could not be assessed.

    every rule judged, none applies              200, no cards
    cards                                        200 with them; each says what was not assessed
    no card, some rule could not be judged       412 naming the prefetch keys, or an info card for clients that hide a 412

Flows in: `Evaluation` and the state of prefetch. Flows out: status and body. Nothing in it is null or empty but `cards: []`.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cds_rules.engine.arbitration import DECEASED
from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.hooks.discovery import Service
from cds_rules.hooks.outcome import Issue, operation_outcome
from cds_rules.hooks.prefetch import Delivery
from cds_rules.hooks.profiles import SHIPPED, Profile, shaped
from cds_rules.hooks.request import BadRequest, Fault, HookRequest, read_request
from cds_rules.hooks.wire import encode
from cds_rules.knowledge.languages import ENGLISH, Language
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import said

EVALUATION = "dev.cds-rules.evaluation"
FINDING = "dev.cds-rules.finding"
NOT_ASSESSED = "not-assessed"
"""Stands where a rule id stands, on the card that says that something could not be assessed."""

DEFAULT = SHIPPED["default"]

_ENGLISH = Language()
_TOPICS = "https://cds-rules.dev/fhir/CodeSystem/rule"
_NAMESPACE = uuid5(NAMESPACE_URL, "https://cds-rules.dev/")


class Questions(Frozen, frozen=True):
    """Where people can question a card. pages: address of the review pages; launched: the client's EHR opens them by a SMART launch."""

    pages: str
    launched: bool = False

    def link(self, card: str, say: Callable[[str], str]) -> dict[str, str]:
        """The link of a card."""
        label = say(said("Why this card, and what if"))
        if self.launched:
            return {"label": label, "url": f"{self.pages}/launch", "type": "smart", "appContext": card}
        return {"label": label, "url": f"{self.pages}/alerts/{card}", "type": "absolute"}


class Answer(Frozen, frozen=True):
    """What goes back to the client, and what it rests on."""

    status: int
    body: dict[str, Any]
    request: HookRequest
    call: Call
    evaluation: Evaluation

    def content(self) -> bytes:
        """The body as JSON; the same evaluation gives the same bytes."""
        return encode(self.body)


def judged(
    knowledge: Knowledge, request: HookRequest, at: datetime, overrides: tuple[Override, ...] = ()
) -> Evaluation:
    """Judge a request as of an instant.

    Args:
        overrides: what was answered to earlier cards of this patient.

    Raises:
        BadRequest: a prefetch value is no JSON that FHIR could be in.
    """
    return _evaluated(knowledge, request.call(at, overrides=overrides))


def _evaluated(knowledge: Knowledge, call: Call) -> Evaluation:
    try:
        return evaluate(knowledge, call)
    except BadInput as error:
        raise BadRequest((Fault("prefetch", str(error), "FHIR resources belong here"),), call.hook_instance) from None


def answered(
    knowledge: Knowledge,
    request: HookRequest,
    at: datetime,
    profile: Profile = DEFAULT,
    language: str = ENGLISH,
    overrides: tuple[Override, ...] = (),
    questions: Questions | None = None,
) -> Answer:
    """Judge a request as of an instant and shape the answer for its client.

    Args:
        overrides: what was answered to earlier cards of this patient. questions: where its cards can be questioned.

    Raises:
        BadRequest: as `judged`.
    """
    call = request.call(at, language=language, why=profile.why, overrides=overrides)
    evaluation = _evaluated(knowledge, call)
    status, content = respond(
        evaluation,
        request,
        source=knowledge.packs[0].source_label,
        profile=profile,
        language=knowledge.languages[language],
        questions=questions,
    )
    return Answer(status, content, request, call, evaluation)


def answer(
    knowledge: Knowledge,
    service: Service,
    body: bytes,
    *,
    at: datetime,
    profile: Profile = DEFAULT,
    heed_at: bool = False,
    language: str = ENGLISH,
) -> Answer:
    """Answer one call from what it brought.

    Args:
        at: the instant of the call. profile: of the client. heed_at: judge as of the instant in the request's extension, where there is one.
        language: of the texts, one of `knowledge.languages`.

    Raises:
        BadRequest: with every fault of the body.
    """
    request = read_request(body, service.hook)
    return answered(knowledge, request, (heed_at and request.at) or at, profile, language)


def respond(
    evaluation: Evaluation,
    request: HookRequest,
    *,
    source: str,
    profile: Profile = DEFAULT,
    language: Language = _ENGLISH,
    questions: Questions | None = None,
) -> tuple[int, dict[str, Any]]:
    """Status and body for an evaluation. source: label for a card of ours about what was not assessed."""
    made = (
        evaluation.cards if questions is None else [_asked(card, questions, language.say) for card in evaluation.cards]
    )
    cards = [
        pruned(card) for card in shaped(made, profile, request.patient_id, request.draft_references(), language.say)
    ]
    if not cards and evaluation.not_judged:
        if profile.unjudged == "status":
            return 412, _not_assessed(evaluation.not_judged)
        cards = [_not_assessed_card(evaluation, request.hook_instance, source, language.say)]
    return 200, {"cards": cards, "extension": {EVALUATION: _account(evaluation, request.prefetch.deliveries)}}


def _asked(card: Mapping[str, Any], questions: Questions, say: Callable[[str], str]) -> dict[str, Any]:
    return {**card, "links": [*card.get("links", ()), questions.link(card["uuid"], say)]}


def _account(evaluation: Evaluation, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    """What was judged, by what, and what was not."""
    return {
        key: value
        for key, value in {
            "judged": [rule for rule, outcome in evaluation.outcomes.items() if outcome.state != "not-judged"],
            "not_judged": [
                {"rule": rule, "because": "; ".join(because) or "not known"}
                for rule, because in evaluation.not_judged.items()
            ],
            "suppressed": [{"rule": rule, "because": because} for rule, because in evaluation.silenced.items()],
            "prefetch": [
                {"key": delivery.key, "state": delivery.state.value, "because": delivery.because}
                for delivery in deliveries
                if not delivery.page.whole
            ],
            "fetched": [delivery.key for delivery in deliveries if delivery.fetched and delivery.page.read],
            "silenced": DECEASED if any(DECEASED in one.because for one in evaluation.outcomes.values()) else "",
            "at": evaluation.at.isoformat(),
            "matcher": evaluation.matcher,
            "fingerprint": evaluation.fingerprint,
        }.items()
        if value
    }


def _by_reason(not_judged: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for rule, because in not_judged.items():
        for reason in tuple(because) or ("not known",):
            reasons.setdefault(reason, []).append(rule)
    return reasons


def _not_assessed(not_judged: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    return operation_outcome(
        Issue("incomplete", f"Not assessed, {reason}. Rules that could not be judged: {', '.join(rules)}.")
        for reason, rules in _by_reason(not_judged).items()
    )


def _not_assessed_card(
    evaluation: Evaluation, hook_instance: str, source: str, say: Callable[[str], str]
) -> dict[str, Any]:
    summary = said(
        "Not assessed: {count} of {of} magnesium and cramp checks could not be made",
        count=len(evaluation.not_judged),
        of=len(evaluation.outcomes),
    )
    lines = "\n".join(f"- {line}" for line in evaluation.not_assessed)
    warning = say(said("No other card applies, but this is not an all-clear."))
    title = say(said("Not assessed"))
    return {
        "uuid": str(uuid5(_NAMESPACE, f"{hook_instance}|{evaluation.at.isoformat()}|{NOT_ASSESSED}")),
        "summary": say(summary),
        "detail": f"{warning} **{title}**\n\n{lines}",
        "indicator": "info",
        "source": {"label": say(said(source)), "topic": {"system": _TOPICS, "code": "notassessed", "display": title}},
        "extension": {FINDING: {"rule": NOT_ASSESSED, "version": "1.0.0", "level": "info"}},
    }


_LISTS = (list, tuple)


def pruned(value: Any) -> Any:
    """The value without elements that are null or empty, which CDS Hooks forbids."""
    if isinstance(value, dict):
        # most of a card are texts: they are looked at without a call of their own
        return {
            key: kept
            for key, each in value.items()
            if (kept := each if isinstance(each, str) else pruned(each)) or kept == 0
        }
    if isinstance(value, _LISTS):
        return [kept for each in value if (kept := pruned(each)) or kept == 0]
    return value
