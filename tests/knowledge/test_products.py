"""Products: every class can be reached by code, by ATC and by name; amounts are read only where they are certain."""

from __future__ import annotations

import csv
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.knowledge.classes import classes
from cds_rules.vocabulary.chart import Dosage, Product
from tests.knowledge.tables import ATC, NDC, RXNORM, tables, terminology
from tests.shared import SHARED, needs_shared

CLASSES = {  # clinical specification 5.1: class -> (a name, an RxNorm code, ATC codes below the groups it gives)
    "mg-oral-supplement": ("Magnesium oxide 400 mg tablet", "198741", "A12CC10 A12CC"),
    "mg-laxative": ("Milk of Magnesia", "253017", "A06AD01 A06AD02 A06AD03 A06AD04 A06AD19"),
    "mg-antacid": ("Maalox", "307747", "A02AA05 A02AD01"),
    "mg-bowel-prep": ("Suprep", "1120068", "A06AB58 A06AD10"),
    "mg-iv": ("Magnesium sulfate 40 mg/mL injection", "1658264", "B05XA05 B05XA11"),
    "mg-binder": ("Calcium acetate / magnesium carbonate tablet", "", "V03AE04"),
    "mg-trace": ("Esomeprazole magnesium", "2001252", ""),
    "mg-topical": ("Epsom salt bath", "", "D11AX05"),
    "loop-diuretic": ("Frusemide", "313988", "C03CA01 C03EB01"),
    "thiazide-diuretic": ("HCTZ", "310798", "C03AA03 C03BA04 C03EA01 C09BA03 C09DA01 C07BB02"),
    "k-sparing-diuretic": ("Spironolactone", "313096", "C03DA01 C03EA01"),
    "statin": ("Simvastatin", "36567", "C10AA01 C10BA02"),
    "ppi": ("Pantoprazole", "40790", "A02BC01"),
    "digoxin": ("Digoxin", "3407", "C01AA05"),
    "aminoglycoside": ("Gentamicin", "1596450", "J01GB03"),
    "amphotericin-b": ("AmBisome", "732", "J02AA01"),
    "foscarnet": ("Foscarnet", "33562", "J05AD01"),
    "pentamidine-iv": ("Pentamidine", "7994", "P01CX01"),
    "cisplatin": ("Cisplatin", "2555", "L01XA01"),
    "anti-egfr-mab": ("Cetuximab", "318341", "L01FE01"),
    "calcineurin-inhibitor": ("Tacrolimus", "42316", "L04AD01 L04AD02"),
    "nmb": ("Rocuronium", "68139", "M03AC09"),
    "polymyxin": ("Colistin", "", "J01XB01"),
    "qt-prolonging": ("Sotalol", "321988", "C01BD01 N05AD01 N07BC02"),
    "quinine": ("Quinine sulfate", "9071", "P01BC01"),
    "beta2-agonist": ("Salbutamol", "435", "R03AC02 R03AK06 R03AL01 R03CC02"),
    "raloxifene": ("Raloxifene", "1490067", "G03XC01"),
    "teriparatide": ("Teriparatide", "", "H05AA02"),
    "naproxen": ("Naproxen", "", "M01AE02"),
    "nifedipine": ("Nifedipine", "", "C08CA05"),
    "iron-sucrose-iv": ("Iron sucrose", "", "B03AC"),
    "conjugated-estrogens": ("Conjugated estrogens", "", "G03CA57"),
    "cholinesterase-inhibitor": ("Donepezil", "135447", "N06DA02"),
    "tetracycline": ("Doxycycline", "3640", "J01AA02"),
    "fluoroquinolone": ("Ciprofloxacin", "2551", "J01MA02"),
    "levothyroxine": ("L-thyroxine", "", "H03AA01"),
    "oral-bisphosphonate": ("Alendronic acid", "", "M05BA04"),
    "insti": ("Dolutegravir", "1433868", "J05AJ03"),
    "mycophenolate": ("Mycophenolate mofetil", "", "L04AA06"),
    "sps": ("Kayexalate", "", "V03AE01"),
    "potassium-supplement": ("Potassium chloride 10 mEq capsule", "312504", "A12BA01"),
    "calcium-supplement": ("Calcium carbonate 500 mg tablet", "", "A12AA04"),
    "nsaid": ("Ibuprofen", "", "M01AE01"),
    "acei-arb": ("Lisinopril", "", "C09AA03 C09CA01 C09BA03 C09DA01"),
}


def known(system: str, code: str, text: str = "") -> set[str]:
    """The classes of a product that is given by one code, as ordered without more."""
    product = terminology().product([(system, code, "")], text)
    return (
        set()
        if product is None
        else set(classes(product, route=None, reasons=frozenset(), dosage=Dosage(), label=text))
    )


