"""Signing in, reading blind, settling, exporting, a launch from an EHR: in a real browser, by keyboard where that matters."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cds_rules.cli import commands
from cds_rules.evaluate import Knowledge
from cds_rules.service.settings import Launch, Review
from cds_rules.store.decisions import Caller
from tests.browser.conftest import Served, violations
from tests.review.provider import CLIENT, SECRET, Provider, provide
from tests.store.scenes import SAMPLES, decided, sample, store, write

PageOf = Callable[..., Any]
SAMPLED = ("mg-oral-severe-ckd", "silent-torsades", "statin-interaction", "hypomagnesemia-lab")
EHR = Caller("north", "https://ehr.example.org")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay of some samples writes."""
    out = tmp_path_factory.mktemp("run") / "run.ndjson"
    paths = [str(SAMPLES / name / "bundle.json") for name in SAMPLED if (SAMPLES / name / "bundle.json").exists()]
    assert CliRunner().invoke(commands, ["replay", *paths, "--json", str(out), "--calls"]).exit_code == 0
    return out


@pytest.fixture(scope="module")
def reviewed(serving: Callable[..., Served]) -> Served:
    """A service whose review sets these tests change."""
    return serving()


@dataclass
class Signing:
    """A service with a provider to sign in with."""

    url: str
    provider: Provider


@pytest.fixture(scope="module")
def signing(serving: Callable[..., Served]) -> Iterator[Signing]:
    with provide() as provider:
        review = Review(issuer=provider.address, client_id=CLIENT, client_secret=SecretStr(SECRET))
        yield Signing(serving(review=review).url, provider)


def sign_in(page: Any, url: str, name: str, role: str = "reviewer", house: str = "") -> None:
    """By the form of development."""
    page.goto(f"{url}/sign-in?to=/sets")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Role").select_option(role)
    page.get_by_label("Whose alerts").fill(house)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/sets")


