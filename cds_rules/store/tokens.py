"""Which tokens were used before: one row a token until it expires, over all workers.

Flows in: issuer, jti, expiry. Flows out: whether it is the first time. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete

from cds_rules.store.database import Database
from cds_rules.store.tables import token

SWEEP = timedelta(minutes=1)
"""How often a process removes what has expired."""


def _now() -> datetime:
    return datetime.now(UTC)


class Tokens:
    """The replay store; blocking (a thread calls it), safe for threads, processes and hosts."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock
        self._swept = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def first_seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Whether a token is used for the first time; from now on it is not.

        Args:
            expires: until when it is remembered: its `exp` with the leeway that is granted, with a zone.

        Raises:
            StoreUnavailable: it could not be told, and was not remembered; refuse the token.
        """
        now = self._clock()
        # lengths before the parts: "a" + "bc" is another token than "ab" + "c"
        identity = hashlib.sha256(f"{len(issuer)}|{issuer}|{jti}".encode(errors="surrogatepass")).hexdigest()
        insert = self._database.insert(token).values(id=identity, expires=expires)
        remember = insert.on_conflict_do_update(
            index_elements=["id"], set_={"expires": insert.excluded.expires}, where=token.c.expires < now
        )
        with self._database.writing() as connection:
            if self._due(now):
                connection.execute(delete(token).where(token.c.expires < now))
            return connection.execute(remember.returning(token.c.id)).first() is not None

    def _due(self, now: datetime) -> bool:
        with self._lock:
            if now - self._swept < SWEEP:
                return False
            self._swept = now
            return True
