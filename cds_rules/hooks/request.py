"""A CDS Hooks request: strict in what we need, lenient in everything that clients are known to do.

Flows in: the bytes of a body and the hook its address stands for. Flows out: `HookRequest`, and from it the `Call` that is
judged; or `BadRequest` with every mistake at once, without content of the body.
Lenient on purpose: hookInstance in any form; no userId, or a `user` beside the context as before 1.0; patientId as "Patient/1"; a fhirAuthorization without fhirServer;
unknown fields and extensions of any kind; order-select without selections (then no draft is in focus); draftOrders without
type, or absent.
Floor: hooks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Call
from cds_rules.fhir import Document
from cds_rules.hooks.prefetch import Prefetch, read_prefetch
from cds_rules.hooks.wire import (
    ABSENT,
    Authorization,
    Context,
    Extension,
    Misshapen,
    Raw,
    Value,
    WireError,
    decode,
    envelope,
    kind,
    text,
    texts,
)
from cds_rules.knowledge.languages import ENGLISH
from cds_rules.vocabulary.clock import can_be_reckoned_with
from cds_rules.vocabulary.errors import CdsRulesError
from cds_rules.vocabulary.frozen import Frozen

AT = "dev.cds-rules.at"
"""Entry of the request's `extension`: judge as of this instant instead of now. For samples and replays."""

DRAFTS = {
    "order-select": "draftOrders",
    "order-sign": "draftOrders",
    "medication-refill": "medications",
    "medication-prescribe": "medications",
    "order-review": "orders",
}
"""Hook -> the field of `context` that holds the orders being written."""

FORMER = {"medication-prescribe": ("order-select", "order-sign"), "order-review": ("order-sign",)}
"""Hooks that the hook library has given up, and those that took their place: a body of one is read at the other's address."""


class Fault(Frozen, frozen=True):
    """One thing wrong with a request: where, what was found, what belongs there; no content of the body."""

    path: str
    found: str
    belongs: str

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; {self.belongs}"


class BadRequest(CdsRulesError):
    """A request that cannot be judged, with every fault that was found. hook_instance: as sent, "" when not known."""

    def __init__(self, faults: tuple[Fault, ...], hook_instance: str = "") -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults
        self.hook_instance = hook_instance


@dataclass(frozen=True, slots=True)
class Access:
    """What `fhirAuthorization` grants. token: "" without one; never shown, logged or kept. seconds: it is valid for that long; None: not said."""

    token: str = field(default="", repr=False)
    seconds: float | None = None


class HookRequest(Frozen, frozen=True):
    """What a client asks.

    selections: "Type/id" of the drafts in focus; None: all of them. drafts: the bytes of draftOrders, None without any.
    at: the instant the client asks for, None for now. fhir_server: as sent. access: what the client gave us to read there.
    """

    hook: str
    hook_instance: str
    patient_id: str
    user_id: str
    encounter_id: str
    selections: frozenset[str] | None
    drafts: bytes | None
    prefetch: Prefetch
    at: datetime | None
    fhir_server: str
    access: Access

    def documents(self) -> tuple[Document, ...]:
        """All that was delivered, and the drafts."""
        drafts = () if self.drafts is None else (Document(self.drafts, "draft"),)
        return (*self.prefetch.documents, *drafts)

    def draft_references(self) -> frozenset[str]:
        """ "Type/id" of every draft that has an id."""
        return frozenset(_references(ABSENT if self.drafts is None else Raw(self.drafts)).values())

    def call(
        self,
        at: datetime,
        zone: tzinfo = UTC,
        language: str = ENGLISH,
        why: bool = False,
        overrides: tuple[Override, ...] = (),
    ) -> Call:
        """The question to `evaluate`, asked at an instant, to be answered in a language."""
        return Call(
            hook=self.hook,
            at=at,
            documents=self.documents(),
            patient_id=self.patient_id,
            hook_instance=self.hook_instance,
            selections=self.selections,
            missing=self.prefetch.missing,
            zone=zone,
            language=language,
            why=why,
            overrides=overrides,
        )


def read_request(body: bytes, hook: str | None = None) -> HookRequest:
    """Read a request.

    Args:
        body: JSON as sent.
        hook: the hook that the called address stands for; None: whichever the body names.

    Raises:
        BadRequest: with every fault.
    """
    try:
        sent = envelope(body)
    except WireError as error:
        raise BadRequest((Fault("body", f"something that {error}", "a JSON object in UTF-8 belongs here"),)) from None
    reading = _Reading()
    hook_instance = reading.text("hookInstance", sent.hookInstance)
    named = reading.text("hook", sent.hook)
    if named and hook is not None and named != hook and hook not in FORMER.get(named, ()):
        reading.fault("hook", "another hook", f'this address serves "{hook}"')
    context = reading.context(sent.context)
    patient_id = reading.text("context.patientId", context.patientId).removeprefix("Patient/") if context else ""
    reading.same_patient(sent.fhirAuthorization, patient_id)
    if isinstance(sent, Misshapen):
        reading.fault("prefetch", _named(sent.prefetch), "an object of key and resource, or nothing, belongs here")
    drafts, selections = reading.drafts(named, context) if context else (None, None)
    if reading.faults or isinstance(sent, Misshapen):
        raise BadRequest(tuple(reading.faults), hook_instance)
    return HookRequest(
        hook=hook or FORMER.get(named, (named,))[-1],
        hook_instance=hook_instance,
        patient_id=patient_id,
        user_id=(text(context.userId) if context else None) or text(sent.user) or "",
        encounter_id=(text(context.encounterId) if context else None) or "",
        selections=selections,
        drafts=drafts,
        prefetch=read_prefetch(sent.prefetch or {}, patient_id),
        at=_at(sent.extension),
        fhir_server=text(sent.fhirServer) or "",
        access=_access(sent.fhirAuthorization),
    )


