"""Nobody gets past the gate who may not, no form is taken that was not given, and every look is in the audit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cds_rules.service.settings import Cors, Issuer, Launch, Review, Server, Trust
from cds_rules.store.audit import entries, prune
from tests.review.conftest import Browser
from tests.service.jwt import key_set

Pages = Callable[..., Browser]


def test_without_a_sign_in_there_is_only_the_sign_in(pages: Pages) -> None:
    browser = pages()
    turned = browser.get("/?rule=x")
    assert (turned.status_code, turned.headers["location"]) == (303, "/review/sign-in?to=%2F%3Frule%3Dx")
    assert browser.get("/sign-in").status_code == 200
    assert browser.get("/static/page.css").status_code == 200


def test_after_the_sign_in_one_is_where_one_wanted_to_be(pages: Pages) -> None:
    browser = pages()
    arrived = browser.post("/sign-in/development", name="Ada", role="reader", to="/?rule=x")
    assert arrived.headers["location"] == "/review/?rule=x"
    assert "Ada" in browser.get("/").text


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb"])
def test_no_sign_in_leads_elsewhere(pages: Pages, to: str) -> None:
    arrived = pages().post("/sign-in/development", name="Ada", role="reader", to=to)
    assert arrived.headers["location"] == "/review/"


def test_a_form_of_another_browser_is_refused(pages: Pages) -> None:
    mine = pages()
    theirs = pages(mine)
    assert mine.post("/sign-in/development", csrf=theirs.csrf(), name="Ada").status_code == 403
    assert mine.post("/sign-in/development", csrf="", name="Ada").status_code == 403
    assert mine.get("/").status_code == 303


def test_a_form_sent_by_another_site_is_refused(pages: Pages) -> None:
    browser = pages()
    sent = browser.client.post(
        "/review/sign-in/development",
        data={"csrf": browser.csrf(), "name": "Ada"},
        headers={"Sec-Fetch-Site": "cross-site"},
        follow_redirects=False,
    )
    assert sent.status_code == 403
    assert "The form is not from this page" in sent.text


def test_a_token_that_was_planted_is_worth_nothing(pages: Pages) -> None:
    browser = pages()
    browser.client.cookies.set("cds_review", "planted", domain="127.0.0.1", path="/review")
    browser.sign_in()
    thief = pages(browser)
    thief.client.cookies.set("cds_review", "planted", domain="127.0.0.1", path="/review")
    assert thief.get("/").status_code == 303


def test_who_signs_out_is_out_also_with_the_old_cookie(pages: Pages) -> None:
    browser = pages()
    browser.sign_in()
    kept = browser.client.cookies["cds_review"]
    assert browser.post("/sign-out").headers["location"] == "/review/sign-in?out"
    browser.client.cookies.set("cds_review", kept, domain="127.0.0.1", path="/review")
    assert browser.get("/").status_code == 303


def test_a_form_after_the_end_of_a_visit_is_not_kept_and_says_so(pages: Pages) -> None:
    browser = pages()
    sent = browser.post("/sets/import")
    assert sent.status_code == 401
    assert "Nothing was saved" in sent.text


def test_a_reader_writes_nothing(pages: Pages) -> None:
    browser = pages()
    browser.sign_in(role="reader")
    assert browser.post("/anything").status_code == 403
    assert browser.post("/sign-out").status_code == 303


def test_a_form_that_is_too_large_is_refused(pages: Pages) -> None:
    browser = pages()
    assert browser.post("/sign-in/development", name="A" * 70_000).status_code == 413


def test_only_forms_are_taken(pages: Pages) -> None:
    browser = pages()
    browser.sign_in()
    sent = browser.client.post("/review/x", json={"csrf": browser.csrf()}, follow_redirects=False)
    assert sent.status_code == 400


def test_the_cookie_is_for_these_pages_alone_and_not_for_scripts(pages: Pages) -> None:
    said = pages().sign_in().headers["set-cookie"]
    assert "Path=/review; Max-Age=36000; HttpOnly; SameSite=Lax" in said


def test_pages_that_an_ehr_may_frame_say_so_in_policy_and_cookie(pages: Pages) -> None:
    browser = pages(review=Review(frame_ancestors=("https://ehr.example.org",)))
    page = browser.get("/sign-in")
    assert "frame-ancestors https://ehr.example.org" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert "SameSite=None; Secure; Partitioned" in page.headers["set-cookie"]


def test_a_name_of_elsewhere_that_leads_here_is_not_answered(pages: Pages) -> None:
    browser = pages()
    assert browser.get("/sign-in", headers={"Host": "rebound.example:8000"}).status_code == 403
    assert browser.get("/sign-in", headers={"Host": "localhost:8000"}).status_code == 200


def test_every_look_and_every_refusal_is_in_the_audit(pages: Pages) -> None:
    browser = pages()
    browser.sign_in(role="reader")
    browser.get("/?patient=somebody")
    browser.get("/nowhere")
    browser.post("/anything")
    kept = entries(browser.client.app.state.desk.store.database)  # type: ignore[attr-defined]
    assert [(each.subject, each.role, each.action, each.item, each.status) for each in reversed(kept)] == [
        ("development ada", "reader", "sign-in", "development", 303),
        ("development ada", "reader", "GET", "/", 200),
        ("development ada", "reader", "GET", "/nowhere", 404),
        ("development ada", "reader", "GET", "/sign-in", 200),
        ("development ada", "reader", "POST", "/anything", 403),
    ]


def test_what_was_removed_from_the_audit_is_said_on_its_page(pages: Pages) -> None:
    time = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    browser = pages(clock=lambda: time)
    browser.sign_in("Ada")
    time += timedelta(days=40)
    browser.sign_in("Root", "admin")
    assert "were removed" not in browser.get("/audit").text
    assert "development ada" in browser.get("/audit").text
    prune(browser.client.app.state.desk.store.database, time, time - timedelta(days=30))  # type: ignore[attr-defined]
    told = browser.get("/audit").text
    assert "On 2026-07-11 entries of before 2026-06-11 were removed, as the settings say: 1." in told
    assert "development ada" not in told


def test_how_long_the_audit_is_kept_stands_with_the_rest(pages: Pages) -> None:
    browser = pages()
    browser.sign_in(role="reader")
    row = re.search("<tr>.*Who looked at which page.*</tr>", browser.get("/kept").text)
    assert row
    assert "for good" in row[0]


def test_a_visit_that_nothing_is_heard_of_ends(pages: Pages) -> None:
    time = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    browser = pages(clock=lambda: time)
    browser.sign_in()
    time += timedelta(minutes=29)
    assert browser.get("/").status_code == 200
    time += timedelta(minutes=31)
    assert browser.get("/").status_code == 303


def test_a_visit_ends_after_a_day_of_work_in_any_case(pages: Pages) -> None:
    time = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    browser = pages(clock=lambda: time)
    browser.sign_in()
    for _ in range(29):
        time += timedelta(minutes=20)
        assert browser.get("/").status_code == 200
    time += timedelta(minutes=20)
    assert browser.get("/").status_code == 303


def production(pages: Pages) -> Browser:
    """A service in production, as a browser behind its proxy sees it."""
    browser = pages(
        mode="production",
        server=Server(public_url="https://cds.example.org/base"),
        trust=Trust(issuers=(Issuer("a", jwks=key_set()),)),
        cors=Cors(origins=()),
        review=Review(launches=(Launch("https://ehr.example.org/fhir", "c"),)),
    )
    browser.client.base_url = "https://cds.example.org"
    return browser


def test_production_has_no_sign_in_of_development(pages: Pages) -> None:
    browser = production(pages)
    page = browser.get("/sign-in")
    assert "development" not in page.text.lower().split("<main", 1)[1]
    csrf = re.search(r'name="csrf"', page.text)
    assert csrf is None, "there is no form at all"
    assert browser.get("/sign-in/openid").status_code == 404


def test_production_says_https_for_ever_and_keeps_the_cookie_to_it(pages: Pages) -> None:
    page = production(pages).get("/sign-in")
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert page.headers["set-cookie"].startswith("__Secure-cds_review=")
    assert "Path=/base/review; " in page.headers["set-cookie"]
    assert page.headers["set-cookie"].endswith("; HttpOnly; SameSite=Lax; Secure")
    assert page.headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_production_answers_only_over_https(pages: Pages) -> None:
    browser = production(pages)
    browser.client.base_url = "http://cds.example.org"
    assert browser.get("/sign-in").status_code == 403


FAR = "9" * 30
LONG = "9" * 5000


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?since=0001-01-01&until=9999-12-31", 200),
        ("/?until=0001-01-01", 200),
        ("/?older=0001-01-01T00:00:00%2B23:59~1", 200),
        ("/?newer=9999-12-31T23:59:59-23:59~1", 200),
        ("/?rule=%00", 400),
        (f"/audit?before={FAR}", 200),
        (f"/audit?before={LONG}", 200),
        ("/audit?subject=%00", 400),
        ("/alerts/%00", 400),
        (f"/sets/{FAR}", 404),
        (f"/sets/{LONG}", 404),
        (f"/sets/{FAR}/results", 404),
        (f"/items/{FAR}/strip-light.svg", 404),
    ],
)
def test_an_address_that_makes_no_sense_is_no_failure_of_ours(pages: Pages, path: str, status: int) -> None:
    browser = pages()
    browser.sign_in(role="admin")
    assert browser.get(path).status_code == status


def test_a_form_with_what_no_database_takes_is_refused(pages: Pages) -> None:
    browser = pages()
    browser.sign_in(role="admin")
    assert browser.post("/visits/end", subject="a\0").status_code == 400
    assert browser.post(f"/items/{FAR}/reading", trigger="yes").status_code == 404
    assert browser.post("/sets/draw", name="x", house="", since="0001-01-01", until="9999-12-31").status_code == 400


def test_a_host_that_is_none_is_refused(pages: Pages) -> None:
    assert pages().get("/sign-in", headers={"Host": "[::1"}).status_code == 400
