"""The ways in and out: OpenID Connect, a launch from an EHR (SMART App Launch), the sign-in of development, signing out.

What a browser has to bring back from a provider is sealed in a cookie of its own for ten minutes: no other browser can end
what this one began. A visit always gets a new token, so that one planted beforehand is worth nothing.
Flows in: requests. Flows out: visits and redirects within these pages. Floor: edge (review).
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.review.gate import Cookies, form
from cds_rules.review.openid import Begun, Client, Granted, Providers, SignInError, begin, leave
from cds_rules.review.shell import House, Refusal, shown
from cds_rules.review.visitors import ROLES, Role
from cds_rules.service.logs import log
from cds_rules.service.settings import Launch
from cds_rules.store import audit, browse, visits
from cds_rules.store.audit import Entry
from cds_rules.store.decisions import Caller
from cds_rules.store.errors import StoreError
from cds_rules.store.visits import Visit
from cds_rules.vocabulary.wording import said

_HERE = re.compile(r"/(?![/\\])[\x21-\x7e]{0,1000}")
"""A page below /review: never an address of elsewhere."""
_SCOPES = ("launch", "openid", "fhirUser")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What a browser brings back. way: "sign-in", or the iss of a launch. to: the page it wanted."""

    way: str
    begun: Begun
    to: str
    until: float


def routes(house: House) -> tuple[Route, ...]:
    """The ways in and out of one house."""
    made = Entrance(house)
    return (
        Route("/sign-in", made.page, methods=["GET"]),
        Route("/sign-in/development", made.development, methods=["POST"]),
        Route("/sign-in/openid", made.openid, methods=["GET"]),
        Route("/sign-in/callback", made.callback, methods=["GET"]),
        Route("/sign-out", made.sign_out, methods=["POST"]),
        Route("/sign-in/leave", made.leave, methods=["GET"]),
        Route("/launch", made.launch, methods=["GET"]),
        Route("/launch/callback", made.launched, methods=["GET"]),
    )


