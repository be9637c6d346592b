"""What the words of the vignettes are called in code systems and on paper; facts of the terminologies, chosen by hand.

Deliberately not read from the pack's value sets: a code missing there must show up as a failing vignette.
"""

from __future__ import annotations

from dataclasses import dataclass

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
UCUM = "http://unitsofmeasure.org"


@dataclass(frozen=True)
class Concept:
    """One meaning with its codes; "" where a system has none that is exact enough. text: as a clinician writes it."""

    text: str
    snomed: str = ""
    icd10cm: str = ""
    icd10: str = ""


@dataclass(frozen=True)
class Product:
    """A product: rxnorm is a product code, or the ingredient's where no product fits. unit: what one dose counts.

    amount: units each dose. paper: how it stands in a text-only list.
    """

    text: str
    rxnorm: str
    rxnorm_name: str
    atc: str
    unit: str = "tablet"
    amount: float = 1
    paper: str = ""


def _elemental(salt: str, code: str, atc: str, unit: str = "capsule") -> dict[tuple[str, float | None, str], Product]:
    """Supplements labelled by their elemental magnesium: no product code says so, hence ingredient code and label."""
    return {
        (f"magnesium {salt}", mg, "elemental"): Product(
            f"Magnesium (as {salt}) {mg} mg elemental {unit}", code, f"magnesium {salt}" if code else "", atc, unit
        )
        for mg in (60, 64, 84, 100, 150, 200, 250, 300, 500)
    }


MAGNESIUM: dict[tuple[str, float | None, str], Product] = {
    **_elemental("oxide", "6582", "A12CC10", "tablet"),
    **_elemental("citrate", "52356", "A12CC04"),
    **_elemental("glycinate", "476818", "A12CC"),
    **_elemental("chloride", "6579", "A12CC01", "tablet"),
    **_elemental("malate", "", "A12CC"),
    **_elemental("trisilicate", "29170", "A02AA05", "chewable tablet"),
    ("magnesium lactate", 84, "elemental"): Product(
        "Magnesium (as lactate) 84 mg elemental extended release tablet",
        "198936",
        "magnesium lactate 84 MG Extended Release Oral Tablet",
        "A12CC06",
    ),
    ("magnesium oxide", 250, "salt"): Product(
        "Magnesium oxide 250 mg tablet", "311429", "magnesium oxide 250 MG Oral Tablet", "A12CC10"
    ),
    ("magnesium oxide", 400, "salt"): Product(
        "Magnesium oxide 400 mg tablet", "198741", "magnesium oxide 400 MG Oral Tablet", "A12CC10"
    ),
    ("magnesium oxide", 420, "salt"): Product(
        "Magnesium oxide 420 mg tablet", "311430", "magnesium oxide 420 MG Oral Tablet", "A12CC10"
    ),
    ("magnesium oxide", 500, "salt"): Product(
        "Magnesium oxide 500 mg tablet", "311431", "magnesium oxide 500 MG Oral Tablet", "A06AD02"
    ),
    ("magnesium oxide", 660, "salt"): Product(
        "Magnesium oxide powder", "6582", "magnesium oxide", "A06AD02", "mg", 660
    ),
    ("magnesium hydroxide", 311, "salt"): Product(
        "Magnesium hydroxide 311 mg chewable tablet", "6581", "magnesium hydroxide", "A02AA04", "chewable tablet"
    ),
    ("magnesium hydroxide", 400, "salt"): Product(
        "Magnesium hydroxide 400 mg chewable tablet",
        "790436",
        "magnesium hydroxide 400 MG Chewable Tablet",
        "A02AA04",
        "chewable tablet",
    ),
    ("magnesium hydroxide", 1200, "salt"): Product(
        "Magnesium hydroxide 80 mg/mL oral suspension",
        "253017",
        "magnesium hydroxide 80 MG/ML Oral Suspension",
        "A02AA04",
        "mL",
        15,
        "Milk of Magnesia 400 mg/5 mL",
    ),
    ("magnesium hydroxide", 2400, "salt"): Product(
        "Magnesium hydroxide 80 mg/mL oral suspension",
        "253017",
        "magnesium hydroxide 80 MG/ML Oral Suspension",
        "A02AA04",
        "mL",
        30,
        "Milk of Magnesia 400 mg/5 mL",
    ),
    ("magnesium citrate", 8725, "salt"): Product(
        "Magnesium citrate 58.2 mg/mL oral solution",
        "1052760",
        "magnesium citrate 58.2 MG/ML Oral Solution",
        "A06AD19",
        "mL",
        150,
        "Citrate of magnesia 1.745 g/30 mL solution",
    ),
    ("aluminum hydroxide / magnesium hydroxide", 200, "salt"): Product(
        "Aluminum hydroxide 200 mg / magnesium hydroxide 200 mg chewable tablet",
        "307747",
        "aluminum hydroxide 200 MG / magnesium hydroxide 200 MG / simethicone 25 MG Chewable Tablet",
        "A02AD01",
        "chewable tablet",
    ),
    ("aluminum hydroxide / magnesium hydroxide", 400, "salt"): Product(
        "Aluminum hydroxide 40 mg/mL / magnesium hydroxide 40 mg/mL oral suspension",
        "243463",
        "aluminum hydroxide 40 MG/ML / magnesium hydroxide 40 MG/ML Oral Suspension",
        "A02AD01",
        "mL",
        10,
    ),
    ("calcium acetate / magnesium carbonate", 60, "elemental"): Product(
        "Calcium acetate 435 mg / magnesium carbonate (60 mg elemental magnesium) tablet", "", "", "V03AE04"
    ),
    ("multivitamin with minerals", 100, "elemental"): Product(
        "Multivitamin with minerals (magnesium 100 mg elemental) tablet", "", "", "A11AA03"
    ),
    ("sodium picosulfate / magnesium oxide / citric acid", 3500, "salt"): Product(
        "Sodium picosulfate 10 mg / magnesium oxide 3.5 g / citric acid 12 g in 160 mL oral solution",
        "1994540",
        "citric acid 75 MG/ML / magnesium oxide 21.9 MG/ML / picosulfate sodium 0.0625 MG/ML Oral Solution",
        "A06AB58",
        "mL",
        160,
    ),
}
"""(ingredient, strength in mg, basis of the strength) -> product."""

