"""Counterfactuals by example: what is found, in which words' worth, and what is never proposed."""

from __future__ import annotations

from typing import Any

from cds_rules.engine.borderline import borderline
from cds_rules.engine.changes import Dose, Filtration, Measured, Recorded, Since, Value, Without
from cds_rules.engine.counterfactuals import Counterfactual, counterfactuals
from cds_rules.engine.inquiry import Inquiry
from cds_rules.engine.settling import settle
from cds_rules.evaluate import Knowledge
from tests.derive.charts import creatinine, egfr, magnesium, medication, oxide, problem, result
from tests.engine.test_explanation import scenario

SEVERE = "mg-oral-severe-ckd"


def found(knowledge: Knowledge, rule: str, *entries: Any, hook: str = "patient-view") -> tuple[Counterfactual, ...]:
    given = scenario(*entries, hook=hook)
    settled = settle(knowledge.rulebook, given)
    return counterfactuals(knowledge.rulebook, knowledge.rules[rule], given, settled)


def test_creatinine_and_report_change_together(knowledge: Knowledge) -> None:
    ways = found(knowledge, SEVERE, egfr(24, 1), creatinine(2.3, 1), oxide(200))
    (filtration,) = [each.changes[0] for each in ways if isinstance(each.changes[0], Filtration)]
    assert (filtration.bound, filtration.value, filtration.was) == ("at least", 30.0, 24.0)
    assert {key for _, key, _ in filtration.results} == {"egfr_reported", "creatinine"}


def test_a_dose_lowers_the_card_and_leaving_the_drug_out_takes_it_away(knowledge: Knowledge) -> None:
    ways = found(knowledge, SEVERE, egfr(24, 1), oxide(800))
    dose = next(each for each in ways if isinstance(each.changes[0], Dose))
    assert (dose.changes[0].bound, dose.changes[0].value, dose.outcome.indicator) == ("at most", 350.0, "warning")  # type: ignore[union-attr]
    assert any(isinstance(each.changes[0], Without) and each.outcome.state == "not-fired" for each in ways)


def test_two_products_have_to_go_together(knowledge: Knowledge) -> None:
    ways = found(knowledge, SEVERE, egfr(24, 1), oxide(200), oxide(140))
    assert any(len(each.changes) == 2 and all(isinstance(one, Without) for one in each.changes) for each in ways)
    assert not any(len(each.changes) == 1 and isinstance(each.changes[0], Without) for each in ways)


def test_a_level_in_range_since_the_start_is_one_way(knowledge: Knowledge) -> None:
    ways = found(knowledge, SEVERE, egfr(24, 1), oxide(200, start=60))
    assert any(each.outcome.by == "unless" and isinstance(each.changes[0], Measured) for each in ways)


def test_a_silence_is_raised_by_what_is_nearest(knowledge: Knowledge) -> None:
    ways = found(knowledge, SEVERE, egfr(34, 1), oxide(200))
    assert (ways[0].changes[0].bound, ways[0].changes[0].value) == ("at most", 29.0)  # type: ignore[union-attr]
    assert ways[0].outcome.state == "fired"
    young = found(knowledge, "mg-longterm-monitoring", egfr(52, 1), oxide(200, start=20))
    assert any(isinstance(each.changes[0], Since) for each in young)


def test_what_another_rule_holds_back_has_none(knowledge: Knowledge) -> None:
    assert found(knowledge, SEVERE, egfr(24, 1), oxide(800), magnesium(5.2, 1)) == ()


def test_changes_that_harm_come_last(knowledge: Knowledge) -> None:
    ways = found(knowledge, "quinine-leg-cramps", medication("quinine", "quinine"))
    assert isinstance(ways[0].changes[0], Without)
    assert isinstance(ways[-1].changes[0], Recorded)


def test_acute_injury_goes_with_creatinine(knowledge: Knowledge) -> None:
    ways = found(knowledge, "mg-oral-aki", creatinine(2.0, 1), creatinine(0.9, 30), oxide(400))
    value = next(each.changes[0] for each in ways if isinstance(each.changes[0], Value))
    assert (value.key, value.bound) == ("creatinine", "at most")
    assert value.value < 1.5 * 0.9


# --- borderline, and with and without the draft ------------------------------------------------------------------


def test_only_a_value_near_a_limit_is_borderline(knowledge: Knowledge) -> None:
    def of(value: float) -> float | None:
        given = scenario(egfr(value, 1), oxide(200))
        mark = borderline(knowledge.rulebook, knowledge.rules[SEVERE], given, settle(knowledge.rulebook, given))
        return None if mark is None else mark.probability

    assert of(22) is None
    near, nearer = of(27), of(29)
    assert near is not None
    assert nearer is not None
    assert 0 < near < nearer < 0.6
    assert of(29) == nearer


def test_a_mark_needs_a_published_figure(knowledge: Knowledge) -> None:
    given = scenario(magnesium(2.41, 1), oxide(200))
    settled = settle(knowledge.rulebook, given)
    assert settled.outcomes["hypermagnesemia-lab"].state == "fired"
    assert borderline(knowledge.rulebook, knowledge.rules["hypermagnesemia-lab"], given, settled) is None


def test_what_hardly_any_repeat_would_turn_is_not_borderline(knowledge: Knowledge) -> None:
    """CK and creatinine would both have to come out far lower: no card says "about 0 of 100"."""
    for value in (1.6, 1.65):
        entries = creatinine(value, 1), creatinine(1.0, 30), result("ck", 9000, 1), medication("simvastatin", "statin")
        given = scenario(*entries)
        settled = settle(knowledge.rulebook, given)
        assert settled.outcomes["statin-rhabdomyolysis"].state == "fired"
        assert borderline(knowledge.rulebook, knowledge.rules["statin-rhabdomyolysis"], given, settled) is None


def test_a_risk_that_is_there_without_the_draft_is_not_charged_to_it(knowledge: Knowledge) -> None:
    low = result("potassium", 2.8, 1), problem("heart-failure")
    draft = oxide(800, state="draft", selected=True)
    given = scenario(egfr(24, 1), *low, draft, hook="order-sign")
    inquiry = Inquiry(knowledge.rulebook, given, settle(knowledge.rulebook, given))
    new = inquiry.added(knowledge.rules[SEVERE])
    assert new is not None
    assert new.before is not None
    assert (new.before.state, new.magnesium_before, new.magnesium_after) == ("not-fired", 0.0, 482.0)
    given = scenario(egfr(24, 1), oxide(800), draft, hook="order-sign")
    inquiry = Inquiry(knowledge.rulebook, given, settle(knowledge.rulebook, given))
    there = inquiry.added(knowledge.rules[SEVERE])
    assert there is not None
    assert there.before is not None
    assert (there.before.state, there.before.indicator) == ("fired", "critical")
    assert inquiry.added(knowledge.rules[SEVERE]) == there


def test_the_open_chart_has_no_drafts_to_add(knowledge: Knowledge) -> None:
    given = scenario(egfr(24, 1), oxide(800))
    assert Inquiry(knowledge.rulebook, given, settle(knowledge.rulebook, given)).added(knowledge.rules[SEVERE]) is None