class Entrance:
    """Endpoints."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._review = house.settings.review
        self._cookies = Cookies(house)
        self._providers = Providers(house.outbound)

    def page(self, request: Request) -> Response:
        """GET /sign-in."""
        return shown(
            request,
            "sign_in.html",
            openid=bool(self._review.issuer),
            provider=urlsplit(self._review.issuer or "").hostname,
            development=self._house.settings.signs_in_for_trial,
            roles=ROLES,
            to=_below(request.query_params.get("to", "")),
            out="out" in request.query_params,
        )

    async def development(self, request: Request) -> Response:
        """POST /sign-in/development: as whom one likes, on this machine; there is no such page in production."""
        if not self._house.settings.signs_in_for_trial:
            raise Refusal(404, said("Not here"), said("There is no such sign-in on this service."))
        name, role, house = form(request, "name", 60) or "Developer", form(request, "role"), form(request, "house")
        subject = f"development {re.sub(r'[^a-z0-9]+', '-', name.lower())}"
        houses = frozenset({house}) if house else None
        granted = cast(Role, role) if role in ROLES else "reader"
        return await self._let_in(request, "development", subject, name, granted, houses, _below(form(request, "to")))

    async def openid(self, request: Request) -> Response:
        """GET /sign-in/openid: off to the provider."""
        if not self._review.issuer:
            raise Refusal(404, said("Not here"), said("There is no such sign-in on this service."))
        with _told():
            provider = await self._providers.openid(self._review.issuer, self._review.private_networks)
        address, begun = begin(provider, self._client(request))
        return self._leave(address, "sign-in", begun, _below(request.query_params.get("to", "")))

    async def callback(self, request: Request) -> Response:
        """GET /sign-in/callback: back from the provider."""
        waiting = self._returned(request, lambda way: way == "sign-in")
        with _told():
            provider = await self._providers.openid(self._review.issuer or "", self._review.private_networks)
            granted = await self._providers.finish(
                provider, self._client(request), waiting.begun, dict(request.query_params)
            )
        role = role_of(_claim(granted.claims, self._review.role_claim), self._house)
        if role is None:
            await self._note(str(granted.claims["sub"]), "", "refused", "openid", 403)
            raise Refusal(
                403,
                said("No role"),
                said("You are known to the provider, and none of your roles opens these pages. Ask who runs them."),
            )
        return await self._let_in(
            request,
            "openid",
            str(granted.claims["sub"]),
            _name(granted.claims),
            role,
            houses_of(granted.claims, self._house),
            waiting.to,
        )

    async def launch(self, request: Request) -> Response:
        """GET /launch?iss&launch: an EHR opens a card's page."""
        ehr = self._ehr(request.query_params.get("iss", ""))
        code = request.query_params.get("launch", "")
        if ehr is None or not code:
            raise Refusal(
                400, said("Not a launch"), said("This page is opened by an EHR that is named in the settings.")
            )
        with _told():
            provider = await self._providers.smart(ehr.iss, ehr.private_networks)
        address, begun = begin(provider, self._launched_client(request, ehr), launch=code, aud=ehr.iss)
        return self._leave(address, ehr.iss, begun, "")

    async def launched(self, request: Request) -> Response:
        """GET /launch/callback: back from the EHR's authorization server, with the patient and the card in context."""
        waiting = self._returned(request, lambda way: self._ehr(way) is not None)
        ehr = cast(Launch, self._ehr(waiting.way))
        with _told():
            provider = await self._providers.smart(ehr.iss, ehr.private_networks)
            granted = await self._providers.finish(
                provider, self._launched_client(request, ehr), waiting.begun, dict(request.query_params)
            )
        house = Caller(ehr.tenant or "", ehr.issuer or "").house
        page = await asyncio.to_thread(self._page_of, granted, ehr, house)
        if not page:
            raise Refusal(
                404,
                said("Not here"),
                said("The card that the EHR named is not kept here, or is about another patient."),
            )
        subject = f"{ehr.iss} {granted.claims['sub']}"[:255]
        return await self._let_in(
            request, "launch", subject, _name(granted.claims), "reader", frozenset({house}), page, only=page
        )

    async def sign_out(self, request: Request) -> Response:
        """POST /sign-out."""
        await asyncio.to_thread(visits.end, self._house.store.database, request.state.token)
        return self._dropped(RedirectResponse(f"{self._house.root}/sign-in?out", 303))

    async def leave(self, request: Request) -> Response:
        """GET /sign-in/leave: sign out at the provider too: on a shared machine the next one would come in as the last."""
        if not self._review.issuer:
            raise Refusal(404, said("Not here"), said("There is no such sign-in on this service."))
        with _told():
            provider = await self._providers.openid(self._review.issuer, self._review.private_networks)
        back = f"{self._base(request)}/sign-in"
        return RedirectResponse(leave(provider, self._client(request), back) or back, 303)

    def _dropped(self, response: Response) -> Response:
        self._cookies.hold(response.headers, secrets.token_urlsafe(32))
        return response

    def _ehr(self, iss: str) -> Launch | None:
        wanted = iss.rstrip("/")
        return next((each for each in self._review.launches if each.iss == wanted), None)

    def _client(self, request: Request) -> Client:
        secret = self._review.client_secret.get_secret_value()
        redirect = f"{self._base(request)}/sign-in/callback"
        return Client(self._review.client_id or "", secret, redirect, self._review.scopes)

    def _launched_client(self, request: Request, ehr: Launch) -> Client:
        file = ehr.client_secret_file
        secret = file.read_text("utf-8").strip() if file else ""
        return Client(ehr.client_id, secret, f"{self._base(request)}/launch/callback", _SCOPES)

    def _base(self, request: Request) -> str:
        """These pages as a browser calls them; in development, where no public address is set, as it just did."""
        server = self._house.settings.server
        origin = server.public_url or f"{request.url.scheme}://{request.url.netloc}"
        parts = urlsplit(origin)
        return f"{parts.scheme}://{parts.netloc}{self._house.root}"

    def _leave(self, address: str, way: str, begun: Begun, to: str) -> Response:
        until = self._house.clock().timestamp() + 600
        plain = json.dumps({"way": way, "begun": asdict(begun), "to": to, "until": until}).encode()
        response = RedirectResponse(address, 303)
        sealed = base64.urlsafe_b64encode(self._house.store.keys.seal(b"sign-in" + plain)).decode().rstrip("=")
        self._cookies.wait(response.headers, sealed)
        return response

    def _returned(self, request: Request, fits: Callable[[str], bool]) -> _Waiting:
        """What this browser began."""
        sealed = request.cookies.get(self._cookies.waiting, "")
        try:
            opened = self._house.store.keys.unseal(base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)))
            if not opened.startswith(b"sign-in"):
                raise ValueError
            told = json.loads(opened.removeprefix(b"sign-in"))
            waiting = _Waiting(told["way"], Begun(**told["begun"]), told["to"], told["until"])
        except (StoreError, ValueError, KeyError, TypeError):
            waiting = None
        if waiting is None or not fits(waiting.way) or waiting.until < self._house.clock().timestamp():
            raise Refusal(
                400,
                said("The sign-in was not begun here"),
                said("It took too long, or was begun in another browser. Begin again."),
            )
        return waiting

    def _page_of(self, granted: Granted, ehr: Launch, house: str) -> str:
        """The page of the card in context, when it is about the patient in context; "" where there is none."""
        card, patient = granted.answer.get("appContext"), granted.answer.get("patient")
        if not isinstance(card, str) or not isinstance(patient, str):
            return ""
        keys = self._house.store.keys
        known = browse.card_of(
            self._house.store.database,
            card,
            house=house,
            patients=keys.hashes("patient", house, patient),
            servers=keys.hashes("server", ehr.iss),
        )
        return f"/alerts/{card}" if known else ""

    async def _let_in(
        self,
        request: Request,
        way: str,
        subject: str,
        name: str,
        role: Role,
        houses: frozenset[str] | None,
        to: str,
        only: str = "",
    ) -> Response:
        now, token = self._house.clock(), secrets.token_urlsafe(32)
        until = now + timedelta(hours=self._review.visit_hours)
        visit = Visit(subject, name, role, houses, only, now, now, until)
        await self._note(subject, role, "sign-in", way, 303)
        await asyncio.to_thread(visits.begin, self._house.store.database, token, visit)
        if before := request.state.visitor and request.state.token:
            await asyncio.to_thread(visits.end, self._house.store.database, before)
        response = RedirectResponse(f"{self._house.root}{to or '/'}", 303)
        request.scope["state"]["token"] = token  # the gate gives no other one
        self._cookies.hold(response.headers, token)
        self._cookies.wait(response.headers, "")
        return response

    async def _note(self, subject: str, role: str, action: str, way: str, status: int) -> None:
        entry = Entry(self._house.clock(), subject, role, action, way, status)
        await asyncio.to_thread(audit.note, self._house.store.database, entry)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with a provider: said in the log, and on a page without anything of the provider's."""
    try:
        yield
    except SignInError as error:
        log(logging.WARNING, "sign-in failed", because=str(error))
        raise Refusal(
            400,
            said("The sign-in did not work"),
            said("Whoever signs you in did not confirm who you are. Try again; the log of this service says why."),
        ) from None


