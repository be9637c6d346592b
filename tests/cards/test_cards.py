"""Cards of small charts: what a reader of the chart must be able to trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cds_rules
from cds_rules.cards.cards import uuid_of
from cds_rules.evaluate import Call, Knowledge, evaluate
from tests.fhir.builders import AT, ago, bundle, coded, document, lab, patient, request

Json = dict[str, Any]
MAGNESIUM, POTASSIUM, CREATININE, CK = "19123-9", "2823-3", "2160-0", "2157-6"


def order(name: str, drug: str, dose: tuple[float, str] | None = None, route: str = "PO", **over: Any) -> Json:
    """An order that says its dose and route, and nothing of times a day."""
    sig: Json = {"route": {"text": route}} if route else {}
    if dose:
        sig["text"] = f"{dose[0]:g} {dose[1]} {route}".strip()
        sig["doseAndRate"] = [{"doseQuantity": {"value": dose[0], "unit": dose[1]}}]
    return request(name, drug, **{"days": 0, "sig": sig, **over})


def cards(knowledge: Knowledge, *chart: Json, draft: Json | None = None) -> dict[str, Any]:
    """The cards of a chart by rule."""
    documents = [document(bundle([patient(), *chart]))]
    if draft:
        documents.append(document(bundle([{**draft, "status": "draft"}]), "draft"))
    hook = "order-sign" if draft else "patient-view"
    found = evaluate(knowledge, Call(hook=hook, documents=tuple(documents), at=AT, patient_id="p")).cards
    return {card["extension"]["dev.cds-rules.finding"]["rule"]: card for card in json.loads(json.dumps(found))}


def offered(card: Json) -> list[str]:
    return [each["label"] for each in card["suggestions"]]


@pytest.mark.parametrize(
    ("magnesium", "potassium", "what"),
    [
        (2.9, 3.1, "correct potassium before"),
        (1.5, 4.1, "correct magnesium before"),
        (1.5, 3.1, "correct magnesium and potassium before"),
        (None, 3.1, "correct magnesium and potassium before"),
        (1.5, None, "correct magnesium and potassium before"),
    ],
)
def test_a_qt_drug_asks_to_correct_what_is_low_or_not_known(
    knowledge: Knowledge, magnesium: float | None, potassium: float | None, what: str
) -> None:
    chart = [lab("mg", MAGNESIUM, magnesium, "mg/dL", 0.1)] if magnesium else []
    chart += [lab("k", POTASSIUM, potassium, "mmol/L", 0.1)] if potassium else []
    card = cards(knowledge, *chart, draft=order("q", "Levofloxacin", (500, "mg")))["qt-torsades-magnesium"]
    assert what in card["summary"]
    assert ("Order serum magnesium now" in offered(card)) is (magnesium is None)


def test_a_long_qt_asks_for_both(knowledge: Knowledge) -> None:
    chart = [
        lab("mg", MAGNESIUM, 1.5, "mg/dL", 0.1),
        lab("k", POTASSIUM, 3.6, "mmol/L", 0.1),
        lab("qtc", "8636-3", 510, "ms", 0.1),
    ]
    card = cards(knowledge, *chart)["qt-torsades-magnesium"]
    assert card["summary"].endswith("correct magnesium and potassium")
    assert "Order serum magnesium now" in offered(card)


def test_every_value_shown_has_its_source(knowledge: Knowledge) -> None:
    chart = [
        lab("mg", MAGNESIUM, 1.5, "mg/dL", 0.1),
        lab("k", POTASSIUM, 4.5, "mmol/L", 0.2),
        lab("scr", CREATININE, 0.8, "mg/dL", 0.3),
    ]
    detail = cards(knowledge, *chart)["hypomagnesemia-lab"]["detail"]
    assert detail.count("4.5 mmol/L") == 1
    for name in ("mg", "k", "scr"):
        assert detail.count(f"— Observation/{name}") == 1


def test_a_value_is_not_shown_with_more_digits_than_anybody_measures(knowledge: Knowledge) -> None:
    chart = [lab("mg", MAGNESIUM, 1.4837264981734, "mg/dL", 0.1)]
    detail = cards(knowledge, *chart)["hypomagnesemia-lab"]["detail"]
    assert "a test: 1.4837 mg/dL" in detail


def test_orders_that_are_drafted_or_over_are_marked(knowledge: Knowledge) -> None:
    over = {"status": "completed", "dispenseRequest": {"validityPeriod": {"end": ago(2)[:10]}}}
    chart = [
        lab("mg", MAGNESIUM, 3.3, "mg/dL", 0.1),
        order("old", "Magnesium Sulfate", (2, "g"), "IV", days=3, **over),
        order("running", "Magnesium Sulfate", (2, "g"), "IV", days=1),
    ]
    draft = order("new", "Magnesium Sulfate", (4, "g"), "IV")
    lines = cards(knowledge, *chart, draft=draft)["hypermagnesemia-lab"]["detail"].splitlines()
    (old,) = (line for line in lines if line.endswith("MedicationRequest/old"))
    (running,) = (line for line in lines if line.endswith("MedicationRequest/running"))
    (new,) = (line for line in lines if line.endswith("MedicationRequest/new"))
    assert ", stopped —" in old
    assert ", draft —" in new
    assert "stopped" not in running


def test_a_fluid_with_magnesium_is_named(knowledge: Knowledge) -> None:
    kidneys = lab("scr", CREATININE, 4.5, "mg/dL", 0.1)
    ndc = {"medicationCodeableConcept": coded("http://hl7.org/fhir/sid/ndc", "00338114403", text="Amino Acids 4.25%")}
    draft = order("n", "", (1000, "mL"), "IV", **ndc)
    summary = cards(knowledge, kidneys, draft=draft)["mg-iv-renal"]["summary"]
    assert summary.startswith("IV magnesium in Amino Acids 4.25%, amount not known, with eGFR")


def test_a_statin_without_times_a_day_shows_its_dose(knowledge: Knowledge) -> None:
    high = lab("ck", CK, 2904, "U/L", 7)
    detail = cards(knowledge, high, draft=order("s", "Atorvastatin", (10, "mg")))["statin-ck-elevated"]["detail"]
    assert "Atorvastatin: 10 mg a dose, times a day not known, draft" in detail


def test_monitoring_names_every_drug(knowledge: Knowledge) -> None:
    drugs = [order("d", "Digoxin 0.125 MG Oral Tablet", days=4000), order("h", "Hydrochlorothiazide 25 MG", days=900)]
    card = cards(knowledge, *drugs)["hypomagnesemia-drug-monitoring"]
    assert card["summary"] == (
        "Digoxin 0.125 MG Oral Tablet, Hydrochlorothiazide 25 MG: magnesium not checked in 365 days"
    )
    assert "Digoxin 0.125 MG Oral Tablet, started 11 y ago" in card["detail"]


def test_what_was_given_by_an_unknown_route_is_not_taken_to_bind_in_the_gut(knowledge: Knowledge) -> None:
    def given(**dosage: Any) -> Json:
        return {
            "resourceType": "MedicationAdministration",
            "id": "a",
            "status": "completed",
            "medicationCodeableConcept": {"text": "Ciprofloxacin"},
            "subject": {"reference": "Patient/p"},
            "effectiveDateTime": ago(1),
            "dosage": {"dose": {"value": 1, "unit": "dose"}, **dosage},
        }

    oxide = order("m", "Magnesium Oxide", (400, "mg"))
    rule = "mg-absorption-interaction"
    assert rule not in cards(knowledge, given(), draft=oxide)
    assert rule in cards(knowledge, given(route={"text": "PO"}), draft=oxide)
    assert rule in cards(knowledge, order("c", "Ciprofloxacin", (500, "mg"), "", days=1), draft=oxide)


def test_a_drug_on_file_several_times_is_named_once(knowledge: Knowledge) -> None:
    chart = [order(f"p{days}", "omeprazole 20 mg") | {"authoredOn": ago(days)} for days in (2000, 1200, 400)]
    chart.append(order("d", "digoxin 0.125 mg"))
    card = cards(knowledge, *chart)["hypomagnesemia-drug-monitoring"]
    assert card["summary"].lower().count("omeprazole") == 1
    assert "not checked in 365 days" in card["summary"]


def test_the_interval_on_the_card_is_the_sites(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("monitor_yearly: 200\n")
    chart = [order("f", "furosemide 40 mg"), order("d", "digoxin 0.125 mg"), lab("mg", MAGNESIUM, 2.0, "mg/dL", 250)]
    card = cards(cds_rules.load_packs(parameters=site), *chart)["hypomagnesemia-drug-monitoring"]
    assert "not checked in 200 days" in card["summary"]


@pytest.mark.parametrize(("text", "recommended"), [("Leg cramps at night", False), ("Leg cramps", True)])
def test_blood_tests_are_recommended_unless_cramps_come_at_night_alone(
    knowledge: Knowledge, text: str, recommended: bool
) -> None:
    cramp = {
        "resourceType": "Condition",
        "id": "c",
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": {"text": text},
        "subject": {"reference": "Patient/p"},
        "recordedDate": ago(3),
    }
    offers = {each["label"]: each for each in cards(knowledge, cramp)["cramp-differential"]["suggestions"]}
    assert offers["Order basic metabolic panel"].get("isRecommended", False) is recommended
    assert "isRecommended" not in offers["Order serum magnesium"]


@given(st.text(max_size=40), st.text(max_size=5))
def test_a_uuid_is_that_of_version_5(identity: str, part: str) -> None:
    assert uuid_of(identity, part) == str(uuid5(uuid5(NAMESPACE_URL, "https://cds-rules.dev/"), f"{identity}|{part}"))
