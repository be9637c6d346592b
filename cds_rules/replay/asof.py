"""The record as it stood at an instant: nothing that came later, and what has ended since still running.

Flows in: a `Record` and an instant. Flows out: documents for `evaluate`. Floor: edge.

Rules, in words:
- What became known after the instant is left out (`record` says when a resource became known).
- An order that is completed or stopped today was active until the end of its period (dosage bounds, else the dispense
  request's validity). An order that ended at a time nobody wrote down stays as it is: it is never counted as active.
- A statement, administration, procedure, stay or plan that ended later was still running.
- A condition that abated later was active. A condition that is inactive without an abatement date stays inactive.
- A patient who died later was alive, and so was one for whom an order is just being written.
- Everything else stands as charted: what was corrected or entered in error since is not brought back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

from cds_rules.fhir import Document
from cds_rules.replay.record import Item, Record
from cds_rules.replay.wire import Bytes, bundle, changed, content

_MEDICATIONS = frozenset(
    {"MedicationRequest", "MedicationOrder", "MedicationStatement", "MedicationDispense", "MedicationAdministration"}
)
_ORDERS = frozenset({"MedicationRequest", "MedicationOrder"})
_ACTIVE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}


def as_of(record: Record, at: datetime, order: Item | None = None, drafts: bool = False) -> tuple[Document, ...]:
    """The documents of a record at an instant.

    Args:
        order: the order that is just being written: it becomes the draft, and medication of the same moment is not there yet.
        drafts: hand the record's own draft orders over as drafts (order hooks).
    """
    parts: list[tuple[str, Bytes]] = []
    drafted: list[tuple[str, Bytes]] = []
    for item in record.items:
        if item is order:
            continue
        since = item.since
        if since is not None and (since > at or (order is not None and since == at and item.kind in _MEDICATIONS)):
            continue
        alive = order is not None and item.kind == "Patient"
        raw = as_it_was(item) if alive or (item.until is not None and item.until > at) else item.entry.raw
        is_draft = drafts and order is None and item.status == "draft" and item.kind in _ORDERS
        (drafted if is_draft else parts).append((item.entry.url, raw))
    documents = [Document(bundle(parts), f"file:{record.origins[0]}" if record.origins else "file")]
    if order is not None:
        drafted = [(order.entry.url, drafted_order(order))]
    if drafted:
        documents.append(Document(bundle(drafted), "draft"))
    return tuple(documents)


def orders(record: Record) -> tuple[Item, ...]:
    """The medication orders of a record that were really written, in the order of their moments."""
    written = (
        item
        for item in record.items
        if item.kind in _ORDERS and item.since and item.status not in ("entered-in-error", "draft")
    )
    return tuple(sorted(written, key=attrgetter("since")))


def drafted_order(order: Item) -> bytes:
    """An order as it looked before it was signed."""
    return changed(order.entry.raw, status="draft")


def as_it_was(item: Item) -> bytes:
    """A resource as it stood before its state ended."""
    if item.restored is None:
        item.restored = _restored(item)
    return item.restored


def _restored(item: Item) -> bytes:
    raw = item.entry.raw
    match item.kind:
        case "Patient":
            return changed(raw, deceasedDateTime=None, deceasedBoolean=None)
        case "Condition":
            body = content(raw)
            coded = isinstance(body.get("clinicalStatus"), dict)
            status = _ACTIVE if coded else "active" if body.get("clinicalStatus") else None
            return changed(raw, clinicalStatus=status, abatementDateTime=None, abatementPeriod=None)
        case "MedicationRequest" | "MedicationOrder" | "MedicationStatement" | "CarePlan":
            return changed(raw, status="active", statusReason=None)
    body = content(raw)
    periods = {name: _open(body[name]) for name in _PERIODS if isinstance(body.get(name), dict)}
    return changed(raw, status="in-progress", **periods)


_PERIODS = ("period", "effectivePeriod", "performedPeriod", "occurrencePeriod", "occurencePeriod")


def _open(period: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in period.items() if name != "end"}


def unsettled(items: Iterable[Item]) -> int:
    """How many finished orders have no end that could be read, and so are never counted as active."""
    return sum(
        item.kind in _ORDERS and item.status in ("completed", "stopped") and item.until is None for item in items
    )
