"""Who may call: good tokens of real clients pass, and twenty and more bad ones meet one and the same refusal."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey
from starlette.testclient import TestClient

from cds_rules.service.app import create_app
from cds_rules.service.settings import Issuer, Server, Settings, Store, Tenant, Trust
from cds_rules.service.tokens import PUBLIC_SANDBOX
from tests.hooks.build import body
from tests.hooks.fakes import AT, evaluation, unjudged
from tests.service.conftest import HERE, KNOWLEDGE, Stage
from tests.service.jwt import (
    BASE,
    EC,
    ISSUER,
    KEYS,
    RSA,
    Published,
    bearer,
    claims,
    confused,
    key_set,
    part,
    public,
    publish,
    signed,
    token,
    trusting,
)

DISCOVERY = "/cds-services"
VIEW = "/cds-services/magnesium-cramps-patient-view"
SIGN = "/cds-services/magnesium-cramps-order-sign"
NOW = int(time.time())
"""When the tests were collected: for tokens that have time."""


def now() -> int:
    return int(time.time())


@pytest.fixture
def trust(stage: Stage) -> Callable[[Settings], TestClient]:
    """A client of a service that trusts somebody."""

    def made(settings: Settings) -> TestClient:
        return TestClient(create_app(KNOWLEDGE, settings, clock=lambda: AT), client=HERE)

    return made


@pytest.fixture
def client(trust: Callable[[Settings], TestClient]) -> TestClient:
    return trust(trusting())


@pytest.fixture
def published() -> Iterator[Published]:
    with publish() as made:
        yield made


def call(client: TestClient, said: str, path: str = VIEW) -> Any:
    return client.post(path, content=body(), headers=bearer(said))


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_both_algorithms_of_the_standard_are_taken(client: TestClient, algorithm: str) -> None:
    assert call(client, token(VIEW, algorithm)).status_code == 200


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({"typ": "jwt"}, {}),
        ({}, {"aud": [f"{BASE}{SIGN}", f"{BASE}{VIEW}"]}),
        ({}, {"sub": "client-1", "nbf": NOW - 300, "exp": NOW + 1800}),
        ({}, {"exp": time.time() + 1800.5}),
        ({}, {"tenant": "anything"}),
        ({}, {"iat": NOW + 5, "exp": NOW + 1805}),
        ({"jku": "https://somewhere.example/jwks"}, {}),
        ({"x5c": ["A" * 2000]}, {}),
        *(
            ({}, {"aud": f"{BASE}{path}"})
            for path in (f"{VIEW}/", f"/{DISCOVERY}{VIEW[13:]}", f"{DISCOVERY}/{VIEW[13:]}", f"{VIEW}//")
        ),
    ],
)
def test_what_real_clients_send_is_taken(client: TestClient, header: dict[str, Any], changes: dict[str, Any]) -> None:
    assert call(client, token(VIEW, header=header, **changes)).status_code == 200


def test_each_endpoint_wants_a_token_of_its_own(client: TestClient) -> None:
    assert client.get(DISCOVERY, headers=bearer(token(DISCOVERY))).status_code == 200
    assert client.get(f"{DISCOVERY}/", headers=bearer(token(f"{DISCOVERY}/"))).status_code == 200
    assert client.get(DISCOVERY, headers=bearer(token(VIEW))).status_code == 401
    assert call(client, token(DISCOVERY)).status_code == 401
    assert call(client, token(VIEW), f"{VIEW}/feedback").status_code == 401
    assert call(client, token(f"{VIEW}/feedback"), f"{VIEW}/feedback").status_code != 401
    assert call(client, token(f"{VIEW}/feedback")).status_code == 401
    unknown = f"{DISCOVERY}/other"
    assert call(client, token(unknown), unknown).status_code == 404
    assert call(client, token(VIEW), unknown).status_code == 401


def test_pages_for_operators_want_no_token(client: TestClient) -> None:
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/")] == [200, 200, 200]


def test_a_preflight_wants_no_token(client: TestClient) -> None:
    for path in (DISCOVERY, VIEW, f"{VIEW}/feedback"):
        asked = client.options(path, headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"})
        assert asked.status_code == 204
        assert "authorization" in asked.headers["access-control-allow-headers"]


STRANGER_EC, STRANGER_RSA = ECKey.generate_key("P-384"), RSAKey.generate_key(2048)
P256 = ECKey.generate_key("P-256")


def altered(said: str) -> str:
    """A token whose claims were changed after it was signed."""
    head, _, mark = said.split(".")
    return f"{head}.{part(claims(VIEW, exp=now() + 3000))}.{mark}"


BAD: dict[str, tuple[str, Callable[[], str | None]]] = {
    "none at all": ("no-token", lambda: None),
    "no text": ("malformed", lambda: "Bearer "),
    "another scheme": ("no-token", lambda: f"Basic {token(VIEW)}"),
    "no token": ("malformed", lambda: "Bearer hello"),
    "two parts": ("malformed", lambda: f"Bearer {token(VIEW).rpartition('.')[0]}"),
    "huge": ("malformed", lambda: f"Bearer {token(VIEW, note='x' * 20_000)}"),
    "not base64": ("malformed", lambda: f"Bearer !!!.{token(VIEW).partition('.')[2]}"),
    "header is a list": ("malformed", lambda: f"Bearer {part([1])}.{token(VIEW).partition('.')[2]}"),
    "nested without end": ("malformed", lambda: f"Bearer {token(VIEW).partition('.')[0]}.{part(b'[' * 9000)}.x"),
    "alg none": (
        "algorithm",
        lambda: f"Bearer {part({'alg': 'none', 'typ': 'JWT', 'kid': 'ec'})}.{part(claims(VIEW))}.",
    ),
    "alg in other letters": (
        "algorithm",
        lambda: f"Bearer {part({'alg': 'NonE', 'typ': 'JWT', 'kid': 'ec'})}.{part(claims(VIEW))}.",
    ),
    "HS256 with the public key": ("algorithm", lambda: f"Bearer {confused(VIEW, 'HS256')}"),
    "HS384 with the public key": ("algorithm", lambda: f"Bearer {confused(VIEW, 'HS384')}"),
    "HS512 with the public key": ("algorithm", lambda: f"Bearer {confused(VIEW, 'HS512')}"),
    "RS256": ("algorithm", lambda: f"Bearer {signed(claims(VIEW), RSA, 'RS256', kid='rsa')}"),
    "PS384": ("algorithm", lambda: f"Bearer {signed(claims(VIEW), RSA, 'PS384', kid='rsa')}"),
    "ES256": ("algorithm", lambda: f"Bearer {signed(claims(VIEW), P256, 'ES256')}"),
    "alg of another kind of key": ("key", lambda: f"Bearer {token(VIEW, 'RS384', header={'kid': 'ec'})}"),
    "no kid": ("header", lambda: f"Bearer {token(VIEW, header={'kid': ...})}"),
    "unknown kid": ("key", lambda: f"Bearer {token(VIEW, header={'kid': 'other'})}"),
    "no typ": ("header", lambda: f"Bearer {token(VIEW, header={'typ': ...})}"),
    "typ of something else": ("header", lambda: f"Bearer {token(VIEW, header={'typ': 'at+jwt'})}"),
    "crit": ("header", lambda: f"Bearer {token(VIEW, header={'crit': ['exp'], 'exp': 1})}"),
    "unencoded payload": (
        "header",
        lambda: f"Bearer {part({'alg': 'ES384', 'typ': 'JWT', 'kid': 'ec', 'b64': False})}.{part(claims(VIEW))}.x",
    ),
    "key in the token": (
        "signature",
        lambda: f"Bearer {signed(claims(VIEW), STRANGER_EC, jwk=public(STRANGER_EC, 'ec'))}",
    ),
    "signed by another EC key": ("signature", lambda: f"Bearer {signed(claims(VIEW), STRANGER_EC)}"),
    "signed by another RSA key": ("signature", lambda: f"Bearer {signed(claims(VIEW), STRANGER_RSA, 'RS384')}"),
    "changed after it was signed": ("signature", lambda: f"Bearer {altered(token(VIEW))}"),
    "empty signature": ("signature", lambda: f"Bearer {token(VIEW).rpartition('.')[0]}."),
    "one claim twice": (
        "malformed",
        lambda: "Bearer " + signed(json.dumps(claims(VIEW))[:-1].encode() + b', "iss": "x"}'),
    ),
    "unknown issuer": ("issuer", lambda: f"Bearer {token(VIEW, iss='https://other.example')}"),
    "issuer with a slash more": ("issuer", lambda: f"Bearer {token(VIEW, iss=ISSUER + '/')}"),
    "issuer is a list": ("claims", lambda: f"Bearer {token(VIEW, iss=[ISSUER])}"),
    **{
        f"without {name}": (said, lambda name=name: f"Bearer {token(VIEW, **{name: ...})}")  # type: ignore[misc]
        for name, said in {
            "iss": "claims",
            "aud": "audience",
            "exp": "claims",
            "iat": "claims",
            "jti": "claims",
        }.items()
    },
    "aud of another service": ("audience", lambda: f"Bearer {token(SIGN)}"),
    "aud of another host": ("audience", lambda: f"Bearer {token(VIEW, aud=f'https://other.example{VIEW}')}"),
    "aud without path": ("audience", lambda: f"Bearer {token(VIEW, aud=BASE)}"),
    "aud with a query": ("audience", lambda: f"Bearer {token(VIEW, aud=f'{BASE}{VIEW}?x=1')}"),
    "aud with a user": ("audience", lambda: f"Bearer {token(VIEW, aud=f'http://a@127.0.0.1:8000{VIEW}')}"),
    "expired": ("expired", lambda: f"Bearer {token(VIEW, iat=now() - 600, exp=now() - 300)}"),
    "issued in the future": ("not-yet-valid", lambda: f"Bearer {token(VIEW, iat=now() + 600, exp=now() + 900)}"),
    "not valid yet": ("not-yet-valid", lambda: f"Bearer {token(VIEW, nbf=now() + 600, exp=now() + 900)}"),
    "lives ten years": ("lives-too-long", lambda: f"Bearer {token(VIEW, exp=now() + 10 * 365 * 86400)}"),
    "exp as text": ("claims", lambda: f"Bearer {token(VIEW, exp=str(now() + 300))}"),
    "exp is true": ("claims", lambda: f"Bearer {token(VIEW, exp=True)}"),
    "exp is infinite": (
        "malformed",
        lambda: f"Bearer {signed(json.dumps(claims(VIEW, exp=float('inf'))).encode())}",
    ),
    "exp before iat": ("claims", lambda: f"Bearer {token(VIEW, iat=now() + 20, exp=now() + 10)}"),
    "jti is a number": ("claims", lambda: f"Bearer {token(VIEW, jti=1)}"),
    "jti without end": ("claims", lambda: f"Bearer {token(VIEW, jti='x' * 1000)}"),
}


@pytest.fixture
def refusal(client: TestClient) -> Any:
    """What a call without a token gets."""
    return client.post(VIEW, content=body())


@pytest.mark.parametrize("name", BAD)
def test_every_bad_token_meets_the_same_refusal(
    client: TestClient, refusal: Any, stage: Stage, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    category, made = BAD[name]
    said = made()
    stage.calls.clear()
    with caplog.at_level(logging.INFO):
        answer = client.post(VIEW, content=body(), headers={} if said is None else {"Authorization": said})
    assert answer.status_code == refusal.status_code == 401
    assert answer.content == refusal.content
    assert {key: value for key, value in answer.headers.items() if key != "x-correlation-id"} == {
        key: value for key, value in refusal.headers.items() if key != "x-correlation-id"
    }
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert not stage.calls, "nothing was judged"
    assert f"refused={category}" in caplog.text, "the reason stands in the log"
    metrics = client.get("/metrics").text
    assert re.search(rf'cds_rules_refused_tokens_total{{category="{category}"}} [1-9]', metrics)


def test_two_authorization_headers_are_refused(client: TestClient) -> None:
    said = f"Bearer {token(VIEW)}"
    answer = client.post(VIEW, content=body(), headers=[("Authorization", said), ("Authorization", said)])
    assert answer.status_code == 401


def test_a_refusal_takes_as_long_however_far_a_token_got(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not measured: the time a refusal waits for is asked for."""
    waited: list[float] = []
    real = __import__("asyncio").sleep

    async def sleep(seconds: float, *more: Any) -> None:
        waited.append(seconds)
        await real(0, *more)

    monkeypatch.setattr("cds_rules.service.app.asyncio.sleep", sleep)
    client.post(VIEW, content=body())
    call(client, signed(claims(VIEW), STRANGER_EC))
    assert len(waited) == 2
    assert all(0 < each <= 0.1 for each in waited)


