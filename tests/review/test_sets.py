"""From a replay run to an export: brought in, read twice blind, adjudicated, reckoned, handed out without whom it is about."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from cds_rules.cli import commands
from cds_rules.store.keys import Keys
from cds_rules.store.reviews import rows
from cds_rules.store.tables import review_item
from tests.review.conftest import Browser
from tests.store.scenes import EARLIER, KEY, SAMPLES

Pages = Callable[..., Browser]
NAMES = ("mg-oral-severe-ckd", "silent-torsades", "statin-interaction")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a replay of some samples writes."""
    out = tmp_path_factory.mktemp("run") / "run.ndjson"
    paths = [str(SAMPLES / name / "bundle.json") for name in NAMES if (SAMPLES / name / "bundle.json").exists()]
    done = CliRunner().invoke(commands, ["replay", *paths, "--json", str(out), "--calls"])
    assert done.exit_code == 0, done.output
    return out.read_bytes()


def bring_in(browser: Browser, run: bytes, **changes: str) -> Any:
    fields = {"csrf": browser.csrf(), "name": "First", "alerts": "5", "silences": "5", "seed": "7", "house": ""}
    return browser.client.post(
        "/review/sets/import",
        data=fields | changes,
        files={"run": ("run.ndjson", run, "application/x-ndjson")},
        follow_redirects=False,
    )


@pytest.fixture
def admin(pages: Pages) -> Browser:
    browser = pages()
    browser.sign_in("Root", "admin")
    return browser


def items(browser: Browser, identity: int = 1) -> list[int]:
    return [int(each) for each in re.findall(r"/review/items/(\d+)\">\d", browser.get(f"/sets/{identity}").text)]


def reader(pages: Pages, admin: Browser, name: str, role: str = "reviewer", house: str = "") -> Browser:
    browser = pages(admin)
    browser.sign_in(name, role, house)
    return browser


def test_a_run_becomes_a_set(admin: Browser, run: bytes) -> None:
    arrived = bring_in(admin, run)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/review/sets/1")
    page = admin.get("/sets/1").text
    assert "Oral magnesium" in page
    assert "silent" in page


@pytest.mark.parametrize(
    ("run_", "changes", "problem"),
    [
        (b"nothing\n", {}, "line 1: is no result of a replay"),
        (None, {"alerts": "many"}, "alerts: a whole number from 0 to 500"),
        (None, {"name": " "}, "name: a name belongs there"),
    ],
)
def test_what_cannot_be_brought_in_is_said(
    admin: Browser, run: bytes, run_: bytes | None, changes: dict[str, str], problem: str
) -> None:
    answer = bring_in(admin, run_ or run, **changes)
    assert answer.status_code == 400
    assert problem in answer.text


def test_a_run_whose_calls_were_tampered_with_breaks_no_page(admin: Browser, run: bytes) -> None:
    lines = [json.loads(line) for line in run.splitlines()]
    unreadable = b"\n".join(json.dumps(line | {"call": {"hook": "x"}}).encode() for line in lines)
    assert "what was judged in it cannot be read" in bring_in(admin, unreadable).text
    for line in lines:
        line["call"]["documents"] = [["{", ""]]
    bring_in(admin, b"\n".join(json.dumps(line).encode() for line in lines))
    (first, *_) = items(admin)
    page = admin.get(f"/items/{first}")
    assert page.status_code == 200
    assert "What was judged cannot be read" in page.text
    assert admin.get(f"/items/{first}/strip-light.svg").status_code == 404


