"""What is kept of one evaluation: a row of the ledger, and a row for each card that was shown.

Flows in: what was answered. Flows out: rows. Values of the chart go nowhere but into what is sealed; names, drugs and ids
of the patient, user, client and resources are keyed hashes, unless everything is kept. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from random import randbytes
from typing import Any, Literal

from cds_rules.engine.overrides import covered
from cds_rules.evaluate import Call, Evaluation
from cds_rules.hooks.response import FINDING
from cds_rules.hooks.wire import encode
from cds_rules.store.keys import Keys
from cds_rules.store.packing import memory, packed
from cds_rules.vocabulary.frozen import Frozen, field

Keep = Literal["off", "hashed", "full"]
"""What is kept of an evaluation: nothing; hashes and reasons; besides, sealed, all that is needed to judge again."""


LONGEST_HOUSE = 128
"""Characters of the column."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked, as far as a token says it. tenant: "" without one; client: its issuer."""

    tenant: str = ""
    client: str = ""

    @property
    def house(self) -> str:
        """Whose patients they are: two clients may use one id, or one name of a tenant, for different people."""
        said = f"{self.client} {self.tenant}".strip()
        return said if len(said) <= LONGEST_HOUSE else hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()


class Decision(Frozen, frozen=True):
    """One answered call on its way to the ledger. at: when it was asked. cards: as sent. prefetch: (key, state, because) not delivered."""

    call: Call
    evaluation: Evaluation
    cards: tuple[Mapping[str, Any], ...]
    status: int
    at: datetime
    latency_us: int
    service: str
    server: str = ""
    user: str = ""
    caller: Caller = Caller()
    prefetch: tuple[tuple[str, str, str], ...] = ()
    identity: str = field(default_factory=lambda: randbytes(16).hex())


def rows(decision: Decision, keys: Keys, keep: Keep) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The ledger row, without its place in the chain, and the alert rows."""
    call, evaluation, house = decision.call, decision.evaluation, decision.caller.house

    def reference(said: str) -> str:
        return said if keep == "full" else keys.hashed("reference", house, decision.server, said)[:16]

    record = {
        "service": decision.service,
        "outcomes": {
            rule: [outcome.state, outcome.indicator or "", list(outcome.because), outcome.by or "", outcome.winner]
            for rule, outcome in evaluation.outcomes.items()
        },
        "evidence": {each.rule.id: [reference(one) for one in each.references] for each in evaluation.findings},
        "cards": [[card["uuid"], _finding(card)["rule"]] for card in decision.cards],
        "prefetch": [list(each) for each in decision.prefetch],
        "unread": len(evaluation.unread),
        "matcher": evaluation.matcher,
        "disagreements": list(evaluation.disagreements),
    }
    hashed = {
        "server": keys.hashed("server", decision.server) if decision.server else None,
        "patient": keys.hashed("patient", house, call.patient_id) if call.patient_id else None,
    }
    row = {
        "kind": "decision",
        "identity": decision.identity,
        "at": decision.at,
        "tenant": house,
        "client": keys.hashed("client", decision.caller.client) if decision.caller.client else None,
        **hashed,
        "user_id": keys.hashed("user", house, decision.user) if decision.user else None,
        "instance": keys.hashed("instance", call.hook_instance),
        "hook": call.hook,
        "status": decision.status,
        "latency_us": decision.latency_us,
        "fingerprint": evaluation.fingerprint,
        "record": encode(record).decode(),
        "content": keys.seal(packed(call)) if keep == "full" else None,
    }
    memories = {each.rule.id: covered(each, evaluation.derived.facts, evaluation.chart) for each in evaluation.findings}
    alerts = [
        {
            "position": position,
            "card": card["uuid"],
            "at": decision.at,
            "tenant": house,
            **hashed,
            "hook": call.hook,
            "rule": (found := _finding(card))["rule"],
            "topic": card["source"].get("topic", {}).get("code", ""),
            "version": found["version"],
            "level": found["level"],
            "memory": keys.seal(memory(memories[found["rule"]])) if found["rule"] in memories else None,
            "state": "open",
            "state_at": None,
            "reason": None,
        }
        for position, card in enumerate(decision.cards)
    ]
    return row, alerts


def _finding(card: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = card["extension"][FINDING]
    return found
