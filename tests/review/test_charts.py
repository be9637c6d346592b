"""The chart of the worklist: however many days it is asked for, it has few bars, and loses no alert."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.review.charts import MOST_BARS, chart, days_of
from cds_rules.store.browse import Counted

FIRST, LAST = date(1900, 1, 1), date(2199, 12, 31)
days = st.dates(FIRST, LAST)


def counted(since: date, until: date, by_day: dict[date, dict[str, int]]) -> Counted:
    rules = {rule: sum(each.get(rule, 0) for each in by_day.values()) for each in by_day.values() for rule in each}
    return Counted(since, until, sum(rules.values()), {}, {}, rules, by_day)


@given(st.lists(days, min_size=2, max_size=2).map(sorted), st.data())
def test_few_bars_hold_every_alert(ends: list[date], data: st.DataObject) -> None:
    since, until = ends
    there = data.draw(st.lists(st.integers(0, (until - since).days), min_size=1, max_size=9, unique=True))
    told = days_of(counted(since, until, {since + timedelta(days=each): {"a": 2} for each in there}))
    assert len(told.starts) <= MOST_BARS
    assert [row.total for row in told.rows] == [2 * len(there)]
    assert told.starts[-1] <= until < told.starts[-1] + timedelta(days=told.step)


@pytest.mark.parametrize("name", [r"Rule $\frac{$", "Rule $5 to $9"])
def test_a_name_is_text_in_the_chart_of_three_centuries(name: str) -> None:
    told = days_of(counted(FIRST, LAST, {date(2026, 6, 1): {"a": 3}}))
    assert name in chart(told, {"a": name}, "light").decode()
