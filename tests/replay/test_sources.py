"""Finding and reading what can be replayed: every form of input, and a reason for everything that is not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from cds_rules.replay.record import Record
from cds_rules.replay.sources import Fragment, Loaded, Plan, joined, load, plan
from tests.replay.records import bundle, condition, lab, order, patient, write, write_lines


def read(*paths: Path, spool: Path) -> tuple[Plan, list[Record], list[str], Loaded]:
    """Everything the paths hold, the pieces joined: plan, records, problems, and what else was loaded."""
    spool.mkdir(exist_ok=True)
    made = plan(paths, spool)
    held, records = Loaded(), []
    fragments: list[Fragment] = []
    tasks, problems = list(made.tasks), list(map(str, made.problems))
    while tasks:
        for task in tasks:
            loaded = load(task)
            records += loaded.records
            fragments += loaded.fragments
            held.requests += loaded.requests
            problems += map(str, loaded.problems)
        tasks, fragments = joined(fragments), []
    return made, records, problems, held


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def kinds(record: Record) -> list[str]:
    return sorted(item.kind for item in record.items)


def test_a_bundle_is_one_record(tmp_path: Path, spool: Path) -> None:
    path = write(tmp_path / "in" / "ann.json", bundle(patient(), lab(), order()))
    _, (record,), problems, _ = read(path, spool=spool)
    assert (record.patient_id, record.name, kinds(record)) == (
        "p1",
        "Patient/p1",
        ["MedicationRequest", "Observation", "Patient"],
    )
    assert problems == []


def test_packed_with_a_byte_order_mark_and_under_any_name(tmp_path: Path, spool: Path) -> None:
    path = tmp_path / "record.data"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + json.dumps(bundle(patient(), lab())).encode()))
    _, records, problems, _ = read(path, spool=spool)
    assert len(records) == 1
    assert problems == []


def test_folders_are_searched_to_the_bottom_and_hidden_files_left(tmp_path: Path, spool: Path) -> None:
    write(tmp_path / "in/a/b/one.json", bundle(patient("p1"), lab()))
    write(tmp_path / "in/two.json", bundle(patient("p2"), lab()))
    write(tmp_path / "in/.git/three.json", bundle(patient("p3"), lab()))
    (tmp_path / "in/readme.md").write_text("words")
    made, records, problems, _ = read(tmp_path / "in", spool=spool)
    assert sorted(record.patient_id or "" for record in records) == ["p1", "p2"]
    assert made.ignored == {".md": 1}
    assert problems == []


def test_a_record_in_numbered_files_is_read_together(tmp_path: Path, spool: Path) -> None:
    write(tmp_path / "in/p1.json", bundle(patient(), order()))
    write(tmp_path / "in/p1.01.json", bundle(patient(), lab()))
    write(tmp_path / "in/p2.json", bundle(patient("p2"), lab()))
    _, records, _, _ = read(tmp_path / "in", spool=spool)
    assert sorted(len(record.items) for record in records) == [2, 4]


def test_pieces_of_a_record_in_files_of_their_own_are_joined_by_patient(tmp_path: Path, spool: Path) -> None:
    write(tmp_path / "in/patient.json", patient())
    write(tmp_path / "in/labs.json", bundle(lab(), lab(2.0), kind="searchset"))
    write(tmp_path / "in/meds.json", bundle(order(), kind="searchset"))
    _, (record,), problems, _ = read(tmp_path / "in", spool=spool)
    assert kinds(record) == ["MedicationRequest", "Observation", "Observation", "Patient"]
    assert problems == []


def test_a_bulk_export_is_grouped_by_patient_with_the_medications_they_need(tmp_path: Path, spool: Path) -> None:
    folder = tmp_path / "export"
    write_lines(folder / "Patient.ndjson", patient("p1"), patient("p2"))
    write_lines(folder / "Observation.ndjson", lab(), lab(2.0, subject={"reference": "Patient/p2"}))
    by_reference = order(medicationReference={"reference": "Medication/d1"})
    del by_reference["medicationCodeableConcept"]
    write_lines(folder / "MedicationRequest.ndjson", by_reference)
    write_lines(
        folder / "Medication.ndjson",
        {"resourceType": "Medication", "id": "d1"},
        {"resourceType": "Medication", "id": "d2"},
    )
    write_lines(folder / "Claim.ndjson", {"resourceType": "Claim", "id": "x"})
    made, records, problems, _ = read(folder, spool=spool)
    one, two = sorted(records, key=lambda record: record.patient_id or "")
    assert kinds(one) == ["Medication", "MedicationRequest", "Observation", "Patient"]
    assert kinds(two) == ["Observation", "Patient"]
    assert made.left_out == {"Claim": 1}
    assert problems == []


def test_a_type_the_export_lacks_is_said_and_counts_as_not_delivered(tmp_path: Path, spool: Path) -> None:
    write_lines(tmp_path / "export/Patient.ndjson", patient())
    write_lines(tmp_path / "export/Condition.ndjson", condition())
    made, (record,), _, _ = read(tmp_path / "export", spool=spool)
    assert set(record.missing) == {"labs", "vitals", "medications"}
    assert "no Observation" in made.notes[0]


def test_packed_ndjson_is_the_same(tmp_path: Path, spool: Path) -> None:
    (tmp_path / "export").mkdir()
    for name, body in (("Patient", patient()), ("Observation", lab())):
        (tmp_path / f"export/{name}.ndjson.gz").write_bytes(gzip.compress(json.dumps(body).encode() + b"\n"))
    _, (record,), _, _ = read(tmp_path / "export", spool=spool)
    assert kinds(record) == ["Observation", "Patient"]


def test_each_bundle_of_an_ndjson_file_is_a_record_of_its_own(tmp_path: Path, spool: Path) -> None:
    path = write_lines(tmp_path / "tests.ndjson", bundle(patient("p1"), lab()), bundle(patient("p1"), lab(2.0)))
    made, records, _, _ = read(path, spool=spool)
    assert [task.name for task in made.tasks] == ["tests-1", "tests-2"]
    assert [record.origins[0].rpartition("/")[2] for record in records] == ["tests.ndjson:1", "tests.ndjson:2"]


def test_a_bundle_of_several_patients_is_several_records(tmp_path: Path, spool: Path) -> None:
    other = lab(2.0, subject={"reference": "Patient/p2"})
    path = write(
        tmp_path / "two.json",
        bundle(patient("p1"), patient("p2"), lab(), other, {"resourceType": "Medication", "id": "d"}),
    )
    _, records, _, _ = read(path, spool=spool)
    assert [(record.patient_id, kinds(record)) for record in records] == [
        ("p1", ["Medication", "Observation", "Patient"]),
        ("p2", ["Medication", "Observation", "Patient"]),
    ]


def test_references_by_urn_and_address_find_their_patient(tmp_path: Path, spool: Path) -> None:
    body = bundle(patient("p1"), patient("p2"), lab(), lab(2.0))
    body["entry"][0]["fullUrl"] = "urn:uuid:aa-1"
    body["entry"][2]["resource"]["subject"] = {"reference": "urn:uuid:aa-1"}
    body["entry"][3]["resource"]["subject"] = {"reference": "https://ehr.example.org/fhir/Patient/p2/_history/3"}
    _, records, _, _ = read(write(tmp_path / "b.json", body), spool=spool)
    assert [kinds(record) for record in records] == [["Observation", "Patient"]] * 2


def test_requests_are_told_from_records(tmp_path: Path, spool: Path) -> None:
    path = write(tmp_path / "request.json", {"hook": "patient-view", "hookInstance": "x", "context": {}})
    _, records, problems, held = read(path, spool=spool)
    assert records == []
    assert problems == []
    assert held.requests[0][0] == str(path)


def test_parameters_and_nested_bundles_are_opened(tmp_path: Path, spool: Path) -> None:
    inner = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "resource": patient()}, {"name": "b", "part": [{"name": "c", "resource": lab()}]}],
    }
    _, (record,), _, _ = read(write(tmp_path / "b.json", bundle(inner, bundle(order()))), spool=spool)
    assert kinds(record) == ["MedicationRequest", "Observation", "Patient"]


def test_of_a_history_the_newest_version_counts_and_what_is_deleted_does_not(tmp_path: Path, spool: Path) -> None:
    entries = [
        {"fullUrl": "https://x/Patient/p1", "resource": patient(), "request": {"method": "PUT"}},
        {"fullUrl": "https://x/Observation/1", "resource": lab(2.0), "request": {"method": "PUT"}},
        {"fullUrl": "https://x/Observation/1", "resource": lab(1.0), "request": {"method": "POST"}},
        {"fullUrl": "https://x/Observation/2", "request": {"method": "DELETE"}},
        {"fullUrl": "https://x/Observation/2", "resource": lab(3.0), "request": {"method": "POST"}},
    ]
    path = write(tmp_path / "history.json", {"resourceType": "Bundle", "type": "history", "entry": entries})
    _, (record,), _, _ = read(path, spool=spool)
    assert kinds(record) == ["Observation", "Patient"]


def test_one_entry_of_a_wrong_shape_does_not_sink_the_rest(tmp_path: Path, spool: Path) -> None:
    body = bundle(patient(), lab(), {"resourceType": "Observation", "id": "bad", "effectiveDateTime": 7})
    body["entry"] += ["no entry", {"resource": 5}, {"fullUrl": 4, "resource": order()}]
    _, (record,), problems, _ = read(write(tmp_path / "b.json", body), spool=spool)
    assert kinds(record).count("Observation") == 2
    assert problems == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file; FHIR JSON belongs there"),
        (b"<Bundle/>", "XML or HTML; FHIR as JSON belongs there"),
        (b"PK\x03\x04xx", "a ZIP archive; unpack it first"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 text; FHIR JSON in UTF-8 belongs there"),
        (b'{"resourceType": "Bundle", ', "not JSON; FHIR JSON belongs there"),
        (b'{"resourceType": "Patient"} x', "not JSON from byte "),
        (b"[1, 2]", "a JSON value that is not an object; a FHIR resource or a CDS Hooks request belongs there"),
        (b'{"a": 1}', "no resourceType; a FHIR resource, a Bundle or a CDS Hooks request belongs there"),
        (b"\x1f\x8bxxxx", "a gzip file that is damaged or cut off"),
        (gzip.compress(b'{"resourceType": "Patient"}' * 99)[:-12], "a gzip file that is damaged or cut off"),
        (b'{"a":' * 1_000_000, "nested too deeply"),
    ],
    ids=["empty", "xml", "zip", "utf-16", "cut off", "trailing", "array", "no type", "not gzip", "cut gzip", "deep"],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, spool: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    _, records, problems, _ = read(path, spool=spool)
    assert records == []
    assert len(problems) == 1
    assert problems[0].startswith(f"{path}: ")
    assert message in problems[0]


def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, spool: Path) -> None:
    path = write_lines(tmp_path / "export/Observation.ndjson", lab(), lab(2.0))
    with path.open("a") as file:
        file.write('{"resourceType": "Obs\n\n[]\n{}\n{"resourceType": 5}\nx\n')
        file.write(json.dumps(lab(3.0)) + "\n")
    _, (record,), problems, _ = read(path, spool=spool)
    assert len(record.items) == 3
    assert [problem.rpartition("/")[2].partition(": ")[0] for problem in problems] == [
        "Observation.ndjson:3", "Observation.ndjson:5", "Observation.ndjson:6", "Observation.ndjson",
    ]  # fmt: skip
    assert problems[-1].endswith("2 more lines that cannot be read")


def test_what_names_no_patient_is_said(tmp_path: Path, spool: Path) -> None:
    body = lab()
    del body["subject"]
    path = write_lines(tmp_path / "export/Observation.ndjson", lab(), body)
    _, records, problems, _ = read(path, spool=spool)
    assert len(records) == 1
    assert problems == [f"{path.parent}: 1 resources that name no patient; `subject` belongs there"]


def test_files_without_anything_of_a_patient_are_said(tmp_path: Path, spool: Path) -> None:
    path = write(tmp_path / "infrastructure.json", bundle({"resourceType": "Organization", "id": "x"}))
    _, records, problems, _ = read(path, spool=spool)
    assert records == []
    assert "nothing of a patient (1 Organization)" in problems[0]


def test_xml_files_in_a_folder_are_said(tmp_path: Path, spool: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.xml").write_text("<x/>")
    _, _, problems, _ = read(tmp_path / "in", spool=spool)
    assert problems == [f"{tmp_path}/in/a.xml: XML; FHIR as JSON belongs there"]
