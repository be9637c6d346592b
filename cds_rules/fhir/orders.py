"""ServiceRequests: tests that are already ordered, and orders for dialysis or comfort measures.

A decoded ServiceRequest flows in; `Order`s, `Event`s, `Problem`s or reasons flow into the `Reader`.
Floor: fhir.
"""

from __future__ import annotations

from cds_rules.fhir import wire
from cds_rules.fhir.reader import Reader
from cds_rules.fhir.wire import spoken
from cds_rules.vocabulary.chart import Event, Order, Problem, Source

COMFORT_CARE = "comfort-care"
_PROPOSALS = frozenset(("proposal", "plan", "option"))
_OVER = frozenset(("completed", "revoked", "stopped", "cancelled"))
_NOT_EVEN_AS_DRAFT = frozenset(("entered-in-error", "completed", "revoked", "stopped", "cancelled"))


def read(reader: Reader, reference: str, request: wire.ServiceRequest, *, draft: bool) -> None:
    """Read one ServiceRequest, of the record or drafted."""
    concept = spoken(request.code)
    terminology = reader.terminology
    test = terminology.test(concept.codings, concept.text)
    event = None if draft else terminology.event(concept.codings, concept.text)
    comfort = not draft and COMFORT_CARE in terminology.problems(concept.codings, concept.text)
    if test is None and event is None and not comfort:
        return
    about = test or event or COMFORT_CARE
    if draft:
        if request.status in _NOT_EVEN_AS_DRAFT or request.doNotPerform:
            reader.skip_status(reference, request.status, "a draft", about)
        elif test:
            reader.orders.append(Order(test, "draft", Source(reference, concept.label)))
        return
    if request.status in _OVER:
        return
    if request.status != "active":
        reader.skip_status(reference, request.status, "active", about, domain="orders")
        return
    if request.intent in _PROPOSALS or request.doNotPerform:
        reader.skip(reference, "status", "a proposal or plan, or not to be performed", about)
        return
    when = reader.moment(request.authoredOn)
    if reader.is_future(when):
        reader.skip(reference, "future", "authored after the evaluation", about)
        return
    source = Source(reference, concept.label, "active", when)
    if test:
        reader.orders.append(Order(test, "active", source))
    if event:
        reader.events.append(Event(event, when, source, ongoing=True))
    if comfort:
        reader.problems.append(Problem(COMFORT_CARE, True, True, source, when))
