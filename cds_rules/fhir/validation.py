"""The second gate: full validation of a resource, and the only door to fhir.resources.

Each resource a card is about to cite, and each that a suggestion offers, passes here. Bytes flow in, a reason or None flows
out; a reason names fields and kinds of mistakes, never what was in them. The library is imported on first use: a server calls
`warm` at start-up.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from cds_rules.fhir.wire import head

WARMED = (
    "Patient", "Observation", "Condition", "MedicationRequest", "MedicationStatement", "MedicationDispense",
    "MedicationAdministration", "Medication", "ServiceRequest", "Procedure", "Encounter", "CarePlan",
)  # fmt: skip
_MOST_NAMED = 3


@cache
def _door() -> tuple[Callable[[str], Any], type[Exception]]:
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    return get_fhir_model_class, ValidationError


@cache
def _model(kind: str) -> Any:
    """The R4B class of a type, None when there is none: the library answers that with KeyError or TypeError."""
    model_class, _ = _door()
    try:
        return model_class(kind)
    except (KeyError, TypeError, AttributeError, ImportError, LookupError):
        return None


def warm() -> None:
    """Import the library and the classes that are cited most, so that no first caller waits for it."""
    for kind in WARMED:
        _model(kind)
        why_invalid(b'{"resourceType":"%s"}' % kind.encode())


def is_valid(raw: bytes) -> bool:
    """Whether full validation accepts a resource."""
    return why_invalid(raw) is None


def why_invalid(raw: bytes) -> str | None:
    """Say why full validation (FHIR R4B) refuses a resource, None when it accepts it.

    A required choice that only says why it is absent (`_effectiveDateTime` with a data-absent-reason) is accepted: FHIR
    allows it, the library does not.
    """
    kind = head(raw).resourceType
    if not isinstance(kind, str):
        return "no resourceType"
    model = _model(kind)
    if model is None:
        return "a type of resource that FHIR R4 does not know"
    _, refusal = _door()
    try:
        model.model_validate_json(raw)
    except refusal as error:
        return _reason(kind, raw, error.errors(include_url=False, include_context=False, include_input=False))  # type: ignore[attr-defined]
    except Exception as error:  # the library raises what it likes on odd input; its messages hold content
        return f"{kind}: {type(error).__name__}"
    return None


def _reason(kind: str, raw: bytes, errors: Iterable[Mapping[str, Any]]) -> str | None:
    named = []
    for error in errors:
        place = ".".join(str(part) for part in error["loc"]) or kind
        if not _absent_with_reason(raw, place, error["type"]):
            named.append(
                f"{kind}.{place}: {_word(error['type'])}" if place != kind else f"{kind}: {_word(error['type'])}"
            )
    if not named:
        return None
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return "; ".join(named[:_MOST_NAMED]) + more


def _word(kind: str) -> str:
    return kind.replace("_", " ")


def _absent_with_reason(raw: bytes, place: str, kind: str) -> bool:
    return kind == "model_field_validation.missing" and f'"_{place}"'.encode() in raw and b"data-absent-reason" in raw
