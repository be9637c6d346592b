"""What every page has around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Served, violations


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 820])
def test_axe_finds_nothing(service: Served, page_of: Callable[..., Any], scheme: str, width: int) -> None:
    page = page_of(width=width, scheme=scheme)
    page.goto(f"{service.url}/")
    assert page.title() == "Alerts"
    assert not violations(page)


def test_the_content_is_one_key_away(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_an_address_without_page_says_so(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    answer = page.request.get(f"{service.url}/nothing")
    assert answer.status == 404
    assert "There is no such page" in answer.text()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
