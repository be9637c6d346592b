"""Both databases for every test that asks for `url` or `database`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_rules.store.database import Database
from tests.store.postgres import Cluster, binaries, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster a run."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL is installed (initdb and pg_ctl); .ci/run installs it")
    with cluster(programs) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store' / 'cds-rules.db'}"
    made: str = request.getfixturevalue("postgres").database()
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A new database with the schema of this version."""
    opened = Database(url)
    opened.migrate()
    yield opened
    opened.close()
