"""How a client is answered: what its cards may carry, and how it learns that nothing could be assessed.

A profile changes the form of an answer, never what is judged: what a client cannot carry out is said in words on the same
card. Flows in: cards and a profile. Flows out: cards. Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from cds_rules.cards.texts import escaped
from cds_rules.hooks.feedback import Dialect
from cds_rules.vocabulary.frozen import Frozen, replace
from cds_rules.vocabulary.wording import said

Unjudged = Literal["status", "card"]
"""How a client is told that nothing applies as far as could be judged: by status 412, or by an info card."""

ANY_HOST = "*"
_BY_HAND = said("Not offered as a button here")


class Profile(Frozen, frozen=True):
    """One kind of client.

    actions: "create", "update", "delete", or with a type ("create:ServiceRequest"). drafts_only: update and delete name
    only drafts of the request. one_action: in each suggestion. labels_hidden: people see an action's description and not
    the label, so the description says all. selection: the one selectionBehavior it knows; None: as the card has it.
    link_hosts: hosts that links may lead to, ANY_HOST for any. feedback: the key under which its feedback has the reason;
    the other one is read where that one is not there. language: "" for the service's own. why: cards say what would have to differ.
    """

    name: str
    actions: frozenset[str] = frozenset({"create", "update", "delete"})
    drafts_only: bool = False
    one_action: bool = False
    selection: Literal["any", "at-most-one"] | None = None
    labels_hidden: bool = False
    link_hosts: frozenset[str] = frozenset({ANY_HOST})
    unjudged: Unjudged = "status"
    feedback: Dialect = "overrideReason"
    language: str = ""
    why: bool = False

    def allows(self, action: Mapping[str, Any], drafts: Collection[str]) -> bool:
        """Whether the client can carry out an action. drafts: "Type/id" of the drafts of the request."""
        reference = reference_of(action)
        kind, resource_type = action["type"], reference.partition("/")[0]
        if not {kind, f"{kind}:{resource_type}"} & self.actions:
            return False
        return kind == "create" or not self.drafts_only or reference in drafts


SHIPPED: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("default"),
        Profile(
            "epic",
            actions=frozenset({"create:MedicationRequest", "delete:MedicationRequest"}),
            one_action=True,
            selection="any",
            labels_hidden=True,
            feedback="overrideReasons",
        ),
        Profile("oracle", link_hosts=frozenset()),
        Profile("sandbox", unjudged="card"),
        # a delete without a create of the same type, and an update of anything but a draft, fail the checks of CRD
        Profile("crd", actions=frozenset({"create", "update"}), drafts_only=True),
    )
}


def derived(name: str, base: Profile, changes: Mapping[str, Any]) -> Profile:
    """A profile of a site: another one with what differs. changes: by field; None: as the base has it."""
    told: dict[str, Any] = {key: value for key, value in changes.items() if value is not None}
    sets: dict[str, Any] = {key: frozenset(told[key]) for key in ("actions", "link_hosts") if key in told}
    return replace(base, **{**told, **sets, "name": name})


def shaped(
    cards: Iterable[Mapping[str, Any]],
    profile: Profile,
    patient_id: str,
    drafts: Collection[str] = (),
    say: Callable[[str], str] = str,
) -> list[dict[str, Any]]:
    """Cards as a client can use them.

    Args:
        patient_id: of the request's context; every order that is created is for this patient.
        drafts: "Type/id" of the drafts of the request.
        say: puts a text of ours into the language of the cards.
    """
    return [_shaped(card, profile, patient_id, drafts, say) for card in cards]


def _shaped(
    card: Mapping[str, Any], profile: Profile, patient_id: str, drafts: Collection[str], say: Callable[[str], str]
) -> dict[str, Any]:
    made = dict(card)
    offered: list[dict[str, Any]] = []
    in_words: list[str] = []
    for suggestion in card.get("suggestions", ()):
        actions = suggestion.get("actions", ())
        if all(profile.allows(action, drafts) for action in actions):
            offered += _parts(suggestion, profile, patient_id)
        else:
            in_words.append(suggestion["label"])
    made.pop("suggestions", None)
    sent = made.pop("selectionBehavior", "any")
    behavior = profile.selection or sent
    if offered:
        if behavior == "at-most-one":
            _recommend_one(offered)
        made |= {"suggestions": offered, "selectionBehavior": behavior}
    if in_words:
        lines = "\n".join(f"- {escaped(each)}" for each in in_words)
        made["detail"] = f"{card.get('detail', '')}\n\n**{say(_BY_HAND)}**\n\n{lines}".strip()
    if ANY_HOST not in profile.link_hosts:
        made["links"] = [link for link in card.get("links", ()) if _host(link["url"]) in profile.link_hosts]
        if not made["links"]:
            del made["links"]
    return made


def _parts(suggestion: Mapping[str, Any], profile: Profile, patient_id: str) -> Iterator[dict[str, Any]]:
    """The suggestion, or one for each of its actions."""
    actions = [_action(each, suggestion["label"], profile, patient_id) for each in suggestion.get("actions", ())]
    if not profile.one_action or len(actions) < 2:
        yield dict(suggestion) | ({"actions": actions} if actions else {})
        return
    for number, action in enumerate(actions):
        yield dict(suggestion) | {
            "label": action["description"],
            "uuid": _part_uuid(suggestion["uuid"], number),
            "actions": [action],
        }


def _action(action: Mapping[str, Any], label: str, profile: Profile, patient_id: str) -> dict[str, Any]:
    made = dict(action)
    if profile.labels_hidden and label not in action["description"]:
        made["description"] = f"{label}: {action['description']}"
    if action["type"] == "create" and "subject" in action["resource"]:
        made["resource"] = action["resource"] | {"subject": {"reference": f"Patient/{patient_id}"}}
    return made


def _recommend_one(suggestions: list[dict[str, Any]]) -> None:
    for later in [each for each in suggestions if each.get("isRecommended")][1:]:
        del later["isRecommended"]


def reference_of(action: Mapping[str, Any]) -> str:
    """ "Type/id" an action is about; of a create just the type and a slash."""
    if "resourceId" in action:
        return str(action["resourceId"])
    resource = action.get("resource", {})
    return f"{resource.get('resourceType', '')}/{resource.get('id', '')}"


def _part_uuid(uuid: str, number: int) -> str:
    try:
        namespace = UUID(uuid)
    except ValueError:
        namespace = uuid5(NAMESPACE_URL, uuid)
    return str(uuid5(namespace, str(number)))


def _host(url: str) -> str:
    """The host of an absolute address, in small letters, without port."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0].lower()
