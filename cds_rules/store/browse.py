"""Alerts as the review pages list them, a page at a time.

Flows in: whose alerts may be seen. Flows out: rows. Floor: edge (store).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from cds_rules.store.database import Database
from cds_rules.store.tables import alert

PAGE = 50
"""Alerts on a page."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert in a list."""

    card: str
    at: datetime
    rule: str
    level: str


def browse(database: Database, houses: Collection[str] | None) -> tuple[Listed, ...]:
    """The newest alerts. houses: of which they are; None: of all."""
    wanted = select(alert.c.card, alert.c.at, alert.c.rule, alert.c.level).order_by(alert.c.at.desc()).limit(PAGE)
    if houses is not None:
        wanted = wanted.where(alert.c.tenant.in_(houses))
    with database.reading() as connection:
        return tuple(Listed(*row) for row in connection.execute(wanted))
