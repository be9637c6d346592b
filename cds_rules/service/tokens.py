"""Who calls: the JSON Web Token of a CDS Hooks client, checked against what the site trusts.

Every fault ends in one and the same `Refused`; its category is for log and metric, never for the caller. Nothing is fetched
for a token whose issuer and key address are not on the list.
Flows in: the Authorization header, the address called. Flows out: `Caller`. Floor: edge (service).
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from cds_rules.hooks.profiles import Profile
from cds_rules.service.keys import ALGORITHMS, Keys, KeySets, read_keys
from cds_rules.service.settings import SANDBOX, Issuer, Settings, Trust
from cds_rules.vocabulary.errors import CdsRulesError

if TYPE_CHECKING:
    from cds_rules.service.keys import Key

FirstSeen = Callable[[str, str, datetime], Awaitable[bool]]
"""Issuer, jti, expiry: whether this token is used for the first time; from then on it is not."""

Category = Literal[
    "no-token",
    "malformed",
    "algorithm",
    "header",
    "issuer",
    "key-address",
    "key",
    "signature",
    "claims",
    "audience",
    "expired",
    "not-yet-valid",
    "lives-too-long",
    "tenant",
    "replayed",
]

LONGEST = 16 * 1024
"""Characters of a token: a certificate chain in its header fits in."""

PUBLIC_SANDBOX = Issuer(
    issuer=f"https://{SANDBOX}", jku=(f"https://{SANDBOX}/.well-known/jwks.json",), profile="sandbox"
)

_PART = re.compile(r"[A-Za-z0-9_-]+")
_MOST_TEXT = 512


class Refused(CdsRulesError):
    """A call without a token that holds. category: for log and metric alone."""

    def __init__(self, category: Category) -> None:
        super().__init__(category)
        self.category = category


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what that decides. issuer, tenant: "" where nobody was asked for a token."""

    profile: Profile
    issuer: str = ""
    tenant: str = ""
    fhir_servers: tuple[str, ...] = ()
    private_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """An issuer that is trusted, with the keys that were agreed beforehand."""

    issuer: Issuer
    keys: Keys


class Doorkeeper:
    """Checks tokens.

    Args:
        profiles: by name. key_sets: fetched keys. first_seen: the replay store. now: seconds since the epoch.
    """

    def __init__(
        self,
        settings: Settings,
        profiles: Mapping[str, Profile],
        key_sets: KeySets,
        first_seen: FirstSeen,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._trust: Trust = settings.trust
        self._profiles = profiles
        self._default = profiles[settings.profile]
        self._key_sets = key_sets
        self._first_seen = first_seen
        self._now = now
        self._open = settings.open
        self._base = settings.base_url
        trusted = (*settings.trust.issuers, *((PUBLIC_SANDBOX,) if settings.trust.public_sandbox else ()))
        self._known = {each.issuer: _Known(each, agreed_keys(each)) for each in trusted}

    async def admit(self, authorization: Sequence[str], path: str) -> Caller:
        """Who calls an endpoint.

        Args:
            authorization: every Authorization header. path: of the endpoint below the public address.

        Raises:
            Refused: whatever is wrong.
        """
        if self._open:
            return Caller(self._default)
        token = _bearer(authorization)
        header, claims = _unpacked(token)
        kid, algorithm = _header(header)
        known = self._known.get(_text(claims, "iss"))
        if known is None:
            raise Refused("issuer")
        key = await self._key(known, header, kid, algorithm)
        if not _signed(token, key):
            raise Refused("signature")
        expires = self._times(claims)
        if not _addressed_to(claims.get("aud"), f"{self._base}{path}"):
            raise Refused("audience")
        caller = self._caller(known.issuer, claims)
        until = datetime.fromtimestamp(math.ceil(expires + self._trust.leeway_seconds), UTC)
        identity = _text(claims, "jti")
        if not known.issuer.reuses_tokens and not await self._first_seen(known.issuer.issuer, identity, until):
            raise Refused("replayed")
        return caller

    async def _key(self, known: _Known, header: Mapping[str, Any], kid: str, algorithm: str) -> Key:
        """The key of a token: one agreed beforehand, or one of a listed address."""
        address = header.get("jku")
        listed = known.issuer.jku
        if address is not None and listed and address not in listed:
            raise Refused("key-address")
        if agreed := known.keys.get((kid, algorithm)):
            return agreed
        if address is None and len(listed) == 1:
            address = listed[0]
        if not isinstance(address, str) or address not in listed:
            raise Refused("key")
        found = await self._key_sets.find(address, kid, algorithm)
        if found is None:
            raise Refused("key")
        return found

    def _times(self, claims: Mapping[str, Any]) -> float:
        """When the token expires, after looking at all of its times."""
        now, leeway = self._now(), self._trust.leeway_seconds
        expires, issued = _instant(claims, "exp"), _instant(claims, "iat")
        if now > expires + leeway:
            raise Refused("expired")
        if issued > now + leeway or ("nbf" in claims and _instant(claims, "nbf") > now + leeway):
            raise Refused("not-yet-valid")
        if not 0 < expires - issued <= self._trust.max_life_seconds:
            raise Refused("lives-too-long" if expires > issued else "claims")
        return expires

    def _caller(self, issuer: Issuer, claims: Mapping[str, Any]) -> Caller:
        tenant = _text(claims, "tenant") if "tenant" in claims else ""
        if issuer.tenants and tenant not in issuer.tenants:
            raise Refused("tenant")
        own = issuer.tenants.get(tenant)
        name = (own.profile if own else None) or issuer.profile
        return Caller(
            profile=self._profiles[name] if name else self._default,
            issuer=issuer.issuer,
            tenant=tenant,
            fhir_servers=(*issuer.fhir_servers, *(own.fhir_servers if own else ())),
            private_networks=issuer.private_networks,
        )


def _signed(token: str, key: Key) -> bool:
    """Whether the key made the signature of a token."""
    from joserfc import jws  # when the first token comes: a service that asks for none starts without it
    from joserfc.errors import JoseError

    registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    registry.max_header_length = LONGEST
    try:
        jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS), registry=registry)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def agreed_keys(issuer: Issuer) -> Keys:
    """The keys of an issuer that stand in the settings.

    Raises:
        KeySetError: they cannot be used.
    """
    if issuer.jwks_file:
        try:
            return read_keys(json.loads(issuer.jwks_file.read_bytes()))
        except (OSError, ValueError):
            return read_keys(None)
    return read_keys(issuer.jwks) if issuer.jwks else {}