def named(text: str, codings: Sequence[tuple[str, str, str]] = ()) -> Product:
    """A product that must be known."""
    product = terminology().product(codings, text)
    assert product is not None, text
    return product


@pytest.mark.parametrize(("key", "text"), [(key, each[0]) for key, each in CLASSES.items()])
def test_every_class_is_reached_by_name(key: str, text: str) -> None:
    product = named(text)
    assert key in classes(product, route=None, reasons=frozenset(), dosage=Dosage(), label=text)


@pytest.mark.parametrize(("key", "code"), [(key, each[1]) for key, each in CLASSES.items() if each[1]])
def test_classes_are_reached_by_rxnorm(key: str, code: str) -> None:
    assert key in known(RXNORM, code)


NOT_IN_RXNORM_ROWS = {"mg-topical", "mg-binder", "polymyxin", "iron-sucrose-iv", "conjugated-estrogens", "teriparatide"}
"""Classes whose products stand in no row of the terminology tables; name and ATC reach them."""


@pytest.mark.parametrize("key", sorted(CLASSES.keys() - NOT_IN_RXNORM_ROWS))
def test_every_other_class_is_reached_by_some_rxnorm_code(key: str) -> None:
    codes = [
        row["code"]
        for table in ("rxnorm_products", "medication_classes")
        for row in tables()[table]
        if row["system"] == RXNORM
    ]
    assert any(key in product.classes for code in codes if (product := terminology().product([(RXNORM, code, "")], "")))


@pytest.mark.parametrize(("key", "code"), [(key, code) for key, each in CLASSES.items() for code in each[2].split()])
@pytest.mark.parametrize("system", [ATC, "http://fhir.de/CodeSystem/bfarm/atc", "urn:oid:2.16.840.1.113883.6.73"])
def test_classes_are_reached_by_atc(key: str, code: str, system: str) -> None:
    assert key in known(system, code)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("M05BA08", "oral-bisphosphonate"),
        ("M03AX01", "nmb"),
        ("J01GB05", "aminoglycoside"),
        ("C03XA01", "loop-diuretic"),
    ],
)
def test_atc_groups_do_not_take_in_what_is_another_drug(code: str, absent: str) -> None:
    assert absent not in known(ATC, code)


def test_every_partner_of_the_interaction_tables_is_a_class_of_some_name() -> None:
    reachable = {row["key"] for row in tables()["medication_classes"]}
    partners = {row["partner"] for name in ("statin_interactions", "absorption_interactions") for row in tables()[name]}
    assert partners - reachable - {"rosuvastatin"} == set()
    for row in tables()["statin_interactions"]:
        ingredient = row["partner"].replace("-", " ")
        assert row["partner"] in named(ingredient).classes, ingredient


# ---- text


@pytest.mark.parametrize(
    ("text", "salt", "elemental_mg", "per", "basis", "upper_mg"),
    [
        ("Magnesium oxide 400 mg tablet", "magnesium oxide", 241.2, "unit", "salt", None),
        ("Mag-Ox 400", "magnesium oxide", 241.2, "unit", "salt", None),
        ("MAGNESIUM OXIDE 250 MG", "magnesium oxide", 150.8, "unit", "ambiguous", 250),
        ("Magnesium citrate 200 mg capsule", "magnesium citrate", 32.32, "unit", "ambiguous", 200),
        ("Magnesium 250 mg tablet", "magnesium", 250, "unit", "elemental", None),
        ("Magnesium (as citrate) 200 mg elemental capsule", "magnesium citrate", 200, "unit", "elemental", None),
        ("Magnesium (as glycinate) 100 mg", "magnesium glycinate", 100, "unit", "elemental", None),
        ("magnesium oxide 400 mg (241.3 mg magnesium) tablet", "magnesium oxide", 241.3, "unit", "elemental", None),
        ("MAGNESIUM OXIDE 400 (241.3 Mg) MG TABS", "magnesium oxide", 241.3, "unit", "elemental", None),
        ("Magnesium citrate 150 mg (as magnesium) capsule", "magnesium citrate", 150, "unit", "elemental", None),
        ("100 mg of magnesium citrate", "magnesium citrate", 16.2, "unit", "ambiguous", 100),
        ("Magnesium chloride 64 mg tablet", "magnesium chloride", 64, "unit", "elemental", None),
        ("Magnaspartate 10 mmol sachet", "magnesium aspartate", 243.05, "unit", "elemental", None),
        ("Multivitamin with minerals (magnesium 100 mg elemental) tablet", "magnesium", 100, "unit", "elemental", None),
        ("Milk of Magnesia 400 mg/5 mL", "magnesium hydroxide", 33.341, "mL", "salt", None),
        ("Milk of Magnesia", "magnesium hydroxide", 33.341, "mL", "salt", None),
        ("MAGNESIUM HYDROXIDE 400 MG/5ML", "magnesium hydroxide", 33.341, "mL", "salt", None),
        ("Citrate of magnesia 1.745 g/30 mL solution", "magnesium citrate", 9.4, "mL", "salt", None),
        ("magnesium sulf 2gm/50ml 50ml bag", "magnesium sulfate", 3.945, "mL", "salt", None),
        ("Magnesium sulfate 50 % injection", "magnesium sulfate", 49.307, "mL", "salt", None),
        ("Magnesiumcitrat 300 mg Kapseln", "magnesium citrate", 48.48, "unit", "ambiguous", 300),
        ("Maalox", "magnesium hydroxide", None, "unit", "salt", None),
        ("Magnesium oxide powder", "magnesium oxide", None, "unit", "salt", None),
        ("Magnesium malate 1,250 mg tablet", "magnesium malate", 194.25, "unit", "ambiguous", 1250),
    ],
)
def test_magnesium_is_read_from_text(
    text: str, salt: str, elemental_mg: float | None, per: str, basis: str, upper_mg: float | None
) -> None:
    content = named(text).magnesium
    assert content is not None
    assert (content.salt, content.per, content.basis, content.upper_mg) == (salt, per, basis, upper_mg)
    assert content.elemental_mg == (elemental_mg if elemental_mg is None else pytest.approx(elemental_mg, rel=2e-3))


