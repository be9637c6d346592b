"""Whose rows may be seen: the one condition under which every question about them stands, and of whom there are any.

Flows in: columns that name a house, the houses of a visitor. Flows out: conditions, names. Floor: edge (store).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

Houses = Collection[str] | None
"""Whose; None: everybody's."""


def of(column: ColumnElement[Any], houses: Houses) -> tuple[ColumnElement[bool], ...]:
    """The condition that a row is of one of the houses; none for everybody's."""
    return () if houses is None else (column.in_(sorted(houses)),)


def values(connection: Connection, column: ColumnElement[str], *those: ColumnElement[bool]) -> tuple[str, ...]:
    """What a column holds, in order; each is found by one look into an index that begins with it, however many rows there are."""
    found: list[str] = []
    asked = select(func.min(column)).where(*those)
    while (value := connection.scalar(asked.where(column > found[-1]) if found else asked)) is not None:
        found.append(value)
    return tuple(found)
