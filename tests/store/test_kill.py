"""Workers die at any instant, and the database with them: what was acknowledged stays (the long run: tests/store/kill.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.kill import run
from tests.store.postgres import Cluster, binaries, cluster

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="workers are found by /proc")


def test_what_was_acknowledged_survives_the_death_of_workers(tmp_path: Path) -> None:
    result = run(4, f"sqlite:///{tmp_path / 'a.db'}", tmp_path)
    assert result.good, f"{result}\n{(tmp_path / 'log').read_text()[-3000:]}"


@pytest.fixture
def crashing() -> Iterator[Cluster]:
    """A cluster that nobody else uses."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL is installed (initdb and pg_ctl); .ci/run installs it")
    with cluster(programs) as running:
        yield running


def test_what_was_acknowledged_survives_a_crash_of_the_database(tmp_path: Path, crashing: Cluster) -> None:
    result = run(2, crashing.database(), tmp_path, crashing=crashing)
    assert result.restarts == 1
    assert result.good, f"{result}\n{(tmp_path / 'log').read_text()[-3000:]}"
