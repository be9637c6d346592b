"""The review pages inside the service, built when the first of them is asked for: starting the service does not pay for them.

Flows in: what the endpoints answer from. Flows out: an ASGI application for a path. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from cds_rules.service.edge import PAGES, note
from cds_rules.service.settings import Settings

PATH = "/review"


def root_of(settings: Settings) -> str:
    """The path of the review pages as a browser sees it: a proxy may put the service below a path of its own."""
    return urlsplit(settings.server.public_url or "").path.rstrip("/") + PATH


class ReviewPages:
    """ASGI application. build: makes the site. check: raises for a request that did not come the way it has to."""

    def __init__(self, build: Callable[[], ASGIApp], check: Callable[[Request], None]) -> None:
        self._build = build
        self._check = check
        self._site: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the site."""
        note(scope, endpoint=PAGES)
        self._check(Request(scope))
        async with self._lock:
            if self._site is None:
                self._site = await asyncio.to_thread(self._build)
        await self._site(scope, receive, send)
