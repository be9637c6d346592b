"""What we ask a client to send along, and what it really sent.

`QUERIES` is the one list: key, search, which part of the record (`vocabulary.facts.DOMAINS`) it delivers. Each key of a
request is in one of five states; from the states follows which parts of the record are missing, and so what cannot be judged.
Flows in: the prefetch object of a request. Flows out: templates for discovery; documents, deliveries and missing domains.
Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from cds_rules.fhir import Document
from cds_rules.hooks.wire import ABSENT, Fetched, Issue, Raw, Value, WireError, decode, kind
from cds_rules.vocabulary.frozen import Frozen

Rows = Sequence[Mapping[str, str]]

_PATIENT = "patient={{context.patientId}}"


class Query(Frozen, frozen=True):
    """One question to the client's FHIR server.

    search: parameters beside the patient. codes: keys of laboratory values and symptoms whose codes are asked for; also:
    codes beyond them. domain: the part of the record it delivers. required: without it that part is not known; what is not
    required adds to a part, and many servers do not have it. newest: we need only that many, newest first; None: we need
    all there are.
    """

    key: str
    type: str
    asks: str
    domain: str
    search: str = ""
    codes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    required: bool = True
    newest: int | None = None

    def delivers(self, kind: str) -> bool:
        """Whether a resource of this type is what is asked for; an STU3 server has another name for it."""
        return _FORMERLY.get(kind, kind) == self.type

    def template(self, codes: Mapping[str, Sequence[str]]) -> str:
        """The query as discovery publishes it: R4 search syntax, plain context tokens, no parameter twice."""
        if self.type == "Patient":
            return "Patient/{{context.patientId}}"
        wanted = [*(token for name in self.codes for token in codes.get(name, ())), *self.also]
        parts = [_PATIENT, f"code={','.join(dict.fromkeys(wanted))}" if wanted else "", self.search]
        if self.newest is not None:
            parts.append(f"_sort=-{_DATE[self.type]}&_count={self.newest}")
        return f"{self.type}?{'&'.join(filter(None, parts))}"


_FORMERLY = {"ProcedureRequest": "ServiceRequest"}
"""Resource types of STU3 and what R4 calls them."""

_DATE = {
    "Observation": "date",
    "Procedure": "date",
    "Condition": "recorded-date",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "QuestionnaireResponse": "authored",
    "Encounter": "date",
}
"""Search parameter of R4 that sorts by time."""

QUERIES: tuple[Query, ...] = (
    Query("patient", "Patient", "age, sex", "patient"),
    Query("medications", "MedicationRequest", "active orders", "medications", "status=active&_count=200"),
    Query("endedMedications", "MedicationRequest", "orders ended lately, and when treatment began", "medications", "status=stopped,completed,cancelled", required=False, newest=30),
    Query("statements", "MedicationStatement", "what the patient takes, over the counter too", "medications", "status=active,completed", required=False, newest=100),
    Query("administrations", "MedicationAdministration", "what was given in hospital", "medications", "status=in-progress,completed", required=False, newest=50),
    Query("dispenses", "MedicationDispense", "what was handed out", "medications", "status=in-progress,completed", required=False, newest=50),
    Query("conditions", "Condition", "active problems and symptoms", "conditions", "clinical-status=active,recurrence,relapse&_count=200"),
    Query("endedConditions", "Condition", "acute kidney injury that is over", "conditions", "clinical-status=inactive,remission,resolved", required=False, newest=30),
    Query("creatinine", "Observation", "kidney function, acute kidney injury", "labs", codes=("creatinine", "egfr_reported", "cystatin_c"), newest=60),
    Query("magnesium", "Observation", "magnesium levels", "labs", codes=("magnesium",), newest=20),
    Query("electrolytes", "Observation", "potassium, sodium, calcium, albumin", "labs", codes=("potassium", "sodium", "calcium", "ionized_calcium", "albumin"), newest=60),
    Query("muscle", "Observation", "creatine kinase and what else explains muscle pain", "labs", codes=("ck", "tsh", "vitamin_d_25oh"), newest=20),
    Query("ecg", "Observation", "corrected QT interval", "labs", codes=("qtc",), required=False, newest=5),
    Query("vitals", "Observation", "signs of magnesium excess, weight for creatinine clearance", "vitals", codes=("sbp", "hr", "rr", "weight", "height"), also=("http://loinc.org|85354-9",), newest=50),
    Query("findings", "Observation", "cramps and pregnancy charted as observations", "conditions", codes=("pregnancy_status", "muscle-cramp", "muscle-pain", "muscle-weakness", "muscle-twitch", "paresthesia", "tetany"), also=("http://loinc.org|75325-1",), required=False, newest=30),
    Query("procedures", "Procedure", "dialysis, kidney transplant, delivery", "procedures", newest=50),
    Query("questionnaires", "QuestionnaireResponse", "cramps that the patient reported", "conditions", "status=completed,amended", required=False, newest=20),
    Query("carePlans", "CarePlan", "comfort care, dialysis programmes", "conditions", "status=active&_count=50", required=False),
    Query("consents", "Consent", "comfort measures only", "conditions", "status=active&_count=50", required=False),
    Query("encounters", "Encounter", "delivery", "procedures", "status=finished,in-progress", required=False, newest=20),
    Query("orders", "ServiceRequest", "tests that are already ordered", "orders", "status=active&_count=100"),
)  # fmt: skip

_ASKED_IN = ("http://loinc.org", "http://snomed.info/sct")


def codes_by_key(tables: Mapping[str, Rows]) -> dict[str, tuple[str, ...]]:
    """ "system|code" by key of a laboratory value or symptom, out of the packs' value sets; what must not count is not asked for."""
    found: dict[str, dict[str, None]] = {}
    for row in (*tables.get("labs", ()), *tables.get("symptoms", ())):
        if row.get("code") and row.get("system") in _ASKED_IN and not row.get("excluded"):
            found.setdefault(row["key"], {})[f"{row['system']}|{row['code']}"] = None
    return {key: tuple(tokens) for key, tokens in found.items()}


