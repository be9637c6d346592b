"""Symptoms out of questionnaires: by a site's mapping, by LOINC, by coded answers; what is denied or not filled in adds none."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fhir.builders import ICD, ago, only, read, reasons

MAPPED = "http://site.example/cramps"


def response(*items: Any, **over: Any) -> dict[str, Any]:
    body = {
        "resourceType": "QuestionnaireResponse",
        "id": "q",
        "status": "completed",
        "questionnaire": f"{MAPPED}|2.0",
        "subject": {"reference": "Patient/p"},
        "authored": ago(2),
        "item": list(items),
    } | over
    return {key: value for key, value in body.items() if value is not None}


def item(name: str, text: str = "", **answer: Any) -> dict[str, Any]:
    return {"linkId": name, "text": text, "answer": [answer]}


YES = {"system": "http://loinc.org", "code": "LA33-6", "display": "Yes"}
NO = {"system": "http://loinc.org", "code": "LA32-8", "display": "No"}
CRAMP = {"system": ICD, "code": "R25.2", "display": "Cramp"}


@pytest.mark.parametrize(
    "asked",
    [
        item("1.1", valueBoolean=True),
        item("1.1", valueCoding=YES),
        item("1.1", valueString="every night"),
        item("1.2", valueCoding={"code": "often"}),
        item("1.3", valueInteger=2),
        item("1.3", valueDecimal=3.5),
        {"linkId": "1", "item": [item("1.1", valueBoolean=True)]},
        {"linkId": "1", "answer": [{"valueBoolean": True, "item": [item("1.1", valueBoolean=True)]}]},
    ],
)
def test_a_mapped_question_gives_its_symptom_with_site_and_side(asked: Any) -> None:
    symptom = only(read(response(asked)).chart.symptoms)
    assert (symptom.key, symptom.site, symptom.side) == ("muscle-cramp", "calf", "left")
    assert symptom.source.reference == "QuestionnaireResponse/q"


@pytest.mark.parametrize(
    "asked",
    [
        item("1.1", valueBoolean=False),
        item("1.1", valueCoding=NO),
        item("1.1", valueString="never"),
        item("1.2", valueCoding={"code": "seldom"}),
        item("1.3", valueInteger=1),
        item("7", "Something else", valueBoolean=True),
        item("66093-6", valueCoding=NO),
        item("9", "Family history of", valueCoding=CRAMP),
        {"linkId": "1.1"},
    ],
)
def test_what_is_denied_or_not_asked_gives_none(asked: Any) -> None:
    assert not read(response(asked)).chart.symptoms


@pytest.mark.parametrize("name", ["66093-6", "/66093-6", "http://loinc.org/66093-6"])
def test_a_question_may_be_known_by_its_loinc_code(name: str) -> None:
    symptom = only(read(response(item(name, valueCoding=YES), questionnaire=None)).chart.symptoms)
    assert (symptom.key, symptom.site) == ("muscle-cramp", "leg")


def test_an_answer_may_be_a_symptom_itself() -> None:
    assert only(read(response(item("9", "What troubles you?", valueCoding=CRAMP))).chart.symptoms).key == "muscle-cramp"


def test_stu3_refers_to_its_questionnaire() -> None:
    old = response(item("1.1", valueBoolean=True), questionnaire={"reference": MAPPED})
    assert only(read(old).chart.symptoms).site == "calf"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"status": "in-progress"}, "status"),
        ({"status": "entered-in-error"}, "entered-in-error"),
        ({"authored": None}, "no-date"),
        ({"authored": ago(-2)}, "future"),
        ({"subject": {"reference": "Patient/another"}}, "other-patient"),
    ],
)
def test_what_does_not_count_says_why(over: dict[str, Any], reason: str) -> None:
    reading = read(response(item("1.1", valueBoolean=True), **over))
    assert not reading.chart.symptoms
    assert reasons(reading) == {"QuestionnaireResponse/q": reason}


def test_an_answer_of_another_kind_says_so() -> None:
    assert reasons(read(response(item("1.3", valueBoolean=True)))) == {"QuestionnaireResponse/q": "no-value"}


def test_a_questionnaire_about_other_things_is_passed_over() -> None:
    reading = read(response(item("7", "Shoe size", valueInteger=42), status="in-progress"))
    assert not reading.chart.unread
