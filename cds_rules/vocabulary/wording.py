"""Wording: English text that remembers how it was put together, so that a card can say it in another language.

Everything that may reach a card and is written in Python is made by `said`. It is a `str` in English: code that compares,
joins or logs it needs to know nothing of languages. What stands in braces is a value: text of the record stays as it is,
a number is written with as many decimals as its mark says (`{dose:1}`, 2 without a mark), a `datetime` as its day, `{days:ago}` is an age,
`{value:charted}` a value of the record of which the decimal sign may change.
Floor: vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from cds_rules.vocabulary.quantities import age, plain

_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")
NUMBER = (int, float)
"""What is written as a number; a union of types would be made each time it is asked for."""
Writer = Callable[[object, str], str]
"""Writes one value of a pattern, given its mark."""


class Said(str):
    """An English text with its pattern and the values that were put into it."""

    __slots__ = ("pattern", "values")
    pattern: str
    values: Mapping[str, object]


def said(pattern: str, /, **values: object) -> Said:
    """Put values into a pattern.

    >>> said("last eGFR {egfr}, {days:ago}", egfr=28, days=20.0)
    'last eGFR 28, 20 d ago'
    """
    text = Said(filled(pattern, values, _english) if values else pattern)
    text.pattern, text.values = pattern, values
    return text


def joined(items: Iterable[object], joint: str = ", ") -> Said:
    """Several texts in one.

    >>> joined([said("leg"), "Lasix"]).pattern
    '{0}, {1}'
    """
    listed = list(items)
    pattern, names = _row(len(listed), joint)
    return said(pattern, **dict(zip(names, listed, strict=True)))


@lru_cache(maxsize=256)
def _row(count: int, joint: str) -> tuple[str, tuple[str, ...]]:
    """The pattern of so many texts in a row, and the names of its places."""
    names = tuple(map(str, range(count)))
    return joint.join(f"{{{name}}}" for name in names), names


def filled(pattern: str, values: Mapping[str, object], write: Writer) -> str:
    """A pattern with its values, each written by `write`.

    >>> filled("{share} % of {what}", {"share": 5, "what": "100%"}, lambda value, mark: str(value))
    '5 % of 100%'
    """
    form, asked = _form(pattern)
    return form % tuple([write(values[name], mark) for name, mark in asked]) if asked else pattern


def places(pattern: str) -> frozenset[str]:
    """The values a pattern asks for, with their marks.

    >>> sorted(places("{a} of {b:1}"))
    ['a', 'b:1']
    """
    return frozenset(":".join(filter(None, each)) for each in _form(pattern)[1])


@lru_cache(maxsize=4096)
def _form(pattern: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A pattern for `%`, and the values it asks for with their marks."""
    asked = tuple((match[1], match[2] or "") for match in _PLACE.finditer(pattern))
    return _PLACE.sub("%s", pattern.replace("%", "%%")), asked


def _english(value: object, mark: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, NUMBER):
        return age(value) if mark == "ago" else plain(value, int(mark or 2))
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else str(value)


@lru_cache(maxsize=4096)
def word(key: str) -> Said:
    """A key of the vocabulary in plain words.

    >>> word("muscle-cramp")
    'muscle cramp'
    """
    return said(key.replace("-", " ").replace("_", " "))


def unsaid(value: object) -> str:
    """The English of a `Said`, for encoders that know only `str` itself.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, Said):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no text")
