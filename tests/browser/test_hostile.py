"""Text that wants to be markup or script stands on the pages as text, wherever it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.store.store import Store
from tests.browser.conftest import Served, violations
from tests.store.scenes import NOBODY, decided, override, sample, write

HOSTILE = "\"'><script>hacked=1</script><img src=x onerror=hacked=1>{{7*7}}<b>[x](javascript:hacked=1)</b>&lt;"
RULES = ("mg-oral-severe-ckd", "statin-rhabdomyolysis", "diuretic-cramps")


def poisoned(value: Any, key: str = "") -> Any:
    """A request in which every text that people write ends with something hostile."""
    if isinstance(value, dict):
        return {name: poisoned(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, key) for each in value]
    if isinstance(value, str) and key in ("display", "text", "family", "title", "description", "patientInstruction"):
        return f"{value} {HOSTILE}"
    return value


@pytest.fixture(scope="module")
def hostile(serving: Callable[..., Served], knowledge: Knowledge) -> Served:
    """A service to which such requests were sent, with answers that are no better."""
    served = serving()
    store = Store(served.settings)
    for name in RULES:
        made = decided(knowledge, poisoned(sample(name)))
        write(store, made)
        answer = override(made.cards[0]["uuid"], made.at, reason=HOSTILE)
        store.feedback([answer], service="s", caller=NOBODY)
    store.close()
    return served


@pytest.mark.parametrize("rule", RULES)
def test_every_field_of_an_alert_is_text(hostile: Served, page_of: Callable[..., Any], rule: str) -> None:
    page = page_of()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(f"{hostile.url}/?rule={rule}")
    page.locator("table.alerts tbody tr", has_text="2026-06-15").locator("a").first.click()
    page.wait_for_load_state()
    for each in page.locator("details").all():
        each.evaluate("element => { element.open = true; }")
    assert "<script>hacked=1</script>" in page.locator("main").inner_text()
    assert "49" not in page.locator("#values, section:has(#values)").last.inner_text().replace("2049", "")
    assert page.evaluate("typeof hacked") == "undefined"
    assert not page.locator("main script, main img[src=x], main b").count()
    assert not page.locator("a[href^='javascript:']").count()
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("75")
    page.locator("#what-if-answer").get_by_text("With eGFR 75").wait_for()
    assert page.evaluate("typeof hacked") == "undefined"
    assert not dialogs
    assert not violations(page)
    picture = page.locator(".chart img").get_attribute("src")
    page.goto(page.url.partition("/review")[0] + picture)  # the picture as a page of its own
    assert page.evaluate("typeof hacked") == "undefined"


def test_what_stands_in_an_address_is_text(hostile: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    for path in (f"/?rule={HOSTILE}&since={HOSTILE}&older={HOSTILE}", f"/rules/mg-total-dose/compare?old={HOSTILE}"):
        page.goto(hostile.url + path)
        assert page.evaluate("typeof hacked") == "undefined"
        assert not page.locator("main img[src=x], main b").count()
    page.goto(f"{hostile.url}/?rule=mg-oral-severe-ckd")
    page.locator("table.alerts a").first.click()
    page.goto(f"{page.url}?egfr={HOSTILE}&magnesium={HOSTILE}&symptom={HOSTILE}")
    assert page.get_by_label("eGFR, mL/min/1.73 m²").input_value() == HOSTILE.partition("&")[0]
    assert page.evaluate("typeof hacked") == "undefined"
