"""The same call in another language: the same answer in other words, complete, and within the summary's length."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from cds_rules.cards.texts import SUMMARY_LIMIT, escaped
from cds_rules.engine.overrides import Override, covered
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.vocabulary.frozen import replace
from tests.samples import samples
from tests.vignettes import read
from tests.vignettes.render import AT, STYLES, render

WORDS = {"summary", "detail", "label", "description", "display"}
CALLS: dict[str, Call] = {
    **{patient["id"]: read_request(json.dumps(made.request).encode()).call(at) for patient, at, made in samples()},
    **{
        vignette["id"]: read_request(json.dumps(render(vignette, STYLES[0], AT).request).encode()).call(AT)
        for vignette in read()
    },
}
each_call = pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS.items()])
ENGLISH = re.compile(
    r"\b(the|and|with|not|of|ago|found|kidneys|magnesium level|started|order|draft|dose|known|measured|or|if|were|since|days)\b",
    re.I,
)


def without_words(value: Any, inside_resource: bool = False) -> Any:
    """A card without its texts; a resource in a suggestion is compared whole."""
    if isinstance(value, dict):
        return {
            key: without_words(each, inside_resource or key == "resource")
            for key, each in value.items()
            if inside_resource or key not in WORDS
        }
    return [without_words(each, inside_resource) for each in value] if isinstance(value, list | tuple) else value


@each_call
def test_another_language_changes_words_alone(knowledge: Knowledge, call: Call) -> None:
    english, german = evaluate(knowledge, call), evaluate(knowledge, replace(call, language="de"))
    assert without_words(list(english.cards)) == without_words(list(german.cards))
    assert english.not_judged == german.not_judged
    assert english.fingerprint == german.fingerprint
    for one, other in zip(english.cards, german.cards, strict=True):
        assert one["detail"] != other["detail"]
        assert len(other["summary"]) <= SUMMARY_LIMIT
        assert one["detail"].count("\n**") == other["detail"].count("\n**")


@each_call
def test_a_german_card_holds_no_english_of_ours(knowledge: Knowledge, call: Call) -> None:
    no_english(evaluate(knowledge, replace(call, language="de")))


@pytest.mark.parametrize(
    "name", ["mg-oral-severe-ckd", "mg-oral-aki", "statin-dose-limit", "mg-absorption-interaction"]
)
def test_nor_does_one_that_says_why_it_came_and_why_it_returned(knowledge: Knowledge, name: str) -> None:
    call = replace(CALLS[name], language="de")
    first = evaluate(knowledge, call)
    answered = Override(
        call.at - timedelta(days=400),
        "critical",
        "level-monitored",
        covered(first.findings[0], first.derived.facts, first.chart),
    )
    again = evaluate(knowledge, replace(call, why=True, overrides=(answered,)))
    no_english(again)
    (card,) = again.cards
    assert card["detail"].startswith("**Erneut angezeigt**")
    assert "**Warum diese Karte**" in card["detail"]


def no_english(german: Evaluation) -> None:
    of_record = {
        str(escaped(each.label)) for each in (*german.chart.medications, *(one.source for one in german.chart.problems))
    }
    for card in german.cards:
        for line in card["detail"].replace("Train-of-Four", "").splitlines():
            if " — " in line:
                continue  # a value as charted speaks the language of the record
            for name in of_record:
                line = line.replace(name, "")
            assert not (found := ENGLISH.findall(line)), f"{found} in {line}"


def test_a_language_that_no_pack_brings_is_english(knowledge: Knowledge) -> None:
    call = CALLS["mg-oral-severe-ckd"]
    assert evaluate(knowledge, replace(call, language="fr")).cards == evaluate(knowledge, call).cards


def test_german_writes_numbers_and_dates_as_germans_do(knowledge: Knowledge) -> None:
    (card,) = evaluate(knowledge, replace(CALLS["mg-oral-severe-ckd"], language="de")).cards
    assert (
        card["summary"]
        == "eGFR 28 (vor 20 Tagen): Magnesium oxide 400 mg tablet, 482 mg Mg/Tag - Risiko der Magnesiumanreicherung"
    )
    assert "Creatinine: 1,8 mg/dL, 26.05.2026 (vor 20 Tagen) — Observation/" in card["detail"]
    assert (
        "eGFR 28 mL/min/1,73 m², vor 20 Tagen (berechnet nach CKD-EPI 2021 aus Kreatinin 1,8 mg/dL)" in card["detail"]
    )
    assert card["source"]["topic"]["display"] == "Orales Magnesium bei eGFR unter 30"
    assert card["suggestions"][0]["label"] == "Magnesium oxide 400 mg tablet absetzen"
    assert card["overrideReasons"][0]["display"] == "Behandlung eines nachgewiesenen Magnesiummangels"


@pytest.mark.parametrize(
    ("name", "summary"),
    [("diuretic-cramps", "Wadenkrämpfe seit 10 Tagen unter"), ("cramp-differential", "Wadenkrämpfe seit")],
)
def test_german_says_a_cramp_and_its_site_in_one_word(knowledge: Knowledge, name: str, summary: str) -> None:
    cards = evaluate(knowledge, replace(CALLS[name], language="de")).cards
    assert any(card["summary"].startswith(summary) for card in cards), [card["summary"] for card in cards]
