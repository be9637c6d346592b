"""Asking the caller's FHIR server for what a request did not bring: in parallel, within one budget of time, reading only.

Flows in: a request, what is worth asking for (`hooks.fetching`), which servers may be asked. Flows out: the request with
what was read, each key in its state with a reason. The token is sent to the server it came for and goes nowhere else;
nothing is kept after the answer. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cds_rules.hooks.fetching import Ask, Told, can_be_asked_for, completed, medications_not_sent, relative, settled
from cds_rules.hooks.prefetch import Query, State, read_page
from cds_rules.hooks.request import HookRequest
from cds_rules.service.addresses import AddressError, Place, Reach, read_place
from cds_rules.service.outbound import Bounds, Outbound, OutboundError, Reply
from cds_rules.service.settings import Fetch

TYPES = ("application/fhir+json", "application/json", "application/json+fhir", "text/json")
AT_A_TIME = 16
"""Requests under way for one call: as many as there are keys, and no burst where many Medications are read."""
GRACE_SECONDS = 1.0
"""How long searches for what only adds to a part of the record may take once those that make it whole are done."""
MOST_MEDICATIONS = 50
_BY_POST = frozenset({405, 414, 431})


Plan = Callable[[HookRequest], Sequence[Ask]]


@dataclass(frozen=True, slots=True)
class Servers:
    """FHIR servers that may be asked for one client: at these addresses or below them."""

    bases: tuple[Place, ...] = ()
    reach: Reach = Reach()  # noqa: RUF009 (frozen)

    @classmethod
    def read(cls, addresses: Iterable[str], networks: Iterable[str] = ()) -> Servers:
        """Read a list of addresses and of private networks.

        Raises:
            AddressError: an entry is not one.
        """
        listed = tuple(addresses)
        return cls(tuple(map(read_place, listed)), Reach.read(listed, networks))

    def base(self, said: str) -> Place:
        """The address of a FHIR server that a client named.

        Raises:
            AddressError: it is not one that may be asked.
        """
        place = read_place(said)
        path = _folder(place)
        if "?" in place.target or not any(
            each.origin == place.origin and path.startswith(_folder(each)) for each in self.bases
        ):
            raise AddressError("it is not on this service's list")
        return place


def _folder(place: Place) -> str:
    return f"{place.target.rstrip('/')}/"


@dataclass(slots=True)
class Fetcher:
    """Completes requests. outcomes: how often an attempt came to what."""

    outbound: Outbound
    settings: Fetch = Fetch()  # noqa: RUF009 (frozen)
    outcomes: Counter[str] = field(default_factory=Counter)

    async def complete(self, request: HookRequest, plan: Plan, servers: Servers) -> HookRequest:
        """Ask for what is worth asking for. Never fails: what could not be read is said in the state of its key.

        plan: what to ask for next, told anew from what is there.
        """
        try:
            call = self._call(request, servers)
        except AddressError as error:
            trouble = f"could not be fetched: fhirServer was not asked, {error}"
            while asks := plan(request):
                self.outcomes["refused"] += len(asks)
                request = completed(request, [settled(ask, (), ask.page.read, trouble) for ask in asks])
            return request
        tried: set[str] = set()
        asks = plan(request)
        while True:
            wanted = [each for each in medications_not_sent(request.documents()) if each not in tried]
            if not asks and not wanted:
                return request
            told, found = await asyncio.gather(
                call.ask(asks), call.medications(wanted[: max(MOST_MEDICATIONS - len(tried), 0)])
            )
            tried.update(wanted)
            request = completed(request, told, found)
            new = any(each not in tried for each in medications_not_sent(request.documents()))
            asks = () if new else plan(request)  # what the orders are for may settle what else is needed

    def _call(self, request: HookRequest, servers: Servers) -> _Call:
        """Everything that the calls for one request share.

        Raises:
            AddressError: nothing may be asked for it, with the reason.
        """
        access = request.access
        if not access.token and not self.settings.without_token:
            raise AddressError("no access token came with the request")
        if access.seconds is not None and access.seconds <= 0:
            raise AddressError("the access token has expired")
        if not can_be_asked_for(request.patient_id):
            raise AddressError("context.patientId is no id of FHIR")
        base = servers.base(request.fhir_server)
        seconds = min(self.settings.seconds, access.seconds or self.settings.seconds)
        deadline = asyncio.get_running_loop().time() + seconds
        return _Call(self, base, servers.reach, access.token, request.patient_id, deadline)


@dataclass(slots=True)
class _Call:
    """All that is fetched for one request."""

    fetcher: Fetcher
    base: Place
    reach: Reach
    token: str
    patient_id: str
    deadline: float
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_A_TIME))

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.deadline - asyncio.get_running_loop().time()

    async def ask(self, asks: Sequence[Ask]) -> list[Told]:
        """Everything at once; what only adds is waited for a little longer than what is needed, no more."""
        if not asks:
            return []
        tasks = {ask.query.key: asyncio.create_task(self._search(ask)) for ask in asks}
        needed = [tasks[ask.query.key] for ask in asks if ask.query.required]
        try:
            if needed:
                await asyncio.wait(needed)
            await asyncio.wait(tasks.values(), timeout=min(GRACE_SECONDS, max(self.left, 0)))
        finally:
            for task in tasks.values():
                task.cancel()
        await asyncio.wait(tasks.values())
        return [
            settled(ask, (), ask.page.read, _unread("it did not answer in time")) if task.cancelled() else task.result()
            for ask, task in zip(asks, tasks.values(), strict=True)
        ]

    async def medications(self, references: Sequence[str]) -> list[bytes]:
        """The Medications that orders refer to, as far as they are on this server and can be read."""
        places = [place for each in references if (place := self._medication(each))]
        found = await asyncio.gather(*map(self._read_medication, places))
        return [body for body in found if body]

    async def _read_medication(self, place: Place) -> bytes:
        try:
            reply = await self._get(place)
        except OutboundError:
            return b""
        page = read_page(_MEDICATION, reply.body, self.patient_id) if reply.status == 200 else None
        return reply.body if page and page.state is State.DELIVERED else b""

    def _medication(self, reference: str) -> Place | None:
        name = relative(reference)
        if not _MEDICATION_NAME.fullmatch(name):
            return None
        place = self.base.under(name)
        if "://" not in reference:
            return place
        try:
            said = read_place(reference.partition("/_history/")[0])
        except AddressError:
            return None
        return place if said == place else None

    async def _search(self, ask: Ask) -> Told:
        """One key, page by page."""
        going_on = self._following(ask.page.next)
        place = going_on or self.base.under(ask.search)
        read, bodies, seen = (ask.page.read if going_on else 0), list[bytes](), set[Place]()
        while True:
            if len(bodies) == self.fetcher.settings.max_pages or place in seen:
                return settled(ask, tuple(bodies), read, f"was not read: more than {len(bodies)} pages")
            seen.add(place)
            try:
                reply = await self._get(place)
            except OutboundError as error:
                return settled(ask, tuple(bodies), read, _unread(str(error)))
            if reply.status != 200:
                return settled(ask, tuple(bodies), read, _unread(_refusal(reply.status)))
            page = read_page(ask.query, reply.body, self.patient_id)
            if page.state is State.FAILED or (page.state is State.MISSING):
                self.fetcher.outcomes["garbage"] += 1
                return settled(ask, tuple(bodies), read, f"the FHIR server's answer {page.because}")
            bodies.append(reply.body)
            read += page.read
            if page.state is not State.PARTIAL or (ask.query.newest is not None and read >= ask.query.newest):
                return settled(ask, tuple(bodies), read)
            if not page.next:
                whole = not page.refused and page.total is not None and page.total <= read
                return settled(
                    ask, tuple(bodies), read, "" if whole else f"is not there: the FHIR server's answer {page.because}"
                )
            following = self._following(page.next)
            if following is None:
                return settled(ask, tuple(bodies), read, "was not read: its next page is not on the FHIR server")
            place = following

    def _following(self, link: str) -> Place | None:
        """The place of a next link, if it is on the origin of the FHIR server.

        A server behind a proxy that ends TLS may write http into its links: it is asked where the client said it is.
        """
        if not link:
            return None
        if link[0] in "/\\":
            return None
        try:
            place = read_place(link if _ABSOLUTE.match(link) else str(self.base.under(link)))
        except AddressError:
            return None
        ours = self.base.origin
        if place.origin == ours or (place.origin.host, place.origin.scheme, place.origin.port) == (
            ours.host,
            "http",
            80,
        ):
            return replace(place, origin=ours)
        return None

    async def _get(self, place: Place) -> Reply:
        """One answer, asked for once more where the server says when to come back and there is time to.

        Raises:
            OutboundError: there is no answer to read.
        """
        async with self.gate:
            try:
                reply = await self._once(place)
                wait = _retry_after(reply)
                if wait is not None and wait < self.left:
                    await asyncio.sleep(wait)
                    reply = await self._once(place)
            except OutboundError as error:
                self.fetcher.outcomes[error.kind] += 1
                raise
        self.fetcher.outcomes["read" if reply.status == 200 else str(reply.status)] += 1
        return reply

    async def _once(self, place: Place) -> Reply:
        if self.left <= 0:
            raise OutboundError("timeout", "the time for fetching was over")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        outbound = self.fetcher.outbound
        reply = await outbound.get(place, self.reach, headers=headers, bounds=self._bounds())
        path, asked, form = place.target.partition("?")
        if reply.status in _BY_POST and asked and self.left > 0:
            search = Place(place.origin, f"{path}/_search")
            return await outbound.search(search, form, self.reach, headers=headers, bounds=self._bounds())
        return reply

    def _bounds(self) -> Bounds:
        return Bounds(seconds=max(self.left, 0.001), size=self.fetcher.settings.max_bytes, types=TYPES)


_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_MEDICATION = Query("medication", "Medication", "what an order refers to", "medications")
_MEDICATION_NAME = re.compile(r"Medication/(?!\.+\Z)[A-Za-z0-9.-]{1,64}")


def _unread(because: str) -> str:
    return f"could not be fetched from the FHIR server: {because}"


def _refusal(status: int) -> str:
    said = _REFUSALS.get(status) or ("it failed" if status >= 500 else "it refused the question")
    return f"{said} ({status})"


_REFUSALS: Mapping[int, str] = {
    401: "it did not accept the access token",
    403: "the access token does not cover it",
    404: "it does not have it",
    410: "it does not have it any more",
    429: "it asks to slow down",
}


def _retry_after(reply: Reply) -> float | None:
    """Seconds after which the server may be asked again; None when it does not say so."""
    if reply.status not in (429, 503):
        return None
    said = reply.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdecimal():
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0)
    except (TypeError, ValueError):
        return None
