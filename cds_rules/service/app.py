"""The ASGI application: routes of CDS Hooks, health, samples.

Flows in: knowledge, settings, a clock. Flows out: a Starlette application. Floor: edge (service).
An evaluation takes about a millisecond of pure computing: it runs where the request is read, without a thread.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import cds_rules
from cds_rules.evaluate import Knowledge
from cds_rules.fhir import validation
from cds_rules.hooks.discovery import SERVICES, discovery
from cds_rules.hooks.fetching import asks
from cds_rules.hooks.request import BadRequest, Fault, read_request
from cds_rules.hooks.response import answered
from cds_rules.hooks.wire import encode
from cds_rules.knowledge.languages import ENGLISH, chosen
from cds_rules.service import canary, home
from cds_rules.service.bodies import read_body
from cds_rules.service.configuration import read_settings
from cds_rules.service.edge import LOGGER, Edge, correlation_of, note, problem_response
from cds_rules.service.errors import Problem
from cds_rules.service.fetch import Fetcher, Servers
from cds_rules.service.outbound import Outbound
from cds_rules.service.profiles import profiles_of
from cds_rules.service.samples import read_samples
from cds_rules.service.settings import Settings

Clock = Callable[[], datetime]


def now() -> datetime:
    """The instant of a call."""
    return datetime.now(UTC)


def create_app(knowledge: Knowledge | None = None, settings: Settings | None = None, clock: Clock = now) -> Starlette:
    """Build the application.

    Args:
        knowledge: rules; None: all installed packs. settings: None: from file and environment. clock: what time a call is made.

    Raises:
        CdsRulesError: the packs or the settings cannot be used.
    """
    settings = settings or read_settings()
    desk = Desk(
        knowledge or cds_rules.load_packs(folders=settings.packs.folders, parameters=settings.packs.parameters),
        settings,
        clock,
    )
    routes = [
        Route("/", desk.page, methods=["GET"]),
        Route("/healthz", desk.health, methods=["GET"]),
        Route("/readyz", desk.readiness, methods=["GET"]),
        Route("/samples", desk.sample_list, methods=["GET"]),
        Route("/samples/{name}.json", desk.sample, methods=["GET"]),
    ]
    for base in ("/cds-services", "/cds-services/"):  # a client that was given the address with a slash asks with two
        routes += [
            Route(base, desk.services, methods=["GET"]),
            Route(f"{base}/{{identity}}", desk.call, methods=["POST"]),
            Route(f"{base}/{{identity}}/feedback", desk.feedback, methods=["POST"]),
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge, allowed_origins=settings.origins)],
        exception_handlers={HTTPException: _refused, Problem: _problem},
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False
    app.state.desk = desk
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    """Take all that start-up built out of the garbage collector's rounds: they would show in the slowest answers."""
    gc.collect()
    gc.freeze()
    threading.Thread(target=_warm, name="warm", daemon=True).start()
    yield
    await app.state.desk.outbound.aclose()


def _warm() -> None:
    """Import what only a rare resource needs, beside the first answers: they do not wait for it."""
    validation.warm()
    gc.freeze()


