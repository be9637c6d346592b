"""What is kept is said, an admin deletes it, nobody else can, and another tenant's alerts are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cds_rules.store.browse import Wanted, browse
from cds_rules.store.store import Store
from tests.browser.conftest import OTHERS, Served, violations
from tests.browser.test_alert import opened


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (820, "dark")])
def test_the_page_says_what_is_kept_and_for_how_long(
    service: Served, page_of: Callable[..., Any], width: int, scheme: str
) -> None:
    page = page_of(width=width, scheme=scheme)
    page.goto(f"{service.url}/kept")
    text = page.locator("main").inner_text()
    assert "store.keep = full" in text
    assert "sealed (AES-256-GCM)" in text
    assert "store.content_days" in text
    assert not violations(page)


def test_an_admin_deletes_values_and_then_the_patient_and_the_ledger_still_verifies(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    served = serving()
    page = opened(served, page_of(), "statin-rhabdomyolysis")
    address = page.url
    page.get_by_text("Delete values of this alert").click()
    first = page.locator("form.delete").first
    first.get_by_label("I am sure").check()
    first.get_by_role("button").click()
    page.get_by_text("What was judged has been deleted since.").wait_for()
    assert "Simvastatin" not in page.locator("main").inner_text()
    page.get_by_text("Delete values of this alert").click()
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Delete: Everything about the patient").click()
    page.get_by_text("Everything about the patient was deleted.").wait_for()
    assert page.request.get(address).status == 404
    store = Store(served.settings)
    assert store.verify().problem == ""
    store.close()


@pytest.mark.parametrize("role", ["reader", "reviewer"])
def test_only_an_admin_deletes(service: Served, page_of: Callable[..., Any], role: str) -> None:
    page = opened(service, page_of(role=role), "mg-oral-severe-ckd")
    assert not page.get_by_text("Delete values of this alert").count()
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    for action in ("empty", "forget"):
        answer = page.request.post(f"{page.url}/{action}", form={"csrf": csrf, "sure": "yes"})
        assert answer.status == 403
    assert page.reload().status == 200


def test_nothing_is_deleted_without_saying_so_twice(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(), "mg-oral-severe-ckd")
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    assert page.request.post(f"{page.url}/empty", form={"csrf": csrf}).status == 400
    assert page.request.post(f"{page.url}/empty", form={"csrf": "another", "sure": "yes"}).status == 403


def test_another_tenants_alerts_are_not_there(service: Served, page_of: Callable[..., Any]) -> None:
    store = Store(service.settings)
    others = browse(store.database, {OTHERS.house}, Wanted()).alerts
    ours = [each for each in browse(store.database, None, Wanted()).alerts if each.tenant != OTHERS.house]
    store.close()
    page = page_of(role="stranger")
    page.goto(f"{service.url}/")
    assert page.locator("table.alerts tbody tr").count() == len(others) == 1
    assert page.get_by_role("heading", level=2).first.inner_text().endswith(": 1")
    foreign = next(each for each in ours if each.rule == "statin-rhabdomyolysis")
    for part in ("", "/what-if?egfr=30", "/strip-light.svg"):
        assert page.request.get(f"{service.url}/alerts/{foreign.card}{part}").status == 404
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    for action in ("empty", "forget"):
        form = {"csrf": csrf, "sure": "yes"}
        assert page.request.post(f"{service.url}/alerts/{foreign.card}/{action}", form=form).status == 404
    page.goto(f"{service.url}/rules/statin-rhabdomyolysis")
    assert page.get_by_text("No card of this rule is recorded.").is_visible()
    page.goto(f"{service.url}/kept")
    assert page.locator(".figures strong").first.inner_text() == "1"
