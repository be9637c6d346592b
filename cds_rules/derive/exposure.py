"""Exposure to medicines: what the hook puts in focus, what is taken together, starts, doses, and pairs that interact.

Flows in: a `Record` and the tables of interactions. Flows out: `Drug`s, `Diuretic`s, `Interaction`s. FOCAL and BOTH are
those of clinical specification 0.4 and 9.7. Floor: derive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from cds_rules.derive.record import EPSILON, Record, same_day_or_later
from cds_rules.vocabulary.chart import Amount, Medication, Problem, Source, State
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import Said, said, word

DIURETICS = ("loop-diuretic", "thiazide-diuretic", "k-sparing-diuretic")
STATINS = frozenset(
    {"simvastatin", "lovastatin", "pravastatin", "fluvastatin", "atorvastatin", "rosuvastatin", "pitavastatin"}
)
WASTING = (
    "loop-diuretic", "thiazide-diuretic", "ppi", "aminoglycoside", "amphotericin-b", "foscarnet", "pentamidine-iv",
    "cisplatin", "anti-egfr-mab", "calcineurin-inhibitor",
)  # fmt: skip
STATIN_STOPPED_DAYS = 7
CREATININE_RAISERS = frozenset({"trimethoprim", "dolutegravir"})
"""Raise creatinine without loss of filtration (clinical specification 2.6)."""
_RENAL_CLASSES = ("nsaid", "acei-arb", *DIURETICS)
_RENAL_CONDITIONS = (
    "diabetes", "hypertension", "heart-failure", "ckd-unspecified", "ckd-3-unspecified", "ckd-3a", "kidney-transplant",
    "prior-aki",
)  # fmt: skip
_DEFICIENCY_CONDITIONS = (
    "alcohol-use-disorder", "malabsorption", "chronic-diarrhea", "bariatric-surgery", "short-bowel", "gitelman-bartter",
    "refeeding",
)  # fmt: skip
_LOCAL = frozenset({"topical", "inhaled", "ophthalmic", "otic", "nasal", "rectal", "vaginal", "other"})
_MG_OF = {"mg": 1.0, "g": 1000.0, "mcg": 0.001}
Row = Mapping[str, str]
Rows = Sequence[Row]
Reason = Literal["cramps", "malaria", "other", "none"]


class Lookups(Frozen, frozen=True):
    """What is looked up in the packs' tables.

    interactions: statin -> partner -> row of table 2.25. limits_mg: statin -> limit of table 2.26. spacings: table 2.34.
    """

    interactions: Mapping[str, Mapping[str, Row]]
    limits_mg: Mapping[str, float]
    spacings: Rows

    @classmethod
    def of(cls, tables: Mapping[str, Rows]) -> Lookups:
        """Those of tables by name."""
        interactions: dict[str, dict[str, Row]] = {}
        for row in tables.get("statin_interactions", ()):
            interactions.setdefault(row["statin"], {})[row["partner"]] = row
        limits = {row["statin"]: float(row["limit_mg"]) for row in tables.get("statin_dose_limits", ())}
        return cls(interactions, limits, tables.get("absorption_interactions", ()))


NO_LOOKUPS = Lookups.of({})


def mg_of(amount: Amount) -> float | None:
    """An amount in milligrams, when its unit is a weight.

    >>> mg_of(Amount(2, "g"))
    2000.0
    """
    factor = _MG_OF.get(amount.unit)
    return None if factor is None else amount.value * factor


def daily_mg(medication: Medication, ingredient: str) -> float | None:
    """Milligrams a day of one ingredient of a medication; None when the dose or its frequency is not known with certainty."""
    dosage = medication.dosage
    per_day = 1.0 if dosage.one_time else dosage.per_day
    if dosage.dose is None or per_day is None:
        return None
    if (weight := mg_of(dosage.dose)) is not None:
        return weight * per_day if len(medication.product.ingredients) == 1 else None
    for name, strength_mg, per in medication.product.strengths:
        if name == ingredient and per == dosage.dose.unit:
            return strength_mg * dosage.dose.value * per_day
    return None


class Drug(Frozen, frozen=True):
    """A medication with its part in this call.

    focal: belongs to FOCAL. both: belongs to BOTH (active and not replaced by a draft, or a draft). renewal: a draft of
    the same ingredients as an active order. known_days: days it is known to be taken, 0 when the start is not recorded.
    """

    medication: Medication
    focal: bool
    both: bool
    renewal: bool
    start_days: float | None
    stopped_days: float | None

    @property
    def name(self) -> str:
        """What the record calls it."""
        return self.medication.label

    @property
    def ingredient(self) -> str:
        """The statin of a statin combination, else the first ingredient."""
        ingredients = self.medication.product.ingredients
        if "statin" in self.medication.classes:
            return next((each for each in ingredients if each in STATINS), ingredients[0] if ingredients else "")
        return ingredients[0] if ingredients else ""

    @property
    def classes(self) -> frozenset[str]:
        """Classes of clinical specification 5.1."""
        return self.medication.classes

    @property
    def state(self) -> State:
        """active, stopped or draft."""
        return self.medication.state

    @property
    def source(self) -> Source:
        """Where it stands in the record."""
        return self.medication.source

    @property
    def start(self) -> datetime | None:
        """Earliest start."""
        return self.medication.start

    @property
    def dose_increased(self) -> datetime | None:
        """Last increase of the dose."""
        return self.medication.dose_increased

    @property
    def known_days(self) -> float:
        """Days it is known to be taken; 0 for a draft or when the start is not recorded."""
        return self.start_days if self.start_days is not None and self.state == "active" else 0.0

    @property
    def dose_mg(self) -> float | None:
        """Milligrams a day of `ingredient`."""
        return daily_mg(self.medication, self.ingredient)

    @property
    def prn(self) -> bool:
        """Taken as needed."""
        return self.medication.dosage.prn

    @property
    def patient_reported(self) -> bool:
        """A statement of the patient or an over-the-counter entry."""
        return self.medication.patient_reported

    @property
    def local(self) -> bool:
        """Given by a route that does not reach the whole body."""
        return (self.medication.route or self.medication.product.route) in _LOCAL

    @property
    def oral(self) -> bool:
        """Taken by mouth; where an order does not say the route, too: what was *given* by an unknown route may be infused."""
        given = self.medication.resource_type == "MedicationAdministration"
        return (self.medication.route or self.medication.product.route or ("" if given else "oral")) == "oral"

    @property
    def reason(self) -> Reason:
        """Why it is given, as far as rules ask."""
        reasons = self.medication.reasons
        if not reasons:
            return "none"
        return "malaria" if reasons & {"malaria", "babesiosis"} else "cramps" if "cramps" in reasons else "other"

    def since(self, moment: datetime) -> bool:
        """Whether a moment is on or after the start; an unknown start counts as yes (clinical specification 3.11)."""
        start = self.medication.start
        return start is None or same_day_or_later(moment, start)


def _key(medication: Medication) -> str:
    return f"{medication.resource_type}/{medication.resource_id}"


def _replaced(active: Medication, drafts: Iterable[Medication]) -> bool:
    for draft in drafts:
        if draft.replaces and not draft.replaces.isdisjoint(
            (_key(active), active.source.reference, active.resource_id or "-")
        ):
            return True
        if not draft.identifiers.isdisjoint(active.identifiers):
            return True
        if active.resource_id and _key(draft) == _key(active):
            return True
    return False


def _same_product(active: Medication, draft: Medication) -> bool:
    """The same ingredients by the same way: at a refill the draft goes on with what is taken, and does not come on top."""
    ways = {each.route or each.product.route or "oral" for each in (active, draft)}
    return frozenset(active.product.ingredients) == frozenset(draft.product.ingredients) and len(ways) == 1


def drugs(record: Record) -> tuple[Drug, ...]:
    """All medications of a record with their part in this call, latest start first."""
    ordering, selecting, refilling = record.ordering, record.hook == "order-select", record.hook == "medication-refill"
    drafts = [each for each in record.medications if each.state == "draft"] if ordering else []
    stopping = {each.source.reference for each in record.medications if each.state == "stopped"} if drafts else set()
    taken = (
        {frozenset(each.product.ingredients) for each in record.medications if each.state == "active"}
        if drafts
        else set()
    )
    found = []
    for medication in record.medications:
        state = medication.state
        if state == "draft" and not ordering:
            continue
        active = state == "active"
        out = (
            active
            and bool(drafts)
            and (
                medication.source.reference in stopping
                or _replaced(medication, drafts)
                or (refilling and any(_same_product(medication, draft) for draft in drafts))
            )
        )
        found.append(
            Drug(
                medication=medication,
                focal=(state == "draft" and (medication.selected or not selecting)) if ordering else active,
                both=state == "draft" or (active and not out),
                renewal=state == "draft" and frozenset(medication.product.ingredients) in taken,
                start_days=record.age_days(medication.start) if medication.start is not None else None,
                stopped_days=record.age_days(medication.stop)
                if state == "stopped" and medication.stop is not None
                else None,
            )
        )
    return tuple(found)


class ByClass(dict[str, tuple[Drug, ...]]):
    """Medications in BOTH by class; a class nobody takes is empty."""

    def __missing__(self, key: str) -> tuple[Drug, ...]:
        return ()


def by_class(medications: Iterable[Drug]) -> ByClass:
    """Sort medications in BOTH by class."""
    found: dict[str, list[Drug]] = {}
    for drug in medications:
        if drug.both:
            for each in drug.classes:
                found.setdefault(each, []).append(drug)
    return ByClass((key, tuple(found[key])) for key in sorted(found))


class Statin(Frozen, frozen=True):
    """A statin: taken, stopped within 7 days, or drafted. days: since its start; dose_mg: milligrams a day; maximum_mg: its
    limit in table 2.26, which for all but simvastatin holds for impaired kidneys alone."""

    drug: Drug
    name: str
    ingredient: str
    dose_mg: float | None
    start: datetime | None
    days: float | None
    state: State
    focal: bool
    source: Source
    maximum_mg: float | None

    @property
    def days_at_dose(self) -> float:
        """Days it is known to be taken at this dose; 0 when not recorded."""
        increased = self.drug.medication.dose_increased
        if self.state != "active" or self.days is None:
            return 0.0
        if increased is None or self.drug.start is None:
            return self.days
        return max(self.days - (increased - self.drug.start).total_seconds() / 86400, 0.0)


def statins(medications: Iterable[Drug], limits_mg: Mapping[str, float]) -> tuple[Statin, ...]:
    """The statins of a record that are active, drafted or stopped within 7 days. limits_mg: of table 2.26."""
    return tuple(
        Statin(
            drug,
            drug.name,
            drug.ingredient,
            drug.dose_mg,
            drug.start,
            drug.start_days,
            drug.state,
            drug.focal,
            drug.source,
            limits_mg.get(drug.ingredient),
        )
        for drug in medications
        if "statin" in drug.classes
        and (
            drug.state != "stopped"
            or (drug.stopped_days is not None and drug.stopped_days <= STATIN_STOPPED_DAYS + EPSILON)
        )
    )


class Diuretic(Frozen, frozen=True):
    """A diuretic in BOTH.

    implicated: active with a start that is unknown or not later than the onset of a recent true muscle cramp, or a draft
    in focus. temporal: "strong" when start or increase lies 0 to 90 days before such an onset, else "possible"; "" when
    not implicated.
    """

    drug: Drug
    name: str
    ingredient: str
    klass: str
    start: datetime | None
    start_days: float | None
    dose_increased: datetime | None
    implicated: bool
    temporal: str
    state: State
    focal: bool
    renewal: bool
    source: Source


def diuretics(medications: Iterable[Drug], onsets: Sequence[datetime]) -> tuple[Diuretic, ...]:
    """The diuretics in BOTH, judged against the onsets of true muscle cramps within 30 days (clinical specification 2.21)."""
    found = []
    for drug in medications:
        if not drug.both or drug.classes.isdisjoint(DIURETICS):
            continue
        active = drug.state == "active"
        after = [onset for onset in onsets if drug.since(onset)] if active else []
        changes = [moment for moment in (drug.start, drug.dose_increased) if moment is not None]
        strong = any(0 <= (onset.date() - change.date()).days <= 90 for onset in after for change in changes)
        implicated = bool(after) if active else drug.focal
        found.append(
            Diuretic(
                drug=drug,
                name=drug.name,
                ingredient=next(iter(drug.medication.product.ingredients), ""),
                klass=next(each for each in DIURETICS if each in drug.classes),
                start=drug.start,
                start_days=drug.start_days,
                dose_increased=drug.dose_increased,
                implicated=implicated,
                temporal="strong" if strong else "possible" if implicated else "",
                state=drug.state,
                focal=drug.focal,
                renewal=drug.renewal,
                source=drug.source,
            )
        )
    return tuple(found)


class Interaction(Frozen, frozen=True):
    """A row of table 2.25 that applies. cap_mg: allowed dose of a "cap" row. focal: a draft in focus takes part."""

    statin: str
    partner: str
    effect: str
    cap_mg: float | None
    dose_mg: float | None
    focal: bool
    statin_name: str
    partner_name: str
    statin_drug: Drug
    partner_drug: Drug

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where statin and partner stand in the record."""
        return self.statin_drug.source, self.partner_drug.source

    @property
    def words(self) -> Said:
        """What the row says, for people."""
        if self.effect == "cap" and self.cap_mg is not None:
            return said("max {cap} mg/day", cap=self.cap_mg)
        return said("contraindicated") if self.effect == "contra" else said("avoid")


