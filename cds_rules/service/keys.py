"""The public keys of issuers: static ones, and fetched ones with a cache that a flood of tokens cannot make fetch.

Flows in: JSON Web Key Sets. Flows out: keys by id and algorithm. Floor: edge (service). With `tokens` the only door to joserfc.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_rules.vocabulary.errors import CdsRulesError

if TYPE_CHECKING:  # imported when a key is read: a service that trusts no issuer starts without it
    from joserfc.jwk import ECKey, RSAKey

    Key = ECKey | RSAKey

Keys = Mapping[tuple[str, str], "Key"]
"""By key id and algorithm."""

Get = Callable[[str], Awaitable[bytes]]
"""Reads the key set at an address that is on the list; raises CdsRulesError when it cannot."""

ALGORITHMS = ("ES384", "RS384")
"""What CDS Hooks recommends, and all that is taken: a key never serves another algorithm than that of its kind."""

STALE_SECONDS = 86_400
"""How long a key set is used after its last fetch, when it cannot be fetched again."""

_RSA_BITS = range(2048, 8193)
_MOST_KEYS = 100
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class KeySetError(CdsRulesError):
    """A key set that gives no key one can use; the message says why, and shows none."""


def read_keys(document: object) -> Keys:
    """The keys of a key set that can verify, those that cannot left out.

    Raises:
        KeySetError: not a key set, without a usable key, or with two usable keys under one id.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise KeySetError(f'not a key set: an object with "keys", at most {_MOST_KEYS}, belongs here')
    found: dict[tuple[str, str], Key] = {}
    private = 0
    for each in listed:
        if not isinstance(each, dict):
            continue
        if _PRIVATE & each.keys():  # whoever publishes it no longer owns it alone
            private += 1
            continue
        algorithm = _algorithm(each)
        if algorithm is None:
            continue
        try:
            key: Key = (ECKey if algorithm == "ES384" else RSAKey).import_key(
                {name: each[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in each}
            )
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if (each["kid"], algorithm) in found:
            raise KeySetError("two keys for the same algorithm under one kid")
        found[each["kid"], algorithm] = key
    if not found:
        raise KeySetError(
            "no key one can use: public keys with kid, EC on P-384 or RSA of 2048 bits or more, belong here"
            + (f"; {private} with a private part {'was' if private == 1 else 'were'} left out" if private else "")
        )
    return found


def _algorithm(key: Mapping[str, Any]) -> str | None:
    """The algorithm a key serves; None for a key that verifies nothing of ours."""
    operations = key.get("key_ops")
    algorithm = {"EC": "ES384", "RSA": "RS384"}.get(str(key.get("kty")))
    fits = (
        algorithm is not None
        and isinstance(key.get("kid"), str)
        and key.get("use") in (None, "sig")
        and (operations is None or (isinstance(operations, list) and "verify" in operations))
        and key.get("alg") in (None, algorithm)
        and (key.get("crv") == "P-384" if algorithm == "ES384" else _bits(key.get("n")) in _RSA_BITS)
    )
    return algorithm if fits else None


def _bits(encoded: object) -> int:
    """Bits of a number in base64url; 0 for what is none."""
    if not isinstance(encoded, str) or len(encoded) > 2 * max(_RSA_BITS) // 8:
        return 0
    try:
        return int.from_bytes(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))).bit_length()
    except ValueError:
        return 0


@dataclass(slots=True)
class _Held:
    """What is known of one address. fetched, tried: monotonic seconds of the last success and the last attempt."""

    keys: Keys = field(default_factory=dict)
    fetched: float = float("-inf")
    tried: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Fetched key sets by address. The caller makes sure that the address is on the list.

    Args:
        cache_seconds: how long a set is used before it is fetched again. refetch_seconds: the shortest time between two
            fetches of one set, also when a token names a key that is not in it.
    """

    def __init__(
        self, get: Get, cache_seconds: float, refetch_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._get = get
        self._cache_seconds = cache_seconds
        self._refetch_seconds = refetch_seconds
        self._clock = clock
        self._held: dict[str, _Held] = {}

    async def find(self, address: str, kid: str, algorithm: str) -> Key | None:
        """The key, after a fetch where one is due; None when the set does not have it or was never read."""
        held = self._held.setdefault(address, _Held())
        wanted = (kid, algorithm)
        if self._clock() - held.fetched < self._cache_seconds and wanted in held.keys:
            return held.keys[wanted]
        async with held.lock:  # one fetches, the others wait and then find what it found
            now = self._clock()
            fresh = now - held.fetched < self._cache_seconds and wanted in held.keys
            if not fresh and now - held.tried >= self._refetch_seconds:
                held.tried = now
                try:
                    held.keys = read_keys(_document(await self._get(address)))
                    held.fetched = self._clock()
                except CdsRulesError:
                    pass  # what was read before is used on, for a while; the call itself is logged and counted where it is made
        return held.keys.get(wanted) if self._clock() - held.fetched < STALE_SECONDS else None


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetError("not JSON") from None
