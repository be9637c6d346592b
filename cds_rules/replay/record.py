"""One patient's record as replay holds it: resources by reference to their bytes, each with the moments that matter.

Flows in: entries of documents. Flows out: `Record`s, one a patient. Floor: edge.

When a resource became known ("since"): an Observation at the later of its effective time and `issued`; a Condition when it
was recorded, else at its onset; an order when it was authored, else when it starts; a dispense when handed over; an
administration, procedure, encounter or plan when it began. A resource without any date takes the end of its encounter (a
diagnosis that is coded for a stay is not known before the stay is over), else its start; without that it is always there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cds_rules.replay.wire import USED, Entry, Head, Period
from cds_rules.vocabulary.clock import last_day, parse_moment

_NOT_YET = frozenset({"planned", "pending", "proposed", "preparation", "booked", "draft", "not-started"})
_LAST_YEAR = 2900
"""Dates from here on are stand-ins for "never" and no instant of a record."""


@dataclass(slots=True)
class Item:
    """A resource with its moments.

    since: when it became known, None when it cannot be dated. until: when a state that has ended by now ended ("completed"
    order, abated condition, finished stay), None where nothing has to be set back. latest: the last thing it tells of.
    """

    entry: Entry
    since: datetime | None = None
    until: datetime | None = None
    latest: datetime | None = None
    restored: bytes | None = None
    """How it stood before `until`; filled by `asof` when first needed."""

    @property
    def kind(self) -> str:
        """The resource type, "" when there is none."""
        return self.entry.kind

    @property
    def reference(self) -> str:
        """ "Type/id", or the fullUrl, or only the type."""
        head = self.entry.head
        return f"{self.kind}/{head.id}" if head and head.id else self.entry.url or self.kind

    @property
    def status(self) -> str:
        """The status as charted, "" without one."""
        found = self.entry.head.status if self.entry.head else None
        return found if isinstance(found, str) else ""


@dataclass(slots=True)
class Record:
    """Everything of one patient, from one or more files.

    name: how results call it. origins: the files (with line) it came from. left_out: resource types that no rule reads,
    counted. missing: domains that were not delivered, with the reason. notes: what a reader should know.
    """

    name: str
    origins: tuple[str, ...]
    patient_id: str | None
    items: list[Item]
    left_out: Counter[str] = field(default_factory=Counter)
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def has_patient(self) -> bool:
        """Whether the Patient resource itself is there."""
        return any(item.kind == "Patient" for item in self.items)


@lru_cache(maxsize=4096)
def bare(reference: str | None) -> str:
    """The id a reference ends in, without type, server, version or scheme; "" for none and for contained ones.

    >>> bare("https://ehr.example.org/fhir/Patient/7/_history/2"), bare("urn:uuid:ab-1"), bare("Patient/7"), bare("#p")
    ('7', 'ab-1', '7', '')
    """
    if not reference or reference.startswith("#"):
        return ""
    reference = reference.split("/_history/", 1)[0].rstrip("/")
    if reference.startswith("urn:"):
        return reference.rsplit(":", 1)[1]
    return reference.rsplit("/", 1)[-1]


def owner(head: Head | None) -> str:
    """The id of the patient a resource belongs to, "" when it says none."""
    if head is None:
        return ""
    reference = (head.subject and head.subject.reference) or (head.patient and head.patient.reference)
    if not reference or "Group/" in reference:
        return ""
    return bare(reference)


def records(
    found: Iterable[Entry], origins: tuple[str, ...], missing: Mapping[str, str] | None = None, only: str | None = None
) -> list[Record]:
    """Sort entries into records, one a patient.

    One Patient: everything is theirs to read (what points elsewhere is told apart later, and said). Several: each gets
    what points to them; Medications and whatever names nobody are shared. only: the one patient that is wanted.
    """
    left_out: Counter[str] = Counter()
    items: list[Item] = []
    for entry in found:
        if entry.head is None and entry.kind and entry.kind not in USED:
            left_out[entry.kind] += 1
        else:
            items.append(Item(entry))
    _date(items)
    patients: dict[str, str] = {}
    for item in items:
        if item.kind == "Patient":
            names = [item.entry.head.id if item.entry.head and item.entry.head.id else "", bare(item.entry.url)]
            key = next(filter(None, names), "")
            patients |= {name: key for name in names if name}
    keys = list(dict.fromkeys(patients.values()))
    if len(keys) == 1 and only in (None, keys[0]):
        return [Record(f"Patient/{keys[0]}", origins, keys[0], items, left_out, missing or {})]
    owners = {
        id(item): patients.get(who, who) for item in items if item.kind != "Patient" and (who := owner(item.entry.head))
    }
    strangers = [who for who in dict.fromkeys(owners.values()) if who not in keys]
    if not keys and len(strangers) <= 1:
        patient = strangers[0] if strangers else None
        name = f"Patient/{patient}" if patient else (origins[0] if origins else "record")
        return [Record(name, origins, patient, items, left_out, missing or {})] if items or left_out else []
    shared = [item for item in items if item.kind != "Patient" and id(item) not in owners]
    held: dict[str, list[Item]] = {key: list(shared) for key in (*keys, *strangers) if only in (None, key)}
    for item in items:
        key = _patient_key(item, patients) if item.kind == "Patient" else owners.get(id(item), "")
        if key in held:
            held[key].append(item)
    return [
        Record(f"Patient/{key}", origins, key, own, left_out if number == 0 else Counter(), missing or {})
        for number, (key, own) in enumerate(held.items())
    ]


def _patient_key(item: Item, patients: Mapping[str, str]) -> str:
    head = item.entry.head
    return patients.get((head.id if head and head.id else "") or bare(item.entry.url), "")


def dated(found: Iterable[Entry]) -> list[Item]:
    """Entries with their moments."""
    items = [Item(entry) for entry in found]
    _date(items)
    return items


def _date(items: Iterable[Item]) -> None:
    stays: dict[str, tuple[datetime | None, datetime | None]] = {}
    undated: list[Item] = []
    for item in items:
        head = item.entry.head
        if head is None:
            continue
        moments = _MOMENTS.get(item.kind)
        if moments is None:
            continue
        item.since, item.until, item.latest = moments(head, item.status)
        if item.kind == "Encounter":
            end = _moment(head.period.end) if head.period else None
            for name in (head.id, bare(item.entry.url)):
                if name:
                    stays[name] = (item.since, end)
        elif item.since is None and item.kind != "Patient":
            undated.append(item)
    for item in undated:
        head = item.entry.head
        stay = (head.encounter or head.context) if head else None
        start, end = stays.get(bare(stay.reference), (None, None)) if stay else (None, None)
        item.since = end or start


Moments = tuple[datetime | None, datetime | None, datetime | None]


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    if len(text) > 19 and text[10] == "T":  # most are whole instants; the strict reading costs three times as much
        try:
            whole = datetime.fromisoformat(text)
        except ValueError:
            return None
        if whole.tzinfo is not None:
            return whole if whole.year < _LAST_YEAR else None
    moment = parse_moment(text)
    return moment if moment and moment.year < _LAST_YEAR else None


def _first(*texts: str | None) -> datetime | None:
    for text in texts:
        if moment := _moment(text):
            return moment
    return None


def _surely(text: str | None) -> str | None:
    """A date as it is for certain over: one without a day may have been its last."""
    return last_day(text) if text and len(text) < 10 else text


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)


def _start(period: Period | None) -> str | None:
    return period.start if period else None


def _end(period: Period | None) -> str | None:
    return period.end if period else None


def _patient(head: Head, status: str) -> Moments:
    return None, _moment(head.deceasedDateTime), None


def _observation(head: Head, status: str) -> Moments:
    effective = _first(
        *map(_surely, (head.effectiveDateTime, head.effectiveInstant, _end(head.effectivePeriod))),
        _surely(_start(head.effectivePeriod)),
    )
    since = _latest(effective, _moment(_surely(head.issued)))
    return since, None, since


def _condition(head: Head, status: str) -> Moments:
    since = _first(
        head.recordedDate, head.assertedDate, head.dateRecorded, head.onsetDateTime, _start(head.onsetPeriod)
    )
    abated = _first(head.abatementDateTime, _end(head.abatementPeriod), _start(head.abatementPeriod))
    return since, abated, _latest(since, abated)


def _order(head: Head, status: str) -> Moments:
    bounds = [
        each.timing.repeat.boundsPeriod for each in head.dosageInstruction or () if each.timing and each.timing.repeat
    ]
    validity = head.dispenseRequest.validityPeriod if head.dispenseRequest else None
    since = _first(head.authoredOn, head.dateWritten, *map(_start, bounds), _start(validity))
    ended = status in ("completed", "stopped")
    until = (_latest(*(_moment(_end(each)) for each in bounds)) or _moment(_end(validity))) if ended else None
    return since, until, since if status not in ("draft", "proposed") else None


def _statement(head: Head, status: str) -> Moments:
    since = _first(head.dateAsserted, head.effectiveDateTime, _start(head.effectivePeriod))
    until = _moment(_end(head.effectivePeriod)) if status in ("completed", "stopped") else None
    return since, until, since


def _dispense(head: Head, status: str) -> Moments:
    since = _first(head.whenHandedOver, head.whenPrepared)
    return since, None, since


def _happening(head: Head, status: str) -> Moments:
    """An administration, procedure, stay or plan: from its beginning, over at its end."""
    period = (
        head.period or head.effectivePeriod or head.performedPeriod or head.occurrencePeriod or head.occurencePeriod
    )
    since = _first(
        _start(period), head.effectiveDateTime, head.performedDateTime, head.occurrenceDateTime, head.occurenceDateTime,
        head.created, _end(period),
    )  # fmt: skip
    if status in _NOT_YET:
        return since, None, None
    end = _moment(_end(period))
    over = status in ("completed", "finished", "stopped", "ended", "discharged")
    return since, end if over else None, _latest(since, end if over else None)


def _written(head: Head, status: str) -> Moments:
    since = _first(
        head.authoredOn, head.authored, head.dateTime, head.occurrenceDateTime, _start(head.occurrencePeriod)
    )
    return since, None, since if status not in _NOT_YET else None


_MOMENTS = {
    "Patient": _patient,
    "Observation": _observation,
    "Condition": _condition,
    "MedicationRequest": _order,
    "MedicationOrder": _order,
    "MedicationStatement": _statement,
    "MedicationDispense": _dispense,
    "MedicationAdministration": _happening,
    "Procedure": _happening,
    "Encounter": _happening,
    "CarePlan": _happening,
    "ServiceRequest": _written,
    "ProcedureRequest": _written,
    "QuestionnaireResponse": _written,
    "Consent": _written,
}
