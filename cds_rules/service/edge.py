"""What every answer has in common: CORS, correlation, no-store, a log line, counts, and a clear 500 for what nobody caught.

Outermost of our middleware, so that a refusal, a preflight and a failure carry the same headers as an answer
(Starlette's own CORS middleware leaves them off an unhandled 500, and a browser then shows a network error).
Flows in and out: ASGI messages. Floor: edge (service). Nothing from a body is logged.
"""

from __future__ import annotations

import hashlib
import logging
import time
from random import randbytes

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_rules.hooks.wire import encode
from cds_rules.service.errors import Problem
from cds_rules.service.logs import log, place_of
from cds_rules.service.metrics import Metrics
from cds_rules.service.settings import Settings
from cds_rules.service.traces import Traces

CORRELATION = "X-Correlation-Id"
MODE = "X-Cds-Rules-Mode"
METHODS = "GET, POST, OPTIONS"
PAGES = "review"
"""Stands for the endpoint of the review pages."""
OTHER = "other"
"""Stands for the endpoint of an answer that is no CDS Hooks endpoint of ours, so that nobody can make labels."""

_HEADERS = "authorization, content-type, content-encoding, accept"


def correlation_of(hook_instance: str) -> str:
    """What stands for a call in logs and headers: a hash, since a hookInstance can be looked up at the client."""
    return hashlib.sha256(hook_instance.encode(errors="replace")).hexdigest()[:16]


def problem_response(problem: Problem) -> Response:
    """A problem as the client sees it."""
    return Response(encode(problem.body()), problem.status, problem.headers, "application/json")


def note(scope: Scope, **told: object) -> None:
    """Tell the edge what to write into header, log, metric and trace of this call: "correlation", "endpoint", and fields."""
    scope.setdefault("cds_rules", {}).update(told)


class Edge:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, traces: Traces) -> None:
        self.app = app
        self.any_origin = "*" in settings.origins
        self.allowed_origins = frozenset(settings.origins)
        self._production = settings.production
        self._metrics = metrics
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; pass on the rest and dress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        note(scope, correlation=randbytes(8).hex(), endpoint=OTHER)
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
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
        with self._traces.request("cds-hooks", headers) as attributes:
            try:
                await self.app(scope, receive, dressed)
            except Exception as error:
                self._metrics.failures.inc()
                log(logging.ERROR, "failure", error=place_of(error), correlation=scope["cds_rules"]["correlation"])
                if status:  # the answer has begun: all that is left is to break it off
                    raise
                await problem_response(Problem("internal"))(scope, receive, dressed)
            finally:
                self._told(scope, status, time.perf_counter() - started, attributes)

    def _dress(self, headers: MutableHeaders, scope: Scope, origin: str) -> None:
        headers[CORRELATION] = scope["cds_rules"]["correlation"]
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Cache-Control", "no-store")
        headers.add_vary_header("Origin")
        if not self._production:
            headers[MODE] = "development"
        # pages that people are signed in to are for no other site to read
        if scope["cds_rules"]["endpoint"] != PAGES and (allowed := self._allowed(origin)):
            headers["Access-Control-Allow-Origin"] = allowed
            headers["Access-Control-Expose-Headers"] = f"{CORRELATION}, Retry-After"

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

    def _told(self, scope: Scope, status: int, seconds: float, attributes: dict[str, object]) -> None:
        """Count, time, trace and log a call that was answered."""
        told = scope["cds_rules"]
        endpoint = told["endpoint"]
        self._metrics.requests.labels(endpoint, status).inc()
        if endpoint != OTHER:
            self._metrics.request_seconds.labels(endpoint).observe(seconds)
        fields = {name: value for name, value in told.items() if name != "correlation" and value is not None}
        attributes |= {f"cds_rules.{name}": value for name, value in told.items() if value is not None}
        attributes["http.response.status_code"] = status
        if endpoint != OTHER or status >= 400:
            log(
                logging.INFO,
                "call",
                status=status,
                **fields,
                ms=round(seconds * 1000, 1),
                correlation=told["correlation"],
            )
