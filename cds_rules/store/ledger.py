"""The ledger: one chain of rows over all workers, in which a change, a removal or another order shows.

Each row is signed (HMAC by the site key) over what it holds with its alerts, and over the row before it; one row of `chain`
keeps the end. Writers take turns on that row, so there is one chain and not one a worker: nothing that a worker leaves
behind when it dies has to be joined later, and a batch costs one turn. Retention and forgetting leave rows of their own
in the chain that say what was taken out, so that what remains can still be verified.
Flows in: rows. Flows out: the verdict over all of them. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, func, insert, null, select, update

from cds_rules.store.database import Database
from cds_rules.store.errors import StoreError
from cds_rules.store.keys import Keys
from cds_rules.store.tables import adjudication, alert, chain, feedback, ledger, reading, review_item, review_set

Written = tuple[dict[str, Any], list[dict[str, Any]]]
_PAGE = 500
_SIGNED = (
    "sequence", "kind", "identity", "tenant", "client", "server", "patient", "user_id", "instance", "hook", "status",
    "latency_us", "fingerprint", "key_id", "record", "content_digest",
)  # fmt: skip
_SIGNED_ALERT = ("position", "card", "tenant", "server", "patient", "hook", "rule", "topic", "version", "level")
# written once: they are asked for every batch
_THERE = select(ledger.c.identity).where(ledger.c.identity.in_(bindparam("wanted", expanding=True)))
_END = select(chain.c.sequence, chain.c.mac, chain.c.seal)
_ADD, _ADD_ALERTS, _MOVE_END = insert(ledger), insert(alert), update(chain)


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found. problem: the first thing that is wrong, "" when nothing is. anchor: the end, to be noted elsewhere."""

    rows: int
    alerts: int
    problem: str
    anchor: str


def append(connection: Connection, keys: Keys, written: Iterable[Written]) -> list[str]:
    """Add rows to the end; inside `Database.alone`. What is there already (same identity) is not added again.

    Returns:
        The cards that were added.
    """
    batch = list(written)
    there = set(connection.scalars(_THERE, {"wanted": [row["identity"] for row, _ in batch]}))
    sequence, mac, _ = connection.execute(_END).one()
    rows, alerts = [], []
    for row, own in batch:
        if row["identity"] in there:
            continue
        sequence += 1
        content = row["content"]
        full = row | {
            "sequence": sequence,
            "key_id": keys.current,
            "content_digest": hashlib.sha256(content).hexdigest() if content else None,
        }
        full["digest"] = keys.sign(_canonical(full, own))
        full["mac"] = mac = keys.sign(_link(mac, sequence, full["digest"]))
        rows.append(full)
        alerts += [each | {"sequence": sequence} for each in own]
    if rows:
        connection.execute(_ADD, rows)
        if alerts:
            connection.execute(_ADD_ALERTS, alerts)
        seal = keys.sign(_end(sequence, mac))
        connection.execute(_MOVE_END, {"sequence": sequence, "mac": mac, "seal": seal})
    return [each["card"] for each in alerts]


def _canonical(row: Mapping[str, Any], alerts: Iterable[Mapping[str, Any]]) -> str:
    """What is signed of a row: everything but what may change later (the state of an alert, content that is emptied)."""
    return json.dumps(
        [
            *(row[name] for name in _SIGNED),
            _instant(row["at"]),
            [
                [
                    *(each[name] for name in _SIGNED_ALERT),
                    _instant(each["at"]),
                    hashlib.sha256(each["memory"] or b"").hexdigest(),
                ]
                for each in sorted(alerts, key=lambda each: int(each["position"]))
            ],
        ]
    )


