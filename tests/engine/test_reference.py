"""What conditions mean: three values, gaps, open fields."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.engine.reference import NO, UNKNOWN, YES, World, fits, judge, passes, truth, unknowns
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import ALWAYS, All, Any, Comparison, Condition, Not, Operator, Pattern, patterns
from cds_rules.vocabulary.facts import Between, between, fact
from cds_rules.vocabulary.frozen import replace
from tests.engine.worlds import Worlds

HIGH = Pattern("lab", (Comparison("code", "eq", ("magnesium",)), Comparison("value", "gt", (3.0,))))
G5 = Pattern("kidney", (Comparison("tier", "eq", ("G5",)),))


def magnesium(value: float | None) -> World:
    return World([fact("lab", code="magnesium", value=value)])


@pytest.mark.parametrize(("value", "expected"), [(2.9, NO), (3.0, NO), (3.0 + 1e-10, NO), (3.01, YES), (None, UNKNOWN)])
def test_a_comparison_is_strict_within_the_tolerance(value: float | None, expected: int) -> None:
    assert truth(HIGH, magnesium(value)) is expected


def test_a_value_known_to_differ_settles_a_pattern_whose_other_field_is_open() -> None:
    assert truth(HIGH, World([fact("lab", code="potassium", value=None)])) is NO


def test_a_fact_of_which_nobody_knows_what_it_is_about_may_be_about_anything() -> None:
    assert truth(HIGH, World([fact("lab", value=3.5)])) is UNKNOWN
    assert truth(HIGH, World([fact("lab", value=2.5)])) is NO


def test_a_pattern_is_as_true_as_the_fact_that_fits_it_best(pack: Pack) -> None:
    asked = {each for rule in pack.rules for _, condition in rule.conditions() for each in patterns(condition)}
    worlds = Worlds(pack.rules, 7)
    for world in (worlds.draw("patient-view") for _ in range(200)):
        for pattern in asked:
            best = [fits(pattern, each) for each in world.facts.get(pattern.kind, ())]
            assert truth(pattern, world) is max([*best, UNKNOWN if pattern.kind in world.gaps else NO])


def test_a_gap_makes_absence_unknown_but_not_presence() -> None:
    assert truth(HIGH, World([], ["lab"])) is UNKNOWN
    assert truth(HIGH, World([fact("lab", code="magnesium", value=4)], ["lab"])) is YES
    assert truth(Not(HIGH), World([], ["lab"])) is UNKNOWN
    assert truth(Not(HIGH), World([])) is YES


def test_one_known_part_settles_all_and_any() -> None:
    gap = World([fact("kidney", tier="G5")], ["lab"])
    assert truth(Any((HIGH, G5)), gap) is YES
    assert truth(All((HIGH, Not(G5))), gap) is NO
    assert truth(All((HIGH, G5)), gap) is UNKNOWN


def test_unknowns_name_the_patterns_to_blame() -> None:
    assert unknowns(judge(All((HIGH, G5)), World([fact("kidney", tier="G5")], ["lab"]))) == (HIGH,)


ENDS = st.floats(0, 6).map(lambda number: round(number, 2))


@given(
    st.sampled_from(["eq", "in", "lt", "le", "gt", "ge"]),
    st.tuples(ENDS, ENDS).map(sorted),
    st.floats(0, 1),
    st.sampled_from([0.0, 1.5, 3.0, 6.0]),
)
def test_what_the_ends_settle_holds_for_every_number_between_them(
    operator: Operator, ends: list[float], part: float, constant: float
) -> None:
    test = Comparison("value", operator, (constant,))
    told = passes(test, between(*ends))
    inside = [passes(test, ends[0] + (ends[1] - ends[0]) * share) for share in (0.0, part, 1.0)]
    assert told is UNKNOWN or set(inside) == {told}
    if told is UNKNOWN and operator not in ("eq", "in"):
        assert {inside[0], inside[-1]} == {YES, NO}


conditions = st.recursive(
    st.sampled_from([HIGH, G5, Pattern("order", ())]),
    lambda inner: st.one_of(
        inner.map(Not), st.lists(inner, max_size=3).map(tuple).map(All), st.lists(inner, max_size=3).map(tuple).map(Any)
    ),
    max_leaves=8,
)
facts = st.lists(
    st.one_of(
        st.builds(
            lambda value: fact("lab", code="magnesium", value=value),
            st.sampled_from([None, 2.0, 3.0, 4.0, Between(2.0, 4.0), Between(3.5, math.inf), Between(-math.inf, 3.0)]),
        ),
        st.builds(lambda tier: fact("kidney", tier=tier), st.sampled_from([None, "G4", "G5"])),
        st.just(fact("order", test="ck")),
    ),
    max_size=4,
)


@given(conditions, facts, st.sets(st.sampled_from(["lab", "kidney", "order"])))
def test_knowing_more_never_turns_a_settled_truth(condition: Condition, known: list, gaps: set[str]) -> None:
    """With the gaps closed, what was met or not met stays so."""
    before, after = truth(condition, World(known, gaps)), truth(condition, World(known))
    assert before is UNKNOWN or before is after


@given(conditions, facts)
def test_the_order_of_facts_never_matters(condition: Condition, known: list) -> None:
    assert truth(condition, World(known)) is truth(condition, World(known[::-1]))


@given(conditions, facts)
def test_judging_with_explanation_gives_the_same_truth(condition: Condition, known: list) -> None:
    assert judge(condition, World(known)).truth is truth(condition, World(known))


def test_equal_conditions_have_one_hash_also_when_copied_or_sent_to_another_process() -> None:
    first, second = (All((Pattern("lab", (Comparison("code", "eq", ("magnesium",)),)), Not(ALWAYS))) for _ in range(2))
    assert hash(first) == hash(first) == hash(second)
    sent = pickle.loads(pickle.dumps(first))
    assert {first: "known"}[sent] == "known"
    assert hash(replace(first, parts=())) != hash(first)
