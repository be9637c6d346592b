"""The status words FHIR has, by resource type: those of R4, and those of R5, STU3 and DSTU2 beside them.

A status outside them, in other letters (codes are case-sensitive) or absent says nothing: the resource may count or not.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Mapping

_ORDER = frozenset(
    ["active", "cancelled", "completed", "draft", "ended", "entered-in-error", "on-hold", "stopped", "unknown"]
)
_REQUEST = frozenset(
    [
        "active",
        "cancelled",
        "completed",
        "draft",
        "entered-in-error",
        "on-hold",
        "revoked",
        "stopped",
        "suspended",
        "unknown",
    ]
)

STATUSES: Mapping[str, frozenset[str]] = {
    "Observation": frozenset(
        ["amended", "cancelled", "corrected", "entered-in-error", "final", "preliminary", "registered", "unknown"]
    ),
    "MedicationRequest": _ORDER,
    "MedicationOrder": _ORDER,
    "MedicationStatement": frozenset(
        [
            "active",
            "completed",
            "draft",
            "entered-in-error",
            "intended",
            "not-taken",
            "on-hold",
            "recorded",
            "stopped",
            "unknown",
        ]
    ),
    "MedicationDispense": frozenset(
        [
            "cancelled",
            "completed",
            "declined",
            "entered-in-error",
            "in-progress",
            "on-hold",
            "preparation",
            "stopped",
            "unknown",
        ]
    ),
    "MedicationAdministration": frozenset(
        ["completed", "entered-in-error", "in-progress", "not-done", "on-hold", "stopped", "unknown"]
    ),
    "Procedure": frozenset(
        [
            "aborted",
            "completed",
            "entered-in-error",
            "in-progress",
            "not-done",
            "on-hold",
            "preparation",
            "stopped",
            "suspended",
            "unknown",
        ]
    ),
    "ServiceRequest": _REQUEST,
    "ProcedureRequest": _REQUEST,
}
"""Type of resource -> its status words."""
