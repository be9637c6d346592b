"""A replay run as a store of its own: the worklist shows it, and each alert can be judged again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cds_rules.cli import commands
from cds_rules.service import settings as sections
from cds_rules.service.settings import Settings
from cds_rules.store.browse import Wanted, browse, find
from cds_rules.store.store import Store
from cds_rules.vocabulary.errors import BadInput
from tests.store.scenes import SAMPLES

NAMES = ("mg-oral-severe-ckd", "silent-torsades", "statin-interaction")


def test_a_run_is_loaded_with_what_was_judged(tmp_path: Path) -> None:
    run, into = tmp_path / "run.ndjson", tmp_path / "replay.db"
    paths = [str(SAMPLES / name / "request.json") for name in NAMES]
    assert CliRunner().invoke(commands, ["replay", *paths, "--json", str(run), "--calls"]).exit_code == 0
    done = CliRunner().invoke(commands, ["review", "load", str(run), "--into", str(into)])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in run.read_text().splitlines()]
    expected = {(card["uuid"], card["indicator"]) for line in lines for card in line["cards"]}
    assert f"{len(lines)} evaluations, {len(expected)} alerts" in done.output
    store = Store(Settings(store=sections.Store(url=SecretStr(f"sqlite:///{into}"))))
    alerts = browse(store.database, None, Wanted()).alerts
    assert {(each.card, each.level) for each in alerts} == expected
    found = find(store.database, None, alerts[0].card)
    assert found
    assert found.decision.call(store.keys)
    assert store.verify().problem == ""
    store.close()
    with pytest.raises(BadInput, match="it is there already"):
        CliRunner().invoke(commands, ["review", "load", str(run), "--into", str(into)], catch_exceptions=False)


def test_a_file_that_is_something_else_is_named_by_line(tmp_path: Path) -> None:
    run = tmp_path / "run.ndjson"
    run.write_text('{"cards": [], "outcomes": {}, "call": {}}\n')
    with pytest.raises(BadInput, match="line 1"):
        CliRunner().invoke(
            commands, ["review", "load", str(run), "--into", str(tmp_path / "x.db")], catch_exceptions=False
        )
