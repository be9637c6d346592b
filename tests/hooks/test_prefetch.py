"""The state of each prefetch key, what follows from it for the record, and the templates we publish."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cds_rules.hooks.prefetch import QUERIES, Prefetch, State, codes_by_key, read_prefetch, templates
from cds_rules.hooks.wire import Raw, decode
from cds_rules.vocabulary.facts import DOMAINS
from tests.hooks.build import PATIENT, everything, magnesium, searchset

ORDER = {"resourceType": "MedicationRequest", "id": "m1", "status": "active"}
NO_MATCH = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "processing", "diagnostics": "4101: no results"}],
}
ERROR = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
NEXT = [{"relation": "self", "url": "https://e/1"}, {"relation": "next", "url": "https://e/2"}]


def read(**changes: Any) -> Prefetch:
    values = {key: value for key, value in everything(**changes).items() if value is not ...}
    return read_prefetch(decode(json.dumps(values).encode(), dict[str, Raw]), "p1")


def state(key: str, value: Any) -> tuple[str, str]:
    delivery = next(each for each in read(**{key: value}).deliveries if each.key == key)
    return delivery.state.value, delivery.because


def outcome_entry(outcome: Any) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"search": {"mode": "outcome"}, "resource": outcome}],
    }


@pytest.mark.parametrize(
    ("value", "expected", "because"),
    [
        (..., "missing", "was not sent"),
        (None, "empty", ""),
        (searchset(), "empty", ""),
        ({"resourceType": "Bundle", "type": "searchset", "total": 0}, "empty", ""),
        ({"resourceType": "Bundle"}, "empty", ""),
        ({"resourceType": "Bundle", "entry": None}, "empty", ""),
        (outcome_entry(NO_MATCH), "empty", ""),
        (outcome_entry(ERROR), "failed", "holds an error: fetching failed"),
        (ERROR, "failed", "holds an OperationOutcome: fetching failed"),
        (NO_MATCH, "failed", "holds an OperationOutcome: fetching failed"),
        (searchset(ORDER), "delivered", ""),
        (ORDER, "delivered", ""),
        (searchset(ORDER, link=[{"relation": "self", "url": "https://e"}]), "delivered", ""),
        (searchset(ORDER, link=NEXT), "partial", "holds the first page only"),
        (searchset(link=NEXT), "partial", "holds the first page only"),
        (searchset(ORDER, total=3), "partial", "holds fewer entries than its total says"),
        (searchset(ORDER, ERROR), "partial", "holds an error beside what was found"),
        (searchset(PATIENT), "failed", "holds no MedicationRequest"),
        (PATIENT, "failed", "holds another type of resource than MedicationRequest"),
        ("<html>Bad gateway</html>", "failed", "holds a string, not a FHIR resource"),
        (5, "failed", "holds a number, not a FHIR resource"),
        (True, "failed", "holds true or false, not a FHIR resource"),
        ([ORDER], "failed", "holds an array, not a FHIR resource"),
        ({}, "failed", "holds another type of resource than MedicationRequest"),
        ({"resourceType": 5}, "failed", "does not have the shape of a FHIR resource"),
        ({"resourceType": "Bundle", "entry": {"resource": ORDER}}, "failed", "does not have the shape of a FHIR resource"),
        ({"response": {"status": "200 OK"}, "resource": searchset(ORDER)}, "delivered", ""),
        ({"response": {"status": "200 OK"}, "resource": ORDER}, "delivered", ""),
        ({"response": {"status": "200 OK"}, "resource": None}, "empty", ""),
        ({"response": {"status": "404 Not Found"}}, "failed", "holds a failed fetch"),
    ],
)  # fmt: skip
def test_state_of_a_key(value: Any, expected: str, because: str) -> None:
    assert state("medications", value) == (expected, because)


def test_an_entry_without_resource_or_of_mode_include_does_not_count() -> None:
    bundle = searchset(ORDER)
    bundle["entry"] += [
        {"fullUrl": "x"},
        None,
        {"search": {"mode": "include"}, "resource": {"resourceType": "Medication", "id": "d"}},
    ]
    assert state("medications", bundle) == ("delivered", "")


def test_a_next_page_does_not_matter_once_the_newest_asked_for_are_there() -> None:
    newest = next(query.newest for query in QUERIES if query.key == "magnesium")
    assert newest is not None
    assert state("magnesium", searchset(*[magnesium()] * newest, total=999, link=NEXT))[0] == "delivered"
    assert state("magnesium", searchset(*[magnesium()] * (newest - 1), link=NEXT))[0] == "partial"


@pytest.mark.parametrize("value", [{**PATIENT, "id": "p2"}, searchset({**PATIENT, "id": "p2"})])
def test_another_patient_is_not_the_patient(value: Any) -> None:
    assert state("patient", value) == ("failed", "holds another patient than context.patientId")


@pytest.mark.parametrize("value", [PATIENT, searchset(PATIENT), {"resourceType": "Patient", "birthDate": "1950-05-05"}])
def test_the_patient(value: Any) -> None:
    assert state("patient", value) == ("delivered", "")


@pytest.mark.parametrize("value", [None, searchset()])
def test_no_patient_is_not_an_empty_answer(value: Any) -> None:
    assert state("patient", value) == ("failed", "says that there is no such patient")


def test_missing_keys_make_their_part_of_the_record_missing() -> None:
    found = read(magnesium=..., creatinine=..., conditions=ERROR)
    assert found.missing == {
        "labs": "prefetch keys creatinine, magnesium were not sent",
        "conditions": "prefetch key conditions holds an OperationOutcome: fetching failed",
    }


def test_several_keys_that_failed_alike_are_named_together() -> None:
    assert read(magnesium=ERROR, muscle=ERROR).missing == {
        "labs": "prefetch keys magnesium, muscle: each holds an OperationOutcome: fetching failed"
    }


def test_nothing_sent_makes_every_part_missing() -> None:
    assert set(read_prefetch({}, "p1").missing) == set(DOMAINS)


@pytest.mark.parametrize("key", [query.key for query in QUERIES if not query.required])
def test_a_key_that_only_adds_may_be_left_out_but_not_fail(key: str) -> None:
    assert read(**{key: ...}).missing == {}
    assert (
        read(
            **{key: {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-supported"}]}}
        ).missing
        == {}
    )
    assert set(read(**{key: ERROR}).missing) == {next(query.domain for query in QUERIES if query.key == key)}


def test_keys_beyond_ours_are_read_but_stand_for_none_of_ours() -> None:
    found = read(medications=..., MedicationRequest=searchset(ORDER))
    assert "prefetch:MedicationRequest" in [document.origin for document in found.documents]
    assert found.missing == {"medications": "prefetch key medications was not sent"}


def test_the_patient_under_another_key_is_the_patient() -> None:
    assert read(patient=..., patientToGreet=PATIENT).missing == {}
    assert set(read(patient=..., patientToGreet={**PATIENT, "id": "p2"}).missing) == {"patient"}


def test_what_is_no_resource_is_not_passed_on() -> None:
    origins = {
        document.origin for document in read(note="chest pain", number=5, nothing=None, medications="<html>").documents
    }
    assert not origins & {"prefetch:note", "prefetch:number", "prefetch:nothing", "prefetch:medications"}


def test_a_wrapped_resource_is_passed_on_bare() -> None:
    found = read(medications={"response": {"status": "200 OK"}, "resource": ORDER})
    assert [json.loads(bytes(each.raw)) for each in found.documents if each.origin == "prefetch:medications"] == [ORDER]


TABLES = {
    "labs": [
        {"key": key, "system": "http://loinc.org", "code": f"{number}-1", "excluded": ""}
        for number, key in enumerate(sorted({each for query in QUERIES for each in query.codes}))
    ]
}


@pytest.mark.parametrize(("key", "template"), templates(TABLES).items())
def test_templates_stay_inside_what_every_client_can_do(key: str, template: str) -> None:
    path, _, search = template.partition("?")
    assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{context\.patientId\}\})?", path)
    assert set(re.findall(r"\{\{(.*?)\}\}", template)) == {"context.patientId"}
    names = [part.split("=")[0] for part in search.split("&")] if search else []
    assert len(names) == len(set(names)), "the sandbox joins a repeated parameter by a comma"
    assert set(names) <= {"patient", "status", "clinical-status", "code", "_sort", "_count"}
    if path == "Observation":
        assert "_sort=-date" in search
        assert "_count=" in search
        assert all(
            code.startswith(("http://loinc.org|", "http://snomed.info/sct|"))
            for code in search.split("code=")[1].split("&")[0].split(",")
        )
    assert " " not in template
    assert "+" not in template


def test_every_domain_has_a_required_key() -> None:
    assert {query.domain for query in QUERIES if query.required} == set(DOMAINS)


def test_codes_come_from_the_packs(knowledge: Any) -> None:
    codes = codes_by_key(knowledge.tables)
    assert not {each for query in QUERIES for each in query.codes if not codes.get(each)}
    assert "http://loinc.org|19123-9" in codes["magnesium"]
    assert "http://loinc.org|2597-3" not in codes["magnesium"], "red cells must not count, so they are not asked for"


def test_states_are_words() -> None:
    assert [str(each) for each in State] == ["delivered", "empty", "missing", "failed", "partial"]


def test_an_stu3_server_has_another_name_for_orders() -> None:
    order = {"resourceType": "ProcedureRequest", "id": "o", "status": "active", "intent": "order"}
    assert state("orders", searchset(order)) == ("delivered", "")
