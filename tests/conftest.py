"""Fixtures that many tests share; built once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

import cds_rules
from cds_rules.evaluate import Knowledge
from cds_rules.knowledge.pack import Pack

PACK_FOLDER = Path(cds_rules.__file__).parent / "packs" / "magnesium_cramps"


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The installed packs, compiled."""
    return cds_rules.load_packs()


@pytest.fixture(scope="session")
def pack(knowledge: Knowledge) -> Pack:
    """Our pack."""
    return next(pack for pack in knowledge.packs if pack.name == "magnesium-cramps")
