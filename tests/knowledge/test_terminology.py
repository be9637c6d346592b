"""Laboratory codes, problems, symptoms, sites, tests, reasons, events and routes, with the traps of real records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_rules.knowledge.terminology import SymptomMatch, Terminology
from tests.knowledge.tables import ICD10, ICD10_CM, LOINC, SNOMED, terminology

GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
MIMIC_ICD10 = "http://fhir.mimic.mit.edu/CodeSystem/diagnosis-icd10"
MIMIC_ICD9 = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd9"


# ---- laboratory


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        ("creatinine", "2160-0 14682-9 38483-4"),
        ("egfr_reported", "98979-8 98980-6 62238-1 48642-3 33914-3 88293-6"),
        ("cystatin_c", "33863-2"),
        ("magnesium", "19123-9 2601-3 21377-7"),
        ("potassium", "2823-3 6298-4"),
        ("sodium", "2951-2 2947-0"),
        ("calcium", "17861-6 2000-8 49765-1"),
        ("ionized_calcium", "1995-0 1994-3"),
        ("albumin", "1751-7"),
        ("ck", "2157-6"),
        ("tsh", "3016-3"),
        ("vitamin_d_25oh", "1989-3 62292-8"),
        ("qtc", "8636-3"),
        ("bun", "3094-0"),
        ("sbp", "8480-6"),
        ("hr", "8867-4"),
        ("rr", "9279-1"),
        ("weight", "29463-7"),
        ("height", "8302-2"),
    ],
)
def test_the_codes_of_the_specification_and_of_synthea_are_read(key: str, codes: str) -> None:
    for code in codes.split():
        match = terminology().lab([(LOINC, code, "")], "")
        assert match is not None, code
        assert (match.key, match.excluded) == (key, ""), code


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("13969-1", "CK-MB"),
        ("32673-6", "CK-MB"),
        ("20569-0", "CK-MB"),
        ("6773-6", "CK-MB"),
        ("19124-7", "urine"),
        ("2598-1", "urine"),
        ("26746-8", "red cells"),
        ("2597-3", "red cells"),
        ("2600-5", "ionized"),
        ("29365-4", "not serum"),
        ("2161-8", "urine"),
        ("2164-2", "clearance"),
        ("11041-1", "after dialysis"),
        ("24335-2", "panel"),
        ("2828-2", "urine"),
    ],
)
def test_other_specimens_and_fractions_are_known_and_excluded(code: str, why: str) -> None:
    match = terminology().lab([(LOINC, code, "")], "")
    assert match is not None
    assert match.excluded == why


@pytest.mark.parametrize(
    "text", ["Magnesium, Urine", "Magnesium RBC", "Magnesium (dialysate)", "Magnesium, red blood cell", "Magnesium CSF"]
)
def test_a_text_that_names_another_specimen_is_believed_over_the_code(text: str) -> None:
    match = terminology().lab([(LOINC, "19123-9", "")], text)
    assert match is not None
    assert match.excluded


def test_whole_blood_and_blood_are_no_other_specimen() -> None:
    match = terminology().lab([(LOINC, "6298-4", "Potassium [Moles/volume] in Blood")], "Potassium, Whole Blood")
    assert match is not None
    assert not match.excluded


def test_a_loinc_code_that_is_not_listed_is_something_else_whatever_its_name() -> None:
    assert terminology().lab([(LOINC, "99999-9", "Magnesium")], "Magnesium") is None
    assert terminology().lab([("http://example.org", "MG", "Magnesium")], "Magnesium") is None


def test_the_equation_of_an_egfr_is_named() -> None:
    matches = {code: terminology().lab([(LOINC, code, "")], "") for code in ("98979-8", "33914-3", "62238-1")}
    assert {code: match.method for code, match in matches.items() if match} == {
        "98979-8": "CKD-EPI 2021",
        "33914-3": "MDRD",
        "62238-1": "CKD-EPI 2009",
    }


def test_slco1b1_is_known_by_its_name() -> None:
    match = terminology().lab([("http://example.org/lab", "PGX1", "SLCO1B1 phenotype")], "")
    assert match is not None
    assert match.key == "slco1b1"


# ---- problems


@pytest.mark.parametrize(
    ("system", "code", "keys"),
    [
        (ICD10_CM, "N18.31", {"ckd-3a"}),
        (ICD10_CM, "N18.32", {"ckd-3b"}),
        (ICD10_CM, "N18.30", {"ckd-3-unspecified"}),
        (ICD10_CM, "N1832", {"ckd-3b"}),
        (MIMIC_ICD10, "N1832", {"ckd-3b"}),
        (ICD10, "N18.3", {"ckd-3-unspecified"}),
        (GM, "N18.3", {"ckd-3-unspecified"}),
        (ICD10, "N18.4", {"ckd-4"}),
        (GM, "N18.5", {"ckd-5"}),
        (ICD10_CM, "N18.6", {"ckd-5"}),
        (ICD10_CM, "N18.9", {"ckd-unspecified"}),
        (ICD10_CM, "N18.1", set()),
        (ICD10_CM, "N18.2", set()),
        (ICD10_CM, "Z99.2", {"dialysis"}),
        (ICD10_CM, "N17.9", {"aki"}),
        (ICD10_CM, "E11.22", {"diabetes", "ckd-unspecified"}),
        (ICD10_CM, "E11.42", {"diabetes", "neuropathy"}),
        (ICD10_CM, "I13.2", {"hypertension", "heart-failure", "ckd-5"}),
        (ICD10_CM, "G70.00", {"myasthenia-gravis"}),
        (ICD10_CM, "G70.80", {"lambert-eaton"}),
        (ICD10_CM, "I44.2", {"av-block-2-3"}),
        (ICD10_CM, "I44.0", set()),
        (ICD10_CM, "I47.21", {"torsades"}),
        (ICD10_CM, "I47.20", {"ventricular-arrhythmia"}),
        (ICD10, "I47.2", {"ventricular-arrhythmia"}),
        (ICD10_CM, "F10.20", {"alcohol-use-disorder"}),
        (ICD10_CM, "F10.21", set()),
        (ICD10_CM, "K90.821", {"malabsorption", "short-bowel"}),
        (ICD10_CM, "K52.9", {"chronic-diarrhea"}),
        (ICD10_CM, "Z98.84", {"bariatric-surgery"}),
        (ICD10_CM, "O14.13", {"preeclampsia", "pregnancy"}),
        (ICD10_CM, "O15.2", {"eclampsia", "postpartum"}),
        (ICD10_CM, "O80", {"postpartum"}),
        (ICD10_CM, "Z33.1", {"pregnancy"}),
        (ICD10_CM, "Z33.2", set()),
        (ICD10_CM, "M79.7", set()),
        (ICD10_CM, "I42.9", set()),
        (ICD10_CM, "M48.061", {"lumbar-stenosis"}),
        (SNOMED, "431857002", {"ckd-4"}),
        (SNOMED, "105502003", {"dialysis"}),
        (SNOMED, "91637004", {"myasthenia-gravis"}),
        (SNOMED, "77386006", {"pregnancy"}),
        (SNOMED, "103735009", {"comfort-care"}),
        (SNOMED, "61462000", {"malaria"}),
    ],
)
def test_condition_codes(system: str, code: str, keys: set[str]) -> None:
    assert set(terminology().problems([(system, code, "")], "")) == keys


KEYS = (
    "ckd-3a", "ckd-3b", "ckd-3-unspecified", "ckd-4", "ckd-5", "ckd-unspecified", "dialysis", "kidney-transplant",
    "aki", "diabetes", "hypertension", "heart-failure", "myasthenia-gravis", "lambert-eaton", "av-block-2-3",
    "pacemaker", "torsades", "ventricular-arrhythmia", "bowel-obstruction", "preeclampsia", "eclampsia", "oliguria",
    "alcohol-use-disorder", "malabsorption", "chronic-diarrhea", "bariatric-surgery", "short-bowel",
    "gitelman-bartter", "refeeding", "hypothyroidism", "vitamin-d-deficiency", "pad", "cirrhosis", "neuropathy",
    "motor-neuron-disease", "lumbar-stenosis", "dehydration", "muscle-overuse", "malaria", "babesiosis",
    "thrombocytopenia", "infectious-diarrhea", "comfort-care", "myoglobinuria",
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_every_condition_key_has_a_phrase(key: str) -> None:
    phrase = {
        "ckd-3a": "CKD stage 3a",
        "ckd-3b": "CKD stage 3b",
        "ckd-3-unspecified": "CKD stage 3",
        "ckd-4": "CKD stage 4",
        "ckd-5": "ESRD",
        "ckd-unspecified": "Chronic kidney disease",
        "dialysis": "On hemodialysis",
        "kidney-transplant": "Renal transplant",
        "aki": "Acute kidney injury",
        "av-block-2-3": "Complete heart block",
        "pacemaker": "Cardiac pacemaker in situ",
        "torsades": "Torsades de pointes",
        "ventricular-arrhythmia": "Ventricular tachycardia",
        "gitelman-bartter": "Gitelman syndrome",
        "refeeding": "Refeeding syndrome",
        "pad": "Peripheral arterial disease",
        "bowel-obstruction": "Ileus",
        "short-bowel": "Short bowel syndrome",
        "lambert-eaton": "Lambert-Eaton myasthenic syndrome",
        "lumbar-stenosis": "Lumbar spinal stenosis",
    }.get(key, key.replace("-", " "))
    assert key in terminology().problems((), phrase)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Chronic kidney disease, stage IV (severe)", ("ckd-4",)),
        ("Chronic kidney disease, stage 2 (mild)", ()),
        ("Acute kidney failure, unspecified", ("aki",)),
        ("Congestive heart failure, unspecified", ("heart-failure",)),
        ("Renal dialysis status", ("dialysis",)),
        ("ESRD on dialysis", ("ckd-5", "dialysis")),
        ("CKD stage 4, not on dialysis", ("ckd-4",)),
        ("Pulmonary hypertension", ()),
        ("Diabetes insipidus", ()),
        ("Hyposmolality and/or hyponatremia", ()),
        ("Fibromyalgia", ()),
        ("Cardiomyopathy", ()),
        ("Polymyalgia rheumatica", ()),
        ("Family history of diabetes mellitus", ()),
        ("History of acute kidney injury", ()),
        ("? heart failure", ()),
        ("Rule out myasthenia gravis", ()),
        ("No diabetes", ()),
        ("Not pregnant", ()),
        ("Pregnancy test", ()),
        ("Alcohol dependence in remission", ()),
        ("Palliative care consultation", ()),
        ("Comfort measures only", ("comfort-care",)),
        ("Diabetes mellitus without mention of complication, type II", ("diabetes",)),
        ("", ()),
    ],
)
def test_problems_by_text(text: str, keys: tuple[str, ...]) -> None:
    assert terminology().problems((), text) == keys
    assert terminology().problems([(MIMIC_ICD9, "0000", text)], "") == keys


def test_a_usable_code_is_believed_before_its_text() -> None:
    assert terminology().problems([(ICD10_CM, "N18.4", "")], "Chronic kidney disease stage 5") == ("ckd-4",)


def test_a_text_refines_a_code_that_is_too_coarse() -> None:
    assert terminology().problems([(ICD10, "N18.3", "")], "Chronic kidney disease stage 3b") == ("ckd-3b",)
    assert terminology().problems([(ICD10, "I47.2", "")], "Torsades de pointes") == ("torsades",)
    assert terminology().problems([(ICD10_CM, "N18.6", "")], "ESRD on hemodialysis") == ("ckd-5", "dialysis")


# ---- symptoms


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("Leg cramps", SymptomMatch("muscle-cramp", "leg")),
        ("Nocturnal leg cramps", SymptomMatch("muscle-cramp", "leg", timing="nocturnal")),
        ("Cramps in both calves at night", SymptomMatch("muscle-cramp", "calf", "bilateral", "nocturnal")),
        ("Left calf cramp", SymptomMatch("muscle-cramp", "calf", "left")),
        ("Calf cramps on walking", SymptomMatch("muscle-cramp", "calf", timing="exertional")),
        ("Leg cramps during dialysis", SymptomMatch("muscle-cramp", "leg", timing="dialysis")),
        ("Muscle cramps", SymptomMatch("muscle-cramp", "muscle")),
        ("Cramps", SymptomMatch("muscle-cramp")),
        ("Abdominal cramps", SymptomMatch("abdominal-cramp", "abdomen")),
        ("Stomach cramps", SymptomMatch("abdominal-cramp", "stomach")),
        ("Menstrual cramps", SymptomMatch("muscle-cramp", "menstrual", timing="menstrual")),
        ("Wadenkr\u00e4mpfe nachts", SymptomMatch("muscle-cramp", "calf", timing="nocturnal")),
        ("Bilateral thigh muscle pain", SymptomMatch("muscle-pain", "thigh", "bilateral")),
        ("Absent tendon reflexes", SymptomMatch("hyporeflexia")),
        ("Dark urine", SymptomMatch("dark-urine")),
        ("Flaccid paralysis", SymptomMatch("flaccid-paralysis")),
    ],
)
def test_symptoms_by_text(text: str, match: SymptomMatch) -> None:
    assert match in terminology().symptoms((), text)


@pytest.mark.parametrize(
    "text",
    [
        "no cramps",
        "Denies leg cramps",
        "Family history of muscle cramps",
        "history of leg cramps",
        "leg cramps?",
        "Fibromyalgia",
        "Polymyalgia rheumatica",
        "Cardiomyopathy",
        "Bronchospasm",
        "Bladder spasms",
        "Sleep apnea",
        "Seizure disorder",
        "Anorexia nervosa",
        "Infectious diarrhea",
        "",
    ],
)
def test_what_only_looks_like_a_symptom_is_none(text: str) -> None:
    assert terminology().symptoms((), text) == ()


@pytest.mark.parametrize(
    ("system", "code", "match"),
    [
        (ICD10_CM, "R25.2", SymptomMatch("muscle-cramp", muscle_specific=True)),
        (ICD10, "R25.2", SymptomMatch("muscle-cramp", muscle_specific=True)),
        (ICD10_CM, "G47.62", SymptomMatch("muscle-cramp", "leg", timing="nocturnal", muscle_specific=True)),
        (SNOMED, "449917004", SymptomMatch("muscle-cramp", "leg", muscle_specific=True)),
        (SNOMED, "55300003", SymptomMatch("muscle-cramp")),
        (SNOMED, "51197009", SymptomMatch("abdominal-cramp", "stomach")),
        (ICD10_CM, "M79.10", SymptomMatch("muscle-pain")),
        (ICD10_CM, "M62.81", SymptomMatch("muscle-weakness")),
        (ICD10_CM, "R29.2", SymptomMatch("hyporeflexia")),
        (ICD10_CM, "J96.01", SymptomMatch("respiratory-depression")),
        (ICD10_CM, "I44.7", SymptomMatch("heart-block")),
        (LOINC, "66093-6", SymptomMatch("muscle-cramp", "leg")),
    ],
)
def test_symptoms_by_code(system: str, code: str, match: SymptomMatch) -> None:
    assert match in terminology().symptoms([(system, code, "")], "")


def test_an_american_code_is_not_read_out_of_another_edition() -> None:
    assert terminology().symptoms([(GM, "M62.81", "")], "") == ()


def test_nausea_with_vomiting_is_both() -> None:
    assert {each.key for each in terminology().symptoms([(ICD10_CM, "R11.2", "")], "")} == {"nausea", "vomiting"}


def test_the_text_beside_a_generic_code_says_where() -> None:
    (match,) = terminology().symptoms([(SNOMED, "55300003", "Cramp (finding)")], "Abdominal cramps")
    assert match.site == "abdomen"
    (match,) = terminology().symptoms([(ICD10_CM, "R25.2", "Cramp and spasm")], "Right calf cramps")
    assert (match.site, match.side, match.muscle_specific) == ("calf", "right", True)


SYMPTOMS = (
    "muscle-cramp", "muscle-pain", "muscle-tenderness", "muscle-weakness", "muscle-twitch", "tremor", "tetany",
    "paresthesia", "seizure", "loss-of-appetite", "fatigue", "lethargy", "confusion", "depression", "flushing",
    "hyporeflexia", "flaccid-paralysis", "respiratory-depression", "hypotension", "bradycardia", "heart-block",
    "arrhythmia", "irregular-heartbeat", "nausea", "vomiting", "diarrhea", "abdominal-cramp", "bloating",
    "dark-urine", "exertional-leg-pain",
)  # fmt: skip


@pytest.mark.parametrize("key", SYMPTOMS)
def test_every_symptom_key_has_a_phrase(key: str) -> None:
    text = {"muscle-cramp": "muscle cramps", "abdominal-cramp": "abdominal cramps"}.get(key, key.replace("-", " "))
    assert key in {each.key for each in terminology().symptoms((), text)}


@pytest.mark.parametrize(
    ("codings", "text", "expected"),
    [
        ([(SNOMED, "53840002", "Calf structure")], "", ("calf", None)),
        ([(SNOMED, "61685007", ""), (SNOMED, "51440002", "")], "", ("leg", "bilateral")),
        ([], "both legs", ("leg", "bilateral")),
        ([], "left and right thigh", ("thigh", "bilateral")),
        ([], "Right shoulder", ("shoulder", "right")),
        ([], "stomach muscles", ("stomach", None)),
        ([], "something else", (None, None)),
    ],
)
def test_body_sites(codings: list[tuple[str, str, str]], text: str, expected: tuple[str | None, str | None]) -> None:
    assert terminology().body_site(codings, text) == expected


# ---- orders, reasons, events, routes


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("Basic metabolic panel", "bmp"),
        ("BMP", "bmp"),
        ("Comprehensive metabolic panel", "cmp"),
        ("Serum magnesium", "magnesium"),
        ("Magnesium level", "magnesium"),
        ("Magnesium, urine", "other"),
        ("CK", "ck"),
        ("CK-MB", "other"),
        ("12-lead ECG", "ecg"),
        ("25-hydroxyvitamin D", "vitamin-d"),
        ("TSH", "tsh"),
        ("MRI knee", None),
    ],
)
def test_ordered_tests(text: str, test: str | None) -> None:
    assert terminology().test((), text) == test


@pytest.mark.parametrize(
    ("code", "test"),
    [
        ("51990-0", "bmp"),
        ("24323-8", "cmp"),
        ("19123-9", "magnesium"),
        ("19124-7", "other"),
        ("2157-6", "ck"),
        ("13969-1", "other"),
        ("11524-6", "ecg"),
        ("3016-3", "tsh"),
        ("17861-6", "calcium"),
    ],
)
def test_ordered_tests_by_loinc(code: str, test: str) -> None:
    assert terminology().test([(LOINC, code, "")], "") == test


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("for leg cramps", {"cramps"}),
        ("abdominal cramps", {"other"}),
        ("Constipation", {"constipation"}),
        ("heartburn", {"dyspepsia"}),
        ("Bowel cleansing before colonoscopy", {"bowel-cleansing"}),
        ("Hyperphosphataemia", {"hyperphosphatemia"}),
        ("severe pre-eclampsia", {"preeclampsia"}),
        ("Eclampsia", {"eclampsia"}),
        ("fetal neuroprotection", {"fetal-neuroprotection"}),
        ("preterm labour", {"preterm-labour"}),
        ("Torsades de pointes", {"torsades"}),
        ("low magnesium", {"hypomagnesemia"}),
        ("malaria", {"malaria"}),
        ("babesiosis", {"babesiosis"}),
        ("dietary supplement", {"general-health"}),
        ("Migraine prophylaxis", {"other"}),
        ("Denies constipation", {"other"}),
        ("No leg cramps. Heartburn", {"dyspepsia"}),
        ("not for constipation", {"other"}),
        ("constipation ruled out", {"other"}),
        ("leg cramps, no relief from stretching", {"cramps"}),
        ("constipation not relieved by diet", {"constipation"}),
        ("prevention of leg cramps", {"cramps"}),
        ("history of hypomagnesemia", {"hypomagnesemia"}),
        ("", set()),
    ],
)
def test_reasons(text: str, words: set[str]) -> None:
    assert terminology().reasons((), text) == words


def test_reasons_by_code() -> None:
    assert terminology().reasons([(ICD10_CM, "K59.00", "")], "") == {"constipation"}
    assert terminology().reasons([(SNOMED, "449917004", "")], "") == {"cramps"}
    assert terminology().reasons([(SNOMED, "37796009", "Migraine")], "") == {"other"}


@pytest.mark.parametrize(
    ("codings", "text", "event"),
    [
        ([(SNOMED, "265764009", "Renal dialysis")], "", "dialysis"),
        ([(SNOMED, "70536003", "")], "", "kidney-transplant"),
        ([(SNOMED, "11466000", "Cesarean section")], "", "delivery"),
        ([], "Hemodialysis", "dialysis"),
        ([], "Venous catheterization for renal dialysis", None),
        ([], "Creation of arteriovenous fistula for dialysis", None),
        ([], "Awaiting kidney transplant", None),
        ([], "Vaginal delivery", "delivery"),
        ([], "Appendectomy", None),
    ],
)
def test_events(codings: list[tuple[str, str, str]], text: str, event: str | None) -> None:
    assert terminology().event(codings, text) == event


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("PO", "oral"),
        ("by mouth", "oral"),
        ("Take 1 tablet by mouth daily", "oral"),
        ("PO/NG", "oral"),
        ("IV", "iv"),
        ("IV DRIP", "iv"),
        ("IVPB", "iv"),
        ("IM", "im"),
        ("SC", "subcutaneous"),
        ("PR", "rectal"),
        ("Apply to affected area", "topical"),
        ("1 drop in both eyes", "ophthalmic"),
        ("inhale 2 puffs", "inhaled"),
        ("NEB", "inhaled"),
        ("each nostril", "nasal"),
        ("PO or IV", None),
        ("daily", None),
        ("", None),
    ],
)
def test_routes(text: str, route: str | None) -> None:
    assert terminology().route((), text) == route


@pytest.mark.parametrize(
    ("system", "code", "route"),
    [(SNOMED, "26643006", "oral"), (SNOMED, "47625008", "iv"), ("http://standardterms.edqm.eu", "20053000", "oral")],
)
def test_routes_by_code(system: str, code: str, route: str) -> None:
    assert terminology().route([(system, code, "")], "") == route


# ---- laws

CODINGS = st.lists(
    st.tuples(
        st.sampled_from([SNOMED, ICD10, ICD10_CM, LOINC, "", "urn:x"]), st.text(max_size=10), st.text(max_size=30)
    ),
    max_size=3,
)


@given(CODINGS, st.text(max_size=80))
def test_any_coding_and_text_gets_an_answer_and_always_the_same(codings: list[tuple[str, str, str]], text: str) -> None:
    ask = terminology()
    for question in (ask.lab, ask.problems, ask.symptoms, ask.body_site, ask.test, ask.reasons, ask.event, ask.route):
        assert question(codings, text) == question(list(codings), text)


@given(
    st.sampled_from(["N18.4", "G70.00", "F10.20", "E11.42", "K90.821", "R25.2", "O14.13"]),
    st.sampled_from(["{}", " {} "]),
    st.booleans(),
    st.booleans(),
)
def test_dots_case_and_blanks_in_icd_codes_do_not_matter(code: str, frame: str, dotted: bool, lower: bool) -> None:
    written = frame.format(code if dotted else code.replace(".", ""))
    written = written.lower() if lower else written
    assert terminology().problems([(ICD10_CM, written, "")], "") == terminology().problems([(ICD10_CM, code, "")], "")


def test_tables_of_two_packs_add_up() -> None:
    ours = {
        "conditions": [{"key": "gout", "system": ICD10, "code": "M10", "display": "Gout"}],
        "symptoms": [],
        "body_sites": [],
    }
    assert Terminology.from_tables(ours).problems([(ICD10, "M10.9", "")], "") == ("gout",)


def test_no_tables_know_nothing_and_do_not_fail() -> None:
    empty = Terminology.from_tables({})
    assert empty.product([(SNOMED, "1", "")], "magnesium oxide") is None
    assert empty.lab([(LOINC, "19123-9", "")], "") is None
    assert empty.convert("magnesium", 2.0, "mg/dL", "", "") == "unit"
