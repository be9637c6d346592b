"""What lint says of languages: everything that is missing, superfluous or shown otherwise than in English."""

from __future__ import annotations

import pytest

from cds_rules.commands.translations import mistakes, numbers, our_phrases, pack_phrases
from cds_rules.evaluate import Knowledge
from cds_rules.knowledge.pack import Pack
from cds_rules.vocabulary.frozen import replace


@pytest.fixture
def ours(knowledge: Knowledge) -> Pack:
    """Our pack as it was read."""
    return knowledge.packs[0]


def changed(ours: Pack, rule: str, **parts: object) -> list[str]:
    """The errors of the pack when one German text is another."""
    german = ours.translations["de"]
    texts = {**german.texts, rule: replace(german.texts[rule], **parts)}  # type: ignore[arg-type]
    errors, _ = mistakes([replace(ours, translations={"de": replace(german, texts=texts)})])
    return [str(error) for error in errors]


def test_our_german_is_complete(knowledge: Knowledge) -> None:
    assert mistakes(knowledge.packs) == ([], [])


def test_phrases_are_found_in_code_pages_and_tables(ours: Pack) -> None:
    assert {"acute kidney injury stage {stage}", "Replay report", "{count} d ago", "critical"} <= our_phrases()
    assert {"muscle cramp", "calf", "simvastatin", "Comfort care", "4 h apart", "statin dose"} <= pack_phrases(
        ours
    ).keys()


def test_a_phrase_without_a_translation_is_an_error(ours: Pack) -> None:
    german = ours.translations["de"]
    words = {key: text for key, text in german.words.items() if key != "muscle cramp"}
    errors, _ = mistakes([replace(ours, translations={"de": replace(german, words=words)})])
    assert [str(each) for each in errors] == [
        'magnesium_cramps/languages/de/words.yaml: words: says nothing for "muscle cramp" (valuesets/symptoms.csv). Add it.'
    ]


def test_a_translation_of_what_is_said_nowhere_is_a_warning(ours: Pack) -> None:
    german = ours.translations["de"]
    _, warnings = mistakes([replace(ours, translations={"de": replace(german, words={**german.words, "x": "y"})})])
    assert ['"x" is said nowhere' in str(each) for each in warnings] == [True]


def test_a_rule_without_texts_is_an_error(ours: Pack) -> None:
    german = ours.translations["de"]
    texts = {key: text for key, text in german.texts.items() if key != "mg-oral-aki"}
    errors, _ = mistakes([replace(ours, translations={"de": replace(german, texts=texts)})])
    assert "languages/de/rules/mg-oral-aki.yaml: is missing" in str(errors[0])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"why": "Nieren scheiden Magnesium aus."}, "why: holds the numbers none, the English text "),
        ({"found": ("Nieren",)}, "found[0]: does not show what the English text shows: misses kidney"),
        ({"found": ("Nieren: {{ kidney.words }}",)}, "found: has 1 lines, the English text 4"),
    ],
)
def test_a_text_that_shows_less_is_an_error(ours: Pack, parts: dict[str, object], message: str) -> None:
    assert any(message in error for error in changed(ours, "mg-oral-severe-ckd", **parts))


def test_numbers_are_compared_whatever_the_decimal_sign() -> None:
    assert numbers("2.12 and {{ a|n(3) }} 5-7") == numbers("2,12 und {{ a|n(3) }} 5-7")
    assert numbers("1.0") != numbers("10")
