"""What a card names: the drug, the value and the age it rests on, and nothing that is not so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from cds_rules.evaluate import Call, Knowledge, evaluate
from tests.fhir.builders import AT, ago, bundle, condition, document, lab, patient, request

Json = dict[str, Any]
MAGNESIUM, POTASSIUM, CREATININE, CALCIUM, EGFR, CK = "19123-9", "2823-3", "2160-0", "17861-6", "98979-8", "2157-6"


def tablet(name: str, drug: str, days: float = 0, times: str = "daily", **over: Any) -> Json:
    return request(name, drug, days=days, sig={"text": f"1 tablet PO {times}"}, **over)


def card(
    knowledge: Knowledge,
    rule: str,
    *chart: Json,
    drafts: Sequence[Json] = (),
    born: str = "1960-03-01",
    language: str = "en",
) -> Json:
    """The card of a rule on a chart."""
    documents = [document(bundle([patient(birthDate=born), *chart]))]
    if drafts:
        documents.append(document(bundle([{**each, "status": "draft"} for each in drafts]), "draft"))
    hook = "order-sign" if drafts else "patient-view"
    call = Call(hook=hook, documents=tuple(documents), at=AT, patient_id="p", language=language)
    found = {each["extension"]["dev.cds-rules.finding"]["rule"]: each for each in evaluate(knowledge, call).cards}
    return json.loads(json.dumps(found[rule]))


def labels(shown: Json) -> list[str]:
    return [each["label"] for each in shown.get("suggestions", ())]


def test_the_statin_above_its_maximum_is_named_and_no_other(knowledge: Knowledge) -> None:
    drafts = [tablet("r", "Rosuvastatin 40 mg tablet"), tablet("s", "Simvastatin 80 mg tablet")]
    shown = card(knowledge, "statin-dose-limit", lab("e", EGFR, 72, "mL/min/1.73m2", 12), drafts=drafts)
    assert shown["summary"] == "Simvastatin 80 mg a day: risk of myopathy - maximum 40 mg a day"
    assert labels(shown)[0] == "Delete the draft: Simvastatin 80 mg tablet"
    assert not any("Rosuvastatin" in label for label in labels(shown))


def test_the_statin_that_these_kidneys_limit_is_named(knowledge: Knowledge) -> None:
    chart = [
        tablet("r", "Rosuvastatin 40 mg tablet", 10),
        tablet("p", "Pitavastatin 4 mg tablet", 30),
        lab("e", EGFR, 52, "mL/min/1.73m2", 12),
    ]
    shown = card(knowledge, "statin-dose-limit", *chart)
    assert shown["summary"] == "Pitavastatin 4 mg a day: eGFR 52 (12 d ago) - maximum 2 mg a day"


def test_the_statin_that_the_transporter_concerns_is_named(knowledge: Knowledge) -> None:
    phenotype = {
        "resourceType": "Observation",
        "id": "g",
        "status": "final",
        "code": {"text": "SLCO1B1 phenotype"},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2026-01-05",
        "valueCodeableConcept": {"text": "Poor function"},
    }
    drafts = [tablet("a", "Pravastatin 40 mg tablet"), tablet("b", "Simvastatin 40 mg tablet")]
    shown = card(knowledge, "statin-slco1b1", phenotype, drafts=drafts)
    assert shown["summary"] == "SLCO1B1 poor function: simvastatin 40 mg a day raises myopathy risk"
    assert "Pravastatin" not in json.dumps(shown)


def test_low_calcium_is_named_when_calcium_is_what_is_dangerous(knowledge: Knowledge) -> None:
    chart = [lab("c", CALCIUM, 6.7, "mg/dL", 2), lab("k", POTASSIUM, 3.4, "mmol/L", 2)]
    shown = card(knowledge, "refractory-hypok-hypoca", *chart)
    assert shown["indicator"] == "critical"
    assert shown["summary"] == "Ca 6.7 mg/dL uncorrected (2 d ago), magnesium unknown: check Mg"


def test_low_potassium_and_low_calcium_are_both_named(knowledge: Knowledge) -> None:
    chart = [lab("c", CALCIUM, 7.5, "mg/dL", 2), lab("k", POTASSIUM, 2.8, "mmol/L", 2)]
    summary = card(knowledge, "refractory-hypok-hypoca", *chart)["summary"]
    assert summary == "K 2.8 mmol/L (2 d ago), Ca 7.5 mg/dL uncorrected (2 d ago), magnesium unknown: check Mg first"


def test_a_potassium_supplement_that_is_only_drafted_has_replaced_nothing(knowledge: Knowledge) -> None:
    low, supplement = lab("k", POTASSIUM, 2.8, "mmol/L", 0.1), "Potassium chloride 20 mEq tablet"
    drafted = card(knowledge, "refractory-hypok-hypoca", low, drafts=[tablet("s", supplement)])
    assert "despite" not in drafted["summary"]
    taken = card(knowledge, "refractory-hypok-hypoca", low, tablet("s", supplement, 3))
    assert "despite replacement" in taken["summary"]


def test_a_drug_that_came_after_the_cramps_is_not_named_as_their_cause(knowledge: Knowledge) -> None:
    chart = [
        request("a", "Albuterol inhaler", days=2, sig={"text": "2 puffs"}),
        tablet("n", "Naproxen 500 mg tablet", 30, "BID"),
        condition("c", "R25.2", 5, onsetDateTime=ago(10)),
    ]
    shown = card(knowledge, "other-drug-cramps", *chart)
    assert shown["summary"] == "Naproxen 500 mg tablet started 20 d before the cramps - known to be associated"
    assert "Albuterol" not in shown["detail"].partition("**Why")[0]


def test_a_bowel_preparation_names_the_clearance_that_forbids_it(knowledge: Knowledge) -> None:
    chart = [
        lab("s", CREATININE, 1.25, "mg/dL", 12),
        lab("w", "29463-7", 42, "kg", 10),
        lab("h", "8302-2", 150, "cm", 10),
    ]
    draft = request("b", "Prepopik", days=0, sig={"text": "use as directed"})
    shown = card(knowledge, "mg-bowel-prep-renal", *chart, drafts=[draft], born="1940-03-01")
    assert shown["indicator"] == "critical"
    assert "CrCl" in shown["summary"]


def test_slow_breathing_of_a_young_mother_is_named_where_no_level_is(knowledge: Knowledge) -> None:
    chart = [
        request("m", "Magnesium sulfate 4 g IV", days=0.3, sig={"text": "4 g IV once"}),
        condition("o", "O14.10", 1),
        lab("r", "9279-1", 10, "/min", 0.1),
    ]
    summary = card(knowledge, "mg-iv-obstetric", *chart, born="2009-01-15")["summary"]
    assert summary.startswith("Magnesium infusion: respiratory rate 10/min, 2 h ago. Stop infusion")


def test_a_sign_that_is_not_confirmed_is_called_so(knowledge: Knowledge) -> None:
    chart = [
        request("m", "Magnesium sulfate 4 g IV", days=0.3, sig={"text": "4 g IV once"}),
        condition("o", "O14.10", 1),
        condition("h", "R29.2", 0.1, verificationStatus={"coding": [{"code": "provisional"}]}),
    ]
    shown = card(knowledge, "mg-iv-obstetric", *chart, born="1996-01-15")
    assert shown["indicator"] == "warning"
    assert shown["summary"] == (
        "Magnesium infusion: hyporeflexia noted, not confirmed. Check reflexes, breathing and level"
    )


def test_dark_urine_that_is_not_confirmed_asks_to_be_confirmed(knowledge: Knowledge) -> None:
    chart = [
        tablet("s", "Simvastatin 40 mg tablet", 60),
        condition("d", days=1, verificationStatus={"coding": [{"code": "provisional"}]})
        | {"code": {"text": "dark urine"}},
        condition("m", "M79.1", 2),
    ]
    shown = card(knowledge, "statin-rhabdomyolysis", *chart)
    assert shown["indicator"] == "warning"
    assert shown["summary"] == (
        "Dark urine and muscle pain (not confirmed) on Simvastatin 40 mg tablet: CK and creatinine now"
    )
    assert "Confirm or rule out dark urine and muscle pain" in shown["detail"]


def test_a_ck_since_the_symptom_is_not_asked_for_again_and_no_value_stands_twice(knowledge: Knowledge) -> None:
    chart = [
        tablet("s", "Simvastatin 20 mg tablet", 45),
        condition("m", "M79.1", 5),
        lab("k", POTASSIUM, 3.9, "mmol/L", 3),
        lab("g", MAGNESIUM, 1.9, "mg/dL", 3),
    ]
    without = card(knowledge, "statin-muscle-symptoms", *chart)["detail"]
    assert "**Consider**\n\n- CK\n- Pause 2-4 weeks" in without
    detail = card(knowledge, "statin-muscle-symptoms", *chart, lab("c", CK, 120, "U/L", 2))["detail"]
    assert "**Consider**\n\n- Pause 2-4 weeks" in detail
    assert (detail.count("3.9 mmol/L"), detail.count("1.9 mg/dL")) == (1, 1)


def test_a_card_about_tablets_does_not_rest_on_an_infusion(knowledge: Knowledge) -> None:
    chart = [
        tablet("o", "Magnesium oxide 400 mg tablet", 20, times="three times a day"),
        tablet("h", "Magnesium oxide 400 mg tablet", 20, times="three times a day"),
        request("i", "Magnesium sulfate 2 g IV", days=0.3, sig={"text": "2 g IV once"}),
        lab("e", EGFR, 92, "mL/min/1.73m2", 12),
    ]
    shown = card(knowledge, "mg-total-dose", *chart)
    assert shown["extension"]["dev.cds-rules.finding"]["evidence"] == [
        "Patient/p",
        "MedicationRequest/h",
        "MedicationRequest/o",
        "Observation/e",
    ]
    assert "MedicationRequest/i" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("partner", "product", "what"),
    [
        ("Raltegravir 400 mg tablet", "Maalox suspension", ": do not combine with aluminium or magnesium antacids"),
        ("Baloxavir 40 mg tablet", "Maalox suspension", ": avoid taking together"),
        ("Levothyroxine 50 mcg tablet", "Maalox suspension", ": separate doses (4 h apart)"),
    ],
)
def test_doses_are_to_be_separated_only_where_that_helps(
    knowledge: Knowledge, partner: str, product: str, what: str
) -> None:
    draft = request("m", product, days=0, sig={"text": "30 mL PO QID"})
    shown = card(knowledge, "mg-absorption-interaction", tablet("p", partner, 10), drafts=[draft])
    assert what in shown["summary"]
    assert ("Separate" in shown["detail"]) is ("separate" in shown["summary"])


def test_what_is_stopped_already_is_not_asked_to_be_stopped(knowledge: Knowledge) -> None:
    stopped = tablet(
        "m",
        "Magnesium oxide 400 mg tablet",
        90,
        "BID",
        status="stopped",
        dispenseRequest={"validityPeriod": {"end": "2026-02-27"}},
    )
    chart = [stopped, lab("mg", MAGNESIUM, 3.4, "mg/dL", 1), lab("e", EGFR, 22, "mL/min/1.73m2", 12)]
    shown = card(knowledge, "hypermagnesemia-lab", *chart)
    assert "Stop " not in shown["summary"]
    assert "Source: Magnesium oxide 400 mg tablet" in shown["detail"]


def test_a_level_of_long_ago_is_not_called_none(knowledge: Knowledge) -> None:
    chart = [
        tablet("m", "Magnesium oxide 400 mg tablet", 900, "BID"),
        lab("e", EGFR, 52, "mL/min/1.73m2", 12),
        lab("mg", MAGNESIUM, 2.1, "mg/dL", 400),
    ]
    assert card(knowledge, "mg-longterm-monitoring", *chart)["summary"].endswith("magnesium last checked 400 d ago")
    assert card(knowledge, "mg-longterm-monitoring", *chart[:2])["summary"].endswith("magnesium never checked")


def test_symptoms_that_fit_a_low_magnesium_are_found_whatever_makes_the_level(knowledge: Knowledge) -> None:
    chart = [
        lab("mg", MAGNESIUM, 0.8, "mg/dL", 2),
        condition("s", "R56.9", 2),
        condition("t", "R25.1", 4),
    ]
    shown = card(knowledge, "hypomagnesemia-lab", *chart)
    assert shown["summary"].startswith("Magnesium 0.8 mg/dL (2 d ago) low with seizure")
    found = shown["detail"].partition("**Why")[0]
    assert "Symptom: seizure, 2 d ago" in found
    assert "Symptom: tremor, 4 d ago" in found


def test_a_tremor_that_makes_the_warning_stands_in_the_summary(knowledge: Knowledge) -> None:
    shown = card(knowledge, "hypomagnesemia-lab", lab("mg", MAGNESIUM, 1.3, "mg/dL", 2), condition("t", "R25.1", 4))
    assert (shown["indicator"], "low with tremor" in shown["summary"]) == ("warning", True)


@pytest.mark.parametrize("rule", ["mg-total-dose", "mg-oral-severe-ckd"])
def test_kidney_function_that_nobody_measured_is_offered(knowledge: Knowledge, rule: str) -> None:
    chart = [
        tablet("m", "Magnesium oxide 400 mg tablet", 30),
        tablet("g", "Magnesium (as glycinate) 200 mg elemental capsule", 30),
    ]
    if rule == "mg-oral-severe-ckd":
        chart.append(condition("k", "N18.4", 300))
    assert "Order basic metabolic panel" in labels(card(knowledge, rule, *chart, born="1980-03-01"))


def test_quinine_does_not_interact_with_itself(knowledge: Knowledge) -> None:
    assert "Interacts" not in card(knowledge, "quinine-leg-cramps", tablet("q", "Quinine 324 mg tablet", 5))["detail"]


def test_a_draft_of_this_minute_is_just_now(knowledge: Knowledge) -> None:
    drafts = [tablet("s", "Simvastatin 80 mg tablet")]
    assert "(just now), draft" in card(knowledge, "statin-dose-limit", drafts=drafts)["detail"]
    assert "(gerade eben)" in card(knowledge, "statin-dose-limit", drafts=drafts, language="de")["detail"]


def test_a_rising_creatinine_stands_with_its_age(knowledge: Knowledge) -> None:
    chart = [
        tablet("m", "Magnesium oxide 400 mg tablet", 60),
        lab("n", CREATININE, 1.9, "mg/dL", 0.2),
        lab("o", CREATININE, 0.9, "mg/dL", 20),
    ]
    assert "0.9->1.9 mg/dL (5 h ago, AKI stage 2)" in card(knowledge, "mg-oral-aki", *chart)["summary"]
    muscle = [tablet("a", "Atorvastatin 80 mg tablet", 60), lab("ck", CK, 3200, "U/L", 1), *chart[1:]]
    assert "creatinine 0.9->1.9 mg/dL (5 h ago)" in card(knowledge, "statin-rhabdomyolysis", *muscle)["summary"]
