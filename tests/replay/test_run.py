"""The whole way from files to results, summary, report and exit code, with the rules of the pack."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.replay import command, run
from cds_rules.replay.command import Asked
from cds_rules.replay.run import Done, Options, Result, replay, workers
from cds_rules.replay.sources import plan
from cds_rules.replay.summary import Summary
from tests.replay.records import bundle, lab, order, patient, write, write_lines

NOW = datetime(2026, 6, 15, tzinfo=UTC)
MAGNESIUM = order(text="Magnesium oxide 400 mg oral tablet", when="2026-01-05")
CREATININE = lab(2.4, "2026-01-04T08:00:00Z")
RECORD = bundle(patient(), MAGNESIUM, CREATININE)


def evaluated(knowledge: Knowledge, *paths: Path, spool: Path, **more: Any) -> list[Done]:
    spool.mkdir(exist_ok=True)
    with workers(knowledge, Options(**more), NOW, 1) as work:
        return list(replay(plan(paths, spool), work))


def results(knowledge: Knowledge, *paths: Path, spool: Path, **more: Any) -> list[Result]:
    return [result for done in evaluated(knowledge, *paths, spool=spool, **more) for result in done.results]


def rules(result: Result) -> list[str]:
    return [card["extension"]["dev.cds-rules.finding"]["rule"] for card in result.cards]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def loaded(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands use the rules that were loaded once for all tests."""
    monkeypatch.setattr(command, "load_packs", lambda *_: knowledge)


