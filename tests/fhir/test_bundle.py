from __future__ import annotations

import json

import pytest

from cds_rules.fhir import Document, read_chart
from tests.fhir.builders import AT, TERMINOLOGY, bundle, condition, document, lab, patient, read, reasons


def keys(*documents: Document) -> list[str]:
    chart = read_chart(documents, terminology=TERMINOLOGY, at=AT, patient_id="p").chart
    return sorted(result.key for result in chart.results)


@pytest.mark.parametrize(
    "kind", ["searchset", "collection", "transaction", "batch", "document", "message", "history", None]
)
def test_every_type_of_bundle_is_read(kind: str) -> None:
    assert keys(document(bundle([patient(), lab()], kind))) == ["creatinine"]


def test_single_resources_arrays_and_nested_bundles_are_read() -> None:
    inner = bundle([lab("l2", "19123-9")])
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "part": [{"name": "b", "resource": lab("l3", "2157-6", 90, "U/L")}]}],
    }
    assert keys(document(lab()), document([inner, patient()]), document(bundle([parameters]))) == [
        "ck",
        "creatinine",
        "magnesium",
    ]


def test_a_bundle_with_a_broken_part_still_gives_the_rest() -> None:
    body = {
        "resourceType": "Bundle",
        "type": 7,
        "entry": [{"resource": lab()}, 3, None, {"fullUrl": 8, "resource": lab("x")}, {}, {"resource": "text"}],
    }
    reading = read_chart([document(body)], terminology=TERMINOLOGY, at=AT, patient_id="p")
    assert [result.key for result in reading.chart.results] == ["creatinine"]
    assert sorted(reasons(reading).values()) == ["malformed", "malformed", "malformed", "unknown-type"]


def test_an_entry_that_is_an_object_is_read_as_one() -> None:
    assert keys(document({"resourceType": "Bundle", "entry": {"resource": lab()}})) == ["creatinine"]


def test_a_bundle_whose_entry_is_no_list_is_told() -> None:
    reading = read_chart([document({"resourceType": "Bundle", "entry": "x"})], terminology=TERMINOLOGY, at=AT)
    assert list(reasons(reading).values()) == ["malformed"]


def test_unknown_types_are_told_and_irrelevant_ones_are_not() -> None:
    reading = read(
        {"resourceType": "Homunculus", "id": "h"},
        {"id": "untyped"},
        {"resourceType": "Claim", "id": "x"},
        {"resourceType": "OperationOutcome"},
    )
    assert sorted(reasons(reading).values()) == ["unknown-type", "unknown-type"]


def test_a_draft_that_no_rule_looks_at_is_named() -> None:
    referral = {"resourceType": "ReferralRequest", "id": "r", "status": "draft", "intent": "order"}
    for drafts in ([referral], [bundle([referral])]):
        reading = read(lab(), drafts=drafts)
        assert reasons(reading) == {"ReferralRequest/r": "no-rule"}
        assert reading.chart.unread[0].detail == "no rule looks at orders of the type ReferralRequest"
        assert not reading.lost
    assert not reasons(read(referral))


def test_bundles_in_bundles_end_somewhere() -> None:
    body = bundle([lab()])
    for _ in range(30):
        body = bundle([body])
    reading = read_chart([document(body)], terminology=TERMINOLOGY, at=AT)
    assert list(reasons(reading).values()) == ["malformed"]
    assert not reading.chart.results


def test_a_history_gives_the_newest_version_and_nothing_deleted() -> None:
    def entry(body: dict[str, object], method: str = "PUT") -> dict[str, object]:
        return {"resource": body, "request": {"method": method, "url": f"{body['resourceType']}/{body['id']}"}}

    newer = lab(value=2.5, meta={"lastUpdated": "2026-02-02T00:00:00Z"})
    older = lab(value=1.5, meta={"lastUpdated": "2026-02-01T00:00:00Z"})
    body = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [
            entry(newer),
            {"request": {"method": "DELETE", "url": "Condition/c"}},
            entry(condition()),
            entry(older),
        ],
    }
    chart = read_chart([document(body)], terminology=TERMINOLOGY, at=AT).chart
    assert [result.value for result in chart.results] == [2.5]
    assert not chart.problems


def test_the_same_resource_twice_counts_once_and_silently() -> None:
    reading = read(lab(), lab())
    assert len(reading.chart.results) == 1
    assert not reading.chart.unread


def test_a_resource_without_id_is_named_by_its_place() -> None:
    body = lab()
    del body["id"]
    assert read(patient(), body).chart.results[0].source.reference == "Observation#2"


def test_type_need_not_come_first() -> None:
    body = dict(reversed(lab().items()))
    assert json.dumps(body).startswith('{"valueQuantity"')
    assert keys(document(bundle([body]))) == ["creatinine"]
