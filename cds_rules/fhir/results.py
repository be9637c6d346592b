"""Observations: measured values, coded findings, reported symptoms and pregnancy status.

A decoded Observation flows in; `Result`s, `Symptom`s, `Problem`s or reasons flow into the `Reader`. Rules: clinical specification 4.2.
Floor: fhir.
"""

from __future__ import annotations

import re
from datetime import datetime

from cds_rules.fhir import symptoms, wire
from cds_rules.fhir.reader import Dated, Reader
from cds_rules.fhir.wire import Spoken, clipped, in_words, many, spoken
from cds_rules.knowledge.terminology import LabMatch
from cds_rules.vocabulary.chart import Problem, Result, Source
from cds_rules.vocabulary.facts import VITALS

CORRECTIONS = {"final": 0, "amended": 1, "corrected": 2}
_COMPARATORS = frozenset(("<", "<=", ">", ">="))
PREGNANCY_STATUS = "pregnancy_status"
"""The key of the value set of pregnancy status codes (clinical specification 9.14)."""
_PREGNANT = frozenset(("77386006", "LA15173-0"))
_TEXT_VALUE = re.compile(r"\s*(<=|>=|<|>|≤|≥)?\s*(\d{1,7}(?:\.\d{1,6})?)\s*([A-Za-zµμ%][^\s]{0,24})?\s*\Z")
_SIGNS = {"≤": "<=", "≥": ">="}
_HEMOLYSIS = re.compile(r"h(?:a?e|ä)moly[sz]|\bHEM\b", re.IGNORECASE)
_NOT_HEMOLYZED = re.compile(
    r"\b(?:no|non|not|without|nil|negative for|absence of)\b[\s-]*(?:\w+\s+){0,2}h(?:a?e|ä)moly[sz]"
    r"|h(?:a?e|ä)moly\w*(?:\s+index)?\s*[:=-]?\s*(?:none|no|negative|absent|nil|not\s+(?:detected|present|seen)|normal|0)\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(r"\b(?:none|no|negative|absent|nil|not|normal|0)\b", re.IGNORECASE)
_OTHER_SPECIMEN = re.compile(
    r"\b(?:urine|csf|cerebrospinal|stool|f(?:a)?eces|dialysate|saliva|sweat|pleural|ascit\w*|peritoneal|synovial)\b",
    re.IGNORECASE,
)


def read(reader: Reader, reference: str, observation: wire.Observation) -> None:
    """Read one Observation with its components."""
    concept = spoken(observation.code)
    parts: list[tuple[wire.Valued, Spoken]] = [(observation, concept)]
    if observation.component is not None:
        parts += [(component, spoken(component.code)) for component in many(observation.component)]
    understood = False
    checked: Dated | None = None
    lab = reader.terminology.lab
    for part, spoken_part in parts:
        match = lab(spoken_part.codings, spoken_part.text)
        if match is None and not symptoms.is_reported(reader, part, spoken_part):
            continue
        understood = True
        about = match.key if match else ""
        if checked is None:
            checked = _usable(reader, reference, observation, about, part_of_record(match))
        if checked is None:
            return
        if match is None:
            symptoms.read_observed(reader, reference, observation, part, spoken_part, checked)
        elif match.key == PREGNANCY_STATUS:
            _read_pregnancy(reader, reference, part, spoken_part, checked.at)
        elif match.excluded:
            reader.skip(reference, "specimen", f"{match.excluded} does not count as {match.key}", match.key)
        else:
            panel = part is observation and any(lab(one.codings, one.text) for _, one in parts[1:])
            _read_value(reader, reference, observation, part, spoken_part, match, checked, panel=panel)
    if not understood and _is_laboratory(observation) and any(_could_matter(reader, part) for part, _ in parts):
        reader.unknown("laboratory", concept)


def part_of_record(match: LabMatch | None) -> str:
    """The part of the record that is not known while an Observation cannot be read; "" for one that never counts."""
    if match is None or match.key == PREGNANCY_STATUS:
        return "conditions"
    if match.excluded:
        return ""
    return "vitals" if match.key in VITALS else "labs"


def _usable(reader: Reader, reference: str, observation: wire.Observation, about: str, domain: str) -> Dated | None:
    """The date of an Observation whose status and date let it count; else None, noted once.

    A status that FHIR does not have, or a date that is written and is none, leaves its part of the record not known.
    """
    if observation.status not in CORRECTIONS:
        reader.skip_status(reference, observation.status, "final, amended or corrected", about, domain=domain)
        return None
    period = observation.effectivePeriod
    when = reader.dated(
        observation.effectiveDateTime,
        observation.effectiveInstant,
        period.end if period else None,
        observation.issued,
    )
    if when is None:
        reader.skip(reference, "no-date", "effectiveDateTime, effectivePeriod.end or issued belongs here", about)
        if domain and (observation.effectiveDateTime or observation.effectiveInstant or observation.issued):
            reader.lose(domain, "the date of an Observation")
        return None
    if reader.is_future(when.at):
        reader.skip(reference, "future", "dated after the evaluation", about)
        return None
    return when


def _read_value(
    reader: Reader,
    reference: str,
    observation: wire.Observation,
    part: wire.Valued,
    concept: Spoken,
    match: LabMatch,
    when: Dated,
    *,
    panel: bool,
) -> None:
    """Read one value; a panel has its values in its components, so that it lacks nothing."""
    key, terminology = match.key, reader.terminology
    if key == "slco1b1":
        _read_phenotype(reader, reference, part, concept, when)
        return
    quantity = _quantity(part)
    if quantity is None or quantity.value is None:
        if not panel:
            detail = "dataAbsentReason says why there is none" if part.dataAbsentReason else "no number as a value"
            reader.skip(reference, "no-value", detail, key)
        return
    comparator = quantity.comparator or ""
    if comparator and comparator not in _COMPARATORS:
        reader.skip(reference, "comparator", "a comparator that is not <, <=, > or >=", key)
        return
    unit, code, system = quantity.unit or "", quantity.code or "", quantity.system or ""
    value = terminology.convert(key, quantity.value, unit, code, system)
    if isinstance(value, str):
        reader.skip(
            reference,
            value,
            "the unit is missing or not known" if value == "unit" else "unit and unit code disagree",
            key,
        )
        if value == "unit" and (unit or code):
            reader.unknown("unit", Spoken((), f"{key}: {unit or code}"))
        return
    if not terminology.plausible(key, value):
        reader.skip(reference, "implausible", "outside what a living patient can have", key)
        return
    specimen = observation.specimen
    hemolyzed = False
    if specimen is not None:
        kind, condition = _specimen(reader, observation)
        if found := _OTHER_SPECIMEN.search(kind):
            reader.skip(reference, "specimen", f"the specimen is {found[0].lower()}", key)
            return
        hemolyzed = _says_hemolyzed(condition)
    hemolyzed = hemolyzed or _is_hemolyzed(observation)
    low, high = (None, None) if part.referenceRange is None else _range(reader, key, part, quantity)
    charted = f"{comparator}{_number(quantity.value)} {unit or code}".rstrip()
    reader.results.append(
        Result(
            key=key,
            value=value,
            unit=terminology.canonical_unit(key),
            at=when.at,
            source=Source(reference, concept.called(in_words(key)), charted, when.at, when.written),
            comparator=comparator,
            low=low,
            high=high,
            hemolyzed=hemolyzed,
            method=match.method,
            correction=CORRECTIONS[observation.status or "final"],
            until=when.until,
        )
    )


def _quantity(part: wire.Valued) -> wire.Quantity | None:
    """The number of a value: a Quantity, an integer, or a text that is nothing but a number with its unit."""
    if part.valueQuantity is not None:
        return part.valueQuantity
    if part.valueInteger is not None:
        return wire.Quantity(value=float(part.valueInteger))
    if part.valueString and (match := _TEXT_VALUE.match(part.valueString)):
        sign, number, unit = match.groups()
        return wire.Quantity(value=float(number), comparator=_SIGNS.get(sign, sign), unit=unit)
    return None


def _number(value: float) -> str:
    """A number as charted, without the digits that only a computation leaves behind."""
    if value.is_integer() and abs(value) < 1e12:
        return f"{value:.0f}"
    return repr(round(value, 4) or value)


def _range(reader: Reader, key: str, part: wire.Valued, value: wire.Quantity) -> tuple[float | None, float | None]:
    """The observation's own normal range; None where there is none, where several might be meant, or no patient reaches its top."""
    ranges = [one for one in many(part.referenceRange) if _is_normal(one)]
    if len(ranges) > 1:
        ranges = [one for one in ranges if one.appliesTo is None and one.age is None]
    if len(ranges) != 1:
        return None, None
    low, high = _bound(reader, key, ranges[0].low, value), _bound(reader, key, ranges[0].high, value)
    if high is not None and not reader.terminology.plausible(key, high):
        return None, None
    return low, high


def _is_normal(one: wire.ReferenceRange) -> bool:
    return one.type is None or any(code == "normal" for _, code, _ in spoken(one.type).codings)


def _bound(reader: Reader, key: str, bound: wire.Quantity | None, value: wire.Quantity) -> float | None:
    if bound is None or bound.value is None:
        return None
    if not (bound.unit or bound.code):
        bound = wire.Quantity(value=bound.value, unit=value.unit, system=value.system, code=value.code)
    converted = reader.terminology.convert(
        key, bound.value or 0.0, bound.unit or "", bound.code or "", bound.system or ""
    )
    return None if isinstance(converted, str) else converted


def _read_phenotype(reader: Reader, reference: str, part: wire.Valued, concept: Spoken, when: Dated) -> None:
    found = spoken(part.valueCodeableConcept)
    text = part.valueString or found.label
    if not text:
        reader.skip(reference, "no-value", "no phenotype as a value", "slco1b1")
        return
    reader.results.append(
        Result(
            "slco1b1",
            0.0,
            "",
            when.at,
            Source(reference, concept.label, clipped(text), when.at, when.written),
            text=text,
            until=when.until,
        )
    )


def _specimen(reader: Reader, observation: wire.Observation) -> tuple[str, str]:
    """What the record says of the specimen: its kind and its condition, as text."""
    reference = observation.specimen
    if reference is None:
        return "", ""
    found: wire.Specimen | None = reader.lookup(reference.reference, observation.contained, "Specimen")
    if found is None:
        return reference.display or "", ""
    kind = spoken(found.type)
    words = [kind.text, *(display for _, _, display in kind.codings), reference.display or ""]
    condition = [spoken(one) for one in many(found.condition)]
    return " ".join(words), " ".join(
        f"{one.text} {' '.join(f'{code} {display}' for _, code, display in one.codings)}" for one in condition
    )


def _is_hemolyzed(observation: wire.Observation) -> bool:
    """Whether interpretation, note, comment or a component say that the specimen was hemolyzed."""
    for one in many(observation.interpretation):
        found = spoken(one)
        if _says_hemolyzed(found.text) or any(
            _says_hemolyzed(f"{display} {code}") for _, code, display in found.codings
        ):
            return True
    for note in many(observation.note):
        if _says_hemolyzed(note.text or ""):
            return True
    return any(map(_is_hemolysis_component, many(observation.component)))


def _says_hemolyzed(text: str) -> bool:
    return _HEMOLYSIS.search(text) is not None and _NOT_HEMOLYZED.search(text) is None


def _is_hemolysis_component(component: wire.Component) -> bool:
    concept = spoken(component.code)
    if not _HEMOLYSIS.search(f"{concept.text} {' '.join(display for _, _, display in concept.codings)}"):
        return False
    if component.valueBoolean is not None:
        return component.valueBoolean
    value = component.valueString or spoken(component.valueCodeableConcept).label
    return bool(value) and _NEGATIVE.search(value) is None


def _is_laboratory(observation: wire.Observation) -> bool:
    for category in many(observation.category):
        for coding in many(category.coding):
            if coding.code == "laboratory":
                return True
    return False


def _could_matter(reader: Reader, part: wire.Valued) -> bool:
    """Whether a value could be one of those rules read, had it another code: a number, in a unit that one of them has."""
    quantity = _quantity(part)
    if quantity is None or quantity.value is None:
        return False
    return reader.terminology.measures(quantity.unit or "", quantity.code or "", quantity.system or "")


def _read_pregnancy(reader: Reader, reference: str, part: wire.Valued, concept: Spoken, when: datetime) -> None:
    value = spoken(part.valueCodeableConcept)
    if not value.codings and not value.text:
        reader.skip(reference, "no-value", "a coded pregnancy status belongs here", PREGNANCY_STATUS)
        return
    pregnant = any(code in _PREGNANT for _, code, _ in value.codings)
    source = Source(reference, concept.label, value.label, when)
    reader.pregnancies.append((when, pregnant, reference, Problem("pregnant", True, True, source, when, when)))