_STRENGTH = {"contra": 0, "avoid": 1, "cap": 2}


def interactions(
    rows: Mapping[str, Mapping[str, Row]], medications: Sequence[Drug], taken: Iterable[Statin], ordering: bool
) -> tuple[Interaction, ...]:
    """Rows of table 2.25 that apply to a statin and a partner in BOTH, the strongest first, one a pair.

    A cap row applies only when the statin's daily dose is known and above the cap. In patient-view both are active.
    """
    found: list[Interaction] = []
    partners = [each for each in medications if each.both]
    for statin in taken:
        if not statin.drug.both:
            continue
        own = rows.get(statin.ingredient, {})
        for partner in partners:
            if partner is statin.drug or partner.local:
                continue
            product = partner.medication.product
            # a row for the ingredient itself speaks before the row of its group (nelfinavir among protease inhibitors)
            named = [own[each] for each in product.ingredients if each in own]
            groups = () if named else own.keys() & (partner.classes | product.classes)
            applicable = [
                Interaction(
                    statin=statin.ingredient,
                    partner=row["partner"],
                    effect=row["effect"],
                    cap_mg=float(row["cap_mg"]) if row.get("cap_mg") else None,
                    dose_mg=statin.dose_mg,
                    focal=ordering and (statin.focal or partner.focal),
                    statin_name=statin.name,
                    partner_name=partner.name,
                    statin_drug=statin.drug,
                    partner_drug=partner,
                )
                for row in named or (own[each] for each in sorted(groups))
            ]
            found += sorted(filter(_applies, applicable), key=_rank)[:1]
    found.sort(key=lambda each: (*_rank(each), each.statin, each.partner, each.partner_drug.source.reference))
    return tuple(found)