IV_MAGNESIUM = Product(
    "Magnesium sulfate 40 mg/mL injection", "1658264", "500 ML magnesium sulfate 40 MG/ML Injection", "B05XA05", "g"
)
EPSOM_SALT = Product("Magnesium sulfate (Epsom salt) bath", "6585", "magnesium sulfate", "D11AX05", "bath")


def _drug(text: str, rxnorm: str, rxnorm_name: str, atc: str, unit: str = "tablet", amount: float = 1) -> Product:
    return Product(text, rxnorm, rxnorm_name, atc, unit, amount)


STATINS: dict[tuple[str, float], Product] = {
    ("simvastatin", 10): _drug("Simvastatin 10 mg tablet", "314231", "simvastatin 10 MG Oral Tablet", "C10AA01"),
    ("simvastatin", 20): _drug("Simvastatin 20 mg tablet", "312961", "simvastatin 20 MG Oral Tablet", "C10AA01"),
    ("simvastatin", 40): _drug("Simvastatin 40 mg tablet", "198211", "simvastatin 40 MG Oral Tablet", "C10AA01"),
    ("simvastatin", 80): _drug("Simvastatin 80 mg tablet", "200345", "simvastatin 80 MG Oral Tablet", "C10AA01"),
    ("pravastatin", 40): _drug("Pravastatin 40 mg tablet", "904475", "pravastatin sodium 40 MG Oral Tablet", "C10AA03"),
    ("atorvastatin", 40): _drug("Atorvastatin 40 mg tablet", "617311", "atorvastatin 40 MG Oral Tablet", "C10AA05"),
    ("rosuvastatin", 10): _drug(
        "Rosuvastatin 10 mg tablet", "859747", "rosuvastatin calcium 10 MG Oral Tablet", "C10AA07"
    ),
    ("rosuvastatin", 20): _drug(
        "Rosuvastatin 20 mg tablet", "859751", "rosuvastatin calcium 20 MG Oral Tablet", "C10AA07"
    ),
    ("rosuvastatin", 40): _drug(
        "Rosuvastatin 40 mg tablet", "859419", "rosuvastatin calcium 40 MG Oral Tablet", "C10AA07"
    ),
}

