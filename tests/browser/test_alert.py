"""One alert in a browser: card, evidence, explanation, course, what would have to differ, and "what if" live and without script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.profiles import SHIPPED
from cds_rules.hooks.request import read_request
from cds_rules.hooks.response import answered
from cds_rules.store.store import Store
from cds_rules.vocabulary.frozen import replace
from tests.browser.conftest import Served, violations
from tests.store.scenes import decided, sample, write

RULES = ("mg-oral-severe-ckd", "statin-rhabdomyolysis", "mg-iv-obstetric", "cramp-differential")


def opened(service: Served, page: Any, rule: str) -> Any:
    """The page of the newest alert of a rule."""
    page.goto(f"{service.url}/?rule={rule}")
    page.locator("table.alerts a").first.click()
    page.wait_for_load_state()
    return page


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (820, "dark")])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    service: Served, page_of: Callable[..., Any], rule: str, width: int, scheme: str
) -> None:
    page = opened(service, page_of(width=width, scheme=scheme), rule)
    for each in page.locator("details").all():
        each.evaluate("element => { element.open = true; }")
    assert page.locator("#strip ~ figure img, figure img").first.evaluate("image => image.decode().then(() => true)")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not violations(page)


def test_an_alert_shows_card_values_reasons_and_ways_out(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(), "mg-oral-severe-ckd")
    text = page.locator("main").inner_text()
    assert "eGFR 28 (20 d ago): Magnesium oxide 400 mg tablet, 482 mg Mg/day" in text
    row = page.get_by_role("row").filter(has_text="Creatinine").first.inner_text()
    assert re.search(r"Creatinine\s+1\.8 mg/dL\s+20 d ago\s+2026-05-26 14:30 UTC\s+Observation/", row)
    assert "No such card if eGFR were at least 30 (is 28)" in text
    assert "Borderline" in text
    assert "kidney function, eGFR 15 to 29 or eGFR below 15" in text
    assert "magnesium, in all more than 350 mg a day" in text


def test_what_if_answers_while_a_value_is_typed(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(), "mg-oral-severe-ckd")
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("75")
    answer = page.locator("#what-if-answer")
    answer.get_by_text("this card would not appear").wait_for()
    assert "With eGFR 75" in answer.inner_text()
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("28")
    page.get_by_label("Magnesium now, mg/dL").fill("5.2")
    answer.get_by_text("Measured high magnesium").wait_for()
    page.get_by_label("Magnesium now, mg/dL").fill("mud")
    answer.get_by_text("a number from 0.1 to 30 belongs here").wait_for()


def test_who_is_signed_out_meanwhile_sees_no_answer_to_other_values(
    service: Served, page_of: Callable[..., Any]
) -> None:
    page = opened(service, page_of(), "mg-oral-severe-ckd")
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("75")
    answer = page.locator("#what-if-answer")
    answer.get_by_text("this card would not appear").wait_for()
    page.context.clear_cookies()
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("28")
    answer.get_by_text("this card would not appear").wait_for(state="detached")
    page.get_by_role("button", name="Judge again").click()
    page.wait_for_url("**/sign-in?to=**egfr%3D28**")


def test_what_if_works_without_script_and_by_keyboard(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(java_script_enabled=False), "mg-oral-severe-ckd")
    dose = page.get_by_label("Magnesium oxide 400 mg tablet, mg elemental magnesium a day")
    dose.fill("0")
    dose.press("Enter")
    page.wait_for_load_state()
    assert "dose1=0" in page.url
    assert (
        "without Magnesium oxide 400 mg tablet: this card would not appear"
        in page.locator("#what-if-answer").inner_text()
    )


def test_a_symptom_can_be_imagined(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(), "mg-oral-severe-ckd")
    page.get_by_label("Symptom").select_option("muscle-weakness")
    page.locator("#what-if-answer").get_by_text("muscle weakness reported").wait_for()


def test_where_nothing_was_kept_the_page_says_so_and_shows_no_value(
    serving: Callable[..., Served], page_of: Callable[..., Any]
) -> None:
    page = opened(serving(keep="hashed"), page_of(), "statin-rhabdomyolysis")
    text = page.locator("main").inner_text()
    assert "What was judged was not kept" in text
    assert "CK above 4 times the upper limit on a statin" in text
    assert "another card says it already: Possible rhabdomyolysis on a statin" in text
    assert "Simvastatin" not in text
    assert "12000" not in text
    assert not violations(page)


def test_german_pages_speak_german(service: Served, page_of: Callable[..., Any]) -> None:
    page = opened(service, page_of(locale="de-DE"), "mg-oral-severe-ckd")
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.get_by_role("heading", name="Was anders sein müsste").is_visible()
    assert page.locator("article.card").inner_text().startswith("KRITISCH")


def test_a_card_that_says_what_was_not_assessed_has_a_page(
    serving: Callable[..., Served], page_of: Callable[..., Any], knowledge: Knowledge
) -> None:
    served = serving()
    made = decided(knowledge, sample())
    request = read_request(json.dumps(sample(prefetch={"patient": sample()["prefetch"]["patient"]})).encode())
    answer = answered(knowledge, request, made.at, SHIPPED["sandbox"])
    store = Store(served.settings)
    write(store, replace(made, call=answer.call, evaluation=answer.evaluation, cards=tuple(answer.body["cards"])))
    store.close()
    page = opened(served, page_of(), "not-assessed")
    text = page.locator("main").inner_text()
    assert "Not assessed" in text
    assert "Could not be judged" in text
    assert not violations(page)
