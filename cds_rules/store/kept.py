"""What a store holds, in numbers.

Flows in: whose records may be counted. Flows out: counts. Floor: edge (store).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from cds_rules.store.database import Database
from cds_rules.store.houses import Houses, of
from cds_rules.store.tables import alert, feedback, ledger


@dataclass(frozen=True, slots=True)
class Kept:
    """Counts. contents: decisions of which all that was judged is there; since: the oldest decision."""

    decisions: int
    contents: int
    alerts: int
    feedback: int
    comments: int
    since: datetime | None


def kept(database: Database, houses: Houses) -> Kept:
    """Count. houses: whose; None: everybody's."""
    own = {table: of(table.c.tenant, houses) for table in (ledger, alert, feedback)}
    with database.reading() as connection:
        decisions, contents, since = connection.execute(
            select(func.count(), func.count(ledger.c.content), func.min(ledger.c.at)).where(
                ledger.c.kind == "decision", *own[ledger]
            )
        ).one()
        alerts = connection.scalar(select(func.count()).select_from(alert).where(*own[alert])) or 0
        answers, comments = connection.execute(
            select(func.count(), func.count(feedback.c.comment)).where(*own[feedback])
        ).one()
    return Kept(decisions, contents, alerts, answers, comments, since)