def _applies(each: Interaction) -> bool:
    if each.effect != "cap":
        return True
    return each.cap_mg is not None and each.dose_mg is not None and each.dose_mg > each.cap_mg + EPSILON


def _rank(each: Interaction) -> tuple[int, float]:
    return _STRENGTH.get(each.effect, 3), each.cap_mg or 0.0


def _named(drug: Drug, key: str) -> bool:
    return key in drug.medication.product.ingredients or key in drug.classes or key in drug.medication.product.classes


class Spacing(Frozen, frozen=True):
    """An oral magnesium product and an oral drug of table 2.34 in BOTH, of which a draft in focus takes part.

    avoid: marked "!" in the table. settled: both active for more than 30 days and the draft only renews one of them.
    """

    partner: str
    rule: Said
    avoid: bool
    settled: bool
    partner_drug: Drug
    magnesium_drug: Drug

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where both stand in the record."""
        return self.partner_drug.source, self.magnesium_drug.source


def spacings(rows: Rows, medications: Sequence[Drug], magnesium: Sequence[Drug]) -> tuple[Spacing, ...]:
    """Pairs of table 2.34 with a draft in focus; `magnesium` are the oral magnesium products and preparations in BOTH."""
    if not magnesium:
        return ()
    known: dict[frozenset[str], float] = {}
    for drug in medications:
        if drug.state == "active":
            same = frozenset(drug.medication.product.ingredients)
            known[same] = max(known.get(same, 0.0), drug.known_days)

    def settled(drug: Drug) -> bool:
        return (drug.state == "active" or drug.renewal) and known.get(
            frozenset(drug.medication.product.ingredients), 0.0
        ) > 30 + EPSILON

    found: list[Spacing] = []
    for partner in medications:
        if not partner.both or not partner.oral:
            continue
        row = next((row for row in rows if _named(partner, row["partner"])), None)
        if row is None:
            continue
        salts = frozenset(filter(None, row.get("salts", "").split("|")))
        for product in magnesium:
            if product is partner or not (product.focal or partner.focal) or (salts and not _salted(product, salts)):
                continue
            avoid = row.get("avoid", "") in ("yes", "true", "1", "!")
            found.append(
                Spacing(
                    row["partner"],
                    said(row.get("spacing", "")),
                    avoid,
                    settled(product) and settled(partner),
                    partner,
                    product,
                )
            )
    return tuple(
        sorted(
            found,
            key=lambda each: (
                not each.avoid,
                each.partner,
                each.partner_drug.source.reference,
                each.magnesium_drug.source.reference,
            ),
        )
    )


def _salted(product: Drug, salts: frozenset[str]) -> bool:
    content = product.medication.product.magnesium
    names = {*product.medication.product.ingredients, content.salt if content else ""}
    return any(salt == name for salt in salts for name in names)


class Risk(Frozen, frozen=True):
    """A risk factor: key of its class or condition, what the record calls it, where it stands, days since its start."""

    key: str
    name: str
    source: Source
    days: float | None
    diuretic: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where it stands in the record."""
        return (self.source,)


