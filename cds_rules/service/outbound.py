"""The one way out of the service: a pooled HTTP client that calls nobody it was not told it may.

The list of origins is asked before anything happens; the network addresses a name resolves to are checked by the very
function that connects to them, so no second look-up can lead elsewhere; certificate and Host header stay those of the name.
Redirects leave no origin, no proxy or password is taken from the environment, no cookie is kept, and an answer is bounded in
time, size (packed and unpacked) and media type.
Flows in: a `Place` and who may be called. Flows out: `Reply`, or `OutboundError` without address or content. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import cds_rules
from cds_rules.service.addresses import AddressError, Network, Place, Reach, read_place
from cds_rules.service.bodies import unpacked
from cds_rules.service.errors import Problem
from cds_rules.vocabulary.errors import CdsRulesError

if TYPE_CHECKING:  # imported with the first call: a service that asks nobody starts without it
    import httpcore2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to network addresses, as text."""

Kind = Literal["refused", "unreachable", "tls", "timeout", "redirect", "too-large", "media-type", "garbage"]
"""What an attempt came to; the label of a metric."""

JSON = ("application/json", "application/fhir+json", "application/json+fhir", "text/json")
MIB = 1024 * 1024


class OutboundError(CdsRulesError):
    """A call that gave no answer one can use. kind: for counting; the message: for people, without address or content."""

    def __init__(self, kind: Kind, because: str) -> None:
        super().__init__(because)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one call may take. seconds: from its beginning to the last byte. size: bytes, packed and unpacked."""

    seconds: float = 2.5
    size: int = 10 * MIB
    redirects: int = 2
    types: tuple[str, ...] = JSON


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. headers: names in lower case. body: unpacked; empty unless the status is 2xx."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Outbound:
    """The client; one a process, open as long as the service runs. Who may be called says each call.

    Connections are shared by calls that may reach the same private networks, never with one that may not.

    Args:
        plain_http: call http addresses that are listed, too (development). connections: most connections at a time.
        tls: how certificates are checked; None: by what the system trusts. look_up: how a host name becomes addresses.
    """

    def __init__(
        self,
        *,
        plain_http: bool = False,
        connections: int = 100,
        tls: ssl.SSLContext | None = None,
        look_up: Resolve = resolve,
    ) -> None:
        self._plain_http = plain_http
        self._connections = connections
        self._tls = tls
        self._look_up = look_up
        self._pools: dict[frozenset[Network], httpcore2.AsyncConnectionPool] = {}

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    def _pool(self, networks: frozenset[Network]) -> httpcore2.AsyncConnectionPool:
        if networks not in self._pools:
            import httpcore2

            from cds_rules.service.guard import Guard

            self._pools[networks] = httpcore2.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=self._connections,
                max_keepalive_connections=self._connections,
                keepalive_expiry=15,
                network_backend=Guard(networks, self._look_up),
            )
        return self._pools[networks]

    async def get(
        self,
        place: Place,
        reach: Reach,
        *,
        headers: Mapping[str, str] | None = None,
        bounds: Bounds = BOUNDS,
    ) -> Reply:
        """Read what is at a place, over redirects within its origin.

        Raises:
            OutboundError: it may not be called, cannot be reached, or answers in a way that is of no use.
        """
        return await self._within(bounds, self._follow(place, reach, headers or {}, bounds))

    async def search(
        self,
        place: Place,
        form: str,
        reach: Reach,
        *,
        headers: Mapping[str, str] | None = None,
        bounds: Bounds = BOUNDS,
    ) -> Reply:
        """Ask a FHIR server by POST Type/_search, which changes nothing there; no redirect is followed.

        Raises:
            OutboundError: as `get`; also for a place that is not a search.
        """
        if not place.target.endswith("/_search"):
            raise OutboundError("refused", "only a search is asked by POST")
        return await self.redeem(place, form, reach, headers or {}, bounds)

    async def redeem(
        self, place: Place, form: str, reach: Reach, headers: Mapping[str, str], bounds: Bounds = BOUNDS
    ) -> Reply:
        """Send a form, as a token endpoint takes an authorization code; no redirect is followed.

        Raises:
            OutboundError: as `get`.
        """
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self._within(bounds, self._call("POST", place, reach, sent, bounds, form.encode()))

    async def _within(self, bounds: Bounds, call: Awaitable[Reply]) -> Reply:
        import httpcore2

        try:
            async with asyncio.timeout(bounds.seconds):
                return await call
        except (TimeoutError, httpcore2.TimeoutException):
            raise OutboundError("timeout", "it did not answer in time") from None
        except (httpcore2.RemoteProtocolError, httpcore2.LocalProtocolError):
            raise OutboundError("garbage", "what it said is not HTTP") from None
        except (httpcore2.NetworkError, OSError) as error:
            if any(isinstance(each, ssl.SSLError) for each in _causes(error)):
                raise OutboundError("tls", "its certificate is not trusted, or it does not speak TLS") from None
            raise OutboundError("unreachable", "it could not be reached") from None

    async def _follow(self, place: Place, reach: Reach, headers: Mapping[str, str], bounds: Bounds) -> Reply:
        for _ in range(bounds.redirects + 1):
            reply = await self._call("GET", place, reach, headers, bounds)
            if reply.status not in (301, 302, 303, 307, 308):
                return reply
            place = _redirected(place, reply.headers.get("location", ""))
        raise OutboundError("redirect", "it redirects again and again" if bounds.redirects else "it redirects")

    async def _call(
        self,
        method: str,
        place: Place,
        reach: Reach,
        headers: Mapping[str, str],
        bounds: Bounds,
        content: bytes | None = None,
    ) -> Reply:
        import httpcore2

        origin = place.origin
        try:
            reach.check(origin)
        except AddressError as error:
            raise OutboundError("refused", str(error)) from None
        if origin.scheme != "https" and not self._plain_http:
            raise OutboundError("refused", "it is not https")
        sent = {
            "Host": origin.authority,
            "Accept": ", ".join(bounds.types),
            "Accept-Encoding": "gzip",
            "User-Agent": f"cds-rules/{cds_rules.__version__}",
            **({} if content is None else {"Content-Length": str(len(content))}),
            **headers,
        }
        async with self._pool(reach.networks).stream(
            method,
            httpcore2.URL(
                scheme=origin.scheme.encode(),
                host=origin.host.encode(),
                port=origin.port,
                target=place.target.encode(),
            ),
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=content,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), bounds.seconds)},
        ) as response:
            told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            reply = Reply(response.status, told, b"")
            if not 200 <= response.status < 300:
                return reply
            return replace(reply, body=await _body(response, told, bounds))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _redirected(place: Place, location: str) -> Place:
    if location.startswith("/") and not location.startswith("//"):
        location = f"{place.origin}{location}"
    try:
        found = read_place(location)
    except AddressError:
        raise OutboundError("redirect", "it redirects to something that is no address") from None
    if found.origin != place.origin:
        raise OutboundError("redirect", "it redirects to another origin")
    return found


async def _body(response: httpcore2.Response, headers: Mapping[str, str], bounds: Bounds) -> bytes:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in bounds.types:
        raise OutboundError("media-type", "it answered in another media type than JSON")
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise OutboundError("media-type", "it answered in an encoding that was not asked for")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > bounds.size:
            raise OutboundError("too-large", "its answer is too large")
        chunks.append(chunk)
    body = b"".join(chunks)
    if encoding == "identity":
        return body
    try:
        return unpacked(body, bounds.size)
    except Problem as problem:
        if problem.category == "too-large":
            raise OutboundError("too-large", "its answer is too large") from None
        raise OutboundError("garbage", "its answer is not what its encoding says") from None