@pytest.mark.parametrize(
    ("text", "strengths"),
    [
        ("Simvastatin 40 mg tablet", [("simvastatin", 40, "unit")]),
        ("SIMVASTATIN TAB 20MG", [("simvastatin", 20, "unit")]),
        ("ezetimibe 10 MG / simvastatin 40 MG Oral Tablet", [("ezetimibe", 10, "unit"), ("simvastatin", 40, "unit")]),
        ("amlodipine-atorvastatin 10-80 mg tablet", [("amlodipine", 10, "unit"), ("atorvastatin", 80, "unit")]),
        ("HCT 12,5mg", [("hydrochlorothiazide", 12.5, "unit")]),
        ("furosemide 10 mg/mL oral solution", [("furosemide", 10, "mL")]),
        ("Levothyroxine 75 \u00b5g tablet", [("levothyroxine", 0.075, "unit")]),
        ("100 ML magnesium sulfate 40 MG/ML Injection", [("magnesium sulfate", 40, "mL")]),
        ("Novelzine 5 mg / simvastatin 20 mg tablet", [("simvastatin", 20, "unit")]),
        ("Vytorin 10-40 mg", []),
        ("Simvastatin", []),
    ],
)
def test_strengths_are_read_where_they_are_certain(text: str, strengths: list[tuple[str, float, str]]) -> None:
    assert [(name, pytest.approx(amount), per) for name, amount, per in strengths] == list(named(text).strengths)


@pytest.mark.parametrize(
    "text",
    [
        "magnesium stearate",
        "Contains magnesium stearate",
        "magnesium free multivitamin",
        "no magnesium",
        "low magnesium",
        "magnesium level",
        "serum magnesium",
        "Dianeal PD-2",
        "peritoneal dialysis solution",
        "Multivitamin",
        "Amoxicillin 500 mg",
        "Sodium phosphate enema",
        "",
    ],
)
def test_what_is_no_magnesium_product_is_not_known_as_one(text: str) -> None:
    product = terminology().product((), text)
    assert product is None or product.magnesium is None


@pytest.mark.parametrize(
    ("text", "codings"),
    [
        ("Esomeprazole magnesium 40 mg capsule", ()),
        ("esomeprazole magnesium", ()),
        ("Omeprazole magnesium", ()),
        ("Nexium 40 mg", ()),
        ("Prilosec OTC", ()),
        ("Esomeprazole magnesium 40 mg", ((RXNORM, "606730", "esomeprazole 40 MG Delayed Release Oral Capsule"),)),
        ("Esomeprazole magnesium", ((ATC, "A02BC05", "esomeprazole"),)),
    ],
)
def test_the_counter_ion_of_another_drug_is_never_a_source(text: str, codings: Sequence[tuple[str, str, str]]) -> None:
    product = named(text, codings)
    assert product.magnesium is None
    assert {"ppi", "mg-trace"} <= product.classes


def test_a_separator_keeps_two_drugs_apart() -> None:
    product = named("omeprazole 20 mg / magnesium oxide 400 mg")
    assert set(product.ingredients) == {"omeprazole", "magnesium oxide"}
    assert product.magnesium is not None


def test_ck_and_mg_as_units_are_not_drugs() -> None:
    assert terminology().product((), "Take 400 mg daily") is None


SEEN = [row for row in tables()["medication_names"] if row["kind"] == "name"]


