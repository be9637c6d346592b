"""Feedback on cards: kept once however often it is sent, tied to the alert it is about, counted.

The alert carries the last word (by outcomeTimestamp, but never later than it came in). Feedback that comes before its
decision is written waits for it: the writer of decisions looks for it.
Flows in: items of `hooks.feedback`. Flows out: what became of each, overrides of a patient. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from cds_rules.engine.overrides import Override
from cds_rules.hooks.feedback import Item
from cds_rules.store.database import Database
from cds_rules.store.decisions import Caller
from cds_rules.store.errors import StoreError
from cds_rules.store.keys import Keys
from cds_rules.store.packing import remembered
from cds_rules.store.tables import alert, feedback

Became = Literal["recorded", "repeated", "unmatched"]
"""Of one item: kept; kept before; kept, and no alert is known for it (yet)."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_SYSTEM = re.compile(r"(?:https?://|urn:)[A-Za-z0-9./:_-]{1,200}\Z")
_OTHER = "other"


def record(
    database: Database,
    keys: Keys,
    items: Sequence[Item],
    *,
    service: str,
    caller: Caller,
    received: datetime,
    comments: bool,
) -> list[Became]:
    """Keep items; when this returns they are on disk.

    Raises:
        StoreUnavailable: none of them was kept.
    """
    tenant = caller.house
    cards = [_card(keys, tenant, each.card) for each in items]
    became: list[Became] = []
    with database.alone() as connection:
        known = set(connection.scalars(select(alert.c.card).where(alert.c.card.in_(cards), alert.c.tenant == tenant)))
        for item, card in zip(items, cards, strict=True):
            insert = database.insert(feedback).values(
                identity=_identity(tenant, card, item),
                tenant=tenant,
                client=keys.hashed("client", caller.client) if caller.client else None,
                service=service,
                card=card,
                outcome=item.outcome,
                outcome_at=item.at,
                received_at=received,
                reason=(item.reason if _CODE.match(item.reason) else _OTHER) if item.reason else None,
                reason_system=item.reason_system if _SYSTEM.match(item.reason_system) else None,
                suggestions=json.dumps([each for each in map(_uuid, item.suggestions) if each]),
                comment=keys.seal(item.comment.encode(errors="replace")) if comments and item.comment else None,
            )
            new = connection.scalar(insert.on_conflict_do_nothing(index_elements=["identity"]).returning(feedback.c.id))
            became.append("repeated" if new is None else "recorded" if card in known else "unmatched")
        settle(connection, known)
    return became


_ANSWERED = select(feedback).where(feedback.c.card.in_(bindparam("cards", expanding=True)))


def settle(connection: Connection, cards: Collection[str]) -> None:
    """Give alerts the last word of what was answered to their cards; inside `Database.alone`."""
    last: dict[tuple[str, str], tuple[datetime, int, str, str | None]] = {}
    for row in connection.execute(_ANSWERED, {"cards": list(cards)}) if cards else ():
        said = (min(row.outcome_at, row.received_at), row.id, row.outcome, row.reason)
        place = (row.tenant, row.card)
        last[place] = max(last.get(place, said), said, key=lambda each: each[:2])
    for (tenant, card), (at, _, outcome, reason) in last.items():
        connection.execute(
            update(alert)
            .where(alert.c.card == card, alert.c.tenant == tenant)
            .values(state=outcome, state_at=at, reason=reason)
        )


_ANY_OVERRIDDEN = "SELECT 1 FROM alert WHERE patient IN ({}) AND state = 'overridden' LIMIT 1"
_OVERRIDDEN = (
    select(alert.c.state_at, alert.c.level, alert.c.reason, alert.c.memory, alert.c.server)
    .where(
        alert.c.patient.in_(bindparam("patients", expanding=True)),
        alert.c.state == "overridden",
        alert.c.state_at >= bindparam("since"),
    )
    .order_by(alert.c.state_at, alert.c.id)
)
"""Written once; asked of the few patients for whom the question above finds something."""


def overrides(
    database: Database, keys: Keys, *, tenant: str, server: str, patient: str, since: datetime
) -> tuple[Override, ...]:
    """What was overridden of the cards about one patient of one FHIR server: one look into one index, and mostly nothing."""
    patients = keys.hashes("patient", tenant, patient)
    if not database.finds(_ANY_OVERRIDDEN, patients):
        return ()
    servers = set(keys.hashes("server", server)) if server else {None}
    with database.reading() as connection:
        rows = connection.execute(_OVERRIDDEN, {"patients": patients, "since": since}).all()
    return tuple(_overrides(keys, [row for row in rows if row.server in servers and row.memory]))


def _overrides(keys: Keys, rows: Iterable[object]) -> Iterable[Override]:
    for row in rows:
        try:
            plain = keys.unseal(row.memory)  # type: ignore[attr-defined]
        except StoreError:
            continue  # a key that is no longer set: the card is shown again
        yield remembered(plain, row.state_at, row.level, row.reason or "")  # type: ignore[attr-defined]


def _card(keys: Keys, tenant: str, said: str) -> str:
    """A uuid as ours are; anything else, which may be somebody's identifier, as a hash."""
    return _uuid(said) or keys.hashed("card", tenant, said)


def _uuid(said: str) -> str:
    try:
        return str(UUID(said.removeprefix("urn:uuid:")))
    except ValueError:
        return ""


def _identity(tenant: str, card: str, item: Item) -> str:
    said = json.dumps([tenant, card, item.outcome, item.at.isoformat()])
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