def test_a_token_is_used_once(client: TestClient) -> None:
    said = token(VIEW)
    assert [call(client, said).status_code for _ in range(3)] == [200, 401, 401]


def test_a_token_is_used_once_over_all_workers(trust: Callable[[Settings], TestClient], tmp_path: Any) -> None:
    from pydantic import SecretStr

    settings = replace(trusting(), store=Store(url=SecretStr(f"sqlite:///{tmp_path}/used.db")))
    one, other, said = trust(settings), trust(settings), token(VIEW)
    with one, other:
        assert [call(one, said).status_code, call(other, said).status_code] == [200, 401]
        assert call(other, token(VIEW)).status_code == 200


def test_a_refused_token_is_not_used_up(client: TestClient) -> None:
    said = token(VIEW)
    assert call(client, said, SIGN).status_code == 401
    assert call(client, said).status_code == 200


def test_an_issuer_that_reuses_tokens_may_be_let(trust: Callable[[Settings], TestClient]) -> None:
    client, said = trust(trusting(jwks=key_set(), reuses_tokens=True)), token(VIEW)
    assert [call(client, said).status_code for _ in range(2)] == [200, 200]


def test_only_listed_tenants_may_call(trust: Callable[[Settings], TestClient], stage: Stage) -> None:
    stage.result = evaluation(**unjudged(mg_oral_aki="not sent"))
    client = trust(trusting(jwks=key_set(), tenants={"north": Tenant(profile="sandbox"), "south": Tenant()}))
    assert call(client, token(VIEW, tenant="north")).status_code == 200, "as the profile of the tenant says"
    assert call(client, token(VIEW, tenant="south")).status_code == 412
    for other in (token(VIEW, tenant="west"), token(VIEW), token(VIEW, tenant=["north"])):
        assert call(client, other).status_code == 401


