"""OperationOutcome bodies: what every answer that is not 200 carries.

Flows in: issues as (code, text). Flows out: plain JSON-shaped dicts without empty elements.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: code of FHIR's issue-type value set, text for people. Never patient data."""

    code: str
    diagnostics: str
    severity: str = "error"


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome of at least one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": issue.severity, "code": issue.code, "diagnostics": issue.diagnostics} for issue in issues
        ],
    }
