"""The ASGI application: routes of CDS Hooks, health, metrics, samples.

Flows in: knowledge, settings, a clock. Flows out: a Starlette application. Floor: edge (service).
An evaluation takes about a millisecond of pure computing: it runs where the request is read, without a thread.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

import cds_rules
from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Knowledge
from cds_rules.fhir import validation
from cds_rules.hooks.discovery import SERVICES, discovery
from cds_rules.hooks.explained import explained
from cds_rules.hooks.fetching import asks
from cds_rules.hooks.request import BadRequest, Fault, HookRequest, read_request
from cds_rules.hooks.response import Questions, answered, judged
from cds_rules.hooks.wire import encode
from cds_rules.knowledge.languages import ENGLISH, chosen
from cds_rules.service import home, openapi
from cds_rules.service.admission import Admission
from cds_rules.service.bodies import check_shape, read_body
from cds_rules.service.canary import Canaries
from cds_rules.service.configuration import read_settings
from cds_rules.service.edge import Edge, correlation_of, note, problem_response
from cds_rules.service.errors import Problem
from cds_rules.service.fetch import Fetcher, Servers
from cds_rules.service.keysets import key_sets
from cds_rules.service.logs import log
from cds_rules.service.manual import manual
from cds_rules.service.metrics import CONTENT_TYPE, Metrics, Outcomes, Timed
from cds_rules.service.outbound import Outbound
from cds_rules.service.profiles import profiles_of
from cds_rules.service.records import Records
from cds_rules.service.review import PATH as REVIEW
from cds_rules.service.review import ReviewPages, root_of
from cds_rules.service.samples import read_samples
from cds_rules.service.settings import Settings
from cds_rules.service.tokens import Caller, Doorkeeper, Refused
from cds_rules.service.traces import Traces, traces
from cds_rules.store.errors import StoreError

if TYPE_CHECKING:  # SQLAlchemy comes with it
    from cds_rules.store.store import Store

Clock = Callable[[], datetime]
BASE = "/cds-services"
REFUSAL_SECONDS = 0.1
"""A refusal is not told sooner: how far a token got cannot be read off the time."""


def now() -> datetime:
    """The instant of a call."""
    return datetime.now(UTC)


def create_app(knowledge: Knowledge | None = None, settings: Settings | None = None, clock: Clock = now) -> Starlette:
    """Build the application.

    Args:
        knowledge: rules; None: all installed packs, or those of the settings. settings: None: from file and environment.
        clock: what time a call is made.

    Raises:
        CdsRulesError: the packs or the settings cannot be used.
    """
    settings = settings or read_settings()
    tracing = traces(settings)
    packs = settings.packs
    desk = Desk(
        knowledge or cds_rules.load_packs(folders=packs.folders, parameters=packs.parameters, codes=packs.codes),
        settings,
        clock,
        tracing,
    )
    routes: list[Route | Mount] = []
    for base in (BASE, f"{BASE}/"):  # a client that was given the address with a slash asks with two
        routes += [
            Route(f"{base}/{{identity}}", desk.call, methods=["POST"]),
            Route(f"{base}/{{identity}}/feedback", desk.feedback, methods=["POST"]),
            Route(base, desk.services, methods=["GET"]),
        ]
    routes += [
        Route("/", desk.page, methods=["GET"]),
        Route("/healthz", desk.health, methods=["GET"]),
        Route("/readyz", desk.readiness, methods=["GET"]),
        Route("/openapi.json", desk.openapi, methods=["GET"]),
        Route("/docs/{identity}", desk.manual, methods=["GET"]),
        Route("/reports/feedback", desk.reception, methods=["GET"]),
        Route("/samples", desk.sample_list, methods=["GET"]),
        Route("/samples/{name}.json", desk.sample, methods=["GET"]),
    ]
    if settings.telemetry.metrics:
        routes.append(Route("/metrics", desk.metrics_page, methods=["GET"]))
    if settings.explains:
        routes.append(Route("/explain", desk.explain, methods=["POST"]))
    if settings.reviews:
        routes += [
            Route(REVIEW, desk.to_review, methods=["GET"], include_in_schema=False),
            Mount(REVIEW, ReviewPages(desk.review, desk.check_way)),
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Edge, settings=settings, metrics=desk.metrics, traces=tracing)],
        exception_handlers={HTTPException: _refused, Problem: _problem},
        lifespan=desk.lifespan,
    )
    app.router.redirect_slashes = False
    app.state.desk = desk
    return app


SWITCH_SECONDS = 0.0005
"""How long a thread beside the answers may go on once one wants to; Python's own 5 ms are longer than an answer takes."""
FIRST_SECONDS, PAUSE_SECONDS = 0.5, 0.02
"""Before what is prepared beside the answers, which would keep the first one waiting; and between two of its steps, each of
some milliseconds."""


