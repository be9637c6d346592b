"""Pages of the rules in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import CHANGED, Served, violations


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (820, "dark")])
@pytest.mark.parametrize("address", ["/rules", f"/rules/{CHANGED}", "/rules/statin-rhabdomyolysis"])
def test_axe_finds_nothing(service: Served, page_of: Callable[..., Any], address: str, width: int, scheme: str) -> None:
    page = page_of(width=width, scheme=scheme)
    page.goto(service.url + address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not violations(page)


def test_a_rule_can_be_read_at_four_times_the_size(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of(width=320)
    page.goto(f"{service.url}/rules/{CHANGED}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_rule_shows_logic_evidence_cases_and_reception(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/rules")
    page.get_by_role("link", name="Statin above its maximum").click()
    text = page.locator("main").inner_text()
    for part in ("How its cards were received", "Versions", "How urgent", "Evidence", "Cases", "Reasons to override"):
        assert part in text
    page.get_by_role("link", name="statin-interaction", exact=True).first.click()
    assert page.get_by_role("heading", level=1).inner_text() == "Statin with an interacting drug"


def test_two_versions_are_compared_line_by_line(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/rules/{CHANGED}")
    page.get_by_role("button", name="Compare").click()
    assert "{fact: kidney, tier: {in: [G5]}" in page.locator("tr.gone").first.inner_text()
    assert "{fact: kidney, tier: {in: [G4, G5]}" in page.locator("tr.new").first.inner_text()
    assert not violations(page)


def test_a_rule_that_is_not_known_is_not_there(service: Served, page_of: Callable[..., Any]) -> None:
    assert page_of().request.get(f"{service.url}/rules/no-such-rule").status == 404
