"""Results as NDJSON: one line an evaluation, the same keys always, the same bytes for the same input and instant.

With `--calls` each line also has what became of every rule and what was judged, so that a review set can be made of it.

Flows in: `Result`s. Flows out: bytes. Floor: edge.
"""

from __future__ import annotations

import json

from cds_rules.replay.run import Result
from cds_rules.replay.wire import encoded
from cds_rules.vocabulary.chart import Source


def line(result: Result) -> bytes:
    """One evaluation as a line of JSON."""
    return (
        encoded(
            {
                "patient": result.patient,
                "name": result.name,
                "origins": result.origins,
                "hook": result.hook,
                "at": result.at.isoformat(),
                "order": result.order or None,
                "drafts": result.drafts,
                "cards": result.cards,
                "evidence": {rule: [_source(each) for each in sources] for rule, sources in result.evidence.items()},
                "judged": result.judged,
                "notJudged": [{"rule": rule, "because": because} for rule, because in result.not_judged.items()],
                "unread": [
                    {"reference": each.reference, "reason": each.reason, "detail": each.detail, "about": each.about}
                    for each in result.unread
                ],
                "notUnderstood": [
                    {"kind": kind, "code": code, "count": count}
                    for (kind, code), count in result.not_understood.items()
                ],
                "notes": result.notes,
                "matcher": result.matcher,
                "disagreements": result.disagreements,
                "fingerprint": result.fingerprint,
                **({"outcomes": result.outcomes, "call": json.loads(result.call)} if result.call else {}),
            }
        )
        + b"\n"
    )


def _source(source: Source) -> dict[str, str | None]:
    return {
        "reference": source.reference,
        "label": source.label,
        "value": source.value,
        "when": (source.written or source.when.isoformat()) if source.when else None,
    }
