"""Facts computed from what was read: kidneys, magnesium, calcium, muscle, symptoms, exposure.

`derive` takes a `Chart` at one instant and gives `Derived`: the flat facts that rules match, and the views that card texts
read. Pure: the same chart gives the same facts, in whatever order its entries stand. Unknown is never normal: what the
record cannot say is None, and what was not delivered is a gap. Where a result has a date without a day, facts say what
every such day agrees on (`vagueness`), and the views read the earliest.
Floor: derive.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cds_rules.derive.calcium import Calcium, calcium
from cds_rules.derive.contributors import contributors
from cds_rules.derive.differential import Differential
from cds_rules.derive.exposure import (
    CREATININE_RAISERS,
    DIURETICS,
    NO_LOOKUPS,
    ByClass,
    Diuretic,
    Drug,
    Interaction,
    Lookups,
    Risk,
    Spacing,
    Statin,
    by_class,
    deficiency_risks,
    diuretics,
    drugs,
    interactions,
    renal_risks,
    spacings,
    statins,
)
from cds_rules.derive.kidneys import Kidney, kidney
from cds_rules.derive.labs import Lab, Labs, labs
from cds_rules.derive.magnesium import Magnesium, magnesium
from cds_rules.derive.muscle import SamsCi, sams_ci
from cds_rules.derive.patient import Patient, patient
from cds_rules.derive.record import EPSILON, Record
from cds_rules.derive.statements import gaps_of, statements
from cds_rules.derive.symptoms import (
    Complaint,
    Direction,
    Toxicity,
    complaints,
    direction,
    level_measured,
    toxicity,
    true_cramps,
)
from cds_rules.derive.vagueness import BECAUSE, is_vague, joined, read_late
from cds_rules.knowledge.decisions import STANDARD, Decisions
from cds_rules.vocabulary.chart import Chart, Medication
from cds_rules.vocabulary.facts import Fact
from cds_rules.vocabulary.frozen import Frozen, replace


class Derived(Frozen, frozen=True):
    """Everything computed from one chart.

    facts: what rules match. gaps: kind of fact -> why facts of it may be missing. The rest are views for card texts.
    drugs: all medications with their part in this call; by_class: those in BOTH; symptoms: all reported, newest first.
    """

    facts: tuple[Fact, ...]
    gaps: Mapping[str, tuple[str, ...]]
    hook: str
    at: datetime
    patient: Patient
    kidney: Kidney
    labs: Labs
    calcium: Calcium | None
    drugs: tuple[Drug, ...]
    by_class: ByClass
    magnesium: Magnesium
    statins: tuple[Statin, ...]
    diuretics: tuple[Diuretic, ...]
    symptoms: tuple[Complaint, ...]
    toxicity: Toxicity
    level_measured: bool
    interactions: tuple[Interaction, ...]
    spacings: tuple[Spacing, ...]
    renal_risks: tuple[Risk, ...]
    deficiency_risks: tuple[Risk, ...]
    record: Record

    @property
    def focal(self) -> tuple[Medication, ...]:
        """FOCAL of clinical specification 0.4."""
        return tuple(drug.medication for drug in self.drugs if drug.focal)

    @property
    def ck(self) -> Lab | None:
        """The latest creatine kinase, with its ratio and limit."""
        return self.labs["ck"]

    @property
    def cramps(self) -> tuple[Complaint, ...]:
        """True muscle cramps recorded within 30 days, newest first."""
        return tuple(each for each in self.symptoms if each.cramp and each.age_days <= 30 + EPSILON)

    @property
    def statin_symptoms(self) -> tuple[Complaint, ...]:
        """Statin-period muscle symptoms of 30 days, newest first."""
        return tuple(each for each in self.symptoms if each.statin_period)

    @property
    def direction(self) -> Direction:
        """Which way the findings point (DIR)."""
        return direction(self.symptoms, self.toxicity)

    @property
    def differential(self) -> Differential:
        """The checklist of other causes (DIFF)."""
        return Differential(self.record, self.patient, self.by_class, self.labs, self.kidney, self.cramps)

    @property
    def sams_ci(self) -> SamsCi | None:
        """The partial SAMS-CI score of the statin-period symptom that scores highest; None without one."""
        starts = [
            moment
            for statin in self.statins
            if statin.state != "draft"
            for moment in (statin.start, statin.drug.dose_increased)
            if moment
        ]
        scores = []
        for each in self.statin_symptoms:
            before = [start for start in starts if start.date() <= each.onset.date()]
            weeks = max((each.onset - max(before)).total_seconds() / 604800, 0.0) if before else None
            scores.append(sams_ci(each.site, each.side, weeks, sources=each.sources))
        return max(scores, key=lambda score: score.points, default=None)

    @property
    def gut_symptoms(self) -> tuple[Complaint, ...]:
        """What magnesium may do to the gut: symptoms of 30 days after the start of an active product, newest first."""
        return tuple(
            each for each in self.symptoms if each.gut and each.after_magnesium and each.age_days <= 30 + EPSILON
        )

    @property
    def creatinine_raisers(self) -> tuple[Drug, ...]:
        """Active drugs that raise creatinine without loss of filtration."""
        return tuple(
            each
            for each in self.drugs
            if each.state == "active" and not CREATININE_RAISERS.isdisjoint(each.medication.product.ingredients)
        )

    @property
    def statin_contributors(self) -> tuple[str, ...]:
        """What in this chart may add to muscle symptoms on a statin, in words (clinical specification 2.24)."""
        return tuple(contributors(self))


def derive(
    chart: Chart,
    *,
    hook: str,
    at: datetime,
    lookups: Lookups = NO_LOOKUPS,
    gaps: Mapping[str, str] | None = None,
    decisions: Decisions = STANDARD,
) -> Derived:
    """Compute everything rules and cards need from a chart.

    Args:
        chart: what was read; nothing in it is dated after `at`.
        hook: the CDS Hooks hook that was called.
        at: the instant of evaluation.
        lookups: what is looked up in the packs' tables.
        gaps: domain of the record (vocabulary.facts.DOMAINS) -> why it was not wholly delivered.
        decisions: what the project or the site decided.
    """
    found = _derived(chart, hook, at, lookups, gaps or {}, decisions)
    if not is_vague(chart):
        return found
    late = _derived(read_late(chart), hook, at, lookups, gaps or {}, decisions)
    facts, doubtful = joined(found.facts, late.facts)
    return replace(
        found, facts=facts, gaps={**found.gaps, **{kind: (*found.gaps.get(kind, ()), BECAUSE) for kind in doubtful}}
    )


def _derived(
    chart: Chart, hook: str, at: datetime, lookups: Lookups, missing: Mapping[str, str], decisions: Decisions
) -> Derived:
    """Everything of one reading of the dates."""
    record = Record(chart, hook, at, missing, decisions)
    who = patient(record)
    taken = drugs(record)
    classed = [drug for drug in taken if drug.classes]
    mg = magnesium(classed, who, complete=record.delivered("medications"))
    kidneys = kidney(record, who)
    found_labs = labs(record, who)
    lipid_lowering = statins(classed, lookups.limits_mg)
    cramps = true_cramps(record)
    water_tablets = [
        drug for drug in classed if drug.state == "active" and drug.both and not drug.classes.isdisjoint(DIURETICS)
    ]
    reported = complaints(
        record,
        magnesium=[each.drug for each in mg.products if each.counts and each.state == "active"],
        diuretics=water_tablets,
        statins=lipid_lowering,
    )
    signs = toxicity(record, who)
    swallowed = (
        [each.drug for each in mg.products if each.both and (each.counts or each.kind == "bowel-prep")]
        if record.ordering
        else []
    )
    derived = Derived(
        facts=(),
        gaps=gaps_of(missing.items()) if missing else {},
        hook=hook,
        at=at,
        patient=who,
        kidney=kidneys,
        labs=found_labs,
        calcium=calcium(record),
        drugs=taken,
        by_class=by_class(classed),
        magnesium=mg,
        statins=lipid_lowering,
        diuretics=diuretics(classed, [each.onset or each.recorded for each in cramps]),
        symptoms=reported,
        toxicity=signs,
        level_measured=level_measured(record, signs),
        interactions=interactions(lookups.interactions, taken, lipid_lowering, record.ordering)
        if lipid_lowering
        else (),
        spacings=spacings(lookups.spacings, taken, swallowed) if swallowed else (),
        renal_risks=renal_risks(record, classed),
        deficiency_risks=deficiency_risks(record, classed),
        record=record,
    )
    return replace(derived, facts=statements(derived, record, cramps))


__all__ = ["Derived", "Lookups", "derive"]
