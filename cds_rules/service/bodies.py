"""Reading a request body within limits: content type, encoding, size; cut off while it streams.

Flows in: a request. Flows out: its bytes, unpacked. Floor: edge (service).
"""

from __future__ import annotations

import zlib

from starlette.requests import Request

from cds_rules.service.errors import Problem
from cds_rules.service.settings import Limits

_TYPES = frozenset({"application/json", "application/fhir+json", "application/json+fhir", "text/json"})
_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_GZIP = frozenset({"gzip", "x-gzip"})


async def read_body(request: Request, limit: int) -> bytes:
    """The body's bytes, unpacked.

    Raises:
        Problem: another media type, an encoding we do not unpack, too large, or not what its encoding says.
    """
    _check_type(request.headers.get("content-type", ""))
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity") and encoding not in _GZIP:
        raise Problem("content-encoding")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    body = b"".join(chunks)
    return unpacked(body, limit) if encoding in _GZIP else body


def unpacked(body: bytes, limit: int) -> bytes:
    """Unpack gzip, also of several members, never to more than the limit.

    Raises:
        Problem: larger than the limit, or not gzip.
    """
    parts: list[bytes] = []
    size = 0
    while body:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(body, limit - size + 1)
        except zlib.error:
            raise Problem(
                "bad-request", "body: found something that is not gzip; the Content-Encoding header says gzip"
            ) from None
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if not unpacker.eof:
            raise Problem("bad-request", "body: found gzip that is cut off; the whole body belongs here")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def check_shape(body: bytes, limits: Limits) -> None:
    """Refuse what is nested too deeply or holds too many resources, before it is decoded.

    Raises:
        Problem: it does.
    """
    most = limits.max_entries
    if len(body) > most * len(_RESOURCE) and body.count(_RESOURCE) > most:  # a small body cannot hold so many
        raise Problem("too-large", f"The body holds more than {most} resources.")
    if depth_beyond(body, limits.max_depth):
        raise Problem("bad-request", f"body: found something nested deeper than {limits.max_depth} levels")


_RESOURCE = b'"resourceType"'
_NOT_BRACKETS = bytes(set(range(256)) - set(b'{}[]"'))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")


def depth_beyond(body: bytes, limit: int) -> bool:
    """Whether JSON is nested deeper than a limit; of what is no JSON it may say either, and the decoder says the rest.

    >>> depth_beyond(b'{"a": [{"b": "[[[["}]}', 3), depth_beyond(b'{"a": [{"b": []}]}', 3)
    (False, True)
    """
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    # what stands between quotes does not count; most of it holds no bracket, and two quotes change nothing of what is between
    brackets = b"".join(plain.translate(_ONE_KIND, _NOT_BRACKETS).replace(b'""', b"").split(b'"')[::2])
    for _ in range(limit):  # each round takes the innermost level away
        shorter = brackets.replace(b"{}", b"")
        if len(shorter) == len(brackets):
            return False
        brackets = shorter
    return b"{}" in brackets


def _check_type(header: str) -> None:
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charset = next((part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")), "")
    if (kind and kind not in _TYPES) or charset not in _CHARSETS:
        raise Problem("media-type")


def _too_large(limit: int) -> Problem:
    # the rest of the body is not read, so the connection cannot go on
    return Problem("too-large", f"The body is larger than {limit} bytes.", headers={"Connection": "close"})
