"""The way out: nobody is called who may not be, and no answer can hurt. Against real sockets that count who comes."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cds_rules.service.addresses import AddressError, Reach, read_place
from cds_rules.service.outbound import Bounds, Outbound, OutboundError, Reply

T = TypeVar("T")
LOOPBACK = ("127.0.0.0/8", "::1/128")
JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


OK = f"{JSON}Content-Length: 2\r\n\r\n{{}}".encode()


@dataclass
class Listener:
    """A server on loopback: how many connected, what they sent, and what each is answered."""

    answer: bytes | Callable[[bytes], bytes] = OK
    pause: float = 0
    port: int = 0
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heard.append(head)
                said = self.answer(head) if callable(self.answer) else self.answer
                await asyncio.sleep(self.pause)
                writer.write(said)
                await writer.drain()
                if b"Content-Length" not in said:
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(listener: Listener, tls: ssl.SSLContext | None = None) -> AsyncIterator[Listener]:
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0, ssl=tls)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()


async def call(
    url: str,
    origins: Sequence[str] = (),
    networks: Sequence[str] = LOOPBACK,
    *,
    names: dict[str, list[str]] | None = None,
    plain_http: bool = True,
    bounds: Bounds = Bounds(),  # noqa: B008
    headers: dict[str, str] | None = None,
) -> Reply:
    async def look_up(host: str, port: int) -> list[str]:
        found = (names or {}).get(host, [host])
        return [found.pop(0)] if len(found) > 1 and host == "rebinding.example" else found

    outbound = Outbound(plain_http=plain_http, look_up=look_up)
    try:
        return await outbound.get(
            read_place(url),
            replace(Reach.read(origins), networks=Reach.read((), networks).networks),
            bounds=bounds,
            headers=headers,
        )
    except AddressError as error:
        raise OutboundError("refused", str(error)) from None
    finally:
        await outbound.aclose()


def run(case: Callable[[Listener], Awaitable[T]], listener: Listener | None = None) -> tuple[T, Listener]:
    async def main() -> tuple[T, Listener]:
        async with listening(listener or Listener()) as there:
            return await case(there), there

    return asyncio.run(main())


def refusal(
    case: Callable[[Listener], Awaitable[Reply]], listener: Listener | None = None
) -> tuple[OutboundError, Listener]:
    async def caught(there: Listener) -> OutboundError:
        with pytest.raises(OutboundError) as error:
            await case(there)
        return error.value

    return run(caught, listener)


TARGETS = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://LOCALHOST.:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[::7f00:1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://017700000001:{port}/", "http://0177.0.0.1:{port}/", "http://127.1:{port}/", "http://0.0.0.0:{port}/", "http://[::]:{port}/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://100.100.100.200/", "http://metadata.google.internal:{port}/", "http://10.0.0.1:{port}/", "http://192.168.1.1:{port}/", "http://172.16.0.1:{port}/",
    "http://loopback.example:{port}/", "http://half.example:{port}/", "http://mapped.example:{port}/", "http://user@127.0.0.1:{port}/", "http://ehr.example.org@127.0.0.1:{port}/", "http://ehr.example.org:{port}\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\.ehr.example.org/", "http://127.0.0.1\u3002:{port}/", "http://\u2460\u2461\u2466.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "file:///etc/passwd",
]  # fmt: skip
NAMES = {
    "localhost": ["127.0.0.1"],
    "metadata.google.internal": ["127.0.0.1"],
    "loopback.example": ["127.0.0.1"],
    "half.example": ["8.8.8.8", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
}


@pytest.mark.parametrize("listed", [False, True], ids=["not listed", "listed by name"])
@pytest.mark.parametrize("target", TARGETS)
def test_nobody_is_called_who_may_not_be(target: str, listed: bool) -> None:
    """Even where the origin is on the list: a private network address must be listed as such."""

    async def case(there: Listener) -> Reply:
        url = target.format(port=there.port)
        try:
            origins = [str(read_place(url).origin)] if listed else ["https://ehr.example.org"]
        except AddressError:
            origins = []
        return await call(url, origins, (), names={name: list(found) for name, found in NAMES.items()})

    error, there = refusal(case)
    assert error.kind == "refused"
    assert there.connections == 0
    assert str(there.port) not in str(error)


def test_a_listed_place_is_called_with_what_belongs_into_a_call() -> None:
    reply, there = run(
        lambda there: call(f"http://ehr.example.org:{there.port}/fhir/Patient/1?a=b", [f"http://ehr.example.org:{there.port}"], names={"ehr.example.org": ["127.0.0.1"]}, headers={"Authorization": "Bearer t"})
    )  # fmt: skip
    assert (reply.status, reply.body) == (200, b"{}")
    head = there.heard[0].decode()
    assert head.startswith("GET /fhir/Patient/1?a=b HTTP/1.1\r\n")
    assert f"Host: ehr.example.org:{there.port}\r\n" in head
    assert "Authorization: Bearer t\r\n" in head
    assert "Accept: application/json" in head
    assert "cookie" not in head.lower()


def test_a_name_that_changes_its_address_after_the_check_leads_nowhere() -> None:
    """The look-up that is checked is the one that is connected to: the second answer of the name is never asked for."""
    names = {"rebinding.example": ["10.0.0.1", "127.0.0.1"]}
    error, there = refusal(
        lambda there: call(f"http://rebinding.example:{there.port}/", [f"http://rebinding.example:{there.port}"], (), names=names)
    )  # fmt: skip
    assert (error.kind, there.connections) == ("refused", 0)
    assert names["rebinding.example"] == ["127.0.0.1"]


def test_what_is_not_https_is_not_called_in_production() -> None:
    error, there = refusal(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], plain_http=False))  # fmt: skip
    assert (error.kind, str(error), there.connections) == ("refused", "it is not https", 0)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(there: Listener) -> Reply:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{there.port}")
        return await call("http://127.0.0.1:9/", ["http://127.0.0.1:9"])

    error, there = refusal(case)
    assert (error.kind, there.connections) == ("unreachable", 0)


def redirecting(to: str) -> Callable[[bytes], bytes]:
    def answer(head: bytes) -> bytes:
        if b"GET /there" in head:
            return OK
        return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()

    return answer


def test_a_redirect_within_the_origin_is_followed() -> None:
    reply, there = run(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"]), Listener(redirecting("/there")))  # fmt: skip
    assert (reply.status, len(there.heard)) == (200, 2)


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/", "http://169.254.169.254/", "file:///etc/passwd", "", "http://127.0.0.1:1/there", "nowhere"])  # fmt: skip
def test_a_redirect_to_another_origin_is_not_and_the_token_stays(to: str) -> None:
    error, there = refusal(
        lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], headers={"Authorization": "Bearer t"}),
        Listener(redirecting(to)),
    )  # fmt: skip
    assert (error.kind, len(there.heard)) == ("redirect", 1)


def test_redirects_end() -> None:
    error, there = refusal(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"]), Listener(redirecting("/again")))  # fmt: skip
    assert (error.kind, len(there.heard)) == ("redirect", 3)
    error, there = refusal(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], bounds=Bounds(redirects=0)), Listener(redirecting("/there")))  # fmt: skip
    assert (error.kind, len(there.heard)) == ("redirect", 1)


BOMB = gzip.compress(b" " * 20_000_000)
PACKED = gzip.compress(b'{"a": 1}')


def packed(body: bytes, encoding: str = "gzip") -> bytes:
    return f"{JSON}Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (packed(BOMB), "too-large"),
        (packed(PACKED[:-4]), "garbage"),
        (packed(b"not gzip at all"), "garbage"),
        (packed(zlib.compress(b"{}"), "deflate"), "media-type"),
        (packed(PACKED, "gzip, gzip"), "media-type"),
        (f"{JSON}Content-Length: 30000000\r\n\r\n".encode() + b" " * 11_000_000, "too-large"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", "media-type"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "media-type"),
        (f"{JSON}Content-Length: 99\r\n\r\n{{".encode(), "timeout"),
        (b"\x16\x03\x01 this is no HTTP\r\n\r\n", "garbage"),
        (b"", "garbage"),
    ],
    ids=["bomb", "cut gzip", "no gzip", "deflate", "twice packed", "too long", "html", "untyped", "never ends", "no http", "nothing"],
)  # fmt: skip
def test_an_answer_that_is_of_no_use_is_said_to_be(answer: bytes, kind: str) -> None:
    error, _ = refusal(
        lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], bounds=Bounds(seconds=1)), Listener(answer)
    )  # fmt: skip
    assert error.kind == kind
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None, "a traceback would show what was read"


def test_what_was_packed_is_unpacked() -> None:
    reply, _ = run(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"]), Listener(packed(PACKED)))  # fmt: skip
    assert reply.body == b'{"a": 1}'


def test_who_does_not_answer_is_not_waited_for() -> None:
    error, _ = refusal(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], bounds=Bounds(seconds=0.2)), Listener(pause=30))  # fmt: skip
    assert error.kind == "timeout"


def test_a_token_cannot_add_a_header() -> None:
    error, there = refusal(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"], headers={"Authorization": "Bearer a\r\nX-Evil: 1"}))  # fmt: skip
    assert (error.kind, there.heard) == ("garbage", [])


def test_an_error_status_is_a_reply_without_its_body() -> None:
    answer = b"HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    reply, _ = run(lambda there: call(f"http://127.0.0.1:{there.port}/", [f"http://127.0.0.1:{there.port}"]), Listener(answer))  # fmt: skip
    assert (reply.status, reply.headers["retry-after"], reply.body) == (429, "1", b"")


def test_connections_are_kept_and_used_again() -> None:
    async def case(there: Listener) -> None:
        outbound = Outbound(plain_http=True)
        place = read_place(f"http://127.0.0.1:{there.port}/")
        for _ in range(5):
            await outbound.get(place, Reach.read([str(place)], LOOPBACK))
        await outbound.aclose()

    _, there = run(case)
    assert (there.connections, len(there.heard)) == (1, 5)


def test_only_a_search_goes_by_post() -> None:
    async def case(there: Listener) -> Reply:
        outbound = Outbound(plain_http=True)
        base = read_place(f"http://127.0.0.1:{there.port}/fhir")
        reach = Reach.read([str(base)], LOOPBACK)
        with pytest.raises(OutboundError, match="search"):
            await outbound.search(base.under("Patient"), "x=1", reach)
        reply = await outbound.search(base.under("Patient/_search"), "x=1", reach)
        await outbound.aclose()
        return reply

    reply, there = run(case)
    assert reply.status == 200
    assert b"POST /fhir/Patient/_search" in there.heard[0]
    assert b"Content-Length: 3" in there.heard[0]


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """How a server with a certificate for a name speaks, and how a client that trusts this very certificate does."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.mark.parametrize(("name", "came"), [("ehr.example.org", "200"), ("evil.example", "tls")])
def test_a_certificate_is_held_against_the_name_not_the_address(tmp_path: Path, name: str, came: str) -> None:
    server, client = certificates(tmp_path, name)
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, said, _context: asked.append(said)

    async def look_up(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def main() -> str:
        async with listening(Listener(), server) as there:
            outbound = Outbound(tls=client, look_up=look_up)
            place = read_place(f"https://ehr.example.org:{there.port}/")
            try:
                return str((await outbound.get(place, Reach.read([str(place)], LOOPBACK))).status)
            except OutboundError as error:
                return error.kind
            finally:
                await outbound.aclose()

    assert asyncio.run(main()) == came
    assert asked == ["ehr.example.org"]
