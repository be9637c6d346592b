"""Who looked at what and when: rows that are added and never changed, without anything of a patient.

Where a site does not keep them for good, old ones go, and a row beside them says which did.
Flows in: who, what they did, what it was. Flows out: entries, newest first. Floor: edge (store).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from cds_rules.store.database import Database
from cds_rules.store.tables import audit, audit_pruned

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


@dataclass(frozen=True, slots=True)
class Pruned:
    """That entries were removed which were older than an instant. at: when; rows: how many."""

    at: datetime
    before: datetime
    rows: int


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


def prune(database: Database, now: datetime, before: datetime) -> int:
    """Remove entries that are older; the newest entry stays, so that numbers go on. Returns how many were removed."""
    newest = select(func.max(audit.c.id)).scalar_subquery()
    old = audit.c.at < before, audit.c.id < newest
    with database.alone() as connection:
        rows, through = connection.execute(select(func.count(), func.max(audit.c.id)).where(*old)).one()
        if rows:
            said = insert(audit_pruned).values(at=now, before=before, through=through, rows=rows)
            connection.execute(said)
            connection.execute(delete(audit).where(audit.c.at < before, audit.c.id <= through))
    return int(rows)


def pruned(database: Database) -> Pruned | None:
    """The last time that entries were removed."""
    asked = select(audit_pruned.c.at, audit_pruned.c.before, audit_pruned.c.rows)
    with database.reading() as connection:
        found = connection.execute(asked.order_by(audit_pruned.c.id.desc()).limit(1)).first()
    return Pruned(*found) if found else None