def _instant(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _link(mac: str, sequence: int, digest: str) -> str:
    return f"{mac}|{sequence}|{digest}"


def _end(sequence: int, mac: str) -> str:
    return f"end|{sequence}|{mac}"


def verify(database: Database, keys: Keys, anchor: str = "") -> Verified:
    """Walk the whole chain.

    Args:
        anchor: what an earlier `verify` gave; the row it names must still be there as it was, or have been pruned.
    """
    with database.reading() as connection:
        walk = _Walk(connection, keys, anchor)
        problem = next(walk.problems(), "")
        return Verified(walk.rows, walk.alerts, problem, f"{walk.sequence}:{walk.mac}")


class _Walk:
    """One pass over the ledger; rows, alerts, sequence and mac tell how far it came."""

    def __init__(self, connection: Connection, keys: Keys, anchor: str) -> None:
        self._connection, self._keys, self._anchor = connection, keys, anchor
        self.rows = self.alerts = self.sequence = 0
        self.mac = ""
        self._forgotten: set[int] = set()
        self._emptied_alone: set[int] = set()
        self._emptied = self._pruned = 0

    def problems(self) -> Iterator[str]:
        """Everything that is wrong until nothing after it can be told; the first one counts."""
        self._read_own_records()
        for row in self._each():
            if row["sequence"] != self.sequence + 1:
                yield f"{_rows(self.sequence + 1, row['sequence'] - 1)} missing, and no record says that it was pruned"
                return
            try:
                yield from self._wrong(row)
            except StoreError as error:
                yield f"row {row['sequence']}: {error}"
                return
            self.sequence, self.mac = row["sequence"], row["mac"]
            self.rows += 1
        last, mac, seal = self._connection.execute(_END).one()
        if last > self.sequence:
            yield f"{_rows(self.sequence + 1, last)} missing at the end"
        elif (last, mac) != (self.sequence, self.mac):
            yield f"the end of the chain does not fit to row {self.sequence}"
        elif last and not self._keys.signed(_end(last, mac), seal):
            yield "the end of the chain was not signed by a key of this site"
        known, _, mac = self._anchor.partition(":")
        if self._anchor and (not known.isdecimal() or not mac):
            yield "the anchor is not one: a number, a colon and the signature that verify printed belong there"
        elif self._anchor and int(known) > max(self.sequence, self._pruned):
            yield f"{_rows(self.sequence + 1, int(known))} missing at the end: the anchor has seen more"

    def _read_own_records(self) -> None:
        own = select(ledger.c.kind, ledger.c.record).where(ledger.c.kind != "decision").order_by(ledger.c.sequence)
        for kind, record in self._connection.execute(own):
            said = json.loads(record or "{}")
            if kind == "pruned":
                self._pruned = self.sequence = said["through"]
                self.mac = said["mac"]
            elif kind == "emptied":
                self._emptied = max(self._emptied, said.get("through", 0))
                self._emptied_alone.update(said.get("sequences", ()))
            elif kind == "forgotten":
                self._forgotten.update(said["rows"])
        first = self._connection.scalar(select(func.min(ledger.c.sequence)))
        if first == 1:
            self.sequence, self.mac = 0, ""

    def _each(self) -> Iterator[Mapping[str, Any]]:
        after = 0
        while True:
            page = (
                self._connection.execute(
                    select(ledger).where(ledger.c.sequence > after).order_by(ledger.c.sequence).limit(_PAGE)
                )
                .mappings()
                .all()
            )
            if not page:
                return
            last = page[-1]["sequence"]
            own: dict[int, list[RowMapping]] = {}
            for each in self._connection.execute(
                select(alert).where(alert.c.sequence > after, alert.c.sequence <= last)
            ).mappings():
                own.setdefault(each["sequence"], []).append(each)
                self.alerts += 1
            for row in page:
                yield {**row, "alerts": own.get(row["sequence"], [])}
            after = last

    def _wrong(self, row: Mapping[str, Any]) -> Iterator[str]:
        sequence, sign = row["sequence"], self._keys.sign
        if sign(_link(self.mac, sequence, row["digest"]), row["key_id"]) != row["mac"]:
            yield f"row {sequence} was changed, or does not follow the row before it"
        if row["record"] is None:
            if sequence not in self._forgotten:
                yield f"row {sequence} was emptied, and no record says that a patient was forgotten"
        elif sign(_canonical(row, row["alerts"]), row["key_id"]) != row["digest"]:
            yield f"row {sequence} or its alerts were changed"
        elif (
            row["content_digest"]
            and row["content"] is None
            and sequence > self._emptied
            and sequence not in self._emptied_alone
        ):
            yield f"what row {sequence} was judged on was removed, and no record says so"
        elif row["content"] is not None and hashlib.sha256(row["content"]).hexdigest() != row["content_digest"]:
            yield f"what row {sequence} was judged on was changed"
        known, _, mac = self._anchor.partition(":")
        if known == str(sequence) and mac != row["mac"]:
            yield f"row {sequence} is another than the anchor has seen: the ledger was written anew"


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"


def _own_record(kind: str, at: datetime, said: Mapping[str, Any]) -> Written:
    """A row about the ledger itself."""
    names = ("client", "server", "patient", "user_id", "instance", "hook", "status", "latency_us", "fingerprint")
    row = {
        "kind": kind,
        "identity": secrets.token_hex(16),
        "at": at,
        "tenant": "",
        "record": json.dumps(said),
        "content": None,
    }
    return row | dict.fromkeys(names), []


def prune(
    database: Database, keys: Keys, now: datetime, *, decisions: datetime, content: datetime, answers: datetime
) -> Mapping[str, int]:
    """Remove what is older: decisions with their alerts, what they were judged on, feedback.

    Rows go from the beginning, up to the first that is young enough. Returns how many of each were removed.
    """
    with database.alone() as connection:
        last, _, _ = connection.execute(_END).one()

        def before(cutoff: datetime) -> int:
            young = connection.scalar(select(func.min(ledger.c.sequence)).where(ledger.c.at >= cutoff))
            return int(last) if young is None else int(young) - 1

        through, emptied = before(decisions), before(content)
        records: list[Written] = []
        gone = connection.scalar(select(func.count()).where(ledger.c.sequence <= through)) or 0
        if gone:
            mac = connection.scalar(select(ledger.c.mac).where(ledger.c.sequence == through))
            records.append(_own_record("pruned", now, {"through": through, "mac": mac, "rows": gone}))
            connection.execute(delete(ledger).where(ledger.c.sequence <= through))
        hollow = connection.execute(
            update(ledger).where(ledger.c.sequence <= emptied, ledger.c.content.is_not(None)).values(content=null())
        ).rowcount
        if hollow:
            records.append(_own_record("emptied", now, {"through": emptied, "rows": hollow}))
        append(connection, keys, records)
        old = select(review_set.c.id).where(review_set.c.made < content)
        connection.execute(update(review_item).where(review_item.c.set_id.in_(old)).values(content=null()))
        answered = connection.execute(delete(feedback).where(feedback.c.received_at < answers)).rowcount
    return {"decisions": gone, "contents": hollow, "feedback": answered}


def empty(database: Database, keys: Keys, now: datetime, sequences: Iterable[int]) -> int:
    """Remove what some decisions were judged on, with copies in review sets; a row of the ledger says so. Returns how many."""
    with database.alone() as connection:
        rows = connection.scalars(
            select(ledger.c.sequence)
            .where(ledger.c.sequence.in_(list(sequences)), ledger.c.content.is_not(None))
            .order_by(ledger.c.sequence)
        ).all()
        connection.execute(update(ledger).where(ledger.c.sequence.in_(rows)).values(content=null()))
        _empty_copies(connection, alert.c.sequence.in_(rows))
        if rows:
            append(connection, keys, [_own_record("emptied", now, {"sequences": list(rows)})])
    return len(rows)


def _empty_copies(connection: Connection, those: ColumnElement[bool]) -> None:
    """Remove what review sets hold of some alerts; what was read of them stays."""
    cards = select(alert.c.card).where(those)
    connection.execute(update(review_item).where(review_item.c.card.in_(cards)).values(content=null()))


def forget(database: Database, keys: Keys, now: datetime, hashes: Sequence[str], tenant: str = "") -> Mapping[str, int]:
    """Take everything about one patient out; the chain keeps the signatures of the emptied rows and says that they are.

    Args:
        hashes: what stands for the patient, by each key of the site.
    """
    with database.alone() as connection:
        rows = connection.scalars(
            select(ledger.c.sequence).where(ledger.c.patient.in_(hashes)).order_by(ledger.c.sequence)
        ).all()
        alerts = connection.execute(select(alert.c.id, alert.c.card).where(alert.c.patient.in_(hashes))).all()
        answered = 0
        for cards in _in_parts([card for _, card in alerts]):
            answered += connection.execute(
                delete(feedback).where(feedback.c.card.in_(cards), feedback.c.tenant == tenant)
            ).rowcount
        _unsay(connection, hashes)
        _empty_copies(connection, alert.c.patient.in_(hashes))
        connection.execute(delete(alert).where(alert.c.patient.in_(hashes)))
        connection.execute(
            update(review_item).where(review_item.c.patient.in_(hashes)).values(content=null(), patient=null())
        )
        nothing = dict.fromkeys(("client", "server", "patient", "user_id", "instance", "record", "content"), null())
        connection.execute(update(ledger).where(ledger.c.patient.in_(hashes)).values(**nothing))
        append(connection, keys, [_own_record("forgotten", now, {"rows": list(part)}) for part in _in_parts(rows)])
    return {"decisions": len(rows), "alerts": len(alerts), "feedback": answered}


def _unsay(connection: Connection, hashes: Sequence[str]) -> None:
    """Remove what reviewers wrote about a patient, who may be named there; their answers stay."""
    cards = select(alert.c.card).where(alert.c.patient.in_(hashes))
    items = select(review_item.c.id).where(review_item.c.patient.in_(hashes) | review_item.c.card.in_(cards))
    for table in (reading, adjudication):
        connection.execute(update(table).where(table.c.item_id.in_(items)).values(comment=null()))


def _in_parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _PAGE):
        yield values[start : start + _PAGE]
