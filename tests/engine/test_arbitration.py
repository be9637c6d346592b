"""One problem, one card: groups, removals, comfort care, drafts."""

from __future__ import annotations

from cds_rules.engine.arbitration import Policy, arbitrate
from cds_rules.engine.judging import Finding, Outcome, Verdict
from cds_rules.engine.reference import World
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import Comparison, Group, Indicator, Pattern, Removal, Rule
from cds_rules.vocabulary.facts import fact
from cds_rules.vocabulary.frozen import replace

COMFORT = Pattern("patient", (Comparison("comfort_care", "eq", (True,)),))
QUIET = World([fact("patient", comfort_care=False)])


def finding(rule: Rule, indicator: Indicator, name: str = "", status: str = "active") -> Finding:
    return Finding(replace(rule, id=name or rule.id, status=status), indicator, tuple)


def verdict(*findings: Finding) -> Verdict:
    return Verdict(findings, {each.rule.id: Outcome("fired", each.indicator) for each in findings}, "reference")


def policy(*groups: tuple[str, ...], removals: tuple[Removal, ...] = ()) -> Policy:
    return Policy([Group("+".join(group), "", group) for group in groups], removals, COMFORT)


def shown(
    pack: Pack, rules: Policy, *found: tuple[str, Indicator], world: World = QUIET, hook: str = "patient-view"
) -> list[str]:
    rule = pack.rules[0]
    kept, _ = arbitrate(verdict(*(finding(rule, indicator, name) for name, indicator in found)), rules, world, hook)
    return [f"{each.rule.id} {each.indicator}" for each in kept]


def test_the_most_severe_of_a_group_stays(pack: Pack) -> None:
    assert shown(pack, policy(("a", "b")), ("a", "info"), ("b", "warning")) == ["b warning"]


def test_ties_go_to_the_first_listed(pack: Pack) -> None:
    assert shown(pack, policy(("b", "a")), ("a", "info"), ("b", "info")) == ["b info"]


def test_the_losers_are_noted_on_the_winner(pack: Pack) -> None:
    rule = pack.rules[0]
    kept, outcomes = arbitrate(
        verdict(finding(rule, "info", "a"), finding(rule, "warning", "b")), policy(("a", "b")), QUIET, "patient-view"
    )
    assert [each.rule.id for each in kept[0].also] == ["a"]
    assert outcomes["a"].state == "suppressed"
    assert outcomes["a"].indicator == "info"
    assert "b" in outcomes["a"].because[0]


def test_cards_are_ordered_most_urgent_first(pack: Pack) -> None:
    assert shown(pack, policy(("a",), ("b",), ("c",)), ("a", "info"), ("b", "critical"), ("c", "warning")) == [
        "b critical",
        "c warning",
        "a info",
    ]


def test_a_removal_needs_equal_or_higher_severity(pack: Pack) -> None:
    removal = Removal(frozenset({"a"}), frozenset({"b"}))
    groups = (("a",), ("b",))
    assert shown(pack, policy(*groups, removals=(removal,)), ("a", "info"), ("b", "info")) == ["a info"]
    assert shown(pack, policy(*groups, removals=(removal,)), ("a", "info"), ("b", "warning")) == ["b warning", "a info"]


def test_a_removal_can_ask_for_a_level_a_hook_and_an_exception(pack: Pack) -> None:
    groups = (("a",), ("b",))
    from_warning = Removal(frozenset({"a"}), frozenset({"b"}), at_least="warning")
    assert shown(pack, policy(*groups, removals=(from_warning,)), ("a", "info"), ("b", "info")) == ["a info", "b info"]
    in_orders = Removal(frozenset({"a"}), frozenset({"b"}), hooks=frozenset({"order-sign"}))
    assert shown(pack, policy(*groups, removals=(in_orders,)), ("a", "info"), ("b", "info")) == ["a info", "b info"]
    unless = Removal(
        frozenset({"a"}), frozenset({"b"}), unless=Pattern("symptom", (Comparison("severe_deficiency", "eq", (True,)),))
    )
    severe = World([fact("symptom", severe_deficiency=True)])
    assert shown(pack, policy(*groups, removals=(unless,)), ("a", "info"), ("b", "info"), world=severe) == [
        "a info",
        "b info",
    ]


def test_comfort_care_silences_the_open_chart_and_leaves_critical_orders(pack: Pack) -> None:
    comfort = World([fact("patient", comfort_care=True)])
    rules = policy(("a",), ("b",))
    assert shown(pack, rules, ("a", "critical"), ("b", "info"), world=comfort) == []
    assert shown(pack, rules, ("a", "critical"), ("b", "info"), world=comfort, hook="order-sign") == ["a critical"]


def test_a_draft_rule_is_counted_and_never_shown(pack: Pack) -> None:
    drafted = finding(pack.rules[0], "critical", "a", status="draft")
    kept, outcomes = arbitrate(
        verdict(drafted, finding(pack.rules[0], "info", "b")), policy(("a", "b")), QUIET, "patient-view"
    )
    assert [each.rule.id for each in kept] == ["b"]
    because = ("the rule is a draft: judged and counted, never shown",)
    assert outcomes["a"] == Outcome("suppressed", "critical", because, "draft")


def test_an_outcome_says_what_suppressed_the_rule(pack: Pack) -> None:
    rules = [
        finding(pack.rules[0], "warning", "a"),
        finding(pack.rules[0], "info", "b"),
        finding(pack.rules[0], "info", "c"),
    ]
    removal = Removal(frozenset({"a"}), frozenset({"c"}))
    order = policy(("a", "b"), ("c",), removals=(removal,))
    _, outcomes = arbitrate(verdict(*rules), order, QUIET, "patient-view")
    assert [(outcomes[rule].by, outcomes[rule].winner) for rule in "abc"] == [
        (None, ""),
        ("group", "a"),
        ("removal", "a"),
    ]
    comfort = World([fact("patient", comfort_care=True)])
    _, outcomes = arbitrate(verdict(*rules), order, comfort, "patient-view")
    assert outcomes["a"].by == "comfort-care"
