"""The flat facts: they fit the register, carry their sources, and say what was not delivered."""

from __future__ import annotations

import pytest

from cds_rules.derive.statements import SINGLE
from cds_rules.vocabulary.chart import Order
from cds_rules.vocabulary.facts import DOMAINS, KINDS, fact
from cds_rules.vocabulary.frozen import replace
from tests.derive.charts import (
    cramp,
    creatinine,
    derived,
    dosage,
    egfr,
    facts,
    field,
    magnesium,
    medication,
    oxide,
    problem,
    result,
    source,
    statin,
    sulfate_iv,
    symptom,
)

EVERYTHING = (
    creatinine(1.8, 1), creatinine(1.0, 2), egfr(40, 90), magnesium(2.9), result("calcium", 8.0), result("albumin", 3.0),
    result("ck", 900), result("qtc", 500), result("weight", 70), result("height", 170), result("hr", 40, 0.1),
    result("potassium", 3.3), result("slco1b1", 0, text="poor"), oxide(), statin(mg=40), sulfate_iv(2),
    medication("furosemide", "loop-diuretic"), medication("amlodipine"), medication("cisplatin", "cisplatin", state="stopped", stop=9),
    medication("ciprofloxacin", "fluoroquinolone", state="draft", selected=True), statin(mg=80, state="draft", selected=True),
    problem("diabetes"), problem("torsades", 1), problem("pregnant", None), cramp(), symptom("lethargy"),
    Order("bmp", "active", source("ServiceRequest")),
)  # fmt: skip
TABLES = {
    "statin_interactions": [{"statin": "simvastatin", "partner": "amlodipine", "effect": "cap", "cap_mg": "20"}],
    "absorption_interactions": [{"partner": "fluoroquinolone", "spacing": "2 h", "avoid": "", "salts": ""}],
}


@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
def test_every_fact_fits_the_register(hook: str) -> None:
    found = derived(*EVERYTHING, hook=hook, tables=TABLES).facts
    for each in found:
        assert set(each.fields) == set(KINDS[each.kind].fields), each.kind
        assert replace(each, own=None) == fact(each.kind, *each.sources, **each.fields)


def test_every_kind_of_fact_is_made() -> None:
    made = {each.kind for each in derived(*EVERYTHING, hook="order-sign", tables=TABLES).facts}
    assert made == set(KINDS)


def test_exactly_one_fact_of_the_single_kinds() -> None:
    found = derived()
    for kind in SINGLE:
        assert len(facts(found, kind)) == 1


def test_facts_carry_their_sources() -> None:
    found = derived(*EVERYTHING, hook="order-sign", tables=TABLES).facts
    assert all(each.sources for each in found if each.kind != "call")


def test_what_is_swallowed_in_all_stands_where_it_is_swallowed() -> None:
    (total,) = facts(derived(oxide(400, 2), sulfate_iv()), "magnesium")
    assert total.own is not None
    assert total.own.keys() <= KINDS["magnesium"].fields.keys()
    assert total.sources_of(["amount_mg"]) == total.sources_of(["total_mg"]) != total.sources


def test_an_empty_chart_says_what_is_absent() -> None:
    found = derived()
    assert found.gaps == {}
    assert {each.kind for each in found.facts} == SINGLE
    assert field(found, "kidney", "tier") == "UNKNOWN"
    assert field(found, "toxicity", "present") is False
    assert field(found, "magnesium", "source_taken") is False


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_missing_domain_is_a_gap_of_the_kinds_it_feeds(domain: str) -> None:
    found = derived(gaps=[domain]).gaps
    assert set(found) == {name for name, kind in KINDS.items() if domain in kind.domains and name not in SINGLE}
    assert all(because == (f"{domain} not sent",) for because in found.values())


def test_an_undated_condition_has_no_age() -> None:
    assert field(derived(problem("dehydration", None)), "condition", "age_days") is None


def test_an_onset_later_than_the_record_counts() -> None:
    assert field(derived(problem("dehydration", 30, onset=problem("x", 10).recorded)), "condition", "age_days") == 10


def test_reasons_are_one_word() -> None:
    def why(*reasons: str) -> object:
        tablet = medication("quinine", "quinine", reasons=frozenset(reasons), dosage=dosage(1))
        return field(derived(tablet), "medication", "reason")

    assert [why(), why("cramps"), why("malaria", "cramps"), why("migraine")] == ["none", "cramps", "malaria", "other"]


def test_the_iv_of_another_order_is_seen_in_both() -> None:
    rocuronium = medication("rocuronium", "nmb", state="draft")
    found = derived(sulfate_iv(None), rocuronium, hook="order-sign")
    assert field(found, "magnesium", "both_iv") is True
    assert field(found, "magnesium", "focal_iv") is False
