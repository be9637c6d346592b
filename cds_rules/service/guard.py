"""The function that connects, and looks at the network address first; imported with the first call that leaves the service.

Flows in: a host name. Flows out: a connection, or `OutboundError`. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore2

from cds_rules.service.addresses import Network, may_connect
from cds_rules.service.outbound import OutboundError, Resolve


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to nothing but permitted addresses. All of a name's addresses must be: one that is not makes it suspect."""

    def __init__(self, networks: frozenset[Network], look_up: Resolve) -> None:
        self._networks = networks
        self._resolve = look_up
        self._sockets = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise OutboundError("unreachable", "its host name is not known") from None
        if not addresses:
            raise OutboundError("unreachable", "its host name is not known")
        if not all(may_connect(ip_address(each.partition("%")[0]), self._networks) for each in addresses):
            raise OutboundError("refused", "its host is at a network address that is not public and not on the list")
        for address in addresses[:-1]:
            try:
                return await self._sockets.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
