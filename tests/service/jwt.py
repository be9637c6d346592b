"""Tokens and key sets for tests: a client that signs as real ones do, and one that can get each thing wrong."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from cds_rules.service.settings import Issuer, Settings, Trust
from tests.loopback import Handler, serve

BASE = "http://127.0.0.1:8000"
"""The public address of a service with default settings."""
ISSUER = "https://ehr.example.org/fhir"
EC = ECKey.generate_key("P-384")
RSA = RSAKey.generate_key(2048)
KEYS = {"ES384": EC, "RS384": RSA}


def public(key: Any, kid: str, **fields: Any) -> dict[str, Any]:
    """The public part of a key, as a key set has it."""
    return {**key.as_dict(private=False), "kid": kid, **fields}


def key_set(**keys: Any) -> dict[str, Any]:
    """A key set of keys by kid."""
    return {"keys": [public(key, kid) for kid, key in (keys or {"ec": EC, "rsa": RSA}).items()]}


def claims(path: str, **changes: Any) -> dict[str, Any]:
    """What a token of CDS Hooks says; a change that is ... takes the claim away."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": f"{BASE}{path}", "exp": now + 300, "iat": now, "jti": str(uuid4())} | changes
    return {name: value for name, value in said.items() if value is not ...}


def part(said: object) -> str:
    """A part of a token."""
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(said: dict[str, Any] | bytes, key: Any = EC, algorithm: str = "ES384", **header: Any) -> str:
    """A token; a header field that is ... is left out."""
    head = {"alg": algorithm, "typ": "JWT", "kid": {"ES384": "ec", "RS384": "rsa"}.get(algorithm, "ec")} | header
    head = {name: value for name, value in head.items() if value is not ...}
    message = f"{part(head)}.{part(said)}"
    return f"{message}.{part(jws.JWSRegistry.algorithms[algorithm].sign(message.encode(), key))}"


def token(path: str, algorithm: str = "ES384", header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good token for an endpoint, but for the changes."""
    return signed(claims(path, **changes), KEYS[algorithm], algorithm, **(header or {}))


def bearer(said: str) -> dict[str, str]:
    """The headers of a call with a token."""
    return {"Authorization": f"Bearer {said}", "Content-Type": "application/json"}


def confused(path: str, hashed: str) -> str:
    """A token signed with a public key as if that were a shared secret."""
    message = f"{part({'alg': hashed, 'typ': 'JWT', 'kid': 'rsa'})}.{part(claims(path))}"
    digest = hmac.digest(RSA.as_pem(private=False), message.encode(), hashed.replace("HS", "sha"))
    return f"{message}.{part(digest)}"


def trusting(**fields: Any) -> Settings:
    """Settings with one issuer."""
    given = fields or {"jwks": key_set()}
    return Settings(trust=Trust(issuers=(Issuer(ISSUER, **given),)))


class Published:
    """A key set at an address of its own, which may change; counts who asks."""

    def __init__(self) -> None:
        self.document: object = key_set()
        self.status = 200
        self.location = ""
        self.asked: list[str] = []
        self.address = ""


@contextmanager
def publish() -> Iterator[Published]:
    """Serve a key set on loopback."""
    published = Published()

    class Keys(Handler):
        def do_GET(self) -> None:
            published.asked.append(self.path)
            self.say(
                published.status, published.document, {"Location": published.location} if published.location else {}
            )

    with serve(Keys) as address:
        published.address = f"{address}/jwks"
        yield published
