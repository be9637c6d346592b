"""A small FHIR server on a real socket: reads, searches and pages over synthetic resources, and fails as it is told to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Seen:
    """One request that came in."""

    method: str
    path: str
    query: str
    authorization: str
    accept: str


@dataclass
class FhirServer:
    """What it holds and how it behaves.

    page: resources on a page. faults: type of resource -> what it answers instead, made anew for each request. delays: type ->
    seconds. links: how a next link is written. token: what it takes; "" for anything.
    """

    resources: list[Json] = field(default_factory=list)
    page: int = 100
    faults: dict[str, Callable[[], Response]] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    links: Callable[[str], str] = str
    token: str = ""
    get_allowed: bool = True
    port: int = 0
    seen: list[Seen] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def asked(self) -> list[str]:
        """Types that were read or searched, in alphabetical order."""
        return sorted(each.path.split("/")[2] for each in self.seen)

    async def answer(self, request: Request) -> Response:
        """One request."""
        self.seen.append(
            Seen(
                request.method,
                request.url.path,
                request.url.query,
                request.headers.get("authorization", ""),
                request.headers.get("accept", ""),
            )
        )
        kind = request.path_params["type"]
        await asyncio.sleep(self.delays.get(kind, 0))
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return outcome(401, "login")
        if kind in self.faults:
            return self.faults[kind]()
        if (identity := request.path_params.get("id")) and identity != "_search":
            found = [each for each in self.resources if each["resourceType"] == kind and each.get("id") == identity]
            return fhir(found[0]) if found else outcome(404, "not-found")
        if request.method == "GET" and not self.get_allowed:
            return outcome(405, "not-supported")
        asked = QueryParams((await request.body()).decode() if request.method == "POST" else request.url.query)
        return fhir(self.search(kind, asked))

    def search(self, kind: str, asked: QueryParams) -> Json:
        """A page of a search by patient and code; other parameters do not narrow it."""
        codes = {each.rpartition("|")[2] for each in filter(None, asked.get("code", "").split(","))}
        found = [
            each
            for each in self.resources
            if each["resourceType"] == kind
            and each.get("subject", {}).get("reference") == f"Patient/{asked.get('patient')}"
            and (not codes or codes & {one["code"] for one in each["code"]["coding"]})
        ]
        size, start = min(self.page, int(asked.get("_count", self.page))), int(asked.get("start", 0))
        page = found[start : start + size]
        bundle: Json = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "entry": [{"fullUrl": f"{self.base}/{kind}/{each['id']}", "resource": each} for each in page],
        }
        if start + size < len(found):
            query = "&".join(f"{name}={value}" for name, value in asked.items() if name != "start")
            bundle["link"] = [
                {"relation": "next", "url": self.links(f"{self.base}/{kind}?{query}&start={start + size}")}
            ]
        return bundle


def fhir(body: Json) -> Response:
    """A FHIR answer."""
    return Response(json.dumps(body), media_type=FHIR_JSON)


def outcome(status: int, code: str, severity: str = "error", **headers: str) -> Response:
    """An OperationOutcome."""
    body = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code}]}
    return Response(
        json.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()}, FHIR_JSON
    )


@contextmanager
def running(server: FhirServer) -> Iterator[FhirServer]:
    """Serve until the end of the block."""
    app = Starlette(
        routes=[
            Route("/fhir/{type}", server.answer, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
            Route("/fhir/{type}/{id}", server.answer, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        ]
    )
    serving = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server.port = listening.getsockname()[1]
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        while not serving.started:
            time.sleep(0.005)
        try:
            yield server
        finally:
            serving.should_exit = True
            thread.join(10)
