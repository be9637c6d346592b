"""Calcium: correction by albumin, precedence of ionized calcium."""

from __future__ import annotations

import pytest

from tests.derive.charts import derived, facts, field, result


def test_corrected_with_an_albumin_of_seven_days() -> None:
    near = derived(result("calcium", 7.8, 10), result("albumin", 2.0, 17)).calcium
    assert near is not None
    assert (near.method, round(near.value, 1)) == ("corrected", 9.4)
    far = derived(result("calcium", 7.8, 10), result("albumin", 2.0, 17.1)).calcium
    assert far is not None
    assert (far.method, far.value, far.flag) == ("uncorrected", 7.8, "low")


def test_a_calcium_the_laboratory_corrected_is_not_corrected_again() -> None:
    found = derived(result("calcium", 8.2, method="corrected"), result("albumin", 2.0)).calcium
    assert found is not None
    assert (found.method, found.value, found.flag) == ("corrected", 8.2, "low")


@pytest.mark.parametrize(("value", "expected"), [(8.49, "low"), (8.5, "normal")])
def test_low_total(value: float, expected: str) -> None:
    assert field(derived(result("calcium", value)), "lab", "flag", code="calcium") == expected


@pytest.mark.parametrize(("value", "expected"), [(1.11, "low"), (1.12, "normal")])
def test_low_ionized(value: float, expected: str) -> None:
    assert field(derived(result("ionized_calcium", value)), "lab", "flag", code="calcium") == expected


def test_ionized_takes_precedence_in_the_window() -> None:
    both = derived(result("calcium", 7.0, 1), result("ionized_calcium", 1.2, 14))
    assert field(both, "lab", "flag", code="calcium") == "normal"
    assert facts(both, "lab", code="corrected_calcium") == []
    newer = derived(result("calcium", 7.0, 1), result("ionized_calcium", 1.2, 14.1))
    assert field(newer, "lab", "flag", code="calcium") == "low"
    older = derived(result("calcium", 7.0, 20), result("ionized_calcium", 1.2, 30))
    assert field(older, "lab", "flag", code="calcium") == "normal"


def test_values_stand_under_their_own_code() -> None:
    found = derived(result("calcium", 7.0), result("albumin", 4.0))
    assert field(found, "lab", "value", code="calcium") is None
    assert field(found, "lab", "value", code="corrected_calcium") == 7.0
    assert field(derived(result("ionized_calcium", 0.95)), "lab", "value", code="ionized_calcium") == 0.95
