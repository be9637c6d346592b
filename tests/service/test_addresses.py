"""Addresses are read strictly and once; network addresses are public or listed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.service.addresses import AddressError, Reach, is_public, may_connect, read_place


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("https://ehr.example.org/fhir", "https://ehr.example.org/fhir"),
        ("HTTPS://EHR.Example.ORG:443", "https://ehr.example.org/"),
        ("https://ehr.example.org./r4?x=1#top", "https://ehr.example.org/r4?x=1"),
        ("https://ehr.example.org:8443/a b|c\u00e9", "https://ehr.example.org:8443/a%20b%7Cc%C3%A9"),
        ("https://ehr.example.org?_getpages=1", "https://ehr.example.org/?_getpages=1"),
        ("https://[2620:FE::FE]:8443/x", "https://[2620:fe::fe]:8443/x"),
        ("http://8.8.8.8/%7Ca", "http://8.8.8.8/%7Ca"),
        ("https://xn--mnchen-3ya.example/", "https://xn--mnchen-3ya.example/"),
    ],
)
def test_an_address_is_read_into_its_parts(said: str, read: str) -> None:
    assert str(read_place(said)) == read
    assert str(read_place(read)) == read


@pytest.mark.parametrize(
    "said",
    [
        "", "ehr.example.org", "//ehr.example.org/", "ftp://ehr.example.org/", "file:///etc/passwd", "gopher://a/", "https:ehr.example.org", "https:/ehr.example.org", "https:///x",
        "https://ehr.example.org@evil.example/", "https://ehr.example.org:secret@evil.example/", "https://evil.example\\@ehr.example.org/", "https://ehr.example.org\\.evil.example/",
        "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/", "https://127.0.1/", "https://0x7f.0.0.1/", "https://127.0.0.1.0x/", "https://1.2.3.4.5/", "https://256.1.1.1/",
        "https://[::1/", "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1]evil.example/", "https://[not]/",
        "https://ehr.example.org:0/", "https://ehr.example.org:65536/", "https://ehr.example.org:80a/", "https://ehr.example.org:\u0664\u0664\u0663/", "https://ehr.example.org:1:2/",
        "https://ehr\u3002example.org/", "https://\u2460\u2461.example/", "https://m\u00fcnchen.example/", "https://\u212aehr.example/", "https://ehr..example.org/", "https://-ehr.example.org/", "https://ehr example.org/",
        "https://ehr.example.org/fhir/../other", "https://ehr.example.org/fhir/%2E%2e/other", "https://ehr.example.org/./", "https://ehr.example.org/fhir/..", "https://ehr.example.org/\r\nHost: evil", "https://ehr.example.org/\x00", "https://ehr.example\t.org/", "https://" + "a" * 300 + "/", "https://ehr.example.org/" + "a" * 9000,
    ],
)  # fmt: skip
def test_what_two_readers_could_read_in_two_ways_is_refused(said: str) -> None:
    with pytest.raises(AddressError) as refused:
        read_place(said)
    assert "evil" not in str(refused.value)


@given(st.text(max_size=60) | st.from_regex(r"https?://[^ ]{1,40}", fullmatch=True))
def test_any_text_is_an_address_or_refused_and_reading_is_stable(said: str) -> None:
    try:
        place = read_place(said)
    except AddressError:
        return
    assert read_place(str(place)) == place
    assert str(place).isascii()
    assert not any(each <= " " for each in str(place))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "192.0.2.1",
        "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "5f00::1", "100::1",
    ],
)  # fmt: skip
def test_what_is_not_an_ordinary_public_address_is_not_connected_to(address: str) -> None:
    assert not may_connect(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:4860:4860::8888", "2620:fe::fe", "::ffff:8.8.8.8", "64:ff9b::808:808"])  # fmt: skip
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_judged_as_itself(address: object) -> None:
    bare = ip_address(str(address))
    for clothes in ("::ffff:{}", "64:ff9b::{}"):
        assert is_public(ip_address(clothes.format(bare))) == is_public(bare)


def test_listed_networks_are_allowed_and_only_they() -> None:
    networks = Reach.read((), ["10.20.0.0/16", "fd12::/32"]).networks
    assert may_connect(ip_address("10.20.3.4"), networks)
    assert may_connect(ip_address("::ffff:10.20.3.4"), networks)
    assert may_connect(ip_address("fd12::1"), networks)
    assert not may_connect(ip_address("10.21.0.1"), networks)
    assert not may_connect(ip_address("127.0.0.1"), networks)
    with pytest.raises(AddressError, match="network"):
        Reach.read((), ["10.20.0.1/16"])


def test_a_listed_address_that_names_a_network_address_lists_that_too() -> None:
    reach = Reach.read(["http://10.0.0.5:8080/fhir", "http://localhost:8080", "https://ehr.example.org"])
    assert may_connect(ip_address("10.0.0.5"), reach.networks)
    assert may_connect(ip_address("::1"), reach.networks)
    assert not may_connect(ip_address("10.0.0.6"), reach.networks)


def test_only_listed_origins_pass() -> None:
    reach = Reach.read(["https://ehr.example.org/fhir", "https://ehr.example.org:8443"])
    for said in ("https://EHR.example.org.:443/", "https://ehr.example.org:8443/"):
        reach.check(read_place(said).origin)
    for said in (
        "https://ehr.example.org:9443",
        "http://ehr.example.org",
        "https://ehr.example.org.evil.example",
        "https://x.ehr.example.org",
    ):
        with pytest.raises(AddressError, match="list"):
            reach.check(read_place(said).origin)


def test_a_relative_address_stands_below_its_base() -> None:
    base = read_place("https://ehr.example.org/fhir/r4/")
    assert (
        str(base.under("Observation?code=http://loinc.org|1"))
        == "https://ehr.example.org/fhir/r4/Observation?code=http://loinc.org%7C1"
    )
