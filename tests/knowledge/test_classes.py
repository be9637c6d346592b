"""Classes as ordered: route, reason, form and amount decide what a magnesium product is."""

from __future__ import annotations

import pytest

from cds_rules.knowledge.classes import classes
from cds_rules.vocabulary.chart import Amount, Dosage
from tests.knowledge.tables import terminology


def ordered(text: str, route: str | None = None, *reasons: str, dosage: Dosage | None = None) -> set[str]:
    """The classes of a product named by a text, as ordered."""
    product = terminology().product((), text)
    assert product is not None, text
    return set(classes(product, route=route, reasons=frozenset(reasons), dosage=dosage or Dosage(), label=text))


@pytest.mark.parametrize(
    ("text", "route", "reason", "expected"),
    [
        ("Magnesium oxide 400 mg tablet", None, "", "mg-oral-supplement"),
        ("Magnesium oxide 400 mg tablet", "oral", "cramps", "mg-oral-supplement"),
        ("Magnesium oxide 500 mg tablet", "oral", "constipation", "mg-laxative"),
        ("Magnesium oxide 400 mg tablet", "oral", "dyspepsia", "mg-antacid"),
        ("Magnesium carbonate tablet", "oral", "hyperphosphatemia", "mg-binder"),
        ("Calcium acetate 435 mg / magnesium carbonate 235 mg tablet", "oral", "", "mg-binder"),
        ("Milk of Magnesia", None, "", "mg-laxative"),
        ("Magnesium hydroxide 400 mg/5 mL oral suspension", "oral", "", "mg-laxative"),
        ("Magnesium hydroxide 311 mg chewable tablet", "oral", "", "mg-antacid"),
        ("Magnesium hydroxide 400 mg tablet", "oral", "", "mg-antacid"),
        ("Magnesium hydroxide 311 mg chewable tablet", "oral", "constipation", "mg-laxative"),
        ("Maalox", None, "", "mg-antacid"),
        ("Magaldrate 800 mg chewable tablet", "oral", "", "mg-antacid"),
        ("Suprep", None, "", "mg-bowel-prep"),
        ("Clenpiq", "oral", "", "mg-bowel-prep"),
        ("Sodium picosulfate / magnesium oxide / citric acid", "oral", "", "mg-bowel-prep"),
        ("Magnesium citrate oral solution", "oral", "", "mg-laxative"),
        ("Magnesium citrate oral solution", "oral", "bowel-cleansing", "mg-bowel-prep"),
        ("Magnesium citrate 100 mg capsule", "oral", "", "mg-oral-supplement"),
        ("Magnesium sulfate", "iv", "", "mg-iv"),
        ("Magnesium sulfate", "im", "", "mg-iv"),
        ("Magnesium sulfate", None, "", "mg-iv"),
        ("Magnesium sulfate 50 % injection", None, "", "mg-iv"),
        ("Magnesium chloride 200 mg/mL injection", None, "", "mg-iv"),
        ("Magnesium sulfate", "oral", "", "mg-laxative"),
        ("Magnesium sulfate enema", None, "", "mg-enema"),
        ("Magnesium sulfate", "rectal", "", "mg-enema"),
        ("Magnesium sulfate (Epsom salt) bath", None, "", "mg-topical"),
        ("Epsom salt soak", None, "", "mg-topical"),
        ("Magnesium oil spray", None, "", "mg-topical"),
        ("Magnesium sulfate", "topical", "", "mg-topical"),
        ("Magnesium chloride", "inhaled", "", "mg-topical"),
        ("Plasma-Lyte 148", "iv", "", "mg-iv-fluid"),
        ("Esomeprazole magnesium 40 mg capsule", "oral", "dyspepsia", "mg-trace"),
    ],
)
def test_a_magnesium_product_has_one_class(text: str, route: str | None, reason: str, expected: str) -> None:
    found = ordered(text, route, *([reason] if reason else []))
    assert {each for each in found if each.startswith("mg-")} == {expected}


@pytest.mark.parametrize(
    ("dosage", "expected"),
    [
        (Dosage(Amount(239, "mL"), 1), "mg-laxative"),
        (Dosage(Amount(240, "mL"), 1), "mg-bowel-prep"),
        (Dosage(Amount(296, "mL"), one_time=True), "mg-bowel-prep"),
        (Dosage(Amount(120, "mL"), 2), "mg-bowel-prep"),
        (Dosage(Amount(1, "unit"), 1, text="1 bottle once"), "mg-bowel-prep"),
        (Dosage(Amount(150, "mL"), 1), "mg-laxative"),
    ],
)
def test_citrate_solution_is_a_preparation_from_240_ml_a_day(dosage: Dosage, expected: str) -> None:
    assert ordered("Citrate of magnesia 1.745 g/30 mL solution", "oral", "constipation", dosage=dosage) == {expected}


@pytest.mark.parametrize(
    ("text", "route", "absent"),
    [
        ("Ketoconazole 2 % cream", None, "ketoconazole"),
        ("Ketoconazole", "topical", "ketoconazole"),
        ("Erythromycin ophthalmic ointment", None, "qt-prolonging"),
        ("Ciprofloxacin eye drops", None, "fluoroquinolone"),
        ("Cyclosporine ophthalmic emulsion", None, "calcineurin-inhibitor"),
        ("Tacrolimus 0.1 % ointment", None, "calcineurin-inhibitor"),
        ("Tobramycin", "inhaled", "aminoglycoside"),
        ("Tobramycin 0.3 % eye drops", None, "aminoglycoside"),
        ("Gentamicin cream", None, "aminoglycoside"),
        ("Pentamidine", "inhaled", "pentamidine-iv"),
        ("Amphotericin B", "oral", "amphotericin-b"),
        ("Colistimethate", "inhaled", "polymyxin"),
        ("Diclofenac gel", None, "nsaid"),
        ("Ondansetron 4 mg tablet", "oral", "qt-prolonging"),
        ("Ondansetron", None, "qt-prolonging"),
        ("Ibandronate", "iv", "oral-bisphosphonate"),
        ("Fusidic acid 20 mg/g", None, "fusidic-acid"),
        ("Azithromycin 250 mg tablet", "oral", "clarithromycin"),
        ("Conjugated estrogens vaginal cream", None, "conjugated-estrogens"),
    ],
)
def test_a_form_that_stays_local_or_another_route_is_not_the_class(text: str, route: str | None, absent: str) -> None:
    assert absent not in ordered(text, route)


@pytest.mark.parametrize(
    ("text", "route", "present"),
    [
        ("Ondansetron", "iv", "qt-prolonging"),
        ("Tobramycin", "iv", "aminoglycoside"),
        ("Gentamicin 80 mg/2 mL injection", None, "aminoglycoside"),
        ("Salmeterol 50 mcg inhaler", None, "beta2-agonist"),
        ("Ketoconazole 200 mg tablet", None, "ketoconazole"),
        ("Pentamidine", "iv", "pentamidine-iv"),
        ("Azithromycin 250 mg tablet", "oral", "qt-prolonging"),
    ],
)
def test_the_systemic_form_is(text: str, route: str | None, present: str) -> None:
    assert present in ordered(text, route)


def test_reasons_leave_other_drugs_alone() -> None:
    assert ordered("Furosemide 40 mg tablet", "oral", "constipation") == {"loop-diuretic"}
