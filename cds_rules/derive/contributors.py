"""What in a chart may add to muscle symptoms on a statin (clinical specification 2.24), in words for the card.

Flows in: `Derived`. Flows out: sentences. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cds_rules.derive.differential import OTHER_CRAMP_DRUGS
from cds_rules.derive.record import EPSILON
from cds_rules.derive.statements import slco1b1_function
from cds_rules.vocabulary.quantities import plain

if TYPE_CHECKING:
    from cds_rules.derive import Derived

HIGH_INTENSITY_MG = {"atorvastatin": 40.0, "rosuvastatin": 20.0, "simvastatin": 80.0}
"""Daily doses from which a statin is of high intensity (ACC/AHA 2018; simvastatin 80 mg by its label)."""


def contributors(derived: Derived) -> Iterator[str]:
    """Say each contributor that this chart holds."""
    yield from (f"{each.partner_name} with {each.statin_name} ({each.words})" for each in derived.interactions)
    for statin in derived.statins:
        least = HIGH_INTENSITY_MG.get(statin.ingredient)
        if least is not None and statin.dose_mg is not None and statin.dose_mg >= least - EPSILON:
            yield f"high dose intensity ({statin.ingredient} {plain(statin.dose_mg)} mg)"
    thyrotropin, vitamin_d = derived.labs["tsh"], derived.labs["vitamin_d_25oh"]
    if thyrotropin is not None and thyrotropin.flag == "high":
        yield f"TSH above range ({plain(thyrotropin.latest.value)} mIU/L)"
    elif derived.record.problems.get("hypothyroidism"):
        yield "hypothyroidism"
    if vitamin_d is not None and vitamin_d.value is not None and vitamin_d.value < 20 - EPSILON:
        yield f"25-hydroxyvitamin D {plain(vitamin_d.latest.value)} ng/mL"
    if derived.kidney.egfr_rounded is not None and derived.kidney.egfr_rounded < 30:
        yield f"eGFR {derived.kidney.egfr_rounded}"
    if derived.patient.age_years is not None and derived.patient.age_years > 75:
        yield f"age {derived.patient.age_years}"
    if derived.record.problems.get("alcohol-use-disorder"):
        yield "alcohol use disorder"
    phenotype = slco1b1_function(derived.record)
    if phenotype is not None and phenotype[0] != "normal":
        yield f"SLCO1B1 {phenotype[0]} function"
    for key in OTHER_CRAMP_DRUGS:
        yield from (drug.name for drug in derived.by_class[key])
    for key in ("potassium", "sodium", "magnesium"):
        lab = derived.labs[key]
        if lab is not None and lab.flag == "low" and lab.age_days <= 30 + EPSILON:
            yield f"low {key} ({plain(lab.latest.value)} {lab.unit})"
    if derived.calcium is not None and derived.calcium.flag == "low" and derived.calcium.age_days <= 30 + EPSILON:
        yield f"low calcium ({plain(derived.calcium.value)} {derived.calcium.unit})"
