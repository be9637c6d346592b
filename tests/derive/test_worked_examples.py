"""The worked examples of the clinical specification, row by row; those of unit conversion belong to knowledge."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from cds_rules.derive.calcium import corrected_calcium_mg_dl
from cds_rules.derive.kidneys import (
    aki_criteria,
    cockcroft_gault_weight_kg,
    creatinine_clearance_ml_min,
    egfr_bedside_schwartz,
    egfr_ckd_epi_2021,
    egfr_ckd_epi_2021_cystatin,
    gfr_stage,
    ideal_body_weight_kg,
)
from cds_rules.derive.magnesium import (
    elemental_mg_per_day,
    hypermagnesemia_band,
    hypermagnesemia_grade,
    hypomagnesemia_grade,
)
from cds_rules.derive.muscle import ck_ratio, sams_ci
from tests.shared import SHARED, needs_shared

Inputs = dict[str, str]


def _number(inputs: Inputs, name: str) -> float | None:
    return float(inputs[name]) if inputs.get(name) else None


def _creatinine(inputs: Inputs) -> float:
    if "scr_umol_l" in inputs:
        return float(inputs["scr_umol_l"]) / 88.4
    return float(inputs["scr_mg_dl"])


def _series(text: str) -> tuple[float, list[tuple[float, float]]]:
    pairs = [
        (abs(float(hours.rstrip("h"))) / 24, float(value))
        for hours, value in (each.split(":") for each in text.split("|"))
    ]
    return pairs[0][1], pairs[1:]


def _clearance(inputs: Inputs) -> float:
    weight, _ = cockcroft_gault_weight_kg(float(inputs["weight_kg"]), _number(inputs, "height_cm"), inputs["sex"])
    return creatinine_clearance_ml_min(float(inputs["scr_mg_dl"]), int(inputs["age_years"]), weight, inputs["sex"])


FORMULAS: dict[str, Callable[[Inputs], float | str]] = {
    "ckd_epi_2021_creatinine": lambda i: egfr_ckd_epi_2021(_creatinine(i), int(i["age_years"]), i["sex"]),
    "ckd_epi_2021_creatinine_cystatin": lambda i: egfr_ckd_epi_2021_cystatin(
        _creatinine(i), float(i["scys_mg_l"]), int(i["age_years"]), i["sex"]
    ),
    "ideal_body_weight": lambda i: ideal_body_weight_kg(float(i["height_cm"]), i["sex"]),
    "cockcroft_gault_weight": lambda i: cockcroft_gault_weight_kg(
        float(i["weight_kg"]), _number(i, "height_cm"), i["sex"]
    )[0],
    "cockcroft_gault": _clearance,
    "bedside_schwartz": lambda i: egfr_bedside_schwartz(float(i["scr_mg_dl"]), float(i["height_cm"])),
    "kdigo_g_stage": lambda i: gfr_stage(float(i["egfr"])),
    "kdigo_aki_stage": lambda i: aki_criteria(*_series(i["creatinine_mg_dl_series"])).stage,
    "corrected_calcium": lambda i: corrected_calcium_mg_dl(float(i["calcium_mg_dl"]), float(i["albumin_g_dl"])),
    "mg_elemental_per_day": lambda i: elemental_mg_per_day(i["salt"], float(i["dose_mg"]), float(i["doses_per_day"])),
    "ck_ratio": lambda i: ck_ratio(float(i["ck"]), float(i["uln"])),
    "ctcae_hypermagnesemia_grade": lambda i: hypermagnesemia_grade(float(i["mg_mg_dl"]), float(i["uln"])),
    "hypermagnesemia_band": lambda i: hypermagnesemia_band(float(i["mg_mg_dl"]), float(i["uln"])),
    "ctcae_hypomagnesemia_grade": lambda i: hypomagnesemia_grade(float(i["mg_mg_dl"]), float(i["lln"])),
    "sams_ci_partial": lambda i: (
        sams_ci(
            i["site"],
            i["side"],
            _number(i, "weeks_start_to_onset"),
            _number(i, "weeks_dechallenge_to_relief"),
            _number(i, "weeks_rechallenge_to_relapse"),
        ).points
    ),
}


def _rows() -> list[dict[str, str]]:
    path = SHARED / "clinical" / "worked_examples.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["formula"] != "convert"]


@needs_shared
def test_every_formula_is_covered() -> None:
    assert {row["formula"] for row in _rows()} == set(FORMULAS)
    assert len(_rows()) == 115


@needs_shared
@pytest.mark.parametrize(
    "row", _rows(), ids=lambda row: f"{row['formula']} {row['input1']} {row['input2']} {row['input3']}"
)
def test_worked_example(row: dict[str, str]) -> None:
    inputs = dict(row[name].split("=", 1) for name in (f"input{n}" for n in range(1, 6)) if row[name])
    found = FORMULAS[row["formula"]](inputs)
    if isinstance(found, str):
        assert found == row["expected"]
    else:
        assert found == pytest.approx(float(row["expected"]), abs=float(row["tolerance"]))
    if "basis=" in row["note"]:
        basis = cockcroft_gault_weight_kg(float(inputs["weight_kg"]), _number(inputs, "height_cm"), inputs["sex"])[1]
        assert basis == row["note"].rsplit("basis=", 1)[1]
