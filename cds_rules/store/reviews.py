"""Review sets: items drawn from a run, two blind readings of each, and an adjudication where they differ.

Blind by question, not by page: what the other reader found is in no answer until it is settled, but for who adjudicates,
who is neither of the two. Flows in: sets, readings. Flows out: what somebody may know of them. Floor: edge (store).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, insert, select, update

from cds_rules.store.database import Database
from cds_rules.store.houses import Houses, of
from cds_rules.store.keys import Keys
from cds_rules.store.progress import READERS, TO_READ, Progress, mark, progress
from cds_rules.store.tables import adjudication, reading, review_item, review_set

Stratum = Literal["alert", "suppressed", "not-judged", "silent"]
STRATA: tuple[Stratum, ...] = ("alert", "suppressed", "not-judged", "silent")
Kept = Literal["kept", "locked", "full", "absent"]
"""What became of a reading: kept; the other one is there, so it is not changed any more; two others read it; no such item."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """How much of one stratum of a rule there was, and how much was drawn."""

    rule: str
    stratum: Stratum
    population: int
    drawn: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item on its way in. content: JSON, to be sealed. card: of the alert it was made from, "" for what was replayed."""

    rule: str
    version: str
    stratum: Stratum
    level: str
    hook: str
    weight: float
    content: bytes
    patient: str
    card: str = ""


@dataclass(frozen=True, slots=True)
class Set:
    """A review set. house: whose patients they are. strata: see `Drawn`. read: readings that are there, of two an item."""

    id: int
    name: str
    house: str
    made: datetime
    made_by: str
    fingerprint: str
    seed: int
    strata: tuple[Drawn, ...]
    items: int
    read: int
    adjudicated: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What somebody found. trigger, action: yes, no, unsure."""

    by: str
    at: datetime
    trigger: str
    action: str
    comment: str


@dataclass(frozen=True, slots=True)
class Listed:
    """An item as one reader may know it. mine: there is a reading of this reader's."""

    id: int
    position: int
    rule: str
    stratum: Stratum
    level: str
    mine: bool
    progress: Progress


@dataclass(frozen=True, slots=True)
class Item:
    """An item to be read. content: JSON; None once it was deleted. mine: this reader's own reading.

    both: the two readings, only once it is settled, or for one who may adjudicate: who is neither reader.
    """

    listed: Listed
    set: Set
    version: str
    hook: str
    content: bytes | None
    card: str
    mine: Judged | None
    both: tuple[Judged, ...]
    adjudicated: Judged | None

    @property
    def open(self) -> bool:
        """Whether this reader may still give or change a reading."""
        return self.listed.progress in TO_READ


@dataclass(frozen=True, slots=True)
class Row:
    """An item as statistics and exports read it: the judgements of two readers, both or neither, in the order of `readers`.

    readers: sorted, so that where two people read a whole set the first is the same person throughout.
    """

    id: int
    position: int
    rule: str
    version: str
    stratum: Stratum
    level: str
    hook: str
    weight: float
    readers: tuple[str, ...]
    trigger: tuple[str, ...]
    action: tuple[str, ...]
    judged: tuple[str, str] | None

    def final(self, what: Literal["trigger", "action"]) -> str:
        """What was settled: by adjudication, or by two readers who agree; "" where nothing was."""
        if self.judged:
            return self.judged[what == "action"]
        if any(len(set(pair)) != 1 for pair in (self.trigger, self.action)):
            return ""
        return self.trigger[0] if what == "trigger" else self.action[0]


def add(
    database: Database,
    keys: Keys,
    items: Sequence[NewItem],
    *,
    name: str,
    house: str,
    by: str,
    at: datetime,
    fingerprint: str,
    seed: int,
    strata: Sequence[Drawn],
) -> int:
    """Keep a set; its items stand in the order they are given. Returns its id."""
    written = [
        {
            "position": position,
            "rule": each.rule,
            "version": each.version,
            "stratum": each.stratum,
            "level": each.level,
            "hook": each.hook,
            "weight": each.weight,
            "content": keys.seal(each.content),
            "card": each.card or None,
            "patient": keys.hashed("patient", house, each.patient) if each.patient else None,
        }
        for position, each in enumerate(items, 1)
    ]
    with database.alone() as connection:
        made = connection.execute(
            insert(review_set).values(
                name=name[:200],
                house=house,
                made=at,
                made_by=by,
                fingerprint=fingerprint,
                seed=seed,
                strata=json.dumps([[each.rule, each.stratum, each.population, each.drawn] for each in strata]),
            )
        ).inserted_primary_key
        assert made is not None
        identity: int = made[0]
        if written:
            connection.execute(insert(review_item), [{"set_id": identity, **each} for each in written])
        mark(connection, (each.card for each in items if each.card))
    return identity


