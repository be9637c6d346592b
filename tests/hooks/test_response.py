"""What becomes of an evaluation: 200 with cards, 200 without, 412, or a card in its place."""

from __future__ import annotations

from typing import Any

import pytest

from cds_rules.hooks.prefetch import Delivery, Page, State
from cds_rules.hooks.profiles import SHIPPED
from cds_rules.hooks.request import read_request
from cds_rules.hooks.response import respond
from cds_rules.hooks.wire import encode
from cds_rules.vocabulary.frozen import replace
from tests.hooks.build import body as hook_body
from tests.hooks.fakes import card, evaluation, unjudged
from tests.hooks.test_discovery import hollow

LABS = "prefetch key magnesium was not sent"


def answered(evaluated: Any, deliveries: tuple[Delivery, ...] = (), **options: Any) -> tuple[int, dict[str, Any]]:
    request = read_request(hook_body(hookInstance="instance"))
    asked = replace(request, prefetch=replace(request.prefetch, deliveries=deliveries))
    status, body = respond(evaluated, asked, source="Our rules", **options)
    assert not hollow(body)
    return status, body


def test_all_judged_and_nothing_applies_is_an_empty_list() -> None:
    status, body = answered(evaluation())
    assert status == 200
    assert body == {
        "cards": [],
        "extension": {
            "dev.cds-rules.evaluation": {
                "judged": ["mg-total-dose"],
                "at": "2026-01-15T12:00:00+00:00",
                "matcher": "reference",
                "fingerprint": "abc",
            }
        },
    }


def test_cards_come_with_what_was_not_judged() -> None:
    status, body = answered(evaluation(cards=(card(),), **unjudged(mg_oral_aki=LABS)))
    account = body["extension"]["dev.cds-rules.evaluation"]
    assert (status, len(body["cards"])) == (200, 1)
    assert account["judged"] == ["mg-total-dose"]
    assert account["not_judged"] == [{"rule": "mg-oral-aki", "because": LABS}]


def test_no_card_and_something_not_judged_is_a_412_that_names_keys_and_rules() -> None:
    status, body = answered(evaluation(**unjudged(mg_oral_aki=LABS, hypermagnesemia_lab=LABS)))
    assert status == 412
    assert body == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "incomplete",
                "diagnostics": "Not assessed, prefetch key magnesium was not sent. Rules that could not be judged: mg-oral-aki, hypermagnesemia-lab.",
            }
        ],
    }


def test_one_issue_for_each_reason() -> None:
    _, body = answered(evaluation(**unjudged(mg_oral_aki=LABS, diuretic_cramps="prefetch key conditions was not sent")))
    assert len(body["issue"]) == 2


def test_a_client_that_hides_a_412_gets_a_card() -> None:
    status, body = answered(
        evaluation(
            **unjudged(mg_oral_aki=LABS),
            not_assessed=("Not assessed (incomplete: laboratory results): Oral magnesium",),
        ),
        profile=SHIPPED["sandbox"],
    )
    (said,) = body["cards"]
    assert status == 200
    assert said["indicator"] == "info"
    assert said["summary"] == "Not assessed: 1 of 2 magnesium and cramp checks could not be made"
    assert "- Not assessed (incomplete: laboratory results): Oral magnesium" in said["detail"]
    assert said["source"]["topic"]["code"] == "notassessed"


def test_a_card_of_a_rule_needs_no_card_about_what_was_not_assessed() -> None:
    _, body = answered(evaluation(cards=(card(),), **unjudged(mg_oral_aki=LABS)), profile=SHIPPED["sandbox"])
    assert [each["extension"]["dev.cds-rules.finding"]["rule"] for each in body["cards"]] == ["mg-total-dose"]


def test_the_state_of_keys_that_were_not_delivered_is_told() -> None:
    deliveries = (
        Delivery("patient", Page(State.DELIVERED)),
        Delivery("orders", Page(State.EMPTY)),
        Delivery("ecg", Page(State.MISSING, "was not sent")),
    )
    _, body = answered(evaluation(), deliveries)
    assert body["extension"]["dev.cds-rules.evaluation"]["prefetch"] == [
        {"key": "ecg", "state": "missing", "because": "was not sent"}
    ]


@pytest.mark.parametrize("nothing", [None, "", [], {}, {"a": None}, [None, ""], {"a": [{"b": ""}]}])
def test_nothing_null_or_empty_leaves_the_house(nothing: Any) -> None:
    _, body = answered(evaluation(cards=(card(links=nothing, detail=nothing),)))
    assert "links" not in body["cards"][0]


@pytest.mark.parametrize("kept", [False, 0, 0.0])
def test_false_and_zero_are_something(kept: Any) -> None:
    _, body = answered(evaluation(cards=(card(kept=kept),)))
    assert body["cards"][0]["kept"] == kept


def test_the_same_evaluation_gives_the_same_bytes() -> None:
    evaluated = evaluation(**unjudged(mg_oral_aki=LABS))
    assert encode(answered(evaluated, profile=SHIPPED["sandbox"])[1]) == encode(
        answered(evaluated, profile=SHIPPED["sandbox"])[1]
    )
