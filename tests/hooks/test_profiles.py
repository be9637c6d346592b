"""A profile changes the form of an answer: what a client cannot carry out is said in words, nothing is lost."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from cds_rules.hooks.profiles import SHIPPED, derived, shaped
from tests.hooks.fakes import card

STOP = {
    "type": "update",
    "description": "Stop Magnesium oxide",
    "resource": {"resourceType": "MedicationRequest", "id": "active-1", "status": "stopped"},
}
REVISE = {
    "type": "update",
    "description": "Lower Magnesium oxide to once a day",
    "resource": {"resourceType": "MedicationRequest", "id": "draft-1"},
}
DELETE = {"type": "delete", "description": "Delete the draft order for it", "resourceId": "MedicationRequest/draft-1"}


def order(code: str = "19123-9") -> dict[str, Any]:
    return {
        "type": "create",
        "description": f"Order {code}",
        "resource": {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "order",
            "subject": {"reference": "Patient/other-name"},
        },
    }


def suggestion(*actions: dict[str, Any], label: str = "Do it", **fields: Any) -> dict[str, Any]:
    return {"label": label, "uuid": str(uuid4()), "actions": list(actions), **fields}


def offering(*suggestions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return card(suggestions=list(suggestions), selectionBehavior="any", detail="What was found.", **fields)


def one(given: dict[str, Any], name: str, drafts: tuple[str, ...] = ("MedicationRequest/draft-1",)) -> dict[str, Any]:
    (found,) = shaped([given], SHIPPED[name], "p1", drafts)
    return found


def test_there_are_five_profiles() -> None:
    assert set(SHIPPED) == {"default", "epic", "oracle", "sandbox", "crd"}
    assert [name for name, profile in SHIPPED.items() if profile.unjudged == "card"] == ["sandbox"]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_profile_changes_what_was_found(name: str) -> None:
    given = offering(
        suggestion(STOP), suggestion(order()), links=[{"label": "l", "url": "https://a.example/x", "type": "absolute"}]
    )
    before = repr(given)
    found = one(given, name)
    assert repr(given) == before, "the card itself is left alone"
    for key in ("uuid", "summary", "indicator", "source", "extension"):
        assert found[key] == given[key]
    assert found["detail"].startswith(given["detail"])


@pytest.mark.parametrize("name", SHIPPED)
def test_every_suggestion_is_offered_or_said_in_words(name: str) -> None:
    labels = ["Stop it", "Order a test", "Delete it"]
    given = offering(
        *(suggestion(each, label=label) for each, label in zip((STOP, order(), DELETE), labels, strict=True))
    )
    found = one(given, name)
    offered = [each["label"] for each in found.get("suggestions", ())]
    for label in labels:
        assert (label in offered) != (f"- {label}" in found["detail"])
    assert ("selectionBehavior" in found) == bool(offered)


def test_the_default_leaves_a_card_as_it_is() -> None:
    given = offering(suggestion(STOP), suggestion(DELETE))
    assert one(given, "default") == given


@pytest.mark.parametrize("name", SHIPPED)
def test_an_order_is_for_the_patient_of_the_request(name: str) -> None:
    for each in one(offering(suggestion(order())), name).get("suggestions", ()):
        resource = each["actions"][0]["resource"]
        assert resource["subject"] == {"reference": "Patient/p1"}
        assert (resource["status"], resource["intent"]) == ("draft", "order")


def test_epic_gets_one_action_a_suggestion_whose_description_stands_alone() -> None:
    drug = {"type": "create", "description": "Order B", "resource": {"resourceType": "MedicationRequest"}}
    found = one(offering(suggestion(drug, DELETE, label="Change it now", isRecommended=True)), "epic")
    assert [each["actions"] for each in found["suggestions"]] == [
        [drug | {"description": "Change it now: Order B"}],
        [DELETE | {"description": "Change it now: Delete the draft order for it"}],
    ]
    assert len({each["uuid"] for each in found["suggestions"]}) == 2
    assert found["selectionBehavior"] == "any"
    again = one(offering(suggestion(STOP, label="Stop it")), "epic")
    assert "suggestions" not in again, "Epic does not update"
    assert again["detail"].endswith("**Not offered as a button here**\n\n- Stop it")


def test_a_split_suggestion_keeps_its_uuids_from_call_to_call() -> None:
    given = offering(suggestion(DELETE, DELETE))
    assert one(given, "epic") == one(given, "epic")


def test_oracle_gets_no_link_that_was_not_agreed() -> None:
    links = [
        {"label": "l", "url": url, "type": "absolute"}
        for url in (
            "https://a.example/x",
            "https://A.example:8443/y",
            "https://a.example@evil.example/",
            "https://evil.example/a.example",
        )
    ]
    assert "links" not in one(card(links=links), "oracle")
    ours = derived("ours", SHIPPED["oracle"], {"link_hosts": ("a.example",)})
    (found,) = shaped([card(links=links)], ours, "p1")
    assert found["links"] == links[:2]


def test_crd_changes_only_what_is_among_the_drafts() -> None:
    found = one(
        offering(
            suggestion(STOP, label="a"),
            suggestion(REVISE, label="b"),
            suggestion(order(), label="c"),
            suggestion(DELETE, label="d"),
        ),
        "crd",
    )
    assert [each["label"] for each in found["suggestions"]] == ["b", "c"]
    assert one(offering(suggestion(REVISE)), "crd", drafts=()).get("suggestions") is None


def test_how_suggestions_go_together_stays_unless_the_client_knows_one_way_only() -> None:
    exclusive = offering(suggestion(DELETE), suggestion(DELETE)) | {"selectionBehavior": "at-most-one"}
    assert [one(exclusive, name)["selectionBehavior"] for name in ("default", "sandbox", "epic")] == [
        "at-most-one",
        "at-most-one",
        "any",
    ]


def test_at_most_one_means_at_most_one_recommendation() -> None:
    ours = derived("ours", SHIPPED["default"], {"selection": "at-most-one"})
    (found,) = shaped(
        [offering(suggestion(STOP, isRecommended=True), suggestion(order(), isRecommended=True))], ours, "p1"
    )
    assert found["selectionBehavior"] == "at-most-one"
    assert [each.get("isRecommended") for each in found["suggestions"]] == [True, None]


def test_what_is_said_in_words_is_escaped_and_in_the_language_of_the_card() -> None:
    given = offering(suggestion(STOP, label="<b>[x](javascript:1)</b>"))
    (found,) = shaped([given], SHIPPED["epic"], "p1", say=lambda text: text.upper())
    assert "**NOT OFFERED AS A BUTTON HERE**" in found["detail"]
    assert "<b>" not in found["detail"]
    assert "](javascript:" not in found["detail"]
