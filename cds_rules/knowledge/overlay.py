"""Codes that a terminology server added to the packs' value sets: a file that `cds-rules terminology update` writes.

    table,key,system,code,display,source

It can only add: a code that a pack knows, or excludes, keeps the meaning the pack gives it. Flows in: the file and the packs'
tables. Flows out: tables. Floor: knowledge; the file is read at start-up.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from cds_rules.vocabulary.errors import Mistake, PackError

Rows = Sequence[Mapping[str, str]]
COLUMNS = ("table", "key", "system", "code", "display", "source")
TABLES = ("conditions",)
"""Value sets that a server may add to: problems, of which what is below a concept is one of its kind."""


def read_overlay(path: Path, tables: Mapping[str, Rows]) -> tuple[dict[str, str], ...]:
    """Read an overlay.

    Raises:
        PackError: with every row that does not fit, by line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows, fields = list(reader), tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PackError((Mistake(path.name, "", f"cannot be read as CSV in UTF-8 ({type(error).__name__})"),)) from None
    if fields != COLUMNS:
        raise PackError((Mistake(path.name, "", f"has not the columns {', '.join(COLUMNS)}", 1),))
    mistakes = []
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            mistakes.append(Mistake(path.name, "", f"{len(COLUMNS)} cells belong in a row", line))
        elif row["table"] not in TABLES:
            mistakes.append(Mistake(path.name, "table", f'found "{row["table"]}"; {TABLES[0]} belongs here', line))
        elif row["key"] not in {each["key"] for each in tables.get(row["table"], ())}:
            mistakes.append(Mistake(path.name, "key", f'no pack has a concept "{row["key"]}"', line))
        elif not row["system"] or not row["code"]:
            mistakes.append(Mistake(path.name, "code", "a system and a code belong here", line))
    if mistakes:
        raise PackError(tuple(mistakes))
    return tuple(rows)


def with_overlay(tables: Mapping[str, Rows], overlay: Rows) -> dict[str, Rows]:
    """The tables with what an overlay adds to them."""
    found = dict(tables)
    for name in TABLES:
        columns = next(iter(tables.get(name, ())), {})
        known = {(row["system"], row["code"]) for row in tables.get(name, ())}
        added = [
            {**dict.fromkeys(columns, ""), **{key: row[key] for key in ("key", "system", "code", "display", "source")}}
            for row in overlay
            if row["table"] == name and (row["system"], row["code"]) not in known
        ]
        found[name] = [*tables.get(name, ()), *added]
    return found
