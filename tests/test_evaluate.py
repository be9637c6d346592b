"""The whole on tiny records: silence means that everything was judged, and one bad resource never sinks the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from cds_rules.engine import durable
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.hooks.discovery import service_for
from cds_rules.hooks.response import answer
from tests.fhir.builders import AT, Json, bundle, coded, condition, document, lab, patient, request
from tests.hooks.build import PATIENT, body, everything, magnesium, searchset


def judged(knowledge: Knowledge, *resources: Json, drafts: Any = None, **over: Any) -> Evaluation:
    people = [one for one in resources if one["resourceType"] == "Patient"]
    documents = [document(bundle(resources if people else [patient(), *resources]))]
    if drafts is not None:
        documents.append(document(drafts, "draft"))
    hook = "patient-view" if drafts is None else "order-sign"
    return evaluate(
        knowledge, Call(**{"hook": hook, "at": AT, "documents": tuple(documents), "patient_id": "p"} | over)
    )


def rules(evaluation: Evaluation) -> list[str]:
    return [card["extension"]["dev.cds-rules.finding"]["rule"] for card in evaluation.cards]


def test_the_record_of_these_tests_gives_a_card(knowledge: Knowledge) -> None:
    evaluation = judged(knowledge, request(drug="Magnesium oxide 400 mg tablet"), lab(value=2.0))
    assert rules(evaluation) == ["mg-oral-severe-ckd"]
    assert not evaluation.not_judged


@pytest.mark.parametrize(
    ("resources", "rule", "because"),
    [
        (
            [request(drug="Magnesium oxide 400 mg tablet", dosageInstruction="bid"), lab(value=2.0)],
            "mg-oral-severe-ckd",
            "a MedicationRequest could not be read",
        ),
        (
            [{**request(), "resourceType": "MedicationOrder"}, lab(value=2.0)],
            "mg-oral-severe-ckd",
            "a MedicationOrder of FHIR DSTU2 could not be read",
        ),
        (
            [request(drug="Magnesium oxide 400 mg tablet"), lab(valueQuantity="2.0 mg/dL")],
            "mg-renal-function-unknown",
            "an Observation could not be read",
        ),
        (
            [request(drug="Magnesium oxide 400 mg tablet"), lab(valueQuantity="2.0 mg/dL", code=7)],
            "mg-renal-function-unknown",
            "an Observation could not be read",
        ),
        (
            [request(drug="Magnesium oxide 400 mg tablet"), condition(recordedDate=["2026"])],
            "mg-oral-severe-ckd",
            "a Condition could not be read",
        ),
    ],
)
def test_what_cannot_be_read_at_all_is_not_taken_for_absent(
    knowledge: Knowledge, resources: list[Json], rule: str, because: str
) -> None:
    evaluation = judged(knowledge, *resources)
    assert because in evaluation.not_judged[rule]


NAMELESS = request("nameless", medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"})


def test_an_order_nobody_can_name_is_not_taken_for_harmless(knowledge: Knowledge) -> None:
    because = "the product of a MedicationRequest could not be read"
    assert because in judged(knowledge, NAMELESS, lab(value=2.0)).not_judged["mg-oral-severe-ckd"]


def test_a_draft_nobody_can_name_is_not_taken_for_harmless(knowledge: Knowledge) -> None:
    evaluation = judged(knowledge, lab(value=2.0), drafts=bundle([NAMELESS | {"status": "draft"}]))
    assert "the product of a draft could not be read" in evaluation.not_judged["mg-oral-severe-ckd"]


@pytest.mark.parametrize("death", [{"deceasedBoolean": True}, {"deceasedDateTime": "2026-02-28"}])
def test_the_dead_get_no_card_and_the_reason_is_told(knowledge: Knowledge, death: Json) -> None:
    taken = [request(drug="Magnesium oxide 400 mg tablet"), lab(value=2.0), NAMELESS]
    evaluation = judged(knowledge, patient(**death), *taken)
    assert not evaluation.cards
    assert not evaluation.not_judged
    assert evaluation.outcomes["mg-oral-severe-ckd"].because == ("the patient is recorded as dead",)
    service = service_for("patient-view")
    assert service is not None
    asked = body(
        prefetch=everything(patient=PATIENT | death, magnesium=searchset(magnesium(when="2026-02-28T12:00:00Z")))
    )
    given = answer(knowledge, service, asked, at=AT)
    assert given.status == 200
    assert given.body["extension"]["dev.cds-rules.evaluation"]["silenced"] == "the patient is recorded as dead"


def test_who_dies_today_or_later_is_alive(knowledge: Knowledge) -> None:
    taken = [request(drug="Magnesium oxide 400 mg tablet"), lab(value=2.0)]
    for day in ("2026-03-01", "2026-03-02", "2026-03"):
        evaluation = judged(knowledge, patient(deceasedDateTime=day), *taken)
        assert rules(evaluation) == ["mg-oral-severe-ckd"], day


def test_an_unreadable_order_does_not_sink_the_rest(knowledge: Knowledge) -> None:
    good = request(drug="Magnesium oxide 400 mg tablet")
    evaluation = judged(knowledge, good, request("other", dosageInstruction="bid"), lab(value=2.0))
    assert rules(evaluation) == ["mg-oral-severe-ckd"]
    assert "a MedicationRequest could not be read" in evaluation.not_judged["statin-interaction"]
    assert "Not assessed (incomplete: medication list): " in evaluation.cards[0]["detail"]


def test_an_unreadable_result_leaves_rules_without_results_alone(knowledge: Knowledge) -> None:
    evaluation = judged(knowledge, lab(valueQuantity="2.0 mg/dL"))
    assert "hypermagnesemia-lab" in evaluation.not_judged
    assert "statin-interaction" not in evaluation.not_judged


@pytest.mark.parametrize(
    "harmless",
    [
        lab(code="72166-2", valueQuantity="never smoked"),
        lab(code="2161-8", valueQuantity="90 mg/dL"),  # creatinine in urine
        condition(code="S52.5", recordedDate=["2026"]),
    ],
)
def test_what_is_plainly_none_of_our_concern_leaves_nothing_open(knowledge: Knowledge, harmless: Json) -> None:
    evaluation = judged(knowledge, harmless)
    assert [one.reason for one in evaluation.unread] == ["malformed"]
    assert not evaluation.not_judged


@pytest.mark.parametrize("reason", ["entered-in-error", "on-hold"])
def test_what_was_read_and_does_not_count_leaves_nothing_open(knowledge: Knowledge, reason: str) -> None:
    assert not judged(knowledge, request(status=reason), lab(value=2.0)).not_judged


def test_reasons_are_added_to_those_of_the_call(knowledge: Knowledge) -> None:
    bad = lab(valueQuantity="2.0 mg/dL")
    evaluation = judged(knowledge, bad, missing={"labs": "prefetch key muscle was not sent"})
    assert evaluation.not_judged["hypermagnesemia-lab"] == (
        "prefetch key muscle was not sent; an Observation could not be read",
    )


DRAFT = request(drug="Magnesium oxide 400 mg tablet", status="draft")
UNREADABLE_DRAFTS = [
    bundle([{**DRAFT, "medicationCodeableConcept": "magnesium oxide"}]),
    bundle([{**DRAFT, "medicationCodeableConcept": {"coding": [{"code": 198741}]}}]),
    bundle([{name: value for name, value in DRAFT.items() if name != "resourceType"}]),
    bundle(["magnesium oxide"]),  # type: ignore[list-item]
    {"entry": [{"resource": DRAFT}]},
    {"resourceType": "Bundle", "entry": "magnesium oxide"},
]


@pytest.mark.parametrize("drafts", UNREADABLE_DRAFTS)
def test_a_draft_whose_product_cannot_be_read_is_never_waved_through(knowledge: Knowledge, drafts: Json) -> None:
    evaluation = judged(knowledge, lab(value=2.0), drafts=drafts)
    assert not evaluation.cards
    assert any("could not be read" in reason for because in evaluation.not_judged.values() for reason in because)


def test_a_draft_without_a_product_yet_is_nothing_to_judge(knowledge: Knowledge) -> None:
    empty = {name: value for name, value in DRAFT.items() if not name.startswith("medication")}
    assert not judged(knowledge, lab(value=2.0), drafts=bundle([empty])).not_judged


def test_missing_conditions_are_named_for_what_is_told_by_them(knowledge: Knowledge) -> None:
    evaluation = judged(knowledge, missing={"conditions": "prefetch key conditions was not sent"})
    assert set(evaluation.not_judged) > {"qt-torsades-magnesium"}
    assert set(evaluation.not_judged.values()) == {("prefetch key conditions was not sent",)}


@pytest.mark.parametrize(
    "invalid", [{"dosageInstruction": [{"text": ""}]}, {"subject": None}, {"intent": "order", "dispenseRequest": 7}]
)
def test_a_finding_withdrawn_for_its_source_leaves_no_silence(knowledge: Knowledge, invalid: Json) -> None:
    """What would have fired but rests on a resource that FHIR refuses was not judged; it is not absent."""
    order = request(drug="Magnesium oxide 400 mg tablet") | invalid
    evaluation = judged(knowledge, {name: value for name, value in order.items() if value is not None}, lab(value=2.0))
    assert not evaluation.cards
    assert "mg-oral-severe-ckd" in evaluation.not_judged


def test_a_product_named_by_its_code_alone_is_named_in_words(knowledge: Knowledge) -> None:
    order = request(medicationCodeableConcept=coded("http://www.nlm.nih.gov/research/umls/rxnorm", "198741"))
    (card,) = judged(knowledge, order, lab(value=2.0)).cards
    assert "198741" not in card["summary"]
    assert "magnesium oxide, " in card["summary"]


def test_an_amount_nobody_knows_is_no_number(knowledge: Knowledge) -> None:
    order = request(drug="Magnesium oxide 400 mg tablet", sig={"text": "as directed"})
    (card,) = judged(knowledge, order, lab(value=2.0)).cards
    assert "at least 0" not in card["summary"] + card["detail"]
    assert "unknown amount of Mg/day" in card["summary"]


def test_a_part_of_the_medications_that_is_too_much_already_is_critical(knowledge: Knowledge) -> None:
    """482 mg a day is above 350 whatever else is taken; 241 mg may be, and the card says so."""
    for times, indicator in (("twice daily", "critical"), ("daily", "warning")):
        evaluation = judged(
            knowledge,
            request(drug="Magnesium oxide 400 mg tablet", sig={"text": f"1 tablet PO {times}"}),
            lab(value=2.6),
            missing={"medications": "medications: more pages could not be read"},
        )
        found = {each["extension"]["dev.cds-rules.finding"]["rule"]: each for each in evaluation.cards}
        card = found["mg-oral-severe-ckd"]
        assert card["indicator"] == indicator, card["detail"]
        assert ("at least 482 mg Mg/day" in card["summary"]) is (indicator == "critical")
        assert ("could be critical" in card["detail"]) is (indicator == "warning")


def test_a_very_high_magnesium_is_told_where_nobody_knows_the_medications(knowledge: Knowledge) -> None:
    evaluation = judged(
        knowledge,
        lab(code="19123-9", value=6.1),
        missing={"medications": "medications: was not sent"},
    )
    (card,) = evaluation.cards
    assert card["indicator"] == "critical"
    assert card["extension"]["dev.cds-rules.finding"]["rule"] == "hypermagnesemia-lab"
    assert "medication list" in card["detail"]


def test_all_that_is_compiled_when_first_wanted_can_be_compiled_before(knowledge: Knowledge) -> None:
    steps = list(knowledge.prepared())
    rulesets = knowledge.judge.hooks() if durable.AVAILABLE else ()
    assert set(steps) == {*rulesets, *knowledge.languages}
    assert all("summary" in vars(texts) for texts in knowledge.texts["de"].values())


@pytest.mark.parametrize(
    "slip",
    [
        {"timing": {"repeat": {"frequency": 2 * 10**9, "period": 1, "periodUnit": "d"}}},
        {"timing": {"repeat": {"frequency": 1, "period": 1e-300, "periodUnit": "d"}}},
        {"doseAndRate": [{"doseQuantity": {"value": 1e6, "unit": "tablet"}}], "timing": {"repeat": {"frequency": 10**6, "period": 1, "periodUnit": "d"}}},
        {"doseAndRate": [{"doseQuantity": {"value": 5e6, "code": "kg", "unit": "kg"}}]},
        {"maxDosePerPeriod": {"numerator": {"value": 1e6, "unit": "tablet"}, "denominator": {"value": 1e-300, "code": "d"}}, "asNeededBoolean": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("drug", ["Magnesium oxide 400 mg tablet", "Magnesium sulfate 500 mg/mL injection"])
def test_a_dosage_nobody_can_take_is_an_amount_not_known(knowledge: Knowledge, slip: Json, drug: str) -> None:
    usual = {
        "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet" if "oxide" in drug else "mL"}}],
        "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}},
        "route": {"text": "oral" if "oxide" in drug else "intravenous"},
    }
    evaluation = judged(knowledge, request(drug=drug, sig=usual | slip), lab(value=2.0))
    (card,) = evaluation.cards
    assert any(words in card["summary"] for words in ("unknown amount", "amount not known", "241 mg", "0.5 g"))


@pytest.mark.parametrize("limit", [-1, 0, 1e-12])
def test_a_range_nobody_can_be_in_is_no_range(knowledge: Knowledge, limit: float) -> None:
    statin = request(drug="Simvastatin 20 mg tablet")
    high = lab("ck", "2157-6", 9000, "U/L", referenceRange=[{"high": {"value": limit, "unit": "U/L"}}])
    usual = lab("ck", "2157-6", 9000, "U/L")
    given, expected = (judged(knowledge, statin, each) for each in (high, usual))
    assert [each["summary"] for each in given.cards] == [each["summary"] for each in expected.cards] != []


def test_a_card_is_the_same_whatever_process_writes_it() -> None:
    program = """
import cds_rules
from tests.laws.patients import Patients
knowledge = cds_rules.load_packs()
patients = Patients(knowledge.tables)
for seed in range(89, 117, 27):  # several products of magnesium each
    print(cds_rules.evaluate(knowledge, patients.draw(seed).call()).cards)
"""
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }
    (cards,) = told
    assert "mg-oral" in cards
