"""The gate before every page: who asks, whether they may, whether a form is theirs, and a line in the audit before an answer.

Whoever is not signed in reaches the sign-in and our own files, nothing else. A reader writes nothing: what is not asked by GET
needs a reviewer. A form carries a token that only a page of ours could have given to this browser. A launch from an EHR opens
one page. No answer leaves before it stands in the audit that it was given.
Flows in and out: ASGI messages; to the pages `state.visitor`, `state.csrf` and, of a form, `state.form`. Floor: edge (review).
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import wraps
from typing import Any, cast
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_rules.review.shell import House, Refusal, visitor
from cds_rules.review.visitors import Role, Visitor
from cds_rules.store import audit, visits
from cds_rules.store.audit import Entry
from cds_rules.store.visits import Visit
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.wording import said

OPEN = ("/sign-in", "/launch")
"""What is open to who is not signed in; and our own files."""
READS = frozenset({"GET", "HEAD"})
IMPORT = "/sets/import"
MOST_FORM = 64 * 1024
"""Bytes of a form; the one that brings a replay run in may be as large as the settings say."""
MOST_SEED = 2**31 - 1
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_WAITING_SECONDS = 600
"""How long a sign-in may take, from leaving for the provider to coming back."""


def needs(role: Role) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """An endpoint that only a role, or one that may do more, may ask."""

    def guarded(endpoint: Callable[..., Response]) -> Callable[..., Response]:
        @wraps(endpoint)
        def asked(request: Request) -> Response:
            if not visitor(request).may(role):
                raise HTTPException(403)
            return endpoint(request)

        return asked

    return guarded


class Cookies:
    """The two cookies there are: one that stands for a visit, one for a sign-in under way."""

    def __init__(self, house: House) -> None:
        review, production = house.settings.review, house.settings.production
        # inside another site's page a cookie is sent only when it says so; it is then kept apart for that site
        self._where = "SameSite=None; Secure; Partitioned" if review.frame_ancestors else "SameSite=Lax"
        if production and not review.frame_ancestors:
            self._where += "; Secure"
        prefix = "__Secure-" if production else ""
        self.visit, self.waiting = f"{prefix}cds_review", f"{prefix}cds_review_waiting"
        self._root = house.root
        self._hours = review.visit_hours

    def hold(self, headers: MutableHeaders, token: str) -> None:
        """Give the browser what stands for its visit."""
        self._set(headers, self.visit, token, self._hours * 3600)

    def wait(self, headers: MutableHeaders, sealed: str) -> None:
        """Give the browser what it has to bring back from the provider; "": take it away."""
        self._set(headers, self.waiting, sealed, _WAITING_SECONDS if sealed else 0)

    def _set(self, headers: MutableHeaders, name: str, value: str, seconds: int) -> None:
        headers.append("set-cookie", f"{name}={value}; Path={self._root}; Max-Age={seconds}; HttpOnly; {self._where}")


class Gate:
    """ASGI middleware around the pages."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self.app = app
        self._house = house
        self._cookies = Cookies(house)
        self._idle = timedelta(minutes=house.settings.review.idle_minutes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let pass, send to the sign-in, or refuse."""
        request = Request(scope, receive)
        path = scope["path"].removeprefix(scope["root_path"])
        if path.startswith("/static/"):
            await self.app(scope, receive, send)
            return
        self._check_host(request)
        _check_text([path, *request.query_params.values()])
        token = request.cookies.get(self._cookies.visit, "")
        visit = await asyncio.to_thread(self._visit, token) if token else None
        new = "" if token else secrets.token_urlsafe(32)
        state = scope.setdefault("state", {})
        state |= {"token": token or new, "csrf": self._csrf(token or new), "visitor": visit and _visitor(visit)}
        state["only"] = visit.only if visit else ""
        answer = self._sent(scope, send, path, new)
        try:
            await self._pass(request, path, visit, answer)
        except HTTPException as refused:
            if visit:
                await self._note(scope, path, refused.status_code)
            raise

    async def _pass(self, request: Request, path: str, visit: Visit | None, answer: Send) -> None:
        if visit is None and not path.startswith(OPEN):
            await self._turned(request, path)(request.scope, request.receive, answer)
            return
        if visit and visit.only and not _within(path, visit.only):
            raise Refusal(
                403,
                said("Only one alert was opened"),
                said("The EHR opened this page for one alert. Sign in to see others."),
            )
        if request.method in READS:
            await self.app(request.scope, request.receive, answer)
            return
        if visit and not path.startswith(OPEN) and path != "/sign-out" and not _visitor(visit).may("reviewer"):
            raise HTTPException(403)
        await self._with_form(request, path, answer)

    async def _with_form(self, request: Request, path: str, answer: Send) -> None:
        """Read a form, and pass it on when this browser got it from us."""
        scope = request.scope
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise _stale()
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _FORMS:
            raise HTTPException(400)
        who: Visitor | None = scope["state"]["visitor"]
        brings = path == IMPORT and who is not None and who.may("admin")
        most = self._house.settings.review.max_upload if brings else MOST_FORM
        bounded = Request(scope, _bounded(request.receive, most))
        try:
            form = await bounded.form(max_files=1, max_fields=100)
        except HTTPException:
            raise
        except _TooLarge:
            raise Refusal(413, said("Too large"), said("The file or text is larger than this service takes.")) from None
        try:
            csrf = form.get("csrf")
            if not isinstance(csrf, str) or not secrets.compare_digest(
                csrf.encode(errors="replace"), scope["state"]["csrf"].encode()
            ):
                raise _stale()
            _check_text([value for value in form.values() if isinstance(value, str)])
            scope["state"]["form"] = form
            await self.app(scope, request.receive, answer)
        finally:
            await form.close()

    def _sent(self, scope: Scope, send: Send, path: str, new: str) -> Send:
        """Send, after the audit has it; a browser without a token gets one."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._note(scope, path, message["status"])
                if new and scope["state"]["token"] == new:
                    self._cookies.hold(MutableHeaders(scope=message), new)
            await send(message)

        return sent

    async def _note(self, scope: Scope, path: str, status: int) -> None:
        who: Visitor | None = scope["state"]["visitor"]
        if who is not None:
            entry = Entry(self._house.clock(), who.subject, who.role, scope["method"], path, status)
            await asyncio.to_thread(audit.note, self._house.store.database, entry)

    def _turned(self, request: Request, path: str) -> Response:
        """To the sign-in, and afterwards back; a form that comes too late is not kept."""
        root = self._house.root
        if request.method not in READS:
            raise Refusal(
                401, said("You are signed out"), said("Nothing was saved. Sign in, and give your answer again.")
            )
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{root}/sign-in?to={quote(path + query, safe='')}", 303)

    def _visit(self, token: str) -> Visit | None:
        self._house.store.migrate()
        return visits.find(self._house.store.database, token, self._house.clock(), self._idle)

    def _csrf(self, token: str) -> str:
        return self._house.store.keys.sign(f"csrf {token}")

    def _check_host(self, request: Request) -> None:
        """In development anybody may sign in: a name of elsewhere that leads to this machine is not answered."""
        if self._house.settings.production:
            return
        try:
            host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        except ValueError:
            raise HTTPException(400) from None
        try:
            here = ipaddress.ip_address(host).is_loopback
        except ValueError:
            here = host == "localhost"
        if not here and host != self._house.settings.server.host:
            raise HTTPException(403)


class _TooLarge(Exception):
    """A body beyond its bound."""


def _bounded(receive: Receive, most: int) -> Receive:
    size = 0

    async def received() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise _TooLarge
        return message

    return received


def _check_text(said_: Iterable[str]) -> None:
    """Refuse what no database takes for a text."""
    if any(map(_NO_TEXT.search, said_)):
        raise HTTPException(400)


def _visitor(visit: Visit) -> Visitor:
    return Visitor(visit.subject, visit.name, cast(Role, visit.role), visit.houses)


def _within(path: str, only: str) -> bool:
    return path in ("/sign-out", only) or path.startswith((f"{only}/", *OPEN))


def _stale() -> HTTPException:
    return Refusal(
        403,
        said("The form is not from this page"),
        said("Nothing was saved. Open the page again, and give your answer there."),
    )


def form(request: Request, name: str, most: int = 200) -> str:
    """A field of the form, without blanks around it; "" where it, or a form, is not there. most: characters that are taken."""
    found: Any = getattr(request.state, "form", {}).get(name)
    return found.strip()[:most] if isinstance(found, str) else ""


def number(request: Request, name: str, low: int, high: int) -> int:
    """A field of the form that holds a whole number.

    Raises:
        BadInput: what belongs there.
    """
    found = form(request, name)
    if not found.isascii() or not found.isdecimal() or not low <= int(found) <= high:
        raise BadInput(f"a whole number from {low} to {high} belongs there", name)
    return int(found)


def seed(request: Request) -> int:
    """The seed of random numbers that a form names; a new one where it names none.

    Raises:
        BadInput: what belongs there.
    """
    return number(request, "seed", 0, MOST_SEED) if form(request, "seed") else secrets.randbelow(MOST_SEED + 1)