@needs_shared
def test_texts_seen_in_the_world_are_understood_as_magnesium() -> None:
    with (SHARED / "terminology" / "name_patterns.csv").open(encoding="utf-8", newline="") as file:
        seen = [row["pattern"] for row in csv.DictReader(file) if row["kind"] == "seen_text"]
    assert len(seen) == 40
    unknown = [text for text in seen if not (product := terminology().product((), text)) or product.magnesium is None]
    assert unknown == []


@needs_shared
def test_every_rxnorm_product_gives_the_ingredients_its_name_says() -> None:
    with (SHARED / "terminology" / "magnesium_products.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            product = terminology().product([(RXNORM, row["rxcui"], "")], "")
            assert product is not None, row["rxcui"]
            if row["category"].startswith("excluded"):
                assert product.magnesium is None
                assert not product.classes
            elif row["elemental_mg_per_unit"] and row["rxcui"] != "1100742":
                assert product.magnesium is not None
                assert product.magnesium.elemental_mg == float(row["elemental_mg_per_unit"])


# ---- codes


def test_a_brand_code_takes_the_content_of_its_generic() -> None:
    brand = next(
        row
        for row in tables()["rxnorm_products"]
        if row["tty"] == "SBD" and row["key"] == "magnesium oxide" and row["generic"] == "198741"
    )
    content = named("", [(RXNORM, brand["code"], "")]).magnesium
    assert content is not None
    assert content.elemental_mg == 241.2


def test_ndc_is_read_with_and_without_hyphens() -> None:
    row = next(row for row in tables()["ndc"] if row["key"] == "198741")
    plain = row["code"]
    for code in (plain, f"{plain[:5]}-{plain[5:9]}-{plain[9:]}"):
        assert named("", [(NDC, code, "")]).ingredients == ("magnesium oxide",)


def test_a_code_of_an_unknown_system_leaves_the_word_to_the_text() -> None:
    product = named(
        "Magnesium Sulfate",
        [("http://hl7.org/fhir/sid/ndc", "00409672924", ""), ("http://example.org/formulary", "MAG2PM", "")],
    )
    assert product.ingredients == ("magnesium sulfate",)


def test_an_ingredient_code_takes_strength_and_form_from_the_text() -> None:
    product = named("Magnesium (as citrate) 300 mg elemental capsule", [(RXNORM, "52356", "magnesium citrate")])
    assert product.magnesium is not None
    assert (product.magnesium.elemental_mg, product.route, product.dose_form) == (300, "oral", "capsule")


def test_a_product_code_does_not_listen_to_the_text() -> None:
    product = named("Magnesium citrate 100 mg", [(RXNORM, "198741", "")])
    assert product.ingredients == ("magnesium oxide",)


def test_the_group_a_hydroxide_is_filed_under_does_not_make_a_suspension_an_antacid() -> None:
    assert "mg-laxative" in named("Magnesium hydroxide 80 mg/mL oral suspension", [(ATC, "A02AA04", "")]).classes
    assert "mg-antacid" in named("Magnesium hydroxide 311 mg chewable tablet", [(ATC, "A02AA04", "")]).classes


def test_a_skin_group_of_atc_makes_a_plain_name_local() -> None:
    product = named("Ketoconazol", [(ATC, "D01AC08", "Ketoconazol")])
    assert product.route == "topical"
    assert "ketoconazole" not in product.classes


def test_dialysis_and_irrigation_fluids_hold_no_class() -> None:
    product = named("Dianeal PD-2/1.5 magnesium chloride", [(RXNORM, "800057", "")])
    assert not product.classes
    assert product.magnesium is None


@given(
    st.text(max_size=60),
    st.lists(
        st.tuples(st.sampled_from([RXNORM, ATC, NDC, "", "urn:x"]), st.text(max_size=12), st.text(max_size=30)),
        max_size=3,
    ),
)
def test_any_coding_and_text_gets_an_answer(text: str, codings: list[tuple[str, str, str]]) -> None:
    product = terminology().product(codings, text)
    assert product is None or product.ingredients or product.classes


@given(
    st.sampled_from([row["display"] for row in SEEN]), st.sampled_from(["{}", "  {} ", "{}.", "({})"]), st.booleans()
)
def test_case_and_punctuation_around_a_name_do_not_matter(name: str, frame: str, shout: bool) -> None:
    text = frame.format(name)
    assert terminology().product((), text.upper() if shout else text) is not None


@given(st.sampled_from([row["display"] for row in SEEN if len(row["display"]) > 5]))
def test_a_name_inside_a_longer_word_is_not_found(name: str) -> None:
    word = "".join(each for each in name if each.isalpha())
    product = terminology().product((), f"xq{word}qx")
    assert product is None
