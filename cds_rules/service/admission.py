"""How many requests are answered at a time: all together, and of one client. What comes beyond is told when to come back.

Counts hold for one process. Floor: edge (service).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cds_rules.service.errors import Problem
from cds_rules.service.settings import Limits

RETRY_AFTER = {"Retry-After": "1", "Connection": "close"}
"""Seconds; the body of what is turned away is not read, so its connection cannot go on."""


class Admission:
    """The counts."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._under_way = 0
        self._by_client: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        """Requests that are being answered."""
        return self._under_way

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request among all.

        Raises:
            Problem: there are as many as may be.
        """
        if self._under_way >= self._limits.concurrent:
            raise Problem("busy", headers=RETRY_AFTER)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @contextmanager
    def of(self, client: str) -> Iterator[None]:
        """Count a request among those of a client.

        Raises:
            Problem: it has as many as one may have.
        """
        if self._by_client[client] >= self._limits.concurrent_per_client:
            raise Problem("too-many", headers=RETRY_AFTER)
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
