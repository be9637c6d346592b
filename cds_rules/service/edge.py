"""What every answer has in common: CORS, correlation, no-store, a log line, and a clear 500 for what nobody caught.

Outermost of our middleware, so that a refusal, a preflight and a failure carry the same headers as an answer
(Starlette's own CORS middleware leaves them off an unhandled 500, and a browser then shows a network error).
Flows in and out: ASGI messages. Floor: edge (service). Nothing from a body is logged.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
import traceback
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_rules.hooks.wire import encode
from cds_rules.service.errors import Problem

LOGGER = logging.getLogger("cds_rules.service")
CORRELATION = "X-Correlation-Id"
METHODS = "GET, POST, OPTIONS"
_HEADERS = "authorization, content-type, content-encoding, accept"


def correlation_of(hook_instance: str) -> str:
    """What stands for a call in logs and headers: a hash, since a hookInstance can be looked up at the client."""
    return hashlib.sha256(hook_instance.encode(errors="replace")).hexdigest()[:16]


def problem_response(problem: Problem) -> Response:
    """A problem as the client sees it."""
    return Response(encode(problem.body()), problem.status, problem.headers, "application/json")


def note(scope: Scope, *, correlation: str = "", outcome: str = "") -> None:
    """Tell the edge what to write into header and log of this call."""
    told = scope.setdefault("cds_rules", {})
    if correlation:
        told["correlation"] = correlation
    if outcome:
        told["outcome"] = outcome


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str]) -> None:
        self.app = app
        self.any_origin = "*" in allowed_origins
        self.allowed_origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; pass on the rest and dress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        note(scope, correlation=secrets.token_hex(8))
        origin = Headers(scope=scope).get("origin", "")
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), scope, origin)
            await send(message)

        if scope["method"] == "OPTIONS":
            await self._preflight(origin)(scope, receive, dressed)
            return
        try:
            await self.app(scope, receive, dressed)
        except Exception as error:
            LOGGER.error("failure correlation=%s %s", scope["cds_rules"]["correlation"], place_of(error))
            if status:  # the answer has begun: all that is left is to break it off
                raise
            await problem_response(Problem("internal"))(scope, receive, dressed)
        finally:
            _log_call(scope, status, (time.perf_counter() - started) * 1000)

    def _dress(self, headers: MutableHeaders, scope: Scope, origin: str) -> None:
        headers[CORRELATION] = scope["cds_rules"]["correlation"]
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        headers.add_vary_header("Origin")
        if allowed := self._allowed(origin):
            headers["Access-Control-Allow-Origin"] = allowed
            headers["Access-Control-Expose-Headers"] = CORRELATION

    def _allowed(self, origin: str) -> str:
        return "*" if self.any_origin else origin if origin in self.allowed_origins else ""

    def _preflight(self, origin: str) -> Response:
        headers = {"Allow": METHODS}
        if self._allowed(origin):
            headers |= {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": _HEADERS,
                "Access-Control-Max-Age": "600",
            }
        return Response(status_code=204, headers=headers)


def place_of(error: BaseException) -> str:
    """Type and place of an error; never its message, which may quote a record."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    place = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__} at {place}"


def _log_call(scope: Scope, status: int, milliseconds: float) -> None:
    told = scope["cds_rules"]
    if "outcome" in told or status >= 400:
        LOGGER.info(
            "call status=%d %s ms=%.1f correlation=%s",
            status,
            told.get("outcome", "refused"),
            milliseconds,
            told["correlation"],
        )
