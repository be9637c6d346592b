"""The few fields of a resource that say whose it is and when it was: decoded by type, everything else skipped.

Flows in: bytes of one JSON document. Flows out: `Entry`s whose `raw` is a view into those bytes, not a copy.
A door to msgspec. Floor: edge.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.wording import unsaid

_TYPE_FIRST = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"')
_PLACE = re.compile(r"\(byte (\d+)\)|byte (\d+)|position (\d+)")
_NEST_LIMIT = 8
_ABSENT = Raw()

USED = frozenset(
    {
        "Patient", "Observation", "Condition", "MedicationRequest", "MedicationStatement", "MedicationAdministration",
        "MedicationDispense", "MedicationOrder", "Medication", "Procedure", "ServiceRequest", "ProcedureRequest", "Encounter",
        "QuestionnaireResponse", "CarePlan", "Consent",
    }
)  # fmt: skip
"""Resource types that can change a card. Others are counted and left where they are."""


class Reference(Struct, gc=False):
    """A FHIR reference."""

    reference: str | None = None


class Period(Struct, gc=False):
    """A FHIR Period; an end may be absent."""

    start: str | None = None
    end: str | None = None


class _Bounded(Struct, gc=False):
    boundsPeriod: Period | None = None


class _Timing(Struct, gc=False):
    repeat: _Bounded | None = None


class _Dosage(Struct, gc=False):
    timing: _Timing | None = None


class _Dispense(Struct, gc=False):
    validityPeriod: Period | None = None


class Head(Struct, gc=False):
    """Who, when and in what state: every field of any used resource type that says so."""

    resourceType: str = ""
    id: str | None = None
    status: Any = None
    subject: Reference | None = None
    patient: Reference | None = None
    encounter: Reference | None = None
    context: Reference | None = None
    medicationReference: Reference | None = None
    authoredOn: str | None = None
    dateWritten: str | None = None
    dateAsserted: str | None = None
    recordedDate: str | None = None
    assertedDate: str | None = None
    dateRecorded: str | None = None
    dateTime: str | None = None
    authored: str | None = None
    created: str | None = None
    issued: str | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Period | None = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    occurencePeriod: Period | None = None  # R5 MedicationAdministration is spelled so
    occurenceDateTime: str | None = None
    whenPrepared: str | None = None
    whenHandedOver: str | None = None
    period: Period | None = None
    birthDate: str | None = None
    gender: str | None = None
    deceasedDateTime: str | None = None
    dosageInstruction: list[_Dosage] | None = None
    dispenseRequest: _Dispense | None = None


class Entry(Struct, gc=False):
    """A resource as it stands in a document: its bytes, its head (None: not of a shape that can be dated), its fullUrl."""

    kind: str
    raw: Raw
    head: Head | None = None
    url: str = ""


class _Request(Struct, gc=False):
    method: str = ""


class _BundleEntry(Struct, gc=False):
    resource: Raw = _ABSENT  # msgspec takes Raw only by itself
    fullUrl: str | None = None
    request: _Request | None = None


class _Parameter(Struct, gc=False):
    resource: Raw = _ABSENT
    part: list[_Parameter] | None = None


class _Envelope(Struct, gc=False):
    resourceType: Any = None
    hook: Any = None
    type: Any = None
    entry: Raw = _ABSENT
    parameter: Raw = _ABSENT


class _Line(Struct, gc=False):
    """The head of one NDJSON line: what it is, whose it is, and which Medication it needs."""

    resourceType: Any = None
    hook: Any = None
    id: Any = None
    subject: Reference | None = None
    patient: Reference | None = None
    medicationReference: Reference | None = None


_head = msgspec.json.Decoder(Head).decode
_line = msgspec.json.Decoder(_Line).decode
_envelope = msgspec.json.Decoder(_Envelope).decode
_entries = msgspec.json.Decoder(list[_BundleEntry]).decode
_loose_entries = msgspec.json.Decoder(list[Raw]).decode
_entry = msgspec.json.Decoder(_BundleEntry).decode
_parameters = msgspec.json.Decoder(list[_Parameter]).decode
_anything = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(enc_hook=unsaid).encode


Bytes = Raw | bytes
"""The JSON of one resource: a view into its document, or bytes of its own."""


def outline(data: bytes | memoryview) -> str:
    """What a document is: "hook" for a CDS Hooks request, else its resourceType ("" without one).

    Raises:
        BadInput: not JSON, or not a JSON object.
    """
    try:
        envelope = _envelope(data)
    except msgspec.ValidationError:
        raise BadInput(
            "a JSON value that is not an object; a FHIR resource or a CDS Hooks request belongs there"
        ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(_broken(error)) from None
    if isinstance(envelope.hook, str) and not envelope.resourceType:
        return "hook"
    return envelope.resourceType if isinstance(envelope.resourceType, str) else ""


def entries(data: bytes | memoryview) -> Iterator[Entry]:
    """The used resources of a document that `outline` has accepted; Bundles are opened, also nested ones.

    An entry of another type comes without a head and with its kind, so that it can be counted.
    """
    yield from _opened(Raw(data), "", 0)


def _opened(raw: Raw, url: str, depth: int) -> Iterator[Entry]:
    match = _TYPE_FIRST.match(raw)
    kind = match[1].decode() if match else ""
    if not kind:
        try:
            found = _envelope(raw).resourceType
        except (msgspec.DecodeError, RecursionError):
            found = None
        kind = found if isinstance(found, str) else ""
    if kind in ("Bundle", "Parameters") and depth < _NEST_LIMIT:
        for each, address in _bundled(raw) if kind == "Bundle" else _parametered(raw):
            yield from _opened(each, address, depth + 1)
    else:
        yield Entry(kind, raw, head(raw) if kind in USED else None, url)


def _bundled(raw: Raw) -> Iterator[tuple[Raw, str]]:
    """The resources of a Bundle with their fullUrl; of a history only the newest version of what is not deleted."""
    try:
        envelope = _envelope(raw)
    except (msgspec.DecodeError, RecursionError):
        return
    seen: set[str] = set()
    for entry in _bundle_entries(envelope.entry):
        if envelope.type == "history":
            address = entry.fullUrl or ""
            if address and address in seen:
                continue
            seen.add(address)
            if entry.request and entry.request.method == "DELETE":
                continue
        if entry.resource is not _ABSENT:
            yield entry.resource, entry.fullUrl or ""


def _bundle_entries(body: Raw) -> Iterator[_BundleEntry]:
    if body is _ABSENT:
        return
    try:
        yield from _entries(body)
    except (msgspec.DecodeError, RecursionError):
        # one entry of a wrong shape must not sink the rest
        try:
            parts = _loose_entries(body)
        except (msgspec.DecodeError, RecursionError):
            return
        for part in parts:
            try:
                yield _entry(part)
            except (msgspec.DecodeError, RecursionError):
                yield _BundleEntry(part)


def _parametered(raw: Raw) -> Iterator[tuple[Raw, str]]:
    try:
        waiting = _parameters(_envelope(raw).parameter)
    except (msgspec.DecodeError, RecursionError):
        return
    while waiting:
        parameter = waiting.pop(0)
        if parameter.resource is not _ABSENT:
            yield parameter.resource, ""
        waiting = [*(parameter.part or ()), *waiting]


def head(raw: Bytes) -> Head | None:
    """The head of one resource; None when a field has a shape that FHIR does not give it."""
    try:
        return _head(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def line_head(data: bytes | memoryview) -> _Line:
    """The head of one NDJSON line.

    Raises:
        BadInput: not JSON, or not an object.
    """
    try:
        return _line(data)
    except msgspec.ValidationError:
        try:
            envelope = _envelope(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise BadInput("a JSON value that is not an object; one FHIR resource a line belongs there") from None
        return _Line(envelope.resourceType, envelope.hook)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(_broken(error)) from None


def changed(raw: Bytes, **fields: Any) -> bytes:
    """The resource with top-level fields replaced; a value of None takes the field away."""
    body = _anything(raw)
    for name, value in fields.items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value
    return _encode(body)


def content(raw: Bytes) -> Any:
    """The whole document as plain Python values."""
    return _anything(raw)


def encoded(value: Any) -> bytes:
    """Plain values as compact JSON."""
    return _encode(value)


def bundle(parts: list[tuple[str, Bytes]]) -> bytes:
    """A collection Bundle of resources given as (fullUrl, bytes)."""
    pieces: list[Any] = [b'{"resourceType":"Bundle","type":"collection","entry":[']
    comma = b""
    for url, raw in parts:
        pieces += (
            (comma, b'{"fullUrl":', _encode(url), b',"resource":', raw, b"}")
            if url
            else (comma, b'{"resource":', raw, b"}")
        )
        comma = b","
    pieces.append(b"]}")
    return b"".join(pieces)


def _broken(error: Exception) -> str:
    """Why JSON cannot be read, with the place but without its text."""
    if isinstance(error, RecursionError):
        return "nested too deeply to be read; FHIR JSON belongs there"
    place = _PLACE.search(str(error))
    where = next(filter(None, place.groups()), None) if place else None
    return f"not JSON{f' from byte {where} on' if where else ''}; FHIR JSON belongs there"
