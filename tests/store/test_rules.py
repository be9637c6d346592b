"""Texts of rules are kept once, and cards of a rule are counted for those who may see them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cds_rules.evaluate import Knowledge
from cds_rules.store.database import Database
from cds_rules.store.rules import RuleText, reception, remember, texts_of, versions
from tests.store.scenes import NOBODY, decided, override, store, write

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_a_text_is_kept_once_and_a_changed_one_beside_it(database: Database) -> None:
    first, changed = RuleText("r", "1.0.0", "draft", "a: 1"), RuleText("r", "1.0.0", "active", "a: 2")
    remember(database, [first], NOW)
    remember(database, [first], NOW + timedelta(days=1))
    remember(database, [changed], NOW + timedelta(days=2))
    assert [(each.text, each.since) for each in texts_of(database, "r")] == [
        ("a: 2", NOW + timedelta(days=2)),
        ("a: 1", NOW),
    ]


def test_the_installed_rules_are_kept(url: str, knowledge: Knowledge) -> None:
    kept = store(url)
    kept.remember(knowledge, NOW)
    (text,) = texts_of(kept.database, "mg-oral-severe-ckd")
    assert text.version == knowledge.rules["mg-oral-severe-ckd"].version
    assert "title: Oral magnesium with eGFR below 30" in text.text
    kept.close()


def test_cards_of_a_rule_are_counted_by_answer_and_version(url: str, knowledge: Knowledge) -> None:
    kept = store(url)
    made = decided(knowledge)
    write(kept, made, decided(knowledge, at=made.at + timedelta(days=1)))
    kept.feedback([override(made.cards[0]["uuid"])], service="s", caller=NOBODY)
    rule, long_ago = "mg-oral-severe-ckd", made.at - timedelta(days=1)
    found = reception(kept.database, None, rule, long_ago)
    assert (found.shown, found.unanswered, found.overridden) == (2, 1, {"benefit-outweighs-risk": 1})
    assert reception(kept.database, {"other"}, rule, long_ago).shown == 0
    (spoke,) = versions(kept.database, None, rule)
    assert (spoke.alerts, spoke.last - spoke.first) == (2, timedelta(days=1))
    kept.close()
