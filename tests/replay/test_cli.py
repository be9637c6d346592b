"""The command line as a person meets it: help, and mistakes said in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replay.records import bundle, condition, lab, order, patient, write


def cds_rules(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cds_rules.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )


def test_help_names_the_commands_and_exit_codes() -> None:
    assert "replay" in cds_rules("--help").stdout
    assert "Exit codes: 0 done" in cds_rules("replay", "--help").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "soon"], 'cds-rules: --at: "soon" is no instant'),
        (["--hook", "patient-vew"], 'cds-rules: --hook: "patient-vew" is no hook'),
        (["--hook", "patient-view", "--at", "each-order"], "order-sign or order-select belongs there"),
        (["--expect", "nowhere"], "a folder of expected cards belongs there"),
        (["--report", "/nowhere/at/all.html"], "cannot be written"),
        (["--expect", "."], "expects nothing of what was replayed"),
        (["nowhere.json"], "nowhere.json: no such file or folder"),
        (["--jobs", "-1"], "--jobs"),
        (["--frobnicate"], "No such option"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_mistake_is_said_in_a_sentence(tmp_path: Path, words: list[str], message: str) -> None:
    done = cds_rules("replay", str(write(tmp_path / "a.json", bundle(patient(), lab()))), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_text_of_a_record_does_not_steer_the_terminal(tmp_path: Path) -> None:
    evil = "evil\x1b[2J\x07\u202e"
    path = write(tmp_path / "a.json", bundle(patient(), order(text=evil)))
    done = cds_rules("replay", str(path), "--each")
    assert "evil" in done.stdout
    assert not set("\x1b\x07\u202e") & set(done.stdout + done.stderr)


def test_two_runs_list_the_same_in_the_same_order(tmp_path: Path) -> None:
    laboratory = {"category": [{"coding": [{"code": "laboratory"}]}]}
    unknown = [lab(code=f"999{number}-1", id=f"o{number}", **laboratory) for number in range(12)]
    refused = [lab(id="a", status="preliminary"), lab(id="b", value=9000), lab(id="c", unit="furlong")]
    write(tmp_path / "a.json", bundle(patient(), *unknown, *refused))
    tables = [
        cds_rules("replay", str(tmp_path / "a.json"), PYTHONHASHSEED=seed).stdout.partition("1 patient")[0]
        for seed in ("1", "2", "3")
    ]
    assert "9990-1" in tables[0]
    assert "implausible" in tables[0]
    assert tables == [tables[0]] * 3


def test_several_processes_give_what_one_gives(tmp_path: Path) -> None:
    for number in range(5):
        write(
            tmp_path / f"in/{number}.json",
            bundle(patient(f"p{number}"), lab(subject={"reference": f"Patient/p{number}"})),
        )
    one, two = (cds_rules("replay", str(tmp_path / "in"), "--json", "-", "--jobs", jobs) for jobs in ("1", "2"))
    assert (one.returncode, two.returncode) == (0, 0)
    assert one.stdout == two.stdout
    assert len(one.stdout.splitlines()) == 5


@pytest.mark.parametrize("word", ["--json", "--report"])
def test_a_record_is_never_overwritten(tmp_path: Path, word: str) -> None:
    record = write(tmp_path / "in/a.json", bundle(patient(), lab()))
    before = record.read_bytes()
    for read, written in ((record, record), (tmp_path / "in", record), (tmp_path / "in", tmp_path / "in/out.ndjson")):
        done = cds_rules("replay", str(read), word, str(written))
        assert done.returncode == 2
        assert "is among what is replayed" in done.stderr
    assert record.read_bytes() == before


def test_cards_of_a_replay_are_in_the_language_asked_for(tmp_path: Path) -> None:
    record = write(tmp_path / "a.json", bundle(patient(), order(), lab(2.4)))
    english, german = (cds_rules("replay", str(record), "--json", "-", "--language", each) for each in ("en", "de"))
    assert "risk of magnesium accumulation" in english.stdout
    assert "Risiko der Magnesiumanreicherung" in german.stdout
    assert "risk of" not in json.loads(german.stdout)["cards"][0]["summary"]


def test_codes_that_a_terminology_server_added_count_in_a_replay(tmp_path: Path) -> None:
    code = {"system": "http://snomed.info/sct", "code": "999000999"}
    record = write(tmp_path / "a.json", bundle(patient(), order(), {**condition(), "code": {"coding": [code]}}))
    overlay = tmp_path / "codes.csv"
    overlay.write_text(
        "table,key,system,code,display,source\n"
        f"conditions,ckd-4,{code['system']},{code['code']},a new kind of stage 4,a server\n",
        "utf-8",
    )
    without, added = (
        cds_rules("replay", str(record), "--json", "-", *words) for words in ((), ("--codes", str(overlay)))
    )
    assert "mg-oral-severe-ckd" not in without.stdout
    assert "mg-oral-severe-ckd" in added.stdout
