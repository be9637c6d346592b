"""`cds-rules terminology update`: ask a terminology server for what lies below the concepts of the packs, once, into a file.

Nothing of it is in the way of a request: start-up reads the file. Each concept of a value set that has a SNOMED CT code is asked
for by `$validate-code` and `$expand` of its implicit value set, page by page. A server that is slow, absent or talks nonsense
costs nothing but those concepts: what the file held of them stays, and the command says which they were.
Flows in: packs, an address. Flows out: rows of the overlay. Floor: edge. The network is reached by `service.outbound`.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cds_rules.knowledge.overlay import COLUMNS, TABLES, read_overlay
from cds_rules.knowledge.pack import merged_tables, read_tables
from cds_rules.service.addresses import AddressError, Reach, read_place
from cds_rules.service.outbound import Bounds, Outbound, OutboundError
from cds_rules.vocabulary.errors import BadInput, CdsRulesError

SNOMED = "http://snomed.info/sct"
PAGE, MOST_CODES, TRIES = 500, 5000, 3
BOUNDS = Bounds(seconds=20.0)

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Root:
    """A concept of a pack that is asked for."""

    table: str
    key: str
    code: str


@dataclass(slots=True)
class Update:
    """What an update came to. kept: rows of concepts that could not be asked for. troubles: concept -> why."""

    rows: list[Row] = field(default_factory=list)
    asked: int = 0
    kept: int = 0
    troubles: dict[str, str] = field(default_factory=dict)

    def lines(self, out: Path) -> Iterable[str]:
        """What a person should know."""
        yield f"{len(self.rows)} codes below {self.asked} concepts written to {out}"
        for concept, because in self.troubles.items():
            yield f"not asked for: {concept}: {because}"
        if self.kept:
            yield f"{self.kept} codes of these concepts stand from an earlier update"


class _Refused(CdsRulesError):
    """An answer that is of no use; the message says why."""


def update(server: str, out: Path, folders: Sequence[Path], today: date, networks: Sequence[str] = ()) -> Update:
    """Fetch everything and write the overlay, whole or not at all.

    Raises:
        BadInput: the address cannot be meant, or the server answered for no concept. PackError: packs, or the overlay there is.
    """
    tables = merged_tables(read_tables(folder) for folder in folders)
    before = read_overlay(out, tables) if out.exists() else ()
    try:
        place, reach = read_place(server.rstrip("/")), Reach.read([server], networks)
    except AddressError as error:
        raise BadInput(str(error), "--server") from None
    roots = [
        Root(table, row["key"], row["code"])
        for table in TABLES
        for row in tables.get(table, ())
        if row["system"] == SNOMED and not row["key"].startswith("!")
    ]
    found, troubles = asyncio.run(_ask(str(place), reach, roots))
    if roots and not found:
        raise BadInput(f"nothing could be asked for: {next(iter(troubles.values()))}", "--server")
    made = Update(asked=len(found), troubles=troubles)
    made.rows = _settled(found, tables, f"{place.origin} {today}")
    missed = {(root.table, root.key) for root in roots if f"{root.key} {root.code}" in troubles}
    have = {(row["table"], row["system"], row["code"]) for row in made.rows}
    old = [
        dict(row)
        for row in before
        if (row["table"], row["key"]) in missed and (row["table"], row["system"], row["code"]) not in have
    ]
    made.kept = len(old)
    made.rows = sorted([*made.rows, *old], key=lambda row: (row["table"], row["key"], row["code"]))
    _write(out, made.rows)
    return made


def _settled(found: Mapping[Root, Sequence[tuple[str, str]]], tables: Mapping[str, Any], source: str) -> list[Row]:
    """A row for each new code: of several concepts above it the nearest, known and excluded codes left out."""
    known = {(table, row["code"]) for table in TABLES for row in tables.get(table, ()) if row["system"] == SNOMED}
    below = {root: {code for code, _ in codes} for root, codes in found.items()}
    names = {(root.table, code): display for root, codes in found.items() for code, display in codes}
    rows = []
    for table, code in sorted(names):
        if (table, code) in known:
            continue
        above = [root for root in found if root.table == table and code in below[root]]
        nearest = {root.key for root in above if not any(other.code in below[root] - {root.code} for other in above)}
        rows += [
            dict(zip(COLUMNS, (table, key, SNOMED, code, names[table, code], source), strict=True))
            for key in sorted(nearest)
        ]
    return rows


async def _ask(
    base: str, reach: Reach, roots: Iterable[Root]
) -> tuple[dict[Root, Sequence[tuple[str, str]]], dict[str, str]]:
    found: dict[Root, Sequence[tuple[str, str]]] = {}
    troubles: dict[str, str] = {}
    outbound = Outbound(plain_http=True)
    silent = 0
    try:
        for root in roots:
            if silent >= TRIES:  # nobody is there: the rest need not wait for it
                troubles[f"{root.key} {root.code}"] = "the server does not answer"
                continue
            try:
                found[root] = await _below(outbound, base, reach, root.code)
                silent = 0
            except (OutboundError, _Refused) as error:
                troubles[f"{root.key} {root.code}"] = str(error)
                silent += isinstance(error, OutboundError)
    finally:
        await outbound.aclose()
    return found, troubles


async def _below(outbound: Outbound, base: str, reach: Reach, code: str) -> list[tuple[str, str]]:
    """Active codes below a concept, itself included."""
    known = await _get(outbound, base, reach, "CodeSystem/$validate-code", {"url": SNOMED, "code": code})
    if not any(_named(each, "result") and each.get("valueBoolean") is True for each in _list(known.get("parameter"))):
        raise _Refused("the server does not know the code")
    found: dict[str, str] = {}
    while True:
        asked = {"url": f"{SNOMED}?fhir_vs=isa/{code}", "activeOnly": "true", "count": PAGE, "offset": len(found)}
        answer = await _get(outbound, base, reach, "ValueSet/$expand", asked)
        expansion = answer.get("expansion")
        if answer.get("resourceType") != "ValueSet" or not isinstance(expansion, dict):
            raise _Refused("the answer to $expand is no expanded ValueSet")
        before = len(found)
        for each in _list(expansion.get("contains")):
            if _usable(each):
                found.setdefault(each["code"], str(each.get("display") or ""))
        total = expansion.get("total")
        if len(found) > MOST_CODES:
            raise _Refused(f"more than {MOST_CODES} codes lie below it")
        if len(found) == before or not isinstance(total, int) or len(found) >= total:
            break
    if code not in found:
        raise _Refused("its expansion does not hold the concept itself")
    return sorted(found.items())


async def _get(outbound: Outbound, base: str, reach: Reach, path: str, asked: Mapping[str, object]) -> dict[str, Any]:
    place = read_place(f"{base}/{path}?{urlencode(asked)}")
    for tried in range(1, TRIES + 1):
        try:
            reply = await outbound.get(place, reach, bounds=BOUNDS)
        except OutboundError as error:
            if tried == TRIES or error.kind not in ("timeout", "unreachable"):
                raise
        else:
            if reply.status == 200:
                return _object(reply.body)
            if tried == TRIES or reply.status not in (429, 502, 503, 504):
                raise _Refused(f"status {reply.status} to {path}")
        await asyncio.sleep(0.2 * 2**tried)
    raise AssertionError("each try returns or raises")


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        raise _Refused("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise _Refused("the answer is no FHIR resource")
    return found


def _usable(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("system") == SNOMED
        and isinstance(entry.get("code"), str)
        and not entry.get("inactive")
        and not entry.get("abstract")
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(parameter: object, name: str) -> bool:
    return isinstance(parameter, dict) and parameter.get("name") == name


def _write(out: Path, rows: Sequence[Row]) -> None:
    beside = out.with_name(f".{out.name}.new")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(beside, out)