def _bearer(authorization: Sequence[str]) -> str:
    """The token of the one Authorization header."""
    if len(authorization) != 1:
        raise Refused("no-token" if not authorization else "malformed")
    scheme, _, token = authorization[0].partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("no-token")
    token = token.strip(" ")
    if not token or len(token) > LONGEST:
        raise Refused("malformed")
    return token


def _unpacked(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, read strictly, not yet believed."""
    parts = token.split(".")
    if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts[:2]):
        raise Refused("malformed")
    return _object(parts[0]), _object(parts[1])


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode(),
            object_pairs_hook=_once,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError):
        raise Refused("malformed") from None
    if not isinstance(found, dict):
        raise Refused("malformed")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one key twice could be read in two ways."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(_: str) -> float:
    raise ValueError("not a number")


def _header(header: Mapping[str, Any]) -> tuple[str, str]:
    """Key id and algorithm of a header."""
    if header.get("alg") not in ALGORITHMS:
        raise Refused("algorithm")
    kid, kind = header.get("kid"), header.get("typ")
    if not isinstance(kid, str) or not kid or not isinstance(kind, str) or kind.lower() != "jwt":
        raise Refused("header")
    if "crit" in header or "b64" in header:  # an extension that must be understood, and is not
        raise Refused("header")
    return kid, str(header["alg"])


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not found or len(found) > _MOST_TEXT:
        raise Refused("claims")
    return found


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """A claim in seconds since the epoch, of this or the next centuries."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 10**11:
        raise Refused("claims")
    return float(found)


def _addressed_to(audience: object, endpoint: str) -> bool:
    """Whether a token is meant for an endpoint: one of its audiences is that address, as clients write it."""
    listed = audience if isinstance(audience, list) else [audience]
    wanted = _plain(endpoint)
    return any(isinstance(each, str) and _plain(each) == wanted for each in listed)


def _plain(address: str) -> str | None:
    """An address without what clients write in two ways: slashes doubled or at the end, case of the host, usual port.

    >>> _plain("HTTPS://CDS.example.org:443//cds-services//x/") == _plain("https://cds.example.org/cds-services/x")
    True
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or any(sign in address for sign in "?#\\"):
        return None
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.hostname}:{port or usual}{path}"


__all__ = ["PUBLIC_SANDBOX", "Caller", "Category", "Doorkeeper", "FirstSeen", "Refused", "agreed_keys"]
