"""From documents to a chart: every resource read on its own, then what needs all of them.

`read_chart` unpacks the documents, decodes each relevant resource once, settles whose record it is, and lets the reading
functions of this folder fill a `Reader`. The order of entries never matters: of several versions of one resource the
newest counts, and everything in the chart is sorted.
Floor: fhir.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, tzinfo
from typing import Any, TypeVar

from cds_rules.fhir import events, medications, orders, patients, problems, questionnaires, results, versions, wire
from cds_rules.fhir.bundle import Document, unpack
from cds_rules.fhir.medications import Shelf
from cds_rules.fhir.reader import Reader, a_or_an
from cds_rules.fhir.wire import Entry, Misfit
from cds_rules.knowledge.terminology import Terminology
from cds_rules.vocabulary.chart import Chart, Unread
from cds_rules.vocabulary.frozen import Frozen

T = TypeVar("T")
_UNOWNED = frozenset(("Patient", "Medication", "Specimen"))
_HELD = frozenset(("Medication", "Specimen"))
"""Types that belong to nobody and are read only where another resource refers to them."""
_MEDICATIONS = "medications"
_DOMAIN: Mapping[str, str] = {
    "Patient": "patient",
    "Medication": _MEDICATIONS,
    "MedicationRequest": _MEDICATIONS,
    "MedicationOrder": _MEDICATIONS,
    "MedicationStatement": _MEDICATIONS,
    "MedicationAdministration": _MEDICATIONS,
    "MedicationDispense": _MEDICATIONS,
    "Condition": "conditions",
    "Procedure": "procedures",
    "ServiceRequest": "orders",
    "ProcedureRequest": "orders",
    "DiagnosticOrder": "orders",
}
"""The part of the record that a resource belongs to by its type alone; an Observation's is told by its code."""


_DRAFTED = frozenset(("MedicationRequest", "MedicationOrder", "ServiceRequest", "ProcedureRequest"))
"""What context.draftOrders may hold for us; a MedicationOrder of DSTU2 is read as a draft, and only as one."""


class Reading(Frozen, frozen=True):
    """A chart, and what it was read from.

    raw: the bytes of each resource that was read, by the reference its `Source`s carry. drafts: the references that are
    drafts. patient_ids: ids of all Patients delivered, so that a caller can tell that several records came together.
    lost: part of the record (`vocabulary.facts.DOMAINS`, `DRAFTS`) -> what of it could not be read at all, in words without patient
    data; nobody knows what it would have said. version: the version of FHIR that the record speaks, by the resources whose
    shape tells one; R4 where none does.
    """

    chart: Chart
    raw: Mapping[str, bytes]
    drafts: frozenset[str]
    patient_ids: tuple[str, ...]
    lost: Mapping[str, str]
    version: versions.Version = "R4"


class _Bodies(Mapping[str, bytes]):
    """The bytes of resources by reference, copied out of their documents only when asked for."""

    __slots__ = ("_held",)

    def __init__(self, held: Mapping[str, Entry]) -> None:
        self._held = held

    def __getitem__(self, reference: str) -> bytes:
        return bytes(self._held[reference].raw)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def read_chart(
    documents: Sequence[Document],
    *,
    terminology: Terminology,
    at: datetime,
    patient_id: str | None = None,
    zone: tzinfo = UTC,
    selections: frozenset[str] | None = None,
) -> Reading:
    """Read everything that was delivered about one patient.

    Args:
        documents: resources, Bundles of any type, arrays; those with the origin "draft" hold context.draftOrders.
        at: the instant of evaluation, aware. What is dated more than five minutes later is not used.
        patient_id: id of the patient, with or without "Patient/"; None: the only one there is.
        zone: for dates and times without an offset.
        selections: drafts in focus, as "Type/id" or bare ids; None: all of them.

    Raises:
        BadInput: a document is not JSON at all.
    """
    delivery = unpack(documents)
    reader = Reader(terminology, at, zone)
    reader.unread += delivery.unread
    if delivery.lost_drafts:
        reader.lose_draft("a draft")
    held = _decoded(reader, delivery.entries)
    people = [
        patients.Delivered(each.resource, each.reference, each.full_url)
        for each in held.values()
        if each.kind == "Patient"
    ]
    owner = patients.choose(people, patient_id, _patient_references(held.values()))
    reader.lookup = _lookup(held)
    shelf = Shelf()
    mine = list(_owned(reader, owner, held))
    subject = patients.subject(reader, owner)
    born = datetime.combine(subject.birth_date, time(12), zone) if subject and subject.birth_date else None
    for each in mine:
        if each.kind == "Condition":
            reasons = medications.reasons_of(reader, each.resource)
            shelf.conditions[each.reference] = reasons
            if each.full_url:
                shelf.conditions[each.full_url] = reasons
    for each in mine:
        _read_one(reader, shelf, each, born, selections)
    events.settle_pregnancy(reader)
    return Reading(
        _chart(reader, subject, medications.settled(reader, shelf)),
        _Bodies(
            {each.reference: each for each in mine}
            | ({owner.chosen.reference: held[owner.chosen.reference]} if owner.chosen else {})
        ),
        frozenset(each.reference for each in mine if each.draft),
        tuple(sorted({one.patient.id or "" for one in people} - {""})),
        {domain: f"{' and '.join(what)} could not be read" for domain, what in reader.lost.items()},
        versions.spoken_by((each.kind, each.version) for each in held.values()),
    )


