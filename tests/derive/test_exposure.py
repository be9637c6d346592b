"""Exposure: focus, replaced orders, starts, doses, risks, interactions."""

from __future__ import annotations

from typing import Any

import pytest

from cds_rules.vocabulary.chart import Amount, Dosage
from cds_rules.vocabulary.frozen import replace
from tests.derive.charts import ago, cramp, derived, dosage, event, facts, field, medication, oxide, problem, statin

ROWS = [
    {"statin": "simvastatin", "partner": "clarithromycin", "effect": "contra", "cap_mg": ""},
    {"statin": "simvastatin", "partner": "amlodipine", "effect": "cap", "cap_mg": "20"},
    {"statin": "atorvastatin", "partner": "hiv-protease-inhibitor", "effect": "cap", "cap_mg": "20"},
    {"statin": "atorvastatin", "partner": "nelfinavir", "effect": "cap", "cap_mg": "40"},
    {"statin": "simvastatin", "partner": "ketoconazole", "effect": "contra", "cap_mg": ""},
]
SPACINGS = [
    {"partner": "fluoroquinolone", "spacing": "2 h before or 6 h after", "avoid": "", "salts": ""},
    {"partner": "sps", "spacing": "avoid", "avoid": "yes", "salts": "magnesium hydroxide|magnesium carbonate"},
]
TABLES = {"statin_interactions": ROWS, "absorption_interactions": SPACINGS}


def effects(*entries: Any, **more: Any) -> list[tuple[str, bool]]:
    return [(each.effect, each.focal) for each in derived(*entries, tables=TABLES, **more).interactions]


def test_in_patient_view_active_medications_are_in_focus() -> None:
    found = derived(oxide(), oxide(state="stopped", stop=1))
    assert [(each.state, each.focal) for each in found.drugs] == [("active", True), ("stopped", False)]


def test_drafts_belong_to_order_hooks_only() -> None:
    assert derived(oxide(state="draft")).drugs == ()


def test_in_order_select_only_selected_drafts_are_in_focus() -> None:
    background, chosen = oxide(state="draft"), oxide(state="draft", selected=True)
    found = derived(background, chosen, hook="order-select")
    assert [each.selected for each in found.focal] == [True]
    assert all(each.both for each in found.drugs)
    assert len(derived(background, chosen, hook="order-sign").focal) == 2


def test_a_draft_takes_the_place_of_the_order_it_replaces() -> None:
    old = oxide(400, 1)
    for draft in (
        oxide(400, 2, state="draft", replaces=frozenset({old.source.reference})),
        replace(oxide(400, 2, state="draft"), resource_id=old.resource_id),
    ):
        assert derived(old, draft, hook="order-sign").magnesium.total_mg == 482
    assert derived(old, oxide(400, 2, state="draft"), hook="order-sign").magnesium.total_mg == 241 + 482


def test_the_same_business_identifier_replaces() -> None:
    old = oxide(400, 1, identifiers=frozenset({"urn:a|1"}))
    draft = oxide(400, 2, state="draft", identifiers=frozenset({"urn:a|1"}))
    assert derived(old, draft, hook="order-sign").magnesium.total_mg == 482
    other = oxide(400, 2, state="draft", identifiers=frozenset({"urn:a|2"}))
    assert derived(old, other, hook="order-sign").magnesium.total_mg == 723


def test_an_order_stopped_in_the_same_context_is_replaced() -> None:
    old = oxide(400, 1)
    stopped = replace(old, state="stopped", stop=ago(0))
    assert derived(old, stopped, oxide(400, 2, state="draft"), hook="order-sign").magnesium.total_mg == 482


def test_a_replaced_order_keeps_its_fact_but_not_its_place() -> None:
    old = statin(mg=80, start=400)
    draft = statin(mg=80, state="draft", replaces=frozenset({old.source.reference}))
    found = derived(old, draft, hook="order-sign")
    assert field(found, "statin-dose", "both", state="active") is False
    assert field(found, "statin-dose", "days_at_dose", state="active") == 400


