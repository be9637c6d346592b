"""What all commands for rule authors share: packs by name or folder, sentences, exit codes, help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cds_rules.cli import commands
from tests.commands.conftest import Typed


@pytest.mark.parametrize(
    "words",
    [
        ("lint", "nope"),
        ("test", "--pack", "nope"),
        ("new", "trial", "--group", "quinine", "--pack", "nope"),
        ("schema", "rule", "--pack", "nope"),
    ],
    ids=" ".join,
)
def test_an_unknown_pack_is_a_sentence(typed: Typed, words: tuple[str, ...]) -> None:
    done = typed(*words)
    assert (done.code, done.out) == (2, "")
    assert (
        done.err == 'cds-rules: "nope" is neither an installed pack (magnesium_cramps) nor a folder with a pack.yaml\n'
    )


def test_a_place_that_cannot_be_written_is_a_sentence(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = typed("schema", "--write", tmp_path / "file")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("cds-rules: ")
    assert done.err.count("\n") == 1


def test_it_runs_as_a_process() -> None:
    words = [sys.executable, "-m", "cds_rules.cli", "test", "mg-gi-upst"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cds-rules: no rule has the id")


def test_help_names_every_command_and_each_says_what_it_does(typed: Typed) -> None:
    named = typed("--help").out
    for command in commands.registered_commands:
        assert command.callback is not None
        assert command.callback.__doc__
        assert f"  {command.name or command.callback.__name__} " in named