def _decoded(reader: Reader, entries: Iterable[Entry]) -> dict[str, Entry]:
    """Decode each entry; of several versions of one resource keep the newest, and a draft rather than its record."""
    held: dict[str, Entry] = {}
    for entry in entries:
        kind = entry.kind
        left_out: tuple[str, ...] = ()
        try:
            if entry.draft:
                resource, left_out = wire.decode_draft(kind, entry.raw)
            else:
                resource = wire.decode_resource(kind, entry.raw)
        except Misfit as error:
            name = wire.head(entry.raw).id
            reference = f"{kind}/{name}" if isinstance(name, str) and name else f"{kind}#{entry.place}"
            about, lost = _would_be(reader, kind, entry.raw)
            reader.skip(reference, "malformed", str(error), about)
            if entry.draft and _MEDICATIONS in lost:
                reader.lose_draft("a draft")
            for domain in lost:
                reader.lose(domain, a_or_an(kind))
            continue
        reference = f"{kind}/{resource.id}" if resource.id else f"{kind}#{entry.place}"
        entry.version = versions.as_r4(kind, resource)
        for message in left_out:
            reader.skip(reference, "malformed", f"left out of the draft: {message}")
            if "`$.medication" in message:
                reader.lose_draft()
        entry.reference, entry.resource = reference, resource
        before = held.setdefault(reference, entry)
        if before is not entry and _outranks(reader, entry, before):
            held[reference] = entry
    return held


def _would_be(reader: Reader, kind: str, raw: wire.Buffer) -> tuple[str, tuple[str, ...]]:
    """What a resource that is not read would have been, as far as its code tells, and the parts of the record it leaves open.

    One whose code says that it is nothing we look at leaves nothing open.
    """
    domain = (_DOMAIN[kind],) if kind in _DOMAIN else ()
    try:
        found = wire.decode(wire.Coded, raw)
    except Misfit:
        return "", ("labs", "vitals") if kind == "Observation" else domain
    terminology = reader.terminology
    concept = wire.spoken(found.code)
    if kind == "Observation":
        match = terminology.lab(concept.codings, concept.text)
        if match is not None:
            part = results.part_of_record(match)
            return match.key, (part,) if part else ()
        if terminology.symptoms(concept.codings, concept.text):
            return "", ("conditions",)
        return "", () if concept.label else ("labs", "vitals")
    if kind == "Condition":
        keys = terminology.problems(concept.codings, concept.text) or tuple(
            match.key for match in terminology.symptoms(concept.codings, concept.text)
        )
        return next(iter(keys), ""), domain if keys or not concept.label else ()
    concept = wire.spoken(found.medicationCodeableConcept)
    product = terminology.product(concept.codings, concept.text) if concept.label else None
    if product is not None:
        return medications.about_product(product.classes, product), domain
    return "", () if kind.startswith("Medication") and concept.label else domain


def _outranks(reader: Reader, one: Entry, other: Entry) -> bool:
    """Whether one of two resources with the same type and id is to be read instead of the other.

    The same again is normal (two prefetch queries find it). Of two drafts or two records the later version counts.
    """
    if one.draft != other.draft:
        return one.draft
    mine, theirs = bytes(one.raw), bytes(other.raw)
    if mine == theirs:
        return False
    wins = (_version(reader, one), mine) > (_version(reader, other), theirs)
    reader.skip(one.reference, "duplicate", "another version of the same resource; the newest was read")
    return wins


def _version(reader: Reader, one: Entry) -> tuple[float, float]:
    meta = wire.head(one.raw).meta
    if not isinstance(meta, dict):
        return 0.0, 0.0
    updated, version = meta.get("lastUpdated"), meta.get("versionId")
    moment = reader.moment(updated) if isinstance(updated, str) else None
    number = float(version) if isinstance(version, str) and version.isdecimal() and len(version) < 15 else 0.0
    return moment.timestamp() if moment else 0.0, number


def _patient_references(held: Iterable[Entry]) -> set[str]:
    found = {
        each.resource.subject.reference
        for each in held
        if each.kind not in _UNOWNED and each.resource.subject is not None
    }
    return {reference for reference in found if reference and not reference.startswith("#")}


def _owned(reader: Reader, owner: patients.Owner, held: Mapping[str, Entry]) -> Iterator[Entry]:
    """The resources of the patient; the others are noted."""
    for each in held.values():
        kind = each.kind
        if kind in _HELD:
            continue
        if kind == "Patient":
            if owner.chosen is None or each.reference != owner.chosen.reference:
                reader.skip(each.reference, "other-patient", "not the patient of this call", "patient")
        elif owner.owns(each.resource.subject, each.resource.contained):
            yield each
        else:
            detail = "subject is another patient" if owner.ids else "several patients, and the call names none"
            reader.skip(each.reference, "other-patient", detail)