def test_the_profile_of_an_issuer_shapes_its_answers(trust: Callable[[Settings], TestClient], stage: Stage) -> None:
    stage.result = evaluation(**unjudged(mg_oral_aki="not sent"))
    assert call(trust(trusting(jwks=key_set(), profile="sandbox")), token(VIEW)).status_code == 200


def test_the_audience_is_the_public_address_whatever_the_host_header_says(
    trust: Callable[[Settings], TestClient],
) -> None:
    client = trust(replace(trusting(), server=Server(public_url="https://cds.example.org/base")))
    good = token(VIEW, aud=f"https://CDS.example.org:443/base{VIEW}")
    assert call(client, good).status_code == 200
    spoofed = bearer(token(VIEW, aud=f"https://evil.example{VIEW}")) | {"Host": "evil.example"}
    assert client.post(VIEW, content=body(), headers=spoofed).status_code == 401


# --- keys that are fetched ---------------------------------------------------------------------------------------------


def test_keys_are_fetched_from_the_listed_address_once(
    trust: Callable[[Settings], TestClient], published: Published
) -> None:
    client = trust(trusting(jku=(published.address,)))
    for header in ({"jku": published.address}, {}, {"jku": published.address}):
        assert call(client, token(VIEW, header=header)).status_code == 200
    assert published.asked == ["/jwks"]


