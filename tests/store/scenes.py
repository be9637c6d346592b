"""Decisions of real evaluations for tests of the store, with as little writing as possible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Knowledge
from cds_rules.hooks.feedback import Item
from cds_rules.hooks.request import read_request
from cds_rules.hooks.response import answered
from cds_rules.service import settings as sections
from cds_rules.service.settings import Settings
from cds_rules.store.decisions import Caller, Decision
from cds_rules.store.store import Store

SAMPLES = Path(__file__).parents[2] / "fhir_samples"
KEY = "a key of a site, for tests alone, long enough"
EARLIER = "another key of a site, which it had before"
SERVICE = "magnesium-cramps-patient-view"
NOBODY = Caller()


def sample(name: str = "mg-oral-severe-ckd", **changes: Any) -> dict[str, Any]:
    """A request; changes go into its outermost object."""
    body: dict[str, Any] = json.loads((SAMPLES / name / "request.json").read_text("utf-8"))
    return body | changes


def decided(
    knowledge: Knowledge,
    body: Mapping[str, Any] | None = None,
    *,
    caller: Caller = NOBODY,
    at: datetime | None = None,
    overrides: tuple[Override, ...] = (),
) -> Decision:
    """What a request is answered, on its way to the ledger; judged as of the instant of the sample unless `at` is named."""
    request = read_request(json.dumps(body or sample()).encode())
    instant = at or request.at
    assert instant
    answer = answered(knowledge, request, instant, overrides=overrides)
    return Decision(
        call=answer.call,
        evaluation=answer.evaluation,
        cards=tuple(answer.body.get("cards", ())),
        status=answer.status,
        at=instant,
        latency_us=1200,
        service=SERVICE,
        server=request.fhir_server.rstrip("/"),
        user=request.user_id,
        caller=caller,
    )


def store(url: str, **changes: Any) -> Store:
    """A store with the schema of this version, that does not record by itself: `write` does."""
    section = {"url": SecretStr(url), "key": SecretStr(KEY)} | changes
    made = Store(Settings(store=sections.Store(**section)))
    made.migrate()
    return made


def write(kept: Store, *decisions: Decision) -> None:
    """Keep decisions now."""
    kept.write(decisions)


def override(card: str, at: datetime | None = None, reason: str = "benefit-outweighs-risk", **changes: Any) -> Item:
    """Feedback that a card was overridden."""
    return Item(0, card, "overridden", at or datetime.now(UTC) - timedelta(minutes=1), (), reason, **changes)
