"""A terminology of a dozen words, so that tests of reading do not depend on the pack's tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cds_rules.knowledge.terminology import Coding, LabMatch, Question, SymptomMatch, Terminology
from cds_rules.vocabulary.chart import MagnesiumContent, Product

LABS = {
    "2160-0": "creatinine", "38483-4": "creatinine", "33914-3": "egfr_reported", "19123-9": "magnesium", "2823-3": "potassium",
    "6298-4": "potassium", "2157-6": "ck", "8480-6": "sbp", "8867-4": "hr", "29463-7": "weight", "8302-2": "height", "82810-3": "pregnancy_status",
}  # fmt: skip
UNITS = {
    "creatinine": ("mg/dL", {"mg/dl": 1.0, "umol/l": 1 / 88.4}),
    "egfr_reported": ("mL/min/{1.73_m2}", {"": 1.0, "ml/min/{1.73_m2}": 1.0, "ml/min": 1.0}),
    "magnesium": ("mg/dL", {"mg/dl": 1.0, "mmol/l": 2.4305}),
    "potassium": ("mmol/L", {"mmol/l": 1.0, "meq/l": 1.0}),
    "ck": ("U/L", {"u/l": 1.0, "[iu]/l": 1.0}),
    "sbp": ("mm[Hg]", {"mm[hg]": 1.0}),
    "hr": ("/min", {"/min": 1.0}),
    "weight": ("kg", {"kg": 1.0}),
    "height": ("cm", {"cm": 1.0}),
}
PRODUCTS = {
    "magnesium oxide": Product(
        ("magnesium oxide",),
        frozenset({"mg-oral-supplement"}),
        (("magnesium oxide", 400.0, "unit"),),
        route="oral",
        magnesium=MagnesiumContent("magnesium oxide", 241.0, "unit", "salt", strength_mg=400.0),
    ),
    "atorvastatin": Product(("atorvastatin",), frozenset({"statin"}), (("atorvastatin", 20.0, "unit"),), route="oral"),
    "furosemide": Product(("furosemide",), frozenset({"loop-diuretic"}), route="oral"),
    "magnesium sulfate": Product(("magnesium sulfate",), frozenset({"mg-iv"}), route="iv"),
}
PROBLEMS = {"N18.4": "ckd-4", "Z51.5": "comfort-care", "R82.1": "myoglobinuria"}
SYMPTOMS = {
    "R25.2": SymptomMatch("muscle-cramp", muscle_specific=True),
    "M79.1": SymptomMatch("muscle-pain"),
    "66093-6": SymptomMatch("muscle-cramp", site="leg"),
}
_NEGATED = re.compile(r"\b(?:no|denies|family)\b", re.IGNORECASE)


class FakeTerminology(Terminology):
    """Answers from the tables above; texts match as whole words."""

    def __init__(self) -> None:
        """Needs no tables."""

    def product(self, codings: Sequence[Coding], text: str) -> Product | None:
        words = f"{text} {' '.join(display for _, _, display in codings)}".lower()
        return next((product for name, product in PRODUCTS.items() if name in words), None)

    def lab(self, codings: Sequence[Coding], text: str) -> LabMatch | None:
        if any(code == "19124-7" for _, code, _ in codings):
            return LabMatch("magnesium", excluded="urine")
        if "slco1b1" in text.lower():
            return LabMatch("slco1b1")
        return next((LabMatch(LABS[code]) for _, code, _ in codings if code in LABS), None)

    def convert(self, key: str, value: float, unit: str, code: str, system: str) -> float | str:
        known = UNITS[key][1]
        if unit and code and known.get(unit.lower()) != known.get(code.lower()):
            return "unit-conflict"
        factor = known.get((code or unit).lower())
        return "unit" if factor is None else value * factor

    def measures(self, unit: str, code: str, system: str) -> bool:
        return not (code or unit) or any((code or unit).lower() in known for _, known in UNITS.values())

    def canonical_unit(self, key: str) -> str:
        return UNITS[key][0]

    def plausible(self, key: str, value: float) -> bool:
        return 0.01 < value < 500000

    def problems(self, codings: Sequence[Coding], text: str) -> tuple[str, ...]:
        return tuple(PROBLEMS[code] for _, code, _ in codings if code in PROBLEMS)

    def symptoms(self, codings: Sequence[Coding], text: str) -> tuple[SymptomMatch, ...]:
        found = tuple(SYMPTOMS[code] for _, code, _ in codings if code in SYMPTOMS)
        if not found and "leg cramps" in text.lower() and not _NEGATED.search(text):
            return (SymptomMatch("muscle-cramp", site="leg"),)
        return found

    def questions(self, questionnaire: str, item: str) -> tuple[Question, ...]:
        calf = SymptomMatch("muscle-cramp", site="calf", side="left")
        asked = {"1.1": Question(calf), "1.2": Question(calf, answer="often"), "1.3": Question(calf, least=2)}
        return (asked[item],) if questionnaire == "http://site.example/cramps" and item in asked else ()

    def body_site(self, codings: Sequence[Coding], text: str) -> tuple[str | None, str | None]:
        words = f"{text} {' '.join(display for _, _, display in codings)}".lower()
        site = next((word for word in ("calf", "leg", "abdomen") if word in words), None)
        return site, next((word for word in ("left", "right") if word in words), None)

    def test(self, codings: Sequence[Coding], text: str) -> str | None:
        return next((LABS[code] for _, code, _ in codings if LABS.get(code) in ("magnesium", "creatinine", "ck")), None)

    def reasons(self, codings: Sequence[Coding], text: str) -> frozenset[str]:
        words = f"{text} {' '.join(display for _, _, display in codings)}".lower()
        return frozenset({"cramps"}) if "cramp" in words else frozenset({"other"})

    def event(self, codings: Sequence[Coding], text: str) -> str | None:
        return next((code for _, code, _ in codings if code in ("dialysis", "delivery")), None)

    def route(self, codings: Sequence[Coding], text: str) -> str | None:
        words = f"{text} {' '.join(f'{code} {display}' for _, code, display in codings)}".lower().split()
        return next((word for word in words if word in ("oral", "iv", "topical")), "oral" if "po" in words else None)
