"""Kidney function: filtration by four formulas, which estimate is used, the tier, acute injury, dialysis.

Flows in: a `Record` and the `Patient`. Flows out: `Kidney`. Formulas are plain functions with units in their names.
Floor: derive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON, Record, counted, problem_moment, unique
from cds_rules.vocabulary.chart import Result, Sex, Source
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.quantities import half_up
from cds_rules.vocabulary.wording import Said, said

IMPAIRED = frozenset({"G3b", "G4", "G5", "AKI", "DIALYSIS"})
SEVERE = frozenset({"G4", "G5", "AKI", "DIALYSIS"})
_LOWEST, _MEDIAN = said("lowest of 7 days"), said("median of 8 to 365 days")
_REASSURING_DAYS, _HAZARDOUS_DAYS = 365.0, 730.0
_CKD_TIERS = (("ckd-5", "G5"), ("ckd-4", "G4"), ("ckd-3b", "G3b"))
TIER_EGFR = {
    "OK": (60.0, math.inf),
    "G3a": (45.0, 60.0),
    "G3b": (30.0, 45.0),
    "G4": (15.0, 30.0),
    "G5": (0.0, 15.0),
}
"""Tier -> from, below, in mL/min/1.73 m² after rounding: the tiers that an eGFR alone can give (`gfr_stage`)."""
_BADNESS = {"OK": 0, "G3a": 1, "G3b": 2, "G4": 3, "G5": 4}
_TIER_OF_STAGE = {"G1": "OK", "G2": "OK"}
_IN_PREGNANCY = said("eGFR equations are not validated in pregnancy")


def egfr_ckd_epi_2021(creatinine_mg_dl: float, age_years: int, sex: Sex) -> float:
    """Estimate GFR from serum creatinine by the CKD-EPI 2021 equation.

    Returns:
        eGFR in mL/min/1.73 m², not rounded.

    Raises:
        ValueError: age below 18, for which the equation is not valid, or creatinine not positive.

    Source:
        Inker LA et al., N Engl J Med 2021;385:1737. doi:10.1056/NEJMoa2102953

    >>> round(egfr_ckd_epi_2021(1.0, 50, "female"), 1)
    68.6
    """
    _adult_with(creatinine_mg_dl, age_years)
    kappa, alpha, factor = (0.7, -0.241, 1.012) if sex == "female" else (0.9, -0.302, 1.0)
    ratio = creatinine_mg_dl / kappa
    return (
        142.0
        * math.pow(min(ratio, 1.0), alpha)
        * math.pow(max(ratio, 1.0), -1.200)
        * math.pow(0.9938, age_years)
        * factor
    )


def egfr_ckd_epi_2021_cystatin(creatinine_mg_dl: float, cystatin_c_mg_l: float, age_years: int, sex: Sex) -> float:
    """Estimate GFR from creatinine and cystatin C by the CKD-EPI 2021 equation.

    Returns:
        eGFR in mL/min/1.73 m², not rounded.

    Raises:
        ValueError: age below 18, or a concentration that is not positive.

    Source:
        Inker LA et al., N Engl J Med 2021;385:1737. doi:10.1056/NEJMoa2102953

    >>> round(egfr_ckd_epi_2021_cystatin(1.2, 1.3, 60, "male"), 1)
    62.6
    """
    _adult_with(min(creatinine_mg_dl, cystatin_c_mg_l), age_years)
    kappa, alpha, factor = (0.7, -0.219, 0.963) if sex == "female" else (0.9, -0.144, 1.0)
    ratio, cystatin = creatinine_mg_dl / kappa, cystatin_c_mg_l / 0.8
    by_creatinine = math.pow(min(ratio, 1.0), alpha) * math.pow(max(ratio, 1.0), -0.544)
    by_cystatin = math.pow(min(cystatin, 1.0), -0.323) * math.pow(max(cystatin, 1.0), -0.778)
    return 135.0 * by_creatinine * by_cystatin * math.pow(0.9961, age_years) * factor


def egfr_bedside_schwartz(creatinine_mg_dl: float, height_cm: float) -> float:
    """Estimate GFR of a child from creatinine and height by the bedside Schwartz formula.

    Returns:
        eGFR in mL/min/1.73 m², not rounded.

    Source:
        Schwartz GJ et al., J Am Soc Nephrol 2009;20:629. doi:10.1681/ASN.2008030287

    >>> round(egfr_bedside_schwartz(0.5, 95), 1)
    78.5
    """
    return 0.413 * height_cm / creatinine_mg_dl


def ideal_body_weight_kg(height_cm: float, sex: Sex) -> float:
    """Ideal body weight by the Devine formula.

    Source:
        Devine BJ, Drug Intell Clin Pharm 1974;8:650.

    >>> round(ideal_body_weight_kg(170, "male"), 1)
    65.9
    """
    return (45.5 if sex == "female" else 50.0) + 2.3 * (height_cm / 2.54 - 60.0)


def cockcroft_gault_weight_kg(weight_kg: float, height_cm: float | None, sex: Sex) -> tuple[float, str]:
    """Choose the weight for Cockcroft-Gault: (kg, "actual", "ideal" or "adjusted").

    Source:
        Winter MA et al., Pharmacotherapy 2012;32:604. doi:10.1002/j.1875-9114.2012.01098.x

    >>> cockcroft_gault_weight_kg(48, 170, "female")
    (48, 'actual')
    """
    if height_cm is None or height_cm < 152.4 - EPSILON:
        return weight_kg, "actual"
    ideal = ideal_body_weight_kg(height_cm, sex)
    if weight_kg < ideal:
        return weight_kg, "actual"
    if weight_kg <= 1.2 * ideal + EPSILON:
        return ideal, "ideal"
    return ideal + 0.4 * (weight_kg - ideal), "adjusted"


def creatinine_clearance_ml_min(creatinine_mg_dl: float, age_years: int, weight_kg: float, sex: Sex) -> float:
    """Estimate creatinine clearance by Cockcroft and Gault.

    Returns:
        Clearance in mL/min, not rounded.

    Raises:
        ValueError: age below 18, or creatinine not positive.

    Source:
        Cockcroft DW, Gault MH, Nephron 1976;16:31. doi:10.1159/000180580

    >>> creatinine_clearance_ml_min(1.0, 40, 72, "male")
    100.0
    """
    _adult_with(creatinine_mg_dl, age_years)
    return (140 - age_years) * weight_kg / (72.0 * creatinine_mg_dl) * (0.85 if sex == "female" else 1.0)


def _adult_with(concentration: float, age_years: int) -> None:
    if age_years < 18:
        raise ValueError("valid from 18 years of age on")
    if concentration <= 0:
        raise ValueError("a concentration above zero belongs here")


def gfr_stage(egfr: float) -> str:
    """KDIGO GFR category of an eGFR in mL/min/1.73 m², rounded half up first.

    Source:
        KDIGO 2024 CKD guideline, Kidney Int 2024;105(4S):S117. doi:10.1016/j.kint.2023.10.018

    >>> gfr_stage(29.64), gfr_stage(29.4)
    ('G3b', 'G4')
    """
    rounded = half_up(egfr)
    for lowest, stage in ((90, "G1"), (60, "G2"), (45, "G3a"), (30, "G3b"), (15, "G4")):
        if rounded >= lowest:
            return stage
    return "G5"


def tier_of_egfr(egfr: float) -> str:
    """Tier of clinical specification 3.1 of an eGFR in mL/min/1.73 m².

    >>> tier_of_egfr(61), tier_of_egfr(44.4)
    ('OK', 'G3b')
    """
    stage = gfr_stage(egfr)
    return _TIER_OF_STAGE.get(stage, stage)


class AkiCriteria(Frozen, frozen=True):
    """What a series of creatinines says about acute kidney injury.

    stage: 0 to 3. rise: the rise within 48 h in mg/dL when it met criterion A. ratio: newest divided by reference_mg_dl.
    reference: "lowest of 7 days" or "median of 8 to 365 days", "" when there is none.
    """

    stage: int
    rise: float | None
    ratio: float | None
    reference_mg_dl: float | None
    reference: Said


def aki_criteria(newest_mg_dl: float, earlier: Sequence[tuple[float, float]], week_first: bool = False) -> AkiCriteria:
    """Judge the creatinine criteria of acute kidney injury (clinical specification 3.3).

    Args:
        newest_mg_dl: the newest creatinine.
        earlier: (days before the newest, mg/dL) of the others.
        week_first: compare with the lowest of 7 days wherever there is one; else with the smaller of both references.

    Source:
        KDIGO 2012 AKI guideline, Kidney Int Suppl 2012;2:1. doi:10.1038/kisup.2012.1;
        reference values after the NHS England algorithm, doi:10.1371/journal.pone.0131909

    >>> aki_criteria(1.9, [(60, 0.9), (200, 0.9)]).stage
    2
    """
    within_2 = [value for days, value in earlier if days <= 2 + EPSILON]
    within_7 = [value for days, value in earlier if days <= 7 + EPSILON]
    before = [value for days, value in earlier if 7 + EPSILON < days <= 365 + EPSILON]
    references = [(min(within_7), _LOWEST)] if within_7 else []
    references += [(median(before), _MEDIAN)] if before else []
    if week_first:
        del references[1:]
    lowest, name = min(references, default=(None, said("")), key=lambda each: each[0])
    ratio = newest_mg_dl / lowest if lowest else None
    rise = newest_mg_dl - min(within_2) if within_2 else 0.0
    acute_rise = rise >= 0.2995 - EPSILON
    risen = ratio is not None and ratio >= 1.5 - EPSILON
    stage = 0
    if acute_rise or risen:
        times = ratio or 0.0
        stage = 3 if times >= 3 - EPSILON or newest_mg_dl >= 4.0 - EPSILON else 2 if times >= 2 - EPSILON else 1
    return AkiCriteria(stage, rise if acute_rise else None, ratio, lowest, name)


class Aki(Frozen, frozen=True):
    """Acute kidney injury: stage 1 to 3, by which criterion, and the two creatinines that show it (None by diagnosis alone).

    criterion: "rise", "ratio" or "diagnosis"; words: the same for people. reference_mg_dl: what `new` is compared with.
    """

    stage: int
    criterion: str
    words: Said
    old: Result | None
    new: Result | None
    ratio: float | None
    reference_mg_dl: float | None
    sources: tuple[Source, ...]


class Kidney(Frozen, frozen=True):
    """Kidney function of one patient.

    tier: None when it cannot be told because parts of the record were not delivered. egfr: chosen, mL/min/1.73 m², not
    rounded. estimate: the result it rests on. computed: by us from `creatinine`, else reported. method: name of the equation. crcl: Cockcroft-Gault mL/min.
    egfr_cystatin: from creatinine and cystatin C, whether it counts or is only shown. dosing_tier: what limits of statin
    doses are judged by (clinical specification 2.26). notes: sentences for the card.
    """

    tier: str | None
    egfr: float | None = None
    estimate: Result | None = None
    at: datetime | None = None
    age_days: float | None = None
    computed: bool = False
    method: str = ""
    creatinine: Result | None = None
    aki: Aki | None = None
    aki_excluded: bool = False
    dialysis: tuple[Source, ...] = ()
    crcl: float | None = None
    crcl_weight: str = ""
    crcl_age_days: float | None = None
    crcl_sources: tuple[Source, ...] = ()
    egfr_cystatin: float | None = None
    dosing_tier: str | None = None
    notes: tuple[Said, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def egfr_rounded(self) -> int | None:
        """The eGFR as stages are judged: rounded half up."""
        return None if self.egfr is None else half_up(self.egfr)

    @property
    def stage(self) -> str | None:
        """KDIGO GFR category of the chosen eGFR."""
        return None if self.egfr is None else gfr_stage(self.egfr)

    @property
    def impaired(self) -> bool | None:
        """The tier is G3b or worse."""
        return None if self.tier is None else self.tier in IMPAIRED

    @property
    def severe(self) -> bool | None:
        """The tier is G4 or worse."""
        return None if self.tier is None else self.tier in SEVERE

    @property
    def old(self) -> bool:
        """The chosen eGFR is older than a year."""
        return self.age_days is not None and self.age_days > _REASSURING_DAYS + EPSILON

    @property
    def words(self) -> Said:
        """Kidney function in a few words for a summary, without its age."""
        if self.tier == "DIALYSIS":
            return said("dialysis")
        if self.aki is not None and self.tier == "AKI":
            return said("AKI stage {stage}", stage=self.aki.stage)
        return said("eGFR not known") if self.egfr is None else said("eGFR {egfr}", egfr=half_up(self.egfr))


@dataclass(slots=True)
class _Estimate:
    egfr: float
    result: Result
    computed: bool
    method: str
    notes: tuple[Said, ...] = ()
    others: tuple[Source, ...] = ()


def _reported(result: Result) -> _Estimate:
    value = result.value
    if result.comparator == "<":
        value = math.ceil(value) - 1.0  # "<15" counts as 14
    return _Estimate(value, result, False, result.method)


def _computed(record: Record, patient: Patient, creatinine: Result) -> _Estimate | None:
    age, value = patient.age_years, counted(creatinine)
    if age is None or value <= 0:
        return None
    if age < 18:
        height = record.latest("height", 365)
        if age < 1 or height is None:
            return None
        return _Estimate(
            egfr_bedside_schwartz(value, height.value), creatinine, True, "bedside Schwartz", others=(height.source,)
        )
    if patient.sex:
        return _Estimate(egfr_ckd_epi_2021(value, age, patient.sex), creatinine, True, "CKD-EPI 2021")
    lower = min(egfr_ckd_epi_2021(value, age, "female"), egfr_ckd_epi_2021(value, age, "male"))
    return _Estimate(
        lower, creatinine, True, "CKD-EPI 2021", (said("sex not known: the lower of both estimates is used"),)
    )


def _chosen(record: Record, patient: Patient) -> _Estimate | None:
    """The estimate that counts: with cystatin C where the site wants that and both are there, else by `_newest`."""
    newest = _newest(record, patient)
    if newest is None or record.decisions.egfr_basis != "creatinine-cystatin-c":
        return newest
    combined, cystatin = _with_cystatin(record, patient), record.latest("cystatin_c", _HAZARDOUS_DAYS)
    creatinine = record.latest("creatinine", _HAZARDOUS_DAYS)
    if combined is None or cystatin is None or creatinine is None or newest.result.at > creatinine.at:
        return newest
    return _Estimate(combined, creatinine, True, "CKD-EPI 2021 with cystatin C", others=(cystatin.source,))


def _newest(record: Record, patient: Patient) -> _Estimate | None:
    """The newest of reported eGFR and creatinine within 730 days; a report up to one day older than the creatinine wins."""
    reported, creatinine = record.latest("egfr_reported", _HAZARDOUS_DAYS), record.latest("creatinine", _HAZARDOUS_DAYS)
    if creatinine is None or (reported is not None and (creatinine.at - reported.at).total_seconds() <= 86400):
        return _reported(reported) if reported else None
    computed = _computed(record, patient, creatinine)
    if computed is None and reported is not None:
        estimate = _reported(reported)
        estimate.notes = (said("a newer creatinine could not be turned into an eGFR (age, sex or height not known)"),)
        return estimate
    return computed


def _dialysis(record: Record) -> tuple[Source, ...]:
    """What says that the patient is on dialysis; a transplant after the last record of it clears it."""
    problem = record.confirmed("dialysis")
    events = [each for each in record.events.get("dialysis", ()) if each.ongoing or record.within(each.at, 30)]
    if problem is None and not events:
        return ()
    moments = [each.at for each in record.events.get("dialysis", ()) if each.at is not None]
    if problem is not None and (moment := problem_moment(problem)) is not None:
        moments.append(moment)
    transplants = [each.at for each in record.events.get("kidney-transplant", ()) if each.at is not None]
    transplants += [
        moment for each in record.problems.get("kidney-transplant", ()) if (moment := problem_moment(each)) is not None
    ]
    if transplants and (not moments or max(transplants) > max(moments)):
        return ()
    return unique([problem.source if problem else None, *(each.source for each in events)])


def _aki_by_creatinine(record: Record) -> Aki | None:
    series = record.results.get("creatinine", [])
    if not series or not record.within(series[0].at, 7):
        return None
    new, earlier = series[0], series[1:]
    if not earlier:
        return None
    pairs = [((new.at - each.at).total_seconds() / 86400, counted(each)) for each in earlier]
    found = aki_criteria(counted(new), pairs, record.decisions.aki_reference == "week-first")
    if not found.stage:
        return None
    if found.ratio is not None and found.ratio >= 1.5 - EPSILON:
        in_week = found.reference is _LOWEST
        window = [
            each
            for (days, _), each in zip(pairs, earlier, strict=True)
            if (days <= 7 + EPSILON) == in_week and days <= 365 + EPSILON
        ]
        reference = found.reference_mg_dl or 0.0
        old = min(window, key=lambda each: abs(counted(each) - reference))
        words = said(
            "{ratio:1} times the {reference} ({creatinine} mg/dL)",
            ratio=found.ratio,
            reference=found.reference,
            creatinine=reference,
        )
        criterion = "ratio"
    else:
        window = [each for (days, _), each in zip(pairs, earlier, strict=True) if days <= 2 + EPSILON]
        old = min(window, key=counted)
        words, criterion = said("rise of {rise} mg/dL within 48 h", rise=found.rise or 0.0), "rise"
    return Aki(
        found.stage, criterion, words, old, new, found.ratio, found.reference_mg_dl, unique([new.source, old.source])
    )


def _aki_by_diagnosis(record: Record) -> Aki | None:
    problem = record.confirmed("aki")
    recorded = problem_moment(problem) if problem else None
    if problem is None or recorded is None or not record.within(recorded, 14):
        return None
    series = record.results.get("creatinine", [])
    after = [each for each in series if each.at > recorded]
    before = [counted(each) for each in series if each.at <= recorded and record.within(each.at, 365)]
    if after and before and counted(after[0]) < 1.3 * median(before) - EPSILON:
        return None
    new = series[0] if series and record.within(series[0].at, 7) else None
    return Aki(
        1,
        "diagnosis",
        said("diagnosis on record"),
        None,
        new,
        None,
        None,
        unique([problem.source, new.source if new else None]),
    )


def _by_egfr(record: Record, estimate: _Estimate | None) -> tuple[str, tuple[Source, ...], tuple[Said, ...]]:
    """Tier from the chosen eGFR and active CKD stages: (tier, sources, notes)."""
    conditions = [(tier, problem) for key, tier in _CKD_TIERS if (problem := record.confirmed(key))]
    staged = conditions[0] if conditions else None
    if estimate is None:
        return (
            (staged[0], (staged[1].source,), (said("no eGFR: the recorded CKD stage is used"),))
            if staged
            else ("UNKNOWN", (), ())
        )
    tier = tier_of_egfr(estimate.egfr)
    sources = (estimate.result.source, *estimate.others)
    if record.within(estimate.result.at, _REASSURING_DAYS):
        return tier, sources, ()
    if staged and _BADNESS[staged[0]] > _BADNESS[tier]:
        return (
            staged[0],
            (staged[1].source, *sources),
            (said("eGFR older than a year: the recorded CKD stage is used"),),
        )
    if _BADNESS[tier] >= _BADNESS["G3b"]:
        return tier, sources, (said("eGFR older than a year"),)
    return "UNKNOWN", sources, (said("eGFR older than a year: does not reassure"),)


def _clearance(record: Record, patient: Patient) -> tuple[float, str, float, tuple[Source, ...]] | None:
    creatinine, weight, height = (
        record.latest("creatinine", 365),
        record.latest("weight", 365),
        record.latest("height", 365),
    )
    if (
        not patient.adult
        or patient.age_years is None
        or creatinine is None
        or weight is None
        or counted(creatinine) <= 0
    ):
        return None
    found: list[tuple[float, str]] = []
    sexes: tuple[Sex, ...] = (patient.sex,) if patient.sex else ("female", "male")
    for sex in sexes:
        chosen, basis = cockcroft_gault_weight_kg(weight.value, height.value if height else None, sex)
        found.append((creatinine_clearance_ml_min(counted(creatinine), patient.age_years, chosen, sex), basis))
    crcl, basis = min(found)
    return (
        crcl,
        basis,
        record.age_of(creatinine),
        unique([creatinine.source, weight.source, height.source if height else None]),
    )


def _with_cystatin(record: Record, patient: Patient) -> float | None:
    cystatin, creatinine = record.latest("cystatin_c", _HAZARDOUS_DAYS), record.latest("creatinine", _HAZARDOUS_DAYS)
    if cystatin is None or creatinine is None or not patient.adult or patient.age_years is None or patient.sex is None:
        return None
    if abs((cystatin.at - creatinine.at).total_seconds()) > 90 * 86400:
        return None
    return egfr_ckd_epi_2021_cystatin(counted(creatinine), counted(cystatin), patient.age_years, patient.sex)


def kidney(record: Record, patient: Patient) -> Kidney:
    """Describe the kidney function of a record (clinical specification 3.1 to 3.3)."""
    estimate = _chosen(record, patient)
    tier, sources, notes = _by_egfr(record, estimate)
    notes = (*(estimate.notes if estimate else ()), *notes)
    creatinine = record.latest("creatinine", _HAZARDOUS_DAYS)
    if patient.pregnant:
        notes = (*notes, _IN_PREGNANCY)
        if (
            creatinine
            and tier in ("OK", "G3a", "UNKNOWN")
            and record.within(creatinine.at, 30)
            and counted(creatinine) >= 1.0 - EPSILON
        ):
            tier, sources = "G3b", unique([creatinine.source, *sources])
            notes = (
                *notes,
                said("creatinine of 1.0 mg/dL or more in pregnancy is treated as impaired kidney function"),
            )
    dialysis = _dialysis(record)
    aki = None
    if dialysis:
        tier, sources = "DIALYSIS", dialysis
    else:
        by_labs, by_diagnosis = _aki_by_creatinine(record), _aki_by_diagnosis(record)
        aki = by_labs or by_diagnosis
        if aki:
            tier, sources = "AKI", unique([*aki.sources, by_diagnosis.sources[0] if by_diagnosis else None])
            notes = (*notes, said("eGFR is not reliable while creatinine moves; no CKD stage is inferred"))
    told: str | None = tier
    if tier not in IMPAIRED and not record.delivered("patient", "labs", "conditions", "procedures"):
        told = None  # a part that was not delivered could hold worse news; absence is never good news
    clearance = _clearance(record, patient)
    dosing = told
    if told in _BADNESS and clearance and record.decisions.statin_kidney_measure == "crcl":
        dosing = tier_of_egfr(clearance[0])  # the same borders in mL/min, as labels state them
    return Kidney(
        tier=told,
        egfr=estimate.egfr if estimate else None,
        estimate=estimate.result if estimate else None,
        at=estimate.result.at if estimate else None,
        age_days=record.age_of(estimate.result) if estimate else None,
        computed=estimate.computed if estimate else False,
        method=estimate.method if estimate else "",
        creatinine=creatinine,
        aki=aki,
        aki_excluded=aki is None and record.delivered("labs", "conditions"),
        dialysis=dialysis,
        crcl=clearance[0] if clearance else None,
        crcl_weight=clearance[1] if clearance else "",
        crcl_age_days=clearance[2] if clearance else None,
        crcl_sources=clearance[3] if clearance else (),
        egfr_cystatin=_with_cystatin(record, patient) if "cystatin_c" in record.results else None,
        dosing_tier=dosing,
        notes=notes,
        sources=sources,
    )