def test_what_another_key_sealed_is_said_not_to_open(admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    (first, *_) = items(admin)
    opened = admin.client.app.state.desk.store  # type: ignore[attr-defined]
    with opened.database.writing() as connection:
        connection.execute(update(review_item).values(content=Keys(EARLIER).seal(b"{}")))
    page = admin.get(f"/items/{first}")
    assert page.status_code == 409
    assert "cannot be opened with the keys that are set" in page.text


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *(
            (part, None)
            for part in ("summary", "indicator", "source", "detail", "suggestions", "overrideReasons", "links")
        ),
        ("indicator", "grave"),
        ("suggestions", [7]),
        ("summary", "\ud800"),
        ("links", [{"label": "x", "url": "javascript:alert(1)"}]),
    ],
)
def test_a_card_that_could_not_be_shown_is_not_brought_in(admin: Browser, run: bytes, part: str, value: Any) -> None:
    lines = [json.loads(line) for line in run.splitlines()]
    for card in (card for line in lines for card in line["cards"]):
        card[part] = value
    answer = bring_in(admin, b"\n".join(json.dumps(line).encode() for line in lines))
    assert answer.status_code == 400
    assert "is not one of ours" in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"hook": "x"},
        {"patient_id": [7]},
        {"hook_instance": "\ud800"},
        {"missing": None},
        {"language": [7]},
        {"at": "0001-01-01T00:00:00+00:00"},
        {"at": "2026-06-01T00:00:00"},
    ],
)
def test_a_call_that_could_not_be_judged_is_not_brought_in(admin: Browser, run: bytes, changes: dict[str, Any]) -> None:
    lines = [json.loads(line) for line in run.splitlines()]
    answer = bring_in(admin, b"\n".join(json.dumps(each | {"call": each["call"] | changes}).encode() for each in lines))
    assert answer.status_code == 400
    assert "cannot be read" in answer.text


@pytest.mark.parametrize("fingerprint", ["x" * 65, "\0", ["x"], None])
def test_a_run_that_does_not_say_its_rules_is_not_brought_in(admin: Browser, run: bytes, fingerprint: Any) -> None:
    changed = [json.dumps(json.loads(line) | {"fingerprint": fingerprint}).encode() for line in run.splitlines()]
    answer = bring_in(admin, b"\n".join(changed))
    assert answer.status_code == 400
    assert "with which rules" in answer.text


def test_no_export_tells_one_reader_of_the_other_before_it_is_settled(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run, silences="0")
    ada, ben = reader(pages, admin, "Ada"), reader(pages, admin, "Ben")
    (first, *_) = items(admin)
    ada.post(f"/items/{first}/reading", trigger="yes", action="yes")
    ben.post(f"/items/{first}/reading", trigger="yes", action="no")
    for browser in (ada, ben):
        (row,) = [
            each
            for each in csv.DictReader(io.StringIO(browser.get("/sets/1/readings.csv").text))
            if each["item"] == "1"
        ]
        assert not any(value for name, value in row.items() if "trigger" in name or "action" in name)
        archive = zipfile.ZipFile(io.BytesIO(browser.get("/sets/1/cases.zip").content))
        assert archive.namelist() == ["README.txt"]
    reader(pages, admin, "Eve").post(f"/items/{first}/adjudication", trigger="yes", action="no")
    row = next(csv.DictReader(io.StringIO(ada.get("/sets/1/readings.csv").text)))
    assert (row["first_action"], row["second_action"], row["action"]) == ("yes", "no", "no")


def test_an_admin_is_asked_for_a_run(admin: Browser) -> None:
    assert "--calls" in admin.get("/sets/new").text


def test_only_an_admin_brings_in(pages: Pages, admin: Browser, run: bytes) -> None:
    reviewer = reader(pages, admin, "Ada")
    assert bring_in(reviewer, run).status_code == 403
    assert bring_in(reviewer, b"x" * 70_000).status_code == 413, "nor keeps the service busy with it"
    assert reviewer.get("/sets/new").status_code == 403