def test_nothing_is_fetched_for_an_address_that_is_not_listed(
    trust: Callable[[Settings], TestClient], published: Published, client: TestClient
) -> None:
    stranger = {"jku": published.address}
    listed = trust(trusting(jku=("https://ehr.example.org/jwks",)))
    assert call(listed, token(VIEW, header=stranger)).status_code == 401
    assert call(listed, token(VIEW, header=stranger | {"kid": "new"})).status_code == 401
    assert call(client, token(VIEW, header=stranger | {"kid": "new"})).status_code == 401
    assert call(client, token(VIEW, iss="https://other.example", header=stranger)).status_code == 401
    for near in (published.address.upper(), f"{published.address}/", f"{published.address}?x", f"{published.address}#"):
        own = trust(trusting(jku=(published.address,)))
        assert call(own, token(VIEW, header={"jku": near})).status_code == 401
    assert not published.asked


def test_nothing_is_fetched_for_an_algorithm_or_issuer_that_is_not_trusted(
    trust: Callable[[Settings], TestClient], published: Published
) -> None:
    client = trust(trusting(jku=(published.address,)))
    for said in (confused(VIEW, "HS256"), token(VIEW, iss="https://other.example"), "a.b.c"):
        assert call(client, said).status_code == 401
    assert not published.asked