DRUGS: dict[str, Product] = {
    "amlodipine": _drug("Amlodipine 5 mg tablet", "197361", "amlodipine 5 MG Oral Tablet", "C08CA01"),
    "chlorthalidone": _drug("Chlorthalidone 25 mg tablet", "197499", "chlorthalidone 25 MG Oral Tablet", "C03BA04"),
    "ciprofloxacin": _drug("Ciprofloxacin 500 mg tablet", "309309", "ciprofloxacin 500 MG Oral Tablet", "J01MA02"),
    "clarithromycin": _drug("Clarithromycin 500 mg tablet", "197517", "clarithromycin 500 MG Oral Tablet", "J01FA09"),
    "digoxin": _drug("Digoxin 0.125 mg tablet", "197604", "digoxin 0.125 MG Oral Tablet", "C01AA05"),
    "escitalopram": _drug("Escitalopram 10 mg tablet", "321988", "escitalopram", "N06AB10"),
    "esomeprazole magnesium": _drug(
        "Esomeprazole magnesium 40 mg delayed release capsule",
        "606730",
        "esomeprazole 40 MG Delayed Release Oral Capsule",
        "A02BC05",
        "capsule",
    ),
    "formoterol": _drug(
        "Formoterol 10 micrograms/mL inhalation solution",
        "1246319",
        "formoterol fumarate 0.01 MG/ML Inhalation Solution",
        "R03AC13",
        "mL",
        2,
    ),
    "furosemide": _drug("Furosemide 40 mg tablet", "313988", "furosemide 40 MG Oral Tablet", "C03CA01"),
    "gemfibrozil": _drug("Gemfibrozil 600 mg tablet", "310459", "gemfibrozil 600 MG Oral Tablet", "C10AB04"),
    "hydrochlorothiazide": Product(
        "Hydrochlorothiazide 25 mg tablet",
        "310798",
        "hydrochlorothiazide 25 MG Oral Tablet",
        "C03AA03",
        paper="HCTZ 25 mg",
    ),
    "indapamide": _drug("Indapamide 2.5 mg tablet", "197816", "indapamide 2.5 MG Oral Tablet", "C03BA11"),
    "methadone": _drug("Methadone 10 mg tablet", "6813", "methadone", "N07BC02"),
    "omeprazole": _drug(
        "Omeprazole 20 mg delayed release capsule",
        "198051",
        "omeprazole 20 MG Delayed Release Oral Capsule",
        "A02BC01",
        "capsule",
    ),
    "pantoprazole": _drug(
        "Pantoprazole 40 mg delayed release tablet",
        "314200",
        "pantoprazole 40 MG Delayed Release Oral Tablet",
        "A02BC02",
    ),
    "potassium chloride": _drug(
        "Potassium chloride 10 mEq extended release capsule",
        "312504",
        "potassium chloride 10 MEQ Extended Release Oral Capsule",
        "A12BA01",
        "capsule",
    ),
    "quinine": _drug(
        "Quinine sulfate 324 mg capsule", "997010", "quinine sulfate 324 MG Oral Capsule", "P01BC01", "capsule"
    ),
    "rocuronium": _drug(
        "Rocuronium bromide 10 mg/mL injection",
        "1234995",
        "rocuronium bromide 10 MG/ML Injectable Solution",
        "M03AC09",
        "mL",
        5,
    ),
    "salmeterol": _drug(
        "Salmeterol 50 micrograms dry powder inhaler",
        "866048",
        "60 ACTUAT salmeterol 0.05 MG/ACTUAT Dry Powder Inhaler",
        "R03AC12",
        "puff",
    ),
    "sotalol": _drug("Sotalol 80 mg tablet", "1923426", "sotalol hydrochloride 80 MG Oral Tablet", "C07AA07"),
    "spironolactone": _drug("Spironolactone 25 mg tablet", "313096", "spironolactone 25 MG Oral Tablet", "C03DA01"),
}

