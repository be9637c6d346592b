"""The steps from one schema to the next (Alembic); `database.Database.migrate` runs them at start-up.

A released step is never changed: a new one is added. Floor: edge (store).
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent
VERSIONS = FOLDER / "versions"
VERSION_TABLE = "alembic_version"
_SAID = re.compile(r"^(revision|down_revision) = ['\"]([^'\"]+)['\"]", re.MULTILINE)


def heads() -> frozenset[str]:
    """The revisions no other one follows, read off the files: importing them would import Alembic
    (test_the_newest_revision_is_that_of_alembic).
    """
    said = [pair for path in VERSIONS.glob("*.py") for pair in _SAID.findall(path.read_text("utf-8"))]
    return frozenset(name for key, name in said if key == "revision" and ("down_revision", name) not in said)