def test_a_draft_of_the_same_ingredient_is_a_renewal() -> None:
    active = medication("furosemide", "loop-diuretic")
    same = medication("furosemide", "loop-diuretic", state="draft")
    other = medication("torsemide", "loop-diuretic", state="draft")
    found = derived(active, same, other, hook="order-sign")
    assert (
        field(
            found, "medication", "renewal", **{"class": "loop-diuretic", "ingredient": "furosemide", "state": "draft"}
        )
        is True
    )
    assert field(found, "medication", "renewal", **{"class": "loop-diuretic", "ingredient": "torsemide"}) is False


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (dosage(40, "mg"), 40),
        (dosage(1, "unit", 2), 40),
        (dosage(1, "unit", None), None),
        (Dosage(), None),
        (dosage(10, "mL"), None),
        (Dosage(Amount(20, "mg"), one_time=True), 20),
    ],
)
def test_daily_dose(taken: Dosage, expected: float | None) -> None:
    tablet = medication("simvastatin", "statin", strengths=(("simvastatin", 20.0, "unit"),), dosage=taken)
    (found,) = derived(tablet).statins
    assert found.dose_mg == expected


def test_the_statin_of_a_combination_is_named() -> None:
    both = (("ezetimibe", 10.0, "unit"), ("simvastatin", 40.0, "unit"))
    (found,) = derived(medication("ezetimibe / simvastatin", "statin", strengths=both, dosage=dosage(1))).statins
    assert (found.ingredient, found.dose_mg) == ("simvastatin", 40)


def test_a_dose_in_mg_of_a_combination_is_not_guessed() -> None:
    (found,) = derived(medication("ezetimibe / simvastatin", "statin", dosage=dosage(40, "mg"))).statins
    assert found.dose_mg is None
    assert facts(derived(statin(mg=None)), "statin-dose") == []


def test_days_at_dose_start_anew_with_an_increase() -> None:
    (found,) = derived(statin(mg=80, start=400, dose_increased=ago(100))).statins
    assert found.days_at_dose == pytest.approx(100)


@pytest.mark.parametrize(
    ("start", "increased", "onset", "temporal"),
    [
        (30, None, 10, "strong"),
        (100, None, 10, "strong"),
        (101, None, 10, "possible"),
        (400, 20, 7, "strong"),
        (None, None, 7, "possible"),
        (30, None, 31, ""),
    ],
)
def test_strength_in_time_of_a_diuretic(
    start: float | None, increased: float | None, onset: float, temporal: str
) -> None:
    tablet = medication(
        "furosemide", "loop-diuretic", start=start, dose_increased=None if increased is None else ago(increased)
    )
    (found,) = derived(tablet, cramp(1, onset)).diuretics
    assert found.temporal == temporal


@pytest.mark.parametrize(("mg", "expected"), [(20, []), (20.5, [("cap", False)])])
def test_a_cap_itself_is_allowed(mg: float, expected: list[tuple[str, bool]]) -> None:
    assert effects(statin(mg=mg), medication("amlodipine")) == expected


def test_an_unknown_dose_never_fires_a_cap_but_a_contraindication() -> None:
    assert effects(statin(mg=None), medication("amlodipine")) == []
    assert effects(statin(mg=None), medication("clarithromycin")) == [("contra", False)]


def test_interactions_need_both_partners_and_a_systemic_route() -> None:
    assert effects(statin(), medication("clarithromycin", state="stopped", stop=1)) == []
    assert effects(statin(), medication("ketoconazole", route="topical")) == []
    assert effects(statin(), medication("ketoconazole", route="oral")) == [("contra", False)]


def test_a_row_of_the_ingredient_beats_that_of_its_group() -> None:
    assert effects(statin("atorvastatin", 40), medication("nelfinavir", "hiv-protease-inhibitor")) == []
    assert effects(statin("atorvastatin", 40), medication("darunavir", "hiv-protease-inhibitor")) == [("cap", False)]


def test_interactions_in_order_hooks_say_whether_a_draft_takes_part() -> None:
    draft = medication("clarithromycin", state="draft")
    assert effects(statin(), draft, hook="order-sign") == [("contra", True)]
    assert effects(statin(), draft, hook="order-select") == [("contra", False)]


def test_spacing_needs_an_oral_partner_and_a_draft() -> None:
    cipro = medication("ciprofloxacin", "fluoroquinolone", state="draft", route="oral")
    (found,) = derived(oxide(), cipro, hook="order-sign", tables=TABLES).spacings
    assert (found.partner, found.avoid, found.settled) == ("fluoroquinolone", False, False)
    assert derived(oxide(), replace(cipro, route="iv"), hook="order-sign", tables=TABLES).spacings == ()
    assert derived(oxide(), replace(cipro, state="active"), tables=TABLES).spacings == ()


