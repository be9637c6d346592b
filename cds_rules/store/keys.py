"""Site keys: what stands for a patient or user is a keyed hash, what has to be read again is sealed, the ledger is signed.

Each use has a key of its own, derived from the site's secret. The first secret is the current one; earlier ones only read.
Flows in: secrets. Flows out: hashes, sealed bytes, signatures. Floor: edge (store). One of cryptography's doors.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from cds_rules.store.errors import StoreError

LOGGER = logging.getLogger("cds_rules.store")
LEAST = 32
"""Characters of a secret."""
_ID, _NONCE = 6, 12


class Keys:
    """The secrets of a site, current one first.

    Raises:
        StoreError: a secret is too short.
    """

    def __init__(self, *given: str) -> None:
        if not given or any(len(each) < LEAST for each in given):
            raise StoreError(f"store key: a secret of at least {LEAST} characters belongs here")
        self._by_id = {_derived(each, "id")[:_ID]: each for each in given}
        self.current = next(iter(self._by_id)).hex()
        self._derived = cache(_derived)

    def hashed(self, kind: str, *parts: str) -> str:
        """What stands for something, by the current key."""
        return self.hashes(kind, *parts)[0]

    def hashes(self, kind: str, *parts: str) -> Sequence[str]:
        """The same by each key, current first: rows written before a rotation are found by an earlier one."""
        said = "".join(f"{len(part)}|{part}" for part in parts).encode(errors="surrogatepass")
        return [hmac.digest(self._derived(each, f"hash {kind}"), said, "sha256").hex() for each in self._by_id.values()]

    def seal(self, plain: bytes) -> bytes:
        """Pack and encrypt (AES-256-GCM)."""
        from cryptography.hazmat.primitives.ciphers.aead import (
            AESGCM,
        )  # when something is sealed: no start waits for it

        identity = bytes.fromhex(self.current)
        nonce = secrets.token_bytes(_NONCE)
        box = AESGCM(self._derived(self._by_id[identity], "seal"))
        return identity + nonce + box.encrypt(nonce, zlib.compress(plain), identity)

    def unseal(self, sealed: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            StoreError: it was changed, or sealed by a key that is not among ours.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        identity, nonce, rest = sealed[:_ID], sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :]
        try:
            plain = AESGCM(self._derived(self._by_id[identity], "seal")).decrypt(nonce, rest, identity)
            return zlib.decompress(plain)
        except (KeyError, ValueError, InvalidTag, zlib.error):
            raise StoreError("store: what is sealed there cannot be opened with the keys that are set") from None

    def sign(self, said: str, key: str = "") -> str:
        """A signature, by the current key or that of an id.

        Raises:
            StoreError: no key of that id is set.
        """
        try:
            secret = self._by_id[bytes.fromhex(key or self.current)]
        except (KeyError, ValueError):
            raise StoreError(
                "store key: the key that signed this row is not set; name it among the earlier keys"
            ) from None
        return hmac.digest(self._derived(secret, "sign"), said.encode(), "sha256").hex()

    def signed(self, said: str, signature: str) -> bool:
        """Whether any of the keys made a signature."""
        return any(hmac.compare_digest(self.sign(said, each.hex()), signature) for each in self._by_id)


def _derived(secret: str, use: str) -> bytes:
    return hmac.digest(secret.encode(), f"cds-rules {use}".encode(), hashlib.sha256)


def key_beside(path: Path) -> str:
    """The secret in a file, made by whichever process comes first; for development.

    Raises:
        StoreError: the file cannot be read or made.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(secrets.token_urlsafe(48))
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                os.link(draft, path)
                LOGGER.warning("made a store key for development beside the database; in production set one")
            draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise StoreError(f"store key: the file beside the database cannot be used ({error.strerror})") from None