class _Reading:
    """Collects the faults of one request."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, path: str, found: str, belongs: str) -> None:
        self.faults.append(Fault(path, found, belongs))

    def text(self, path: str, raw: Raw) -> str:
        """A required text, "" with a fault when it is not there."""
        found = text(raw)
        if found is None:
            self.fault(path, _named(raw), "a string is required here")
        elif not found.strip():
            self.fault(path, "an empty string", "a string is required here")
        return (found or "").strip()

    def context(self, raw: Raw) -> Context | None:
        if kind(raw) == "object":
            return decode(raw, Context)
        self.fault("context", _named(raw), "the object that the hook defines is required here")
        return None

    def same_patient(self, raw: Raw, patient_id: str) -> None:
        if kind(raw) != "object" or not patient_id:
            return
        granted = text(decode(raw, Authorization).patient)
        if granted and granted.removeprefix("Patient/") != patient_id:
            self.fault(
                "fhirAuthorization.patient",
                "another patient than context.patientId",
                "data of two patients are never mixed",
            )

    def drafts(self, hook: str, context: Context) -> tuple[bytes | None, frozenset[str] | None]:
        """The drafts and which of them are in focus: at order-select those selected, else all."""
        if hook not in DRAFTS:
            return None, None
        orders: Raw = getattr(context, DRAFTS[hook])
        found = kind(orders)
        if found not in ("object", "nothing", "null"):
            self.fault(f"context.{DRAFTS[hook]}", _named(orders), "a Bundle belongs here")
            return None, None
        drafts = bytes(orders) if found == "object" else None
        if hook != "order-select":
            return drafts, None
        return drafts, self._selections(context.selections, orders if drafts else ABSENT)

    def _selections(self, raw: Raw, orders: Raw) -> frozenset[str]:
        found = kind(raw)
        if found in ("nothing", "null"):
            return frozenset()
        chosen = [text(raw) or ""] if found == "string" else texts(raw)
        if chosen is None:
            self.fault(
                "context.selections",
                _named(raw) if found != "array" else "an array of something else",
                'an array of "Type/id" belongs here',
            )
            return frozenset()
        return _resolved(chosen, orders)


def _resolved(selections: list[str], orders: Raw) -> frozenset[str]:
    """Selections as "Type/id", also where a client sent an absolute address, a bare id or the entry's fullUrl."""
    by_name = _references(orders)
    found: set[str] = set()
    for selection in filter(None, (each.strip() for each in selections)):
        relative = _REFERENCE.search(selection)
        found.add(by_name.get(selection) or (f"{relative[1]}/{relative[2]}" if relative else selection))
    return frozenset(found)


def _references(orders: Raw) -> dict[str, str]:
    """ "Type/id" of each draft, by its id and by the fullUrl of its entry."""
    by_name: dict[str, str] = {}
    try:
        entries = (decode(orders, Value).entry or ()) if kind(orders) == "object" else ()
    except WireError:
        entries = ()
    for entry in entries:
        if entry and entry.resource and entry.resource.id is not None:
            reference = f"{entry.resource.resourceType}/{entry.resource.id}"
            by_name[str(entry.resource.id)] = reference
            if entry.fullUrl:
                by_name[entry.fullUrl] = reference
    return by_name


_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([^/\s]+)(?:/_history/[^/\s]+)?\Z")


def _at(extension: Raw) -> datetime | None:
    """The instant asked for in our extension; None when there is none, or none that can be read."""
    if kind(extension) != "object":
        return None
    said = text(decode(extension, Extension).at)
    try:
        instant = datetime.fromisoformat(said) if said else None
    except ValueError:
        return None
    return instant.replace(tzinfo=instant.tzinfo or UTC) if instant and can_be_reckoned_with(instant) else None


def _access(raw: Raw) -> Access:
    """The token, if it is one that can be sent as Bearer; seconds also where a client writes the number as a text."""
    if kind(raw) != "object":
        return Access()
    given = decode(raw, Authorization)
    token = (text(given.access_token) or "").strip()
    if (text(given.token_type) or "Bearer").lower() != "bearer" or not _TOKEN.fullmatch(token):
        token = ""
    said = text(given.expires_in) if kind(given.expires_in) == "string" else bytes(given.expires_in).decode()
    return Access(token, float(said) if said and _SECONDS.fullmatch(said) else None)


_TOKEN = re.compile(r"[A-Za-z0-9._~+/:@,;|!$&'()*=-]+")
_SECONDS = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?")


def _named(raw: Raw) -> str:
    found = kind(raw)
    if found in ("null", "nothing", "true or false"):
        return found
    return f"{'an' if found[0] in 'ao' else 'a'} {found}"
