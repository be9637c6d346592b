"""Conditions as they stand in YAML, read into the rule language and checked against the register of facts.

    {fact: lab, code: magnesium, value: {gt: 3.0}, age_days: {le: 14}}      one fact that passes every test
    {all: [...]}   {any: [...]}   {not: ...}
    value: 5  ·  {in: [a, b]}  ·  {lt: 5} {le: 5} {gt: 5} {ge: 5} {gt: 4, le: 10}  ·  a constant may be $name of a parameter

Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any as Anything

from cds_rules.knowledge.files import Reader, near, shown
from cds_rules.knowledge.rules import (
    ALWAYS,
    All,
    Any,
    Comparison,
    Condition,
    Constant,
    Not,
    Operator,
    Parameter,
    Pattern,
)
from cds_rules.vocabulary.facts import KINDS, Field, quantized

ORDERS: tuple[Operator, ...] = ("lt", "le", "gt", "ge")
Words = Mapping[tuple[str, str], frozenset[str]]
"""(kind, field) -> the words the packs' value sets give a field whose words are not fixed in the register."""


def read_condition(
    reader: Reader, value: object, where: str, parameters: Mapping[str, Parameter], words: Words
) -> Condition:
    """Read one condition; a mistake is noted on the reader and stands in as "always"."""
    if not isinstance(value, Mapping) or not value:
        reader.wrong(
            where, f"found {shown(value)}; a pattern such as {{fact: kidney, tier: G5}}, or all, any, not belongs here"
        )
        return ALWAYS
    for key in ("all", "any", "not"):
        if key in value:
            if len(value) > 1:
                others = ", ".join(str(other) for other in value if other != key)
                reader.wrong(where, f'"{key}" stands alone; found beside it: {others}', value, key)
                return ALWAYS
            if key == "not":
                return Not(read_condition(reader, value[key], f"{where}.not", parameters, words))
            parts = tuple(
                read_condition(reader, item, place, parameters, words)
                for item, place in reader.items(value, key, where, 1)
            )
            return All(parts) if key == "all" else Any(parts)
    return _pattern(reader, value, where, parameters, words)


def _pattern(
    reader: Reader, value: Mapping[str, Anything], where: str, parameters: Mapping[str, Parameter], words: Words
) -> Condition:
    kind = value.get("fact")
    if not isinstance(kind, str) or kind not in KINDS:
        found = "no fact is named" if kind is None else f"unknown fact {shown(kind)}{near(str(kind), KINDS)}"
        reader.wrong(f"{where}.fact" if kind is not None else where, found, value, "fact")
        return ALWAYS
    fields, tests = KINDS[kind].fields, []
    for name, wanted in value.items():
        if name == "fact":
            continue
        place = f"{where}.{name}"
        if name not in fields:
            reader.wrong(place, f'{kind} has no field "{name}"{near(str(name), fields)}', value, name)
            continue
        choice = frozenset(fields[name].words) or words.get((kind, name), frozenset())
        tests += _tests(reader, name, wanted, place, fields[name], choice, parameters)
    return Pattern(kind, tuple(tests))


def _tests(
    reader: Reader,
    name: str,
    wanted: object,
    where: str,
    field: Field,
    choice: frozenset[str],
    parameters: Mapping[str, Parameter],
) -> list[Comparison]:
    if not isinstance(wanted, Mapping):
        constant = _constant(reader, wanted, where, field, choice, parameters)
        return [] if constant is None else [Comparison(name, "eq", (constant,), _parameter(wanted))]
    if not wanted:
        reader.wrong(where, "no comparison is named; one of in, lt, le, gt, ge belongs here")
    tests = []
    for operator, operand in wanted.items():
        if operator == "in":
            found = [
                _constant(reader, item, place, field, choice, parameters)
                for item, place in reader.items(wanted, "in", where, 1)
            ]
            if constants := tuple(constant for constant in found if constant is not None):
                tests.append(Comparison(name, "in", constants))
        elif operator not in ORDERS:
            reader.wrong(
                where, f"unknown comparison {shown(operator)}{near(str(operator), ['in', *ORDERS])}", wanted, operator
            )
        elif field.type != "number":
            reader.wrong(
                where,
                f'"{operator}" compares numbers, and {name} is {"true or false" if field.type == "flag" else "text"}',
                wanted,
                operator,
            )
        elif (constant := _constant(reader, operand, where, field, choice, parameters)) is not None:
            tests.append(Comparison(name, operator, (constant,), _parameter(operand)))
    return tests


def _parameter(value: object) -> str:
    """The parameter that a constant is written as."""
    return value.removeprefix("$") if isinstance(value, str) and value.startswith("$") else ""


def _constant(
    reader: Reader, value: object, where: str, field: Field, choice: frozenset[str], parameters: Mapping[str, Parameter]
) -> Constant | None:
    if isinstance(value, str) and value.startswith("$"):
        if value[1:] not in parameters:
            reader.wrong(where, f'unknown parameter "{value}"{near(value[1:], parameters)}')
            return None
        value = parameters[value[1:]].value
    match field.type:
        case "flag" if isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if number == number and abs(number) <= 1e12 and quantized(number) == number:
                return number
            reader.wrong(
                where,
                f"found {shown(value)}; a finite number with at most nine decimals and no tinier than 0.0001 belongs here",
            )
            return None
        case "text" if isinstance(value, str):
            if choice and value not in choice:
                reader.wrong(where, f"unknown word {shown(value)}{near(value, choice)}")
                return None
            return str(value)
    belongs = {
        "flag": "true or false",
        "number": f"a number{f' in {field.unit}' if field.unit else ''}",
        "text": "text",
    }[field.type]
    reader.wrong(where, f"found {shown(value)}; {belongs} belongs here")
    return None
