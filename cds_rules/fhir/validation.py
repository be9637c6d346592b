"""The second gate: full validation of a resource, and the only door to fhir.resources.

Each resource a card is about to cite, and each that a suggestion offers, passes here. Bytes flow in, a reason or None flows
out; a reason names fields and kinds of mistakes, never what was in them. What has an ordinary shape (fhir/shapes.py) passes at
once; for all else the library is imported on first use: a server calls `warm` after start-up.
Floor: fhir.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cds_rules.fhir import versions
from cds_rules.fhir.resource_types import RESOURCE_TYPES
from cds_rules.fhir.versions import Version
from cds_rules.fhir.wire import SHAPES, Misfit, body_of, decode_resource, fields_of, head, kind_of, written

CITED = (
    "Patient", "Observation", "Condition", "MedicationRequest", "MedicationStatement", "MedicationDispense",
    "MedicationAdministration", "Medication", "ServiceRequest", "Procedure", "Encounter", "CarePlan",
)  # fmt: skip
_TRIED: tuple[Version, ...] = ("R4", "R5", "STU3")
_MOST_NAMED = 3
_CHOICE = "Value error, Expect any of field value from this list"
_FIELD = re.compile(r"'(\w+)'")
_WORD = re.compile(r"\w+")
_STAND_INS: dict[str, object] = {
    "DateTime": "2000-01-01",
    "Boolean": False,
    "String": "absent",
    "Integer": 1,
    "Uri": "urn:absent",
}


@cache
def _door(version: Version) -> tuple[Callable[[str], Any], type[Exception]]:
    """The classes of a version; those of R4B serve R4, which differs from it in nothing that is read."""
    from pydantic import ValidationError

    if version == "STU3":
        from fhir.resources.STU3 import get_fhir_model_class
    elif version == "R5":
        from fhir.resources import get_fhir_model_class
    else:
        from fhir.resources.R4B import get_fhir_model_class
    return get_fhir_model_class, ValidationError


@cache
def _model(kind: str, version: Version) -> Any:
    """The class of a type, None when there is none: the library answers that with several kinds of exception."""
    if kind not in RESOURCE_TYPES or version == "DSTU2":
        return None
    model_class, _ = _door(version)
    try:
        return model_class(kind)
    except (LookupError, TypeError, AttributeError, ImportError, ValueError):
        return None


@cache
def _names(kind: str, version: Version) -> frozenset[str]:
    model = _model(kind, version)
    return frozenset(model.elements_sequence()) if model else frozenset()


def version_of(kind: str, raw: bytes) -> Version:
    """The version of one resource: what its meta.profile tells, else its shape, else the first that has all its fields."""
    if found := versions.told(getattr(head(raw).meta, "get", lambda name: None)("profile")):
        return found
    try:
        found = versions.as_r4(kind, decode_resource(kind, raw)) if kind in SHAPES else "R4"
    except Misfit:
        return "R4"
    if found != "R4":
        return found
    names = {name for name in fields_of(raw) if name != "resourceType" and not name.startswith("_")}
    return next((one for one in _TRIED if names <= _names(kind, one)), "R4")


def warm() -> None:
    """Import the library and the classes that are cited most, so that no first caller waits for it."""
    for kind in CITED:
        _model(kind, "R4")
        why_invalid(b'{"resourceType":"%s"}' % kind.encode())


def is_valid(raw: bytes) -> bool:
    """Whether full validation accepts a resource."""
    return why_invalid(raw) is None


def why_invalid(raw: bytes) -> str | None:
    """Say why full validation in the FHIR version of a resource refuses it, None when it accepts it.

    A required choice that only says why it is absent (`_effectiveDateTime` with a data-absent-reason) is accepted: FHIR
    allows it, the library does not.
    """
    from cds_rules.fhir import shapes

    kind = kind_of(raw) or head(raw).resourceType
    if not isinstance(kind, str):
        return "no resourceType"
    if shapes.fits(kind, raw):
        return None
    version = version_of(kind, raw)
    model = _model(kind, version)
    if model is None:
        return f"a type of resource that FHIR {version} does not know"
    mistakes = _mistakes(model, version, raw)
    if len(mistakes) == 1 and (absent := _absent_with_reason(raw, mistakes[0])):
        mistakes = _mistakes(model, version, _with(raw, absent))
    named = [f"{kind}{mistake}" for mistake in mistakes[:_MOST_NAMED]]
    if len(mistakes) > _MOST_NAMED:
        named.append(f"and {len(mistakes) - _MOST_NAMED} more")
    return "; ".join(named) or None


def _mistakes(model: Any, version: Version, raw: bytes) -> list[str]:
    """Each mistake as ".field: kind of mistake"; choices that are missing are named with their fields."""
    _, refusal = _door(version)
    try:
        model.model_validate_json(raw)
    except refusal as error:
        return [_mistake(one) for one in error.errors(include_url=False, include_input=False)]  # type: ignore[attr-defined]
    except Exception as error:  # the library raises what it likes on odd input; its messages hold content
        return [f": {type(error).__name__}"]
    return []


def _mistake(error: Mapping[str, Any]) -> str:
    place = "".join(f".{part}" for part in error["loc"])
    if error["msg"].startswith(_CHOICE):
        return f"{place}: one of {', '.join(_FIELD.findall(error['msg']))} belongs here"
    return f"{place}: {error['type'].replace('_', ' ')}"


def _absent_with_reason(raw: bytes, mistake: str) -> str | None:
    """The field of a missing choice for which the resource says why it is absent."""
    if " belongs here" not in mistake or b"data-absent-reason" not in raw:
        return None
    return next((name for name in _WORD.findall(mistake) if f'"_{name}"'.encode() in raw and _stand_in(name)), None)


def _stand_in(name: str) -> object:
    return next((value for kind, value in _STAND_INS.items() if name.endswith(kind)), None)


def _with(raw: bytes, name: str) -> bytes:
    """The resource with a stand-in for an absent value, so that the rest of it is validated all the same."""
    return written(body_of(raw) | {name: _stand_in(name)})
