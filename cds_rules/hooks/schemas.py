"""JSON Schemas (2020-12) of CDS Hooks documents: strict for what we send, tolerant for what we receive.

Made from the tables that the service itself runs on: the hooks and their fields, the prefetch keys. Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_rules.hooks.discovery import Service
from cds_rules.hooks.feedback import LONGEST, LONGEST_COMMENT, MOST
from cds_rules.hooks.prefetch import QUERIES, State
from cds_rules.hooks.request import DRAFTS
from cds_rules.hooks.response import EVALUATION, FINDING

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
ANYTHING: Schema = {"type": "object"}
UUID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"}
SUMMARY_MOST = 139
"""Characters of a summary: CDS Hooks asks for fewer than 140."""


def sent(properties: Mapping[str, Schema], *required: str, **more: Any) -> Schema:
    """An object of ours: these fields and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def several(items: Schema, least: int = 1) -> Schema:
    """An array; not empty unless told."""
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _coding(*required: str) -> Schema:
    return sent({"system": TEXT, "code": TEXT, "display": TEXT}, *required)


RESOURCE: Schema = {
    "type": "object",
    "description": "A FHIR resource.",
    "properties": {"resourceType": TEXT},
    "required": ["resourceType"],
}
ACTION: Schema = {
    "oneOf": [
        sent(
            {"type": _words("create", "update"), "description": TEXT, "resource": RESOURCE},
            "type",
            "description",
            "resource",
        ),
        sent(
            {
                "type": _words("delete"),
                "description": TEXT,
                "resourceId": {"type": "string", "pattern": "^[A-Z][A-Za-z]+/[^/]+$"},
            },
            "type",
            "description",
            "resourceId",
        ),
    ]
}
SUGGESTION: Schema = sent(
    {"label": TEXT, "uuid": UUID, "isRecommended": {"type": "boolean"}, "actions": several(ACTION)}, "label", "uuid"
)
LINK: Schema = sent(
    {
        "label": TEXT,
        "url": {"type": "string", "pattern": "^https://[^?]*(\\?(?!.*(launch|iss)=).*)?$"},
        "type": _words("absolute", "smart"),
        "appContext": TEXT,
    },
    "label",
    "url",
    "type",
)
CARD: Schema = sent(
    {
        "uuid": UUID,
        "summary": TEXT | {"maxLength": SUMMARY_MOST},
        "detail": TEXT,
        "indicator": _words("info", "warning", "critical"),
        "source": sent(
            {
                "label": TEXT,
                "url": {"type": "string", "pattern": "^https://"},
                "topic": _coding("system", "code")
                | {
                    "properties": {
                        "system": TEXT,
                        "code": {"type": "string", "pattern": "^[A-Za-z0-9]{1,100}$"},
                        "display": TEXT,
                    }
                },
            },
            "label",
            "topic",
        ),
        "suggestions": several(SUGGESTION),
        "selectionBehavior": _words("any", "at-most-one"),
        "overrideReasons": several(_coding("system", "code", "display")),
        "links": several(LINK),
        "extension": {
            "type": "object",
            "properties": {
                FINDING: {
                    "type": "object",
                    "properties": {
                        "rule": TEXT,
                        "version": TEXT,
                        "level": _words("info", "warning", "critical"),
                        "evidence": several(TEXT),
                    },
                    "required": ["rule", "version", "level"],
                }
            },
            "required": [FINDING],
        },
    },
    "uuid",
    "summary",
    "indicator",
    "source",
    "extension",
    dependentRequired={"suggestions": ["selectionBehavior"], "selectionBehavior": ["suggestions"]},
)
RESPONSE: Schema = sent(
    {
        "cards": several(CARD, 0),
        "extension": {
            "type": "object",
            "properties": {
                EVALUATION: {
                    "type": "object",
                    "description": "What was judged, by what, and what was not.",
                    "properties": {
                        "judged": several(TEXT),
                        "not_judged": several(sent({"rule": TEXT, "because": TEXT}, "rule", "because")),
                        "suppressed": several(sent({"rule": TEXT, "because": TEXT}, "rule", "because"))
                        | {"description": "Rules that would have given a card and were overridden before."},
                        "silenced": TEXT | {"description": "Why nothing is shown although rules apply."},
                        "prefetch": several(
                            sent(
                                {
                                    "key": _words(*(query.key for query in QUERIES)),
                                    "state": _words(State.MISSING, State.FAILED, State.PARTIAL),
                                    "because": TEXT,
                                },
                                "key",
                                "state",
                                "because",
                            )
                        ),
                        "fetched": several(_words(*(query.key for query in QUERIES))),
                        "at": {"type": "string", "format": "date-time"},
                        "matcher": TEXT,
                        "fingerprint": TEXT,
                    },
                    "required": ["at", "matcher", "fingerprint"],
                }
            },
            "required": [EVALUATION],
        },
    },
    "cards",
    "extension",
)
OUTCOME: Schema = {
    "type": "object",
    "description": "A FHIR OperationOutcome.",
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": several(
            {
                "type": "object",
                "properties": {
                    "severity": _words("fatal", "error", "warning", "information"),
                    "code": TEXT,
                    "diagnostics": TEXT,
                },
                "required": ["severity", "code", "diagnostics"],
            }
        ),
    },
    "required": ["resourceType", "issue"],
}
DISCOVERY: Schema = sent(
    {
        "services": several(
            sent(
                {
                    "hook": TEXT,
                    "title": TEXT,
                    "description": TEXT,
                    "id": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"},
                    "prefetch": {"type": "object", "minProperties": 1, "additionalProperties": TEXT},
                    "usageRequirements": TEXT,
                    "version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
                    "hookVersion": TEXT,
                },
                "hook",
                "title",
                "description",
                "id",
            ),
            0,
        )
    },
    "services",
)


