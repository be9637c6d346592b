"""The pack's tables of statin doses and the rules that state the same limits say the same of every dose."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from cds_rules.derive.contributors import HIGH_INTENSITY_MG
from cds_rules.engine.reference import World, said
from cds_rules.knowledge.pack import Pack
from cds_rules.vocabulary.facts import TIERS, Fact, call, fact

STATINS = ("simvastatin", "lovastatin", "atorvastatin", "rosuvastatin", "pravastatin", "fluvastatin", "pitavastatin")
DOSES = (0.5, 1, 2, 2.5, 5, 10, 10.5, 19, 20, 20.5, 39, 40, 40.5, 79, 80, 80.5)
HOLDS: dict[str, Callable[[float, float], bool]] = {
    "any": lambda dose, than: True,
    "at least": lambda dose, than: dose >= than,
    "above": lambda dose, than: dose > than,
    "at most": lambda dose, than: dose <= than,
    "below": lambda dose, than: dose < than,
}


def level(pack: Pack, rule: str, *facts: Fact) -> str | None:
    [asked] = [each for each in pack.rules if each.id == rule]
    given = (call("order-sign"), fact("patient", age_years=60), *facts)
    state, indicator = said(asked, World(given))
    return indicator if state == "fired" else None


def drafted(statin: str, dose: float) -> tuple[Fact, Fact]:
    taken = {"state": "draft", "focal": True, "dose_mg": dose}
    return (
        fact("statin-dose", statin=statin, both=True, days_at_dose=0, **taken),
        fact("medication", **{"class": "statin"}, ingredient=statin, both=True, **taken),
    )


@pytest.mark.parametrize("function", ["poor", "decreased", "normal"])
def test_the_table_of_phenotypes_says_what_the_rule_says(pack: Pack, function: str) -> None:
    rows = pack.tables["statin_slco1b1"]
    for statin, dose in itertools.product(STATINS, DOSES):
        told = [
            row["level"]
            for row in rows
            if (row["statin"], row["phenotype"]) == (statin, function)
            and HOLDS[row["dose"]](dose, float(row["than_mg"] or 0))
        ]
        found = level(pack, "statin-slco1b1", fact("slco1b1", function=function), *drafted(statin, dose))
        assert [found] == (told or [None]), (statin, dose)


@pytest.mark.parametrize("tier", TIERS)
def test_the_table_of_highest_doses_says_what_the_rule_says(pack: Pack, tier: str) -> None:
    rows = pack.tables["statin_dose_limits"]
    for statin, dose in itertools.product(STATINS, DOSES):
        above = any(
            row["statin"] == statin
            and dose > float(row["limit_mg"])
            and (row["when"] == "always" or tier in row["tiers"].split("|"))
            for row in rows
        )
        found = level(pack, "statin-dose-limit", fact("kidney", tier=tier, dosing_tier=tier), *drafted(statin, dose))
        assert found == ("warning" if above else None), (statin, dose)


def test_high_intensity_begins_where_the_table_says(pack: Pack) -> None:
    rows = [row for row in pack.tables["statin_intensity"] if row["intensity"].startswith("high")]
    assert {row["statin"]: float(row["from_mg"]) for row in rows} == HIGH_INTENSITY_MG