def bring_in(page: Any, url: str, run: Path, name: str, house: str = "") -> str:
    """A new set, by the form. Returns its address."""
    page.goto(f"{url}/sets/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("File of the run").set_input_files(str(run))
    page.get_by_label("Whose alerts").fill(house)
    page.get_by_label("Seed of the random numbers").fill("7")
    page.get_by_role("button", name="Draw the set").click()
    page.wait_for_url(f"{url}/sets/*")
    return str(page.url)


def judge(page: Any, trigger: str, action: str = "yes", comment: str = "") -> None:
    """Fill the form of an item in and send it."""
    page.get_by_role("group", name="Ought this rule to speak here?").get_by_label(trigger, exact=True).check()
    asked = page.get_by_role("group", name="Are the actions that the card proposes right?")
    if asked.count():
        asked.get_by_label(action, exact=True).check()
    page.get_by_label("Comment").fill(comment)
    page.locator("main form button").last.click()


def test_sign_in_of_development(reviewed: Served, page_of: PageOf) -> None:
    page = page_of(role="")
    page.goto(f"{reviewed.url}/")
    assert page.url == f"{reviewed.url}/sign-in?to=%2F"
    for typed in ("Tab", "Tab", "Tab"):
        page.keyboard.press(typed)
    page.get_by_label("Name").focus()
    page.keyboard.type("Ada Okafor")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{reviewed.url}/")
    assert page.get_by_text("Ada Okafor").is_visible()
    assert page.context.cookies()[0]["httpOnly"]


def test_sign_in_with_a_provider_and_the_end_of_the_visit(signing: Signing, page_of: PageOf) -> None:
    page = page_of(role="")
    page.goto(f"{signing.url}/sets")
    page.get_by_role("link", name="Sign in with 127.0.0.1").click()
    page.wait_for_url(f"{signing.url}/sets")
    assert page.get_by_text("Ada Okafor").is_visible()
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_text("You are signed out.").is_visible()
    page.goto(f"{signing.url}/sets")
    assert "/sign-in" in page.url


def test_two_disagree_and_a_third_settles_it(reviewed: Served, page_of: PageOf, run: Path, tmp_path: Path) -> None:
    admin = page_of()
    address = bring_in(admin, reviewed.url, run, "Disagreement")
    pages = {}
    for name, trigger in (("Ada", "yes"), ("Ben", "no")):
        page = pages[name] = page_of(role="")
        sign_in(page, reviewed.url, name)
        page.goto(address)
        page.get_by_role("link", name="Read the next item").click()
        first = page.url
        assert not page.get_by_role("table", name="Readings").count()
        assert page.locator("textarea").input_value() == ""
        judge(page, trigger, comment=f"{name} says so")
        assert page.url != first, "on to the next"
    for page in pages.values():
        page.goto(first)
        assert page.get_by_text("somebody else settles what differs").is_visible()
        assert not page.locator("main form").count()
    assert not pages["Ben"].get_by_text("Ada says so").count()
    eve = page_of(role="")
    sign_in(eve, reviewed.url, "Eve")
    eve.goto(address)
    eve.get_by_role("link", name="Settle where two others differ (1)").click()
    assert eve.url == first
    assert eve.get_by_text("Ada says so").is_visible()
    assert not violations(eve)
    judge(eve, "yes")
    assert eve.url == address
    assert eve.get_by_text("settled", exact=True).is_visible()
    eve.get_by_role("link", name="Results").click()
    assert "settled" in eve.locator("main").inner_text()
    assert not violations(eve)
    eve.goto(first)
    assert eve.get_by_text("This item is settled.").is_visible()
    assert not violations(eve)


def test_exports_in_one_click(reviewed: Served, page_of: PageOf, run: Path, tmp_path: Path) -> None:
    admin = page_of()
    address = bring_in(admin, reviewed.url, run, "Exports")
    for name in ("Ada", "Ben"):
        page = page_of(role="")
        sign_in(page, reviewed.url, name)
        page.goto(address)
        page.get_by_role("link", name="Read the next item").click()
        while "/items/" in page.url:
            judge(page, "no" if page.get_by_text("The rule showed no card here").count() else "yes")
        assert page.get_by_text("Nothing is left for you to read.").is_visible()
    for link, name in (("Readings as CSV", "readings.csv"), ("Settled items as cases for the rules", "cases.zip")):
        with admin.expect_download() as waiting:
            admin.goto(address)
            admin.get_by_role("link", name=link).click()
        waiting.value.save_as(tmp_path / name)
    assert (tmp_path / "readings.csv").read_text().startswith("set,item,rule,")
    zipfile.ZipFile(tmp_path / "cases.zip").extractall(tmp_path)
    done = CliRunner().invoke(commands, ["test", "--cases", str(tmp_path / "agreed")])
    assert done.exit_code == 0, done.output
    admin.goto(f"{address}/results")
    assert admin.get_by_text("1.00 (1.00–1.00)").count()


def test_an_item_is_read_by_keyboard_alone(reviewed: Served, page_of: PageOf, run: Path) -> None:
    admin = page_of()
    address = bring_in(admin, reviewed.url, run, "Keyboard")
    page = page_of(role="reviewer")
    page.goto(address)
    reach(page, lambda told: told == "Read the next item")
    page.keyboard.press("Enter")
    page.wait_for_url("**/items/*")
    first = page.url
    reach(page, lambda told: told.startswith("trigger"))
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name=trigger]:checked").get_attribute("value") == "no"
    if page.locator("input[name=action]").count():
        reach(page, lambda told: told.startswith("action"))
        page.keyboard.press("Space")
    reach(page, lambda told: told == "comment")
    page.keyboard.type("by keyboard")
    reach(page, lambda told: told == "Save, and to the next")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != first)
    page.goto(first)
    assert page.locator("textarea").input_value() == "by keyboard"


def reach(page: Any, there: Callable[[str], bool]) -> None:
    """Press Tab until something has the focus, by its name or text."""
    for _ in range(200):
        page.keyboard.press("Tab")
        told = page.evaluate("document.activeElement.name || document.activeElement.innerText || ''")
        if there(told.strip()):
            return
    raise AssertionError("the keyboard does not lead there")


def test_a_reader_sees_no_form_and_cannot_write(reviewed: Served, page_of: PageOf, run: Path) -> None:
    admin = page_of()
    address = bring_in(admin, reviewed.url, run, "Looking")
    page = page_of(role="reader")
    page.goto(address)
    assert not page.locator("main form, main button").count()
    page.get_by_role("link", name="1", exact=True).click()
    assert not page.locator("main form, main button").count()
    csrf = page.locator("header input[name=csrf]").get_attribute("value")
    item = page.url
    answer = page.request.post(f"{item}/reading", form={"csrf": csrf, "trigger": "yes", "action": "yes"})
    assert answer.status == 403


