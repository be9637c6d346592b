"""The patient: age, pregnancy, weeks after delivery, comfort care."""

from __future__ import annotations

from tests.derive.charts import derived, event, field, problem


def test_age_and_sex() -> None:
    found = derived(age=78, sex="male")
    assert (field(found, "patient", "age_years"), field(found, "patient", "sex")) == (78, "male")
    assert field(derived(age=None), "patient", "age_years") is None


def test_pregnant_until_delivery() -> None:
    assert field(derived(problem("pregnant", 100)), "patient", "pregnant") is True
    assert field(derived(problem("pregnant", 100), event("delivery", 10)), "patient", "pregnant") is False
    assert field(derived(problem("pregnant", 100), event("delivery", 700)), "patient", "pregnant") is True


def test_postpartum_for_42_days() -> None:
    assert field(derived(event("delivery", 42)), "patient", "postpartum") is True
    assert field(derived(event("delivery", 42.1)), "patient", "postpartum") is False
    assert field(derived(problem("postpartum", 42)), "patient", "postpartum") is True


def test_comfort_care() -> None:
    assert field(derived(problem("comfort-care")), "patient", "comfort_care") is True
    assert field(derived(problem("comfort-care", active=False)), "patient", "comfort_care") is False


def test_conditions_that_were_not_delivered() -> None:
    found = derived(gaps=["conditions"])
    assert [field(found, "patient", name) for name in ("pregnant", "postpartum", "comfort_care")] == [None, None, None]
