"""Every vignette in every style, end to end: bytes of a request through hooks and evaluate to the response.

One mechanism for a pack that is still growing: a vignette is judged exactly as soon as every rule that must fire is in
the pack. Until then it waits, says for which rules, and its styles must at least agree with each other. With all rules
present nothing waits and every check is exhaustive.
A fact that a style cannot carry is named by the renderer; then cards may be missing, never wrong.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.prefetch import QUERIES
from cds_rules.hooks.response import answer
from tests.vignettes import read
from tests.vignettes.render import AT, KEYS, STYLES, render

VIGNETTES = {vignette["id"]: vignette for vignette in read()}
RULES = sorted(
    {
        card["rule"]
        for vignette in VIGNETTES.values()
        for told in ("must_fire", "must_not_fire")
        for card in vignette["expect"].get(told, ())
    }
)
"""Every rule that the vignettes speak of."""

Cards = dict[str, str]
"""Rule -> indicator."""


def fired(knowledge: Knowledge, vignette: dict[str, Any], style: str, seed: int = 0) -> Cards:
    """The cards of the response to the rendered request."""
    rendered = render(vignette, style, seed=seed)
    service = service_for(vignette["hook"])
    assert service is not None
    given = answer(knowledge, service, json.dumps(rendered.request).encode(), at=AT)
    body = json.loads(given.content())
    assert given.status == 200, f"status {given.status}: {json.dumps(body)[:800]}"
    cards = [(card["extension"]["dev.cds-rules.finding"]["rule"], card["indicator"]) for card in body["cards"]]
    assert len(cards) == len(dict(cards)), f"one rule gave two cards: {cards}"
    return dict(cards)


def must_fire(vignette: dict[str, Any]) -> Cards:
    return {card["rule"]: card["indicator"] for card in vignette["expect"]["must_fire"]}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", VIGNETTES)
def test_vignette(name: str, style: str, knowledge: Knowledge) -> None:
    vignette = VIGNETTES[name]
    assert vignette["exhaustive"]
    wanted, found = must_fire(vignette), fired(knowledge, vignette, style)
    if absent := sorted(wanted.keys() - knowledge.rules.keys()):
        if style != STYLES[0]:
            assert found == fired(knowledge, vignette, STYLES[0]), (
                f"{style} and {STYLES[0]} tell the same and are answered differently"
            )
        pytest.skip(f"waits for rules: {', '.join(absent)}")
    if lost := render(vignette, style).lost:
        assert found.items() <= wanted.items(), f"{style} cannot carry {lost}: a card may be missing, none may be wrong"
        pytest.skip(f"{style} cannot carry " + "; ".join(f"{fact} ({why})" for fact, why in lost))
    assert found == wanted, vignette["title"]


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("name", VIGNETTES)
def test_mess_never_changes_the_answer(name: str, seed: int, knowledge: Knowledge) -> None:
    vignette = VIGNETTES[name]
    assert fired(knowledge, vignette, "messy", seed) == fired(knowledge, vignette, STYLES[0])


def test_nothing_waits_once_all_rules_are_there(knowledge: Knowledge) -> None:
    if absent := [rule for rule in RULES if rule not in knowledge.rules]:
        pytest.skip(f"{len(absent)} of {len(RULES)} rules are not in the pack yet: {', '.join(absent)}")
    assert all(must_fire(vignette).keys() <= knowledge.rules.keys() for vignette in VIGNETTES.values())


def test_requests_deliver_every_key_the_service_asks_for() -> None:
    """Else a silent answer would rest on a key that was never sent."""
    assert {query.key for query in QUERIES} == {"patient", *KEYS}