ROUTES = {  # word -> (SNOMED CT, name, on paper)
    "oral": ("26643006", "Oral route", "PO"),
    "iv": ("47625008", "Intravenous route", "IV"),
    "inhaled": ("447694001", "Respiratory tract route", "inhaled"),
    "topical": ("6064005", "Topical route", "topical"),
}

REASONS: dict[str, Concept] = {
    "analgesia": Concept("Analgesia", "22253000"),
    "asthma": Concept("Asthma", "195967001", "J45.909", "J45.9"),
    "colonoscopy": Concept("Bowel cleansing before colonoscopy"),
    "constipation": Concept("Constipation", "14760008", "K59.00", "K59.0"),
    "cramps": Concept("Leg cramps", "449917004", "R25.2", "R25.2"),
    "dyspepsia": Concept("Dyspepsia", "162031009", "K30", "K30"),
    "eclampsia": Concept("Eclampsia", "15938005", "O15.9", "O15.9"),
    "general-health": Concept("General health"),
    "hyperphosphatemia": Concept("Hyperphosphatemia", "20165001", "E83.39", "E83.3"),
    "hypomagnesemia": Concept("Hypomagnesemia", "190855004", "E83.42", "E83.4"),
    "malaria": Concept("Malaria", "61462000", "B54", "B54"),
    "migraine": Concept("Migraine prophylaxis", "37796009", "G43.909", "G43.9"),
    "preeclampsia": Concept("Pre-eclampsia", "398254007", "O14.90", "O14.9"),
    "torsades": Concept("Torsades de pointes", "31722008", "I47.21"),
}

CONDITIONS: dict[str, Concept] = {
    "alcohol-use-disorder": Concept("Alcohol use disorder", "7200002", "F10.20", "F10.2"),
    "av-block-2-3": Concept("Complete atrioventricular block", "27885002", "I44.2", "I44.2"),
    "bariatric-surgery": Concept("Status post bariatric surgery", "", "Z98.84"),
    "chronic-diarrhea": Concept("Chronic diarrhea", "", "K52.9", "K52.9"),
    "ckd-3-unspecified": Concept("Chronic kidney disease stage 3", "433144002", "N18.30", "N18.3"),
    "ckd-4": Concept("Chronic kidney disease stage 4", "431857002", "N18.4", "N18.4"),
    "ckd-5": Concept("Chronic kidney disease stage 5", "433146000", "N18.5", "N18.5"),
    "comfort-care": Concept("Palliative care", "103735009", "Z51.5", "Z51.5"),
    "dialysis": Concept("Dependence on renal dialysis", "105502003", "Z99.2", "Z99.2"),
    "eclampsia": Concept("Eclampsia", "15938005", "O15.9", "O15.9"),
    "malabsorption": Concept("Malabsorption", "32230006", "K90.9", "K90.9"),
    "malaria": Concept("Malaria", "61462000", "B54", "B54"),
    "myasthenia-gravis": Concept("Myasthenia gravis", "91637004", "G70.00", "G70.0"),
    "pad": Concept("Peripheral artery disease", "399957001", "I73.9", "I73.9"),
    "preeclampsia": Concept("Pre-eclampsia", "398254007", "O14.90", "O14.9"),
    "pregnant": Concept("Pregnant", "77386006", "Z33.1"),
    "torsades": Concept("Torsades de pointes", "31722008", "I47.21"),
}
"""Where WHO ICD-10 is too coarse (torsades, bariatric status, pregnancy found by chance) SNOMED CT or text decides."""

SYMPTOMS: dict[str, Concept] = {
    "dark-urine": Concept("Dark urine", "39575007"),
    "diarrhea": Concept("Diarrhea", "62315008", "R19.7"),
    "hyporeflexia": Concept("Absent tendon reflexes", "349006", "R29.2", "R29.2"),
    "lethargy": Concept("Lethargy", "214264003", "R40.0", "R40.0"),
    "muscle-cramp": Concept("Cramps", "55300003", "R25.2", "R25.2"),
    "muscle-pain": Concept("Muscle pain", "68962001", "M79.10", "M79.1"),
    "muscle-weakness": Concept("Muscle weakness", "26544005", "M62.81"),
    "seizure": Concept("Seizure", "91175000", "R56.9", "R56.8"),
    "tremor": Concept("Tremor", "26079004", "R25.1", "R25.1"),
}

