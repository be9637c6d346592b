"""Tiny charts for tests of derive: helpers with defaults, days counted back from `AT`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from cds_rules.derive import Derived, Lookups, derive
from cds_rules.derive.record import Record
from cds_rules.knowledge.decisions import STANDARD, Decisions
from cds_rules.vocabulary.chart import (
    Amount,
    Chart,
    Dosage,
    Event,
    MagnesiumContent,
    Medication,
    Order,
    Problem,
    Product,
    Result,
    Sex,
    Source,
    Subject,
    Symptom,
)
from cds_rules.vocabulary.facts import Fact, Value

AT = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
UNITS = {"creatinine": "mg/dL", "magnesium": "mg/dL", "potassium": "mmol/L", "sodium": "mmol/L", "ck": "U/L"}
_numbers = count(1)

Entry = Result | Medication | Problem | Symptom | Order | Event


def ago(days: float) -> datetime:
    return AT - timedelta(days=days)


def source(kind: str, label: str = "", value: str = "", days: float | None = None) -> Source:
    return Source(f"{kind}/{next(_numbers)}", label, value, None if days is None else ago(days))


def result(key: str, value: float, days: float = 1, **fields: Any) -> Result:
    unit = UNITS.get(key, "")
    return Result(key, value, unit, ago(days), source("Observation", key, f"{value} {unit}", days), **fields)


def magnesium(value: float, days: float = 1, **fields: Any) -> Result:
    return result("magnesium", value, days, **fields)


def creatinine(value: float, days: float = 1, **fields: Any) -> Result:
    return result("creatinine", value, days, **fields)


def egfr(value: float, days: float = 1, **fields: Any) -> Result:
    return result("egfr_reported", value, days, **fields)


def medication(
    ingredient: str,
    *classes: str,
    start: float | None = 30,
    state: str = "active",
    stop: float | None = None,
    **fields: Any,
) -> Medication:
    content = fields.pop("content", None)
    ingredients = tuple(ingredient.split(" / "))
    strengths = fields.pop("strengths", ())
    where = source("MedicationRequest", ingredient)
    return Medication(
        product=Product(ingredients, frozenset(classes), strengths, magnesium=content),
        label=ingredient,
        state=state,  # type: ignore[arg-type]
        source=where,
        resource_type="MedicationRequest",
        classes=frozenset(classes),
        start=None if start is None or state == "draft" else ago(start),
        stop=None if stop is None else ago(stop),
        resource_id=where.reference.split("/")[1],
        **fields,
    )


def dosage(value: float, unit: str = "unit", per_day: float | None = 1, **fields: Any) -> Dosage:
    return Dosage(dose=Amount(value, unit), per_day=per_day, **fields)


def oxide(mg: float = 400, per_day: float | None = 1, *classes: str, prn: bool = False, **fields: Any) -> Medication:
    """Magnesium oxide tablets: 400 mg hold 241 mg."""
    content = MagnesiumContent("magnesium oxide", 0.603 * mg, "unit", "salt", strength_mg=mg)
    taken = fields.pop("dosage", dosage(1, "unit", per_day, prn=prn))
    return medication("magnesium oxide", *(classes or ("mg-oral-supplement",)), content=content, dosage=taken, **fields)


def elemental(mg: float, per_day: float | None = 1, *classes: str, **fields: Any) -> Medication:
    content = MagnesiumContent("magnesium", mg, "unit", "elemental", strength_mg=mg)
    taken = fields.pop("dosage", dosage(1, "unit", per_day))
    return medication("magnesium", *(classes or ("mg-oral-supplement",)), content=content, dosage=taken, **fields)


def sulfate_iv(grams: float | None = 2, one_time: bool = True, **fields: Any) -> Medication:
    taken = Dosage(dose=Amount(grams, "g") if grams is not None else None, one_time=one_time)
    content = MagnesiumContent("magnesium sulfate", None, "mL", "salt")
    return medication(
        "magnesium sulfate", "mg-iv", content=content, route="iv", dosage=fields.pop("dosage", taken), **fields
    )


def statin(name: str = "simvastatin", mg: float | None = 20, **fields: Any) -> Medication:
    taken = Dosage() if mg is None else dosage(mg, "mg")
    return medication(name, "statin", dosage=taken, **fields)


def problem(
    key: str, days: float | None = 400, *, active: bool = True, confirmed: bool = True, **fields: Any
) -> Problem:
    return Problem(key, active, confirmed, source("Condition", key), None if days is None else ago(days), **fields)


def symptom(key: str, days: float = 1, onset: float | None = None, site: str | None = None, **fields: Any) -> Symptom:
    return Symptom(key, ago(days), source("Condition", key), None if onset is None else ago(onset), site, **fields)


def cramp(days: float = 1, onset: float | None = None, site: str | None = "calf", **fields: Any) -> Symptom:
    return symptom("muscle-cramp", days, onset, site, **fields)


def event(key: str, days: float | None = 1, ongoing: bool = False) -> Event:
    return Event(key, None if days is None else ago(days), source("Procedure", key), ongoing)


def chart(*entries: Entry, age: int | None = 60, sex: Sex | None = "female") -> Chart:
    born = None if age is None else date(AT.year - age, 1, 1)

    def those(kind: type) -> tuple[Any, ...]:
        return tuple(each for each in entries if isinstance(each, kind))

    return Chart(
        subject=Subject("Patient/1", born, sex, source=source("Patient")),
        results=those(Result),
        medications=those(Medication),
        problems=those(Problem),
        symptoms=those(Symptom),
        orders=those(Order),
        events=those(Event),
    )


def record(*entries: Entry, hook: str = "patient-view", gaps: Mapping[str, str] | None = None, **who: Any) -> Record:
    return Record(chart(*entries, **who), hook, AT, gaps or {})


def derived(
    *entries: Entry,
    hook: str = "patient-view",
    gaps: Iterable[str] = (),
    tables: Mapping[str, list[dict[str, str]]] | None = None,
    decisions: Decisions = STANDARD,
    **who: Any,
) -> Derived:
    missing = {domain: f"{domain} not sent" for domain in gaps}
    return derive(
        chart(*entries, **who), hook=hook, at=AT, lookups=Lookups.of(tables or {}), gaps=missing, decisions=decisions
    )


def facts(found: Derived, kind: str, **fields: Value) -> list[Fact]:
    return [
        each
        for each in found.facts
        if each.kind == kind and all(each.fields[name] == value for name, value in fields.items())
    ]


def field(found: Derived, kind: str, name: str, **fields: Value) -> Value:
    """A field of the only fact of a kind that has these other fields."""
    (only,) = facts(found, kind, **fields)
    return only.fields[name]