def test_a_new_key_works_without_restart_and_a_flood_of_unknown_ones_fetches_once(
    trust: Callable[[Settings], TestClient], published: Published
) -> None:
    settings = trusting(jku=(published.address,))
    client = trust(replace(settings, trust=replace(settings.trust, key_refetch_seconds=1)))
    assert call(client, token(VIEW)).status_code == 200
    new = ECKey.generate_key("P-384")
    published.document = key_set(ec=EC, new=new)
    for _ in range(5):
        assert call(client, signed(claims(VIEW), new, kid="nobody")).status_code == 401
    assert len(published.asked) == 1, "too soon after the first fetch"
    time.sleep(1.0)
    assert call(client, signed(claims(VIEW), new, kid="new")).status_code == 200
    for _ in range(5):
        assert call(client, signed(claims(VIEW), new, kid="nobody")).status_code == 401
    assert len(published.asked) == 2


def test_a_key_set_that_redirects_is_not_followed(
    trust: Callable[[Settings], TestClient], published: Published
) -> None:
    with publish() as elsewhere:
        published.status, published.location = 302, elsewhere.address
        assert call(trust(trusting(jku=(published.address,))), token(VIEW)).status_code == 401
        assert not elsewhere.asked


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"keys": []},
        {"keys": "x"},
        {"keys": [public(EC, "ec", use="enc")]},
        {"keys": [KEYS["ES384"].as_dict(private=True) | {"kid": "ec"}]},
    ],
)
def test_a_key_set_without_usable_keys_lets_nobody_in(
    trust: Callable[[Settings], TestClient], published: Published, document: object
) -> None:
    published.document = document
    assert call(trust(trusting(jku=(published.address,))), token(VIEW)).status_code == 401


def test_a_key_set_that_fails_later_is_used_on(trust: Callable[[Settings], TestClient], published: Published) -> None:
    settings = trusting(jku=(published.address,))
    client = trust(replace(settings, trust=replace(settings.trust, key_refetch_seconds=1, key_cache_seconds=1)))
    assert call(client, token(VIEW)).status_code == 200
    published.status = 500
    time.sleep(1.0)
    assert call(client, token(VIEW)).status_code == 200
    assert len(published.asked) == 2


# --- the public sandbox --------------------------------------------------------------------------------------------------


def test_the_public_sandbox_is_trusted_only_when_that_is_asked_for(
    trust: Callable[[Settings], TestClient], stage: Stage
) -> None:
    assert "sandbox.cds-hooks.org" in PUBLIC_SANDBOX.issuer
    assert call(trust(trusting()), token(VIEW, iss=PUBLIC_SANDBOX.issuer)).status_code == 401
    client = trust(Settings(trust=Trust(public_sandbox=True)))
    assert "THE PUBLIC SANDBOX IS TRUSTED" in client.get("/readyz").text
    assert call(client, "").status_code == 401, "and then tokens are asked for"


def test_two_issuers_do_not_lend_each_other_keys(trust: Callable[[Settings], TestClient]) -> None:
    other = Issuer("https://other.example", jwks={"keys": [public(STRANGER_EC, "ec")]})
    client = trust(Settings(trust=Trust(issuers=(*trusting().trust.issuers, other))))
    assert call(client, signed(claims(VIEW), STRANGER_EC)).status_code == 401
    assert call(client, signed(claims(VIEW, iss=other.issuer), STRANGER_EC)).status_code == 200
