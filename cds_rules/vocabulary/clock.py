"""Time as FHIR writes it, read into aware datetimes; ages in days.

The core never asks the machine for the time: the instant of evaluation is an argument named ``at``.
Floor: vocabulary.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?\Z")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?\Z")
_NOON = time(12, 0)


def parse_moment(text: str, zone: tzinfo = UTC) -> datetime | None:
    """Read a FHIR date, dateTime or instant; None when it is none of them.

    A date without time is 12:00 in `zone` (clinical specification 9.9). A year or a year and month stand for their first day:
    use `is_exact_day` where that is not good enough. A time without offset is read in `zone`.

    >>> parse_moment("2026-01-31").isoformat()
    '2026-01-31T12:00:00+00:00'
    >>> parse_moment("soon") is None
    True
    """
    try:
        if match := _DATE.match(text):
            year, month, day = match.groups()
            return datetime.combine(date(int(year), int(month or 1), int(day or 1)), _NOON, zone)
        if _DATETIME.match(text):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except ValueError:
        return None
    return None


def last_day(text: str) -> str:
    """The last day that a FHIR date without a day can mean; any other text as it is.

    >>> last_day("2026"), last_day("2024-02"), last_day("2026-01-31"), last_day("2026-13")
    ('2026-12-31', '2024-02-29', '2026-01-31', '2026-13')
    """
    match = _DATE.match(text)
    if match is None or match[3] or not match[1].strip("0"):
        return text
    year, month = int(match[1]), int(match[2] or 12)
    return f"{match[1]}-{month:02}-{monthrange(year, month)[1]}" if 1 <= month <= 12 else text


def is_exact_day(text: str) -> bool:
    """Tell whether a FHIR date or dateTime names at least a day.

    >>> is_exact_day("2026-01"), is_exact_day("2026-01-31"), is_exact_day("2026-01-31T08:00:00Z")
    (False, True, True)
    """
    return len(text) >= 10


def can_be_reckoned_with(moment: datetime) -> bool:
    """Tell whether an instant that somebody asks for is far enough from both ends of the calendar: zones and windows fit in.

    >>> can_be_reckoned_with(datetime.fromisoformat("0001-01-01T00:00:00+14:00")), can_be_reckoned_with(datetime(2026, 1, 1))
    (False, True)
    """
    return 1000 <= moment.year < 9000


def days_between(earlier: datetime, later: datetime) -> float:
    """Days from `earlier` to `later`, fractions included; negative when `earlier` lies in the future.

    >>> days_between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, 12, tzinfo=UTC))
    2.5
    """
    return (later - earlier) / timedelta(days=1)


def completed_years(birth: date, at: datetime) -> int:
    """Age in completed years on the calendar day of `at`.

    >>> completed_years(date(1950, 3, 1), datetime(2026, 2, 28, tzinfo=UTC))
    75
    """
    return at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))
