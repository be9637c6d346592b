"""Who looked at what and when: rows that are added and never changed, without anything of a patient.

Flows in: who, what they did, what it was. Flows out: entries, newest first. Floor: edge (store).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from cds_rules.store.database import Database
from cds_rules.store.tables import audit

PAGE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One look or act. item: an address below /review, or what was acted on. status: of the answer."""

    at: datetime
    subject: str
    role: str
    action: str
    item: str
    status: int
    number: int = 0


def note(database: Database, entry: Entry) -> None:
    """Add an entry; it is on disk when this returns.

    Raises:
        StoreUnavailable: it was not.
    """
    with database.writing() as connection:
        connection.execute(
            insert(audit).values(
                at=entry.at,
                subject=entry.subject[:255],
                role=entry.role,
                action=entry.action[:32],
                item=entry.item[:255],
                status=entry.status,
            )
        )


def entries(database: Database, *, subject: str = "", item: str = "", before: int = 0) -> tuple[Entry, ...]:
    """A page of entries, newest first.

    Args:
        subject, item: only theirs; "": of all. before: the number of the last entry of the page before, 0 for the first.
    """
    asked = select(audit).order_by(audit.c.id.desc()).limit(PAGE)
    for column, wanted in ((audit.c.subject, subject), (audit.c.item, item)):
        if wanted:
            asked = asked.where(column == wanted)
    if before:
        asked = asked.where(audit.c.id < before)
    with database.reading() as connection:
        return tuple(
            Entry(row["at"], row["subject"], row["role"], row["action"], row["item"], row["status"], row["id"])
            for row in connection.execute(asked).mappings()
        )
