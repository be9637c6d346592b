"""The server's HTTP protocol with two limits that it lacks: how long the head of a request may take, and how large it may be.

Without them a client that sends a byte now and then keeps a connection for ever. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PromptHeads(HttpToolsProtocol):
    """Hangs up on a client whose head is late or endless. A connection on which nothing is said at first counts as late."""

    def __init__(self, *args: Any, head_seconds: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head_seconds = head_seconds
        self._late: asyncio.TimerHandle | None = None
        self._head_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._head_size += len(data)
        super().data_received(data)
        if self._late and self._head_size > LONGEST_HEAD and not self.transport.is_closing():
            self._head_is_here()
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """See httptools."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._head_is_here()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        if self._late is None:
            self._head_size = 0
            self._late = self.loop.call_later(self._head_seconds, self.transport.close)

    def _head_is_here(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None
