"""OpenID Connect and SMART App Launch as a client: authorization code with PKCE (RFC 6749, RFC 7636), ID tokens, discovery.

Authlib knows the protocol and joserfc the signatures; what is asked of a provider goes the one way out of the service
(`service/outbound.py`), so nobody is called but the provider that the settings name and the endpoints it names itself.
Flows in: addresses, the answer of a browser. Flows out: an address to send the browser to, then `Granted`; or `SignInError`
without anything secret. Floor: edge (review). The door to authlib, and one of joserfc's.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from cds_rules.service.addresses import AddressError, Reach, read_place
from cds_rules.service.outbound import JSON, Bounds, Outbound, OutboundError
from cds_rules.vocabulary.errors import CdsRulesError

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures that are taken: a provider may name fewer, never others, and no shared secret signs."""
USUAL = ("RS256",)
"""What OpenID Connect Discovery means where a provider names none."""
LEEWAY_SECONDS = 30
KEPT_SECONDS = 600
"""How long what a provider says of itself is used."""
_BOUNDS = Bounds(seconds=10, size=256 * 1024, redirects=0, types=(*JSON, "application/jwk-set+json"))


class SignInError(CdsRulesError):
    """A sign-in that came to nothing; the message is for log and page, without a token, code or name."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What a provider says of itself. issuer: of its ID tokens. methods: how a client may prove itself.

    names_itself: its answers carry `iss` (RFC 9207). farewell: where it signs people out, "" where it does not say.
    reach: it and its endpoints, and the networks these may lie in.
    """

    issuer: str
    authorization: str
    token: str
    jwks: str
    algorithms: tuple[str, ...]
    methods: tuple[str, ...]
    names_itself: bool
    farewell: str
    reach: Reach


@dataclass(frozen=True, slots=True)
class Client:
    """What these pages are to a provider. secret: "" for a public client."""

    identity: str
    secret: str
    redirect: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way, to be kept for the one browser that began it."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Granted:
    """What a provider says of somebody. claims: of the ID token. answer: of the token endpoint, without its tokens."""

    claims: Mapping[str, Any]
    answer: Mapping[str, Any]


