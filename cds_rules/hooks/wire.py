"""The only door of this floor to msgspec: typed decoding of what a client sent, encoding of what we answer.

Each field is first kept as raw bytes and then looked at by itself, so that one wrong field does not hide another and a
prefetch value is decoded in full once only, by `fhir`. Flows in: bytes. Flows out: structs of raw fields, texts, heads of
resources, or `WireError`, whose message never holds content of the body.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from cds_rules.vocabulary.errors import CdsRulesError
from cds_rules.vocabulary.wording import unsaid

Raw = msgspec.Raw
"""Bytes of one JSON value, not decoded."""

ABSENT = Raw(b"")
"""What a field holds that was not sent."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KINDS = {
    ord("{"): "object",
    ord("["): "array",
    ord('"'): "string",
    ord("t"): "true or false",
    ord("f"): "true or false",
    ord("n"): "null",
}
T = TypeVar("T")


class WireError(CdsRulesError):
    """Bytes are not JSON, or not of the shape that was asked for; the message says where, never what stood there."""


class _Fields(Struct, frozen=True):
    hook: Raw = ABSENT
    hookInstance: Raw = ABSENT
    user: Raw = ABSENT
    context: Raw = ABSENT
    fhirServer: Raw = ABSENT
    fhirAuthorization: Raw = ABSENT
    extension: Raw = ABSENT


class Envelope(_Fields, frozen=True):
    """The fields of a CDS Hooks request that we read."""

    prefetch: dict[str, Raw] | None = None


class Misshapen(_Fields, frozen=True):
    """A request whose prefetch is not an object."""

    prefetch: Raw = ABSENT


class Context(Struct, frozen=True):
    """The fields of `context` of the hooks that we serve."""

    patientId: Raw = ABSENT
    userId: Raw = ABSENT
    encounterId: Raw = ABSENT
    selections: Raw = ABSENT
    draftOrders: Raw = ABSENT
    medications: Raw = ABSENT
    orders: Raw = ABSENT


class Authorization(Struct, frozen=True):
    """The fields of `fhirAuthorization` that we read; scope is free text at some clients and never asked."""

    access_token: Raw = ABSENT
    token_type: Raw = ABSENT
    expires_in: Raw = ABSENT
    patient: Raw = ABSENT


class Extension(Struct, frozen=True, rename={"at": "dev.cds-rules.at"}):
    """Our own entry in the request's `extension`."""

    at: Raw = ABSENT


class Issue(Struct, frozen=True):
    """An issue of an OperationOutcome."""

    severity: str = ""
    code: str = ""


class Link(Struct, frozen=True):
    """A link of a Bundle."""

    relation: str = ""
    url: str = ""


class Search(Struct, frozen=True):
    """Why an entry stands in a searchset."""

    mode: str = ""


class Head(Struct, frozen=True):
    """What a resource says of itself."""

    resourceType: str = ""
    id: str | int | None = None
    issue: list[Issue] | None = None


class Entry(Struct, frozen=True):
    """An entry of a Bundle."""

    fullUrl: str | None = None
    resource: Head | None = None
    search: Search | None = None


class Value(Struct, frozen=True):
    """A prefetch value or draft orders: a resource, a Bundle, or the {response, resource} that old clients send."""

    resourceType: str = ""
    id: str | int | None = None
    total: int | None = None
    link: list[Link] | None = None
    entry: list[Entry | None] | None = None
    issue: list[Issue] | None = None
    response: Raw = ABSENT
    resource: Raw = ABSENT


class Fetched(Struct, frozen=True):
    """`response` of an old client's wrapped prefetch value."""

    status: str = ""


class Holder(Struct, frozen=True):
    """A resource, a Bundle, or an entry of one, as far as a Medication may stand in it or be referred to."""

    resourceType: str = ""
    id: str | None = None
    entry: list[Raw] | None = None
    resource: Raw = ABSENT
    medicationCodeableConcept: Raw = ABSENT
    medicationReference: Raw = ABSENT
    medication: Raw = ABSENT


class Pointer(Struct, frozen=True):
    """A Reference, or a CodeableReference with one in it."""

    reference: Raw = ABSENT
    display: Raw = ABSENT
    concept: Raw = ABSENT


@cache
def _decoder(shape: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, shape))


def decode(raw: Raw | bytes, shape: type[T]) -> T:
    """Decode bytes into a shape.

    Raises:
        WireError: not JSON, not of that shape, or nested too deeply.
    """
    try:
        return cast(T, _decoder(cast(Hashable, shape)).decode(raw))
    except msgspec.ValidationError:
        raise WireError("has another shape") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WireError("is not JSON") from None
    except RecursionError:
        raise WireError("is nested too deeply") from None


def envelope(body: bytes) -> Envelope | Misshapen:
    """Decode the outermost object of a request and the keys of its prefetch, in one pass.

    Raises:
        WireError: with what is wrong with the body.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        raise WireError("begins with a byte-order mark")
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise WireError(f"is not UTF-8 (byte {error.start})") from None
    try:
        try:
            return cast(Envelope, _decoder(Envelope).decode(body))
        except msgspec.ValidationError:
            return cast(Misshapen, _decoder(Misshapen).decode(body))
    except msgspec.ValidationError:
        raise WireError("is JSON, but not an object") from None
    except msgspec.DecodeError as error:
        said = str(error).removeprefix("JSON is malformed: ")
        raise WireError(f"is not JSON ({said[0].lower()}{said[1:]})") from None
    except RecursionError:
        raise WireError("is nested too deeply") from None


def plain(body: bytes) -> Any:
    """The values of a JSON body.

    Raises:
        WireError: not JSON in UTF-8, or nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WireError("is not JSON in UTF-8") from None
    except RecursionError:
        raise WireError("is nested too deeply") from None


def kind(raw: Raw) -> str:
    """The kind of a JSON value in words: object, array, string, number, true or false, null, nothing."""
    return _KINDS.get(memoryview(raw)[0], "number") if raw is not ABSENT else "nothing"


def text(raw: Raw) -> str | None:
    """The value of a JSON string; None for any other kind."""
    return decode(raw, str) if kind(raw) == "string" else None


def texts(raw: Raw) -> list[str] | None:
    """The values of a JSON array of strings; None for anything else."""
    try:
        return decode(raw, list[str])
    except WireError:
        return None


def encode(body: Any) -> bytes:
    """JSON bytes of plain values, keys in the order they have."""
    return msgspec.json.encode(body, enc_hook=unsaid)
