"""The one table from what went wrong to HTTP status and OperationOutcome.

Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cds_rules.hooks.outcome import Issue, operation_outcome
from cds_rules.hooks.request import BadRequest


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of error: status, code of FHIR's issue-type value set, and what is said when nothing better is known."""

    status: int
    code: str
    text: str


CATEGORIES: Mapping[str, Category] = {
    "bad-request": Category(400, "invalid", "The request cannot be read."),
    "token": Category(401, "login", "A token that holds is required."),
    "elsewhere": Category(403, "forbidden", "This address does not answer from where you ask."),
    "insecure": Category(403, "forbidden", "Call over https."),
    "no-service": Category(404, "not-found", "There is no such service. GET /cds-services lists the services."),
    "no-page": Category(404, "not-found", "There is nothing at this address. GET /cds-services lists the services."),
    "method": Category(
        405, "not-supported", "This address does not take this method; the Allow header lists those it takes."
    ),
    "slow": Category(408, "timeout", "The request did not arrive in time."),
    "too-large": Category(413, "too-long", "The body is too large."),
    "media-type": Category(415, "not-supported", "Send application/json in UTF-8."),
    "content-encoding": Category(415, "not-supported", "Send the body as it is, or packed with gzip."),
    "too-many": Category(
        429, "throttled", "This client has too many requests under way; the Retry-After header says when to come back."
    ),
    "not-kept": Category(503, "transient", "Feedback cannot be kept now; nothing was recorded. Send it again."),
    "not-told": Category(503, "transient", "What was kept cannot be read now."),
    "internal": Category(
        500, "exception", "The service failed; nothing was assessed. The X-Correlation-Id header names this call."
    ),
    "busy": Category(
        503, "throttled", "Too many requests are under way; the Retry-After header says when to come back."
    ),
    "late": Category(503, "timeout", "The request could not be answered in time; nothing was assessed."),
    "unavailable": Category(503, "transient", "A part of the service does not answer; nothing was assessed."),
    "not-ready": Category(
        503, "transient", "The service is not ready: its check of itself did not give the card it must give."
    ),
}


class Problem(Exception):
    """An error of the table on its way to the client; issues: in place of the category's own text."""

    def __init__(self, category: str, *texts: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(category)
        self.category = category
        self.texts = texts
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, error: BadRequest) -> Problem:
        """The problem of a request with faults, one issue each."""
        return cls("bad-request", *map(str, error.faults))

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CATEGORIES[self.category].status

    def body(self) -> dict[str, Any]:
        """The OperationOutcome."""
        category = CATEGORIES[self.category]
        return operation_outcome(Issue(category.code, text) for text in self.texts or (category.text,))