SITES: dict[str, Concept] = {
    "abdomen": Concept("Abdomen", "818983003"),
    "calf": Concept("Calf", "53840002"),
    "generalized": Concept("Generalized"),
    "leg": Concept("Leg", "61685007"),
    "menstrual": Concept("Uterus", "35039007"),
    "thigh": Concept("Thigh", "68367000"),
}
SITE_ON_PAPER = {
    "abdomen": "Abdominal",
    "calf": "Calf",
    "generalized": "Generalized",
    "leg": "Leg",
    "menstrual": "Menstrual",
    "thigh": "Thigh",
}
BOTH_SIDES = ("51440002", "Right and left")
TIMING_ON_PAPER = {"nocturnal": "at night", "exertional": "on walking", "intradialytic": "during dialysis"}


@dataclass(frozen=True)
class Lab:
    """One analyte: LOINC as most laboratories send it, as Synthea sends it, and in SI units; si: (unit, factor)."""

    name: str
    loinc: str
    loinc_name: str
    synthea: tuple[str, str] | None = None
    molar: tuple[str, str] | None = None
    si: tuple[str, float] | None = None


LABS: dict[str, Lab] = {
    "ck": Lab("CK", "2157-6", "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma"),
    "creatinine": Lab(
        "Creatinine",
        "2160-0",
        "Creatinine [Mass/volume] in Serum or Plasma",
        ("38483-4", "Creatinine [Mass/volume] in Blood"),
        ("14682-9", "Creatinine [Moles/volume] in Serum or Plasma"),
        ("umol/L", 88.4),
    ),
    "egfr_reported": Lab(
        "eGFR",
        "98979-8",
        "Glomerular filtration rate/1.73 sq M.predicted [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)",
        (
            "33914-3",
            "Glomerular filtration rate [Volume Rate/Area] in Serum or Plasma by Creatinine-based formula (MDRD)/1.73 sq M",
        ),
    ),
    "magnesium": Lab(
        "Magnesium",
        "19123-9",
        "Magnesium [Mass/volume] in Serum or Plasma",
        ("19123-9", "Magnesium [Mass/volume] in Serum or Plasma"),
        ("2601-3", "Magnesium [Moles/volume] in Serum or Plasma"),
        ("mmol/L", 1 / 2.4305),
    ),
    "potassium": Lab(
        "Potassium",
        "2823-3",
        "Potassium [Moles/volume] in Serum or Plasma",
        ("6298-4", "Potassium [Moles/volume] in Blood"),
    ),
    "qtc": Lab("QTc interval", "8636-3", "Q-T interval corrected"),
    "sodium": Lab(
        "Sodium", "2951-2", "Sodium [Moles/volume] in Serum or Plasma", ("2947-0", "Sodium [Moles/volume] in Blood")
    ),
}

SPELLINGS: dict[str, tuple[str, ...]] = {
    "mg/dL": ("mg/dl", "MG/DL", "mg/100mL", "mg per dL", "mg%"),
    "mmol/L": ("mmol/l", "MMOL/L", "mM", "mmoles/L"),
    "meq/L": ("mEq/L", "MEQ/L", "meq/l"),
    "mL/min/{1.73_m2}": ("mL/min/1.73m2", "mL/min/1.73 m2", "ml/min/1.73m2", "mL/min/1.73 m²"),
    "U/L": ("IU/L", "U/l", "Units/L", "[IU]/L"),
    "ms": ("msec", "milliseconds"),
    "/min": ("bpm", "beats/min", "1/min"),
    "mm[Hg]": ("mmHg", "mm Hg"),
    "kg": ("Kg", "kgs"),
    "cm": ("CM",),
}
"""Unit -> spellings seen in the wild that mean the same."""

VITALS = {
    "hr": ("8867-4", "Heart rate"),
    "rr": ("9279-1", "Respiratory rate"),
    "weight": ("29463-7", "Body weight"),
    "height": ("8302-2", "Body height"),
}
TESTS = {"bmp": ("51990-0", "Basic metabolic panel - Blood")}