async def _prepare(knowledge: Knowledge) -> None:
    """Compile and import what not every answer needs, beside the first answers: they do not wait for it."""
    await asyncio.sleep(FIRST_SECONDS)
    threading.Thread(target=validation.warm, name="warm", daemon=True).start()
    for _ in knowledge.prepared():
        await asyncio.sleep(PAUSE_SECONDS)
    gc.freeze()


class Desk:
    """The endpoints and what they answer from; everything that can be is made once."""

    def __init__(self, knowledge: Knowledge, settings: Settings, clock: Clock, traces: Traces) -> None:
        self.knowledge = knowledge
        self.settings = settings
        self.clock = clock
        self.traces = traces
        self.metrics = Metrics()
        self.admission = Admission(
            settings.limits, self.metrics.under_way.set, lambda limit: self.metrics.turned_away.labels(limit).inc()
        )
        self.outbound = Outbound(plain_http=not settings.production)
        self.fetcher = Fetcher(self.outbound, settings.fetch, Outcomes(self.metrics.fetches))
        self.records = Records(lambda: self.store, self.metrics.unheeded.inc)
        if settings.store.database_url:
            _ = self.store  # what is wrong with an address is told at once
        self.doorkeeper = Doorkeeper(
            settings, profiles_of(settings), key_sets(settings, self.outbound, self.metrics), self._first_seen
        )
        self._samples = read_samples() if settings.serves_samples else {}
        self.canaries = Canaries(knowledge, settings, self.metrics)
        self._by_id = {service.id: service for service in SERVICES}
        document = discovery(knowledge.tables)
        self._discovery = encode(document)
        self._page = home.page(document, self._samples.values())
        self._openapi = encode(openapi.document())
        self._manuals = {
            service.id: manual(knowledge, service, entry)
            for service, entry in zip(SERVICES, document["services"], strict=True)
        }
        self._metrics_networks = [ip_network(each) for each in settings.telemetry.metrics_networks]
        self.warnings = tuple(_warnings(settings))

    @cached_property
    def store(self) -> Store:
        """What is kept; made when it is opened, with the packages that stand behind it."""
        from cds_rules.store.store import Store

        return Store(self.settings, self.metrics.queue.set, self.metrics.dropped.inc)

    async def _first_seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        return await asyncio.to_thread(self.store.first_seen, issuer, jti, expires)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """What runs beside the answers, from start to stop."""
        for warning in self.warnings:
            log(logging.WARNING, warning)
        await self.records.open()
        beside = [asyncio.create_task(each) for each in (self.canaries.watch(), self._prepare())]
        # all that start-up built is taken out of the collector's rounds: they would show in the slowest answers
        cds_rules.steady()
        sys.setswitchinterval(SWITCH_SECONDS)
        yield
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self.outbound.aclose()
        await self.records.close()
        self.traces.close()

    async def _prepare(self) -> None:
        """What is made ready beside the first answers, and the texts of the rules are kept, to be read when they changed."""
        await _prepare(self.knowledge)
        await self.records.remember(self.knowledge, self.clock())

    async def services(self, request: Request) -> Response:
        """GET /cds-services."""
        async with self._admitted(request, "discovery", BASE):
            return _lasting(request, self._discovery)

    async def call(self, request: Request) -> Response:
        """POST /cds-services/{id}."""
        identity = request.path_params["identity"]
        service = self._by_id.get(identity)
        started, asked_at = time.perf_counter(), self.clock()
        async with self._admitted(request, service.id if service else "unknown", f"{BASE}/{identity}") as caller:
            if service is None:
                raise Problem("no-service")
            if self.canaries.trouble:
                raise Problem("not-ready")
            with self._stage("body"):
                body = await self._body(request)
            header = ",".join(request.headers.getlist("accept-language"))
            language = chosen(self.knowledge.languages, header, caller.profile.language)
            with self._readable(request):
                sent, at = await self._completed(read_request(body, service.hook), caller, asked_at)
                shaped = partial(
                    answered,
                    self.knowledge,
                    sent,
                    at,
                    caller.profile,
                    language,
                    questions=self._questions(sent, caller),
                )
                with self._stage("judge"):
                    found = shaped()
                # most answers are silent, and nothing that was overridden makes them speak
                if found.evaluation.speaks and (overrides := await self._overrides(sent, caller, at)):
                    with self._stage("judge"):
                        found = shaped(overrides=overrides)
            evaluation = found.evaluation
            correlation = correlation_of(found.request.hook_instance)
            note(
                request.scope,
                correlation=correlation,
                cards=len(evaluation.cards),
                not_judged=len(evaluation.not_judged),
                unread=len(evaluation.unread),
            )
            self.metrics.evaluated(evaluation)
            if evaluation.disagreements:
                log(
                    logging.WARNING,
                    "matchers disagree",
                    conditions=", ".join(evaluation.disagreements),
                    correlation=correlation,
                )
            with self._stage("answer"):
                headers = {
                    "Content-Language": language if found.status == 200 else ENGLISH,
                    "Vary": "Accept-Language",
                }
                content = found.content()
            seconds = time.perf_counter() - started
            self.records.keep(found, service=service.id, caller=caller, at=asked_at, seconds=seconds)
            return Response(content, found.status, headers, "application/json")

    async def to_review(self, _: Request) -> Response:
        """GET /review: the pages begin one slash further."""
        return RedirectResponse(f"{root_of(self.settings)}/")

    def review(self) -> ASGIApp:
        """The review pages; imported when the first of them is asked for."""
        from cds_rules.review.shell import House
        from cds_rules.review.site import site

        return site(House(self.knowledge, self.settings, self.store, self.clock, root_of(self.settings), self.outbound))

    async def explain(self, request: Request) -> Response:
        """POST /explain: the body of a hook, answered with the explanation of every rule, or of `?rule=`.

        What was overridden, and what has to be fetched, counts as it does for the hook; nothing is kept.
        """
        asked_at = self.clock()
        async with self._admitted(request, "explain", "/explain") as caller:
            if self.canaries.trouble:
                raise Problem("not-ready")
            body = await self._body(request)
            with self._readable(request):
                sent = read_request(body)
                if sent.hook not in self.knowledge.judge.hooks():
                    raise Problem("no-service")
                sent, at = await self._completed(sent, caller, asked_at)
                overrides = await self._overrides(sent, caller, at)
                evaluation = judged(self.knowledge, sent, at, overrides=overrides)
            only = request.query_params.get("rule")
            if only is not None and only not in evaluation.outcomes:
                raise Problem("no-page", "This hook has no rule of that id.")
            note(request.scope, cards=len(evaluation.cards), not_judged=len(evaluation.not_judged))
            return _json(await asyncio.to_thread(explained, self.knowledge, evaluation, only))

    async def _completed(self, sent: HookRequest, caller: Caller, asked_at: datetime) -> tuple[HookRequest, datetime]:
        """A request with what had to be fetched for it, and the instant it is judged at."""
        at = (self.settings.heed_at and sent.at) or asked_at
        if sent.fhir_server and self.settings.fetch.enabled:
            with self._stage("fetch"):
                sent = await self.fetcher.complete(
                    sent, lambda told: asks(self.knowledge, told, at), self._servers(caller)
                )
        return sent, at

    async def _overrides(self, sent: HookRequest, caller: Caller, at: datetime) -> tuple[Override, ...]:
        """What was overridden before of the cards about a patient."""
        with self._stage("overrides"):
            return await self.records.overrides(sent, caller, at)

    @contextmanager
    def _readable(self, request: Request) -> Iterator[None]:
        """What is wrong with a body becomes a problem of this call.

        Raises:
            Problem: it cannot be read, or is nested too deeply.
        """
        try:
            yield
        except BadRequest as error:
            if error.hook_instance:
                note(request.scope, correlation=correlation_of(error.hook_instance))
            raise Problem.of(error) from None
        except RecursionError:
            fault = Fault("body", "something that is nested too deeply", "a CDS Hooks request belongs here")
            raise Problem.of(BadRequest((fault,))) from None

    async def feedback(self, request: Request) -> Response:
        """POST /cds-services/{id}/feedback: what is not kept is not acknowledged."""
        identity = request.path_params["identity"]
        known = identity in self._by_id
        endpoint = f"{identity}/feedback" if known else "unknown"
        async with self._admitted(request, endpoint, f"{BASE}/{identity}/feedback") as caller:
            if not known:
                raise Problem("no-service")
            body = await self._body(request)
            try:
                status, content = await self.records.feedback(body, service=identity, caller=caller)
            except BadRequest as error:
                raise Problem.of(error) from None
            return Response(encode(content), status, media_type="application/json")

    async def reception(self, request: Request) -> Response:
        """GET /reports/feedback: how cards were received, rule by rule; ?since= and ?until= limit when they were shown."""
        from cds_rules.store.report import read_instant

        async with self._admitted(request, "reports/feedback", "/reports/feedback") as caller:
            limits = {}
            for name in ("since", "until"):
                if said := request.query_params.get(name):
                    try:
                        limits[name] = read_instant(said)
                    except ValueError as error:
                        raise Problem.of(BadRequest((Fault(name, "something else", str(error)),))) from None
            return _json(await self.records.report(caller, **limits))

    @asynccontextmanager
    async def _admitted(self, request: Request, endpoint: str, path: str) -> AsyncIterator[Caller]:
        """Who calls an endpoint, within all limits. path: of the endpoint as its address is registered.

        Raises:
            Problem: not over https, not from this machine, without a token that holds, one too many, or out of time.
        """
        note(request.scope, endpoint=endpoint)
        began = asyncio.get_running_loop().time()
        try:
            with self.admission.one():
                async with asyncio.timeout(self.settings.limits.seconds):
                    self.check_way(request)
                    with self._stage("authenticate"):
                        caller = await self._caller(request, path)
                    host = request.client.host if request.client else ""
                    client = f"{caller.issuer}|{caller.tenant}" if caller.issuer else host
                    with self.admission.of(client):
                        yield caller
        except TimeoutError:
            late = "bytes" in request.scope["cds_rules"]
            raise Problem("late" if late else "slow", headers={"Connection": "close"}) from None
        except Refused as refused:  # told only after the request has given its place to others
            self.metrics.refusals.labels(refused.category).inc()
            note(request.scope, refused=refused.category)
            await asyncio.sleep(began + REFUSAL_SECONDS - asyncio.get_running_loop().time())
            raise Problem("token", headers={"WWW-Authenticate": "Bearer", "Connection": "close"}) from None

    def check_way(self, request: Request) -> None:
        """Over https in production, from this machine in development."""
        if self.settings.production:
            if request.scope["scheme"] != "https":
                raise Problem("insecure", headers={"Connection": "close"})
        elif request.client and not _is_loopback(request.client.host):
            raise Problem("elsewhere", "Development mode answers this machine alone.", headers={"Connection": "close"})

    async def _caller(self, request: Request, path: str) -> Caller:
        try:
            caller = await self.doorkeeper.admit(request.headers.getlist("authorization"), path)
        except StoreError:
            raise Problem("unavailable", headers={"Retry-After": "1", "Connection": "close"}) from None
        if caller.issuer:
            note(request.scope, issuer=caller.issuer)
        return caller

    async def _body(self, request: Request) -> bytes:
        body = await read_body(request, self.settings.limits.max_body)
        note(request.scope, bytes=len(body))
        check_shape(body, self.settings.limits)
        return body

    def _questions(self, sent: HookRequest, caller: Caller) -> Questions | None:
        """Where the cards of a call can be questioned: on the review pages, where they have an address and something is kept."""
        settings = self.settings
        address = settings.server.public_url or ""
        if not (settings.reviews and address.startswith("https://") and self.store.settings.keep != "off"):
            return None
        server = sent.fhir_server.rstrip("/")
        launched = any(
            (each.iss, each.issuer or "", each.tenant or "") == (server, caller.issuer, caller.tenant)
            for each in settings.review.launches
        )
        return Questions(f"{address}{REVIEW}", launched)

    def _servers(self, caller: Caller) -> Servers:
        """FHIR servers that may be asked on behalf of a client: its own, and those for whoever calls."""
        own, anybody = caller, self.settings.fetch
        return Servers.read((*own.fhir_servers, *anybody.servers), (*own.private_networks, *anybody.private_networks))

    def _stage(self, name: str) -> AbstractContextManager[object]:
        return self.traces.stage(name, Timed(self.metrics.stage(name).observe))

    async def health(self, _: Request) -> Response:
        """GET /healthz: the process answers."""
        return _json({"status": "alive", "version": cds_rules.__version__, "python": sys.version.split()[0]})

    async def readiness(self, _: Request) -> Response:
        """GET /readyz: the packs are loaded, and the patients of the check of ourselves got the cards that are due."""
        await self.canaries.ensure()
        if self.canaries.trouble:
            raise Problem("not-ready")
        packs = [
            {"name": pack.name, "version": pack.version, "rules": len(pack.rules)} for pack in self.knowledge.packs
        ]
        told = {
            "status": "ready",
            "mode": self.settings.mode,
            "warnings": list(self.warnings),
            "packs": packs,
            "fingerprint": self.knowledge.fingerprint,
        }
        return _json({name: value for name, value in told.items() if value})

    async def metrics_page(self, request: Request) -> Response:
        """GET /metrics, for whom the settings name."""
        token = self.settings.telemetry.metrics_token.get_secret_value()
        said = request.headers.get("authorization", "").partition(" ")[2]
        if not (token and secrets.compare_digest(said.encode(), token.encode())) and not self._may_read_metrics(
            request
        ):
            raise Problem("elsewhere")
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    def _may_read_metrics(self, request: Request) -> bool:
        try:
            address = ip_address(request.client.host if request.client else "127.0.0.1")
        except ValueError:
            return False
        return any(address in network for network in self._metrics_networks)

    async def page(self, _: Request) -> Response:
        """GET /: for people."""
        return HTMLResponse(self._page)

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json."""
        return _lasting(request, self._openapi)

    async def manual(self, request: Request) -> Response:
        """GET /docs/{id}: a service, for people."""
        found = self._manuals.get(request.path_params["identity"])
        if found is None:
            raise Problem("no-service")
        return HTMLResponse(found)

    async def sample_list(self, _: Request) -> Response:
        """GET /samples."""
        return _json(
            {
                "samples": [
                    {
                        "name": each.name,
                        "request": f"/samples/{each.name}.json",
                        "postTo": f"{BASE}/{each.service}",
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


def _warnings(settings: Settings) -> Iterator[str]:
    """What an operator should be told loudly."""
    if not settings.production:
        who = (
            "anybody on this machine may call" if settings.open else "tokens are asked for, patients must not be meant"
        )
        yield f"DEVELOPMENT MODE: {who}; never with real patients"
    if settings.trust.public_sandbox:
        yield "THE PUBLIC SANDBOX IS TRUSTED: everybody can read its private key; never with real patients"


@lru_cache(maxsize=256)
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _json(body: Any) -> Response:
    return Response(encode(body), media_type="application/json")


def _lasting(request: Request, content: bytes) -> Response:
    """What stays the same until another version is started: clients may keep it, and ask whether it still holds."""
    headers = {"Cache-Control": "max-age=300", "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if known & {headers["ETag"], "*"}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


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