def test_spacing_is_settled_when_the_draft_only_renews() -> None:
    old = medication("ciprofloxacin", "fluoroquinolone", start=40, route="oral")
    draft = medication("ciprofloxacin", "fluoroquinolone", state="draft", route="oral")

    def settled(start: float) -> list[bool]:
        found = derived(oxide(start=start), old, draft, hook="order-sign", tables=TABLES)
        return [each.settled for each in found.spacings]

    assert settled(31) == [True]
    assert settled(30) == [False]


def test_some_partners_concern_certain_salts() -> None:
    resin = medication("sodium polystyrene sulfonate", "sps", state="draft", route="oral")
    assert derived(oxide(), resin, hook="order-sign", tables=TABLES).spacings == ()
    milk = medication("magnesium hydroxide", "mg-laxative")
    (found,) = derived(milk, resin, hook="order-sign", tables=TABLES).spacings
    assert found.avoid


def risks(*entries: Any) -> set[Any]:
    return {each.fields["key"] for each in facts(derived(*entries), "deficiency-risk")}


def test_deficiency_risks() -> None:
    assert risks(medication("furosemide", "loop-diuretic"), problem("malabsorption")) == {
        "loop-diuretic",
        "malabsorption",
    }
    assert risks(medication("spironolactone", "k-sparing-diuretic"), medication("digoxin", "digoxin")) == set()
    assert risks(problem("malabsorption", active=False)) == set()


def test_a_ppi_is_a_risk_from_90_days_on() -> None:
    assert risks(medication("pantoprazole", "ppi", start=90)) == {"ppi"}
    assert risks(medication("pantoprazole", "ppi", start=89)) == set()
    assert risks(medication("pantoprazole", "ppi", start=None)) == set()


def test_cisplatin_stays_a_risk_for_180_days() -> None:
    assert risks(medication("cisplatin", "cisplatin", state="stopped", stop=180)) == {"cisplatin"}
    assert risks(medication("cisplatin", "cisplatin", state="stopped", stop=181)) == set()


def test_two_of_a_class_are_one_risk() -> None:
    found = derived(medication("furosemide", "loop-diuretic"), medication("torsemide", "loop-diuretic"))
    assert field(found, "deficiency-risk", "count") == 1


def test_renal_risks() -> None:
    found = derived(
        problem("diabetes"), medication("ibuprofen", "nsaid"), problem("aki", 100, active=False), problem("pad")
    )
    assert {each.key for each in found.renal_risks} == {"diabetes", "nsaid", "prior-aki"}
    assert derived(problem("aki", 366, active=False)).renal_risks == ()


@pytest.mark.parametrize(("start", "expected"), [(365, True), (366, False), (None, True)])
def test_a_drug_started_in_the_year_before_the_cramps(start: float | None, expected: bool) -> None:
    inhaler = medication("formoterol", "beta2-agonist", start=start)
    assert field(derived(inhaler, cramp(0, 0)), "medication", "before_cramp") is expected


def test_parent_classes_lie_beside_their_members() -> None:
    found = derived(medication("furosemide", "loop-diuretic"))
    assert [each.fields["class"] for each in facts(found, "medication")] == ["diuretic", "loop-diuretic", "mg-wasting"]


def test_stopped_long_ago_or_at_an_unknown_time_says_nothing() -> None:
    assert facts(derived(statin(state="stopped", stop=181)), "medication") == []
    assert facts(derived(statin(state="stopped", stop=None)), "medication") == []
    assert field(derived(statin(state="stopped", stop=7)), "medication", "stopped_days") == 7


def test_what_raises_creatinine_is_named() -> None:
    found = derived(medication("sulfamethoxazole / trimethoprim"), medication("metformin"))
    assert [each.name for each in found.creatinine_raisers] == ["sulfamethoxazole / trimethoprim"]


def test_delivery_is_not_exposure() -> None:
    assert derived(event("delivery", 10)).drugs == ()


def test_a_refill_goes_on_with_what_is_taken_and_does_not_come_on_top() -> None:
    old = oxide(400, 1)
    assert derived(old, oxide(400, 2, state="draft"), hook="medication-refill").magnesium.total_mg == 482
    other = medication("magnesium oxide", "mg-enema", route="rectal")
    found = derived(other, oxide(400, 2, state="draft"), hook="medication-refill")
    assert [each.both for each in found.drugs] == [True, True], "another way of taking is another product"


@pytest.mark.parametrize("hook", ["encounter-start", "encounter-discharge"])
def test_at_the_door_active_medications_are_in_focus(hook: str) -> None:
    found = derived(oxide(), oxide(state="draft"), hook=hook)
    assert [(each.state, each.focal) for each in found.drugs] == [("active", True)]
