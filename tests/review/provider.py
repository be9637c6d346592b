"""A provider for tests: OpenID Connect and SMART App Launch over real HTTP on loopback, with real signatures.

It checks what a real one checks (client, redirect, PKCE, one use of a code) and can be told to get each thing wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from tests.loopback import Handler, serve
from tests.service.jwt import part

CLIENT, SECRET = "review-pages", "a secret of these pages"
KEYS = {"RS256": RSAKey.generate_key(2048), "ES256": ECKey.generate_key("P-256")}
STRANGER = RSAKey.generate_key(2048)


class Provider:
    """What it says, to be changed by a test, and what it was asked."""

    def __init__(self) -> None:
        self.address = ""
        self.algorithm = "RS256"
        self.key: Any = None
        self.claims: dict[str, Any] = {"sub": "ada", "name": "Ada Okafor", "roles": ["cds-reviewer"]}
        self.context: dict[str, Any] = {}
        self.document: dict[str, Any] = {}
        self.answer: dict[str, str] = {}
        self.public = False
        self.forged = ""
        self.asked: list[dict[str, str]] = []
        self.refused: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def metadata(self) -> dict[str, Any]:
        """What it says of itself; both kinds of discovery take it."""
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/jwks",
            "id_token_signing_alg_values_supported": [self.algorithm],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        } | self.document

    def jwks(self) -> dict[str, Any]:
        """Its keys, and one that is for encryption."""
        signing = [key.as_dict(private=False) | {"kid": name, "use": "sig"} for name, key in KEYS.items()]
        return {"keys": [*signing, {"kty": "oct", "use": "enc", "k": "AAAA"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Somebody says yes: where their browser is sent."""
        self.asked.append(asked)
        code = secrets.token_urlsafe(12)
        self._codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.address} | self.answer
        return f"{asked['redirect_uri']}?{urlencode({name: value for name, value in back.items() if value})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Redeem a code."""
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        basic = f"Basic {base64.b64encode(f'{CLIENT}:{SECRET}'.encode()).decode()}"
        wrong = [
            why
            for why, holds in {
                "code": asked is not None,
                "grant": form.get("grant_type") == "authorization_code",
                "client": form.get("client_id") == CLIENT if self.public else authorization == basic,
                "redirect": asked is not None and form.get("redirect_uri") == asked["redirect_uri"],
                "method": asked is not None and asked.get("code_challenge_method") == "S256",
                "verifier": asked is not None and asked.get("code_challenge") == _plain(challenge),
            }.items()
            if not holds
        ]
        if wrong or asked is None:
            self.refused += wrong
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        access = secrets.token_urlsafe(8)
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "at_hash": _plain(hashlib.sha256(access.encode()).digest()[:16]),
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not ...}
        head = {"alg": self.algorithm, "kid": self.algorithm, "typ": "JWT", "x5t": "a thumbprint"}
        if self.forged:
            head["alg"] = self.forged
        message = f"{part(head)}.{part(claims)}"
        if self.forged:  # with the public key as if it were a shared secret, or not at all
            secret = KEYS["RS256"].as_pem(private=False)
            digest = part(hmac.digest(secret, message.encode(), "sha256")) if self.forged == "HS256" else ""
            return 200, {"access_token": access, "token_type": "Bearer", "id_token": f"{message}.{digest}"}
        key = self.key or KEYS[self.algorithm]
        signature = part(jws.JWSRegistry.algorithms[self.algorithm].sign(message.encode(), key))
        return 200, {
            "access_token": access,
            "token_type": "Bearer",
            "id_token": f"{message}.{signature}",
            **self.context,
        }


def _plain(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


@contextmanager
def provide() -> Iterator[Provider]:
    """Run one."""
    provider = Provider()

    class Endpoints(Handler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.say(302, {}, {"Location": provider.authorize(dict(parse_qsl(parts.query)))})
                return
            known = parts.path.endswith(("/.well-known/openid-configuration", "/.well-known/smart-configuration"))
            found = provider.metadata() if known else provider.jwks() if parts.path == "/jwks" else None
            self.say(200 if found else 404, found or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.say(*provider.token(form, self.headers.get("Authorization", "")))

    with serve(Endpoints) as address:
        provider.address = address
        yield provider
