"""What in a chart may add to muscle symptoms on a statin (clinical specification 2.24), in words for the card.

Flows in: `Derived`. Flows out: sentences. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cds_rules.derive.differential import OTHER_CRAMP_DRUGS
from cds_rules.derive.record import EPSILON
from cds_rules.derive.statements import slco1b1_function
from cds_rules.vocabulary.wording import said, word

if TYPE_CHECKING:
    from cds_rules.derive import Derived

HIGH_INTENSITY_MG = {"atorvastatin": 40.0, "rosuvastatin": 20.0, "simvastatin": 80.0}
"""Daily doses from which a statin is of high intensity (ACC/AHA 2018; simvastatin 80 mg by its label)."""


def contributors(derived: Derived) -> Iterator[str]:
    """Say each contributor that this chart holds."""
    yield from (
        said(
            "{partner} with {statin} ({effect})", partner=each.partner_name, statin=each.statin_name, effect=each.words
        )
        for each in derived.interactions
    )
    for statin in derived.statins:
        least = HIGH_INTENSITY_MG.get(statin.ingredient)
        if least is not None and statin.dose_mg is not None and statin.dose_mg >= least - EPSILON:
            yield said("high dose intensity ({statin} {dose} mg)", statin=word(statin.ingredient), dose=statin.dose_mg)
    thyrotropin, vitamin_d = derived.labs["tsh"], derived.labs["vitamin_d_25oh"]
    if thyrotropin is not None and thyrotropin.flag == "high":
        yield said("TSH above range ({value} mIU/L)", value=thyrotropin.latest.value)
    elif derived.record.problems.get("hypothyroidism"):
        yield said("hypothyroidism")
    if vitamin_d is not None and vitamin_d.value is not None and vitamin_d.value < 20 - EPSILON:
        yield said("25-hydroxyvitamin D {value} ng/mL", value=vitamin_d.latest.value)
    if derived.kidney.egfr_rounded is not None and derived.kidney.egfr_rounded < 30:
        yield said("eGFR {egfr}", egfr=derived.kidney.egfr_rounded)
    if derived.patient.age_years is not None and derived.patient.age_years > 75:
        yield said("age {years}", years=derived.patient.age_years)
    if derived.record.problems.get("alcohol-use-disorder"):
        yield said("alcohol use disorder")
    phenotype = slco1b1_function(derived.record)
    if phenotype is not None and phenotype[0] != "normal":
        yield said("SLCO1B1 {phenotype} function", phenotype=word(phenotype[0]))
    for key in OTHER_CRAMP_DRUGS:
        yield from (drug.name for drug in derived.by_class[key])
    for key in ("potassium", "sodium", "magnesium"):
        lab = derived.labs[key]
        if lab is not None and lab.flag == "low" and lab.age_days <= 30 + EPSILON:
            yield said("low {analyte} ({value} {unit})", analyte=word(key), value=lab.latest.value, unit=lab.unit)
    if derived.calcium is not None and derived.calcium.flag == "low" and derived.calcium.age_days <= 30 + EPSILON:
        yield said(
            "low {analyte} ({value} {unit})",
            analyte=said("calcium"),
            value=derived.calcium.value,
            unit=derived.calcium.unit,
        )
