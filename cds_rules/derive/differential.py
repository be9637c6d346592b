"""The checklist of other causes of cramps (DIFF, clinical specification 3.12), items present in the chart first.

Flows in: what else was derived. Flows out: `Differential`, for display only. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cds_rules.derive.exposure import ByClass
from cds_rules.derive.kidneys import Kidney
from cds_rules.derive.labs import Labs
from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON, Record
from cds_rules.derive.symptoms import Complaint
from cds_rules.vocabulary.chart import Source
from cds_rules.vocabulary.quantities import age, plain

OTHER_CRAMP_DRUGS = (
    "beta2-agonist", "raloxifene", "teriparatide", "iron-sucrose-iv", "naproxen", "conjugated-estrogens", "nifedipine",
    "cholinesterase-inhibitor",
)  # fmt: skip
_DRUGS = (
    ("diuretic", ("loop-diuretic", "thiazide-diuretic", "k-sparing-diuretic")),
    ("statin", ("statin",)),
    ("beta2-agonist", OTHER_CRAMP_DRUGS[:1]),
    ("other drug known for cramps", OTHER_CRAMP_DRUGS[1:]),
)
DRUG_LINES = frozenset(text for text, _ in _DRUGS)
"""The lines of the checklist that name drugs."""
_CONDITIONS = (
    (("dehydration",), "dehydration or volume loss (vomiting, diarrhoea, heat)"),
    (("muscle-overuse",), "overuse or unaccustomed exercise"),
    (("pad",), "peripheral artery disease: exertional calf pain relieved by rest; pulses, ankle-brachial index"),
    (("cirrhosis",), "cirrhosis"),
    (("neuropathy",), "neuropathy"),
    (("lumbar-stenosis",), "lumbar stenosis"),
    (("motor-neuron-disease",), "motor neuron disease (fasciculation, wasting: neurology)"),
    (("hypothyroidism",), "hypothyroidism"),
    (("diabetes",), "diabetes"),
    (("vitamin-d-deficiency",), "vitamin D deficiency"),
)
_ALWAYS = (
    "venous thrombosis if one leg is swollen",
    "restless legs (an urge to move, not a cramp)",
    "idiopathic nocturnal cramps",
)
ADVICE = (
    "stretching, hydration, balanced diet rich in magnesium (food needs no limit; in CKD G4-G5 ask a dietitian), footwear, "
    "alcohol; see a clinician if weakness, wasting or dark urine"
)
_ON_DIALYSIS = (
    "dialysis: cramps during sessions; ultrafiltration rate, dry weight, dialysate sodium, cool dialysate; no quinine, no "
    "blind magnesium"
)
TEXTS = (
    *(text for text, _ in _DRUGS), "potassium", "sodium", "calcium", "magnesium", *(text for _, text in _CONDITIONS),
    "pregnancy", "chronic kidney disease", _ON_DIALYSIS, *_ALWAYS, ADVICE,
)  # fmt: skip
"""Everything the checklist can say, for the pages about rules."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the checklist. present: found in this chart, then said with what was found."""

    text: str
    present: bool
    found: str = ""
    sources: tuple[Source, ...] = ()

    @property
    def words(self) -> str:
        """The line with what was found."""
        return f"{self.text} - {self.found}" if self.found else self.text


@dataclass(frozen=True, slots=True)
class Differential:
    """The checklist, built when it is read: most answers need none."""

    record: Record
    patient: Patient
    drugs: ByClass
    labs: Labs
    kidney: Kidney
    cramps: Sequence[Complaint]

    @property
    def items(self) -> tuple[Item, ...]:
        """All lines, those present in the chart first."""
        lines = [
            *self._drugs(),
            *self._electrolytes(),
            *self._conditions(),
            *self._kidneys(),
            *(Item(text, False) for text in _ALWAYS),
        ]
        return tuple(sorted(lines, key=lambda each: not each.present))

    @property
    def present(self) -> tuple[Item, ...]:
        """The lines this chart speaks of."""
        return tuple(each for each in self.items if each.present)

    @property
    def absent(self) -> tuple[Item, ...]:
        """The lines this chart does not speak of."""
        return tuple(each for each in self.items if not each.present)

    @property
    def advice(self) -> str:
        """What helps whatever the cause."""
        return ADVICE

    @property
    def words(self) -> str:
        """The checklist in one line."""
        present = "; ".join(each.words for each in self.present)
        absent = "; ".join(each.text for each in self.absent)
        return (
            f"{f'Other causes in this chart: {present}. ' if present else ''}Also think of: {absent}. Advice: {ADVICE}."
        )

    def _drugs(self) -> list[Item]:
        lines = []
        for text, classes in _DRUGS:
            taken = [drug for key in classes for drug in self.drugs[key]]
            names = "; ".join(dict.fromkeys(drug.name for drug in taken))
            lines.append(Item(text, bool(taken), names, tuple(dict.fromkeys(drug.source for drug in taken))))
        return lines

    def _electrolytes(self) -> list[Item]:
        lines = []
        for key, name in (
            ("potassium", "potassium"),
            ("sodium", "sodium"),
            ("calcium", "calcium"),
            ("magnesium", "magnesium"),
        ):
            lab = self.labs[key]
            if lab is None or lab.age_days > 90 + EPSILON:
                lines.append(Item(name, False, "not measured in 90 days"))
                continue
            shown = lab.source.value or f"{plain(lab.latest.value)} {lab.unit}"
            lines.append(Item(name, lab.flag in ("low", "high"), f"{shown}, {age(lab.age_days)}", lab.sources[:1]))
        return lines

    def _conditions(self) -> list[Item]:
        lines = []
        for keys, text in _CONDITIONS:
            found = [problem for key in keys for problem in self.record.problems.get(key, ())]
            exertional = [each for each in self.cramps if each.timing == "exertional"] if "pad" in keys else []
            sources = tuple(dict.fromkeys([*(each.source for each in found), *(each.source for each in exertional)]))
            note = "; ".join(
                [*(each.source.label for each in found[:1]), *("exertional cramps" for _ in exertional[:1])]
            )
            lines.append(Item(text, bool(sources), note, sources))
        if self.patient.pregnant:
            lines.append(Item("pregnancy", True))
        return lines

    def _kidneys(self) -> list[Item]:
        if self.kidney.tier == "DIALYSIS":
            return [Item(_ON_DIALYSIS, True, "", self.kidney.dialysis)]
        impaired = bool(self.kidney.impaired)
        return [
            Item(
                "chronic kidney disease",
                impaired,
                self.kidney.words if impaired else "",
                self.kidney.sources if impaired else (),
            )
        ]
