"""Fixtures that many tests share; built once a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import cds_rules
from cds_rules.evaluate import Knowledge
from cds_rules.knowledge.pack import Pack
from cds_rules.store.database import Database

# no test asserts a time: a busy machine must not fail one; the same run gives the same examples everywhere, and
# `--hypothesis-profile random` looks for new ones
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")

PACK_FOLDER = Path(cds_rules.__file__).parent / "packs" / "magnesium_cramps"


@pytest.fixture(scope="session", autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a service keeps by default goes into a folder of this run, not among the data of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def databases_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Connections to a database that a test made are closed with it, and not whenever they are collected."""
    opened: list[Database] = []
    make = Database.__init__

    def made(self: Database, url: str) -> None:
        make(self, url)
        opened.append(self)

    monkeypatch.setattr(Database, "__init__", made)
    yield
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The installed packs, compiled."""
    return cds_rules.load_packs()


@pytest.fixture(scope="session")
def pack(knowledge: Knowledge) -> Pack:
    """Our pack."""
    return next(pack for pack in knowledge.packs if pack.name == "magnesium-cramps")
