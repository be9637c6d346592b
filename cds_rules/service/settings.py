"""What an operator may set: frozen dataclasses, one for each section, with what belongs into each field and what it means.

Read from a TOML file and the environment by `configuration`, or made in code by tests. Flows out: `Settings`.
Floor: edge (service). One of pydantic's doors: it checks types and bounds; our own words stand in each field's metadata.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

Secret = SecretStr
"""A value that no message, log or representation shows; `get_secret_value()` gives it."""

NOTHING = Secret("")
MIB = 1024 * 1024
Mode = Literal["development", "production"]
Fraction = Annotated[float, Field(ge=0, le=1)]
SANDBOX = "sandbox.cds-hooks.org"
"""Host of the public CDS Hooks sandbox, whose private key lies in a public repository."""


def setting(default: Any, belongs: str, meaning: str) -> Any:
    """A field with what a message says belongs there, and what the reference page says it means."""
    made = {"default_factory": type(default)} if isinstance(default, dict) else {"default": default}
    return field(**made, metadata={"belongs": belongs, "meaning": meaning})


def _whole(low: int, high: int, default: int, meaning: str) -> Any:
    return setting(default, f"a whole number from {low} to {high}", meaning)


def _address(said: str) -> str:
    """An absolute https or http address without user, query or fragment, as it was written but for a slash at the end."""
    parts = urlsplit(said)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or "@" in said:
        raise ValueError("an address such as https://cds.example.org belongs here")
    _ = parts.port  # raises ValueError where it is no number
    return said.rstrip("/")


def _origin(said: str) -> str:
    parts = urlsplit(said)
    if said != "*" and said.rstrip("/") != f"{parts.scheme}://{parts.netloc}":
        raise ValueError('an origin such as https://ehr.example.org, or "*", belongs here')
    return said if said == "*" else _address(said)


def _host(said: str) -> str:
    if not said or any(each.isspace() or each in "/@" for each in said):
        raise ValueError("a host name or address belongs here")
    return said


def _network(said: str) -> str:
    return str(ipaddress.ip_network(said, strict=False))


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise ValueError("the path of a file that can be read belongs here; there is none at this path")
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError("the path of a folder belongs here; there is none at this path")
    return path


Address = Annotated[str, AfterValidator(_address)]
Origin = Annotated[str, AfterValidator(_origin)]
Host = Annotated[str, AfterValidator(_host)]
Network = Annotated[str, AfterValidator(_network)]
File = Annotated[Path, AfterValidator(_readable)]
Folder = Annotated[Path, AfterValidator(_folder)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Section:
    """A table of settings: a name that no field has is a mistake."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Server(Section):
    """Where and how it listens."""

    host: Host = setting("127.0.0.1", "a host name or address", "address to listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = _whole(0, 65535, 8000, "port to listen on; 0: any that is free")
    workers: Annotated[int, Field(ge=1, le=64)] = _whole(1, 64, 1, "processes that answer")
    public_url: Address | None = setting(
        None,
        "an address such as https://cds.example.org/base",
        "what clients call, without /cds-services; the audience of tokens is compared with it",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (), "addresses or networks of proxies", "proxies whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    certificate: File | None = setting(
        None, "the path of a PEM file", "certificate and chain, to speak TLS without a proxy"
    )
    certificate_key: File | None = setting(None, "the path of a PEM file", "private key of the certificate")
    certificate_password: Secret = setting(NOTHING, "a text", "password of that private key")
    client_ca: File | None = setting(
        None, "the path of a PEM file", "authorities whose client certificates are demanded (mutual TLS)"
    )
    grace_seconds: Annotated[int, Field(ge=1, le=600)] = _whole(
        1, 600, 30, "how long answers under way may take when the service is stopped"
    )
    keep_alive_seconds: Annotated[int, Field(ge=1, le=3600)] = _whole(
        1, 3600, 65, "how long a connection without a request stays open"
    )
    header_seconds: Annotated[int, Field(ge=1, le=600)] = _whole(
        1, 600, 10, "how long the head of a request may take to arrive"
    )


@dataclass(frozen=True, slots=True)
class Limits(Section):
    """How much one request, one client and all of them may ask for. Those that count requests hold for each worker."""

    max_body: Annotated[int, Field(ge=1024, le=1024 * MIB)] = _whole(
        1024, 1024 * MIB, 10 * MIB, "bytes of a request, also after unpacking"
    )
    max_depth: Annotated[int, Field(ge=16, le=500)] = _whole(16, 500, 100, "levels of nesting in a request")
    max_entries: Annotated[int, Field(ge=100, le=1_000_000)] = _whole(100, 1_000_000, 20_000, "resources in a request")
    seconds: Annotated[int, Field(ge=1, le=120)] = _whole(
        1, 120, 10, "time for a whole request, from its head to the answer"
    )
    concurrent: Annotated[int, Field(ge=1, le=10_000)] = _whole(
        1, 10_000, 128, "requests under way; beyond that 503 with Retry-After"
    )
    concurrent_per_client: Annotated[int, Field(ge=1, le=10_000)] = _whole(
        1, 10_000, 64, "requests under way of one client (issuer and tenant, or else address); beyond that 429"
    )


@dataclass(frozen=True, slots=True)
class Cors(Section):
    """Browsers."""

    origins: tuple[Origin, ...] | None = setting(
        None,
        'origins such as https://ehr.example.org, or "*"',
        "origins of browsers that may call; not set: any in development, and a mistake in production ([] for none)",
    )


@dataclass(frozen=True, slots=True)
class Tenant(Section):
    """One tenant of an issuer."""

    profile: Name | None = setting(None, "the name of a profile", "how this tenant is answered")
    fhir_servers: tuple[Address, ...] = setting(
        (), "addresses of FHIR servers", "FHIR servers of this tenant, besides those of the issuer"
    )


@dataclass(frozen=True, slots=True)
class Issuer(Section):
    """One client that signs tokens. Its keys come from `jku`, from `jwks_file`, or stand in `jwks`."""

    issuer: Name = setting(dataclasses.MISSING, "the iss of its tokens", "the iss of its tokens, to the letter")
    jku: tuple[Address, ...] = setting(
        (), "https addresses of key sets", "addresses its keys may be fetched from, to the letter"
    )
    jwks_file: File | None = setting(None, "the path of a JSON Web Key Set", "its public keys")
    jwks: dict[str, Any] | None = setting(None, "a JSON Web Key Set", "its public keys, in place")
    tenants: dict[str, Tenant] = setting(
        {}, "a table for each tenant", "tenants that are known; with none any tenant will do"
    )
    profile: Name | None = setting(None, "the name of a profile", "how it is answered")
    fhir_servers: tuple[Address, ...] = setting(
        (), "addresses of FHIR servers", "FHIR servers that may be asked for what it did not send"
    )
    private_networks: tuple[Network, ...] = setting(
        (), "networks such as 10.1.0.0/16", "private networks in which its servers may lie"
    )
    reuses_tokens: bool = setting(False, "true or false", "accept a token more than once")


@dataclass(frozen=True, slots=True)
class Trust(Section):
    """Who may call."""

    issuers: tuple[Issuer, ...] = setting(
        (), "tables of issuers", "clients that may call; with none, development asks nobody for a token"
    )
    public_sandbox: bool = setting(
        False,
        "true or false",
        "trust the public CDS Hooks sandbox, whose private key everybody can read; for trials without real patients",
    )
    leeway_seconds: Annotated[int, Field(ge=0, le=60)] = _whole(0, 60, 30, "how far clocks may differ")
    max_life_seconds: Annotated[int, Field(ge=60, le=86_400)] = _whole(
        60, 86_400, 3600, "the longest a token may live, from iat to exp"
    )
    key_cache_seconds: Annotated[int, Field(ge=10, le=86_400)] = _whole(
        10, 86_400, 3600, "how long a fetched key set is used before it is fetched again"
    )
    key_refetch_seconds: Annotated[int, Field(ge=1, le=3600)] = _whole(
        1, 3600, 30, "the shortest time between two fetches of a key set, whatever tokens come"
    )
    private_networks: tuple[Network, ...] = setting(
        (), "networks such as 10.1.0.0/16", "private networks in which key sets may lie"
    )


@dataclass(frozen=True, slots=True)
class Fetch(Section):
    """Asking the caller's FHIR server for what was not sent."""

    enabled: bool = setting(True, "true or false", "fetch what a request did not bring")
    seconds: Annotated[float, Field(gt=0, le=60)] = setting(
        2.5, "seconds above 0, up to 60", "time for all fetching of one request"
    )
    max_pages: Annotated[int, Field(ge=1, le=1000)] = _whole(1, 1000, 20, "pages of one search that are read")
    max_bytes: Annotated[int, Field(ge=1024, le=1024 * MIB)] = _whole(
        1024, 1024 * MIB, 10 * MIB, "bytes of one answer that are read"
    )
    servers: tuple[Address, ...] = setting(
        (), "addresses of FHIR servers", "FHIR servers that may be asked, whoever calls"
    )
    without_token: bool = setting(False, "true or false", "ask a server also when the caller sent no token for it")
    private_networks: tuple[Network, ...] = setting(
        (), "networks such as 10.1.0.0/16", "private networks in which these servers may lie"
    )


@dataclass(frozen=True, slots=True)
class Store(Section):
    """What is kept."""

    url: Secret = setting(
        NOTHING,
        "a database address such as sqlite:///decisions.db or postgresql://user@host/name",
        "where decisions, feedback, overrides and used tokens are kept",
    )
    password: Secret = setting(NOTHING, "a text", "password of the database")
    key: Secret = setting(
        NOTHING,
        "a secret of at least 32 characters",
        "key of the hashes that stand for patients and users",
    )
    previous_keys: Secret = setting(
        NOTHING, "secrets with blanks between them", "earlier keys, which still read what was written by them"
    )
    keep: Literal["off", "hashed", "full"] = setting(
        "hashed",
        '"off", "hashed" or "full"',
        "off: no decision is kept, and overrides are not remembered; hashed: hashes and reasons, no values; full: besides, sealed, all that is needed to judge again",
    )
    keep_comments: bool = setting(
        False, "true or false", "keep, sealed, what clinicians write beside a reason; it may name patients"
    )
    queue: Annotated[int, Field(ge=10, le=1_000_000)] = _whole(
        10, 1_000_000, 10_000, "decisions that may wait to be written; beyond that they are dropped and counted"
    )
    decision_days: Annotated[int, Field(ge=1, le=36_500)] = _whole(1, 36_500, 365, "how long decisions are kept")
    content_days: Annotated[int, Field(ge=1, le=36_500)] = _whole(
        1, 36_500, 90, "how long what was judged is kept, where all is kept"
    )
    feedback_days: Annotated[int, Field(ge=1, le=36_500)] = _whole(1, 36_500, 1095, "how long feedback is kept")
    audit_days: Annotated[int, Field(ge=1, le=36_500)] | None = setting(
        None,
        "a whole number from 1 to 36500",
        "how long the audit of the review pages is kept; not set: as long as the database",
    )

    @property
    def database_url(self) -> str:
        """The address with the password in it; "" where there is none."""
        url, password = self.url.get_secret_value(), self.password.get_secret_value()
        scheme, _, rest = url.partition("://")
        user, _, host = rest.rpartition("@")
        return f"{scheme}://{user}:{quote(password, safe='')}@{host}" if password and user else url


@dataclass(frozen=True, slots=True)
class ProfileChange(Section):
    """A profile of the site: another one, and what differs from it."""

    base: Name = setting("default", "the name of a profile that is shipped", "the profile it begins from")
    actions: tuple[Name, ...] | None = setting(
        None,
        "create, update, delete, or with a type as create:ServiceRequest",
        "actions that the client can carry out; others are said in words",
    )
    drafts_only: bool | None = setting(
        None, "true or false", "update and delete only what is among the drafts of the request"
    )
    one_action: bool | None = setting(None, "true or false", "one action in each suggestion")
    selection: Literal["any", "at-most-one"] | None = setting(
        None, '"any" or "at-most-one"', "selectionBehavior of cards with suggestions"
    )
    labels_hidden: bool | None = setting(
        None, "true or false", "the client shows an action's description and not the suggestion's label"
    )
    link_hosts: tuple[Host, ...] | None = setting(
        None, "host names", 'hosts that links may lead to; ["*"]: any; others are left out'
    )
    unjudged: Literal["status", "card"] | None = setting(
        None, '"status" or "card"', "how it learns that nothing could be assessed: 412, or an info card"
    )
    feedback: Literal["overrideReason", "overrideReasons"] | None = setting(
        None,
        '"overrideReason" or "overrideReasons"',
        "where its feedback has the reason; the other one is read where that is not there",
    )
    language: Name | None = setting(None, "a language such as en or de", "language of cards")
    why: bool | None = setting(
        None, "true or false", "cards also say what would have to differ; an answer with cards takes longer"
    )


@dataclass(frozen=True, slots=True)
class Telemetry(Section):
    """Logs, metrics, traces, and the check of ourselves."""

    log_format: Literal["json", "text"] | None = setting(
        None, '"json" or "text"', "not set: text in development, JSON in production"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", '"debug", "info", "warning" or "error"', "the least that is logged"
    )
    metrics: bool = setting(True, "true or false", "serve /metrics")
    metrics_networks: tuple[Network, ...] = setting(
        ("127.0.0.0/8", "::1/128"), "addresses or networks", "who may read /metrics"
    )
    metrics_token: Secret = setting(NOTHING, "a text", "bearer token that also opens /metrics, from anywhere")
    traces_endpoint: Address | None = setting(
        None, "an address such as http://collector:4318", "OTLP collector that gets traces; not set: none"
    )
    traces_share: Fraction = setting(1.0, "a number from 0 to 1", "part of the requests that is traced")
    canary_seconds: Annotated[int, Field(ge=1, le=86_400)] = _whole(
        1, 86_400, 300, "time between two checks with the packs' own samples"
    )


@dataclass(frozen=True, slots=True)
class Packs(Section):
    """Rules."""

    folders: tuple[Folder, ...] = setting(
        (), "folders of rule packs", "packs to use in place of those that are installed"
    )
    parameters: File | None = setting(
        None, "the path of a YAML file", "what the site sets, within the bounds of the pack"
    )
    codes: File | None = setting(
        None, "the path of a CSV file", "codes that `cds-rules terminology update` fetched; they only add to the packs'"
    )


@dataclass(frozen=True, slots=True)
class Launch(Section):
    """One EHR that may launch a page (SMART App Launch 2)."""

    iss: Address = setting(dataclasses.MISSING, "the address of its FHIR server", "the iss of its launches")
    client_id: Name = setting(dataclasses.MISSING, "a text", "what it calls the review pages")
    client_secret_file: File | None = setting(
        None,
        "the path of a file with a secret",
        "what these pages prove themselves with; none: a public client, whose proof is PKCE alone",
    )
    issuer: Name | None = setting(
        None,
        "the iss of a client",
        "whose cards it opens: the issuer of its CDS Hooks tokens; not set: where none is asked",
    )
    tenant: Name | None = setting(None, "the name of a tenant", "whose cards it opens: the tenant in those tokens")
    private_networks: tuple[Network, ...] = setting(
        (), "networks such as 10.1.0.0/16", "private networks in which its servers may lie"
    )


@dataclass(frozen=True, slots=True)
class Review(Section):
    """The pages on which clinicians review alerts."""

    enabled: bool | None = setting(
        None, "true or false", "serve /review; not set: in development, and where somebody can sign in"
    )
    development_sign_in: bool | None = setting(
        None,
        "true or false",
        "let anybody on this machine in, as whom they like; not set: in development. Never in production",
    )
    issuer: Address | None = setting(
        None,
        "an address such as https://login.example.org/realms/hospital",
        "OpenID Connect provider that signs people in",
    )
    client_id: Name | None = setting(None, "a text", "what the provider calls these pages")
    client_secret: Secret = setting(NOTHING, "a text", "what these pages prove themselves with; none: PKCE alone")
    scopes: tuple[Name, ...] = setting(("openid", "profile"), "names of scopes", "scopes that are asked for")
    role_claim: Name = setting(
        "roles", "the name of a claim, such as realm_access.roles", "claim of the ID token that holds roles or groups"
    )
    reader: tuple[Name, ...] = setting(("cds-reader",), "values of that claim", "who may look")
    reviewer: tuple[Name, ...] = setting(("cds-reviewer",), "values of that claim", "who may judge as well")
    admin: tuple[Name, ...] = setting(
        ("cds-admin",), "values of that claim", "who may import, delete and read the audit as well"
    )
    house_claim: Name | None = setting(
        None,
        "the name of a claim",
        "claim of the ID token that says whose alerts may be seen, by the names of `houses`",
    )
    houses: dict[str, str] = setting(
        {},
        "a table of names, each with an issuer, or an issuer and a tenant with a blank between them",
        "houses: whose alerts they are, as clients name themselves in their tokens",
    )
    all_houses: bool = setting(False, "true or false", "show everybody who may sign in the alerts of all clients")
    private_networks: tuple[Network, ...] = setting(
        (), "networks such as 10.1.0.0/16", "private networks in which the provider may lie"
    )
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = _whole(
        1, 1440, 30, "after how long without a page a visit is over"
    )
    visit_hours: Annotated[int, Field(ge=1, le=168)] = _whole(1, 168, 10, "after how long a visit is over in any case")
    max_upload: Annotated[int, Field(ge=1024, le=4096 * MIB)] = _whole(
        1024, 4096 * MIB, 256 * MIB, "bytes of a replay run that is brought in by the page"
    )
    frame_ancestors: tuple[Origin, ...] = setting(
        (), "origins such as https://ehr.example.org", "pages of EHRs that may show these pages inside theirs"
    )
    launches: tuple[Launch, ...] = setting(
        (), "tables of EHRs", "EHRs that may open a card's page; each card then carries a link for it"
    )


@dataclass(frozen=True, slots=True)
class Settings(Section):
    """All of it. See docs/operators.md, which is held against this."""

    mode: Mode = setting(
        "development",
        '"development" or "production"',
        "development: open, for this machine alone; production: does not start half-configured",
    )
    profile: Name = setting(
        "default", "the name of a profile", "how clients are answered that have no profile of their own"
    )
    samples: bool | None = setting(None, "true or false", "serve the sample requests; not set: in development")
    explain: bool | None = setting(
        None, "true or false", "answer POST /explain with whole explanations; not set: in development"
    )
    heed_at: bool = setting(
        False,
        "true or false",
        "judge as of the instant that a request names; for tests and teaching, never with real patients",
    )
    server: Server = setting(Server(), "a table", "")
    limits: Limits = setting(Limits(), "a table", "")
    cors: Cors = setting(Cors(), "a table", "")
    trust: Trust = setting(Trust(), "a table", "")
    fetch: Fetch = setting(Fetch(), "a table", "")
    store: Store = setting(Store(), "a table", "")
    telemetry: Telemetry = setting(Telemetry(), "a table", "")
    packs: Packs = setting(Packs(), "a table", "")
    review: Review = setting(Review(), "a table", "")
    profiles: Mapping[str, ProfileChange] = setting({}, "a table for each profile", "profiles of the site")

    @property
    def production(self) -> bool:
        """Whether patients may be meant."""
        return self.mode == "production"

    @property
    def open(self) -> bool:
        """Whether anybody on this machine may call without a token."""
        return not self.production and not self.trust.issuers and not self.trust.public_sandbox

    @property
    def serves_samples(self) -> bool:
        """Whether the sample requests are served."""
        return not self.production if self.samples is None else self.samples

    @property
    def signs_in_for_trial(self) -> bool:
        """Whether anybody on this machine may sign in to the review pages as whom they like."""
        return not self.production and self.review.development_sign_in is not False

    @property
    def reviews(self) -> bool:
        """Whether the review pages are served."""
        if self.review.enabled is not None:
            return self.review.enabled
        return not self.production or bool(self.review.issuer or self.review.launches)

    @property
    def explains(self) -> bool:
        """Whether POST /explain is answered."""
        return not self.production if self.explain is None else self.explain

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins of browsers that may call."""
        return ("*",) if self.cors.origins is None else self.cors.origins

    @property
    def base_url(self) -> str:
        """What clients call: the public address, or that of this machine in development."""
        scheme = "https" if self.server.certificate else "http"
        return self.server.public_url or f"{scheme}://{self.server.host}:{self.server.port}"
