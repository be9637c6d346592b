"""Where the service may call out to: strict reading of an address, lists of origins, and which network addresses
are public.

An address (fhirServer, next link, key set) is what a client sent: it is taken apart here, once, into the very parts that are
connected to; nothing reads it a second time in another way.
Flows in: text. Flows out: `Place`, `Reach`; or `AddressError` without the text. Floor: edge (service).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Self
from urllib.parse import quote, unquote

from cds_rules.vocabulary.errors import CdsRulesError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 8192
"""Characters of an address: a paging link may carry the whole search."""

_PORTS = {"https": 443, "http": 80}


class AddressError(CdsRulesError):
    """An address that is not called; says why without repeating it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port. host: lower case, without the last dot; an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As it stands in an address and in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Place:
    """An address taken apart. target: path and query, percent-encoded, beginning with "/"."""

    origin: Origin
    target: str

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"

    def under(self, relative: str) -> Place:
        """The place of a relative address below this one: "Observation?code=1" below ".../fhir"."""
        base = self.target.partition("?")[0].rstrip("/")
        return Place(self.origin, f"{base}/{_encoded(relative)}")


_SHAPE = re.compile(r"(https?)://([^/?#\\@]*)([/?][^#]*)?(?:#.*)?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_NOT_PLAIN = "its host is not a name in plain ASCII (an international name belongs here as xn--...)"
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")
_ALLOWED = "!$%&'()*+,/:;=?@[]~"


def read_place(said: str) -> Place:
    """Take an absolute address apart.

    Raises:
        AddressError: not http or https, user information, a host that is not plain ASCII, an IPv4 address in another form
            than four decimal numbers, a port out of range, a path with "..", control characters, too long.

    >>> str(read_place("HTTPS://EHR.example.org.:443/fhir?x=a|b#c"))
    'https://ehr.example.org/fhir?x=a%7Cb'
    >>> read_place("https://2130706433/")
    Traceback (most recent call last):
    cds_rules.service.addresses.AddressError: its host is a number in another form than an IPv4 address has
    """
    if len(said) > LONGEST:
        raise AddressError(f"it is longer than {LONGEST} characters")
    if any(each < " " or each == "\x7f" for each in said):
        raise AddressError("it holds control characters")
    found = _SHAPE.fullmatch(said.strip(" "))
    if found is None:
        raise AddressError("it is not an absolute http or https address without user information")
    scheme, authority = found[1].lower(), found[2]
    if not authority.isascii():  # lower() would turn some letters of other scripts into ours
        raise AddressError(_NOT_PLAIN)
    host, port = _host_and_port(authority.lower(), _PORTS[scheme])
    target = _encoded(found[3] or "/")
    if any(unquote(each) in (".", "..") for each in target.partition("?")[0].split("/")):
        raise AddressError("its path leads upward")
    return Place(Origin(scheme, host, port), target if target.startswith("/") else f"/{target}")


def _encoded(target: str) -> str:
    """What may not stand in an address percent-encoded, what is encoded left as it is."""
    return quote(target, safe=_ALLOWED)


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        inside, closed, rest = authority[1:].partition("]")
        try:
            if not closed or (rest and not rest.startswith(":")) or "%" in inside:
                raise ValueError
            return str(IPv6Address(inside)), _port(rest[1:] if rest else "", default)
        except ValueError:
            raise AddressError("its host is not an IPv6 address") from None
    host, colon, port = authority.partition(":")
    host = host.removesuffix(".")
    if not _HOST.fullmatch(host):
        raise AddressError(_NOT_PLAIN)
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            host = str(IPv4Address(host))
        except ValueError:
            raise AddressError("its host is a number in another form than an IPv4 address has") from None
    return host, _port(port if colon else "", default)


def _port(said: str, default: int) -> int:
    if not said:
        return default
    if not said.isascii() or not said.isdecimal() or len(said) > 5 or not 1 <= int(said) <= 65535:
        raise AddressError("its port is not a number from 1 to 65535")
    return int(said)


_REFUSED = tuple(
    ip_network(each)
    for each in (
        "168.63.129.16/32",  # a cloud's host, on a public address
        "192.0.0.0/24",  # protocols' own, another cloud's host among them
        "192.88.99.0/24",  # relays to 6to4
        "2001::/23",  # Teredo and other protocols that carry an address within the address
        "2001:db8::/32",
    )
)
_UNICAST = IPv6Network("2000::/3")
_TRANSLATED = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_COMPATIBLE = IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """Who may be called on behalf of one client: these origins, at public network addresses or in these networks."""

    origins: frozenset[Origin] = frozenset()
    networks: frozenset[Network] = frozenset()

    @classmethod
    def read(cls, addresses: Iterable[str], networks: Iterable[str] = ()) -> Self:
        """Read a list of addresses, of which the origin counts, and of networks such as "10.20.0.0/16".

        An address whose host is a network address, or localhost, lists that network address too.

        Raises:
            AddressError: an entry is not one.
        """
        origins = frozenset(read_place(each).origin for each in addresses)
        found: set[Network] = set()
        for each in networks:
            try:
                found.add(ip_network(each))
            except ValueError:
                raise AddressError('a network such as "10.20.0.0/16" belongs here') from None
        for origin in origins:
            found.update(_LOOPBACK if origin.host == "localhost" else _networks_of(origin.host))
        return cls(origins, frozenset(found))

    def check(self, origin: Origin) -> None:
        """Let an origin pass.

        Raises:
            AddressError: it is not listed.
        """
        if origin not in self.origins:
            raise AddressError("its origin is not on the list")


_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _networks_of(host: str) -> tuple[Network, ...]:
    try:
        return (ip_network(host),)
    except ValueError:
        return ()


def may_connect(address: Address, networks: Iterable[Network]) -> bool:
    """Whether a network address may be connected to: it is public, or in one of the networks listed.

    >>> from ipaddress import ip_address
    >>> may_connect(ip_address("::ffff:10.0.0.1"), [ip_network("10.0.0.0/8")]), may_connect(ip_address("10.0.0.1"), [])
    (True, False)
    """
    plain = (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
    return any(plain in each for each in networks if each.version == plain.version) or is_public(plain)


def is_public(address: Address) -> bool:
    """Whether an address is an ordinary one of the public Internet, also where it carries another address within.

    >>> from ipaddress import ip_address
    >>> [is_public(ip_address(each)) for each in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100.64.0.1")]
    [True, False, False, False, False]
    """
    if any(address in each for each in _REFUSED if each.version == address.version):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    if address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    if address in _TRANSLATED or address in _COMPATIBLE:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _UNICAST and address not in _SIX_TO_FOUR and address.is_global
