"""Magnesium: how much is taken by mouth and given by vein, and what a serum level means.

Flows in: `Drug`s and the `Patient`. Flows out: `Magnesium` with each `Product`. Amounts are elemental magnesium in mg a day
by mouth, and grams of magnesium sulfate heptahydrate by vein. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cds_rules.derive.exposure import Drug, mg_of
from cds_rules.derive.patient import Patient
from cds_rules.derive.record import EPSILON
from cds_rules.knowledge.decisions import STANDARD, Decisions
from cds_rules.vocabulary.chart import Amount, MagnesiumContent, Source, State
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.quantities import half_up
from cds_rules.vocabulary.wording import Said, joined, said

MG_PER_MMOL, MG_PER_MEQ = 24.305, 12.15
MG_DL_PER_MMOL_L, MG_DL_PER_MEQ_L = 2.4305, 1.21525
SULFATE_MEQ_PER_G, SULFATE_MMOL_PER_G = 8.1, 4.06
FRACTIONS = {
    "elemental": 1.0,
    "magnesium": 1.0,
    "magnesium-oxide": 0.6030,
    "magnesium-hydroxide": 0.4168,
    "magnesium-carbonate": 0.2883,
    "magnesium-citrate": 0.1616,
    "magnesium-sulfate": 0.0986,
    "magnesium-sulfate-heptahydrate": 0.0986,
    "magnesium-sulfate-anhydrous": 0.2019,
    "magnesium-chloride": 0.1196,
    "magnesium-chloride-hexahydrate": 0.1196,
    "magnesium-gluconate": 0.0586,
    "magnesium-gluconate-dihydrate": 0.0539,
    "magnesium-lactate": 0.1201,
    "magnesium-lactate-dihydrate": 0.1019,
    "magnesium-glycinate": 0.1410,
    "magnesium-bisglycinate": 0.1410,
    "magnesium-malate": 0.1554,
    "magnesium-aspartate": 0.0842,
    "magnesium-aspartate-dihydrate": 0.0749,
    "magnesium-taurate": 0.0892,
    "magnesium-l-threonate": 0.0825,
    "magnesium-orotate": 0.0727,
    "magnesium-trisilicate": 0.1863,
    "magnesium-salicylate": 0.0656,
    "magnesium-salicylate-tetrahydrate": 0.0656,
    "magnesium-glycerophosphate": 0.1251,
}
"""Elemental fraction of the weight of a salt (clinical specification 3.9), in the hydrate that is usual in products."""

ORAL = ("mg-laxative", "mg-antacid", "mg-binder", "mg-oral-supplement")
HEAVY = frozenset({"mg-laxative", "mg-antacid"})
_OTHER_KINDS = (("mg-iv", "iv"), ("mg-bowel-prep", "bowel-prep"), ("mg-enema", "enema"))
_NOT_SOURCES = frozenset({"mg-topical", "mg-trace"})
_OBSTETRIC = frozenset({"preeclampsia", "eclampsia", "fetal-neuroprotection", "preterm-labour"})
_LEAST_ORAL_MG, _LEAST_COUNTED_MG = 50.0, 8.0
RECENT_DAYS = 3.0
AMOUNT_NOT_KNOWN = said("amount not known")


def elemental_mg(salt: str, amount_mg: float) -> float:
    """Elemental magnesium in an amount of a salt, both in mg.

    Raises:
        KeyError: the salt is not known.

    Source:
        Molar masses; clinical specification 3.9.

    >>> round(elemental_mg("magnesium-oxide", 400), 1)
    241.2
    """
    return FRACTIONS[salt] * amount_mg


def elemental_mg_per_day(salt: str, dose_mg: float, doses_per_day: float) -> float:
    """Elemental magnesium a day of a salt, in mg, not rounded.

    Source:
        clinical specification 3.9; NIH Office of Dietary Supplements, Magnesium fact sheet.

    >>> round(elemental_mg_per_day("magnesium-oxide", 400, 2))
    482
    """
    return elemental_mg(salt, dose_mg) * doses_per_day


def supplement_limit_mg(age_years: int | None) -> float | None:
    """Tolerable upper intake of magnesium from supplements and medicines, in mg a day; None below 1 year or age unknown.

    Source:
        Institute of Medicine, Dietary Reference Intakes, 1997.

    >>> supplement_limit_mg(3), supplement_limit_mg(8), supplement_limit_mg(9)
    (65.0, 110.0, 350.0)
    """
    if age_years is None or age_years < 1:
        return None
    return 65.0 if age_years <= 3 else 110.0 if age_years <= 8 else 350.0


def magnesium_mmol_l(magnesium_mg_dl: float) -> float:
    """Serum magnesium in mmol/L.

    >>> round(magnesium_mmol_l(4.8), 2)
    1.97
    """
    return magnesium_mg_dl / MG_DL_PER_MMOL_L


def magnesium_meq_l(magnesium_mg_dl: float) -> float:
    """Serum magnesium in mEq/L.

    >>> round(magnesium_meq_l(4.8), 2)
    3.95
    """
    return magnesium_mg_dl / MG_DL_PER_MEQ_L


def magnesium_limits_mg_dl(
    reported_low: float | None, reported_high: float | None, decisions: Decisions = STANDARD
) -> tuple[float, float, str]:
    """Lower limit, upper limit and their source: the laboratory's own where plausible, each judged for itself.

    >>> magnesium_limits_mg_dl(1.6, 2.6), magnesium_limits_mg_dl(1.3, None)
    ((1.6, 2.6, 'laboratory'), (1.7, 2.4, 'default'))
    """
    low_fits = reported_low is not None and 1.4 - EPSILON <= reported_low <= 2.0 + EPSILON
    high_fits = reported_high is not None and 2.1 - EPSILON <= reported_high <= 2.9 + EPSILON
    low = reported_low if low_fits and reported_low is not None else decisions.magnesium_lower_limit
    high = reported_high if high_fits and reported_high is not None else decisions.magnesium_upper_limit
    return (
        low,
        high,
        "laboratory" if low_fits and high_fits else "laboratory and default" if low_fits or high_fits else "default",
    )


def hypermagnesemia_band(magnesium_mg_dl: float, upper_limit_mg_dl: float, decisions: Decisions = STANDARD) -> str:
    """Band of excess: none, mild, moderate, severe or extreme.

    Source:
        Magnesium sulfate label (4, 6 and 10 mEq/L); project decision on rounding.

    >>> hypermagnesemia_band(4.8, 2.4)
    'moderate'
    """
    for lowest, band in (
        (decisions.mg_band_extreme, "extreme"),
        (decisions.mg_band_severe, "severe"),
        (decisions.mg_band_moderate, "moderate"),
    ):
        if magnesium_mg_dl >= lowest - EPSILON:
            return band
    return "mild" if magnesium_mg_dl > upper_limit_mg_dl + EPSILON else "none"


def hypermagnesemia_grade(magnesium_mg_dl: float, upper_limit_mg_dl: float) -> int:
    """CTCAE grade of a high magnesium; 0 when it is not high, there is no grade 2.

    Source:
        NCI Common Terminology Criteria for Adverse Events 5.0.

    >>> hypermagnesemia_grade(3.0, 2.4), hypermagnesemia_grade(3.1, 2.4)
    (1, 3)
    """
    if magnesium_mg_dl > 8.0 + EPSILON:
        return 4
    if magnesium_mg_dl > 3.0 + EPSILON:
        return 3
    return 1 if magnesium_mg_dl > upper_limit_mg_dl + EPSILON else 0


def hypomagnesemia_grade(magnesium_mg_dl: float, lower_limit_mg_dl: float) -> int:
    """CTCAE grade of a low magnesium; 0 when it is not low.

    Source:
        NCI Common Terminology Criteria for Adverse Events 5.0.

    >>> hypomagnesemia_grade(1.2, 1.7), hypomagnesemia_grade(0.6, 1.7)
    (1, 4)
    """
    for grade, bound in ((4, 0.7), (3, 0.9), (2, 1.2)):
        if magnesium_mg_dl < bound - EPSILON:
            return grade
    return 1 if magnesium_mg_dl < lower_limit_mg_dl - EPSILON else 0


class Product(Frozen, frozen=True):
    """A magnesium product: active, drafted, or stopped within 3 days.

    kind: oral, iv, bowel-prep or enema. elemental_mg: a day, whole mg, None when not known; upper_mg: the other reading of
    an ambiguous strength. assumed: the frequency is not known and taken as once a day. counts: belongs to mg_oral, that is
    oral with at least 50 mg a day or an unknown amount. dose_g, rate_g_per_hour: of IV magnesium.
    """

    drug: Drug
    name: str
    klass: str
    kind: str
    salt: str
    source: Source
    state: State
    focal: bool
    both: bool
    elemental_mg: int | None
    upper_mg: int | None
    assumed: bool
    prn: bool
    one_time: bool
    start: datetime | None
    start_days: float | None
    counts: bool
    dose_g: float | None = None
    rate_g_per_hour: float | None = None

    @property
    def heavy(self) -> bool:
        """A laxative or antacid that counts."""
        return self.counts and self.klass in HEAVY

    @property
    def known_days(self) -> float:
        """Days it is known to be taken; 0 when not recorded."""
        return self.drug.known_days

    @property
    def reason(self) -> str:
        """Why it is given: cramps, malaria, other or none."""
        return self.drug.reason

    @property
    def dosage(self) -> str:
        """The dosage as written."""
        return self.drug.medication.dosage.text

    @property
    def amount(self) -> Said:
        """The amount in words, marked where it was assumed or is not known."""
        if self.kind == "iv":
            if self.rate_g_per_hour is not None:
                return said("{rate} g/h", rate=self.rate_g_per_hour)
            return AMOUNT_NOT_KNOWN if self.dose_g is None else said("{dose} g", dose=self.dose_g)
        if self.elemental_mg is None:
            return AMOUNT_NOT_KNOWN
        ambiguous = self.upper_mg is not None and self.upper_mg != self.elemental_mg
        marks = [said("up to {amount} mg", amount=self.upper_mg)] if ambiguous else []
        marks += [said("as needed: ordered maximum")] if self.prn else []
        marks += [said("once a day assumed")] if self.assumed else []
        once, daily = "{amount} mg elemental Mg once", "{amount} mg elemental Mg/day"
        amount = said(once if self.one_time else daily, amount=self.elemental_mg)
        return joined([amount, said("({marks})", marks=joined(marks, "; "))], " ") if marks else amount


class Magnesium(Frozen, frozen=True):
    """All magnesium of one patient.

    products: in BOTH, and those stopped within 3 days. total_mg: elemental mg a day of the oral products in BOTH, unknown
    amounts and medications that were not delivered count 0, then at_least. upper_total_mg: with the other reading of
    ambiguous strengths. obstetric: None when pregnancy cannot be told and there is IV magnesium.
    """

    products: tuple[Product, ...]
    total_mg: float
    upper_total_mg: float
    at_least: bool
    source_count: int
    upper_limit_mg: float | None
    obstetric: bool | None

    @property
    def oral(self) -> tuple[Product, ...]:
        """Oral products in BOTH that add to the total."""
        return tuple(each for each in self.products if each.kind == "oral" and each.both)

    @property
    def focal(self) -> tuple[Product, ...]:
        """Products in focus: mg_oral, preparations, enemas and IV."""
        return tuple(each for each in self.products if each.focal and (each.counts or each.kind != "oral"))

    @property
    def focal_oral(self) -> tuple[Product, ...]:
        """FOCAL mg_oral."""
        return tuple(each for each in self.products if each.focal and each.counts)

    @property
    def focal_iv(self) -> tuple[Product, ...]:
        """FOCAL IV and IM magnesium."""
        return tuple(each for each in self.products if each.focal and each.kind == "iv")

    @property
    def over_limit(self) -> bool:
        """total_mg is above the supplement limit."""
        return self.upper_limit_mg is not None and self.total_mg > self.upper_limit_mg + EPSILON

    @property
    def heavy(self) -> bool:
        """FOCAL mg_oral holds a laxative or antacid."""
        return any(each.heavy for each in self.focal_oral)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the products in focus, each once."""
        return tuple(dict.fromkeys(each.name for each in self.focal or self.products))

    @property
    def words(self) -> Said:
        """The total in words; nothing known is no number, since "at least 0 mg" reads like little."""
        if self.at_least and not self.total_mg:
            return said("unknown amount of Mg/day")
        if self.at_least:
            return said("at least {amount:0} mg Mg/day", amount=self.total_mg)
        return said("{amount:0} mg Mg/day", amount=self.total_mg)

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where the products stand in the record."""
        return tuple(dict.fromkeys(each.source for each in self.products))


def _per_amount(amount: Amount, content: MagnesiumContent, per_unit_mg: float | None) -> float | None:
    """Elemental mg of one dose, given the elemental mg of one unit or mL."""
    if amount.unit == "mEq":
        return amount.value * MG_PER_MEQ
    if amount.unit == "mmol":
        return amount.value * MG_PER_MMOL
    if amount.unit == content.per:
        return None if per_unit_mg is None else per_unit_mg * amount.value
    weight_mg = mg_of(amount)
    if weight_mg is None:
        return None
    if per_unit_mg is not None and content.strength_mg:
        return weight_mg * per_unit_mg / content.strength_mg
    fraction = 1.0 if content.basis == "elemental" else FRACTIONS.get(content.salt.replace(" ", "-"))
    return None if fraction is None else weight_mg * fraction


def _times_a_day(drug: Drug) -> tuple[float, bool]:
    dosage = drug.medication.dosage
    if dosage.per_day is not None:
        return dosage.per_day, False
    return 1.0, not dosage.one_time


def daily_elemental_mg(drug: Drug, content: MagnesiumContent, per_unit_mg: float | None) -> tuple[float | None, bool]:
    """Elemental mg a day of an oral product and whether its frequency was assumed.

    As needed counts the ordered maximum; an unknown frequency counts once a day.
    """
    dosage = drug.medication.dosage
    ceiling = _per_amount(dosage.maximum_per_day, content, per_unit_mg) if dosage.maximum_per_day else None
    once = _per_amount(dosage.dose, content, per_unit_mg) if dosage.dose else None
    if once is None or (dosage.per_day is None and ceiling is not None):
        return ceiling, False
    times, assumed = _times_a_day(drug)
    daily = once * times
    return (min(daily, ceiling) if dosage.prn and ceiling is not None else daily), assumed


def sulfate_g(amount: Amount | None, content: MagnesiumContent | None) -> float | None:
    """An amount of IV magnesium in grams of magnesium sulfate heptahydrate.

    >>> sulfate_g(Amount(16.2, "mEq"), None)
    2.0
    """
    if amount is None:
        return None
    if amount.unit == "mEq":
        return amount.value / SULFATE_MEQ_PER_G
    if amount.unit == "mmol":
        return amount.value / SULFATE_MMOL_PER_G
    if (weight_mg := mg_of(amount)) is not None:
        return weight_mg / 1000
    if content is not None and amount.unit == content.per and content.strength_mg is not None:
        return amount.value * content.strength_mg / 1000
    return None


def _product(drug: Drug) -> Product | None:
    classes = drug.classes
    if not classes.isdisjoint(_NOT_SOURCES) or drug.medication.route == "topical":
        return None
    klass, kind = next(((name, kind) for name, kind in _OTHER_KINDS if name in classes), (None, ""))
    if klass is None:
        klass, kind = next(((name, "oral") for name in ORAL if name in classes), (None, ""))
    if klass is None:
        return None
    if drug.state == "stopped" and (drug.stopped_days is None or drug.stopped_days > RECENT_DAYS + EPSILON):
        return None
    if drug.state == "active" and not drug.both:
        return None  # replaced by a draft
    medication, content = drug.medication, drug.medication.product.magnesium
    dosage = medication.dosage
    daily: float | None = None
    upper: float | None = None
    assumed = False
    if kind != "iv":
        content = content or MagnesiumContent("", None, "unit", "unknown")
        daily, assumed = daily_elemental_mg(drug, content, content.elemental_mg)
        if content.upper_mg is not None:
            upper, _ = daily_elemental_mg(drug, content, content.upper_mg)
    rounded = None if daily is None else half_up(daily)
    return Product(
        drug=drug,
        name=drug.name,
        klass=klass,
        kind=kind,
        salt=content.salt if content else "",
        source=drug.source,
        state=drug.state,
        focal=drug.focal,
        both=drug.both,
        elemental_mg=rounded,
        upper_mg=None if upper is None else half_up(upper),
        assumed=assumed and rounded is not None,
        prn=dosage.prn,
        one_time=dosage.one_time,
        start=medication.start,
        start_days=drug.start_days,
        counts=kind == "oral" and (rounded is None or rounded >= _LEAST_ORAL_MG),
        dose_g=sulfate_g(dosage.dose, content) if kind == "iv" else None,
        rate_g_per_hour=sulfate_g(dosage.per_hour, content) if kind == "iv" else None,
    )


def magnesium(medications: Iterable[Drug], patient: Patient, *, complete: bool) -> Magnesium:
    """Add up the magnesium of all medications (clinical specification 3.9, 3.11).

    Args:
        complete: the medications were wholly delivered; of a part of them the sum is a lower bound.
    """
    products = tuple(
        product
        for drug in medications
        if any(each.startswith("mg-") for each in drug.classes) and (product := _product(drug))
    )
    oral = [each for each in products if each.kind == "oral" and each.both]
    given = [each for each in products if each.kind == "iv" and each.both]
    by_reason = any(not each.drug.medication.reasons.isdisjoint(_OBSTETRIC) for each in given)
    obstetric: bool | None = bool(given) and bool(by_reason or patient.pregnant or patient.postpartum)
    if given and not obstetric and (patient.pregnant is None or patient.postpartum is None):
        obstetric = None
    return Magnesium(
        products=products,
        total_mg=float(sum(each.elemental_mg or 0 for each in oral)),
        upper_total_mg=float(sum(max(each.elemental_mg or 0, each.upper_mg or 0) for each in oral)),
        at_least=not complete or any(each.elemental_mg is None for each in oral),
        source_count=sum(1 for each in oral if (each.elemental_mg or 0) >= _LEAST_COUNTED_MG),
        upper_limit_mg=supplement_limit_mg(patient.age_years),
        obstetric=obstetric,
    )
