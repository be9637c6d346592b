"""What an explanation says of a rule: states, readings, distances, what is missing, what is nearest."""

from __future__ import annotations

from typing import Any

from cds_rules.engine.explanation import Distance, Explanation, explain, leaves, readings
from cds_rules.engine.settling import Scenario, settle
from cds_rules.evaluate import Knowledge
from tests.derive.charts import AT, chart, creatinine, egfr, magnesium, medication, oxide, result, symptom


def scenario(*entries: Any, hook: str = "patient-view", **missing: str) -> Scenario:
    return Scenario(chart(*entries), hook, AT, missing)


def explained(knowledge: Knowledge, rule: str, *entries: Any, **missing: str) -> Explanation:
    given = scenario(*entries, **missing)
    (found,) = explain(knowledge.rulebook, settle(knowledge.rulebook, given), given.chart, rule)
    return found


def test_a_miss_is_told_by_the_number_behind_the_word(knowledge: Knowledge) -> None:
    found = explained(knowledge, "mg-oral-severe-ckd", egfr(34), oxide())
    assert found.outcome.state == "not-fired"
    assert found.shortfall is not None
    (miss,) = found.shortfall.misses
    assert miss.reading is not None
    (check,) = miss.reading.missed
    assert check.distance == Distance("egfr", 34.0, 30.0, "mL/min/{1.73_m2}")


def test_a_flag_is_told_by_the_value_and_its_limit(knowledge: Knowledge) -> None:
    found = explained(knowledge, "hypomagnesemia-lab", magnesium(1.8))
    assert found.shortfall is not None
    reading = found.shortfall.misses[0].reading
    assert reading is not None
    assert [(each.distance.value, each.distance.limit) for each in reading.missed if each.distance] == [(1.8, 1.7)]


def test_a_leaf_shows_only_what_is_about_it(knowledge: Knowledge) -> None:
    given = scenario(result("potassium", 3.6), result("sodium", 140), symptom("dark-urine"))
    settled = settle(knowledge.rulebook, given)
    (found,) = explain(knowledge.rulebook, settled, given.chart, "refractory-hypok-hypoca")
    asked = [
        leaf for clause in found.clauses for leaf in leaves(clause.judgement) if "potassium" in str(leaf.condition)
    ]
    shown = {reading.fact.fields["code"] for leaf in asked for reading in readings(leaf, settled.derived) if leaf.facts}
    assert shown == {"potassium"}


def test_nearest_misses_come_first(knowledge: Knowledge) -> None:
    given = scenario(egfr(31), oxide(100))
    found = explain(knowledge.rulebook, settle(knowledge.rulebook, given), given.chart)
    silent = [each for each in found if each.outcome.state == "not-fired"]
    assert [each.rank for each in silent] == sorted(each.rank for each in silent)
    names = [each.rule.id for each in silent]
    assert names.index("mg-oral-severe-ckd") < names.index("mg-myasthenia-gravis")


def test_a_suppression_names_its_exception_or_its_winner(knowledge: Knowledge) -> None:
    exception = explained(knowledge, "mg-oral-severe-ckd", egfr(24, 3), oxide(400, start=20), magnesium(2.0, 2))
    assert (exception.outcome.state, exception.outcome.by) == ("suppressed", "unless")
    assert [clause.says for clause in exception.clauses if clause.applies and clause.role == "unless"]
    group = explained(knowledge, "mg-oral-severe-ckd", egfr(24, 3), oxide(800), magnesium(5.2, 2))
    assert (group.outcome.by, group.outcome.winner) == ("group", "hypermagnesemia-lab")
    assert group.shortfall is None


def test_a_rule_that_cannot_be_judged_says_what_would_tell(knowledge: Knowledge) -> None:
    found = explained(knowledge, "mg-oral-severe-ckd", oxide(), labs="prefetch key creatinine was not sent")
    assert found.outcome.state == "not-judged"
    assert [(lack.domains, lack.fields) for lack in found.lacking] == [(("labs",), ("tier",))]
    assert found.lacking[0].names == ("creatinine", "egfr_reported", "cystatin_c")


def test_facts_of_a_hand_written_chart_have_units(knowledge: Knowledge) -> None:
    given = scenario(creatinine(2.4), medication("simvastatin", "statin"))
    settled = settle(knowledge.rulebook, given)
    (found,) = explain(knowledge.rulebook, settled, given.chart, "mg-iv-obstetric")
    units = {
        check.unit
        for clause in found.clauses
        for leaf in leaves(clause.judgement)
        for reading in readings(leaf, settled.derived)
        for check in reading.checks
        if check.test.field == "value"
    }
    assert units == {"mg/dL"}