def sets(database: Database, houses: Houses) -> tuple[Set, ...]:
    """All sets that may be seen, newest first."""
    with database.reading() as connection:
        return tuple(_set(row) for row in connection.execute(_sets(houses).order_by(review_set.c.id.desc())).mappings())


def find_set(database: Database, identity: int, houses: Houses) -> Set | None:
    """A set, if it may be seen."""
    with database.reading() as connection:
        return _find(connection, identity, houses)


def remove(database: Database, identity: int, houses: Houses) -> bool:
    """Delete a set with its items and readings, if it may be seen."""
    with database.alone() as connection:
        if _find(connection, identity, houses) is None:
            return False
        cards = _cards(connection, review_item.c.set_id == identity)
        connection.execute(delete(review_set).where(review_set.c.id == identity))
        mark(connection, cards)
        return True


def items(database: Database, identity: int, reader: str) -> tuple[Listed, ...]:
    """The items of a set in their order, as a reader may know them."""
    asked = _listed(reader).where(review_item.c.set_id == identity).order_by(review_item.c.position)
    with database.reading() as connection:
        return tuple(_as_listed(row) for row in connection.execute(asked).mappings())


def item(database: Database, keys: Keys, identity: int, houses: Houses, reader: str) -> Item | None:
    """An item as a reader may know it; None where there is none that they may see."""
    with database.reading() as connection:
        row = (
            connection.execute(
                _listed(
                    reader, review_item.c.version, review_item.c.hook, review_item.c.content, review_item.c.card
                ).where(review_item.c.id == identity)
            )
            .mappings()
            .one_or_none()
        )
        if row is None or (own := _find(connection, row["set_id"], houses)) is None:
            return None
        listed = _as_listed(row)
        readings = select(reading).where(reading.c.item_id == identity).order_by(reading.c.place)
        if listed.progress != "settled" and (listed.mine or listed.progress in TO_READ):
            readings = readings.where(reading.c.reader == reader)
        known = connection.execute(readings).mappings().all()
        settled = connection.execute(select(adjudication).where(adjudication.c.item_id == identity)).mappings().first()
    return Item(
        listed=listed,
        set=own,
        version=row["version"],
        hook=row["hook"],
        content=keys.unseal(row["content"]) if row["content"] is not None else None,
        card=row["card"] or "",
        mine=next((_judged(each, "reader", keys) for each in known if each["reader"] == reader), None),
        both=tuple(_judged(each, "reader", keys) for each in known) if len(known) == READERS else (),
        adjudicated=_judged(settled, "judge", keys) if settled else None,
    )


def read(database: Database, keys: Keys, identity: int, houses: Houses, given: Judged) -> Kept:
    """Keep what a reader found. It may be changed until the other reading is there."""
    with database.alone() as connection:
        if not _visible(connection, identity, houses):
            return "absent"
        known = connection.execute(select(reading).where(reading.c.item_id == identity)).mappings().all()
        mine = next((each for each in known if each["reader"] == given.by), None)
        if len(known) == READERS:
            return "locked" if mine else "full"
        values = _values(given, keys)
        if mine:
            connection.execute(update(reading).where(reading.c.id == mine["id"]).values(**values))
        else:
            place = 1 + len(known)
            connection.execute(insert(reading).values(item_id=identity, reader=given.by, place=place, **values))
        mark(connection, _cards(connection, review_item.c.id == identity))
    return "kept"


def adjudicate(database: Database, keys: Keys, identity: int, houses: Houses, given: Judged) -> bool:
    """Settle an item on which two readers differ; once, and by none of the two. False: it is not to be settled so."""
    with database.alone() as connection:
        if not _visible(connection, identity, houses):
            return False
        row = connection.execute(_listed(given.by).where(review_item.c.id == identity)).mappings().one()
        listed = _as_listed(row)
        if listed.progress != "disputed" or listed.mine:
            return False
        connection.execute(insert(adjudication).values(item_id=identity, judge=given.by, **_values(given, keys)))
        mark(connection, _cards(connection, review_item.c.id == identity))
    return True


