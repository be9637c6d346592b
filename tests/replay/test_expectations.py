"""Expected cards: what is met, what differs, and what is wrong with the file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_rules.replay.expectations import Difference, Expectations, read_expectations
from cds_rules.replay.run import Result
from cds_rules.vocabulary.errors import PackError

AT = datetime(2026, 1, 10, tzinfo=UTC)


def card(rule: str = "mg-total-dose", indicator: str = "warning", **more: Any) -> dict[str, Any]:
    return {"summary": "s", "indicator": indicator, "extension": {"dev.cds-rules.finding": {"rule": rule}}, **more}


def result(*cards: dict[str, Any], name: str = "ann", **more: Any) -> Result:
    told: dict[str, Any] = {
        "about": "", "origins": ("ann.json",), "hook": "patient-view", "at": AT, "evidence": {}, "not_judged": {}, "judged": 1,
        "unread": (), "not_understood": {}, "matcher": "", "disagreements": (), "fingerprint": "",
    }  # fmt: skip
    return Result(name=name, patient="Patient/p1", cards=cards, **told | more)


def expectations(folder: Path, text: str, name: str = "ann.yaml") -> Expectations:
    (folder / name).write_text(text, "utf-8")
    return read_expectations(folder)


def told(found: Expectations, one: Result) -> list[tuple[str, str, str]]:
    return [(each.rule, each.expected, each.found) for each in found.check(one)]


EXACT = "cards:\n  - {rule: mg-total-dose, indicator: warning}\n"


def test_the_same_cards_differ_in_nothing(tmp_path: Path) -> None:
    found = expectations(tmp_path, EXACT)
    assert told(found, result(card())) == []
    assert list(found.unused()) == []


def test_a_missing_a_further_and_a_lower_card_are_told(tmp_path: Path) -> None:
    found = expectations(tmp_path, EXACT)
    assert told(found, result()) == [("mg-total-dose", "warning", "no card")]
    assert told(found, result(card(), card("mg-gi-upset", "info"))) == [("mg-gi-upset", "no card", "info")]
    assert told(found, result(card(indicator="info"))) == [("mg-total-dose", "indicator: warning", "indicator: info")]


def test_a_rule_that_was_not_judged_says_why(tmp_path: Path) -> None:
    found = expectations(tmp_path, EXACT)
    assert told(found, result(not_judged={"mg-total-dose": ("no labs",)}))[0][2] == "not judged: no labs"


def test_further_cards_can_be_allowed_and_some_never(tmp_path: Path) -> None:
    found = expectations(tmp_path, EXACT + "others: true\nabsent: [statin-ck-elevated]\n")
    assert told(found, result(card(), card("mg-gi-upset"))) == []
    assert told(found, result(card(), card("statin-ck-elevated"))) == [("statin-ck-elevated", "no card", "warning")]


def test_rule_ids_may_lack_hyphens_and_texts_may_be_named(tmp_path: Path) -> None:
    text = "cards:\n  - {rule: mgtotaldose, summary: other, suggestions: [Order it]}\n"
    found = expectations(tmp_path, text)
    differences = told(found, result(card(suggestions=[{"label": "Order it"}])))
    assert differences == [("mgtotaldose", "summary: other", "summary: s")]


def test_files_are_found_by_the_id_of_the_patient_and_may_be_json(tmp_path: Path) -> None:
    found = expectations(tmp_path, '{"cards": []}', "p1.json")
    assert told(found, result(card(), name="file")) == [("mg-total-dose", "no card", "warning")]


def test_a_case_may_have_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "cards.yaml").write_text(EXACT, "utf-8")
    (tmp_path / "patients.yaml").write_text("people: here\n", "utf-8")
    found = read_expectations(tmp_path)
    assert told(found, result()) == [("mg-total-dose", "warning", "no card")]
    (tmp_path / "ann" / "cards.yaml").write_text("foo: 1\n", "utf-8")
    with pytest.raises(PackError, match=r"ann/cards\.yaml"):
        read_expectations(tmp_path)


def test_an_expectation_of_another_instant_or_hook_is_left_over(tmp_path: Path) -> None:
    text = "- {at: 2026-01-10T00:00:00Z, cards: []}\n- {at: 2026-02-10T00:00:00Z, cards: [mg-total-dose]}\n- {hook: order-sign, cards: []}\n"
    found = expectations(tmp_path, text)
    assert told(found, result()) == []
    assert [type(each) for each in found.unused()] == [Difference, Difference]


def test_what_nobody_expects_anything_of_is_counted(tmp_path: Path) -> None:
    found = expectations(tmp_path, EXACT)
    assert told(found, result(card(), name="bob")) == []
    assert found.without == 1


def test_every_mistake_of_every_file_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bob.yaml").write_text("cards: 5\nfoo: 1\n")
    with pytest.raises(PackError) as told_:
        expectations(tmp_path, "cards:\n  - {rule: x, indicator: severe}\nat: soon\n")
    message = str(told_.value)
    assert "ann.yaml" in message
    assert "one of critical, warning, info belongs here" in message
    assert "an instant such as" in message
    assert "bob.yaml" in message
    assert 'unknown key "foo"' in message
