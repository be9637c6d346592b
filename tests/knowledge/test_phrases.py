"""Texts are read by whole words, and statements only when they are asserted of the patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.knowledge.phrases import Phrases, fold, words

CRAMPS = Phrases([("leg cramps", "leg"), ("cramps", "any"), ("chronic kidney disease", "ckd")])


@pytest.mark.parametrize(
    "text",
    [
        "Leg cramps",
        "LEG CRAMPS at night",
        "nocturnal leg-cramps",
        "Leg  cramps, both sides",
        "New leg cramps; no fever",
        "No fever. Leg cramps",
    ],
)
def test_an_asserted_phrase_is_found(text: str) -> None:
    assert CRAMPS.asserted(text) == ["leg"]


@pytest.mark.parametrize(
    "text",
    [
        "No leg cramps",
        "Denies leg cramps",
        "denies nausea, vomiting and leg cramps",
        "without leg cramps",
        "Rule out leg cramps",
        "r/o leg cramps",
        "Leg cramps?",
        "? leg cramps",
        "History of leg cramps",
        "Hx of leg cramps",
        "Family history of leg cramps",
        "Family history: mother with leg cramps",
        "possible leg cramps",
        "suspected leg cramps",
        "leg cramps ruled out",
        "leg cramps: resolved",
        "negative for leg cramps",
        "at risk of leg cramps",
        "keine leg cramps",
    ],
)
def test_negated_doubted_remembered_and_family_statements_say_nothing(text: str) -> None:
    assert CRAMPS.asserted(text) == []


def test_a_sentence_does_not_negate_the_next_one() -> None:
    assert CRAMPS.asserted("No fever. Chronic kidney disease without proteinuria.") == ["ckd"]


def test_the_longest_phrase_wins_and_takes_its_words() -> None:
    assert [each.meanings for each in CRAMPS.find(words("leg cramps and cramps"))] == [("leg",), ("any",)]


def test_a_break_sign_ends_a_phrase_where_breaks_count() -> None:
    broken = Phrases([("omeprazole magnesium", 1)], breaks=True)
    assert broken.spans("omeprazole / magnesium oxide") == []
    assert broken.spans("omeprazole magnesium") == [(0, 20, (1,))]


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1), st.text(alphabet="abcdefghijklmnopqrstuvwxyz"))
def test_a_phrase_is_never_found_inside_another_word(before: str, after: str) -> None:
    assert Phrases([("myalgia", 1)]).find(words(fold(f"{before}myalgia{after}"))) == []


@given(st.text())
def test_folding_twice_changes_nothing_and_any_text_can_be_read(text: str) -> None:
    assert words(fold(fold(text))) == words(fold(text))
    CRAMPS.asserted(text)