class Providers:
    """Discovery, kept for a while. One a process."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound
        self._known: dict[str, tuple[float, Provider]] = {}

    async def openid(self, issuer: str, networks: tuple[str, ...]) -> Provider:
        """A provider by its issuer (OpenID Connect Discovery 1.0).

        Raises:
            SignInError: it does not answer, or with something else.
        """
        address = f"{issuer}/.well-known/openid-configuration"
        if (known := self._kept(address)) is None:
            said = await self._document(address, Reach.read([issuer], networks))
            if str(said.get("issuer", "")).rstrip("/") != issuer:
                raise SignInError("the provider calls itself something else than the settings do")
            known = self._keep(address, _provider(said, issuer, networks))
        return known

    async def smart(self, iss: str, networks: tuple[str, ...]) -> Provider:
        """The authorization server of a FHIR server (SMART App Launch 2.2, `.well-known/smart-configuration`).

        Raises:
            SignInError: it does not answer, with something else, or offers neither PKCE with S256 nor a sign-in.
        """
        address = f"{iss}/.well-known/smart-configuration"
        if (known := self._kept(address)) is None:
            said = dict(await self._document(address, Reach.read([iss], networks)))
            if "S256" not in _texts(said.get("code_challenge_methods_supported")):
                raise SignInError("the EHR does not offer PKCE with S256")
            issuer = str(said.get("issuer", "")).rstrip("/")
            if not issuer:
                raise SignInError("the EHR does not say who signs people in (issuer)")
            if "jwks_uri" not in said:
                more = await self._document(
                    f"{issuer}/.well-known/openid-configuration", Reach.read([iss, issuer], networks)
                )
                said |= {name: more[name] for name in ("jwks_uri",) if name in more}
            known = self._keep(address, _provider(said, iss, networks))
        return known

    async def finish(self, provider: Provider, client: Client, begun: Begun, answer: Mapping[str, str]) -> Granted:
        """Redeem the code of an answer, and check who it is about.

        Raises:
            SignInError: refused by the provider, not the answer to what was begun, or an ID token that does not hold.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), begun.state.encode()):
            raise SignInError("the answer belongs to another sign-in")
        if "error" in answer:
            raise SignInError("the provider let nobody in")
        named = answer.get("iss")
        if (named is not None or provider.names_itself) and (named or "").rstrip("/") != provider.issuer.rstrip("/"):
            raise SignInError("the answer comes from another provider")
        token = await self._redeem(provider, client, begun, answer.get("code"))
        claims = await self._claims(provider, client, begun, token)
        kept = {name: value for name, value in token.items() if not name.endswith("_token")}
        return Granted(claims, kept)

    async def _redeem(self, provider: Provider, client: Client, begun: Begun, code: str | None) -> Mapping[str, Any]:
        method = "none"
        if client.secret:
            posted = "client_secret_post" in provider.methods and "client_secret_basic" not in provider.methods
            method = "client_secret_post" if posted else "client_secret_basic"
        try:
            form = prepare_token_request(
                "authorization_code", redirect_uri=client.redirect, code=code, code_verifier=begun.verifier
            )
            _, headers, form = ClientAuth(client.identity, client.secret, method).prepare(
                "POST", provider.token, {}, form
            )
            reply = await self._outbound.redeem(read_place(provider.token), form, provider.reach, headers, _BOUNDS)
        except (AuthlibBaseError, AddressError, OutboundError) as error:
            raise SignInError(f"the code was not redeemed ({type(error).__name__})") from None
        if reply.status != 200:
            raise SignInError(f"the provider did not take the code (status {reply.status})")
        return _object(reply.body)

    async def _claims(
        self, provider: Provider, client: Client, begun: Begun, token: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        said = token.get("id_token")
        if not isinstance(said, str):
            raise SignInError("the provider gave no ID token")
        keys = await self._document(provider.jwks, provider.reach)
        try:
            registry = JWSRegistry(algorithms=list(provider.algorithms), strict_check_header=False)
            found = jwt.decode(said, _keys(keys), registry=registry)
            claims = CodeIDToken(
                found.claims,
                found.header,
                {
                    "iss": {"essential": True, "value": provider.issuer},
                    "aud": {"essential": True, "value": client.identity},
                },
                {"nonce": begun.nonce, "client_id": client.identity, "access_token": token.get("access_token")},
            )
            claims.validate(leeway=LEEWAY_SECONDS)
        except InvalidKeyIdError:
            raise SignInError("the ID token is signed by a key that the provider does not publish") from None
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SignInError(f"the ID token does not hold ({type(error).__name__})") from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise SignInError("the ID token names nobody")
        return claims

    async def _document(self, address: str, reach: Reach) -> Mapping[str, Any]:
        try:
            reply = await self._outbound.get(read_place(address), reach, bounds=_BOUNDS)
        except (AddressError, OutboundError) as error:
            raise SignInError(f"the provider cannot be asked: {error}") from None
        if reply.status != 200:
            raise SignInError(f"the provider answers with status {reply.status}")
        return _object(reply.body)

    def _kept(self, address: str) -> Provider | None:
        until, known = self._known.get(address, (0.0, None))
        return known if time.monotonic() < until else None

    def _keep(self, address: str, found: Provider) -> Provider:
        self._known[address] = (time.monotonic() + KEPT_SECONDS, found)
        return found


def begin(provider: Provider, client: Client, **more: str) -> tuple[str, Begun]:
    """Where to send the browser, and what to keep for it until it comes back. more: parameters of the address."""
    begun = Begun(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
    address = prepare_grant_uri(
        provider.authorization,
        client_id=client.identity,
        response_type="code",
        redirect_uri=client.redirect,
        scope=" ".join(client.scopes),
        state=begun.state,
        nonce=begun.nonce,
        code_challenge=create_s256_code_challenge(begun.verifier),
        code_challenge_method="S256",
        **more,
    )
    return address, begun


def _provider(said: Mapping[str, Any], base: str, networks: tuple[str, ...]) -> Provider:
    """Read a provider's document. Its endpoints may have other origins than it has, and no networks of their own."""
    places = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        try:
            places[name] = read_place(str(said[name]))
        except (KeyError, AddressError):
            raise SignInError(f"the provider does not say its {name}") from None
    listed = Reach.read([base], networks)
    origins = frozenset(each.origin for each in places.values()) | listed.origins
    if any(origin.scheme == "https" for origin in listed.origins) and any(each.scheme != "https" for each in origins):
        raise SignInError("the provider names an endpoint that is not https")
    named = _texts(said.get("id_token_signing_alg_values_supported")) or USUAL
    algorithms = tuple(each for each in named if each in ALGORITHMS)
    if not algorithms:
        raise SignInError("the provider signs with nothing that is taken here")
    return Provider(
        issuer=str(said.get("issuer", "")),
        authorization=str(places["authorization_endpoint"]),
        token=str(places["token_endpoint"]),
        jwks=str(places["jwks_uri"]),
        algorithms=algorithms,
        methods=_texts(said.get("token_endpoint_auth_methods_supported")),
        names_itself=said.get("authorization_response_iss_parameter_supported") is True,
        farewell=_farewell(said),
        reach=Reach(origins, listed.networks),
    )


def leave(provider: Provider, client: Client, back: str) -> str:
    """Where a browser signs out at the provider (RP-Initiated Logout 1.0), and then comes back; "" where it cannot."""
    if not provider.farewell:
        return ""
    return add_params_to_uri(provider.farewell, [("client_id", client.identity), ("post_logout_redirect_uri", back)])


def _farewell(said: Mapping[str, Any]) -> str:
    try:
        return str(read_place(str(said["end_session_endpoint"])))
    except (KeyError, AddressError):
        return ""


def _keys(document: Mapping[str, Any]) -> KeySet:
    """The keys of a key set that can verify; what else a provider publishes is left out."""
    kinds = {"RSA": RSAKey, "EC": ECKey}
    verifying = [each for each in document.get("keys", ()) if each.get("use") in (None, "sig")]
    return KeySet([kinds[each["kty"]].import_key(each) for each in verifying if each.get("kty") in kinds])


def _texts(said: object) -> tuple[str, ...]:
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignInError("the provider answers with something that is no JSON object")
    return found
