"""Kept YAML: the same document, never a stale one, and nothing lost where nothing can be kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cds_rules.knowledge import parsed
from cds_rules.knowledge.files import read_yaml

TEXT = "title: A rule\nreviewed: 2026-11-23\nwhen: {all: [{gt: 1.0}, {is: true}, no]}\n"
DOCUMENT = {"title": "A rule", "reviewed": date(2026, 11, 23), "when": {"all": [{"gt": 1.0}, {"is": True}, "no"]}}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    place = tmp_path / "rule.yaml"
    place.write_text(TEXT, encoding="utf-8")
    return place


def entries(path: Path) -> list[Path]:
    return [each for each in path.parent.rglob("*.json") if each.is_file()]


def test_what_was_parsed_is_not_parsed_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_yaml(path, "rule", lines=False) == (DOCUMENT, ())
    monkeypatch.setattr("cds_rules.knowledge.files.YAML", None)
    assert read_yaml(path, "rule", lines=False) == (DOCUMENT, ())


def test_a_changed_file_is_parsed_again(path: Path) -> None:
    read_yaml(path, "rule", lines=False)
    path.write_text(TEXT.replace("1.0", "2.0"), encoding="utf-8")
    document, _ = read_yaml(path, "rule", lines=False)
    assert document == DOCUMENT | {"when": {"all": [{"gt": 2.0}, {"is": True}, "no"]}}


def test_an_entry_of_another_parser_is_not_used(path: Path) -> None:
    parsed.keep(path, path.read_bytes(), "another", {"title": "Another"})
    assert entries(path)
    assert read_yaml(path, "rule", lines=False) == (DOCUMENT, ())


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b"\xff", b'{"of": 1}', b"[" * 100_000])
def test_a_damaged_entry_is_not_used(path: Path, damage: bytes) -> None:
    read_yaml(path, "rule", lines=False)
    (entry,) = entries(path)
    entry.write_bytes(damage)
    assert read_yaml(path, "rule", lines=False) == (DOCUMENT, ())


def test_mistakes_are_found_each_time_and_nothing_is_kept(path: Path) -> None:
    path.write_text("a: 1\na: 2\n", encoding="utf-8")
    assert read_yaml(path, "rule", lines=False) == read_yaml(path, "rule", lines=False)
    assert read_yaml(path, "rule", lines=False)[1]
    assert not entries(path)


@pytest.mark.parametrize("text", ["1: one\n", "a: .nan\n", "a: 2026-11-23T10:00:00Z\n", "a: !!set {b}\n"])
def test_what_json_would_change_is_not_kept(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    read_yaml(path, "rule", lines=False)
    assert not entries(path)


def test_a_place_that_cannot_be_written_costs_only_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = path.parent / "file"
    blocked.write_text("", encoding="utf-8")
    monkeypatch.setattr("sys.pycache_prefix", str(blocked))
    assert read_yaml(path, "rule", lines=False) == (DOCUMENT, ())


def test_nothing_is_written_where_python_writes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    read_yaml(path, "rule", lines=False)
    assert not entries(path)