def test_a_form_without_its_token_is_refused(reviewed: Served, page_of: PageOf) -> None:
    page = page_of(role="admin")
    answer = page.request.post(f"{reviewed.url}/visits/end", form={"csrf": "guessed", "subject": "the reader"})
    assert answer.status == 403
    assert "The form is not from this page" in answer.text()


def test_another_tenants_set_and_alerts_are_not_visible(reviewed: Served, page_of: PageOf, run: Path) -> None:
    admin = page_of()
    address = bring_in(admin, reviewed.url, run, "Of the north", house="north")
    page = page_of(role="")
    sign_in(page, reviewed.url, "Sue", "admin", "south")
    assert not page.get_by_text("Of the north").count()
    assert page.request.get(address).status == 404
    page.goto(f"{reviewed.url}/")
    assert not page.locator("main a[href*='/alerts/']").count()


HOSTILE = """<img src=x onerror=alert(1)>"'{{7*7}}</td><script>alert(2)</script>"""


def test_hostile_words_show_as_words(reviewed: Served, page_of: PageOf, run: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in run.read_text("utf-8").splitlines()]
    told = next(line for line in lines if line["name"] == "mg-oral-severe-ckd")
    assert "Magnesium oxide 400 mg" in json.dumps(told)
    told["call"]["documents"] = [
        [document.replace("Magnesium oxide 400 mg", json.dumps(HOSTILE)[1:-1]), origin]
        for document, origin in told["call"]["documents"]
    ]
    told["cards"][0] |= {"summary": HOSTILE, "detail": HOSTILE}
    file = tmp_path / "hostile.ndjson"
    file.write_text(json.dumps(told) + "\n", "utf-8")
    page = page_of(role="admin")
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    address = bring_in(page, reviewed.url, file, HOSTILE)
    assert page.locator("h1").inner_text() == HOSTILE
    page.get_by_role("link", name="Read the next item").click()
    item = page.url
    judge(page, "yes", comment=HOSTILE)
    page.goto(item)
    assert page.locator("textarea").input_value() == HOSTILE
    assert not page.locator("main img[src=x], main script").count()
    for path in (f"{address}/results", f"{reviewed.url}/sets", f"{reviewed.url}/audit?subject={quote(HOSTILE)}"):
        page.goto(path)
        assert not page.locator("main img[src=x], main script").count()


def test_a_launch_opens_the_alert_in_context(
    serving: Callable[..., Served], page_of: PageOf, knowledge: Knowledge
) -> None:
    with provide() as provider:
        provider.public, provider.claims = True, {"sub": "dr-lee", "name": "Dr Lee"}
        launch = Launch(f"{provider.address}/fhir", CLIENT, issuer=EHR.client, tenant=EHR.tenant)
        served = serving(review=Review(launches=(launch,)))
        kept = store(served.settings.store.url.get_secret_value(), keep="full")
        decision = decided(knowledge, sample() | {"fhirServer": launch.iss}, caller=EHR)
        write(kept, decision)
        kept.close()
        card = decision.cards[0]
        provider.context = {"patient": decision.call.patient_id, "appContext": card["uuid"]}
        page = page_of(role="")
        page.goto(f"{served.url}/launch?iss={launch.iss}&launch=xyz")
        page.wait_for_url(f"{served.url}/alerts/{card['uuid']}")
        assert page.get_by_text(card["summary"]).first.is_visible()
        assert page.get_by_text("Dr Lee").is_visible()
        assert page.request.get(f"{served.url}/").status == 403


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (820, "dark")])
def test_axe_finds_nothing(reviewed: Served, page_of: PageOf, run: Path, width: int, scheme: str) -> None:
    page = page_of(width=width, scheme=scheme)
    address = bring_in(page, reviewed.url, run, f"Axe {scheme}")
    items = page.locator("main table a").evaluate_all("each => each.map(one => one.href)")
    silent = next(
        row.locator("a").get_attribute("href")
        for row in page.locator("main table").first.locator("tbody tr").all()
        if "silent" in row.inner_text()
    )
    shown = [address, items[0], silent.removeprefix("/review"), "/sets", "/sets/new", "/audit", f"{address}/results"]
    for path in shown:
        page.goto(path if path.startswith("http") else f"{reviewed.url}{path}")
        assert not violations(page), path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than the page"
    out = page_of(width=width, scheme=scheme, role="")
    out.goto(f"{reviewed.url}/sign-in")
    assert not violations(out)
