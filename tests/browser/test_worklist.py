"""The worklist in a browser: found, filtered, counted, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import Served, violations


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (820, "dark")])
def test_a_filter_shows_what_fits_and_stays_in_the_address(
    service: Served, page_of: Callable[..., Any], width: int, scheme: str
) -> None:
    page = page_of(width=width, scheme=scheme)
    page.goto(f"{service.url}/")
    page.get_by_label("Level", exact=True).select_option("critical")
    page.get_by_label("Answer", exact=True).select_option("overridden")
    page.get_by_role("button", name="Show").press("Enter")
    marks = page.locator("table.alerts tbody tr").all_inner_texts()
    assert marks
    assert all("CRITICAL" in each and "overridden" in each for each in marks)
    assert "level=critical" in page.url
    assert page.get_by_role("heading", level=2).first.inner_text().endswith(f": {len(marks)}")
    assert page.locator(".chart img").evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    assert not violations(page)


def test_the_table_says_what_the_chart_draws(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/")
    page.get_by_text("The chart as a table").click()
    totals = page.locator(".chart tbody tr td:last-child").all_inner_texts()
    heading = page.get_by_role("heading", level=2).first.inner_text()
    assert sum(map(int, totals)) == int(heading.split()[-1])


def test_words_without_meaning_in_the_address_do_no_harm(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of()
    page.goto(f"{service.url}/?rule=<script>alert(1)</script>&level=x&since=tomorrow&older=~~&newer=9")
    assert page.get_by_text("No alert fits the filter.").is_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/?since=0001-01-01&until=9999-12-31",
        "/?since=1900-01-01&until=2999-12-31",
        "/?since=2999-01-01",
        "/?until=1900-01-01",
        "/?older=0001-01-01T00:00:00%2B23:59~1",
        "/?newer=9999-12-31T23:59:59-23:59~1",
        "/chart-light.svg?since=0001-01-01",
        "/chart-light.svg?since=1900-01-01",
    ],
)
def test_the_ends_of_the_calendar_and_what_names_nothing_are_answered(
    service: Served, page_of: Callable[..., Any], path: str
) -> None:
    assert page_of().request.get(service.url + path).status == 200


@pytest.mark.parametrize("path", ["/alerts/%ED%A0%80", "/alerts/~", "/rules/%ED%A0%80/compare", "/rules/.hidden"])
def test_an_address_that_can_name_nothing_is_not_there(service: Served, page_of: Callable[..., Any], path: str) -> None:
    assert page_of().request.get(service.url + path).status == 404
