"""A review set is drawn from the decisions of the store; the worklist and the alert then know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.browser.conftest import Served, violations
from tests.browser.test_readers import judge, sign_in


def test_a_set_is_drawn_from_the_worklist_and_filters_it(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    served, page = serving(), page_of()
    page.goto(f"{served.url}/?rule=mg-oral-severe-ckd")
    page.get_by_text("Draw a review set from these decisions").click()
    assert not violations(page)
    page.get_by_label("Name", exact=True).fill("June, magnesium")
    page.get_by_role("button", name="Draw the set").click()
    page.wait_for_load_state()
    assert page.get_by_role("heading", level=1).inner_text() == "June, magnesium"
    page.goto(f"{served.url}/?review=wanted")
    rows = page.locator("table.alerts tbody tr").all_inner_texts()
    assert rows
    assert all("waiting for readers" in each for each in rows)
    page.locator("table.alerts a").first.click()
    page.get_by_role("link", name="read it").first.click()
    page.wait_for_load_state()
    assert "/items/" in page.url
    page.goto(f"{served.url}/?review=settled")
    assert page.get_by_text("No alert fits the filter.").is_visible()


def test_the_worklist_says_where_readers_differ_until_it_is_settled(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    served, page = serving(), page_of()
    page.goto(f"{served.url}/?rule=mg-oral-severe-ckd")
    page.get_by_text("Draw a review set from these decisions").click()
    page.get_by_label("Name", exact=True).fill("Who differs")
    page.get_by_role("button", name="Draw the set").click()
    page.wait_for_load_state()
    page.goto(f"{served.url}/?review=wanted")
    alert = page.locator("table.alerts a").first.get_attribute("href")
    assert alert
    for name, found, state in (
        ("Ada", "yes", "read once"),
        ("Ben", "no", "the readers differ"),
        ("Eve", "yes", "settled"),
    ):
        reader = page_of(role="")
        sign_in(reader, served.url, name)
        reader.goto(served.url.removesuffix("/review") + alert)
        reader.get_by_role("link", name="read it").first.click()
        judge(reader, found)
        page.goto(f"{served.url}/")
        page.get_by_label("Review", exact=True).select_option(state)
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**review=*")
        rows = page.locator("table.alerts tbody tr")
        assert rows.locator("a").first.get_attribute("href") == alert
        assert [each.split("\t")[-1] for each in rows.all_inner_texts()] == [state]
    assert not violations(page)


def test_a_set_of_overridden_alerts_holds_nothing_else(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    served, page = serving(), page_of()
    page.goto(f"{served.url}/?state=overridden")
    alerts = page.locator("table.alerts tbody tr").count()
    page.get_by_text("Draw a review set from these decisions").click()
    assert page.get_by_text("Silences have no level, answer or review state").is_visible()
    assert not violations(page)
    page.get_by_label("Name", exact=True).fill("Overridden")
    page.get_by_label("Seed of the random numbers").fill("7")
    page.get_by_role("button", name="Draw the set").click()
    page.wait_for_url(f"{served.url}/sets/*")
    items = page.get_by_role("table").first.locator("tbody tr")
    assert items.count() == alerts
    assert not items.filter(has_text="silent").count()
    assert "7" in page.locator("dl.run").inner_text()
    page.goto(f"{served.url}/?review=wanted")
    rows = page.locator("table.alerts tbody tr").all_inner_texts()
    assert len(rows) == alerts
    assert all("overridden" in each for each in rows)


def test_a_reader_draws_no_set(service: Served, page_of: Callable[..., Any]) -> None:
    page = page_of(role="reviewer")
    page.goto(f"{service.url}/")
    assert not page.get_by_text("Draw a review set").count()
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    assert page.request.post(f"{service.url}/sets/draw", form={"csrf": csrf, "name": "x", "house": ""}).status == 403


def test_where_nothing_is_kept_nothing_can_be_drawn(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    served, page = serving(keep="hashed"), page_of()
    page.goto(f"{served.url}/")
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    answer = page.request.post(f"{served.url}/sets/draw", form={"csrf": csrf, "name": "x", "house": ""})
    assert answer.status == 400
    assert "Nothing to draw from" in answer.text()
