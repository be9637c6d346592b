"""Conditions in words, for people who decide about rules and do not write them.

    all of:                                     - all of:
      lab magnesium: flag high, age <= 14 d  ->     - laboratory result magnesium: flag is high; age at most 14 d

Names, units and meanings come from the register of facts (vocabulary/facts.py).
Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Constant, Not, Pattern
from cds_rules.vocabulary.facts import KINDS

NAMED_BY: Mapping[str, str] = {
    "call": "hook",
    "lab": "code",
    "vital": "code",
    "medication": "class",
    "magnesium-product": "class",
    "condition": "key",
    "symptom": "key",
    "statin-dose": "statin",
    "slco1b1": "function",
    "order": "test",
    "renal-risk": "key",
    "deficiency-risk": "key",
}
"""Kind of fact -> the field that says which one it is."""

_KIND_WORDS = {
    "call": "hook",
    "lab": "laboratory result",
    "vital": "vital sign or measure",
    "kidney": "kidneys",
    "toxicity": "signs of excess",
    "statin-dose": "dose of",
    "slco1b1": "SLCO1B1 function",
    "order": "test ordered",
    "renal-risk": "risk for the kidneys",
    "deficiency-risk": "risk for magnesium deficiency",
    "interaction": "statin interaction of the table",
    "spacing": "drug whose absorption magnesium lowers",
}
_ORDERS = {"lt": "below", "le": "at most", "gt": "above", "ge": "at least"}
_UNIT_WORDS = {"a": "years", "mg/d": "mg a day"}
_UNIT_SUFFIXES = ("_days", "_years", "_mg")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number that a condition compares with: of what, how, and in which unit ("" for none)."""

    of: str
    comparison: str
    number: float
    unit: str
    meaning: str
    parameter: str = ""


def number_words(number: float) -> str:
    """A number as people write it.

    >>> number_words(30.0), number_words(0.9)
    ('30', '0.9')
    """
    return f"{number:g}"


def condition_lines(condition: Condition, lab_units: Mapping[str, str], depth: int = 0) -> Iterator[str]:
    """Yield a condition as nested Markdown bullets.

    Args:
        lab_units: laboratory key -> canonical unit.
    """
    indent = "  " * depth
    match condition:
        case All(()):
            yield f"{indent}- always"
        case All((part,)) | Any((part,)):
            yield from condition_lines(part, lab_units, depth)
        case All(parts) | Any(parts):
            yield f"{indent}- {'all of these' if isinstance(condition, All) else 'at least one of these'}:"
            for each in parts:
                yield from condition_lines(each, lab_units, depth + 1)
        case Not(Pattern() as pattern):
            yield f"{indent}- no {pattern_words(pattern, lab_units)}"
        case Not(part):
            yield f"{indent}- not this:"
            yield from condition_lines(part, lab_units, depth + 1)
        case Pattern():
            yield f"{indent}- {pattern_words(condition, lab_units)}"


def pattern_words(pattern: Pattern, lab_units: Mapping[str, str]) -> str:
    """One fact and its tests in a line.

    >>> from cds_rules.knowledge.rules import Comparison, Pattern
    >>> tests = (Comparison("code", "eq", ("magnesium",)), Comparison("value", "gt", (3.0,)))
    >>> pattern_words(Pattern("lab", tests), {"magnesium": "mg/dL"})
    'laboratory result magnesium: value above 3 mg/dL'
    """
    subject = _subject(pattern)
    tests = [
        _test_words(pattern, test, lab_units) for test in pattern.tests if test.field != NAMED_BY.get(pattern.kind)
    ]
    return f"{subject}: {'; '.join(tests)}" if tests else subject


def thresholds(condition: Condition, lab_units: Mapping[str, str]) -> Iterator[Threshold]:
    """Yield every number a condition compares with, left to right."""
    match condition:
        case Pattern():
            for test in condition.tests:
                for constant in test.constants:
                    if isinstance(constant, float):
                        yield Threshold(
                            f"{_subject(condition)}, {_field_words(test.field)}",
                            _ORDERS.get(test.operator, "is"),
                            constant,
                            _unit(condition, test.field, lab_units),
                            KINDS[condition.kind].fields[test.field].meaning,
                            test.parameter,
                        )
        case Not(part):
            yield from thresholds(part, lab_units)
        case All(parts) | Any(parts):
            for part in parts:
                yield from thresholds(part, lab_units)


def _subject(pattern: Pattern) -> str:
    kind = _KIND_WORDS.get(pattern.kind, pattern.kind.replace("-", " "))
    names = [
        " or ".join(map(_said, test.constants))
        for test in pattern.tests
        if test.field == NAMED_BY.get(pattern.kind) and test.operator in ("eq", "in")
    ]
    return " ".join([kind, *names])


def _test_words(pattern: Pattern, test: Comparison, lab_units: Mapping[str, str]) -> str:
    if test.constants in ((True,), (False,)):
        meaning = KINDS[pattern.kind].fields[test.field].meaning
        return meaning if test.constants == (True,) else f"not ({meaning})"
    name = _field_words(test.field)
    if test.operator in _ORDERS:
        unit = _unit(pattern, test.field, lab_units)
        return f"{name} {_ORDERS[test.operator]} {_said(test.constants[0])}{f' {unit}' if unit else ''}"
    return f"{name} is {' or '.join(map(_said, test.constants))}"


def _field_words(field: str) -> str:
    for suffix in _UNIT_SUFFIXES:
        field = field.removesuffix(suffix)
    return field.replace("_", " ")


def _unit(pattern: Pattern, field: str, lab_units: Mapping[str, str]) -> str:
    if (pattern.kind, field) in (("lab", "value"), ("vital", "value")):
        codes = [str(each) for test in pattern.tests if test.field == "code" for each in test.constants]
        return " or ".join(dict.fromkeys(filter(None, (lab_units.get(code, "") for code in codes))))
    if (pattern.kind, field) == ("lab", "ratio"):
        return "x upper limit"
    unit = KINDS[pattern.kind].fields[field].unit
    return _UNIT_WORDS.get(unit, unit)


def _said(constant: Constant) -> str:
    if isinstance(constant, bool):
        return "true" if constant else "false"
    return number_words(constant) if isinstance(constant, int | float) else constant