class Desk:
    """The endpoints and what they answer from; everything that can be is made once."""

    def __init__(self, knowledge: Knowledge, settings: Settings, clock: Clock) -> None:
        self.knowledge = knowledge
        self.settings = settings
        self.clock = clock
        self.trouble = canary.failing(knowledge)
        if self.trouble:
            LOGGER.error("not ready: %s", self.trouble)
        self.profile = profiles_of(settings)[settings.profile]
        self.outbound = Outbound(plain_http=not settings.production)
        self.fetcher = Fetcher(self.outbound, settings.fetch)
        self.servers = Servers.read(settings.fetch.servers, settings.fetch.private_networks)
        self._by_id = {service.id: service for service in SERVICES}
        document = discovery(knowledge.tables)
        self._discovery = encode(document)
        self._samples = read_samples() if settings.serves_samples else {}
        self._page = home.page(document, self._samples.values())

    async def services(self, _: Request) -> Response:
        """GET /cds-services."""
        return Response(self._discovery, media_type="application/json", headers={"Cache-Control": "max-age=300"})

    async def call(self, request: Request) -> Response:
        """POST /cds-services/{id}."""
        service = self._by_id.get(request.path_params["identity"])
        if service is None:
            raise Problem("no-service")
        if self.trouble:
            raise Problem("not-ready")
        body = await read_body(request, self.settings.limits.max_body)
        header = ",".join(request.headers.getlist("accept-language"))
        language = chosen(self.knowledge.languages, header, self.profile.language)
        try:
            sent = read_request(body, service.hook)
            at = (self.settings.heed_at and sent.at) or self.clock()
            if sent.fhir_server and self.settings.fetch.enabled:
                sent = await self.fetcher.complete(sent, lambda told: asks(self.knowledge, told, at), self.servers)
            found = answered(self.knowledge, sent, at, self.profile, language)
        except BadRequest as error:
            if error.hook_instance:
                note(request.scope, correlation=correlation_of(error.hook_instance))
            raise Problem.of(error) from None
        except RecursionError:
            raise Problem.of(
                BadRequest((Fault("body", "something that is nested too deeply", "a CDS Hooks request belongs here"),))
            ) from None
        evaluation = found.evaluation
        note(
            request.scope,
            correlation=correlation_of(found.request.hook_instance),
            outcome=f"service={service.id} cards={len(evaluation.cards)} not_judged={len(evaluation.not_judged)} unread={len(evaluation.unread)}",
        )
        if evaluation.disagreements:
            LOGGER.warning(
                "matchers disagree on %s correlation=%s",
                ", ".join(evaluation.disagreements),
                correlation_of(found.request.hook_instance),
            )
        headers = {"Content-Language": language if found.status == 200 else ENGLISH, "Vary": "Accept-Language"}
        return Response(found.content(), found.status, headers, "application/json")

    async def feedback(self, request: Request) -> Response:
        """POST /cds-services/{id}/feedback: what is not kept is not acknowledged."""
        raise Problem("no-feedback" if request.path_params["identity"] in self._by_id else "no-service")

    async def health(self, _: Request) -> Response:
        """GET /healthz: the process answers."""
        return _json({"status": "alive", "version": cds_rules.__version__, "python": sys.version.split()[0]})

    async def readiness(self, _: Request) -> Response:
        """GET /readyz: the packs are loaded, and the invented patient got the card that is due."""
        if self.trouble:
            raise Problem("not-ready")
        packs = [
            {"name": pack.name, "version": pack.version, "rules": len(pack.rules)} for pack in self.knowledge.packs
        ]
        return _json({"status": "ready", "packs": packs, "fingerprint": self.knowledge.fingerprint})

    async def page(self, _: Request) -> Response:
        """GET /: for people."""
        return HTMLResponse(self._page)

    async def sample_list(self, _: Request) -> Response:
        """GET /samples."""
        return _json(
            {
                "samples": [
                    {
                        "name": each.name,
                        "request": f"/samples/{each.name}.json",
                        "postTo": f"/cds-services/{each.service}",
                    }
                    for each in self._samples.values()
                ]
            }
        )

    async def sample(self, request: Request) -> Response:
        """GET /samples/{name}.json."""
        found = self._samples.get(request.path_params["name"])
        if found is None:
            raise Problem("no-page", "There is no such sample. GET /samples lists the samples.")
        return Response(found.body, media_type="application/json")


def _json(body: Any) -> Response:
    return Response(encode(body), media_type="application/json")


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _refused(_: Request, error: Exception) -> Response:
    """What the router refuses: no such address, or not with this method."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted({*headers["Allow"].split(", "), "OPTIONS"}))
    category = {404: "no-page", 405: "method"}.get(error.status_code, "bad-request")
    return problem_response(Problem(category, headers=headers))
