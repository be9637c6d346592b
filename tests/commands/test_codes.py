"""`cds-rules codes`, as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    given = [sys.executable, "-m", "cds_rules.cli", "codes", *map(str, words)]
    return subprocess.run(given, capture_output=True, text=True, timeout=120, check=False)


def meanings(*words: object) -> dict[str, dict[str, Any]]:
    """What is taken, by role, of the first reading that has the role."""
    found: dict[str, dict[str, Any]] = {}
    for reading in json.loads(typed(*words, "--json").stdout)["readings"]:
        for meaning in reading["meanings"]:
            found.setdefault(meaning["as"], meaning)
    return found


def test_a_laboratory_code_names_key_unit_and_row() -> None:
    magnesium = meanings("2601-3", "--system", "loinc")["laboratory"]
    assert (magnesium["means"], magnesium["details"]["unit"]) == ("magnesium", "mg/dL")
    row = magnesium["rows"][0]
    assert (row["file"], row["key"], row["code"], row["licence"]) == (
        "valuesets/labs.csv",
        "magnesium",
        "2601-3",
        "LOINC",
    )
    assert row["display"]
    assert row["source"]
    assert row["verified"] == "yes"
    assert row["line"] > 1


def test_an_excluded_laboratory_code_says_why() -> None:
    done = typed("13969-1", "--system", "http://loinc.org")
    assert "laboratory: not taken" in done.stdout
    assert "excluded from ck: CK-MB" in done.stdout


def test_a_product_code_gives_ingredient_strength_magnesium_and_class() -> None:
    product = meanings("1658244", "--system", "rxnorm")["medication"]
    assert product["means"] == "magnesium sulfate"
    assert product["details"]["strengths"] == "magnesium sulfate 500 mg per mL"
    assert product["details"]["elemental magnesium"].startswith("49.307 mg per mL")
    assert product["details"]["classes"] == "mg-iv"
    assert {row["file"] for row in product["rows"]} == {
        "valuesets/rxnorm_products.csv",
        "tables/magnesium_products.csv",
    }


def test_an_ndc_leads_to_its_product() -> None:
    product = meanings("0054-3567-49")["medication"]
    assert product["means"] == "magnesium hydroxide"
    assert [row["file"] for row in product["rows"]][:2] == ["valuesets/ndc.csv", "valuesets/rxnorm_products.csv"]


def test_a_medication_text_names_its_phrase() -> None:
    done = typed("Milk of Magnesia 30 mL PO BID")
    assert done.returncode == 0
    assert 'phrase "milk of magnesia"' in done.stdout
    assert "decided by salt, form and route, not by a row: mg-laxative" in done.stdout
    assert "route: oral" in done.stdout


def test_a_class_of_an_ingredient_names_the_row_that_gives_it() -> None:
    rows = meanings("HCTZ 25 mg daily")["medication"]["rows"]
    assert any(row["file"] == "valuesets/medication_classes.csv" and row["key"] == "thiazide-diuretic" for row in rows)


def test_magnesium_of_a_text_names_the_product_it_is_taken_from() -> None:
    product = meanings("magnesium oxide 400 mg tablet")["medication"]
    assert product["details"]["elemental magnesium"].startswith("241.2 mg per unit")
    assert any(
        row["file"] == "tables/magnesium_products.csv" and row["strength_mg"] == "400" for row in product["rows"]
    )


def test_a_bare_code_is_read_in_every_system_that_has_it() -> None:
    answer = json.loads(typed("N18.31", "--json").stdout)
    read = {each["system"]: each["meanings"][0]["means"] for each in answer["readings"]}
    assert read == {"icd-10-cm": "ckd-3a", "icd-10": "ckd-3-unspecified"}


def test_a_symptom_text_gives_site_side_and_timing() -> None:
    symptom = meanings("nocturnal cramps in left calf")["symptom"]
    assert symptom["means"] == "muscle-cramp"
    assert symptom["details"] == {"site": "calf", "side": "left", "timing": "nocturnal"}


def test_a_denied_symptom_is_not_taken_and_the_phrase_is_shown() -> None:
    symptom = meanings("denies leg cramps")["symptom"]
    assert symptom["means"] is None
    assert "negated" in symptom["details"]["why not"]
    assert symptom["rows"]


def test_a_unit_gives_its_factor_for_each_key() -> None:
    unit = meanings("mmol/L")["unit"]
    assert (unit["means"], unit["details"]["magnesium"]) == ("mmol/L", "1 is 2.4305 mg/dL")


@pytest.mark.parametrize("words", [("zzyzx",), ("99999-9", "--system", "loinc")])
def test_what_is_not_known_lists_where_was_looked(words: tuple[str, ...]) -> None:
    done = typed(*words)
    assert done.returncode == 1
    assert "we take it for nothing. Looked at:" in done.stdout
    assert "labs.csv (" in done.stdout


def test_a_system_that_is_not_read_is_named() -> None:
    done = typed("7", "--system", "urn:oid:1.2.3")
    assert done.returncode == 1
    assert "codes of this system are not read" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"), [(("1", "--system", "lonic"), 'did you mean "loinc"?'), ((" ",), "found nothing")]
)
def test_wrong_usage_is_a_sentence(words: tuple[str, ...], message: str) -> None:
    done = typed(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
