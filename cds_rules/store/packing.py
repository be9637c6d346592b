"""A call as it is kept: all that is needed to judge it again, as JSON; and what an override is about.

Flows in: calls. Flows out: bytes, and calls again. Floor: edge (store); needs nothing that the core does not.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from cds_rules.engine.overrides import Covered, Measure, Override
from cds_rules.evaluate import Call
from cds_rules.fhir import Document
from cds_rules.vocabulary.facts import Between


def as_json(value: Any) -> str:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"))


def memory(covers: tuple[Covered, ...]) -> bytes:
    """What an override of a card would be about, to be sealed."""
    return as_json(
        [
            [
                each.rule,
                each.indicator,
                sorted(each.products),
                {name: _plain(one) for name, one in each.measures.items()},
            ]
            for each in covers
        ]
    ).encode()


def _plain(measure: Measure) -> float | list[float] | None:
    return [measure.least, measure.most] if isinstance(measure, Between) else measure


def remembered(plain: bytes, at: datetime, level: str, reason: str) -> Override:
    """The override of a card, from what `memory` kept."""
    covers = tuple(
        Covered(
            rule,
            indicator,
            frozenset(products),
            {name: Between(*one) if isinstance(one, list) else one for name, one in measures.items()},
        )
        for rule, indicator, products, measures in json.loads(plain)
    )
    return Override(at, level, reason, covers)  # type: ignore[arg-type]


def packed(call: Call) -> bytes:
    """All that is needed to judge a call again; no token is part of a call."""
    return as_json(
        {
            "hook": call.hook,
            "at": call.at.isoformat(),
            "patient_id": call.patient_id,
            "hook_instance": call.hook_instance,
            "selections": None if call.selections is None else sorted(call.selections),
            "missing": dict(call.missing),
            "zone": getattr(call.zone, "key", None) or (call.zone.utcoffset(call.at) or timedelta()).total_seconds(),
            "documents": [[bytes(each.raw).decode("utf-8", "surrogateescape"), each.origin] for each in call.documents],
            "language": call.language,
            "overrides": [
                [each.at.isoformat(), each.indicator, each.reason, memory(each.covers).decode()]
                for each in call.overrides
            ],
        }
    ).encode()


def unpacked(plain: bytes) -> Call:
    """The call that `packed` was given."""
    said = json.loads(plain)
    zone = said["zone"]
    return Call(
        hook=said["hook"],
        at=datetime.fromisoformat(said["at"]),
        documents=tuple(
            Document(body.encode("utf-8", "surrogateescape"), origin) for body, origin in said["documents"]
        ),
        patient_id=said["patient_id"],
        hook_instance=said["hook_instance"],
        selections=None if said["selections"] is None else frozenset(said["selections"]),
        missing=said["missing"],
        language=said["language"],
        zone=ZoneInfo(zone) if isinstance(zone, str) else timezone(timedelta(seconds=zone)),
        overrides=tuple(
            remembered(covers.encode(), datetime.fromisoformat(at), indicator, reason)
            for at, indicator, reason, covers in said["overrides"]
        ),
    )
