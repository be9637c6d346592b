"""The ledger: every requirement on a CDS Hooks service, and the tests that hold it or why there is none.

Ids and strengths are those of the requirement table that lies beside the checkout; where it does, they are compared.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.shared import SHARED, needs_shared

ROOT = Path(__file__).parents[2]
with (Path(__file__).parent / "ledger.csv").open(encoding="utf-8", newline="") as file:
    LEDGER = list(csv.DictReader(file))
EXPECTED = 230


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the tests in a file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(
        node.name for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)
    )


def requirements() -> Iterator[tuple[str, str]]:
    """Id and strength of each row of the requirement table."""
    for line in (SHARED / "cds-hooks" / "requirements.md").read_text("utf-8").splitlines():
        if line.startswith("| CDSH-"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
            yield cells[1], cells[2]


def test_every_row_stands_once() -> None:
    ids = [row["id"] for row in LEDGER]
    assert len(ids) == len(set(ids)) == EXPECTED


@needs_shared
def test_rows_are_those_of_the_requirement_table() -> None:
    assert [(row["id"], row["strength"]) for row in LEDGER] == list(requirements())


@pytest.mark.parametrize("row", LEDGER, ids=lambda row: row["id"])
def test_a_row_names_tests_that_there_are_or_says_why_none(row: dict[str, str]) -> None:
    tests = row["tests"].split()
    assert bool(tests) != bool(row["why"]), "name tests, or say why there is none"
    for node in tests:
        path, _, name = node.partition("::")
        assert name in functions(path), f"{node}: there is no such test"


def test_what_must_be_is_tested() -> None:
    """No requirement that is a MUST for a service is excused, and nothing is put off."""
    assert [row["id"] for row in LEDGER if row["strength"].startswith("MUST") and row["why"]] == []
    assert [row["id"] for row in LEDGER if row["why"].startswith("Not yet")] == []
