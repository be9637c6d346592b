"""Marks of direction in a text of the record, and names in a script that runs from the right, turn nothing around beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_rules.cli import commands
from cds_rules.evaluate import Knowledge
from cds_rules.store.store import Store
from tests.browser.conftest import Served
from tests.store.scenes import SAMPLES, decided, sample, write

RULES = ("mg-oral-severe-ckd", "statin-rhabdomyolysis", "diuretic-cramps")
ENDINGS = {"override": "\u202e", "embedding": "\u202b", "isolate": "\u2067", "mark": "\u061c", "name": " مغنيسيوم"}
DATES = """() => {
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    for (const date of walk.currentNode.data.matchAll(/\\d{4}-\\d{2}-\\d{2}/g)) {
      const left = (from) => {
        const range = document.createRange();
        range.setStart(walk.currentNode, date.index + from);
        range.setEnd(walk.currentNode, date.index + from + 1);
        const box = range.getBoundingClientRect();
        return box.width && box.left;
      };
      const places = [...date[0]].map((_, place) => left(place));
      if (places.every((each) => each !== 0)) {
        found.push([walk.currentNode.data, places.every((each, place) => !place || each > places[place - 1])]);
      }
    }
  }
  return found;
}"""
"""Every date that is shown, and whether its digits run from left to right."""


def ending(value: Any, end: str, key: str = "") -> Any:
    """A request in which every text that people write ends like that."""
    if isinstance(value, dict):
        return {name: ending(each, end, name) for name, each in value.items()}
    if isinstance(value, list):
        return [ending(each, end, key) for each in value]
    if isinstance(value, str) and key in ("display", "text", "family", "title", "description", "patientInstruction"):
        return f"{value}{end}"
    return value


def turned(page: Any) -> list[str]:
    """Texts in which a date does not run from left to right."""
    page.wait_for_load_state()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    found = page.evaluate(DATES)
    assert found
    return [text for text, right in found if not right]


MARKS = {name: end for name, end in ENDINGS.items() if name != "name"}


@pytest.fixture(scope="module")
def served(serving: Callable[..., Served]) -> Served:
    """A service that gets such requests."""
    return serving()


@pytest.mark.parametrize("name", ENDINGS)
def test_no_date_of_an_alert_is_turned_around(
    served: Served, page_of: Callable[..., Any], knowledge: Knowledge, name: str
) -> None:
    page, end, store = page_of(), ENDINGS[name], Store(served.settings)
    made = [decided(knowledge, ending(sample(rule), end) | {"hookInstance": name}) for rule in RULES]
    write(store, *made)
    store.close()
    for each in made:
        path = f"{served.url}/alerts/{each.cards[0]['uuid']}"
        page.goto(path)
        assert not turned(page)
        drawn = page.request.get(f"{path}/strip-light.svg").text()
        for told in (page.content(), drawn) if name in MARKS else ():
            assert end not in told
            assert f"[U+{ord(end):04X}]" in told


@pytest.mark.parametrize("ended", ENDINGS)
def test_no_date_of_a_report_is_turned_around(page_of: Callable[..., Any], tmp_path: Path, ended: str) -> None:
    end = ENDINGS[ended]
    for name in RULES:
        bundle = json.loads((SAMPLES / name / "bundle.json").read_text("utf-8"))
        (tmp_path / f"{name}.json").write_text(json.dumps(ending(bundle, end)), "utf-8")
    report = tmp_path / "report.html"
    done = CliRunner().invoke(commands, ["replay", *map(str, tmp_path.glob("*.json")), "--report", str(report)])
    assert done.exit_code == 0, done.output
    page = page_of()
    page.set_content(report.read_text("utf-8"))
    assert not turned(page)
    assert ended not in MARKS or end not in report.read_text("utf-8")


def test_what_was_typed_comes_back_as_it_was_typed(service: Served, page_of: Callable[..., Any]) -> None:
    page, typed = page_of(), "\u202e/alerts/\u05d0\u05d1"
    page.goto(f"{service.url}/audit")
    page.get_by_label("What", exact=True).fill(typed)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**item=*")
    assert page.get_by_label("What", exact=True).input_value() == typed
