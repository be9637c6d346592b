"""Languages: what is chosen, how numbers and ages are written, what a file of words must hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_rules.knowledge.languages import Language, chosen, read_translations
from cds_rules.vocabulary.errors import PackError
from cds_rules.vocabulary.wording import joined, said

OFFERED = ("en", "de", "pt-BR")
GERMAN = Language(
    "de",
    "Deutsch",
    ",",
    "%d.%m.%Y",
    {"{count} d ago": "vor {count} d", "{place} {symptom}": "{symptom} ({place})", "leg": "Bein", "cramp": "Krampf"},
)


@pytest.mark.parametrize(
    ("header", "fixed", "language"),
    [
        (None, None, "en"),
        ("", "", "en"),
        ("de", None, "de"),
        ("DE", None, "de"),
        ("de-AT", None, "de"),
        ("de-CH-1901", None, "de"),
        ("fr, de;q=0.8, en;q=0.5", None, "de"),
        ("en;q=0.5, de;q=0.8", None, "de"),
        ("de;q=0, en", None, "en"),
        ("de;q=0, *", None, "en"),
        ("en;q=0, *;q=0.1", None, "de"),
        ("fr", None, "en"),
        ("*", None, "en"),
        ("pt", None, "en"),
        ("pt-br", None, "pt-BR"),
        ("de;q=nonsense, en", None, "en"),
        ("de;q=1.5, en;q=0.1", None, "en"),
        ("x" * 5000, None, "en"),
        (";;,,=;q=1", None, "en"),
        ("en", "de", "de"),
        ("en", "de-CH", "de"),
        ("de", "fr", "de"),
    ],
)
def test_the_best_language_that_is_there_is_chosen(header: str | None, fixed: str | None, language: str) -> None:
    assert chosen(OFFERED, header, fixed) == language


def test_words_are_said_in_the_order_of_the_language_and_text_of_the_record_stays() -> None:
    text = said("{place} {symptom}", place=said("leg"), symptom=said("cramp"))
    assert text == "leg cramp"
    assert GERMAN.say(text) == "Krampf (Bein)"
    assert GERMAN.say(said("{place} {symptom}", place="leg", symptom=said("cramp"))) == "Krampf (leg)"
    assert GERMAN.say(joined([said("leg"), "leg"], "; ")) == "Bein; leg"
    assert GERMAN.say("leg") == "leg"


def test_what_is_said_in_english_is_a_plain_string() -> None:
    assert type(Language().say(said("{days:ago}", days=3.0))) is str
    assert type(GERMAN.say(said("{days:ago}", days=3.0))) is str


def test_numbers_ages_and_days_are_written_in_the_language() -> None:
    assert GERMAN.say(said("{value:1} mg, {days:ago}", value=1.55, days=20.0)) == "1,6 mg, vor 20 d"
    assert GERMAN.number(1200.5) == "1200,5"
    assert GERMAN.day(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "31.01.2026"
    assert GERMAN.day(datetime(2026, 1, 31, 8, 5, tzinfo=UTC)) == "31.01.2026 08:05"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1.8 mg/dL", "1,8 mg/dL"),
        ("<0.5 mg/dL", "<0,5 mg/dL"),
        ("2026.01.31", "2026.01.31"),
        ("v1.2a", "v1.2a"),
        ("5", "5"),
    ],
)
def test_a_charted_number_keeps_its_value(value: str, shown: str) -> None:
    assert GERMAN.charted(value) == shown


def folder(tmp_path: Path, words: str, rule: str = "") -> Path:
    place = tmp_path / "pack" / "languages" / "fr" / "rules"
    place.mkdir(parents=True)
    (place.parent / "words.yaml").write_text(words, "utf-8")
    if rule:
        (place / "a-rule.yaml").write_text(rule, "utf-8")
    return tmp_path / "pack"


WORDS = 'name: Français\ndecimal: ","\nday: "%d/%m/%Y"\nwords:\n'
RULE = "title: T\nsummary: s\nwhy: w\nconsider: [c]\n"


def test_a_folder_declares_a_language(tmp_path: Path) -> None:
    found = read_translations(folder(tmp_path, WORDS + '  "{a} of {b:1}": "{b:1} / {a}"\n', RULE), ["a-rule"])
    assert found["fr"].titles == {"a-rule": "T"}
    assert found["fr"].words == {"{a} of {b:1}": "{b:1} / {a}"}


@pytest.mark.parametrize(
    ("words", "rule", "message"),
    [
        (WORDS + '  "{a} of {b}": "{a}"\n', "", "does not hold the same values; {a}, {b} belongs there"),
        (WORDS + '  "{a:1}": "{a}"\n', "", "does not hold the same values"),
        (WORDS.replace("name: Français\n", "") + '  a: "b"\n', "", "name: is missing"),
        (WORDS + '  a: "b"\n', RULE + "colour: red\n", 'unknown key "colour"'),
        (WORDS + '  a: "b"\n', RULE.replace("why: w\n", ""), "why: is missing"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, words: str, rule: str, message: str) -> None:
    with pytest.raises(PackError) as raised:
        read_translations(folder(tmp_path, words, rule), ["a-rule"])
    assert message in str(raised.value)
    assert "pack/languages/fr/" in str(raised.value)


def test_texts_of_a_rule_that_is_not_there_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no rule has this id"):
        read_translations(folder(tmp_path, WORDS + '  a: "b"\n', RULE), ["another"])
