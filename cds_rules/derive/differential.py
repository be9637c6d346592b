"""The checklist of other causes of cramps (DIFF, clinical specification 3.12), items present in the chart first.

Flows in: what else was derived. Flows out: `Differential`, for display only. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter

from cds_rules.derive.exposure import ByClass
from cds_rules.derive.kidneys import Kidney
from cds_rules.derive.labs import Labs
from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON, Record
from cds_rules.derive.symptoms import Complaint
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import Said, joined, said

OTHER_CRAMP_DRUGS = (
    "beta2-agonist", "raloxifene", "teriparatide", "iron-sucrose-iv", "naproxen", "conjugated-estrogens", "nifedipine",
    "cholinesterase-inhibitor",
)  # fmt: skip
_DRUGS = (
    (said("diuretic"), ("loop-diuretic", "thiazide-diuretic", "k-sparing-diuretic")),
    (said("statin"), ("statin",)),
    (said("beta2-agonist"), OTHER_CRAMP_DRUGS[:1]),
    (said("other drug known for cramps"), OTHER_CRAMP_DRUGS[1:]),
)
_ELECTROLYTES = (said("potassium"), said("sodium"), said("calcium"), said("magnesium"))
DRUG_LINES = frozenset(text for text, _ in _DRUGS)
"""The lines of the checklist that name drugs."""
_CONDITIONS = (
    (
        "dehydration",
        said("dehydration or volume loss (vomiting, diarrhoea, heat), which disturbs electrolytes and triggers cramps"),
    ),
    ("muscle-overuse", said("overuse or unaccustomed exercise")),
    ("pad", said("peripheral artery disease: exertional calf pain relieved by rest; pulses, ankle-brachial index")),
    ("cirrhosis", said("cirrhosis")),
    ("neuropathy", said("neuropathy")),
    ("lumbar-stenosis", said("lumbar stenosis")),
    ("motor-neuron-disease", said("motor neuron disease (fasciculation, wasting: neurology)")),
    ("hypothyroidism", said("hypothyroidism")),
    ("diabetes", said("diabetes")),
    ("vitamin-d-deficiency", said("vitamin D deficiency")),
)
_ALWAYS = (
    said("venous thrombosis if one leg is swollen"),
    said("restless legs (an urge to move, not a cramp)"),
    said("idiopathic nocturnal cramps"),
)
_KIDNEYS = said("chronic kidney disease")
ADVICE = said(
    "stretching, hydration, balanced diet rich in magnesium (food needs no limit; in CKD G4-G5 ask a dietitian), suitable "
    "footwear, little alcohol; see a clinician if weakness, wasting or dark urine"
)
_ADVICE = said("Advice: {advice}", advice=ADVICE)
_ON_DIALYSIS = said(
    "dialysis: cramps during sessions; ultrafiltration rate, dry weight, dialysate sodium, cool dialysate; no quinine, no "
    "blind magnesium"
)
TEXTS = (
    *(text for text, _ in _DRUGS), *_ELECTROLYTES, *(text for _, text in _CONDITIONS),
    "pregnancy", _KIDNEYS, _ON_DIALYSIS, *_ALWAYS, ADVICE,
)  # fmt: skip
"""Everything the checklist can say, for the pages about rules."""


class Item(Frozen, frozen=True):
    """One line of the checklist. present: found in this chart, then said with what was found."""

    text: Said
    present: bool
    found: Said | None = None

    @property
    def words(self) -> Said:
        """The line with what was found."""
        return said("{cause} - {found}", cause=self.text, found=self.found) if self.found else self.text


_ABSENT = {
    text: Item(text, False)
    for text in (*(text for text, _ in _DRUGS), *_ELECTROLYTES, *(text for _, text in _CONDITIONS), _KIDNEYS, *_ALWAYS)
}
"""The lines as they stand where a chart does not speak of them."""


@dataclass(frozen=True)
class Differential:
    """The checklist, built when it is first read: most answers need none."""

    record: Record
    patient: Patient
    drugs: ByClass
    labs: Labs
    kidney: Kidney
    cramps: Sequence[Complaint]

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All lines, those present in the chart first."""
        lines = [
            *self._drugs(),
            *self._electrolytes(),
            *self._conditions(),
            *self._kidneys(),
            *(_ABSENT[text] for text in _ALWAYS),
        ]
        return tuple(sorted(lines, key=attrgetter("present"), reverse=True))

    @property
    def present(self) -> tuple[Item, ...]:
        """The lines this chart speaks of."""
        return tuple(each for each in self.items if each.present)

    @property
    def absent(self) -> tuple[Item, ...]:
        """The lines this chart does not speak of."""
        return tuple(each for each in self.items if not each.present)

    @property
    def advice(self) -> Said:
        """What helps whatever the cause."""
        return _ADVICE

    @property
    def found(self) -> Said:
        """The causes this chart speaks of, in one line; empty without one."""
        present = self.present
        causes = joined([each.words for each in present], "; ")
        return said("Other causes in this chart: {causes}", causes=causes) if present else causes

    @property
    def further(self) -> Said:
        """The other causes in one line."""
        return _also(tuple(each.text for each in self.absent))

    def _drugs(self) -> list[Item]:
        lines = []
        for text, classes in _DRUGS:
            taken = [drug for key in classes if key in self.drugs for drug in self.drugs[key]]
            if not taken:
                lines.append(_ABSENT[text])
                continue
            lines.append(Item(text, True, joined(dict.fromkeys(drug.name for drug in taken), "; ")))
        return lines

    def _electrolytes(self) -> list[Item]:
        lines = []
        for name in _ELECTROLYTES:
            lab = self.labs[name]
            if lab is None or lab.age_days > 90 + EPSILON or lab.flag not in ("low", "high"):
                lines.append(_ABSENT[name])
                continue
            shown = lab.source.value or said("{value} {unit}", value=lab.latest.value, unit=lab.unit)
            found = said("{value:charted}, {days:ago}", value=shown, days=lab.age_days)
            lines.append(Item(name, True, found))
        return lines

    def _conditions(self) -> list[Item]:
        lines = []
        for key, text in _CONDITIONS:
            found = self.record.problems.get(key, ())
            exertional = [each for each in self.cramps if each.timing == "exertional"] if key == "pad" else ()
            if not found and not exertional:
                lines.append(_ABSENT[text])
                continue
            notes = [each.source.label for each in found[:1] if each.source.label]
            notes += [said("exertional cramps")] if exertional else []
            lines.append(Item(text, True, joined(notes, "; ") if notes else None))
        if self.patient.pregnant:
            lines.append(Item(said("pregnancy"), True))
        return lines

    def _kidneys(self) -> list[Item]:
        if self.kidney.tier == "DIALYSIS":
            return [Item(_ON_DIALYSIS, True)]
        if not self.kidney.impaired:
            return [_ABSENT[_KIDNEYS]]
        return [Item(_KIDNEYS, True, self.kidney.words)]


@lru_cache(maxsize=1024)
def _also(causes: tuple[Said, ...]) -> Said:
    """Most charts speak of the same few causes, so most leave the same ones."""
    return said("Also think of: {causes}", causes=joined(causes, "; "))
