"""How many requests are answered at a time: all together, and of one client. What comes beyond is told when to come back.

Counts hold for one process. Floor: edge (service).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cds_rules.service.errors import Problem
from cds_rules.service.settings import Limits

RETRY_AFTER = {"Retry-After": "1", "Connection": "close"}
"""Seconds; the body of what is turned away is not read, so its connection cannot go on."""


class Admission:
    """The counts. told: hears how many are under way, whenever that changes; turned_away: hears which limit was met."""

    def __init__(self, limits: Limits, told: Callable[[float], None], turned_away: Callable[[str], None]) -> None:
        self._limits = limits
        self._told, self._turned_away = told, turned_away
        self._under_way = 0
        self._by_client: Counter[str] = Counter()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request among all.

        Raises:
            Problem: there are as many as may be.
        """
        if self._under_way >= self._limits.concurrent:
            self._turned_away("all")
            raise Problem("busy", headers=RETRY_AFTER)
        self._under_way += 1
        self._told(self._under_way)
        try:
            yield
        finally:
            self._under_way -= 1
            self._told(self._under_way)

    @contextmanager
    def of(self, client: str) -> Iterator[None]:
        """Count a request among those of a client.

        Raises:
            Problem: it has as many as one may have.
        """
        if self._by_client[client] >= self._limits.concurrent_per_client:
            self._turned_away("client")
            raise Problem("too-many", headers=RETRY_AFTER)
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
