"""What card templates read: the derived views of one patient, with the words for what is missing or old.

Flows in: `Derived`. Flows out: names for templates (`docs/rule-authors.md`). Made only when there is a card.
Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from cds_rules.derive import Derived, derive
from cds_rules.derive.differential import DRUG_LINES
from cds_rules.derive.exposure import Diuretic, Drug, Interaction, Spacing, Statin, followed_by_cramp, mg_of
from cds_rules.derive.kidneys import Kidney
from cds_rules.derive.labs import Lab
from cds_rules.derive.magnesium import AMOUNT_NOT_KNOWN, Magnesium, Product
from cds_rules.derive.statements import slco1b1_function
from cds_rules.derive.symptoms import Complaint, Toxicity
from cds_rules.vocabulary.chart import Chart, Source
from cds_rules.vocabulary.facts import LABS, VITALS
from cds_rules.vocabulary.wording import Said, joined, said, word

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
        value = self.__dict__[name] = getattr(self._derived, name)  # read once, however many cards show it
        return value


class NoLab:
    """A laboratory value that nobody measured: every number is None and every word says so."""

    value = mmol_l = meq_l = high = low = ratio = age_days = flag = None
    history: tuple[object, ...] = ()
    hemolyzed = vague = False
    words = recent_value = short_value = said("not measured")


_NO_LAB = NoLab()


class LabViews(dict[str, Any]):
    """Labs by key; a key nobody measured says "not measured"."""

    def __missing__(self, key: str) -> NoLab:
        return _NO_LAB

    def __getattr__(self, name: str) -> Any:
        return self[name]


def views(derived: Derived, parameters: SimpleNamespace) -> Mapping[str, Any]:
    """The names of card templates and what stands behind them.

    Args:
        parameters: the project decisions of the packs, by name.
    """
    cramps = [SymptomView(each) for each in derived.cramps]
    gut = [SymptomView(each) for each in derived.gut_symptoms]
    diuretics = sorted(
        (each for each in derived.diuretics if each.implicated), key=lambda each: each.temporal != "strong"
    ) or list(derived.diuretics)
    return {
        "parameters": parameters,
        "patient": derived.patient,
        "kidney": KidneyView(derived.kidney, creatinine_raisers=[drug.name for drug in derived.creatinine_raisers]),
        "magnesium": MagnesiumView(derived.magnesium),
        "labs": LabViews(
            {key: LabView(lab) for key, lab in derived.labs.items() if lab is not None} | _calcium(derived)
        ),
        "toxicity": ToxicityView(derived.toxicity),
        "direction": View(derived.direction),
        "differential": View(derived.differential),
        "cramps": cramps,
        "cramp": cramps[0] if cramps else None,
        "diuretics": [DiureticView(each) for each in diuretics],
        "potassium_sparing": any(each.klass == "k-sparing-diuretic" for each in derived.diuretics),
        "statins": [StatinView(each) for each in _focal_first(derived.statins)],
        "statin_symptoms": [SymptomView(each) for each in derived.statin_symptoms],
        "interactions": [_interaction(each) for each in derived.interactions],
        "sams_ci": View(score) if (score := derived.sams_ci) else View(None, words=""),
        "renal_risks": [View(each, words=each.name) for each in derived.renal_risks],
        "deficiency_risks": [View(each, words=each.name) for each in derived.deficiency_risks],
        "gut_symptoms": gut,
        "gut_keys": [each.key for each in gut],
        "drafted": any(drug.state == "draft" for drug in derived.drugs),
        "drugs": derived.by_class,
        "spacings": [_spacing(each) for each in derived.spacings],
        "spacing": _spacing(derived.spacings[0]) if derived.spacings else None,
        "worst_interaction": _worst(derived.interactions),
        "here": View(Circumstances(derived, parameters)),
    }


def vocabulary(parameters: Mapping[str, float | str] | None = None) -> Mapping[str, Any]:
    """The names of card templates, with what stands behind them for an empty chart.

    Args:
        parameters: the project decisions of the packs.
    """
    empty = derive(Chart(None), hook="patient-view", at=datetime(2000, 1, 1, tzinfo=UTC))
    labs = SimpleNamespace(**dict.fromkeys((*LABS, *VITALS), NoLab()))
    return {**views(empty, SimpleNamespace(**(parameters or {}))), "labs": labs}


class Circumstances:
    """What single rules name: problems, drug pairs and findings of one kind. Each is worked out when a text reads it."""

    def __init__(self, derived: Derived, parameters: SimpleNamespace) -> None:
        self._all = derived
        self._parameters = parameters

    def _names(self, *classes: str) -> list[str]:
        return list(dict.fromkeys(drug.name for key in classes for drug in self._all.by_class[key]))

    @property
    def myasthenia(self) -> Said:
        """Which of the two diseases is on file."""
        problems = self._all.record.problems
        only_lambert_eaton = "lambert-eaton" in problems and "myasthenia-gravis" not in problems
        return said("Lambert-Eaton syndrome") if only_lambert_eaton else said("myasthenia gravis")

    @property
    def av_block(self) -> bool:
        """An AV block of second or third degree is on file."""
        return "av-block-2-3" in self._all.record.problems

    @property
    def slowing(self) -> list[str]:
        """Drugs that slow conduction."""
        return self._names("digoxin", "beta-blocker", "verapamil", "diltiazem")

    @property
    def blockers(self) -> list[Drug]:
        """Drugs whose neuromuscular block magnesium prolongs."""
        return [drug for key in ("nmb", "aminoglycoside", "polymyxin") for drug in self._all.by_class[key]]

    @property
    def qt_drugs(self) -> list[str]:
        """Drugs that prolong QT."""
        return self._names("qt-prolonging")

    @property
    def to_correct(self) -> Said:
        """Magnesium and potassium; for a QT drug without a long QT only what is low or not known."""
        qtc = self._all.labs["qtc"]
        if self._all.patient.torsades or (qtc is not None and qtc.flag == "high" and qtc.age_days <= 7):
            return _BOTH
        fine = {
            key
            for key, days, lowest in (("magnesium", 30.0, None), ("potassium", 14.0, 3.5))
            if _is_fine(self._all.labs[key], days, lowest)
        }
        open_ones = [said(key) for key in ("magnesium", "potassium") if key not in fine]
        return open_ones[0] if len(open_ones) == 1 else _BOTH

    @property
    def caution_drugs(self) -> list[str]:
        """Drugs that call for caution with a statin without being in the table."""
        return self._names("colchicine", "niacin", "daptomycin", "fibrate")

    @property
    def quinine_partners(self) -> list[str]:
        """Drugs that quinine interacts with."""
        quinine = {drug.name for drug in self._all.by_class["quinine"]}
        return [name for name in self._names("warfarin", "digoxin", "qt-prolonging", "nmb") if name not in quinine]

    @property
    def kidney_strain(self) -> list[str]:
        """Drugs that add to dehydration and kidney injury."""
        return self._names("acei-arb", "nsaid", "diuretic")

    @property
    def potassium_replaced(self) -> bool:
        """A potassium supplement is taken; one that is only drafted has replaced nothing yet."""
        return any(drug.state == "active" for drug in self._all.by_class["potassium-supplement"])

    @property
    def low_potassium(self) -> bool:
        """The latest potassium of 7 days is below 3.0, or below 3.5 under replacement (clinical specification 2.19)."""
        lab = self._all.labs["potassium"]
        below = 3.5 if self.potassium_replaced else 3.0
        return lab is not None and lab.value is not None and lab.value < below and lab.age_days <= 7

    @property
    def low_calcium(self) -> bool:
        """The latest calcium of 14 days is below 8.0 mg/dL, ionized below 1.0 mmol/L (clinical specification 2.19)."""
        calcium = self._all.calcium
        below = 1.0 if calcium is not None and calcium.method == "ionized" else 8.0
        return calcium is not None and calcium.value < below and calcium.age_days <= 14

    @property
    def deficit_symptoms(self) -> list[View]:
        """Symptoms of 30 days that fit low magnesium."""
        return [SymptomView(each) for each in _deficit_symptoms(self._all)]

    @property
    def supporting(self) -> list[Said]:
        """Symptoms of 30 days that support a deficiency without being specific."""
        return [
            said("{symptom}, {days:ago}", symptom=each.name, days=each.age_days)
            for each in self._all.symptoms
            if each.key in _SUPPORTING and each.age_days <= CRAMP_WINDOW_DAYS
        ]

    @property
    def dark_urine(self) -> bool:
        """Dark urine within 7 days."""
        return any(each.key == "dark-urine" and each.age_days <= 7 for each in self._all.symptoms)

    @property
    def unconfirmed_signs(self) -> list[Said]:
        """Signs of severe magnesium excess of 7 days that nobody has confirmed, each once."""
        found = (
            each.name
            for each in self._all.symptoms
            if each.key in _CRITICAL_SIGNS and not each.confirmed and each.age_days <= 7
        )
        return list(dict.fromkeys(found))

    @property
    def deficit_company(self) -> Said:
        """What stands beside a low magnesium in its summary."""
        return _deficit_company(self._all)

    @property
    def top_finding(self) -> Said:
        """The first line of the checklist of causes that this chart speaks of."""
        present = (
            item.found if item.found and len(item.text) > _LONG_LINE else item.words
            for item in self._all.differential.present
            if item.text not in DRUG_LINES
        )
        return next(present, said("no culprit drug found"))

    @property
    def cramp_drugs(self) -> list[View]:
        """Other drugs known for cramps, with the days from start to onset."""
        return _cramp_drugs(self._all)

    @property
    def statin_contributors(self) -> tuple[str, ...]:
        """What may add to muscle symptoms on a statin."""
        return self._all.statin_contributors

    @property
    def ck_since_symptom(self) -> bool:
        """A CK was drawn on or after the onset of the latest muscle symptom of the statin period."""
        return any(
            each.kind == "lab" and each.fields["code"] == "ck" and each.fields["since_symptom"] is True
            for each in self._all.facts
        )

    @property
    def slco1b1(self) -> Said:
        """The SLCO1B1 phenotype on file."""
        phenotype = slco1b1_function(self._all.record)
        return word(phenotype[0] if phenotype else "")

    @property
    def monitoring(self) -> Mapping[str, Any]:
        """Drugs without a magnesium in their interval: drugs, days."""
        return _monitored(self._all, self._parameters)

    @property
    def prep_risk(self) -> Said:
        """What makes a bowel preparation dangerous."""
        return _prep_risk(self._all)

    @property
    def ordered(self) -> set[str]:
        """Tests that are ordered."""
        return {order.test for order in self._all.record.chart.orders}


_LONG_LINE = 30
"""A line of the checklist that is longer is shown in a summary by what was found alone."""
_BOTH = said("magnesium and potassium")
_DEFICIT = frozenset(
    {"muscle-twitch", "tremor", "paresthesia", "arrhythmia", "irregular-heartbeat", "ventricular-arrhythmia"}
)
_SUPPORTING = frozenset({"loss-of-appetite", "fatigue", "nausea", "vomiting"})
_CRITICAL_SIGNS = frozenset({"hyporeflexia", "respiratory-depression", "flaccid-paralysis", "heart-block"})
_MONITORING: Sequence[tuple[str, float, tuple[str, ...]]] = (
    ("monitor_aminoglycoside", 7.0, ("aminoglycoside",)),
    ("monitor_highest", 14.0, ("cisplatin", "anti-egfr-mab", "amphotericin-b", "foscarnet", "pentamidine-iv")),
    ("monitor_calcineurin", 90.0, ("calcineurin-inhibitor",)),
    ("monitor_yearly", 365.0, ("ppi", "digoxin", "loop-diuretic", "thiazide-diuretic")),
)
"""Parameter of the interval, its value where no pack declares it, classes (clinical specification 2.18)."""
_TAKEN_FOR = {"aminoglycoside": 5.0, "ppi": 365.0}
"""Days from which on a class asks for monitoring."""
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


class ToxicityView(View):
    """Signs of magnesium excess with their words."""

    _derived: Toxicity

    @cached_property
    def signs(self) -> list[View]:
        """Each sign with its age."""
        return [
            View(sign, words=said("{sign} ({days:ago})", sign=sign.name, days=sign.age_days))
            for sign in self._derived.signs
        ]

    @cached_property
    def named(self) -> list[Said]:
        """The names of the signs."""
        return [sign.name for sign in self._derived.signs]

    @cached_property
    def critical_signs(self) -> list[Said]:
        """The names of those that are critical."""
        return [sign.name for sign in self._derived.signs if sign.key in _CRITICAL_SIGNS]


def _is_fine(lab: Lab | None, days: float, lowest: float | None) -> bool:
    """Measured within so many days and not low, by its limits or by a lowest value."""
    if lab is None or lab.value is None or lab.age_days > days:
        return False
    return lab.flag != "low" if lowest is None else lab.value >= lowest


def _deficit_company(derived: Derived) -> Said:
    """What stands beside a low magnesium in its summary: the worst symptom, potassium, QTc."""
    parts: list[Said] = []
    symptoms = sorted(_deficit_symptoms(derived), key=lambda each: (not each.severe_deficiency, not each.cramp))
    if symptoms:
        parts.append(symptoms[0].name)
    potassium, qtc = derived.labs["potassium"], derived.labs["qtc"]
    if potassium is not None and potassium.value is not None and potassium.value < 3.5 and potassium.age_days <= 14:
        parts.append(said("K {value:1}", value=potassium.value))
    if qtc is not None and qtc.flag == "high" and qtc.age_days <= 7 and qtc.value is not None:
        parts.append(said("QTc {value:0} ms", value=qtc.value))
    return joined(parts)


def _deficit_symptoms(derived: Derived) -> list[Complaint]:
    return [
        each
        for each in derived.symptoms
        if (each.cramp or each.severe_deficiency or each.key in _DEFICIT) and each.age_days <= CRAMP_WINDOW_DAYS
    ]


def _cramp_drugs(derived: Derived) -> list[View]:
    """Drugs that may have brought the cramps, with the days from start to the first onset; a start nobody knows comes last."""
    onsets = sorted(each.onset for each in derived.cramps)
    drugs = {id(drug): drug for key in _CRAMP_DRUGS for drug in derived.by_class[key]}.values()
    found = []
    for drug in drugs:
        if followed_by_cramp(drug, onsets):
            start = drug.start.date() if drug.start is not None else None
            days = (
                next(((each.date() - start).days for each in onsets if start <= each.date()), None) if start else None
            )
            found.append(View(drug, days_before=days))
    return sorted(found, key=lambda each: each.days_before is None)


def _monitored(derived: Derived, parameters: SimpleNamespace) -> dict[str, object]:
    """The drugs whose interval without a magnesium is the shortest that has passed, each name once, and the interval in days."""
    lab = derived.labs["magnesium"]
    since = lab.age_days if lab is not None else float("inf")
    for parameter, standard, classes in _MONITORING:
        days = getattr(parameters, parameter, standard)
        drugs: dict[str, Drug] = {}
        for key in classes:
            for drug in derived.by_class[key]:
                known = drugs.get(drug.name)
                if drug.known_days >= _TAKEN_FOR.get(key, 0.0) - 1e-9 and (
                    known is None or drug.known_days > known.known_days
                ):
                    drugs[drug.name] = drug
        if drugs and since > days:
            return {"drugs": list(drugs.values()), "days": f"{days:g}"}
    return {"drugs": [], "days": ""}


def _spacing(spacing: Spacing) -> View:
    timed = not spacing.avoid and not spacing.rule.startswith("avoid")
    return View(
        spacing, timed=timed, partner_name=spacing.partner_drug.name, magnesium_name=spacing.magnesium_drug.name
    )


def _worst(interactions: Sequence[Interaction]) -> View | None:
    order = ("contra", "avoid", "cap")
    worst = min(interactions, key=lambda each: (not each.focal, order.index(each.effect)), default=None)
    return None if worst is None else _interaction(worst)


def _interaction(each: Interaction) -> View:
    statin = word(each.statin)
    if each.dose_mg is not None:
        statin = said("{statin} {dose} mg a day", statin=statin, dose=each.dose_mg)
    pair = said("{statin} + {partner}: {effect}", statin=statin, partner=each.partner_name, effect=each.words)
    return View(each, statin_name=statin, effect_words=each.words, words=pair)


def kidney_words(kidney: Kidney) -> Said:
    """Kidney function in one sentence: value, age, how it was come by, tier."""
    parts: list[Said] = []
    if kidney.dialysis:
        parts.append(said("dialysis"))
    if kidney.aki is not None:
        parts.append(said("acute kidney injury stage {stage}", stage=kidney.aki.stage))
    if kidney.egfr_rounded is not None:
        parts.append(
            said(
                "eGFR {egfr} mL/min/1.73 m², {days:ago} ({origin})",
                egfr=kidney.egfr_rounded,
                days=kidney.age_days or 0.0,
                origin=_origin(kidney),
            )
        )
    if not parts and kidney.tier in (None, "UNKNOWN"):
        parts.append(said("no usable eGFR"))
    elif not parts:
        parts.append(said("no usable eGFR, CKD stage {stage} by diagnosis", stage=kidney.tier))
    return joined([*parts, *kidney.notes], "; ")


def _short_kidney(kidney: Kidney) -> Said:
    """Kidney function for a summary: dialysis, stage of an acute injury, or eGFR and its age."""
    of_egfr = kidney.tier != "DIALYSIS" and (kidney.tier != "AKI" or kidney.aki is None)
    if of_egfr and kidney.egfr is None and kidney.tier not in (None, "UNKNOWN"):
        return said("CKD stage {stage}", stage=kidney.tier)
    return (_egfr_words(kidney) if of_egfr else None) or kidney.words


def _egfr_words(kidney: Kidney) -> Said | None:
    """eGFR and its age for a summary."""
    if kidney.egfr_rounded is None:
        return None
    return said("eGFR {egfr} ({days:ago})", egfr=kidney.egfr_rounded, days=kidney.age_days or 0.0)


def _origin(kidney: Kidney) -> Said:
    """How an eGFR was come by."""
    creatinine = kidney.creatinine
    if kidney.computed and creatinine is not None:
        return said(
            "computed with {method} from creatinine {value} {unit}",
            method=kidney.method,
            value=creatinine.value,
            unit=creatinine.unit,
        )
    return said("reported, {method}", method=kidney.method) if kidney.method else said("reported")


class KidneyView(View):
    """Kidney function with its words, each made when a text reads it."""

    _derived: Kidney

    @cached_property
    def words(self) -> Said:
        """Value, age, how it was come by, tier."""
        return kidney_words(self._derived)

    @cached_property
    def short_words(self) -> Said:
        """The same for a summary."""
        return _short_kidney(self._derived)

    @cached_property
    def egfr_words(self) -> Said | None:
        """eGFR and its age, None where it is not known."""
        return _egfr_words(self._derived)

    @property
    def shown_sources(self) -> tuple[Source, ...]:
        """Where it stands."""
        return self._derived.sources

    @property
    def shown_days(self) -> float | None:
        """The age that its words say, None where they say none."""
        return None if self._derived.egfr_rounded is None else self._derived.age_days or 0.0

    @property
    def _too_old(self) -> bool:
        return self._derived.tier == "UNKNOWN" and self._derived.egfr_rounded is not None

    @cached_property
    def last_known(self) -> str:
        """An eGFR that is too old to judge by."""
        kidney = self._derived
        if not self._too_old:
            return ""
        return said("eGFR {egfr}, {days:ago}", egfr=kidney.egfr_rounded, days=kidney.age_days or 0.0)

    @cached_property
    def why_unknown(self) -> str:
        """Why it does not count."""
        return said("too old to reassure") if self._too_old else ""


class MagnesiumView(View):
    """All magnesium with its words, each made when a text reads it."""

    _derived: Magnesium

    @cached_property
    def products(self) -> list[ProductView]:
        """What is taken by mouth."""
        return [ProductView(each) for each in self._derived.oral]

    @cached_property
    def focal_products(self) -> list[ProductView]:
        """What is in focus."""
        return [ProductView(each) for each in self._derived.focal]

    @cached_property
    def sources(self) -> list[ProductView]:
        """Everything, what is in focus first."""
        focal = self._derived.focal
        return [ProductView(each) for each in (*focal, *(each for each in self._derived.products if each not in focal))]

    @cached_property
    def running(self) -> list[ProductView]:
        """Everything that is not stopped."""
        return [each for each in self.sources if each.state != "stopped"]

    @cached_property
    def names(self) -> Said:
        """Names of what is swallowed, of what is in focus where something is."""
        return _names(self._derived.focal_oral or self._derived.oral)

    @cached_property
    def focal_names(self) -> Said:
        """Names of what is in focus."""
        return _names(self._derived.focal)

    @cached_property
    def taken_names(self) -> Said:
        """Names of what is no draft."""
        return _names(each for each in self._derived.products if each.state != "draft")

    @cached_property
    def total_words(self) -> Said:
        """The total a day."""
        return self._derived.words

    @cached_property
    def upper_words(self) -> str:
        """The most it may be, where strengths are ambiguous."""
        if self._derived.upper_total_mg <= self._derived.total_mg:
            return ""
        return said("up to {amount:0} mg if a strength is elemental", amount=self._derived.upper_total_mg)

    @cached_property
    def reasons(self) -> set[str]:
        """What it is taken for."""
        return {reason for each in self._derived.products for reason in each.drug.medication.reasons}

    @cached_property
    def has_laxative(self) -> bool:
        """A laxative is among what is swallowed."""
        return any(each.klass == "mg-laxative" for each in self._derived.oral)

    @cached_property
    def iv(self) -> list[Product]:
        """What goes into a vein."""
        return [each for each in self._derived.products if each.kind == "iv"]

    @cached_property
    def iv_words(self) -> Said:
        """Amounts of it that are in focus."""
        return joined(each.amount for each in self._derived.focal_iv)

    @cached_property
    def iv_unknown(self) -> str:
        """The first of it whose amount is not known."""
        return next((each.name for each in self._derived.focal_iv if each.amount is AMOUNT_NOT_KNOWN), "")

    @cached_property
    def iv_days(self) -> float:
        """Since when it runs."""
        return max((each.start_days for each in self._derived.focal_iv if each.start_days is not None), default=0)

    @cached_property
    def prep_words(self) -> Said:
        """How much is in a bowel preparation or an enema."""
        known = [
            each.elemental_mg
            for each in self._derived.focal
            if each.kind in ("bowel-prep", "enema") and each.elemental_mg is not None
        ]
        if not known:
            return said("grams of elemental Mg")
        return said("about {amount:1} g elemental Mg", amount=sum(known) / 1000)

    @cached_property
    def weeks(self) -> int:
        """For how long some is swallowed."""
        days = max((each.start_days for each in self._derived.oral if each.start_days is not None), default=0)
        return int(days // 7)


def _prep_risk(derived: Derived) -> Said:
    """What makes a bowel preparation dangerous, the worst first."""
    kidney = derived.kidney
    if "bowel-obstruction" in derived.record.problems:
        return said("bowel obstruction or ileus")
    if kidney.severe:
        return _short_kidney(kidney)
    if kidney.crcl is not None and kidney.crcl < 30:
        return said("CrCl {clearance:0} mL/min", clearance=kidney.crcl)
    if kidney.tier == "G3b":
        return _short_kidney(kidney)
    if kidney.tier == "UNKNOWN":
        return said("unknown kidney function")
    return said("age {years}", years=derived.patient.age_years)


def _names(products: Iterable[Product]) -> Said:
    names = dict.fromkeys(each.name for each in products)
    return joined(names) if names else said("magnesium")


class ProductView(View):
    """A magnesium product with its words."""

    _derived: Product

    @cached_property
    def amount(self) -> Said:
        """The amount, and what is to be known of the order."""
        product = self._derived
        marks = [said("patient-reported")] if product.drug.patient_reported else []
        marks += [word(product.state)] if product.state != "active" else []
        return joined([product.amount, *marks])

    @cached_property
    def start_words(self) -> Said:
        """Since when it is taken."""
        return _start_words(self._derived.start_days, self._derived.state)

    @property
    def source(self) -> Source:
        """Where it stands."""
        return self._derived.drug.medication.source


def _start_words(days: float | None, state: str) -> Said:
    if state == "draft":
        return said("draft")
    return said("start not known") if days is None else said("started {days:ago}", days=days)


class LabView(View):
    """A laboratory value or vital sign with its words, each made once, when a text reads it."""

    _derived: Lab

    @cached_property
    def shown(self) -> Said:
        """The value with its bound and unit."""
        return said("{value} {unit}", value=self.number, unit=self._derived.unit) if self._derived.unit else self.number

    @cached_property
    def number(self) -> Said:
        """The value with its bound."""
        latest = self._derived.latest
        pattern = f"{{bound}}{{value:{_DECIMALS.get(self._derived.key, 2)}}}"
        return said(pattern, bound=latest.comparator, value=latest.value)

    @cached_property
    def words(self) -> Said:
        """Value, age, and whether the specimen was hemolyzed."""
        pattern = "{value}, {days:ago}, hemolyzed" if self._derived.hemolyzed else "{value}, {days:ago}"
        return said(pattern, value=self.shown, days=self._derived.age_days)

    def _within(self, days: float) -> bool:
        return self._derived.age_days <= days + 1e-9

    @cached_property
    def vague(self) -> bool:
        """The date names no day."""
        return self._derived.latest.until is not None

    @cached_property
    def recent_value(self) -> Said:
        """Value and unit, when they belong to the time of the cramps."""
        return self.shown if self._within(CRAMP_WINDOW_DAYS) else NoLab.words

    @cached_property
    def short_value(self) -> Said:
        """Value and age for a summary."""
        return said("{value} ({days:ago})", value=self.shown, days=self._derived.age_days)

    @cached_property
    def shown_sources(self) -> tuple[Source, ...]:
        """Where the value stands."""
        return (self._derived.source,)

    @property
    def shown_days(self) -> float:
        """The age that its words say."""
        return self._derived.age_days

    @cached_property
    def limits_from(self) -> Said:
        """Where the limits come from."""
        return _LIMITS.get(self._derived.limits, said("not known"))

    @cached_property
    def band(self) -> Said:
        """Band of a magnesium (clinical specification 3.7)."""
        return word(self._derived.band)


_LIMITS: Mapping[str, Said] = {
    "laboratory": said("the laboratory's own"),
    "laboratory and default": said("one the laboratory's own, one by default"),
    "default": said("default"),
}


def _calcium(derived: Derived) -> dict[str, View]:
    calcium = derived.calcium
    if calcium is None:
        return {}
    ionized = calcium.method == "ionized"
    words = said(
        "{value:2} {unit} {method}, {days:ago}" if ionized else "{value:1} {unit} {method}, {days:ago}",
        value=calcium.value,
        unit=calcium.unit,
        method=word(calcium.method),
        days=calcium.age_days,
    )
    shown = {"words": words, "shown_sources": calcium.sources, "shown_days": calcium.age_days}
    return {"calcium": View(calcium, method=word(calcium.method), **shown)}


class SymptomView(View):
    """A reported symptom with its words."""

    _derived: Complaint

    @cached_property
    def name_words(self) -> Said:
        """Its name with side and site."""
        name, place = self._derived.name, _place(self._derived)
        return said("{place} {symptom}", place=place, symptom=name) if place else name

    @cached_property
    def cramps_words(self) -> Said:
        """Cramps with their side and site, or when they come."""
        return _cramps(self._derived)

    @cached_property
    def words(self) -> Said:
        """Name, age and onset."""
        symptom = self._derived
        pattern = "{symptom}, {days:ago}, onset {onset:ago}"
        return said(pattern, symptom=self.name_words, days=symptom.age_days, onset=symptom.onset_days)


_CRAMPS: Mapping[str, Said] = {
    "leg": said("leg cramps"),
    "calf": said("calf cramps"),
    "foot": said("foot cramps"),
    "toe": said("toe cramps"),
    "thigh": said("thigh cramps"),
    "hip": said("hip cramps"),
    "buttock": said("buttock cramps"),
    "arm": said("arm cramps"),
    "upper-arm": said("upper arm cramps"),
    "hand": said("hand cramps"),
    "shoulder": said("shoulder cramps"),
    "back": said("back cramps"),
    "generalized": said("generalized cramps"),
    "muscle": said("muscle cramps"),
    "nocturnal": said("nocturnal cramps"),
    "exertional": said("exertional cramps"),
    "dialysis": said("dialysis cramps"),
    "menstrual": said("menstrual cramps"),
}
"""Cramps by site or time: a language may have one word for both."""


def _cramps(symptom: Complaint) -> Said:
    """Cramps with their side and site, or when they come."""
    if symptom.site or symptom.side:
        cramps = _CRAMPS.get(symptom.site or "muscle", _CRAMPS["muscle"])
        return said("{side} {cramps}", side=word(symptom.side), cramps=cramps) if symptom.side else cramps
    return _CRAMPS.get(symptom.timing or "muscle", _CRAMPS["muscle"])


def _place(symptom: Complaint) -> Said | None:
    """Side and site, as far as the name of the symptom does not say them: an abdominal cramp names its place already."""
    begins = symptom.key.split("-")[0][:5]
    site = word(symptom.site) if symptom.site and symptom.site[:5] != begins else None
    side = word(symptom.side) if symptom.side and symptom.side[:5] != begins else None
    return said("{side} {site}", side=side, site=site) if side and site else side or site


class DiureticView(View):
    """A diuretic with its words."""

    _derived: Diuretic

    @cached_property
    def start_words(self) -> Said:
        """Since when it is taken."""
        return _start_words(self._derived.start_days, self._derived.state)

    @cached_property
    def temporal(self) -> Said:
        """The link in time between it and the cramps."""
        return word(self._derived.temporal) if self._derived.temporal else said("not judged")


def _focal_first(statins: Sequence[Statin]) -> list[Statin]:
    order = {"draft": 0, "active": 1, "stopped": 2}
    return sorted(statins, key=lambda each: (not each.focal, order[each.state]))


class StatinView(View):
    """A statin with its words."""

    _derived: Statin

    @cached_property
    def dose_words(self) -> Said:
        """The dose a day."""
        return _statin_dose(self._derived)

    @cached_property
    def start_words(self) -> Said:
        """Since when it is taken."""
        statin = self._derived
        return said("stopped") if statin.state == "stopped" else _start_words(statin.days, statin.state)

    @cached_property
    def ingredient(self) -> Said:
        """What it is."""
        return word(self._derived.ingredient)


def _statin_dose(statin: Statin) -> Said:
    if statin.dose_mg is not None:
        return said("{dose} mg a day", dose=statin.dose_mg)
    dosage = statin.drug.medication.dosage
    once = mg_of(dosage.dose) if dosage.dose is not None and dosage.per_day is None else None
    return said("dose not known") if once is None else said("{dose} mg a dose, times a day not known", dose=once)
