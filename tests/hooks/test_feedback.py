"""Feedback as clients really send it: both dialects, what may be missing, and what each mistake is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_rules.hooks.feedback import Dialect, Item, read_feedback
from cds_rules.hooks.request import BadRequest

CARD = "0b9e3c3e-2f4e-4b6f-9a52-8e7e1f0d1c11"
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
NO = object()


def item(**changes: Any) -> dict[str, Any]:
    made = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": "2026-03-01T09:30:00Z"} | changes
    return {key: value for key, value in made.items() if value is not NO}


def read(*items: Any) -> tuple[tuple[Item, ...], list[str]]:
    found, faults = read_feedback(json.dumps({"feedback": list(items)}).encode())
    return found, [str(each) for each in faults]


def one(**changes: Any) -> Item:
    (found,), faults = read(item(**changes))
    assert not faults
    return found


REASON = {"code": "level-monitored", "system": "https://cds-rules.dev/fhir/CodeSystem/override-reason"}


@pytest.mark.parametrize(
    "changes",
    [
        {"overrideReason": {"reason": REASON}},  # the sandbox: no display, no comment
        {"overrideReason": {"reason": REASON | {"display": "Monitored"}, "userComment": ""}},
        {"overrideReasons": {"reason": REASON | {"display": "Monitored"}, "extension": {"x": "y"}}},  # Epic
        {"overrideReasons": [{"reason": REASON}]},
        {"overrideReason": None, "overrideReasons": {"reason": REASON}},
    ],
)
def test_both_dialects_say_the_same(changes: dict[str, Any]) -> None:
    found = one(**changes)
    assert (found.reason, found.reason_system, found.comment) == (REASON["code"], REASON["system"], "")


def test_where_both_keys_are_there_the_one_of_the_client_counts() -> None:
    said = {"overrideReason": {"userComment": "standard"}, "overrideReasons": {"userComment": "as Epic has it"}}
    item = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": AT.isoformat(), **said}
    body = json.dumps({"feedback": [item]}).encode()
    dialects: tuple[Dialect, ...] = ("overrideReason", "overrideReasons")
    assert [read_feedback(body, each)[0][0].comment for each in dialects] == ["standard", "as Epic has it"]


def test_a_plain_dismissal_needs_no_reason_and_a_comment_may_stand_alone() -> None:
    assert one() == Item(0, CARD, "overridden", AT)
    assert one(overrideReason={}) == Item(0, CARD, "overridden", AT)
    assert one(overrideReason={"userComment": "will check tomorrow"}).comment == "will check tomorrow"


def test_an_accepted_card_names_its_suggestions() -> None:
    found = one(outcome="accepted", acceptedSuggestions=[{"id": "a"}, {"id": "b"}], overrideReason={"userComment": "x"})
    assert (found.outcome, found.suggestions, found.comment) == ("accepted", ("a", "b"), "")


@pytest.mark.parametrize(
    "said",
    [
        "2026-03-01T09:30:00Z",
        "2026-03-01T09:30:00.000Z",
        "2026-03-01T09:30:00+00:00",
        "2026-03-01T10:30:00+01:00",
        "2026-03-01t09:30:00z",
        "2026-03-01T09:30:00.0000000Z",
    ],
)
def test_an_instant_in_every_spelling(said: str) -> None:
    assert one(outcomeTimestamp=said).at == AT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"card": NO}, "feedback[0].card: found nothing; the uuid of a card is required here"),
        ({"card": 7}, "feedback[0].card: found a number; the uuid of a card is required here"),
        ({"card": " "}, "feedback[0].card: found an empty string; the uuid of a card is required here"),
        ({"card": "x" * 257}, "feedback[0].card: found 257 characters; at most 256 belong here"),
        ({"outcome": NO}, 'feedback[0].outcome: found nothing; "accepted" or "overridden" is required here'),
        ({"outcome": "ignored"}, 'feedback[0].outcome: found another word; "accepted" or "overridden" belongs here'),
        ({"outcomeTimestamp": NO}, "feedback[0].outcomeTimestamp: found nothing; an RFC 3339 instant"),
        ({"outcomeTimestamp": "yesterday"}, "feedback[0].outcomeTimestamp: found something else; an RFC 3339 instant"),
        ({"outcomeTimestamp": "2026-03-01"}, "feedback[0].outcomeTimestamp: found something else; an RFC 3339 instant"),
        ({"outcomeTimestamp": "2026-03-01T09:30:00"}, "feedback[0].outcomeTimestamp: found something else"),
        ({"outcomeTimestamp": "0001-01-01T00:00:00+23:00"}, "feedback[0].outcomeTimestamp: found something else"),
        ({"outcome": "accepted"}, "feedback[0].acceptedSuggestions: found nothing; a list of {id}"),
        ({"outcome": "accepted", "acceptedSuggestions": []}, "feedback[0].acceptedSuggestions: found an empty list"),
        (
            {"outcome": "accepted", "acceptedSuggestions": [{}]},
            "feedback[0].acceptedSuggestions: found an entry without an id",
        ),
        ({"overrideReason": 7}, "feedback[0].overrideReason: found a number; an object"),
        ({"overrideReason": {"userComment": 7}}, "feedback[0].overrideReason.userComment: found a number"),
        (
            {"overrideReasons": {"userComment": "x" * 1_000_000}},
            "feedback[0].overrideReasons.userComment: found 1000000 characters; at most 10000 belong here",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(changes: dict[str, Any], message: str) -> None:
    items, faults = read(item(**changes))
    assert not items
    assert len(faults) == 1
    assert faults[0].startswith(message)


def test_one_bad_item_does_not_cost_the_others() -> None:
    items, faults = read(item(), "nonsense", item(outcome="ignored", card=7), item(card="other"))
    assert [each.place for each in items] == [0, 3]
    assert [each.partition(":")[0] for each in faults] == ["feedback[1]", "feedback[2].card", "feedback[2].outcome"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: found something that is not JSON in UTF-8"),
        (b"\xff", "body: found something that is not JSON in UTF-8"),
        (b"[" * 1_000_000, "body: found something that is nested too deeply"),
        (b"[]", "body: found an array"),
        (json.dumps(item()).encode(), "feedback: found nothing; a list of outcomes belongs here"),
        (b'{"feedback": {}}', "feedback: found an object"),
        (b'{"feedback": []}', "feedback: found an empty list"),
        (json.dumps({"feedback": [item()] * 1001}).encode(), "feedback: found 1001 items; at most 1000 belong"),
    ],
)
def test_a_body_that_is_no_list_of_feedback(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_feedback(body)
    assert str(caught.value).startswith(message)
