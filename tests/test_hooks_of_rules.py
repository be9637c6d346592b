"""Which rule speaks at which hook: the table of the docs, and what rules say at the hooks that are ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.discovery import SERVICES
from cds_rules.vocabulary.facts import HOOKS, ORDER_HOOKS
from cds_rules.vocabulary.frozen import replace
from tests.laws.laws import levels
from tests.laws.patients import Patients

PAGE = (Path(__file__).parents[1] / "docs" / "hooks.md").read_text("utf-8")
COLUMNS = ("patient-view", "order-select", "order-sign", "encounter-start", "encounter-discharge", "medication-refill")


def test_the_page_says_where_each_rule_speaks_and_why(knowledge: Knowledge) -> None:
    told = {}
    for line in re.findall(r"^\| ([a-z0-9-]+) \|(.+)\|$", PAGE, re.MULTILINE):
        *marks, because = (cell.strip() for cell in line[1].split("|"))
        if line[0] in knowledge.rules:
            assert because
            told[line[0]] = {hook for hook, mark in zip(COLUMNS, marks, strict=True) if mark == "yes"}
    assert told == {rule.id: set(rule.hooks) for rule in knowledge.rules.values()}


def test_there_is_a_service_for_every_hook_of_a_rule(knowledge: Knowledge) -> None:
    assert {service.hook for service in SERVICES} == {hook for rule in knowledge.rules.values() for hook in rule.hooks}
    assert {service.hook for service in SERVICES} <= set(HOOKS)


@pytest.mark.parametrize("hook", sorted(set(HOOKS) - ORDER_HOOKS))
def test_a_chart_hook_says_of_its_rules_what_patient_view_says(knowledge: Knowledge, hook: str) -> None:
    """What a rule finds, before one card takes away another: the same at every hook without drafts."""
    patients = Patients(knowledge.tables)
    spoken = set()
    for seed in range(120):
        patient = replace(patients.draw(seed), hook="patient-view", drafts=(), selections=None)
        here, there = (evaluate(knowledge, replace(patient, hook=each).call()) for each in (hook, "patient-view"))
        for rule, outcome in here.outcomes.items():
            if outcome.state == "fired" and there.outcomes[rule].state == "fired":
                assert outcome.indicator == there.outcomes[rule].indicator, (seed, rule)
        spoken |= set(levels(here))
    assert len(spoken) >= 8
