from __future__ import annotations

import pytest

from cds_rules.fhir import wire
from cds_rules.fhir.bundle import Document, unpack
from cds_rules.vocabulary.errors import BadInput


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'\xef\xbb\xbf{"resourceType":"Patient"}', "byte-order mark"),
        (b'{"resourceType":"Patient","id":NaN}', "not JSON"),
        (b'{"resourceType":"Patient","id":Infinity}', "not JSON"),
        (b'{"resourceType":"Patient","id":"\\ud800"}', "not JSON"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"a":"\\udc00 alone"}}]}', "not JSON"),
        (b'{"resourceType":"Bundle","entry":[{"resource":{"a":NaN}}]}', "not JSON"),
        (b'{"resourceType":"Patient","id":"\xff"}', "not UTF-8"),
        (b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "nested too deeply"),
        (b'{"resourceType":"Patient"', "not JSON"),
        (b'{"resourceType":"Patient"} trailing', "not JSON"),
        (b"", "not JSON"),
        (b"<html>no FHIR here</html>", "not JSON"),
        (b'"<html>"', "object"),
        (b"17", "object"),
    ],
)
def test_a_document_that_cannot_be_read_as_a_whole_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        unpack([Document(raw, "prefetch:labs")])


def test_a_refusal_names_the_place_and_nothing_of_the_content() -> None:
    with pytest.raises(BadInput) as refusal:
        unpack([Document(b'{"resourceType":"Patient","name":"Secret", NaN}', "prefetch:patient")])
    assert str(refusal.value).startswith("prefetch:patient: not JSON")
    assert "Secret" not in str(refusal.value)


@pytest.mark.parametrize("raw", [b"null", b" null ", b"[]", b"{}", b"[null, 1, true]"])
def test_json_without_resources_is_no_error(raw: bytes) -> None:
    assert not unpack([Document(raw)]).entries


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"resourceType":"Observation"}', "Observation"),
        (b' {\n "resourceType" : "Condition" , "id": "x"}', "Condition"),
        (b'{"id":"x","resourceType":"Observation"}', "Observation"),
        (b'{"id":"x","text":{"resourceType":"Patient"}}', ""),
        (b'{"resourceType":"Homunculus"}', ""),
        (b'{"resourceType":7}', ""),
        (b'{"resourceType":null}', ""),
        (b"[1]", ""),
        (b"null", None),
    ],
)
def test_the_type_is_found_wherever_it_stands(raw: bytes, kind: str | None) -> None:
    assert wire.kind_of(raw) == kind


def test_a_wrong_type_is_told_by_place_only() -> None:
    with pytest.raises(wire.Misfit, match=r"\$\.valueQuantity\.value") as misfit:
        wire.decode_resource("Observation", b'{"valueQuantity":{"value":"Secret"}}')
    assert "Secret" not in str(misfit.value)


def test_a_draft_loses_only_what_is_wrong_with_it() -> None:
    raw = b"""{"resourceType":"MedicationRequest","id":"d","authoredOn":{"a":1},"category":{"text":"x"},
              "contained":[{"resourceType":"Medication","id":"m"}],
              "dosageInstruction":{"doseAndRate":{"doseQuantity":{"value":"2","unit":"{pill}"}}}}"""
    draft, left_out = wire.decode_draft("MedicationRequest", raw)
    assert (draft.id, draft.authoredOn) == ("d", None)
    assert draft.dosageInstruction.doseAndRate.doseQuantity.value == 2
    assert len(wire.contained(draft.contained)) == 1
    assert len(left_out) == 1
    assert "authoredOn" in left_out[0]


def test_a_draft_that_is_no_object_is_refused() -> None:
    with pytest.raises(wire.Misfit):
        wire.decode_draft("MedicationRequest", b'"text"')


def test_concepts_are_spoken_as_terminology_asks_for_them() -> None:
    concept = wire.CodeableConcept(coding=[wire.Coding(code="1"), wire.Coding("s", "2", "d")])
    assert wire.spoken(concept).codings == (("", "1", ""), ("s", "2", "d"))
    assert wire.spoken(concept).label == "d"
    assert wire.spoken(wire.CodeableConcept(coding=wire.Coding(code="1"))).label == "1"
    assert wire.spoken(None) is wire.NOTHING
