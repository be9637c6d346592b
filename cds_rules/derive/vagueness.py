"""Results of which the date names no day: facts of both readings of such dates, joined to what they agree on.

A result of "2026-05" may be from any day of May, so a chart that holds one is derived twice: with every such date as its
first moment and as its last. What both say is certain; a number that differs lies between the two, another field that
differs is not known, and a kind of which one reading has a fact more has a gap.
Flows in: a `Chart`; two lists of facts. Flows out: the chart read late; joined facts and kinds. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Sequence

from cds_rules.vocabulary.chart import Chart
from cds_rules.vocabulary.facts import KINDS, Between, Fact, Value, between, ends
from cds_rules.vocabulary.frozen import replace
from cds_rules.vocabulary.wording import said

BECAUSE = said("a result is dated by its month or year alone")
"""Why facts of a kind may be missing where the two readings have not the same ones."""


def is_vague(chart: Chart) -> bool:
    """Whether a result has a date that names no day."""
    return any(each.until for each in chart.results)


def read_late(chart: Chart) -> Chart:
    """The chart with every such date as the last moment it can mean."""
    return replace(
        chart, results=tuple(replace(each, at=each.until, until=None) if each.until else each for each in chart.results)
    )


def joined(early: Sequence[Fact], late: Sequence[Fact]) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    """What both readings agree on, and the kinds of which facts may be missing."""
    found: list[Fact] = []
    doubtful: list[str] = []
    for kind in dict.fromkeys(each.kind for each in (*early, *late)):
        first = [each for each in early if each.kind == kind]
        last = [each for each in late if each.kind == kind]
        if first == last:
            found += first
            continue
        by_name = {_name(each): each for each in last}
        if len(by_name) == len(last) and [*map(_name, first)] == [*by_name]:
            found += [_joined(each, by_name[_name(each)]) for each in first]
        else:
            found += [each for each in first if each in last]
            doubtful.append(kind)
    return tuple(found), tuple(doubtful)


def _name(each: Fact) -> Value:
    return each.fields.get(KINDS[each.kind].names)


def _joined(first: Fact, last: Fact) -> Fact:
    fields = {name: _both(value, last.fields[name]) for name, value in first.fields.items()}
    return Fact(first.kind, fields, tuple(dict.fromkeys((*first.sources, *last.sources))), first.own)


def _both(first: Value, last: Value) -> Value:
    """What a field is by both readings.

    >>> _both(8.0, 39.0), _both("low", "low"), _both(True, None)
    (Between(least=8.0, most=39.0), 'low', None)
    """
    if first == last:
        return first
    if not (isinstance(first, float | Between) and isinstance(last, float | Between)):
        return None
    (least, most), (late_least, late_most) = ends(first), ends(last)
    return between(min(least, late_least), max(most, late_most))
