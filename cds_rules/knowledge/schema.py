"""The rule language as JSON Schema, so that an editor completes and checks rule, case, pack and translation files while they
are written.

Made from the same register of facts that the reader checks against; `cds-rules schema` prints it, docs/schema holds it.
Floor: knowledge.
"""

from __future__ import annotations

from typing import Any

from cds_rules.knowledge.cases import EXPECTATIONS, QUIET
from cds_rules.knowledge.conditions import ORDERS, Words
from cds_rules.knowledge.pack import OFFERS, RULE_KEYS, RULE_OPTIONAL
from cds_rules.knowledge.rules import CAP, INDICATORS
from cds_rules.vocabulary.facts import HOOKS, KINDS, Field, Kind

Schema = dict[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_PARAMETER: Schema = {
    "type": "string",
    "pattern": "^\\$[a-z0-9_]+$",
    "description": "the value of a parameter of pack.yaml",
}
_URL: Schema = {"type": "string", "pattern": "^https?://"}


def rule_schema(words: Words) -> Schema:
    """The schema of rules/<id>.yaml."""
    condition: Schema = {"$ref": "#/$defs/condition"}
    suggestion = _mapping(
        {"offer": {"enum": list(OFFERS)}},
        {
            "recommended": _flag(),
            "urgent": _flag(),
            "when": condition,
            "classes": _TEXTS,
            "ingredient": _TEXT,
            "at_most": {"anyOf": [{"type": "number"}, {"const": CAP}]},
            "below": {"type": "number"},
        },
    )
    evidence = _mapping(
        {"supports": _TEXT, "grade": {"enum": ["A", "B", "C"]}, "claim": _TEXT, "citation": _TEXT},
        {
            "url": _URL,
            "numbers": {"type": "array", "items": {"type": "number"}},
            "year": {"type": "integer", "minimum": 1900},
            "population": _TEXT,
        },
    )
    worse = [
        {
            "description": kind.meaning,
            **_mapping(
                {"fact": {"const": name}, "called": _TEXT},
                _comparisons(kind, name, words)
                | {
                    way: {"enum": _measurable(kind, way == "rises")}
                    for way in ("rises", "falls")
                    if _measurable(kind, way == "rises")
                },
            ),
        }
        for name, kind in KINDS.items()
        if _measurable(kind, True)
    ]
    parts: dict[str, Schema] = {
        "title": _TEXT,
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "status": {"enum": ["draft", "active", "retired"]},
        "group": _TEXT,
        "hooks": {"type": "array", "items": {"enum": list(HOOKS)}, "minItems": 1, "uniqueItems": True},
        "reviewed": {"type": "string", "format": "date"},
        "ages": _mapping({"from": {"type": "integer", "minimum": 0}}),
        "when": condition,
        "levels": {
            "type": "array",
            "minItems": 1,
            "items": _mapping({"is": {"enum": list(INDICATORS)}}, {"when": condition}),
        },
        "unless": {"type": "array", "items": _mapping({"when": condition, "because": _TEXT})},
        "card": _mapping({"summary": _TEXT, "why": _TEXT, "consider": _TEXTS}, {"found": _TEXTS, "uncertain": _TEXTS}),
        "suggestions": {"type": "array", "items": suggestion},
        "overrides": {"type": "array", "items": _TEXT, "uniqueItems": True},
        "links": {"type": "array", "items": _TEXT, "uniqueItems": True},
        "evidence": {"type": "array", "minItems": 1, "items": evidence},
        "worse": {"type": "array", "items": {"oneOf": worse}},
    }
    return {
        "$schema": _DIALECT,
        "title": "A rule",
        **_mapping({key: parts[key] for key in RULE_KEYS}, {key: parts[key] for key in RULE_OPTIONAL}),
        "$defs": _condition_definitions(words),
    }


_ENDS: Schema = {
    "type": "object",
    "properties": {"ge": {"type": "number"}, "le": {"type": "number"}},
    "additionalProperties": False,
    "minProperties": 1,
}
"""A number of which only the ends are known."""


def cases_schema(words: Words) -> Schema:
    """The schema of rules/<id>.cases.yaml."""
    facts: Schema = {"$ref": "#/$defs/facts"}
    case = _mapping(
        {"name": _TEXT, "expect": {"enum": list(EXPECTATIONS)}},
        {
            "hook": {"enum": list(HOOKS)},
            "with": facts,
            "without": _TEXTS,
            "gaps": {"type": "array", "items": {"enum": list(KINDS)}},
        },
    )
    kinds = {}
    for name, kind in KINDS.items():
        if name != "call":
            one = _mapping(
                {},
                {
                    field: {
                        "anyOf": [
                            _value(declared, words.get((name, field), frozenset())),
                            {"type": "null"},
                            *([_ENDS] if declared.type == "number" else []),
                        ]
                    }
                    for field, declared in kind.fields.items()
                },
            )
            kinds[name] = one if name in QUIET else {"anyOf": [one, {"type": "array", "items": one}]}
    return {
        "$schema": _DIALECT,
        "title": "The cases of a rule",
        **_mapping({"cases": {"type": "array", "minItems": 1, "items": case}}, {"given": facts}),
        "$defs": {"facts": {"type": "object", "properties": kinds, "additionalProperties": False}},
    }


def pack_schema(words: Words) -> Schema:
    """The schema of pack.yaml."""
    condition: Schema = {"$ref": "#/$defs/condition"}
    removal = _mapping(
        {"by": _TEXTS, "removes": _TEXTS},
        {
            "at_least": {"enum": list(INDICATORS)},
            "hooks": {"type": "array", "items": {"enum": list(HOOKS)}},
            "unless": condition,
        },
    )
    number: Schema = {"type": "number"}
    parameter: Schema = {
        "oneOf": [
            _mapping({"value": number, "low": number, "high": number, "because": _TEXT}, {"unit": _TEXT}),
            _mapping({"value": _TEXT, "choices": _TEXTS, "because": _TEXT}),
        ]
    }
    return {
        "$schema": _DIALECT,
        "title": "A pack",
        **_mapping(
            {
                "name": _TEXT,
                "title": _TEXT,
                "version": _TEXT,
                "source": _mapping({"label": _TEXT, "url": _URL}),
                "groups": {
                    "type": "array",
                    "minItems": 1,
                    "items": _mapping({"id": _TEXT, "title": _TEXT, "rules": _TEXTS}),
                },
                "overrides": {"type": "object", "additionalProperties": _TEXT},
            },
            {
                "removals": {"type": "array", "items": removal},
                "comfort_care": condition,
                "parameters": {"type": "object", "additionalProperties": parameter},
                "links": {"type": "object", "additionalProperties": _mapping({"label": _TEXT, "url": _URL})},
            },
        ),
        "$defs": _condition_definitions(words),
    }


def words_schema(words: Words) -> Schema:
    """The schema of languages/<tag>/words.yaml."""
    return {
        "$schema": _DIALECT,
        "title": "A language of a pack",
        **_mapping(
            {
                "name": _TEXT,
                "decimal": _TEXT,
                "day": {**_TEXT, "description": "a date in the codes of strftime"},
                "words": {
                    "type": "object",
                    "additionalProperties": _TEXT,
                    "description": "English -> this language; what stands in braces stands in both",
                },
            }
        ),
    }


def texts_schema(words: Words) -> Schema:
    """The schema of languages/<tag>/rules/<id>.yaml."""
    required = {"title": _TEXT, "summary": _TEXT, "why": _TEXT, "consider": _TEXTS}
    return {
        "$schema": _DIALECT,
        "title": "The texts of a rule in a language",
        **_mapping(required, {"found": _TEXTS, "uncertain": _TEXTS}),
    }


def _condition_definitions(words: Words) -> Schema:
    condition: Schema = {"$ref": "#/$defs/condition"}
    several: Schema = {"type": "array", "items": condition, "minItems": 1}
    patterns = [_pattern(name, kind, words) for name, kind in KINDS.items()]
    return {
        "condition": {
            "oneOf": [_mapping({"all": several}), _mapping({"any": several}), _mapping({"not": condition}), *patterns]
        }
    }


def _pattern(name: str, kind: Kind, words: Words) -> Schema:
    return {"description": kind.meaning, **_mapping({"fact": {"const": name}}, _comparisons(kind, name, words))}


def _comparisons(kind: Kind, name: str, words: Words) -> dict[str, Schema]:
    return {
        field: _comparison(declared, words.get((name, field), frozenset())) for field, declared in kind.fields.items()
    }


def _measurable(kind: Kind, rises: bool) -> list[str]:
    """The fields of which a rule may say that they got worse."""
    return [name for name, field in kind.fields.items() if field.type == "number" or (field.ordered and rises)]


def _comparison(field: Field, choice: frozenset[str]) -> Schema:
    value: Schema = {"anyOf": [_value(field, choice), _PARAMETER]} if field.type == "number" else _value(field, choice)
    ways: dict[str, Schema] = {"in": {"type": "array", "items": value, "minItems": 1}}
    if field.type == "number":
        ways |= dict.fromkeys(ORDERS, value)
    meaning = f"{field.meaning}{f' ({field.unit})' if field.unit else ''}"
    return {"description": meaning, "anyOf": [value, {**_mapping({}, ways), "minProperties": 1}]}


def _value(field: Field, choice: frozenset[str]) -> Schema:
    if field.type == "text" and (words := field.words or tuple(sorted(choice))):
        return {"enum": list(words)}
    return {"type": {"number": "number", "flag": "boolean", "text": "string"}[field.type]}


def _flag() -> Schema:
    return {"type": "boolean"}


def _mapping(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    properties = {**required, **(optional or {})}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema
