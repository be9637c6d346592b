"""What keeps a rule silent, told to clinicians: in their words, in both languages, for every rule and sample."""

from __future__ import annotations

import math
import re

import pytest

from cds_rules.cards.silence import miss_words, pattern_words
from cds_rules.engine.explanation import Check, Distance, Miss, Reading
from cds_rules.engine.inquiry import Inquiry
from cds_rules.engine.reference import NO, World, judge
from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.knowledge.rules import Comparison, Pattern, patterns
from cds_rules.vocabulary.facts import Between, fact
from tests.cards.test_languages import CALLS, ENGLISH
from tests.samples import samples

OF_AUTHORS = re.compile(r"FOCAL|BOTH|mg_|_|\bis (true|false)\b|\bkey\b|\bcode\b|[<>]=?|clinical specification|\{")
NAMES = [patient["id"] for patient, _, _ in samples()]


def misses(knowledge: Knowledge, name: str) -> list[Miss]:
    told = evaluate(knowledge, CALLS[name])
    explained = Inquiry(knowledge.rulebook, told.scenario, told.settled).explanations()
    return [miss for each in explained if each.shortfall for miss in each.shortfall.misses]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_nearest_is_told_in_a_clinicians_words(knowledge: Knowledge, name: str) -> None:
    for miss in misses(knowledge, name):
        told = miss_words(miss)
        assert told.startswith(("found: ", "not found: "))
        assert not OF_AUTHORS.search(told), told
        german = knowledge.languages["de"].say(told)
        assert not ENGLISH.search(german.replace("nicht not", "")), german


def test_every_condition_of_every_rule_can_be_told(knowledge: Knowledge) -> None:
    for rule in knowledge.rules.values():
        for _, condition in rule.conditions():
            for pattern in patterns(condition):
                told = pattern_words(pattern)
                assert told
                assert not OF_AUTHORS.search(told), (str(pattern), told)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mg-oral-severe-ckd", "not found: kidney function, eGFR 30 to 44 (on the record: eGFR 28)"),
        (
            "mg-oral-severe-ckd",
            "not found: potassium, below 3 mmol/L, within 7 d (on the record: 4.4 mmol/L, 20 d ago)",
        ),
        ("mg-oral-severe-ckd", "not found: myasthenia gravis or Lambert-Eaton syndrome"),
        ("mg-oral-severe-ckd", "not found: magnesium level, low, within 30 d"),
    ],
)
def test_it_says_what_was_looked_for_and_what_is_there(knowledge: Knowledge, name: str, wanted: str) -> None:
    assert wanted in [str(miss_words(miss)) for miss in misses(knowledge, name)]


def test_what_is_there_and_keeps_it_silent_is_found() -> None:
    leaf = Pattern("symptom", (Comparison("cramp", "eq", (True,)), Comparison("confirmed", "eq", (False,))))
    assert pattern_words(leaf) == "muscle cramp, without: confirmed"


def test_a_lower_bound_is_told_as_one() -> None:
    leaf = Pattern("magnesium", (Comparison("total_mg", "le", (350.0,)),))
    found = fact("magnesium", total_mg=Between(482.0, math.inf))
    check = Check(leaf.tests[0], found.fields["total_mg"], "mg/d", NO, Distance("total_mg", 482.0, 350.0, "mg/d"))
    told = miss_words(Miss(judge(leaf, World([found])), True, Reading(found, (check,))))
    assert "at least 482 mg a day" in told