def renal_risks(record: Record, medications: Iterable[Drug]) -> tuple[Risk, ...]:
    """Risk factors for impaired kidneys (renal_risk_factor, clinical specification 3.1), one a key."""
    found = [
        _condition_risk(record, key, several[0]) for key in _RENAL_CONDITIONS if (several := record.problems.get(key))
    ]
    if "prior-aki" not in record.problems:
        resolved = [each for each in record.past.get("aki", ()) if record.within(each.abated or each.recorded, 365)]
        found += [_condition_risk(record, "prior-aki", each) for each in resolved[:1]]
    return (*found, *_drug_risks(medications, _RENAL_CLASSES))


def deficiency_risks(record: Record, medications: Sequence[Drug]) -> tuple[Risk, ...]:
    """Risks for magnesium deficiency (mg_risk, clinical specification 3.9b), one a key."""
    classes = _drug_risks(
        [each for each in medications if "ppi" not in each.classes or each.known_days >= 90 - EPSILON], WASTING
    )
    stopped = [
        each
        for each in medications
        if "cisplatin" in each.classes and each.stopped_days is not None and each.stopped_days <= 180 + EPSILON
    ]
    if stopped and not any(each.key == "cisplatin" for each in classes):
        classes += tuple(Risk("cisplatin", each.name, each.source, each.start_days) for each in stopped[:1])
    return (
        *classes,
        *(
            _condition_risk(record, key, several[0])
            for key in _DEFICIENCY_CONDITIONS
            if (several := record.problems.get(key))
        ),
    )


def _drug_risks(medications: Iterable[Drug], classes: Sequence[str]) -> tuple[Risk, ...]:
    found: dict[str, Risk] = {}
    for drug in medications:
        if drug.state == "active":
            for key in drug.classes.intersection(classes):
                if key not in found:
                    found[key] = Risk(
                        key, drug.name, drug.source, drug.start_days, key in ("loop-diuretic", "thiazide-diuretic")
                    )
    return tuple(found[key] for key in classes if key in found)


def _condition_risk(record: Record, key: str, problem: Problem) -> Risk:
    moment = problem.onset or problem.recorded
    return Risk(key, problem.source.label or word(key), problem.source, record.age_days(moment) if moment else None)


def followed_by_cramp(drug: Drug, onsets: Iterable[datetime]) -> bool:
    """Whether an active drug started 0 to 365 days before one of these onsets of cramps, or at an unknown time (2.28)."""
    start = drug.start
    return drug.state == "active" and any(
        start is None or 0 <= (onset.date() - start.date()).days <= 365 for onset in onsets
    )
