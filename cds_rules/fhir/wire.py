"""The shapes of FHIR resources, cut to the fields we read: the first of two gates, and the only door to msgspec in `fhir`.

Bytes flow in, structs flow out. One struct serves all FHIR versions: the fields of R4 first, below them those that other
versions have instead (`versions` puts them where R4 has them); a field that may repeat in some version allows both forms.
A field with a wrong type makes its resource unreadable (`Misfit`), never its neighbours. Nothing here knows what a code means.
Floor: fhir.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any, TypeVar

import msgspec

from cds_rules.fhir.resource_types import RESOURCE_TYPES
from cds_rules.vocabulary.errors import BadInput, CdsRulesError

Raw = msgspec.Raw
ABSENT = Raw()
"""What a field holds that was not sent. `Raw | None` would refuse anything but null (held by the epic style of tests/vignettes)."""
Buffer = bytes | bytearray | memoryview | msgspec.Raw
T = TypeVar("T")


class Misfit(CdsRulesError):
    """A resource or a field does not have the shape FHIR gives it; the message names the place, not the content."""


class Wire(msgspec.Struct, gc=False):
    """Base of every shape here, left alone by the garbage collector since none can hold a cycle."""


class Coding(Wire):
    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Wire):
    coding: list[Coding] | Coding | None = None
    text: str | None = None


class Identifier(Wire):
    system: str | None = None
    value: str | None = None


class Reference(Wire):
    reference: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class CodeableReference(Wire):
    concept: CodeableConcept | None = None
    reference: Reference | None = None


class Quantity(Wire):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Wire):
    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Wire):
    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Period(Wire):
    start: str | None = None
    end: str | None = None


class Meta(Wire):
    lastUpdated: str | None = None
    versionId: str | None = None
    profile: Any = None


class Annotation(Wire):
    text: str | None = None


Concepts = list[CodeableConcept] | CodeableConcept | None
References = list[Reference] | Reference | None
Identifiers = list[Identifier] | Identifier | None
Notes = list[Annotation] | Annotation | None


class Head(Wire):
    """What any resource says about itself; `Any` where a wrong type must not hide the rest."""

    resourceType: Any = None
    id: Any = None
    meta: Any = None


class Coded(Wire):
    """The one field of a misshapen resource that tells what it would have been."""

    code: CodeableConcept | None = None
    medicationCodeableConcept: CodeableConcept | None = None


class Resource(Wire):
    id: str | None = None
    contained: Raw = ABSENT


class Owned(Resource):
    """A resource of one patient."""

    subject: Reference | None = None
    patient: Reference | None = None
    status: str | None = None


class Patient(Resource):
    identifier: Identifiers = None
    gender: str | None = None
    birthDate: str | None = None
    deceasedBoolean: bool | None = None
    deceasedDateTime: str | None = None


class ReferenceRange(Wire):
    low: Quantity | None = None
    high: Quantity | None = None
    type: CodeableConcept | None = None
    appliesTo: Concepts = None
    age: Range | None = None


class Valued(Wire):
    """The value of an observation or of one of its components."""

    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueString: str | None = None
    valueBoolean: bool | None = None
    valueInteger: int | None = None
    dataAbsentReason: CodeableConcept | None = None
    interpretation: Concepts = None
    referenceRange: list[ReferenceRange] | ReferenceRange | None = None


class Component(Valued):
    pass


class Observation(Valued):
    id: str | None = None
    contained: Raw = ABSENT
    subject: Reference | None = None
    patient: Reference | None = None
    status: str | None = None
    category: Concepts = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    issued: str | None = None
    note: Notes = None
    comment: str | None = None
    comments: str | None = None
    bodySite: CodeableConcept | None = None
    specimen: Reference | None = None
    component: list[Component] | Component | None = None


class Specimen(Resource):
    type: CodeableConcept | None = None
    condition: Concepts = None


class Condition(Owned):
    category: Concepts = None
    clinicalStatus: CodeableConcept | str | None = None
    verificationStatus: CodeableConcept | str | None = None
    code: CodeableConcept | None = None
    bodySite: Concepts = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    onsetAge: Quantity | None = None
    abatementDateTime: str | None = None
    abatementPeriod: Period | None = None
    abatementBoolean: bool | None = None
    abatementString: str | None = None
    abatementAge: Quantity | None = None
    recordedDate: str | None = None
    assertedDate: str | None = None
    dateRecorded: str | None = None


class Repeat(Wire):
    boundsPeriod: Period | None = None
    count: float | None = None
    frequency: float | None = None
    frequencyMax: float | None = None
    period: float | None = None
    periodMax: float | None = None
    periodUnit: str | None = None
    periodUnits: str | None = None
    dayOfWeek: list[str] | None = None
    timeOfDay: list[str] | None = None
    when: list[str] | str | None = None


class Timing(Wire):
    event: list[str] | str | None = None
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Wire):
    doseQuantity: Quantity | None = None
    doseRange: Range | None = None
    rateQuantity: Quantity | None = None
    rateRatio: Ratio | None = None
    rateRange: Range | None = None


class DosageInstruction(DoseAndRate):
    """A Dosage, and the dosage of a MedicationAdministration, which holds its dose and rate itself as STU3 does everywhere."""

    sequence: int | None = None
    text: str | None = None
    patientInstruction: str | None = None
    timing: Timing | None = None
    asNeededBoolean: bool | None = None
    asNeededCodeableConcept: Concepts = None
    route: CodeableConcept | None = None
    doseAndRate: list[DoseAndRate] | DoseAndRate | None = None
    dose: Quantity | None = None
    maxDosePerPeriod: list[Ratio] | Ratio | None = None
    asNeeded: bool | None = None
    asNeededFor: Concepts = None


Dosages = list[DosageInstruction] | DosageInstruction | None


class DispenseRequest(Wire):
    validityPeriod: Period | None = None
    expectedSupplyDuration: Quantity | None = None


class Ordered(Owned):
    """What the four medication resources share."""

    identifier: Identifiers = None
    meta: Meta | None = None
    category: Concepts = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    reasonCode: Concepts = None
    reasonReference: References = None
    medication: CodeableReference | None = None
    reason: list[CodeableReference] | CodeableReference | None = None


class MedicationRequest(Ordered):
    """A MedicationRequest, and the MedicationOrder of DSTU2."""

    intent: str | None = None
    doNotPerform: bool | None = None
    reportedBoolean: bool | None = None
    authoredOn: str | None = None
    dosageInstruction: Dosages = None
    dispenseRequest: DispenseRequest | None = None
    priorPrescription: Reference | None = None
    reported: bool | None = None
    effectiveDosePeriod: Period | None = None
    dateWritten: str | None = None
    dateEnded: str | None = None
    reasonCodeableConcept: CodeableConcept | None = None


class Adherence(Wire):
    code: CodeableConcept | None = None


class MedicationStatement(Ordered):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dateAsserted: str | None = None
    informationSource: References = None
    dosage: Dosages = None
    adherence: Adherence | None = None
    taken: str | None = None
    wasNotTaken: bool | None = None


class MedicationDispense(Ordered):
    daysSupply: Quantity | None = None
    whenHandedOver: str | None = None
    whenPrepared: str | None = None
    dosageInstruction: Dosages = None
    notDone: bool | None = None


class MedicationAdministration(Ordered):
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    dosage: Dosages = None
    occurenceDateTime: str | None = None  # so spelled in R5
    occurencePeriod: Period | None = None
    notGiven: bool | None = None
    wasNotGiven: bool | None = None
    effectiveTimeDateTime: str | None = None
    effectiveTimePeriod: Period | None = None


class Ingredient(Wire):
    itemCodeableConcept: CodeableConcept | None = None
    strength: Ratio | None = None
    item: CodeableReference | None = None
    strengthRatio: Ratio | None = None
    strengthQuantity: Quantity | None = None
    amount: Ratio | None = None


class Medication(Resource):
    code: CodeableConcept | None = None
    ingredient: list[Ingredient] | Ingredient | None = None


class OrderedCode(CodeableConcept):
    """ServiceRequest.code: a CodeableConcept, in R5 a CodeableReference."""

    concept: CodeableConcept | None = None


class ServiceRequest(Owned):
    """A ServiceRequest, the ProcedureRequest of STU3 and DSTU2, the DiagnosticOrder of DSTU2."""

    intent: str | None = None
    doNotPerform: bool | None = None
    category: Concepts = None
    code: OrderedCode | None = None
    authoredOn: str | None = None


class Procedure(Owned):
    code: CodeableConcept | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None
    occurrenceDateTime: str | None = None
    occurrencePeriod: Period | None = None
    notDone: bool | None = None
    notPerformed: bool | None = None


class Service(CodeableConcept):
    """Encounter.serviceType: a CodeableConcept, in R5 a list of CodeableReferences."""

    concept: CodeableConcept | None = None


class EncounterReason(CodeableConcept):
    """Encounter.reason: a concept in STU3, in R5 an object with a list of CodeableReferences."""

    value: list[CodeableReference] | None = None


class Encounter(Owned):
    type: Concepts = None
    serviceType: list[Service] | Service | None = None
    reasonCode: Concepts = None
    period: Period | None = None
    actualPeriod: Period | None = None
    reason: list[EncounterReason] | EncounterReason | None = None


class Detail(Wire):
    code: CodeableConcept | None = None
    status: str | None = None
    doNotPerform: bool | None = None


class Activity(Wire):
    detail: Detail | None = None
    performedActivity: list[CodeableReference] | None = None


class CarePlan(Owned):
    intent: str | None = None
    category: Concepts = None
    title: str | None = None
    period: Period | None = None
    activity: list[Activity] | Activity | None = None
    modified: str | None = None


class Provision(Wire):
    type: str | None = None
    period: Period | None = None
    code: Concepts = None
    provision: list[Provision] | Provision | None = None


class Consent(Owned):
    category: Concepts = None
    dateTime: str | None = None
    provision: list[Provision] | Provision | None = None
    decision: str | None = None
    date: str | None = None
    period: Period | None = None


class Answered(Wire):
    """One answer of a questionnaire."""

    valueBoolean: bool | None = None
    valueCoding: Coding | None = None
    valueString: str | None = None
    valueInteger: int | None = None
    valueDecimal: float | None = None
    valueDate: str | None = None
    valueDateTime: str | None = None
    item: list[Item] | None = None


class Item(Wire):
    """One question, or a group of them."""

    linkId: str | None = None
    definition: str | None = None
    text: str | None = None
    answer: list[Answered] | Answered | None = None
    item: list[Item] | None = None


class QuestionnaireResponse(Owned):
    questionnaire: str | Reference | None = None
    authored: str | None = None
    item: list[Item] | None = None
    group: Any = None


class BundleEntry(Wire):
    fullUrl: str | None = None
    resource: Raw = Raw()


class Bundle(Wire):
    resourceType: str | None = None
    type: str | None = None
    entry: list[BundleEntry] | None = None


class LooseBundle(Wire):
    """A Bundle of which some entry has a wrong shape: each entry is then looked at by itself."""

    entry: Raw = Raw()


class EntryRequest(Wire):
    method: str | None = None
    url: str | None = None


class HistoryEntry(BundleEntry):
    request: EntryRequest | None = None


class History(Wire):
    entry: list[HistoryEntry] | None = None


class Parameter(Wire):
    resource: Raw = Raw()
    part: list[Parameter] | None = None


class Parameters(Wire):
    parameter: list[Parameter] | None = None


class Entry(msgspec.Struct, gc=False):
    """One resource to read: its type, its bytes, and where it stood (counted from 1 over everything delivered).

    reference ("Type/id", or "Type#place"), resource (in the shape of R4) and version are filled when it has been decoded.
    """

    kind: str
    raw: Any
    full_url: str | None
    draft: bool
    place: int
    reference: str = ""
    resource: Any = None
    version: str = ""


SHAPES: dict[str, type[Wire]] = {
    "Patient": Patient,
    "Observation": Observation,
    "Condition": Condition,
    "MedicationRequest": MedicationRequest,
    "MedicationOrder": MedicationRequest,
    "MedicationStatement": MedicationStatement,
    "MedicationDispense": MedicationDispense,
    "MedicationAdministration": MedicationAdministration,
    "Medication": Medication,
    "Specimen": Specimen,
    "ServiceRequest": ServiceRequest,
    "ProcedureRequest": ServiceRequest,
    "DiagnosticOrder": ServiceRequest,
    "Procedure": Procedure,
    "Encounter": Encounter,
    "CarePlan": CarePlan,
    "Consent": Consent,
    "QuestionnaireResponse": QuestionnaireResponse,
}
"""Every type of resource that is read, with its shape; all others are passed over without being decoded."""

_ENVELOPES: tuple[type[Wire], ...] = (Head, Coded, Bundle, LooseBundle, BundleEntry, History, Parameters)
_DECODERS: dict[type[Wire], msgspec.json.Decoder[Any]] = {
    shape: msgspec.json.Decoder(shape) for shape in [*SHAPES.values(), *_ENVELOPES]
}
_BY_KIND = {kind: _DECODERS[shape].decode for kind, shape in SHAPES.items()}
_BUNDLE = msgspec.json.Decoder(Bundle)
_CONTAINED = msgspec.json.Decoder(list[Raw])
_BODY = msgspec.json.Decoder(dict[str, Any])
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_TYPE_FIRST = re.compile(rb'\s*\{\s*"resourceType"\s*:\s*"([A-Za-z]{1,64})"')
_NAMES = {name.encode(): name for name in RESOURCE_TYPES}
_MOST_REPAIRS = 12


def decode(shape: type[T], raw: Buffer) -> T:
    """Decode one resource.

    Raises:
        Misfit: a field has a wrong type; the message says where.
    """
    try:
        found: T = _DECODERS[shape].decode(raw)  # type: ignore[index]
    except msgspec.ValidationError as error:
        raise Misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Misfit("not readable as JSON") from None
    return found


def decode_resource(kind: str, raw: Buffer) -> Any:
    """Decode a resource of one of the types in `SHAPES` into its shape.

    Raises:
        Misfit: a field has a wrong type.
    """
    try:
        return _BY_KIND[kind](raw)
    except msgspec.ValidationError as error:
        raise Misfit(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Misfit("not readable as JSON") from None


def decode_draft(kind: str, raw: Buffer) -> tuple[Any, tuple[str, ...]]:
    """Decode a draft leniently: numbers may be written as text, and a field with a wrong type is left out.

    Returns:
        The draft and a message for each field left out.

    Raises:
        Misfit: not an object, or too much is wrong with it.
    """
    shape = SHAPES[kind]
    try:
        return decode(shape, raw), ()
    except Misfit:
        pass
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Misfit("not readable as JSON") from None
    left_out: list[str] = []
    inside = body.pop("contained", None) if isinstance(body, dict) else None
    while isinstance(body, dict) and len(left_out) < _MOST_REPAIRS:
        try:
            draft: Any = msgspec.convert(body, shape, strict=False)
            draft.contained = Raw(msgspec.json.encode(inside)) if isinstance(inside, list) else ABSENT
            return draft, tuple(left_out)
        except msgspec.ValidationError as error:
            message = str(error)
        place = re.search(r"`\$\.(\w+)", message)
        if place is None or body.pop(place[1], None) is None:
            break
        left_out.append(message)
    raise Misfit("; ".join(left_out) or "a JSON object belongs here")


def whole_bundle(raw: Buffer) -> Bundle | None:
    """A Bundle with every entry in its place, None when this is none or some part has a wrong shape.

    Decoding it has looked at every byte: such a document needs no further check that it is JSON.
    """
    match = _TYPE_FIRST.match(memoryview(raw))
    if match is not None and match[1] != b"Bundle":
        return None
    try:
        bundle = _BUNDLE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return bundle if bundle.resourceType == "Bundle" else None


def kind_of(raw: Buffer) -> str | None:
    """The resource type, "" for one that no FHIR version knows, None for JSON null.

    Nearly every server writes resourceType first: then nothing is decoded.
    """
    if match := _TYPE_FIRST.match(raw):
        return _NAMES.get(match[1], "")
    if bytes(memoryview(raw)[:8]).strip() in (b"null", b""):
        return None
    try:
        name = decode(Head, raw).resourceType
    except Misfit:
        return ""
    return name if isinstance(name, str) and name in RESOURCE_TYPES else ""


def head(raw: Buffer) -> Head:
    """What a resource says about itself, as far as that is readable."""
    try:
        return decode(Head, raw)
    except Misfit:
        return Head()


def contained(raw: Buffer | None) -> Sequence[Raw]:
    """The resources inside a resource; none when they cannot be read."""
    if raw is None or raw is ABSENT:
        return ()
    try:
        return _CONTAINED.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return ()


def body_of(raw: Buffer) -> dict[str, Any]:
    """A resource with all its fields, to be changed; nothing when it cannot be read."""
    try:
        return _BODY.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def written(body: Mapping[str, Any]) -> bytes:
    """The JSON of a resource that was changed or made."""
    return msgspec.json.encode(body)


def fields_of(raw: Buffer) -> Set[str]:
    """The names of the fields of a resource; none when it cannot be read."""
    try:
        return _FIELDS.decode(raw).keys()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()


def check_text(raw: Buffer, origin: str) -> None:
    """Refuse a document that is not UTF-8, or begins with a byte-order mark.

    Raises:
        BadInput: in words that hold nothing of its content.
    """
    view = memoryview(raw)
    if bytes(view[:3]) == b"\xef\xbb\xbf":
        raise BadInput("begins with a byte-order mark; JSON in UTF-8 without one belongs here", origin)
    if not (isinstance(raw, bytes) and raw.isascii()):
        try:
            str(view, "utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(f"byte {error.start} is not UTF-8", origin) from None


def check_json(raw: Buffer, origin: str) -> None:
    """Refuse a document that is not JSON as a whole: NaN, lone surrogates, nesting too deep, or no JSON at all.

    Raises:
        BadInput: in words that hold nothing of its content.
    """
    try:
        _SKIM.decode(raw)
    except msgspec.DecodeError as error:
        raise BadInput(f"not JSON: {_plain_reason(str(error))}", origin) from None
    except RecursionError:
        raise BadInput("nested too deeply", origin) from None


_SKIM = msgspec.json.Decoder(Raw)


def _plain_reason(message: str) -> str:
    return message.removeprefix("JSON is malformed: ").lower()


LONGEST_TEXT = 200
"""Characters of a text of the record that are kept to be shown; it has been read whole by then."""


def clipped(text: str) -> str:
    """A text as long as a card can show it."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1].rstrip()}…"