def test_a_record_is_judged_at_its_end(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    (result,) = results(knowledge, write(tmp_path / "ann.json", RECORD), spool=spool)
    assert rules(result) == ["mg-oral-severe-ckd"]
    assert (result.at.date().isoformat(), result.name, result.patient) == ("2026-01-05", "ann", "Patient/p1")
    assert result.about == "female, born 1950-03-01, 75 years"
    assert "Observation" in {source.reference.partition("/")[0] for source in result.evidence["mg-oral-severe-ckd"]}


def test_a_bundle_and_an_export_of_the_same_patient_give_the_same_cards(
    tmp_path: Path, spool: Path, knowledge: Knowledge
) -> None:
    write(tmp_path / "bundles/ann.json", RECORD)
    write_lines(tmp_path / "export/Patient.ndjson", patient())
    write_lines(tmp_path / "export/Observation.ndjson", CREATININE)
    write_lines(tmp_path / "export/MedicationRequest.ndjson", MAGNESIUM)
    write_lines(
        tmp_path / "export/Condition.ndjson",
        {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/p1"}},
    )
    one, two = results(knowledge, tmp_path / "bundles", tmp_path / "export", spool=spool)
    assert one.cards == two.cards


def test_at_each_order_only_the_order_that_adds_risk_gives_the_card(
    tmp_path: Path, spool: Path, knowledge: Knowledge
) -> None:
    other = order("m0", "Amlodipine 5 mg oral tablet", when="2026-01-08")
    path = write(tmp_path / "ann.json", bundle(patient(), MAGNESIUM, CREATININE, other))
    at_orders = results(knowledge, path, spool=spool, hook="order-sign", when="each-order")
    assert [(result.order, rules(result)) for result in at_orders] == [
        ("MedicationRequest/m1", ["mg-oral-severe-ckd"]),
        ("MedicationRequest/m0", []),
    ]


def test_before_the_result_was_known_it_is_not_used(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    early = datetime(2026, 1, 3, tzinfo=UTC)
    (result,) = results(knowledge, write(tmp_path / "ann.json", RECORD), spool=spool, when=early)
    assert result.cards == ()


def test_a_request_is_judged_as_it_is(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    request = {
        "hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": {"patientId": "p1", "userId": "Practitioner/1"},
        "prefetch": {"patient": patient(), "medications": bundle(MAGNESIUM, kind="searchset"), "creatinine": bundle(CREATININE, kind="searchset")},
    }  # fmt: skip
    (result,) = results(knowledge, write(tmp_path / "request.json", request), spool=spool)
    assert rules(result) == ["mg-oral-severe-ckd"]
    assert result.at.date().isoformat() == "2026-01-05"


def test_a_request_that_cannot_be_read_says_why(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    (done,) = evaluated(knowledge, write(tmp_path / "request.json", {"hook": "patient-view"}), spool=spool)
    assert "hookInstance" in done.problems[0].message


def test_a_fault_of_ours_is_said_without_the_record_and_the_run_goes_on(
    tmp_path: Path, spool: Path, knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("Ann Secret")

    monkeypatch.setattr(run, "evaluate", broken)
    (done,) = evaluated(knowledge, write(tmp_path / "ann.json", RECORD), spool=spool)
    assert done.failures == 1
    assert "KeyError" in done.problems[0].message
    assert "Secret" not in str(done.problems)


def test_strict_leaves_out_what_full_validation_refuses(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    bad = CREATININE | {"valueQuantity": {"value": 2.4, "unit": "mg/dL", "nonsense": True}}
    (done,) = evaluated(
        knowledge, write(tmp_path / "ann.json", bundle(patient(), MAGNESIUM, bad)), spool=spool, strict=True
    )
    assert done.invalid == 1
    assert ("invalid", f"Observation/{bad['id']}") in {(each.reason, each.reference) for each in done.results[0].unread}


def test_a_record_without_its_patient_is_not_called_silent(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    (result,) = results(knowledge, write(tmp_path / "labs.json", bundle(MAGNESIUM, CREATININE)), spool=spool)
    assert result.about == "no Patient resource"
    assert "the record has no Patient" in str(result.not_judged)


def test_the_summary_counts_cards_once_and_unread_once_a_patient(
    tmp_path: Path, spool: Path, knowledge: Knowledge
) -> None:
    preliminary = lab(2.0, "2026-01-01", status="preliminary", id="pre")
    path = write(
        tmp_path / "ann.json", bundle(patient(), MAGNESIUM, CREATININE, preliminary, order("m2", when="2026-01-06"))
    )
    summary = Summary()
    for done in evaluated(knowledge, path, spool=spool, hook="order-sign", when="each-order"):
        summary.add(done)
    assert (summary.patients, summary.evaluations) == (1, 2)
    assert summary.unread["status"] == 1
    assert sum(count for _, _, count, _, _ in summary.burden()) == summary.cards.total()


def test_a_code_that_is_not_understood_counts_once_a_patient(tmp_path: Path, spool: Path, knowledge: Knowledge) -> None:
    laboratory = [{"coding": [{"code": "laboratory"}]}]
    unknown = [lab(value, code="9999-9", category=laboratory) for value in (1.0, 2.0, 3.0)]
    path = write(tmp_path / "ann.json", bundle(patient(), MAGNESIUM, *unknown))
    summary = Summary()
    for done in evaluated(knowledge, path, spool=spool):
        summary.add(done)
    assert summary.not_understood == {("laboratory", "http://loinc.org|9999-9"): 1}


@pytest.mark.usefixtures("loaded")
class TestCommand:
    """The command from its words to its exit code."""

    def test_json_report_and_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = write(tmp_path / "in/ann.json", RECORD)
        (tmp_path / "in/bad.json").write_text("{")
        asked = Asked((path.parent,), json=tmp_path / "out.ndjson", report=tmp_path / "out.html", each=True)
        assert command.run(asked) == command.DONE
        (line,) = (tmp_path / "out.ndjson").read_text().splitlines()
        assert json.loads(line)["cards"][0]["indicator"] in ("critical", "warning", "info")
        shown = capsys.readouterr()
        assert "mg-oral-severe-ckd" in shown.out
        assert "1 inputs skipped" in shown.out
        assert "bad.json: not JSON" in shown.err

    def test_the_same_input_gives_the_same_bytes(self, tmp_path: Path) -> None:
        path = write(tmp_path / "ann.json", RECORD)
        for name in ("one", "two"):
            command.run(Asked((path,), json=tmp_path / name))
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_differences_end_with_one(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = write(tmp_path / "in/ann.json", RECORD)
        (tmp_path / "expected").mkdir()
        (tmp_path / "expected/ann.yaml").write_text("cards: [mg-oral-severe-ckd]\n")
        assert command.run(Asked((path,), expect=tmp_path / "expected")) == command.DONE
        (tmp_path / "expected/ann.yaml").write_text("cards: [mg-total-dose]\n")
        assert command.run(Asked((path,), expect=tmp_path / "expected")) == command.DIFFERENT
        assert "mg-total-dose" in capsys.readouterr().out

    def test_nothing_to_judge_ends_with_two(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "a.json"
        path.write_text("<x/>")
        assert command.run(Asked((path,))) == command.UNUSABLE
        assert "Nothing could be judged" in capsys.readouterr().err

    def test_a_fault_of_ours_ends_with_three(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "evaluate", None)
        assert command.run(Asked((write(tmp_path / "a.json", RECORD),))) == command.FAILED

    def test_the_report_shows_hostile_text_as_text_and_loads_nothing(self, tmp_path: Path) -> None:
        hostile = "<script>alert(1)</script> ![x](https://evil.example/x.png) \"' <img src=x>"
        record = bundle(
            patient(),
            MAGNESIUM | {"medicationCodeableConcept": {"text": f"Magnesium oxide 400 mg oral tablet {hostile}"}},
            CREATININE,
        )
        command.run(Asked((write(tmp_path / "a.json", record),), report=tmp_path / "out.html"))
        page = (tmp_path / "out.html").read_text()
        assert "alert(1)" in page
        assert "<script>alert" not in page
        assert page.count("<script>") == 1
        assert "<img" not in page
        assert not re.search(r"<(?:link|script|img|iframe)[^>]+https?:", page)
        assert "default-src 'none'" in page

    def test_the_report_names_every_silent_patient(self, tmp_path: Path) -> None:
        command.run(Asked((write(tmp_path / "a.json", bundle(patient("quiet"), lab())),), report=tmp_path / "out.html"))
        page = (tmp_path / "out.html").read_text()
        assert "No patient has a card." in page
        assert "Patient/quiet" in page


def test_a_refused_request_is_no_patient(knowledge: Knowledge, tmp_path: Path, spool: Path) -> None:
    refused = {"hook": "order-dispatch", "hookInstance": "1", "context": {"patientId": "p"}}
    (done,) = evaluated(knowledge, write(tmp_path / "r.json", refused), spool=spool)
    assert (done.records, len(done.problems)) == (0, 1)
