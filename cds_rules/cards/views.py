"""What card templates read: the derived views of one patient, with the words for what is missing or old.

Flows in: `Derived`. Flows out: names for templates (`docs/rule-authors.md`). Made only when there is a card.
Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cds_rules.derive import Derived
from cds_rules.derive.exposure import ByClass, Diuretic, Interaction, Spacing, Statin
from cds_rules.derive.kidneys import Kidney
from cds_rules.derive.labs import Lab
from cds_rules.derive.magnesium import Magnesium, Product
from cds_rules.derive.statements import slco1b1_function
from cds_rules.derive.symptoms import Complaint
from cds_rules.vocabulary.quantities import age, plain

CRAMP_WINDOW_DAYS = 30.0
_DECIMALS = {
    "creatinine": 2,
    "magnesium": 2,
    "potassium": 1,
    "sodium": 0,
    "calcium": 1,
    "ck": 0,
    "egfr": 0,
    "qtc": 0,
    "sbp": 0,
    "hr": 0,
    "rr": 0,
}


class View:
    """Something a template reads: words of its own first, then the attributes of what was derived."""

    def __init__(self, derived: object, **words: object) -> None:
        self._derived = derived
        self.__dict__.update(words)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._derived, name)


class NoLab:
    """A laboratory value that nobody measured: every number is None and every word says so."""

    value = mmol_l = meq_l = high = low = ratio = age_days = flag = None
    history: tuple[object, ...] = ()
    hemolyzed = False
    words = cramp_value = recent_value = short_value = dialysis_value = "not measured"


class LabViews(dict[str, Any]):
    """Labs by key; a key nobody measured says "not measured"."""

    def __missing__(self, key: str) -> NoLab:
        return NoLab()

    def __getattr__(self, name: str) -> Any:
        return self[name]


def views(derived: Derived) -> Mapping[str, Any]:
    """The names of card templates and what stands behind them."""
    cramps = [_symptom(each) for each in derived.cramps]
    statin_symptoms = [_symptom(each) for each in derived.statin_symptoms]
    gut = [_symptom(each) for each in derived.gut_symptoms]
    diuretics = sorted(
        (each for each in derived.diuretics if each.implicated), key=lambda each: each.temporal != "strong"
    ) or list(derived.diuretics)
    return {
        "patient": derived.patient,
        "kidney": View(
            derived.kidney,
            words=kidney_words(derived.kidney),
            short_words=derived.kidney.words,
            **_old_kidney(derived.kidney),
            creatinine_raisers=[drug.name for drug in derived.creatinine_raisers],
        ),
        "magnesium": _magnesium(derived.magnesium),
        "prep_risk": _prep_risk(derived),
        "labs": LabViews({key: _lab(lab) for key, lab in derived.labs.items() if lab is not None} | _calcium(derived)),
        "toxicity": _toxicity(derived),
        "direction": derived.direction,
        "differential": derived.differential,
        "cramps": cramps,
        "cramp": cramps[0] if cramps else None,
        "diuretics": [_diuretic(each) for each in diuretics],
        "potassium_sparing": any(each.klass == "k-sparing-diuretic" for each in derived.diuretics),
        "statins": [_statin(each) for each in _focal_first(derived.statins)],
        "statin_symptoms": statin_symptoms,
        "statin_contributors": derived.statin_contributors,
        "interactions": derived.interactions,
        "sams_ci": View(derived.sams_ci, words=_sams_words(derived.sams_ci)),
        "renal_risks": [View(each, words=each.name) for each in derived.renal_risks],
        "deficiency_risks": [View(each, words=each.name) for each in derived.deficiency_risks],
        "gut_symptoms": gut,
        "gut_keys": [each.key for each in gut],
        "drafted": any(drug.state == "draft" for drug in derived.drugs),
        "drugs": derived.by_class,
        "ordered": {order.test for order in derived.record.chart.orders},
        "spacings": [_spacing(each) for each in derived.spacings],
        "spacing": _spacing(derived.spacings[0]) if derived.spacings else None,
        "worst_interaction": _worst(derived.interactions),
        **_circumstances(derived),
    }


def _circumstances(derived: Derived) -> dict[str, Any]:
    """What single rules name: problems, drug pairs and findings of one kind."""
    problems, drugs, labs = derived.record.problems, derived.by_class, derived.labs
    potassium, phenotype = labs["potassium"], slco1b1_function(derived.record)
    return {
        "myasthenia": "Lambert-Eaton syndrome"
        if "lambert-eaton" in problems and "myasthenia-gravis" not in problems
        else "myasthenia gravis",
        "av_block": "av-block-2-3" in problems,
        "slowing": _drug_names(drugs, "digoxin", "beta-blocker", "verapamil", "diltiazem"),
        "blockers": [drug for key in ("nmb", "aminoglycoside", "polymyxin") for drug in drugs[key]],
        "qt_drugs": _drug_names(drugs, "qt-prolonging"),
        "caution_drugs": _drug_names(drugs, "colchicine", "niacin", "daptomycin", "fibrate"),
        "quinine_partners": _drug_names(drugs, "warfarin", "digoxin", "qt-prolonging", "nmb"),
        "low_potassium": potassium is not None
        and potassium.value is not None
        and potassium.value < 3.5
        and potassium.age_days <= 7,
        "deficit_symptoms": [
            _symptom(each)
            for each in derived.symptoms
            if (each.cramp or each.severe_deficiency or each.key in _DEFICIT) and each.age_days <= CRAMP_WINDOW_DAYS
        ],
        "supporting": [f"{each.name}, {age(each.age_days)}" for each in derived.symptoms if each.key in _SUPPORTING],
        "dark_urine": any(each.key == "dark-urine" and each.age_days <= 7 for each in derived.symptoms),
        "deficit_company": _deficit_company(derived),
        "top_finding": next((item.words for item in derived.differential.present), "no culprit drug found"),
        "cramp_drugs": _cramp_drugs(derived),
        "slco1b1": phenotype[0] if phenotype else "",
        "limited": _limited(derived),
        **_monitored(derived),
    }


_DEFICIT = frozenset(
    {"muscle-twitch", "tremor", "paresthesia", "arrhythmia", "irregular-heartbeat", "ventricular-arrhythmia"}
)
_SUPPORTING = frozenset({"loss-of-appetite", "fatigue", "nausea", "vomiting"})
_CRITICAL_SIGNS = frozenset({"hyporeflexia", "respiratory-depression", "flaccid-paralysis", "heart-block"})
_MONITORING: Sequence[tuple[int, tuple[str, ...]]] = (
    (7, ("aminoglycoside",)),
    (14, ("cisplatin", "anti-egfr-mab", "amphotericin-b", "foscarnet", "pentamidine-iv")),
    (90, ("calcineurin-inhibitor",)),
    (365, ("ppi", "digoxin", "loop-diuretic", "thiazide-diuretic")),
)
_CRAMP_DRUGS = (
    "beta2-agonist",
    "raloxifene",
    "teriparatide",
    "iron-sucrose-iv",
    "naproxen",
    "conjugated-estrogens",
    "nifedipine",
    "cholinesterase-inhibitor",
)


def _drug_names(drugs: ByClass, *classes: str) -> list[str]:
    return list(dict.fromkeys(drug.name for key in classes for drug in drugs[key]))


def _toxicity(derived: Derived) -> View:
    signs = [View(sign, words=f"{sign.name} ({age(sign.age_days)})") for sign in derived.toxicity.signs]
    return View(
        derived.toxicity,
        signs=signs,
        named=[sign.name for sign in derived.toxicity.signs],
        critical_signs=[sign.name for sign in derived.toxicity.signs if sign.key in _CRITICAL_SIGNS],
    )


def _deficit_company(derived: Derived) -> str:
    """What stands beside a low magnesium in its summary: the worst symptom, potassium, QTc."""
    parts = []
    symptoms = [
        each
        for each in derived.symptoms
        if each.severe_deficiency or (each.cramp and each.age_days <= CRAMP_WINDOW_DAYS)
    ]
    if symptoms:
        parts.append(symptoms[0].name)
    potassium, qtc = derived.labs["potassium"], derived.labs["qtc"]
    if potassium is not None and potassium.value is not None and potassium.value < 3.5 and potassium.age_days <= 14:
        parts.append(f"K {plain(potassium.value, 1)}")
    if qtc is not None and qtc.flag == "high" and qtc.age_days <= 7 and qtc.value is not None:
        parts.append(f"QTc {plain(qtc.value, 0)} ms")
    return f" with {', '.join(parts)}" if parts else ""


def _cramp_drugs(derived: Derived) -> list[View]:
    onset = derived.cramps[0].onset_days if derived.cramps else None
    drugs = {id(drug): drug for key in _CRAMP_DRUGS for drug in derived.by_class[key]}.values()
    return [
        View(
            drug,
            days_before=drug.start_days - onset
            if drug.start_days is not None and onset is not None and drug.start_days >= onset
            else None,
        )
        for drug in drugs
    ]


def _monitored(derived: Derived) -> dict[str, object]:
    """The drugs whose interval without a magnesium is the shortest that has passed, and that interval in days."""
    lab = derived.labs["magnesium"]
    since = lab.age_days if lab is not None else float("inf")
    for days, classes in _MONITORING:
        drugs = list({id(drug): drug for key in classes for drug in derived.by_class[key]}.values())
        if drugs and since > days:
            return {
                "monitored": drugs,
                "monitored_names": ", ".join(dict.fromkeys(drug.name for drug in drugs)),
                "monitor_days": days,
            }
    return {"monitored": [], "monitored_names": "", "monitor_days": 365}


def _limited(derived: Derived) -> View | None:
    """The statin above its maximum, with the reason and the maximum in mg (clinical specification 2.26)."""
    for statin in _focal_first(derived.statins):
        for name, maximum, reason in (
            ("simvastatin", 40, "risk of myopathy"),
            ("rosuvastatin", 10, derived.kidney.words),
            ("lovastatin", 20, derived.kidney.words),
            ("pitavastatin", 2, derived.kidney.words),
        ):
            if statin.ingredient == name and statin.dose_mg is not None and statin.dose_mg > maximum:
                return View(_statin(statin), reason=reason, maximum=maximum)
    return None


def _spacing(spacing: Spacing) -> View:
    return View(spacing, partner_name=spacing.partner_drug.name, magnesium_name=spacing.magnesium_drug.name)


def _worst(interactions: Sequence[Interaction]) -> View | None:
    order = ("contra", "avoid", "cap")
    worst = min(interactions, key=lambda each: (not each.focal, order.index(each.effect)), default=None)
    if worst is None:
        return None
    words = {"contra": "contraindicated", "avoid": "avoid", "cap": f"max {plain(worst.cap_mg or 0)} mg/day"}
    dose = f" {plain(worst.dose_mg)} mg" if worst.dose_mg is not None else ""
    return View(worst, statin_name=f"{worst.statin}{dose}", effect_words=words[worst.effect])


def kidney_words(kidney: Kidney) -> str:
    """Kidney function in one sentence: value, age, how it was come by, tier."""
    parts = []
    if kidney.dialysis:
        parts.append("dialysis")
    if kidney.aki is not None:
        parts.append(f"acute kidney injury stage {kidney.aki.stage}")
    if kidney.egfr_rounded is not None:
        how = (
            f"computed with {kidney.method}"
            if kidney.computed
            else "reported" + (f", {kidney.method}" if kidney.method else "")
        )
        if kidney.computed and kidney.creatinine is not None:
            how += f" from creatinine {plain(kidney.creatinine.value)} {kidney.creatinine.unit}"
        parts.append(f"eGFR {kidney.egfr_rounded} mL/min/1.73 m², {_plain_age(kidney.age_days)} ({how})")
        if kidney.old:
            parts.append("older than a year")
    if not parts:
        parts.append(
            "no usable eGFR" + ("" if kidney.tier in (None, "UNKNOWN") else f", CKD stage {kidney.tier} by diagnosis")
        )
    return "; ".join([*parts, *kidney.notes])


def _old_kidney(kidney: Kidney) -> dict[str, object]:
    if kidney.tier != "UNKNOWN" or kidney.egfr_rounded is None:
        return {"last_known": "", "why_unknown": ""}
    return {
        "last_known": f"eGFR {kidney.egfr_rounded}, {_plain_age(kidney.age_days)}",
        "why_unknown": "too old to reassure",
    }


def _magnesium(magnesium: Magnesium) -> View:
    products = [_product(each) for each in magnesium.oral]
    focal = [_product(each) for each in magnesium.focal]
    sources = [
        _product(each)
        for each in (*magnesium.focal, *(each for each in magnesium.products if each not in magnesium.focal))
    ]
    return View(
        magnesium,
        products=products,
        focal_products=focal,
        sources=sources,
        names=_names(magnesium.focal_oral or magnesium.oral),
        focal_names=_names(magnesium.focal),
        total_words=f"{magnesium.words} Mg/day",
        upper_words=f"up to {plain(magnesium.upper_total_mg, 0)} mg if a strength is elemental"
        if magnesium.upper_total_mg > magnesium.total_mg
        else "",
        reasons={reason for each in magnesium.products for reason in each.drug.medication.reasons},
        has_laxative=any(each.klass == "mg-laxative" for each in magnesium.oral),
        taken_names=_names(each for each in magnesium.products if each.state != "draft"),
        iv=[each for each in magnesium.products if each.kind == "iv"],
        iv_words=", ".join(each.amount for each in magnesium.focal_iv),
        iv_days=max((each.start_days for each in magnesium.focal_iv if each.start_days is not None), default=0),
        prep_words=_prep_words(magnesium),
        weeks=plain(
            max((each.start_days for each in magnesium.oral if each.start_days is not None), default=0) // 7, 0
        ),
    )


def _prep_words(magnesium: Magnesium) -> str:
    known = [
        each.elemental_mg
        for each in magnesium.focal
        if each.kind in ("bowel-prep", "enema") and each.elemental_mg is not None
    ]
    return f"{plain(sum(known) / 1000, 1)} g" if known else "grams of"


def _prep_risk(derived: Derived) -> str:
    """What makes a bowel preparation dangerous, the worst first."""
    kidney = derived.kidney
    if "bowel-obstruction" in derived.record.problems:
        return "bowel obstruction or ileus"
    if kidney.severe or kidney.tier == "G3b":
        return kidney.words
    if kidney.crcl is not None and kidney.crcl < 30:
        return f"CrCl {plain(kidney.crcl, 0)}"
    return "unknown kidney function" if kidney.tier == "UNKNOWN" else f"age {derived.patient.age_years}"


def _names(products: Iterable[Product]) -> str:
    return ", ".join(dict.fromkeys(each.name for each in products)) or "magnesium"


def _product(product: Product) -> View:
    reported = ", patient-reported" if product.drug.patient_reported else ""
    drafted = ", draft" if product.state == "draft" else ", stopped" if product.state == "stopped" else ""
    return View(
        product,
        amount=f"{product.amount}{reported}{drafted}",
        start_words=_start_words(product.start_days, product.state),
    )


def _start_words(days: float | None, state: str) -> str:
    if state == "draft":
        return "draft"
    return "start not known" if days is None else f"started {age(days)}"


def _lab(lab: Lab) -> View:
    decimals = _DECIMALS.get(lab.key, 2)
    bound = lab.latest.comparator
    shown = f"{bound}{plain(lab.latest.value, decimals)} {lab.unit}".strip()
    words = f"{shown}, {age(lab.age_days)}{', hemolyzed' if lab.hemolyzed else ''}"
    recent = lab.age_days <= CRAMP_WINDOW_DAYS + 1e-9
    return View(
        lab,
        value=lab.value,
        words=words,
        cramp_value=f"{bound}{plain(lab.latest.value, decimals)}" if recent else "not measured",
        recent_value=shown if recent else "not measured",
        short_value=f"{shown} ({age(lab.age_days)})",
        dialysis_value=f"{shown} ({age(lab.age_days)})" if lab.age_days <= 35 + 1e-9 else "none in 35 d",
        limits_from={"laboratory": "the laboratory's own", "default": "default"}.get(lab.limits, "not known"),
    )


def _calcium(derived: Derived) -> dict[str, View]:
    calcium = derived.calcium
    if calcium is None:
        return {}
    words = f"{plain(calcium.value, 2 if calcium.method == 'ionized' else 1)} {calcium.unit} {calcium.method}, {age(calcium.age_days)}"
    return {"calcium": View(calcium, words=words)}


def _symptom(symptom: Complaint) -> View:
    place = " ".join(word for word in (symptom.side, symptom.site) if word)
    return View(
        symptom,
        name_words=f"{place} {symptom.name}".strip().capitalize(),
        site_words=(place or symptom.timing or "muscle").capitalize(),
        words=f"{place} {symptom.name}, {age(symptom.age_days)}, onset {age(symptom.onset_days)}".strip(),
    )


def _diuretic(diuretic: Diuretic) -> View:
    return View(
        diuretic,
        start_words=_start_words(diuretic.start_days, diuretic.state),
        temporal=diuretic.temporal or "not judged",
    )


def _focal_first(statins: Sequence[Statin]) -> list[Statin]:
    order = {"draft": 0, "active": 1, "stopped": 2}
    return sorted(statins, key=lambda each: (not each.focal, order[each.state]))


def _statin(statin: Statin) -> View:
    dose = "dose not known" if statin.dose_mg is None else f"{plain(statin.dose_mg)} mg"
    return View(
        statin,
        dose_words=dose,
        start_words=_start_words(statin.days, statin.state) if statin.state != "stopped" else "stopped",
    )


def _sams_words(score: Any) -> str:
    if score is None:
        return ""
    return f"SAMS-CI {score.words}; built for aches, not cramps" + (
        f"; not known: {', '.join(score.missing)}" if score.missing else ""
    )


def _plain(key: str) -> str:
    return key.replace("-", " ").replace("_", " ")


def _plain_age(days: float | None) -> str:
    return "date not known" if days is None else age(days)