@cache
def in_words(key: str) -> str:
    """A key of our own as a label where the record gives a code alone.

    >>> in_words("muscle-cramp"), in_words("ck"), in_words("ckd-3a"), in_words("egfr_reported")
    ('Muscle cramp', 'CK', 'CKD 3a', 'eGFR reported')
    """
    first, _, rest = key.replace("_", "-").partition("-")
    word = "eGFR" if first == "egfr" else first.upper() if len(first) <= 3 else first.capitalize()
    return f"{word} {rest.replace('-', ' ')}".rstrip()


class Spoken(msgspec.Struct, frozen=True, gc=False):
    """A concept as terminology is asked for it: codings as (system, code, display) and the text."""

    codings: tuple[tuple[str, str, str], ...]
    text: str

    @property
    def label(self) -> str:
        """What the record calls it: the text, else the first display, else the first code."""
        return self.called(self.codings[0][1] if self.codings else "")

    def called(self, otherwise: str) -> str:
        """What the record calls it in words, cut to what can be shown; otherwise: where it gives no words."""
        return clipped(self.text or next((display for _, _, display in self.codings if display), otherwise))


NOTHING = Spoken((), "")


def spoken(concept: CodeableConcept | None) -> Spoken:
    """The codings and the text of a concept; `NOTHING` for None."""
    if concept is None:
        return NOTHING
    coding = concept.coding
    if coding is None:
        return Spoken((), concept.text or "")
    if isinstance(coding, Coding):
        coding = [coding]
    return Spoken(tuple([(c.system or "", c.code or "", c.display or "") for c in coding]), concept.text or "")


def many(value: list[T] | T | None) -> Sequence[T]:
    """A field as a sequence, whether it came as an array, as a single object or not at all."""
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
