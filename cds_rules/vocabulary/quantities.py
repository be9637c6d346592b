"""Formatting of quantities for people: numbers with no more digits than they carry, ages, rounding half up.

Floor: vocabulary.
"""

from __future__ import annotations

import math


def half_up(number: float) -> int:
    """Round half up to a whole number, absorbing 1e-9 of noise (clinical specification 0.3, 3.1).

    >>> half_up(29.5), half_up(29.499999), half_up(14.4)
    (30, 29, 14)
    """
    return math.floor(number + 0.5 + 1e-9)


def plain(number: float, decimals: int = 2) -> str:
    """Write a number without an exponent and without trailing zeros.

    >>> plain(1.80), plain(482.4, 0), plain(0.999, 2), plain(3.0, 1)
    ('1.8', '482', '1', '3')
    """
    text = f"{number:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


JUST_NOW, DATED = "just now", "in {date}"


class Vague(float):
    """Days since a moment of which only the month or the year is known: the most they can be, and the date as written.

    >>> Vague(59.0, "2026-01") > 30, age(Vague(59.0, "2026-01"))
    (True, 'in 2026-01')
    """

    __slots__ = ("written",)
    written: str

    def __new__(cls, days: float, written: str) -> Vague:
        """Days with the date they are counted from."""
        made = super().__new__(cls, days)
        made.written = written
        return made


def aged(days: float) -> tuple[int, str]:
    """How long ago something was: a count and its unit (min, h, d or y), the shortest that is honest.

    >>> aged(0.02), aged(20.4)
    ((29, 'min'), (20, 'd'))
    """
    if days < 3:
        minutes = half_up(days * 1440)
        if minutes < 90:
            return max(minutes, 0), "min"
        hours = half_up(days * 24)
        if hours < 48:
            return hours, "h"
    whole = half_up(days)
    # 730 days is the longest window of a rule: up to there each day counts
    return (whole, "d") if whole <= 730 else (half_up(days / 365.25), "y")


def age(days: float) -> str:
    """Say how long ago something was, in the shortest honest words.

    >>> age(0), age(0.02), age(0.5), age(1.2), age(20.4), age(730), age(1200)
    ('just now', '29 min ago', '12 h ago', '29 h ago', '20 d ago', '730 d ago', '3 y ago')
    """
    if isinstance(days, Vague):
        return DATED.format(date=days.written)
    count, unit = aged(days)
    return f"{count} {unit} ago" if count else JUST_NOW