def test_every_item_can_be_looked_at(admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    for identity in items(admin):
        page = admin.get(f"/items/{identity}")
        assert page.status_code == 200
        assert "Ought this rule to speak here?" in page.text
        assert admin.get(f"/items/{identity}/strip-light.svg").status_code == 200


def test_two_read_blind_a_third_settles(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    ada, ben = reader(pages, admin, "Ada"), reader(pages, admin, "Ben")
    (first, *_) = items(admin)
    assert ada.post(f"/items/{first}/reading", trigger="yes", action="yes", comment="sure").status_code == 303
    page = ben.get(f"/items/{first}").text
    assert "sure" not in page.split("<main", 1)[1].replace("unsure", "")
    assert "checked" not in page
    assert ben.post(f"/items/{first}/reading", trigger="no", action="no").status_code == 303
    assert "somebody else settles what differs" in ada.get(f"/items/{first}").text
    assert ada.post(f"/items/{first}/adjudication", trigger="yes", action="yes").status_code == 409
    eve = reader(pages, admin, "Eve")
    page = eve.get(f"/items/{first}").text
    assert "The two readers differ" in page
    assert "sure" in page
    assert eve.post(f"/items/{first}/adjudication", trigger="no", action="unsure").status_code == 303
    assert "This item is settled" in ben.get(f"/items/{first}").text
    assert eve.post(f"/items/{first}/reading", trigger="no", action="no").status_code == 409


def test_an_answer_that_is_missing_is_asked_for(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    answer = reader(pages, admin, "Ada").post(f"/items/{items(admin)[0]}/reading", trigger="perhaps")
    assert answer.status_code == 400
    assert "Answer every question" in answer.text


def test_a_reader_has_no_form_and_cannot_judge(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    looking = reader(pages, admin, "Lee", "reader")
    (first, *_) = items(admin)
    page = looking.get(f"/items/{first}").text
    assert re.findall(r'<form[^>]*action="([^"]*)"', page) == ["/review/sign-out"]
    assert "Your role reads, and does not judge" in page
    assert looking.post(f"/items/{first}/reading", trigger="yes", action="yes").status_code == 403
    assert looking.get("/sets/1/readings.csv").status_code == 403
    assert looking.get("/audit").status_code == 403


def test_another_tenant_sees_nothing_of_it(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run, house="north")
    south = reader(pages, admin, "Sue", "admin", "south")
    (first, *_) = items(admin)
    assert "First" not in south.get("/sets").text
    for path in ("/sets/1", "/sets/1/results", "/sets/1/readings.csv", "/sets/1/cases.zip", f"/items/{first}"):
        assert south.get(path).status_code == 404, path
    assert south.post(f"/items/{first}/reading", trigger="yes", action="yes").status_code == 404
    assert south.post("/sets/1/remove").status_code == 404
    assert bring_in(south, run, house="north").status_code == 404
    assert "First" in reader(pages, admin, "Nora", "reader", "north").get("/sets").text


def read_all(pages: Pages, admin: Browser, trigger: Callable[[str], str]) -> None:
    """Two readers who agree on everything; trigger: what they say of an item by its page."""
    for name in ("Ada", "Ben"):
        browser = reader(pages, admin, name)
        for identity in items(admin):
            said = trigger(browser.get(f"/items/{identity}").text)
            assert browser.post(f"/items/{identity}/reading", trigger=said, action="yes").status_code == 303


def test_results_and_exports(pages: Pages, admin: Browser, run: bytes, tmp_path: Path) -> None:
    bring_in(admin, run)
    read_all(pages, admin, lambda page: "no" if "showed no card" in page else "yes")
    page = admin.get("/sets/1/results").text
    assert "<strong>1.00</strong>" in page, "kappa"
    assert "<strong>100 %</strong>" in page
    rows = list(csv.DictReader(io.StringIO(admin.get("/sets/1/readings.csv").text)))
    assert len(rows) == len(items(admin))
    assert {row["trigger"] for row in rows} == {"yes", "no"}
    archive = zipfile.ZipFile(io.BytesIO(admin.get("/sets/1/cases.zip").content))
    archive.extractall(tmp_path)
    assert list((tmp_path / "agreed").glob("*.cases.yaml"))
    done = CliRunner().invoke(commands, ["test", "--cases", str(tmp_path / "agreed")])
    assert done.exit_code == 0, done.output


def test_every_page_speaks_german_too(pages: Pages, admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    read_all(pages, admin, lambda page: "no" if "showed no card" in page else "yes")
    (first, *_) = items(admin)
    words = {
        "/sets": "Prüfsätze",
        "/sets/new": "Prüfsatz ziehen",
        "/sets/1": "Beurteilungen als CSV",
        "/sets/1/results": "Cohens Kappa",
        f"/items/{first}": "Dieser Fall ist geklärt",
        "/audit": "Jetzt angemeldet",
        "/sign-in": "Anmelden",
    }
    for path, word in words.items():
        page = admin.get(path, headers={"Accept-Language": "de"})
        assert page.status_code == 200
        assert '<html lang="de">' in page.text
        assert word in page.text, path


def test_what_contradicts_the_rules_is_a_case_that_fails(
    pages: Pages, admin: Browser, run: bytes, tmp_path: Path
) -> None:
    bring_in(admin, run, silences="0")
    read_all(pages, admin, lambda _: "no")
    archive = zipfile.ZipFile(io.BytesIO(admin.get("/sets/1/cases.zip").content))
    archive.extractall(tmp_path)
    done = CliRunner().invoke(commands, ["test", "--cases", str(tmp_path / "contradicted")])
    assert done.exit_code == 1
    assert "expected silent" in done.output


def test_a_set_is_deleted_with_all_that_is_in_it(admin: Browser, run: bytes) -> None:
    bring_in(admin, run)
    (first, *_) = items(admin)
    assert admin.post("/sets/1/remove").status_code == 303
    assert admin.get("/sets/1").status_code == 404
    assert admin.get(f"/items/{first}").status_code == 404


def test_the_audit_says_who_looked_at_which_item_and_nothing_of_a_patient(
    pages: Pages, admin: Browser, run: bytes
) -> None:
    bring_in(admin, run)
    (first, *_) = items(admin)
    reader(pages, admin, "Ada").get(f"/items/{first}")
    page = admin.get(f"/audit?item=/items/{first}").text
    assert "development ada" in page
    assert "Patient/" not in page


def test_an_admin_ends_somebodys_visits(pages: Pages, admin: Browser) -> None:
    ada = reader(pages, admin, "Ada")
    assert ada.get("/sets").status_code == 200
    admin.post("/visits/end", subject="development ada")
    assert ada.get("/sets").status_code == 303


def test_an_admin_of_one_house_ends_nobodys_visit_elsewhere(pages: Pages, admin: Browser) -> None:
    south = reader(pages, admin, "Sue", "admin", "south")
    north = reader(pages, admin, "Nora", "reviewer", "north")
    assert "Nora" not in south.get("/audit").text
    south.post("/visits/end", subject="development nora")
    assert north.get("/sets").status_code == 200


def test_an_admin_of_one_house_reads_no_row_of_the_audit(pages: Pages, admin: Browser) -> None:
    """Rows name alerts and people of every house."""
    south = reader(pages, admin, "Sue", "admin", "south")
    text = south.get("/audit").text
    assert "The audit tells of all houses: only who sees all of them reads it." in text
    assert "/sign-in" not in text.partition("<main")[2]
    assert "/audit" in admin.get("/audit").text.partition("<tbody>")[2]


def test_the_command_draws_what_the_page_draws(
    pages: Pages, admin: Browser, run: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(admin, run)
    file = tmp_path / "run.ndjson"
    file.write_bytes(run)
    monkeypatch.setenv("CDS_RULES_STORE_URL", f"sqlite:///{tmp_path / 'cds-rules.db'}")
    monkeypatch.setenv("CDS_RULES_STORE_KEY", KEY)
    words = ["review", "import", str(file), "--alerts", "5", "--silences", "5", "--seed", "7"]
    done = CliRunner().invoke(commands, words)
    assert done.exit_code == 0, done.output
    assert "review set 2" in done.output
    database = admin.client.app.state.desk.store.database  # type: ignore[attr-defined]
    first, second = ([(row.rule, row.stratum, row.weight) for row in rows(database, each)] for each in (1, 2))
    assert first == second