def _lookup(held: Mapping[str, Entry]) -> Callable[[str | None, wire.Raw | None, str], Any]:
    """A function that finds what a reference means: inside the resource, by address, or by type and id."""
    by_url = {each.full_url: each for each in held.values() if each.kind in _HELD and each.full_url}

    def lookup(reference: str | None, inside: wire.Raw | None, kind: str) -> Any:
        if not reference:
            return None
        if reference.startswith("#"):
            return _inside(inside, reference[1:], kind)
        bare = patients.without_version(reference)
        found = by_url.get(bare) or held.get(bare) or held.get("/".join(bare.rsplit("/", 2)[-2:]))
        if found is None and bare.startswith("urn:"):
            found = held.get(f"{kind}/{bare.rpartition(':')[2]}")
        return found.resource if found is not None and found.kind == kind else None

    return lookup


def _inside(inside: wire.Raw | None, name: str, kind: str) -> Any:
    for raw in wire.contained(inside):
        if wire.kind_of(raw) == kind:
            try:
                resource = wire.decode_resource(kind, raw)
            except Misfit:
                continue
            if resource.id is not None and resource.id.lstrip("#") == name:
                versions.as_r4(kind, resource)
                return resource
    return None


def _read_one(
    reader: Reader, shelf: Shelf, each: Entry, born: datetime | None, selections: frozenset[str] | None
) -> None:
    kind, draft, reference, resource = each.kind, each.draft, each.reference, each.resource
    if draft and kind not in _DRAFTED:
        reader.skip(reference, "status", f"a {kind} among the drafts; orders belong there")
    elif each.version == "DSTU2" and not draft:
        about, lost = _would_be(reader, kind, each.raw)
        reader.skip(reference, "version", f"{a_or_an(kind)} of FHIR DSTU2; R4, R5 or STU3 belongs here", about)
        for domain in lost:
            reader.lose(domain, f"{a_or_an(kind)} of FHIR DSTU2")
    elif kind == "Observation":
        results.read(reader, reference, resource)
    elif kind in ("MedicationRequest", "MedicationOrder"):
        medications.read_request(
            reader, shelf, kind, reference, resource, draft=draft, selected=draft and _is_selected(each, selections)
        )
    elif kind == "Condition":
        problems.read(reader, reference, resource, born)
    elif kind == "MedicationStatement":
        medications.read_statement(reader, shelf, reference, resource)
    elif kind == "MedicationDispense":
        medications.read_dispense(reader, shelf, reference, resource)
    elif kind == "MedicationAdministration":
        medications.read_administration(reader, shelf, reference, resource)
    elif kind in ("ServiceRequest", "ProcedureRequest"):
        orders.read(reader, reference, resource, draft=draft)
    elif kind == "Procedure":
        events.read_procedure(reader, reference, resource)
    elif kind == "Encounter":
        events.read_encounter(reader, reference, resource)
    elif kind == "CarePlan":
        events.read_care_plan(reader, reference, resource)
    elif kind == "Consent":
        events.read_consent(reader, reference, resource)
    elif kind == "QuestionnaireResponse":
        questionnaires.read(reader, reference, resource)


def _is_selected(each: Entry, selections: frozenset[str] | None) -> bool:
    """Whether a draft is in focus; a selection names it as "Type/id", by bare id or by its address in the Bundle."""
    if selections is None:
        return True
    names = {each.reference, each.resource.id, each.full_url} - {None}
    return not names.isdisjoint(selections)


def _newest_first(
    entries: Iterable[T], when: Callable[[T], datetime | None], name: Callable[[T], tuple[str, ...]]
) -> tuple[T, ...]:
    """Sort by time, newest first and undated last; equal times by name, so that the order of delivery leaves no trace."""

    def key(entry: T) -> tuple[float, tuple[str, ...]]:
        moment = when(entry)
        return (-moment.timestamp() if moment is not None else float("inf"), name(entry))

    return tuple(sorted(entries, key=key))


def _chart(reader: Reader, subject: Any, found: Iterable[Any]) -> Chart:
    return Chart(
        subject=subject,
        results=_newest_first(
            reader.results, lambda one: one.at, lambda one: (one.source.reference, one.key, one.source.value)
        ),
        medications=_newest_first(found, lambda one: one.start, lambda one: (one.source.reference, one.state)),
        problems=_newest_first(
            reader.problems, lambda one: one.recorded or one.onset, lambda one: (one.source.reference, one.key)
        ),
        symptoms=_newest_first(
            reader.symptoms,
            lambda one: one.recorded,
            lambda one: (one.source.reference, one.key, one.site or "", one.side or ""),
        ),
        orders=_newest_first(reader.orders, lambda one: one.source.when, lambda one: (one.source.reference, one.test)),
        events=_newest_first(reader.events, lambda one: one.at, lambda one: (one.source.reference, one.key)),
        unread=tuple(sorted(set(reader.unread), key=_unread_key)),
        not_understood=dict(sorted(reader.not_understood.items())),
    )


def _unread_key(one: Unread) -> tuple[str, str, str, str]:
    return one.reference, one.reason, one.about, one.detail