_REASON: Schema = {
    "type": "object",
    "properties": {
        "reason": {
            "type": "object",
            "properties": {
                "code": {"type": "string", "maxLength": LONGEST},
                "system": {"type": "string", "maxLength": LONGEST},
                "display": {"type": "string"},
            },
        },
        "userComment": {"type": "string", "maxLength": LONGEST_COMMENT},
    },
}
FEEDBACK: Schema = {
    "type": "object",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST,
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": TEXT | {"maxLength": LONGEST, "pattern": "\\S"},
                    "outcome": _words("accepted", "overridden"),
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                    "acceptedSuggestions": several(
                        {"type": "object", "required": ["id"], "properties": {"id": TEXT}}, 0
                    ),
                    "overrideReason": _REASON,
                    "overrideReasons": _REASON | {"description": "The same, as Epic names it."},
                },
            },
        }
    },
}
KEPT: Schema = sent(
    {
        "feedback": several(
            sent(
                {
                    "card": TEXT,
                    "outcome": _words("accepted", "overridden"),
                    "status": _words("recorded", "repeated", "unmatched"),
                },
                "card", "outcome", "status",
            )
        )
    },
    "feedback",
)  # fmt: skip
"""What became of each item, in the order in which they were sent."""
_PART: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_SHARE: Schema = {
    "count": _NUMBER,
    "share": _PART,
    "interval": several(_PART, 2) | {"maxItems": 2, "description": "95 %, Wilson's."},
}
_COUNTED = sent(_SHARE, *_SHARE)
_RECEPTION: Schema = {
    "rule": TEXT,
    "shown": _NUMBER,
    "accepted": _COUNTED,
    "overridden": _COUNTED,
    "unanswered": _COUNTED,
    "reasons": several(sent({"reason": {"type": ["string", "null"]}, **_SHARE}, "reason", *_SHARE), 0),
}
_REPORT: Schema = {
    "since": {"type": ["string", "null"], "format": "date-time"},
    "until": {"type": ["string", "null"], "format": "date-time"},
    "rules": several(sent(_RECEPTION, *_RECEPTION), 0),
    "unmatched": _NUMBER | {"description": "Items on cards that are not known."},
}
REPORT = sent(_REPORT, *_REPORT)


def request_of(service: Service) -> Schema:
    """What a service takes: what it needs is required, the rest is described; anything beyond is ignored."""
    context: Schema = {
        "userId": {"type": "string", "description": "Type/id of the user."},
        "patientId": TEXT | {"description": "FHIR id of the patient, without type.", "pattern": "\\S"},
        "encounterId": {"type": "string", "description": "FHIR id of the encounter, without type."},
    }
    if field := DRAFTS.get(service.hook):
        context[field] = {"type": ["object", "null"], "description": "Bundle of the orders being written."}
    if service.hook == "order-select":
        context["selections"] = {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "Type/id of the drafts in focus; none: no card.",
        }
    return {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"type": "string", "const": service.hook},
            "hookInstance": TEXT | {"description": "A UUID; any text is taken.", "pattern": "\\S"},
            "context": {"type": "object", "required": ["patientId"], "properties": context},
            "fhirServer": {"type": "string", "description": "Base address of the FHIR server."},
            "fhirAuthorization": {
                "type": "object",
                "properties": {
                    "access_token": {"type": "string"},
                    "token_type": {"type": "string"},
                    "expires_in": {"type": ["integer", "string"]},
                    "scope": {"type": "string"},
                    "subject": {"type": "string"},
                    "patient": {"type": "string", "description": "Must be context.patientId."},
                },
            },
            "prefetch": {
                "type": ["object", "null"],
                "description": "Key to resource, searchset, or null for none. See discovery for the queries.",
                "properties": {query.key: _prefetched(query.type, query.asks) for query in QUERIES},
            },
            "extension": ANYTHING,
        },
    }


def _prefetched(kind: str, asks: str) -> Schema:
    return {"type": ["object", "null"], "description": f"{kind}: {asks}."}


def request_name(service: Service) -> str:
    """The name of the schema of a service's request, such as OrderSignRequest."""
    return f"{''.join(part.title() for part in service.hook.split('-'))}Request"
