"""Medications of the record and drafts: what counts, since when, how much, and which records are one and the same.

Decoded MedicationRequests, Statements, Dispenses and Administrations flow in one by one (`read_*`), `settled` gives the
`Medication`s after the rules of clinical specification 4.1 that need all of them: runs, dose increases, de-duplication.
Floor: fhir.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cds_rules.fhir import dosage as dosages
from cds_rules.fhir import wire
from cds_rules.fhir.patients import without_version
from cds_rules.fhir.reader import Reader
from cds_rules.fhir.sig import parse_sig
from cds_rules.fhir.wire import Spoken, clipped, many, spoken
from cds_rules.knowledge.classes import classes
from cds_rules.knowledge.codes import ATC, RXNORM, system_name
from cds_rules.vocabulary.chart import Amount, Dosage, Medication, Product, Source, State
from cds_rules.vocabulary.frozen import replace

GAP = timedelta(days=30)
"""The longest gap inside an uninterrupted run of one ingredient."""
GRACE = timedelta(days=7)
"""How long a dispensed supply counts beyond its days."""
GIVEN_RECENTLY = {"iv": timedelta(hours=24), "im": timedelta(hours=24)}
GIVEN_RECENTLY_OTHERWISE = timedelta(hours=48)
RANKS = {
    "MedicationRequest": 3,
    "MedicationOrder": 3,
    "MedicationStatement": 2,
    "MedicationDispense": 1,
    "MedicationAdministration": 0,
}
_ORDERING = frozenset(("order", "original-order", "reflex-order", "filler-order", "instance-order", None))
_ENDED = frozenset(("stopped", "completed", "cancelled", "ended"))
_LATELY = timedelta(days=7)
"""How long a product that was stopped can still matter: the longest look-back of clinical specification 4.1."""
_UNNAMED = Product((), frozenset())
"""The product of a record that names none, by no word and no code: it may be any."""
_WHOLE_SYSTEMS = frozenset((RXNORM, ATC))
"""Code systems of which the tables hold all that matters here: a bare code that is not in them is none of ours."""
_NOTHING_TAKEN = frozenset(("no-known-medications", "787481004"))
"""Codes of patient summaries (IPS, SNOMED CT) which say that there is no medication."""
_FOR = re.compile(r"(?<!not )\b(?:for|to treat|to prevent)\s+(?!\d)([a-z][a-z /-]{3,60})", re.IGNORECASE)
_NO_DOSAGE = Dosage()
_NO_WORDS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Record:
    """One record of a product: what it would be in the chart, and the interval it covers.

    counts False: it only tells since when the product has been taken. done: the end of what it covers, None while open.
    """

    medication: Medication
    begins: datetime | None
    done: datetime | None
    counts: bool = True

    @property
    def rank(self) -> int:
        return RANKS[self.medication.resource_type]


@dataclass(slots=True)
class Shelf:
    """The medications read so far. conditions: reasons by reference, for reasonReference."""

    records: list[Record] = field(default_factory=list)
    drafts: list[Medication] = field(default_factory=list)
    conditions: dict[str, frozenset[str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Named:
    """A known product in one record, with everything its status does not touch."""

    product: Product
    label: str
    dosage: Dosage
    route: str | None
    reasons: frozenset[str]
    classes: frozenset[str]

    @property
    def about(self) -> str:
        """What an unusable record would have been: a magnesium class before any other, else the ingredient."""
        return about_product(self.classes, self.product)


def about_product(found: frozenset[str], product: Product) -> str:
    """One word for a product: a magnesium class before any other class, else its first ingredient."""
    return min(found, key=lambda name: (not name.startswith("mg-"), name), default="") or next(
        iter(product.ingredients), ""
    )


def read_request(
    reader: Reader,
    shelf: Shelf,
    kind: str,
    reference: str,
    request: wire.MedicationRequest,
    *,
    draft: bool,
    selected: bool,
) -> None:
    """Read a MedicationRequest (or MedicationOrder) of the record, or a draft; one for which no drug is chosen yet is none."""
    chosen = spoken(request.medicationCodeableConcept)
    if draft and request.medicationReference is None and not (chosen.codings or chosen.text):
        reader.skip(reference, "no-code", "no drug is chosen yet", "medication")
        return
    instructions = many(request.dosageInstruction)
    named = _name(reader, shelf, reference, request, instructions)
    if named is None:
        return
    authored = reader.moment(request.authoredOn)
    starts, ends = dosages.period(reader, instructions)
    supply = request.dispenseRequest
    validity = supply.validityPeriod if supply else None
    valid_from = reader.moment(validity.start) if validity else None
    end = ends or (reader.end(validity.end) if validity else None)
    start = min((moment for moment in (authored, starts, valid_from) if moment is not None), default=None)
    status = request.status
    state: State = "draft"
    stop = None
    if draft:
        if status in _ENDED or status == "entered-in-error" or request.doNotPerform:
            reader.skip_status(reference, status, "a draft", named.about)
            return
    elif status not in _ENDED and status != "active":
        reader.skip_status(reference, status, "active", named.about, domain="medications")
        return
    elif request.intent not in _ORDERING or request.doNotPerform:
        reader.skip(reference, "status", "a proposal or plan, or not to be given", named.about)
        return
    elif reader.is_future(start):
        reader.skip(reference, "future", "ordered after the evaluation", named.about)
        return
    else:
        updated = reader.moment(request.meta.lastUpdated) if request.meta else None
        state, stop = _request_state(reader, status, end, updated)
    medication = Medication(
        product=named.product,
        label=named.label,
        state=state,
        source=Source(reference, named.label, clipped(named.dosage.text), authored or start),
        resource_type=kind,
        classes=named.classes,
        route=named.route,
        dosage=named.dosage,
        start=start,
        stop=stop,
        reasons=named.reasons,
        resource_id=request.id or "",
        selected=selected,
        patient_reported=bool(request.reportedBoolean),
        identifiers=_identifiers(request.identifier),
        replaces=_replaced(request.priorPrescription),
    )
    if draft:
        shelf.drafts.append(medication)
        return
    done = stop
    if state == "stopped" and done is None:
        covered = dosages.days(supply.expectedSupplyDuration) if supply else None
        done = start + timedelta(days=covered) if start and covered else start
    shelf.records.append(Record(medication, start, done))


def _request_state(
    reader: Reader, status: str, end: datetime | None, updated: datetime | None
) -> tuple[State, datetime | None]:
    """Whether an order holds at the evaluation, and when it stopped (clinical specification 4.1, 9.14).

    An order whose own end lies ahead and that was closed later than the evaluation, or nobody knows when, was still running
    at it: so a record is read at an instant of its past.
    """
    if status == "active":
        return ("stopped", end) if end is not None and end < reader.at else ("active", None)
    if end is not None and end <= reader.at:
        return "stopped", end
    if updated is not None and updated <= reader.at:
        return "stopped", updated
    return ("active", None) if end is not None and status != "cancelled" else ("stopped", None)


def read_statement(reader: Reader, shelf: Shelf, reference: str, statement: wire.MedicationStatement) -> None:
    """Read a MedicationStatement."""
    instructions = many(statement.dosage)
    named = _name(reader, shelf, reference, statement, instructions)
    if named is None:
        return
    status = statement.status
    if status not in ("active", "stopped", "completed"):
        reader.skip_status(reference, status, "active", named.about, domain="medications")
        return
    period = statement.effectivePeriod
    bound_start, bound_end = dosages.period(reader, instructions)
    start = (
        reader.moment(statement.effectiveDateTime) or (reader.moment(period.start) if period else None) or bound_start
    )
    asserted = reader.moment(statement.dateAsserted)
    if reader.is_future(start or asserted):
        reader.skip(reference, "future", "begins after the evaluation", named.about)
        return
    end = (reader.end(period.end) if period else None) or bound_end
    state, stop = _request_state(reader, status, end, None)
    medication = Medication(
        product=named.product,
        label=named.label,
        state=state,
        source=Source(reference, named.label, clipped(named.dosage.text), asserted or start),
        resource_type="MedicationStatement",
        classes=named.classes,
        route=named.route,
        dosage=named.dosage,
        start=start,
        stop=stop,
        reasons=named.reasons,
        resource_id=statement.id or "",
        patient_reported=_is_patients_word(statement),
        identifiers=_identifiers(statement.identifier),
    )
    shelf.records.append(Record(medication, start, stop or (start if state == "stopped" else None)))


def read_dispense(reader: Reader, shelf: Shelf, reference: str, dispense: wire.MedicationDispense) -> None:
    """Read a MedicationDispense; one whose supply has run out only tells since when the product has been taken."""
    named = _name(reader, shelf, reference, dispense, many(dispense.dosageInstruction))
    if named is None:
        return
    if dispense.status not in ("completed", "in-progress"):
        wanted = "completed or in-progress"
        reader.skip_status(reference, dispense.status, wanted, named.about, domain="medications")
        return
    handed = reader.moment(dispense.whenHandedOver)
    if handed is None:
        reader.skip(reference, "no-date", "whenHandedOver belongs here", named.about)
        return
    if reader.is_future(handed):
        reader.skip(reference, "future", "handed over after the evaluation", named.about)
        return
    supply = dosages.days(dispense.daysSupply)
    done = handed + timedelta(days=supply) if supply else handed
    counts = supply is not None and done + GRACE >= reader.at
    if not counts:
        reader.skip(
            reference,
            "status" if supply else "no-value",
            "the supply has run out" if supply else "daysSupply belongs here",
            named.about,
        )
    medication = Medication(
        product=named.product,
        label=named.label,
        state="active",
        source=Source(reference, named.label, clipped(named.dosage.text), handed),
        resource_type="MedicationDispense",
        classes=named.classes,
        route=named.route,
        dosage=named.dosage,
        start=handed,
        reasons=named.reasons,
        resource_id=dispense.id or "",
        identifiers=_identifiers(dispense.identifier),
    )
    shelf.records.append(Record(medication, handed, done, counts))


def read_administration(reader: Reader, shelf: Shelf, reference: str, given: wire.MedicationAdministration) -> None:
    """Read a MedicationAdministration: running, or given within 24 h (infusion, injection) or 48 h."""
    named = _name(reader, shelf, reference, given, many(given.dosage))
    if named is None:
        return
    if given.status not in ("in-progress", "completed", "stopped"):
        wanted = "in-progress or completed"
        reader.skip_status(reference, given.status, wanted, named.about, domain="medications")
        return
    period = given.effectivePeriod
    moment = reader.moment(given.effectiveDateTime)
    start = moment or (reader.moment(period.start) if period else None)
    end = moment or (reader.moment(period.end) if period else None)
    if start is None:
        reader.skip(reference, "no-date", "effectiveDateTime or effectivePeriod belongs here", named.about)
        return
    if reader.is_future(start):
        reader.skip(reference, "future", "given after the evaluation", named.about)
        return
    running = given.status == "in-progress" or (end is not None and end > reader.at)
    last = None if running else end or start
    window = GIVEN_RECENTLY.get(named.route or "", GIVEN_RECENTLY_OTHERWISE)
    active = last is None or reader.at - last <= window
    dosage = named.dosage
    if not running and dosage.per_day is None:
        dosage = replace(dosage, one_time=True)
    medication = Medication(
        product=named.product,
        label=named.label,
        state="active" if active else "stopped",
        source=Source(reference, named.label, clipped(dosage.text), last or start),
        resource_type="MedicationAdministration",
        classes=named.classes,
        route=named.route,
        dosage=dosage,
        start=start,
        stop=None if active else last,
        reasons=named.reasons,
        resource_id=given.id or "",
        identifiers=_identifiers(given.identifier),
    )
    shelf.records.append(Record(medication, start, last))


def _name(
    reader: Reader, shelf: Shelf, reference: str, order: wire.Ordered, instructions: Sequence[wire.DosageInstruction]
) -> _Named | None:
    """Say which product a record is about; None when nothing is known of it, which is noted."""
    concept, product = _product(reader, reference, order)
    if product is None:
        return None
    dosage = dosages.read(reader, instructions, counted=_is_countable(product))
    if dosage == _NO_DOSAGE:
        dosage = _told_by_name(concept)
    terminology = reader.terminology
    route = None
    reasons = _NO_WORDS
    for instruction in instructions:
        if route is None and instruction.route is not None:
            said = spoken(instruction.route)
            route = terminology.route(said.codings, said.text)
        for wanted in many(instruction.asNeededCodeableConcept):
            reasons |= _certain(reader, spoken(wanted))
    if route is None and (text := dosage.text or (concept.text if dosage != _NO_DOSAGE else "")):
        route = terminology.route((), text)
    if dosage.text and (match := _FOR.search(dosage.text)):
        reasons |= _certain(reader, Spoken((), match[1]))
    reasons |= _reasons(reader, shelf, order)
    return _Named(
        product,
        concept.called(" / ".join(product.ingredients) or concept.label),
        dosage,
        route or product.route,
        reasons,
        classes(product, route=route, reasons=reasons, dosage=dosage, label=concept.label),
    )


def _told_by_name(concept: Spoken) -> Dosage:
    """Directions that stand in the name of the product ("Milk of Magnesia 30 mL PO BID"), where there are no others.

    A name with a strength alone is no sig: it must say how often.
    """
    said = parse_sig(concept.called(""))
    return replace(said, text="") if said.per_day is not None or said.one_time else _NO_DOSAGE


def _is_countable(product: Product) -> bool:
    if product.magnesium is not None:
        return product.magnesium.per == "unit" and product.magnesium.elemental_mg is not None
    return any(per == "unit" for _, _, per in product.strengths)


def _certain(reader: Reader, concept: Spoken) -> frozenset[str]:
    """Reasons named beside the sig; a purpose that is none of ours is no reason to speak of."""
    return reader.terminology.reasons(concept.codings, concept.text) - {"other"}


def _reasons(reader: Reader, shelf: Shelf, order: wire.Ordered) -> frozenset[str]:
    if order.reasonCode is None and order.reasonReference is None:
        return _NO_WORDS
    found = _NO_WORDS
    for concept in many(order.reasonCode):
        said = spoken(concept)
        found |= reader.terminology.reasons(said.codings, said.text)
    for reference in many(order.reasonReference):
        if reference.reference:
            found |= shelf.conditions.get(without_version(reference.reference), frozenset({"other"}))
        elif reference.display:
            found |= reader.terminology.reasons((), reference.display)
    return found


def _product(reader: Reader, reference: str, order: wire.Ordered) -> tuple[Spoken, Product | None]:
    """The product by code, by text, or by the Medication it refers to (contained, delivered, or only its display).

    Returns:
        What the record calls it, and the product: None for one that is none of ours, `_UNNAMED` where nobody can tell.
    """
    terminology = reader.terminology
    pointer = order.medicationReference
    concept = spoken(order.medicationCodeableConcept)
    product = terminology.product(concept.codings, concept.text) if concept.codings or concept.text else None
    if product is not None or pointer is None:
        return concept, product or _unknown(
            reader, reference, concept, "no code, text or reference that names a product"
        )
    found: wire.Medication | None = reader.lookup(pointer.reference, order.contained, "Medication")
    shown = Spoken((), pointer.display or "")
    if found is not None:
        said = spoken(found.code)
        concept = said if said.label else concept
        product = terminology.product(said.codings, said.text) if said.label else None
        if product is None:
            concept, product = _from_ingredients(reader, found, concept)
    if product is None and shown.text:
        product = terminology.product((), shown.text)
    concept = concept if concept.label else shown
    if product is None:
        missing = (
            "no code, text or ingredient" if found is not None else "the Medication it refers to was not delivered"
        )
        product = _unknown(reader, reference, concept, missing)
    return concept, product


def _unknown(reader: Reader, reference: str, concept: Spoken, missing: str) -> Product | None:
    """What stands for a product nothing is known of: nothing, if its words or a code of a whole system tell that it is not ours."""
    reader.unknown("medication", concept)
    if concept.called("") or any(
        system_name(system) in _WHOLE_SYSTEMS or code in _NOTHING_TAKEN for system, code, _ in concept.codings
    ):
        return None
    reader.skip(
        reference, "no-code", "a code nobody here knows, without a word" if concept.codings else missing, "medication"
    )
    return _UNNAMED


def _from_ingredients(reader: Reader, medication: wire.Medication, concept: Spoken) -> tuple[Spoken, Product | None]:
    """The product of a Medication that names its ingredients: the first of them that is known.

    Args:
        concept: what the Medication itself is called; the name of an ingredient stands in where that is nothing.
    """
    for ingredient in many(medication.ingredient):
        said = spoken(ingredient.itemCodeableConcept)
        strength = ingredient.strength.numerator if ingredient.strength else None
        text = said.label
        if strength is not None and strength.value is not None and (strength.unit or strength.code):
            text = f"{text} {strength.value:g} {strength.unit or strength.code}"
        concept = concept if concept.called("") else said
        product = reader.terminology.product(said.codings, text) if text else None
        if product is not None:
            return concept, product
    return concept, None


def _identifiers(identifiers: wire.Identifiers) -> frozenset[str]:
    if identifiers is None:
        return _NO_WORDS
    return frozenset(f"{one.system or ''}|{one.value}" for one in many(identifiers) if one.value)


def _replaced(prior: wire.Reference | None) -> frozenset[str]:
    """What an order replaces: the reference as "Type/id" and, when given, its business identifier."""
    if prior is None:
        return _NO_WORDS
    found = set()
    if prior.reference:
        found.add("/".join(without_version(prior.reference).rsplit("/", 2)[-2:]))
    if prior.identifier and prior.identifier.value:
        found.add(f"{prior.identifier.system or ''}|{prior.identifier.value}")
    return frozenset(found)


def _is_patients_word(statement: wire.MedicationStatement) -> bool:
    if any(
        (source.reference or "").rpartition("/")[0].rpartition("/")[2] in ("Patient", "RelatedPerson")
        for source in many(statement.informationSource)
    ):
        return True
    return any(code == "patientspecified" for one in many(statement.category) for _, code, _ in spoken(one).codings)


def settled(reader: Reader, shelf: Shelf) -> tuple[Medication, ...]:
    """The medications of the chart: runs and dose increases worked out, the same product of several sources told once.

    Drafts are never folded into the record: what they replace is for `derive` to say.
    """
    _lose_unnamed(reader, shelf)
    by_ingredient: dict[tuple[str, ...], list[Record]] = {}
    for record in sorted(shelf.records, key=_order):
        by_ingredient.setdefault(tuple(sorted(record.medication.product.ingredients)), []).append(record)
    found: list[Medication] = []
    for records in by_ingredient.values():
        _start_runs(reader, records)
        stops = [
            record.medication.stop
            for record in records
            if record.rank == RANKS["MedicationRequest"] and record.medication.stop is not None
        ]
        active_order = any(
            record.rank == RANKS["MedicationRequest"] and record.medication.state == "active" for record in records
        )
        counted = [
            record
            for record in records
            if record.counts
            and not (
                record.rank == RANKS["MedicationDispense"]
                and not active_order
                and any(stop >= (record.begins or reader.at) for stop in stops)
            )
        ]
        found += _told_once(counted)
    return (*found, *shelf.drafts)


def _lose_unnamed(reader: Reader, shelf: Shelf) -> None:
    """Take away records and drafts that name no product; one that is taken now or was lately leaves the medications open."""
    for record in shelf.records:
        medication = record.medication
        last = medication.stop or record.done
        if (
            medication.product is _UNNAMED
            and record.counts
            and (medication.state == "active" or (last is not None and reader.at - last <= _LATELY))
        ):
            reader.lose("medications", f"the product of a {medication.resource_type}")
    if any(draft.product is _UNNAMED for draft in shelf.drafts):
        reader.lose_draft()
    shelf.records = [record for record in shelf.records if record.medication.product is not _UNNAMED]
    shelf.drafts = [draft for draft in shelf.drafts if draft.product is not _UNNAMED]


def _order(record: Record) -> tuple[float, str]:
    return (record.begins.timestamp() if record.begins else float("-inf"), record.medication.source.reference)


def _start_runs(reader: Reader, records: Sequence[Record]) -> None:
    """Set each start to that of its uninterrupted run, and note the last dose increase within the run.

    Args:
        records: of one ingredient, sorted by begin.
    """
    run_start: datetime | None = None
    run_end: datetime | None = None
    last_dose: Amount | None = None
    increased: datetime | None = None
    for record in records:
        begins, ends = record.begins, record.done or reader.at
        if begins is None:
            continue
        if run_start is None or run_end is None or begins - run_end > GAP:
            run_start, run_end, last_dose, increased = begins, max(ends, begins), None, None
        run_end = max(run_end, ends)
        dose = daily_dose(record.medication)
        if dose is not None:
            if last_dose is not None and last_dose.unit == dose.unit and dose.value > last_dose.value * (1 + 1e-9):
                increased = begins
            last_dose = dose
        if run_start != record.medication.start or increased is not None:
            record.medication = replace(record.medication, start=run_start, dose_increased=increased)


def daily_dose(medication: Medication) -> Amount | None:
    """What is taken a day: milligrams where a weight or the strength of the one ingredient is known, else tablets or the like."""
    dose, per_day = medication.dosage.dose, medication.dosage.per_day
    if dose is None or per_day is None:
        return None
    if dose.unit in dosages.MG:
        return Amount(dose.value * dosages.MG[dose.unit] * per_day, "mg")
    strengths = [amount for _, amount, per in medication.product.strengths if per == dose.unit]
    if len(strengths) == 1:
        return Amount(dose.value * per_day * strengths[0], "mg")
    return Amount(dose.value * per_day, dose.unit)


def _told_once(records: Sequence[Record]) -> list[Medication]:
    """Fold records of one ingredient that are the same product into the one from the highest-ranked source.

    Two orders both count, unless they carry the same business identifier. Of several dispenses, or administrations, of the
    same product the latest stands; of equal statements the latest too. A record that does not say strength or route is the
    same as one that does.
    """
    if len(records) == 1:
        return [records[0].medication]
    kept: list[tuple[Record, list[Source]]] = []
    # One of each kind is enough to compare with: a chart may hold thousands of orders for one drug.
    kinds: dict[object, tuple[Record, list[Source]]] = {}
    named: dict[str, list[Source]] = {}
    for record in sorted(records, key=_precedence):
        medication = record.medication
        if record.rank == RANKS["MedicationRequest"]:
            folded = next((named[word] for word in medication.identifiers if word in named), None)
        else:
            folded = next((others for other, others in kinds.values() if _repeats(record, other)), None)
        if folded is not None:
            folded.append(medication.source)
            continue
        kept.append((record, []))
        named.update(dict.fromkeys(medication.identifiers, kept[-1][1]))
        kinds.setdefault(_kind(record), kept[-1])
    return [replace(one.medication, others=tuple(folded)) if folded else one.medication for one, folded in kept]


def _precedence(record: Record) -> tuple[int, bool, float, str]:
    """Higher rank first, then what is active, then the later record."""
    medication = record.medication
    when = medication.source.when or record.begins
    return -record.rank, medication.state != "active", -when.timestamp() if when else 0.0, medication.source.reference


def _kind(record: Record) -> object:
    medication = record.medication
    dosage = medication.dosage if record.rank == RANKS["MedicationStatement"] else None
    taken = (dosage.dose, dosage.per_day) if dosage else None
    return record.rank, medication.state, medication.route, medication.product.strengths, taken


def _repeats(record: Record, kept: Record) -> bool:
    """Whether `record`, no order itself, only repeats `kept`, which is of the same or a higher rank."""
    one, other = kept.medication, record.medication
    if one.route and other.route and one.route != other.route:
        return False
    if one.product.strengths and other.product.strengths and one.product.strengths != other.product.strengths:
        return False
    if one.state != other.state and one.state != "active":
        return False  # a stopped order says nothing about an active statement
    if kept.rank == record.rank == RANKS["MedicationStatement"]:
        same_dose = (one.dosage.dose, one.dosage.per_day) == (other.dosage.dose, other.dosage.per_day)
        return one.state == other.state and same_dose
    return True


def reasons_of(reader: Reader, condition: wire.Condition) -> frozenset[str]:
    """The medication reasons a Condition stands for."""
    said = spoken(condition.code)
    return reader.terminology.reasons(said.codings, said.text)