def rows(database: Database, identity: int) -> tuple[Row, ...]:
    """All items of a set for statistics and exports; a single reading is in none of them."""
    first, second = reading.alias("first"), reading.alias("second")
    joined = (
        review_item.outerjoin(second, and_(second.c.item_id == review_item.c.id, second.c.place == READERS))
        .outerjoin(first, and_(first.c.item_id == second.c.item_id, first.c.place == 1))
        .outerjoin(adjudication, adjudication.c.item_id == review_item.c.id)
    )
    asked = (
        select(
            review_item,
            first.c.reader.label("one"),
            second.c.reader.label("two"),
            first.c.trigger_right.label("one_trigger"),
            first.c.action_right.label("one_action"),
            second.c.trigger_right.label("two_trigger"),
            second.c.action_right.label("two_action"),
            adjudication.c.trigger_right.label("last_trigger"),
            adjudication.c.action_right.label("last_action"),
        )
        .select_from(joined)
        .where(review_item.c.set_id == identity)
        .order_by(review_item.c.position)
    )
    with database.reading() as connection:
        return tuple(map(_row, connection.execute(asked).mappings()))


def _row(row: Any) -> Row:
    both = ("one", "two") if row["two"] else ()
    order = sorted(both, key=lambda which: row[which])
    return Row(
        *(row[name] for name in ("id", "position", "rule", "version", "stratum", "level", "hook", "weight")),
        readers=tuple(row[each] for each in order),
        trigger=tuple(row[f"{each}_trigger"] for each in order),
        action=tuple(row[f"{each}_action"] for each in order),
        judged=(row["last_trigger"], row["last_action"]) if row["last_trigger"] else None,
    )


def contents(database: Database, keys: Keys, identities: Collection[int]) -> Mapping[int, bytes]:
    """What was judged in some items, where it is still kept."""
    asked = select(review_item.c.id, review_item.c.content).where(
        review_item.c.id.in_(identities), review_item.c.content.is_not(None)
    )
    with database.reading() as connection:
        return {identity: keys.unseal(content) for identity, content in connection.execute(asked)}


def _sets(houses: Houses) -> Select[Any]:
    own = review_item.c.set_id == review_set.c.id
    of_items = select(func.count()).where(own).correlate(review_set).scalar_subquery()
    of_readings = (
        select(func.count()).select_from(reading.join(review_item)).where(own).correlate(review_set).scalar_subquery()
    )
    of_judged = (
        select(func.count())
        .select_from(adjudication.join(review_item))
        .where(own)
        .correlate(review_set)
        .scalar_subquery()
    )
    asked = select(review_set, of_items.label("items"), of_readings.label("read"), of_judged.label("adjudicated"))
    return asked.where(*of(review_set.c.house, houses))


def _find(connection: Connection, identity: int, houses: Houses) -> Set | None:
    row = connection.execute(_sets(houses).where(review_set.c.id == identity)).mappings().one_or_none()
    return _set(row) if row else None


def _visible(connection: Connection, identity: int, houses: Houses) -> bool:
    of = connection.scalar(select(review_item.c.set_id).where(review_item.c.id == identity))
    return of is not None and _find(connection, of, houses) is not None


def _set(row: Any) -> Set:
    return Set(
        id=row["id"],
        name=row["name"],
        house=row["house"],
        made=row["made"],
        made_by=row["made_by"],
        fingerprint=row["fingerprint"],
        seed=row["seed"],
        strata=tuple(Drawn(*each) for each in json.loads(row["strata"])),
        items=row["items"],
        read=row["read"],
        adjudicated=row["adjudicated"],
    )


def _cards(connection: Connection, those: ColumnElement[bool]) -> Sequence[str]:
    """The alerts that some items were made from."""
    return connection.scalars(select(review_item.c.card).where(those, review_item.c.card.is_not(None))).all()


def _listed(reader: str, *more: Any) -> Select[Any]:
    """Items with how far each is, and whether a reading is this reader's."""
    mine = exists().where(reading.c.item_id == review_item.c.id, reading.c.reader == reader)
    own = (review_item.c[name] for name in ("id", "set_id", "position", "rule", "stratum", "level"))
    return select(*own, *more, mine.label("mine"), progress().label("progress"))


def _as_listed(row: Any) -> Listed:
    return Listed(**{name: row[name] for name in Listed.__dataclass_fields__})


def _values(given: Judged, keys: Keys) -> dict[str, Any]:
    return {
        "at": given.at,
        "trigger_right": given.trigger,
        "action_right": given.action,
        "comment": keys.seal(given.comment.encode(errors="surrogatepass")) if given.comment else None,
    }


def _judged(row: Any, who: str, keys: Keys) -> Judged:
    comment = keys.unseal(row["comment"]).decode(errors="replace") if row["comment"] else ""
    return Judged(row[who], row["at"], row["trigger_right"], row["action_right"], comment)
