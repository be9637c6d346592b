"""What holds of every reading: order never matters, and what does not count never changes what does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_rules.fhir import read_chart
from cds_rules.vocabulary.chart import UNREAD_REASONS, Chart
from cds_rules.vocabulary.frozen import replace
from tests.fhir.builders import (
    AT,
    ICD,
    TERMINOLOGY,
    Json,
    administration,
    ago,
    bundle,
    coded,
    condition,
    dispense,
    document,
    lab,
    patient,
    read,
    request,
    statement,
)

SEVERAL = 12


def _bounded(start: int, length: int) -> Json:
    return {
        "text": "1 tab po bid",
        "timing": {"repeat": {"boundsPeriod": {"start": ago(start), "end": ago(start - length)}}},
    }


def resources() -> st.SearchStrategy[Json]:
    name = st.integers(0, 10**6).map(str)
    age = st.integers(0, 400)
    drug = st.sampled_from(("magnesium oxide", "atorvastatin", "furosemide", "magnesium sulfate", "unobtainium"))
    code = st.sampled_from(("2160-0", "19123-9", "2157-6", "33914-3", "19124-7", "1-1"))
    status = st.sampled_from(("active", "stopped", "completed", "on-hold"))
    return st.one_of(
        st.builds(lambda n, c, v, d: lab(f"l{n}", c, v, days=d), name, code, st.floats(0, 50), age),
        st.builds(
            lambda n, d, p: lab(f"p{n}", "82810-3", None, days=d, valueCodeableConcept=coded("s", p)),
            name,
            age,
            st.sampled_from(("77386006", "60001007")),
        ),
        st.builds(
            lambda n, c, d: condition(f"c{n}", c, d), name, st.sampled_from(("N18.4", "R25.2", "Z51.5", "Z00")), age
        ),
        st.builds(lambda n, g, d, s: request(f"r{n}", g, d, status=s, sig=_bounded(d, 20)), name, drug, age, status),
        st.builds(lambda n, g, s: statement(f"s{n}", g, status=s), name, drug, status),
        st.builds(lambda n, g, d: dispense(f"d{n}", g, d), name, drug, age),
        st.builds(lambda n, g, d: administration(f"a{n}", g, d), name, drug, age),
    )


CHARTS = st.lists(resources(), max_size=SEVERAL, unique_by=lambda body: body["id"])


def without(chart: Chart, *references: str) -> Chart:
    return replace(chart, unread=tuple(one for one in chart.unread if one.reference not in references))


@settings(max_examples=150)
@given(CHARTS, st.randoms(use_true_random=False))
def test_the_order_of_entries_never_matters(bodies: list[Json], chance: random.Random) -> None:
    shuffled = [patient(), *bodies]
    chance.shuffle(shuffled)
    half = len(shuffled) // 2
    apart = [document(bundle(shuffled[:half])), document(bundle(shuffled[half:]))]
    expected = read(patient(), *bodies).chart
    assert read_chart(apart, terminology=TERMINOLOGY, at=AT, patient_id="p").chart == expected
    assert {one.reason for one in expected.unread} <= set(UNREAD_REASONS)


def _erred(body: Json) -> Json:
    if body["resourceType"] == "Condition":
        return body | {"verificationStatus": coded("v", "entered-in-error")}
    return body | {"status": "entered-in-error"}


def _of_another(body: Json) -> Json:
    return body | {"subject": {"reference": "Patient/another"}}


def _future(body: Json) -> Json:
    later = ago(-3)
    moved: Json = {
        "Observation": {"effectiveDateTime": later},
        "Condition": {"recordedDate": later},
        "MedicationRequest": {"authoredOn": later, "dosageInstruction": [{"text": "1 tab po bid"}]},
        "MedicationStatement": {"effectivePeriod": {"start": later}},
        "MedicationDispense": {"whenHandedOver": later},
        "MedicationAdministration": {"effectiveDateTime": later},
    }[body["resourceType"]]
    return body | moved


@pytest.mark.parametrize("spoil", [_erred, _of_another, _future])
def test_what_does_not_count_never_changes_the_rest(spoil: Any) -> None:
    @settings(max_examples=100)
    @given(CHARTS, resources())
    def holds(bodies: list[Json], extra: Json) -> None:
        spoiled = spoil(extra) | {"id": "spoiled"}
        expected = read(patient(), *bodies).chart
        found = read(patient(), *bodies, spoiled).chart
        reference = f"{extra['resourceType']}/spoiled"
        assert replace(without(found, reference), not_understood={}) == replace(expected, not_understood={})

    holds()


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=6,
    ),
    resources(),
    st.data(),
)
def test_a_field_of_any_shape_never_sinks_the_rest(value: Any, body: Json, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(body)))
    whole = [patient(), lab("good", days=1), body | {"id": "odd", field: value}]
    for origin in ("test", "draft"):
        try:
            chart = read_chart(
                [document(bundle(whole[:2])), document(bundle(whole[2:]), origin)],
                terminology=TERMINOLOGY,
                at=AT,
                patient_id="p",
            ).chart
        except UnicodeEncodeError:
            return
        assert any(result.source.reference == "Observation/good" for result in chart.results) or field == "id"
        assert all(one.reason in UNREAD_REASONS for one in chart.unread)


def test_a_reading_gives_the_bytes_it_rests_on() -> None:
    reading = read(patient(), lab(), request(), drafts=[request("d")])
    assert set(reading.raw) == {"Patient/p", "Observation/lab", "MedicationRequest/m", "MedicationRequest/d"}
    assert b'"id": "lab"' in reading.raw["Observation/lab"]
    assert reading.drafts == {"MedicationRequest/d"}
    assert reading.patient_ids == ("p",)


def test_of_two_versions_the_newest_is_read_whichever_comes_first() -> None:
    old = lab(value=1.5, meta={"lastUpdated": "2026-02-01T00:00:00Z", "versionId": "1"})
    new = lab(value=2.5, meta={"lastUpdated": "2026-02-02T00:00:00Z", "versionId": "2"})
    for pair in ((old, new), (new, old)):
        reading = read(*pair)
        assert [result.value for result in reading.chart.results] == [2.5]
        assert [one.reason for one in reading.chart.unread] == ["duplicate"]


def test_nothing_at_all_is_an_empty_chart() -> None:
    chart = read_chart([], terminology=TERMINOLOGY, at=AT).chart
    assert chart == Chart(None)


def test_messages_hold_no_text_of_the_record() -> None:
    secret = "Mustermann"
    bodies = [
        lab("a", valueString=secret, value=None),
        lab("b", unit=secret),
        lab("c", status=secret + " is a name with spaces"),
        condition("d", clinicalStatus=secret + "!"),
        request("e", status=secret + " " + secret),
        lab("f", specimen={"display": f"urine of {secret}"}),
        lab("g", valueQuantity={"value": secret}),
        request("h", medicationCodeableConcept=None, medicationReference={"reference": secret}),
    ]
    chart = read(*bodies).chart
    assert len(chart.unread) == len(bodies)
    assert not any(secret.lower() in one.detail.lower() for one in chart.unread)


def test_a_misshapen_resource_still_tells_what_it_was_about() -> None:
    chart = read(lab("a", value=None, valueQuantity="x"), condition(onsetDateTime=7), request(authoredOn=[])).chart
    assert {one.about for one in chart.unread} == {"creatinine", "ckd-4", "mg-oral-supplement"}


def test_what_is_named_by_its_code_alone_is_named_in_words() -> None:
    chart = read({**lab(), "code": coded("http://loinc.org", "2160-0")}, condition()).chart
    assert [one.source.label for one in (*chart.results, *chart.problems)] == ["Creatinine", "CKD 4"]


def test_texts_of_the_record_are_cut_to_what_can_be_shown_after_they_were_read() -> None:
    drug = f"Magnesium oxide 400 mg tablet {'x' * 5000}"
    (found,) = read(request(drug=drug, sig={"text": f"1 tab po bid {'y' * 5000}"})).chart.medications
    assert (len(found.label), len(found.source.value)) == (200, 200)
    assert found.label.startswith("Magnesium oxide 400 mg tablet x")
    assert len(found.dosage.text) > 5000


@pytest.mark.parametrize("status", ["Final", "complete", "completed", None])
def test_a_status_that_fhir_does_not_have_leaves_results_unknown(status: str | None) -> None:
    assert read(lab(status=status)).lost == {"labs": "the status of an Observation could not be read"}


def test_a_status_that_fhir_has_is_taken_at_its_word() -> None:
    assert not read(
        lab(status="preliminary"), request(status="on-hold"), condition(clinicalStatus=coded(ICD, "resolved"))
    ).lost


@pytest.mark.parametrize("status", ["Active", "ongoing", None])
def test_a_status_that_fhir_does_not_have_leaves_medications_unknown(status: str | None) -> None:
    assert read(request(status=status)).lost == {"medications": "the status of a MedicationRequest could not be read"}


def test_a_clinical_status_of_no_known_words_leaves_conditions_unknown() -> None:
    status = {"coding": [{"system": "urn:example:states", "code": "A"}]}
    assert read(condition(clinicalStatus=status)).lost == {"conditions": "the status of a Condition could not be read"}


@pytest.mark.parametrize("written", ["15.06.2026", "yesterday", "2026-13-45"])
def test_a_date_that_is_none_leaves_results_unknown(written: str) -> None:
    assert read(lab(effectiveDateTime=written)).lost == {"labs": "the date of an Observation could not be read"}


def test_a_result_without_any_date_is_only_set_aside() -> None:
    assert not read(lab(effectiveDateTime=None)).lost
