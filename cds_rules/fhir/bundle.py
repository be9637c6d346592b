"""From documents to single resources: Bundles of every type, Parameters, arrays and resources by themselves.

Documents (bytes) flow in; `Entry`s of the types that are read flow out, undecoded, with where they stood; the rest is passed
over, and what nobody can know becomes `Unread`.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cds_rules.fhir import wire
from cds_rules.fhir.resource_types import RESOURCE_TYPES
from cds_rules.fhir.wire import SHAPES, Buffer, Entry, Misfit
from cds_rules.vocabulary.chart import Unread
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.frozen import Frozen

DRAFT = "draft"
_DEEPEST = 6


class Document(Frozen, frozen=True):
    """One delivered document: a resource, a Bundle of any type, Parameters, or an array of them.

    raw: JSON in UTF-8. origin: where it came from ("prefetch:labs", a file name), for messages; "draft" for the resources of
    context.draftOrders.
    """

    raw: Buffer
    origin: str = ""


@dataclass(slots=True)
class Delivery:
    """What the documents hold: resources to read and what could not even be looked at.

    lost_drafts: something of the latter stood among the drafts.
    """

    entries: list[Entry] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    place: int = 0
    draft: bool = False
    lost_drafts: bool = False

    def lose(self, name: str, reason: str, detail: str) -> None:
        """Note what could not be looked at, under its name and place."""
        self.place += 1
        self.unread.append(Unread(f"{name}#{self.place}", reason, detail))
        self.lost_drafts = self.lost_drafts or self.draft

    def pass_over(self, kind: str, raw: Buffer) -> None:
        """Note a draft of a type that no rule reads, such as a ReferralRequest: whoever orders it sees that it was looked at."""
        name = wire.head(raw).id
        reference = f"{kind}/{name}" if isinstance(name, str) and name else f"{kind}#{self.place}"
        self.unread.append(Unread(reference, "no-rule", f"no rule looks at orders of the type {kind}"))


def unpack(documents: Iterable[Document]) -> Delivery:
    """Take documents apart.

    Raises:
        BadInput: a document is not JSON, or neither an object nor an array nor null.
    """
    delivery = Delivery()
    for document in documents:
        raw, origin = document.raw, document.origin
        wire.check_text(raw, origin)
        delivery.draft = origin == DRAFT
        bundle = wire.whole_bundle(raw)
        if bundle is not None:
            _take_bundle(delivery, raw, bundle, 1)
            continue
        wire.check_json(raw, origin)
        start = bytes(memoryview(raw)[:256]).lstrip()[:1]
        if start == b"[":
            for element in wire.contained(raw):
                _take(delivery, element, None, 0)
        elif start == b"{" or not start:
            _take(delivery, raw, None, 0)
        elif start != b"n":
            raise BadInput("a JSON object or an array of objects belongs here", origin)
    return delivery


def _take(delivery: Delivery, raw: Buffer, full_url: str | None, depth: int) -> None:
    kind = wire.kind_of(raw)
    if kind is None:
        return
    if kind == "Bundle" or kind == "Parameters":
        if depth >= _DEEPEST:
            delivery.lose(kind, "malformed", f"nested deeper than {_DEEPEST} {kind}s")
        elif kind == "Bundle":
            _take_bundle(delivery, raw, wire.whole_bundle(raw), depth + 1)
        else:
            _take_parameters(delivery, raw, depth + 1)
        return
    if not kind:
        delivery.lose("Resource", "unknown-type", "no resourceType that FHIR knows")
        return
    delivery.place += 1
    if kind in SHAPES:
        delivery.entries.append(Entry(kind, raw, full_url, delivery.draft, delivery.place))
    elif delivery.draft:
        delivery.pass_over(kind, raw)


def _take_bundle(delivery: Delivery, raw: Buffer, bundle: wire.Bundle | None, depth: int) -> None:
    if bundle is None:
        _take_loose(delivery, raw, depth)
    elif bundle.type == "history":
        _take_history(delivery, raw, depth)
    else:
        entries, draft, place = delivery.entries, delivery.draft, delivery.place
        for entry in bundle.entry or ():
            kind = wire.kind_of(entry.resource)
            if kind in SHAPES:
                place += 1
                entries.append(Entry(kind, entry.resource, entry.fullUrl, draft, place))
            elif kind not in RESOURCE_TYPES or kind in ("Bundle", "Parameters"):
                delivery.place = place
                _take(delivery, entry.resource, entry.fullUrl, depth)
                place = delivery.place
            else:
                place += 1
                if draft:
                    delivery.place = place
                    delivery.pass_over(kind, entry.resource)
        delivery.place = place


def _take_loose(delivery: Delivery, raw: Buffer, depth: int) -> None:
    """Read a Bundle in which something has a wrong shape, entry by entry."""
    try:
        body = wire.decode(wire.LooseBundle, raw).entry
    except Misfit as error:
        delivery.lose("Bundle", "malformed", str(error))
        return
    for element in wire.contained(body) or (body,):
        try:
            entry = wire.decode(wire.BundleEntry, element)
        except Misfit as error:
            delivery.lose("Resource", "malformed", f"Bundle entry: {error}")
        else:
            _take(delivery, entry.resource, entry.fullUrl, depth)


def _take_history(delivery: Delivery, raw: Buffer, depth: int) -> None:
    """Read a history, newest first as FHIR orders it: older versions of what was deleted are not read."""
    deleted: set[str] = set()
    kept: set[str] = set()
    try:
        history = wire.decode(wire.History, raw)
    except Misfit:
        _take_loose(delivery, raw, depth)
        return
    for entry in history.entry or ():
        url = (entry.request.url or "") if entry.request else ""
        if entry.request and entry.request.method == "DELETE":
            if url not in kept:
                deleted.add(url)
            continue
        reference = f"{wire.kind_of(entry.resource)}/{wire.head(entry.resource).id}"
        if reference not in deleted:
            kept.add(reference)
            _take(delivery, entry.resource, entry.fullUrl, depth)


def _take_parameters(delivery: Delivery, raw: Buffer, depth: int) -> None:
    try:
        parameters = list(wire.decode(wire.Parameters, raw).parameter or ())
    except Misfit as error:
        delivery.lose("Parameters", "malformed", str(error))
        return
    while parameters:
        parameter = parameters.pop(0)
        _take(delivery, parameter.resource, None, depth)
        parameters = [*(parameter.part or ()), *parameters]
