"""Who is signed in: one row a visit, so that it can be ended at once, over all workers.

The browser holds a random token, the row its hash: who reads the database cannot go on with somebody's visit. A signed cookie
would need no row, and could not be taken back. Flows in: tokens. Flows out: `Visit`s. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from cds_rules.store.database import Database
from cds_rules.store.houses import Houses
from cds_rules.store.tables import visit

_TOUCH = timedelta(seconds=30)
"""How exactly the last sign of life is known: not every page is worth a write."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in. houses: None: all. only: the one page a launch opened; "" where all are open."""

    subject: str
    name: str
    role: str
    houses: frozenset[str] | None
    only: str
    began: datetime
    seen: datetime
    expires: datetime


def begin(database: Database, token: str, started: Visit) -> None:
    """Keep a visit under a token; what has expired goes."""
    with database.writing() as connection:
        connection.execute(delete(visit).where(visit.c.expires < started.began))
        connection.execute(
            insert(visit).values(
                id=_hash(token),
                subject=started.subject,
                name=started.name,
                role=started.role,
                houses=None if started.houses is None else json.dumps(sorted(started.houses)),
                only=started.only or None,
                began=started.began,
                seen=started.seen,
                expires=started.expires,
            )
        )


def find(database: Database, token: str, now: datetime, idle: timedelta) -> Visit | None:
    """The visit of a token; None where there is none, where it is over, or where nothing was heard of it for too long."""
    mine = visit.c.id == _hash(token)
    with database.reading() as connection:
        row = connection.execute(select(visit).where(mine)).mappings().one_or_none()
    if row is None or row["expires"] <= now or now - row["seen"] > idle:
        return None
    if now - row["seen"] > _TOUCH:
        with database.writing() as connection:
            connection.execute(update(visit).where(mine).values(seen=now))
    return _visit(row)


def end(database: Database, token: str) -> None:
    """End a visit."""
    with database.writing() as connection:
        connection.execute(delete(visit).where(visit.c.id == _hash(token)))


def end_all(database: Database, subject: str, houses: Houses) -> int:
    """End every visit of somebody that sees no other houses than these; how many there were."""
    with database.writing() as connection:
        rows = connection.execute(select(visit).where(visit.c.subject == subject)).mappings().all()
        those = [row["id"] for row in rows if _within(_visit(row), houses)]
        return connection.execute(delete(visit).where(visit.c.id.in_(those))).rowcount


def under_way(database: Database, now: datetime, idle: timedelta, houses: Houses) -> tuple[Visit, ...]:
    """All that are not over and see no other houses than these, latest sign of life first."""
    those = visit.c.expires > now, visit.c.seen >= now - idle
    with database.reading() as connection:
        rows = connection.execute(select(visit).where(*those).order_by(visit.c.seen.desc())).mappings()
        return tuple(each for each in map(_visit, rows) if _within(each, houses))


def _within(one: Visit, houses: Houses) -> bool:
    return houses is None or (one.houses is not None and one.houses <= set(houses))


def _visit(row: Any) -> Visit:
    houses = row["houses"]
    return Visit(
        subject=row["subject"],
        name=row["name"],
        role=row["role"],
        houses=None if houses is None else frozenset(json.loads(houses)),
        only=row["only"] or "",
        began=row["began"],
        seen=row["seen"],
        expires=row["expires"],
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
