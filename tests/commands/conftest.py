"""The command line as it is typed, without starting a process for each word."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cds_rules.cli import app
from tests.conftest import PACK_FOLDER


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Typed = Callable[..., Done]

RULES = {
    "magnesium-excess": ("mg-oral-aki", "mg-total-dose"),
    "magnesium-gut": ("mg-gi-upset",),
    "quinine": ("quinine-leg-cramps",),
}
"""The rules of the small pack by group."""


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run `cds-rules` with these words; an exception that would be a traceback fails the test."""

    def run(*words: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["cds-rules", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app()
        told = capsys.readouterr()
        return Done(int(ended.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A few rules of our pack in a folder of their own, which a test may spoil."""
    folder = tmp_path / "copy"
    yaml = YAML(typ="safe", pure=True)
    head = yaml.load(PACK_FOLDER / "pack.yaml")
    head["groups"] = [{"id": name, "title": name, "rules": list(rules)} for name, rules in RULES.items()]
    del head["parameters"]  # none of these rules reads one
    head["removals"] = [{"by": ["magnesium-excess"], "at_least": "warning", "removes": ["mg-gi-upset"]}]
    for part in ("tables", "valuesets"):
        shutil.copytree(PACK_FOLDER / part, folder / part)
    (folder / "rules").mkdir()
    for rule in (rule for rules in RULES.values() for rule in rules):
        for end in (".yaml", ".cases.yaml"):
            shutil.copy(PACK_FOLDER / "rules" / f"{rule}{end}", folder / "rules")
    yaml.dump(head, folder / "pack.yaml")
    return folder


def change(path: Path, before: str, after: str) -> None:
    """Put other text where this text stands."""
    text = path.read_text("utf-8")
    assert before in text, f"{path.name} no longer holds {before!r}"
    path.write_text(text.replace(before, after), "utf-8")
