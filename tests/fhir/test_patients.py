from __future__ import annotations

import pytest

from cds_rules.fhir import read_chart
from tests.fhir.builders import AT, TERMINOLOGY, ago, document, lab, patient, read, reasons

P = {"reference": "Patient/p"}


def counted(subject: dict[str, object] | None, *, patient_id: str | None = "p", **over: object) -> bool:
    reading = read(patient(), lab(subject=subject, **over), patient_id=patient_id)
    assert bool(reading.chart.results) != (reasons(reading).get("Observation/lab") == "other-patient")
    return bool(reading.chart.results)


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p",
        "Patient/p/_history/3",
        "http://ehr.example/fhir/Patient/p",
        "https://ehr/Patient/p/_history/1",
        "p",
        "urn:uuid:p",
    ],
)
def test_every_way_to_name_the_patient_is_understood(reference: str) -> None:
    assert counted({"reference": reference})


@pytest.mark.parametrize(
    "reference",
    ["Patient/q", "http://ehr/Patient/q", "urn:uuid:q", "Group/p", "Device/p", "Patient/", "#gone", "Patient/P"],
)
def test_other_subjects_are_other_patients(reference: str) -> None:
    assert not counted({"reference": reference})


def test_a_resource_without_subject_was_delivered_for_this_patient() -> None:
    assert counted(None)
    assert counted({"display": "somebody"})


def test_identifiers_decide_where_they_are_all_there_is() -> None:
    person = patient(identifier=[{"system": "mrn", "value": "1"}])
    mine, other = {"identifier": {"system": "mrn", "value": "1"}}, {"identifier": {"system": "mrn", "value": "2"}}
    assert read(person, lab(subject=mine)).chart.results
    assert not read(person, lab(subject=other)).chart.results


def test_a_contained_patient_is_this_one_unless_its_identifier_contradicts() -> None:
    person = patient(identifier=[{"system": "mrn", "value": "1"}])

    def inside(value: str) -> dict[str, object]:
        inner = {"resourceType": "Patient", "id": "x", "identifier": [{"system": "mrn", "value": value}]}
        return lab(subject={"reference": "#x"}, contained=[inner])

    assert read(person, inside("1")).chart.results
    assert not read(person, inside("2")).chart.results


def test_an_address_of_another_delivered_patient_outranks_its_id() -> None:
    entries = [
        {"fullUrl": "http://a/Patient/p", "resource": patient()},
        {"fullUrl": "http://b/Patient/x", "resource": patient("x")},
        {"resource": lab(subject={"reference": "http://b/Patient/x"})},
        {"resource": lab("mine", subject={"reference": "http://a/Patient/p"})},
    ]
    reading = read_chart(
        [document({"resourceType": "Bundle", "entry": entries})], terminology=TERMINOLOGY, at=AT, patient_id="p"
    )
    assert [result.source.reference for result in reading.chart.results] == ["Observation/mine"]
    assert reading.patient_ids == ("p", "x")


def test_a_patient_named_only_by_urn_is_found() -> None:
    body = patient()
    del body["id"]
    entries = [{"fullUrl": "urn:uuid:1-2", "resource": body}, {"resource": lab(subject={"reference": "urn:uuid:1-2"})}]
    reading = read_chart([document({"resourceType": "Bundle", "entry": entries})], terminology=TERMINOLOGY, at=AT)
    assert reading.chart.results
    assert reading.chart.subject is not None


def test_a_patient_without_an_id_is_the_one_its_address_names() -> None:
    body = patient()
    del body["id"]
    entries = [{"fullUrl": "urn:uuid:1-2", "resource": body}, {"resource": lab(subject={"reference": "urn:uuid:1-2"})}]
    other = {"fullUrl": "urn:uuid:3-4", "resource": patient("q")}
    for delivered in (entries, [*entries, other]):
        content = document({"resourceType": "Bundle", "entry": delivered})
        reading = read_chart([content], terminology=TERMINOLOGY, at=AT, patient_id="1-2")
        assert reading.chart.results
        assert reading.chart.subject is not None
        assert reading.chart.subject.birth_date is not None


@pytest.mark.parametrize("patient_id", ["p", "Patient/p", "http://ehr/Patient/p"])
def test_the_id_may_carry_its_type(patient_id: str) -> None:
    assert counted(P, patient_id=patient_id)


def test_a_single_delivered_patient_is_meant_although_the_call_names_another() -> None:
    reading = read(patient(), lab(), patient_id="123")
    assert reading.chart.results
    assert reading.chart.subject is not None
    assert reading.chart.subject.reference == "Patient/p"


def test_but_not_when_resources_speak_of_the_one_named() -> None:
    reading = read(patient("stranger"), lab(), lab("theirs", subject={"reference": "Patient/stranger"}))
    assert [result.source.reference for result in reading.chart.results] == ["Observation/lab"]
    assert reading.chart.subject is None
    assert reasons(reading) == {"Patient/stranger": "other-patient", "Observation/theirs": "other-patient"}


def test_without_an_id_several_patients_are_nobody() -> None:
    reading = read(patient(), patient("q"), lab(), patient_id=None)
    assert reading.chart.subject is None
    assert set(reasons(reading).values()) == {"other-patient"}


def test_without_an_id_or_a_patient_all_must_speak_of_the_same_one() -> None:
    assert read(lab(), patient_id=None).chart.results
    assert not read(lab(), lab("l2", subject={"reference": "Patient/q"}), patient_id=None).chart.results


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("1950-03-01", 1950),
        ("1950-03", 1950),
        ("1950", 1950),
        ("soon", None),
        ("2050-01-01", None),
        ("1910-01-01", 1910),
        ("1900-01-01", None),
        ("1726-05-01", None),
    ],
)
def test_birth_dates_may_be_partial_but_not_nonsense(text: str, year: int | None) -> None:
    subject = read(patient(birthDate=text)).chart.subject
    assert subject is not None
    assert (subject.birth_date.year if subject.birth_date else None) == year


def test_an_age_nobody_reaches_is_told() -> None:
    assert reasons(read(patient(birthDate="1726-05-01"))) == {"Patient/p": "implausible"}


def test_sex_and_death_are_read() -> None:
    subject = read(patient(gender="other", deceasedDateTime=ago(3))).chart.subject
    assert subject is not None
    assert subject.sex is None
    assert subject.deceased is not None
    alive = read(patient(deceasedBoolean=False)).chart.subject
    assert alive is not None
    assert alive.deceased is None