def role_of(values: object, house: House) -> Role | None:
    """The highest role that a claim gives; None where it gives none."""
    held = (
        {values}
        if isinstance(values, str)
        else {each for each in values if isinstance(each, str)}
        if isinstance(values, list)
        else set()
    )
    review = house.settings.review
    named: Mapping[Role, tuple[str, ...]] = {
        "reader": review.reader,
        "reviewer": review.reviewer,
        "admin": review.admin,
    }
    return next((role for role in reversed(ROLES) if held & set(named[role])), None)


def houses_of(claims: Mapping[str, Any], house: House) -> frozenset[str] | None:
    """Whose alerts somebody may see: those that a claim names and the settings know; None: all."""
    review = house.settings.review
    if not review.house_claim:
        return None
    values = _claim(claims, review.house_claim)
    listed = [values] if isinstance(values, str) else values if isinstance(values, list) else []
    named = [review.houses[each] for each in listed if isinstance(each, str) and each in review.houses]
    return frozenset(Caller("", each).house for each in named)


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """A claim by its name, or by the path to it: "realm_access.roles"."""
    if name in claims:
        return claims[name]
    found: object = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _name(claims: Mapping[str, Any]) -> str:
    named = (claims.get(each) for each in ("name", "preferred_username", "email", "fhirUser", "sub"))
    return next(each for each in named if isinstance(each, str) and each)[:255]


def _below(said: str) -> str:
    """A page of ours to go on to; the first one where something else was asked for."""
    return said if _HERE.fullmatch(said) else "/"
