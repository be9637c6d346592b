"""The whole way by keyboard alone: from the worklist to an alert, its reasons, what if, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.conftest import Served


def tab_to(page: Any, name: str, most: int = 120) -> None:
    """Press Tab until something with this text or label has the focus, which must be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => {
                const one = document.activeElement;
                const seen = getComputedStyle(one).outlineStyle !== 'none' || one.matches('.skip');
                return [one.labels?.[0]?.textContent ?? one.textContent, one === document.body || seen];
            }"""
        )
        assert found[1], f"the focus is not to be seen on {found[0][:60]!r}"
        if f"{' '.join(found[0].split())} ".startswith(f"{name} "):
            return
    raise AssertionError(f"{name!r} cannot be reached by Tab")


def test_from_the_worklist_to_what_if_and_back(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/")
    tab_to(page, "Rule")
    page.keyboard.type("Oral magnesium with eGFR below")
    tab_to(page, "Show")
    page.keyboard.press("Enter")
    page.wait_for_url("**rule=mg-oral-severe-ckd**")
    tab_to(page, "Oral magnesium with eGFR below 30")
    page.keyboard.press("Enter")
    page.wait_for_url("**/alerts/**")
    tab_to(page, "The course as a table")
    page.keyboard.press("Enter")
    assert page.get_by_role("columnheader", name="Used by the card").is_visible()
    tab_to(page, "Level: info")
    page.keyboard.press("Enter")
    assert page.get_by_text("magnesium level, low, within 14 d").first.is_visible()
    tab_to(page, "eGFR, mL/min/1.73 m²")
    page.keyboard.press("Control+A")
    page.keyboard.type("75")
    page.locator("#what-if-answer").get_by_text("this card would not appear").wait_for()
    tab_to(page, "Judge again")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    page.goto(f"{service.url}/")
    tab_to(page, "Rules")
    page.keyboard.press("Enter")
    page.wait_for_url("**/rules")
