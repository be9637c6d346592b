"""The review pages as one ASGI application: routes, security headers, static files, and pages for what goes wrong.

Every page may load only our own style, script and pictures; nothing stands inline, nothing comes from elsewhere.
Flows in: a `House`, requests. Flows out: HTML. Floor: edge (review).
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_rules.review import alert, choosing, entrance, keeping, rules, sets, watch, worklist
from cds_rules.review.gate import Gate
from cds_rules.review.shell import STATIC, House, Refusal, absent, static, trouble
from cds_rules.store.errors import StoreError, StoreUnavailable
from cds_rules.vocabulary.wording import said

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)
_FOR_EVER = "private, max-age=31536000, immutable"


def site(house: House) -> ASGIApp:
    """Build it."""
    several = (worklist, alert, choosing, sets, rules, keeping, watch)
    pages = [route for each in several for route in each.ROUTES]
    routes = [Route("/static/{name}", _static, methods=["GET"]), *entrance.routes(house), *pages]
    guarded = ExceptionMiddleware(
        Gate(Router(routes, redirect_slashes=False), house),
        handlers={HTTPException: _refused, StoreUnavailable: _unavailable, StoreError: _shut},
    )
    return _Dressed(guarded, house)


class _Dressed:
    """Security headers on every answer, and the house for whoever answers."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self.app = app
        self._house = house
        self._ancestors = " ".join(house.settings.review.frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and dress the answer."""
        scope["cds_rules_house"] = self._house

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", POLICY + (self._ancestors or "'none'"))
                headers.setdefault("Referrer-Policy", "no-referrer")
                if not self._ancestors:
                    headers["X-Frame-Options"] = "DENY"
                if self._house.settings.production:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.add_vary_header("Accept-Language")
            await send(message)

        await self.app(scope, receive, dressed)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise absent()
    return Response(static(name), media_type=STATIC[name], headers={"Cache-Control": _FOR_EVER})


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return trouble(request, error.status_code, error.headers, error.words if isinstance(error, Refusal) else None)


def _unavailable(request: Request, _: Exception) -> Response:
    return trouble(request, 503, {"Retry-After": "5"})


def _shut(request: Request, _: Exception) -> Response:
    words = said("Not to be opened"), said("What is sealed there cannot be opened with the keys that are set.")
    return trouble(request, 409, words=words)
