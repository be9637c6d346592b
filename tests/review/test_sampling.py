"""Samples of a replay run: every stratum of every rule, weights that add up to the whole, the same set for the same seed."""

from __future__ import annotations

import io
import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_rules.cards.cards import FINDING
from cds_rules.evaluate import Call
from cds_rules.review.sampling import Draw, Wish, sample
from cds_rules.store.packing import packed
from cds_rules.vocabulary.errors import BadInput

CALL: dict[str, Any] = json.loads(packed(Call("patient-view", datetime(2026, 6, 1, tzinfo=UTC))))
SHOWN = {"summary": "s", "indicator": "warning", "source": {"label": "l", "topic": {"display": "t"}}}
STATES = ("alert", "suppressed", "not-judged", "not-fired")


def line(outcomes: dict[str, str], patient: str = "p", **changes: Any) -> bytes:
    """A result of a replay in which these things became of these rules."""
    cards = [
        {"uuid": "u", **SHOWN, "extension": {FINDING: {"rule": rule, "version": "1.0.0", "level": "warning"}}}
        for rule, state in outcomes.items()
        if state == "alert"
    ]
    states = {rule: ["fired" if state == "alert" else state, "warning"] for rule, state in outcomes.items()}
    told = {
        "hook": "patient-view", "fingerprint": "f", "cards": cards, "outcomes": states, "call": CALL | {"patient_id": patient},
    }  # fmt: skip
    return json.dumps(told | changes).encode() + b"\n"


def run(*lines: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(lines))


@given(st.lists(st.fixed_dictionaries({"a": st.sampled_from(STATES), "b": st.sampled_from(STATES)}), min_size=1))
@settings(max_examples=60)
def test_what_was_drawn_stands_for_the_whole(outcomes: list[dict[str, str]]) -> None:
    lines = [line(each, f"p{number}") for number, each in enumerate(outcomes)]
    made = sample(run(*lines), Wish(3, 2, rules=("a", "b"), seed=1))
    whole = Counter(rule for each in outcomes for rule in each)
    for rule in ("a", "b"):
        own = [each for each in made.items if each.rule == rule]
        assert round(sum(each.weight for each in own), 6) == whole[rule]
        for drawn in (each for each in made.strata if each.rule == rule):
            in_it = [each for each in own if each.stratum == drawn.stratum]
            assert len(in_it) == drawn.drawn == min(drawn.population, 3 if drawn.stratum == "alert" else 2)
            assert len({each.patient for each in in_it}) == drawn.drawn


def test_the_same_seed_gives_the_same_set_and_another_another() -> None:
    lines = [line({"a": "alert"}, f"p{each}") for each in range(200)]
    patients = [[each.patient for each in sample(run(*lines), Wish(5, seed=seed)).items] for seed in (1, 1, 2)]
    assert patients[0] == patients[1] != patients[2]


def test_every_line_is_as_likely_as_any_other() -> None:
    lines = run(*(line({"a": "alert"}, f"p{each}") for each in range(10)))
    drawn = Counter(each.patient for seed in range(1000) for each in sample(lines, Wish(3, seed=seed)).items)
    assert all(220 < count < 380 for count in drawn.values()), drawn  # 300 expected, sd 14.5


def test_what_is_gone_when_it_is_read_is_stood_for_by_the_rest() -> None:
    drawing = Draw(Wish(alerts=10))
    for place in range(40):
        drawing.offer(place, [("a", "alert")])
    whole = json.loads(line({"a": "alert"}))
    made = drawing.sample("f", lambda place: whole if place % 2 else None, recorded=True)
    (stratum,) = made.strata
    assert (stratum.population, stratum.drawn) == (40, len(made.items))
    assert 0 < len(made.items) < 10
    assert round(sum(each.weight for each in made.items), 6) == 40


def test_by_default_silences_are_drawn_of_the_rules_that_spoke() -> None:
    made = sample(run(line({"a": "alert", "b": "not-fired"}), line({"a": "not-fired", "b": "not-fired"})), Wish())
    assert sorted((each.rule, each.stratum) for each in made.items) == [("a", "alert"), ("a", "silent")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([b"not JSON\n"], "line 1: is no result of a replay"),
        (
            [line({"a": "alert"}), b'{"cards": []}\n'],
            "line 2: does not hold what was judged; replay again with --calls",
        ),
        ([line({"a": "alert"}), line({"a": "alert"}, fingerprint="g")], "judged with different rules"),
        ([line({"a": "not-fired"})], "no rule spoke in it"),
        ([], "there is no evaluation"),
        ([line({"a": "alert"}, cards=[{}])], "line 1: a card or an outcome"),
        ([line({"a": "alert"}, hook="Mrs Smith")], "line 1: a card or an outcome"),
        ([line({"=Mrs Smith": "silent"})], "line 1: a card or an outcome"),
    ],
)
def test_a_file_of_another_kind_is_said_without_what_it_holds(lines: list[bytes], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        sample(run(*lines), Wish())
