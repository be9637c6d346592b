"""What of a request's record is worth asking the client's FHIR server for, and the record with what it answered.

A call is judged first with all that may still be open taken for missing. Three-valued logic then tells which rules are
settled whatever else the server holds; only what the others look at is asked for, and when nothing is left open, nothing is.
Flows in: a request, its key states, answers. Flows out: `Ask`s, addresses of Medications, the `Prefetch` made whole. No socket here.
Floor: hooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from cds_rules.evaluate import Knowledge
from cds_rules.fhir import Document
from cds_rules.hooks.prefetch import QUERIES, Delivery, Page, Query, Rows, State, prefetch_of, templates
from cds_rules.hooks.request import HookRequest
from cds_rules.hooks.response import judged
from cds_rules.hooks.wire import Holder, Pointer, Raw, WireError, decode, kind, text
from cds_rules.knowledge.rules import Rule, patterns
from cds_rules.vocabulary.facts import KINDS
from cds_rules.vocabulary.frozen import Frozen, replace

_QUERIES = {query.key: query for query in QUERIES}


class Ask(Frozen, frozen=True):
    """One thing to ask a FHIR server for.

    search: relative to the server's address. page: what is there already; its `next` is where to go on.
    """

    query: Query
    search: str
    page: Page


class Told(Frozen, frozen=True):
    """What came of an ask: the bodies that were read, and the last page, or why there is none."""

    ask: Ask
    bodies: tuple[bytes, ...]
    page: Page


def asks(knowledge: Knowledge, request: HookRequest, at: datetime) -> tuple[Ask, ...]:
    """What to ask for next: keys that are not wholly there, in parts of the record on which a rule of the hook still depends.

    All at once, with one exception: where the medications alone may settle every rule (an order hook, and no draft of a drug
    that any rule is about) they are asked for first. Once they are there, the next call tells what is left to ask for.

    Raises:
        BadRequest: as `judged`.
    """
    unsettled = [delivery for delivery in request.prefetch.deliveries if delivery.open]
    if not unsettled:
        return ()
    parts = {_QUERIES[delivery.key].domain for delivery in unsettled}
    missing = {**request.prefetch.missing, **dict.fromkeys(parts, "may hold more")}
    needed = _needed(knowledge, request, at, missing)
    if _FIRST in parts & needed:
        del missing[_FIRST]
        needed = needed if _needed(knowledge, request, at, missing) else {_FIRST}
    searches = _resolved(knowledge.tables, request.patient_id)
    return tuple(
        Ask(query, searches[query.key], delivery.page)
        for delivery in unsettled
        if (query := _QUERIES[delivery.key]).domain in needed
    )


_FIRST = "medications"


def _needed(knowledge: Knowledge, request: HookRequest, at: datetime, missing: Mapping[str, str]) -> set[str]:
    """The parts of the record that a rule still depends on while some are missing."""
    found = judged(knowledge, replace(request, prefetch=replace(request.prefetch, missing=missing)), at)
    if found.findings:  # a card tells of kidneys, levels and other causes whatever the rule itself looks at
        return set(missing)
    return {part for name in found.not_judged for part in _domains(knowledge.rules[name])}


def _domains(rule: Rule) -> Iterable[str]:
    for _, condition in rule.conditions():
        for pattern in patterns(condition):
            yield from KINDS[pattern.kind].domains


def _resolved(tables: Mapping[str, Rows], patient_id: str) -> dict[str, str]:
    """The templates with the patient's id in place of its token."""
    return {key: each.replace("{{context.patientId}}", patient_id) for key, each in templates(tables).items()}


def can_be_asked_for(patient_id: str) -> bool:
    """Whether an id can stand in an address without becoming more than that: FHIR's letters, and a little beyond.

    >>> can_be_asked_for("e3.-_7"), can_be_asked_for("a/../b"), can_be_asked_for("..")
    (True, False, False)
    """
    return bool(_ID.fullmatch(patient_id))


_ID = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,128}")


def completed(request: HookRequest, told: Iterable[Told], medications: Sequence[bytes] = ()) -> HookRequest:
    """The request with what was fetched for it."""
    documents = list(request.prefetch.documents)
    deliveries = {delivery.key: delivery for delivery in request.prefetch.deliveries}
    for each in told:
        key = each.ask.query.key
        documents += [Document(body, f"fetched:{key}") for body in each.bodies]
        deliveries[key] = Delivery(key, each.page, fetched=True)
    documents += [Document(body, "fetched:Medication") for body in medications]
    return replace(request, prefetch=prefetch_of(documents, deliveries))


def settled(ask: Ask, bodies: tuple[bytes, ...], read: int, trouble: str = "") -> Told:
    """What came of an ask, once nothing more of it is read.

    Args:
        read: resources of its type that are there in all. trouble: why not all was read, in words that go on after the key.

    A search beyond what we need (`Query.required`) that gives nothing leaves its key as it was: not sent, and nobody's fault.
    """
    if not trouble:
        return Told(ask, bodies, Page(State.DELIVERED if read else State.EMPTY, read=read))
    if read := max(read, ask.page.read):
        return Told(ask, bodies, Page(State.PARTIAL, f"was read in part, and the rest {trouble}", read))
    missing = ask.page.state is State.MISSING and not ask.query.required
    return Told(ask, bodies, Page(State.MISSING if missing else State.FAILED, f"{ask.page.because}, and {trouble}"))


def medications_not_sent(documents: Iterable[Document]) -> tuple[str, ...]:
    """References to Medications that nothing delivered holds, as they were written, each once.

    Only where the order says nothing else of its product: a code, a text or the name in the reference is enough to read it.
    """
    wanted: dict[str, None] = {}
    held: set[str] = set()
    for document in documents:
        for resource in _resources(Raw(bytes(document.raw))):
            if resource.resourceType == "Medication":
                held.add(f"Medication/{resource.id}")
            elif (reference := _elsewhere(resource)) and not reference.startswith(("#", "urn:")):
                wanted[reference] = None
    return tuple(each for each in wanted if relative(each) not in held)


def relative(reference: str) -> str:
    """A reference as "Type/id", without server and version.

    >>> relative("https://ehr.example.org/fhir/Medication/m1/_history/2"), relative("Medication/m1")
    ('Medication/m1', 'Medication/m1')
    """
    return "/".join(reference.partition("/_history/")[0].rsplit("/", 2)[-2:])


def _elsewhere(resource: Holder) -> str:
    if kind(resource.medicationCodeableConcept) == "object":
        return ""
    for sent in (resource.medicationReference, resource.medication):
        if kind(sent) == "object":
            pointer = decode(sent, Pointer)
            if kind(pointer.concept) == "object" or text(pointer.display):
                return ""
            within = decode(pointer.reference, Pointer) if kind(pointer.reference) == "object" else pointer
            return "" if text(within.display) else text(within.reference) or ""
    return ""


def _resources(raw: Raw) -> Iterable[Holder]:
    held = _holder(raw)
    if held.resourceType != "Bundle":
        yield held
    for entry in held.entry or ():
        yield _holder(_holder(entry).resource)


def _holder(raw: Raw) -> Holder:
    try:
        return decode(raw, Holder)
    except WireError:  # not an object, or not shaped as a resource: whoever reads the record says so
        return Holder()
