"""OperationOutcome bodies: what every answer that is not 200 carries.

Flows in: issues as (code, text). Flows out: plain JSON-shaped dicts without empty elements.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cds_rules.vocabulary.frozen import Frozen


class Issue(Frozen, frozen=True):
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
