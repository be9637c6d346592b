"""How cards are received: for each rule shown, accepted, overridden by reason, unanswered, with intervals.

Flows in: alerts. Flows out: numbers, no patient in them. Floor: edge (store).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import exists, func, select

from cds_rules.store.database import Database
from cds_rules.store.tables import alert, feedback, ledger
from cds_rules.vocabulary.clock import can_be_reckoned_with

Z = 1.959964
"""Of a normal distribution: 95 % lie within so many standard deviations."""


@dataclass(slots=True)
class Reception:
    """How the cards of one rule were received. overridden: by reason, "" for none given."""

    rule: str
    accepted: int = 0
    unanswered: int = 0
    overridden: dict[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> int:
        """All of them."""
        return self.accepted + self.unanswered + sum(self.overridden.values())

    def add(self, state: str, reason: str, count: int) -> None:
        """Count cards that were answered alike."""
        if state == "accepted":
            self.accepted += count
        elif state == "overridden":
            self.overridden[reason] = self.overridden.get(reason, 0) + count
        else:
            self.unanswered += count


@dataclass(frozen=True, slots=True)
class Report:
    """All rules, those shown most first. unmatched: feedback on cards that are not known."""

    since: datetime | None
    until: datetime | None
    rules: tuple[Reception, ...]
    unmatched: int


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    Source:
        Wilson EB, J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    >>> [round(each, 4) for each in wilson(10, 100)]
    [0.0552, 0.1744]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not whole:
        return 0.0, 1.0
    share, square = part / whole, Z * Z / whole
    middle = share + square / 2
    half = Z * math.sqrt(share * (1 - share) / whole + square / whole / 4)
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))


def report(
    database: Database, *, since: datetime | None = None, until: datetime | None = None, tenant: str | None = None
) -> Report:
    """Count.

    Args:
        since, until: of cards shown in [since, until). tenant: of one alone; None: all.
    """
    shown = select(alert.c.rule, alert.c.state, func.coalesce(alert.c.reason, ""), func.count())
    strangers = (
        select(func.count())
        .select_from(feedback)
        .where(~exists().where(alert.c.card == feedback.c.card, alert.c.tenant == feedback.c.tenant))
    )
    for limit, column in ((shown, alert.c.at), (strangers, feedback.c.received_at)):
        if since is not None:
            limit = limit.where(column >= since)
        if until is not None:
            limit = limit.where(column < until)
        if tenant is not None:
            limit = limit.where(column.table.c.tenant == tenant)
        if column is alert.c.at:
            shown = limit
        else:
            strangers = limit
    found: dict[str, Reception] = {}
    with database.reading() as connection:
        for rule, state, reason, count in connection.execute(
            shown.group_by(alert.c.rule, alert.c.state, alert.c.reason)
        ):
            found.setdefault(rule, Reception(rule)).add(state, reason, count)
        first, since_then = connection.execute(select(func.min(ledger.c.sequence), func.min(ledger.c.at))).one()
        if first and first > 1:  # feedback may be kept for longer than decisions: of what it was about nothing is known
            strangers = strangers.where(feedback.c.received_at >= since_then)
        unmatched = connection.scalar(strangers) or 0
    return Report(since, until, tuple(sorted(found.values(), key=lambda each: (-each.shown, each.rule))), unmatched)


def read_instant(said: str) -> datetime:
    """A day or an instant; UTC where no zone is named.

    Raises:
        ValueError: what belongs there.

    >>> read_instant("2026-03-01").isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    try:
        at = datetime.fromisoformat(said)
        if not can_be_reckoned_with(at):
            raise ValueError
    except ValueError:
        raise ValueError("a day such as 2026-03-01 or an instant such as 2026-03-01T09:30:00Z belongs here") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def as_json(made: Report) -> dict[str, Any]:
    """The report as the service and the command give it."""
    return {
        "since": made.since.isoformat() if made.since else None,
        "until": made.until.isoformat() if made.until else None,
        "rules": [
            {
                "rule": each.rule,
                "shown": each.shown,
                "accepted": _share(each.accepted, each.shown),
                "overridden": _share(sum(each.overridden.values()), each.shown),
                "unanswered": _share(each.unanswered, each.shown),
                "reasons": [
                    {"reason": reason or None, **_share(count, each.shown)}
                    for reason, count in sorted(each.overridden.items(), key=lambda pair: (-pair[1], pair[0]))
                ],
            }
            for each in made.rules
        ],
        "unmatched": made.unmatched,
    }


def _share(count: int, shown: int) -> Mapping[str, Any]:
    low, high = wilson(count, shown)
    return {"count": count, "share": round(count / shown, 4), "interval": [round(low, 4), round(high, 4)]}