def templates(tables: Mapping[str, Rows]) -> dict[str, str]:
    """The prefetch templates of every service of ours, by key."""
    codes = codes_by_key(tables)
    return {query.key: query.template(codes) for query in QUERIES}


class State(StrEnum):
    """What became of one prefetch key."""

    DELIVERED = "delivered"
    EMPTY = "empty"
    """Known absent: null, or a search without matches."""
    MISSING = "missing"
    FAILED = "failed"
    PARTIAL = "partial"
    """Some of it was read, more exists."""


class Page(Frozen, frozen=True):
    """What one answer to a query held: a resource, or one page of a search.

    because: why it is not wholly there, without patient data. read: resources of the type asked for. total: how many there
    are, as the server says. next: address of the page after it. refused: the FHIR server was asked, and said no: asking it
    again would be of no use.
    """

    state: State
    because: str = ""
    read: int = 0
    total: int | None = None
    next: str = ""
    refused: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is left to be asked for."""
        return self.state is State.DELIVERED or self.state is State.EMPTY


class Delivery(Frozen, frozen=True):
    """The state of one of our keys, and the last page of it. fetched: we asked for it, or for the rest of it, ourselves."""

    key: str
    page: Page
    fetched: bool = False

    @property
    def state(self) -> State:
        """What became of the key."""
        return self.page.state

    @property
    def because(self) -> str:
        """Why it is not wholly there."""
        return self.page.because

    @property
    def open(self) -> bool:
        """Whether there may be more that nobody asked the FHIR server for yet, or not in vain."""
        return not (self.fetched or self.page.refused or self.page.whole)


class Prefetch(Frozen, frozen=True):
    """What the prefetch object of a request held.

    documents: every resource and Bundle in it, under our keys and others. deliveries: one for each of `QUERIES`.
    missing: domain -> why it was not wholly delivered.
    """

    documents: tuple[Document, ...]
    deliveries: tuple[Delivery, ...]
    missing: Mapping[str, str]


def read_prefetch(values: Mapping[str, Raw], patient_id: str) -> Prefetch:
    """Say what was delivered.

    Keys beyond ours are read as well: they can only add to the record, never stand for a key that we asked for, since
    nobody knows what was searched for. The one exception is the Patient resource itself, which is whole by its nature.
    """
    documents: list[Document] = []
    deliveries: dict[str, Delivery] = {}
    patient_elsewhere = False
    for key, sent in values.items():
        held = _opened(sent)
        if _may_hold_something(held):
            documents.append(Document(bytes(held.raw), f"prefetch:{key}"))
        if query := _OURS.get(key):
            deliveries[key] = Delivery(key, _page(query, held, patient_id))
        elif held.value and held.value.resourceType in ("Patient", "Bundle"):
            patient_elsewhere |= _page(_PATIENT_QUERY, held, patient_id).state is State.DELIVERED
    for key in _OURS.keys() - deliveries.keys():
        deliveries[key] = Delivery(key, _NOT_SENT)
    if patient_elsewhere and deliveries["patient"].state is State.MISSING:
        deliveries["patient"] = Delivery("patient", Page(State.DELIVERED))
    return prefetch_of(documents, deliveries)


def prefetch_of(documents: Iterable[Document], deliveries: Mapping[str, Delivery]) -> Prefetch:
    """What was delivered in all, from the delivery of each of `QUERIES`."""
    ordered = tuple(deliveries[key] for key in _OURS)
    return Prefetch(tuple(documents), ordered, _missing(ordered))


def read_page(query: Query, body: bytes, patient_id: str) -> Page:
    """Say what the answer of a FHIR server to a query held."""
    try:
        body.decode()
        return _page(query, _Held(Raw(body), decode(body, Value)), patient_id)
    except (UnicodeDecodeError, WireError):
        return Page(State.FAILED, "is not FHIR in JSON")


_OURS = {query.key: query for query in QUERIES}
_PATIENT_QUERY = _OURS["patient"]


class _Held(Frozen, frozen=True):
    """What a key holds, out of the {response, resource} that old clients put around it.

    value: what it says of itself; None when it is not an object, or one whose shape is not a resource's. failed: the
    wrapping says that there is no resource because fetching it failed.
    """

    raw: Raw
    value: Value | None = None
    failed: bool = False


def _may_hold_something(held: _Held) -> bool:
    if held.value is None:
        return kind(held.raw) == "object"
    return held.value.resourceType != "Bundle" or bool(held.value.entry)


def _opened(sent: Raw) -> _Held:
    if kind(sent) != "object":
        return _Held(sent)
    try:
        value = decode(sent, Value)
        if value.resourceType or kind(value.response) != "object":
            return _Held(sent, value)
        if kind(value.resource) == "object":
            return _Held(value.resource, decode(value.resource, Value))
        status = decode(value.response, Fetched).status
    except WireError:
        return _Held(sent)
    return _Held(ABSENT, failed=bool(status) and not status.startswith("2"))


_NOT_SENT = Page(State.MISSING, "was not sent")
_EMPTY = Page(State.EMPTY)


def _page(query: Query, held: _Held, patient_id: str) -> Page:
    page = _found(query, held, patient_id)
    if query is _PATIENT_QUERY and page.state is State.EMPTY:
        return Page(State.FAILED, "says that there is no such patient", refused=True)
    return page


def _found(query: Query, held: _Held, patient_id: str) -> Page:
    value = held.value
    if held.failed:
        return Page(State.FAILED, "holds a failed fetch", refused=True)
    if value is None:
        found = kind(held.raw)
        if found in ("null", "nothing"):
            return _EMPTY
        if found != "object":
            return Page(State.FAILED, f"holds {_article(found)}, not a FHIR resource")
        return Page(State.FAILED, "does not have the shape of a FHIR resource")
    if value.resourceType == "OperationOutcome":
        codes = {issue.code for issue in value.issue or ()}
        if not query.required and "not-supported" in codes:
            return Page(State.MISSING, "is not supported by the FHIR server", refused=True)
        return Page(State.FAILED, "holds an OperationOutcome: fetching failed", refused=codes.isdisjoint(_PASSING))
    if value.resourceType == "Bundle":
        return _bundle(query, value, patient_id)
    if not query.delivers(value.resourceType):
        return Page(State.FAILED, f"holds another type of resource than {query.type}")
    if query.type == "Patient" and not _same(value.id, patient_id):
        return Page(State.FAILED, "holds another patient than context.patientId")
    return Page(State.DELIVERED, read=1)


_PASSING = frozenset({"transient", "timeout", "throttled", "lock-error", "incomplete"})
"""Codes of issues that another try may not meet again."""


def _bundle(query: Query, bundle: Value, patient_id: str) -> Page:
    if not (bundle.entry or bundle.link or bundle.total):
        return _EMPTY
    error, others, of_type = False, False, 0
    right = query.type != "Patient"
    for entry in bundle.entry or ():
        if entry is None or (head := entry.resource) is None:
            continue
        if head.resourceType == "OperationOutcome" or (entry.search and entry.search.mode == "outcome"):
            error = error or _failed(head.issue)
        elif query.delivers(head.resourceType):
            of_type += 1
            right = right or _same(head.id, patient_id)
        else:
            others = True
    if error:
        return (
            Page(State.PARTIAL, "holds an error beside what was found", of_type, refused=True)
            if of_type
            else Page(State.FAILED, "holds an error: fetching failed", refused=True)
        )
    enough = query.newest is not None and of_type >= query.newest
    if not enough and (following := next((link for link in bundle.link or () if link.relation == "next"), None)):
        return Page(State.PARTIAL, "holds the first page only", of_type, bundle.total, following.url)
    if others and not of_type:
        return Page(State.FAILED, f"holds no {query.type}")
    if not enough and bundle.total is not None and bundle.total > of_type:
        return Page(State.PARTIAL, "holds fewer entries than its total says", of_type, bundle.total)
    if of_type and not right:
        return Page(State.FAILED, "holds another patient than context.patientId")
    return Page(State.DELIVERED if of_type else State.EMPTY, read=of_type)


def _failed(issues: Iterable[Issue] | None) -> bool:
    return any(issue.severity in ("error", "fatal") for issue in issues or ())


def _same(identity: str | int | None, patient_id: str) -> bool:
    """Whether a Patient is the one of the call; one without an id is taken for it."""
    return identity is None or str(identity) == patient_id


def _article(found: str) -> str:
    return f"an {found}" if found[0] in "ao" else found if found == "true or false" else f"a {found}"


def _missing(deliveries: Iterable[Delivery]) -> dict[str, str]:
    """Domain -> "prefetch keys a, b were not sent; prefetch key c holds the first page only"."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for query, delivery in zip(QUERIES, deliveries, strict=True):
        page = delivery.page
        if not page.whole and (query.required or page.state is not State.MISSING):
            reasons.setdefault(query.domain, {}).setdefault(page.because, []).append(query.key)
    return {
        domain: "; ".join(_sentence(keys, because) for because, keys in found.items())
        for domain, found in reasons.items()
    }


def _sentence(keys: Sequence[str], because: str) -> str:
    if len(keys) == 1:
        return f"prefetch key {keys[0]} {because}"
    plural = because.replace("was ", "were ", 1) if because.startswith("was ") else because
    return (
        f"prefetch keys {', '.join(keys)} {plural}"
        if plural != because
        else f"prefetch keys {', '.join(keys)}: each {because}"
    )
