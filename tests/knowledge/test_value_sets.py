"""The rows of the pack's value sets and tables: whole, free of typing errors, within their licences."""

from __future__ import annotations

import re

import pytest

from tests.knowledge.tables import ATC, ICD10, ICD10_CM, LOINC, PACK, RXNORM, SNOMED, tables

VALUE_SETS = (
    "labs",
    "conditions",
    "symptoms",
    "body_sites",
    "routes",
    "reasons",
    "tests",
    "events",
    "medication_classes",
    "medication_names",
    "rxnorm_products",
    "ndc",
    "dose_forms",
)

_D = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6), (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
      (5, 9, 8, 7, 6, 0, 4, 3, 2, 1), (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4), (9, 8, 7, 6, 5, 4, 3, 2, 1, 0))  # fmt: skip
_P = ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 5, 7, 6, 2, 8, 3, 0, 9, 4), (5, 8, 0, 3, 7, 9, 6, 1, 4, 2), (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
      (9, 4, 5, 3, 1, 2, 6, 8, 7, 0), (4, 2, 8, 6, 5, 7, 3, 9, 0, 1), (2, 7, 9, 3, 8, 0, 6, 4, 1, 5), (7, 0, 4, 6, 9, 1, 3, 2, 5, 8))  # fmt: skip


def verhoeff(digits: str) -> bool:
    """Whether the check digit of a SNOMED CT identifier is right."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _D[check][_P[place % 8][int(digit)]]
    return check == 0


def luhn(code: str) -> bool:
    """Whether the check digit of a LOINC code is right."""
    digits = [int(each) for each in code.replace("-", "")]
    return (
        sum(digit if place % 2 == 0 else sum(divmod(digit * 2, 10)) for place, digit in enumerate(reversed(digits)))
        % 10
        == 0
    )


CODED = [(name, row) for name in VALUE_SETS for row in tables()[name] if row["code"]]


def test_check_digits_are_right() -> None:
    wrong = [
        row["code"]
        for _, row in CODED
        if (row["system"] == SNOMED and not verhoeff(row["code"])) or (row["system"] == LOINC and not luhn(row["code"]))
    ]
    assert wrong == []


def test_codes_have_the_shape_of_their_system() -> None:
    shapes = {
        ICD10: r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?",
        ICD10_CM: r"[A-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?",
        ATC: r"[A-Z](\d\d([A-Z]([A-Z](\d\d)?)?)?)?",
        RXNORM: r"\d+",
    }
    wrong = [
        (name, row["code"])
        for name, row in CODED
        if row["system"] in shapes and not re.fullmatch(shapes[row["system"]], row["code"])
    ]
    assert wrong == []


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_row_says_where_it_comes_from(name: str) -> None:
    rows = tables()[name]
    assert rows
    assert all(row["source"] and row["verified"] in ("yes", "no") for row in rows)
    assert all(row["display"] or row["code"] for row in rows)


def test_rows_of_a_system_carry_its_licence() -> None:
    wanted = {SNOMED: "SNOMED", LOINC: "LOINC", ATC: "WHOCC", RXNORM: "NLM", ICD10: "WHO", ICD10_CM: "NCHS"}
    assert [
        (name, row["code"])
        for name, row in CODED
        if row["system"] in wanted and wanted[row["system"]] not in row["licence"]
    ] == []


def test_unverified_codes_never_fire_a_rule_alone() -> None:
    loose = {name for name, row in CODED if row["verified"] == "no"}
    assert loose <= {"body_sites", "routes", "conditions", "medication_classes"}
    assert {row["key"] for name, row in CODED if name == "conditions" and row["verified"] == "no"} <= {
        "short-bowel",
        "malaria",
    }


def test_no_row_stands_twice() -> None:
    for name in VALUE_SETS:
        rows = [tuple(row.values()) for row in tables()[name]]
        assert len(rows) == len(set(rows)), name


def test_the_value_sets_stay_small() -> None:
    assert sum(path.stat().st_size for path in PACK.glob("*/*.csv")) < 2_000_000


def test_statin_rows_are_complete() -> None:
    rows = tables()["statin_interactions"]
    assert {row["statin"] for row in rows} == {
        "simvastatin",
        "lovastatin",
        "atorvastatin",
        "rosuvastatin",
        "pravastatin",
        "fluvastatin",
        "pitavastatin",
    }
    assert all((row["effect"] == "cap") == bool(row["cap_mg"]) for row in rows)
    assert {row["effect"] for row in rows} == {"contra", "avoid", "cap"}
    pairs = [(row["statin"], row["partner"]) for row in rows]
    assert len(pairs) == len(set(pairs))


def test_azithromycin_is_no_partner() -> None:
    assert "azithromycin" not in {row["partner"] for row in tables()["statin_interactions"]}


@pytest.mark.parametrize(
    ("statin", "partner", "effect", "cap"),
    [
        ("simvastatin", "clarithromycin", "contra", ""),
        ("simvastatin", "amlodipine", "cap", "20"),
        ("simvastatin", "ticagrelor", "cap", "40"),
        ("lovastatin", "gemfibrozil", "avoid", ""),
        ("atorvastatin", "tipranavir", "avoid", ""),
        ("atorvastatin", "nelfinavir", "cap", "40"),
        ("atorvastatin", "darunavir", "cap", "20"),
        ("rosuvastatin", "cyclosporine", "cap", "5"),
        ("pitavastatin", "erythromycin", "cap", "1"),
    ],
)
def test_rows_of_the_interaction_table(statin: str, partner: str, effect: str, cap: str) -> None:
    assert (statin, partner, effect, cap) in {
        (row["statin"], row["partner"], row["effect"], row["cap_mg"]) for row in tables()["statin_interactions"]
    }
