"""Random patients as FHIR R4: codes from the pack's value sets, values around thresholds, orders, drafts and symptoms.

Flows in: the tables of the loaded packs and a seed. Flows out: a `Patient`, the same for the same seed, so that a broken
law is told by its seed. Nothing here is a person: every record is drawn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cds_rules.evaluate import Call
from cds_rules.fhir import Document
from cds_rules.knowledge.pack import Rows
from cds_rules.vocabulary.facts import ORDER_HOOKS
from cds_rules.vocabulary.frozen import Frozen, replace

AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
"""The evaluation instant of all patients."""

HOOKS = (
    *("patient-view", "patient-view", "patient-view", "order-select", "order-select", "order-sign", "order-sign"),
    *("encounter-start", "encounter-discharge", "medication-refill"),
)
PERSON = "someone"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"

Json = dict[str, Any]


class Patient(Frozen, frozen=True):
    """One record and the question: resources of the chart in order, the drafts, the hook."""

    hook: str
    chart: tuple[Json, ...]
    drafts: tuple[Json, ...] = ()
    selections: frozenset[str] | None = None

    def call(self) -> Call:
        """The question as `evaluate` takes it."""
        documents = [_bundle(self.chart, "chart")]
        if self.drafts:
            documents.append(_bundle(self.drafts, "draft"))
        return Call(self.hook, AT, tuple(documents), PERSON, "a-hook-instance", self.selections)

    def plus(self, *resources: Json) -> Patient:
        """The patient with more in the chart."""
        return replace(self, chart=(*self.chart, *resources))

    def labs(self, *keys: str) -> list[Json]:
        """The results of some kinds, as they stand in the chart."""
        return [each for each in self.chart if each["resourceType"] == "Observation" and key_of(each) in keys]

    def exchange(self, new: Iterable[Json]) -> Patient:
        """The patient with some resources in place of those with the same type and id."""
        by_id = {(each["resourceType"], each["id"]): each for each in new}
        return replace(
            self,
            chart=tuple(by_id.get((each["resourceType"], each["id"]), each) for each in self.chart),
            drafts=tuple(by_id.get((each["resourceType"], each["id"]), each) for each in self.drafts),
        )


def _bundle(resources: Iterable[Json], origin: str) -> Document:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return Document(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode(), origin)


def key_of(resource: Json) -> str:
    """What a generated resource is about: the part of its id before the counter."""
    return str(resource["id"]).rsplit("-", 1)[0].replace(".", "_")


def ago(days: float) -> str:
    """The instant so many days before AT; after it when negative."""
    return (AT - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


LABS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "magnesium": (
        "mg/dL",
        (0.8, 0.99, 1.0, 1.19, 1.2, 1.5, 1.69, 1.7, 2.0, 2.6, 2.7, 3.0, 3.1, 3.6, 3.7, 4.79, 4.8, 6, 8.6),
    ),
    "creatinine": ("mg/dL", (0.6, 0.8, 0.99, 1.0, 1.2, 1.5, 1.9, 2.4, 3.1, 4.5, 7)),
    "egfr_reported": ("mL/min/{1.73_m2}", (8, 14.9, 15, 22, 29.9, 30, 38, 44.9, 45, 52, 59, 60, 75, 95)),
    "potassium": ("mmol/L", (2.4, 2.5, 2.9, 3.0, 3.2, 3.49, 3.5, 4.1, 5.1, 5.6)),
    "sodium": ("mmol/L", (122, 124, 125, 128, 130, 134, 135, 140)),
    "calcium": ("mg/dL", (6.8, 7.0, 7.9, 8.0, 8.4, 8.5, 9.4, 10.6)),
    "ionized_calcium": ("mmol/L", (0.85, 0.9, 0.99, 1.0, 1.1, 1.2)),
    "albumin": ("g/dL", (2.1, 3.0, 4.0)),
    "ck": ("U/L", (90, 190, 760, 801, 1500, 1999, 2001, 5000, 8001, 30000)),
    "tsh": ("m[IU]/L", (0.9, 4, 12)),
    "vitamin_d_25oh": ("ng/mL", (9, 19, 20, 34)),
    "qtc": ("ms", (430, 461, 481, 499, 500, 540)),
    "sbp": ("mm[Hg]", (82, 95, 128)),
    "hr": ("/min", (44, 49, 50, 76)),
    "rr": ("/min", (8, 11, 12, 16)),
}
"""Kind -> unit, values on both sides of the numbers of the rules."""

RANGES = {"magnesium": (1.7, 2.6), "ck": (30, 200), "potassium": (3.5, 5.1), "calcium": (8.5, 10.5)}
DAYS = (0.1, 0.5, 1, 2, 3, 5, 7, 8, 13, 14, 15, 29, 30, 31, 60, 89, 90, 91, 120, 200, 364, 366, 500)
STARTS = (0.2, 1, 3, 4, 6, 10, 20, 27, 28, 35, 36, 60, 100, 200, 364, 366, 800)
LIKELY = ("magnesium", "creatinine", "egfr_reported", "potassium", "ck", "calcium")
USUAL = (
    "loop-diuretic", "thiazide-diuretic", "k-sparing-diuretic", "digoxin", "ppi", "quinine", "qt-prolonging", "beta2-agonist",
    "aminoglycoside", "nmb", "fluoroquinolone", "clarithromycin", "potassium-supplement", "calcineurin-inhibitor", "cisplatin",
)  # fmt: skip
CRAMPED = (
    "muscle-cramp",
    "muscle-cramp",
    "muscle-pain",
    "muscle-weakness",
    "dark-urine",
    "seizure",
    "diarrhea",
    "hyporeflexia",
)


class Patients:
    """Draws patients from the tables of a pack."""

    def __init__(self, tables: Mapping[str, Rows]) -> None:
        coded = {name: [row for row in rows if row.get("code") and row.get("system")] for name, rows in tables.items()}
        self.labs = {
            key: [row for row in coded["labs"] if row["key"] == key and not row["excluded"] and row["system"] == LOINC]
            for key in LABS
        }
        self.conditions = _by_key(coded["conditions"])
        self.symptoms = _by_key(tables["symptoms"])
        self.reasons = coded["reasons"]
        self.sites = [row for row in coded["body_sites"] if row["kind"] == "site"]
        self.magnesium = [row for row in coded["magnesium_products"] if row["per"] in ("unit", "mL")]
        self.drugs = _by_key([row for row in coded["medication_classes"] if row["ingredient"]])
        self.statins = [row for row in coded["rxnorm_products"] if "statin" in row["key"] and row["tty"] == "SCD"]

    def draw(self, seed: int) -> Patient:
        """The patient of this seed."""
        return _Draw(self, random.Random(seed)).patient()


def _by_key(rows: Iterable[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    found: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        if row["key"] and not row["key"].startswith("!"):
            found.setdefault(row["key"], []).append(row)
    return found


class _Draw:
    """One patient in the making."""

    def __init__(self, source: Patients, chance: random.Random) -> None:
        self.source, self.chance, self.counter = source, chance, 0

    def patient(self) -> Patient:
        chance = self.chance
        hook = chance.choice(HOOKS)
        chart = [self.person()]
        likely = [key for key in LIKELY if chance.random() < 0.55]
        for key in (*likely, *chance.sample(sorted(LABS), chance.randrange(4))):
            chart += [self.lab(key) for _ in range(chance.choice((1, 1, 2, 3)))]
        chart += [self.condition() for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        chart += [self.symptom() for _ in range(chance.choice((0, 1, 1, 2)))]
        if chance.random() < 0.05:
            chart.append(self.genotype())
        chart += [self.medication() for _ in range(chance.choice((0, 1, 2, 3, 5)))]
        if chance.random() < 0.1:
            chart.append(self.order())
        chart += self.hard()
        drafts = [self.medication(draft=True) for _ in range(chance.choice((1, 1, 2)))] if hook in ORDER_HOOKS else []
        chosen = None
        if hook == "order-select":
            chosen = frozenset(f"{each['resourceType']}/{each['id']}" for each in drafts[:1])
        return Patient(hook, tuple(chart), tuple(drafts), chosen)

    def hard(self) -> list[Json]:
        """Now and then what makes rules collide: dialysis, pregnancy, several products of one ingredient, a statin with a partner."""
        chance = random.Random(self.chance.random())  # one draw, whatever comes of it
        found: list[Json] = []
        if chance.random() < 0.08:
            found.append(self.condition(chance.choice(("dialysis", "aki", "torsades", "gitelman-bartter"))))
        if chance.random() < 0.06:
            pregnant = {"system": SNOMED, "code": "77386006", "display": "Pregnancy"}
            found.append(
                {**self.condition("dehydration"), "id": self.identity("pregnancy"), "code": {"coding": [pregnant]}}
            )
        if chance.random() < 0.1:
            twice = self.medication(kind=0.0)
            found += [twice, {**twice, "id": self.identity(key_of(twice))}]
        if chance.random() < 0.1:
            found += [self.medication(kind=0.5), self.medication(key="clarithromycin")]
        return found

    def identity(self, key: str) -> str:
        self.counter += 1
        return f"{key}-{self.counter}"

    def resource(self, kind: str, key: str, **content: Any) -> Json:
        return {
            "resourceType": kind,
            "id": self.identity(key.replace("_", ".")),
            "subject": {"reference": f"Patient/{PERSON}"},
            **{name: value for name, value in content.items() if value not in (None, [], {})},
        }

    def person(self) -> Json:
        age = self.chance.choice((0.5, 6, 17, 30, 30, 45, 59, 60, 64, 65, 74, 75, 88))
        return {
            "resourceType": "Patient",
            "id": PERSON,
            "gender": self.chance.choice(("female", "male")),
            "birthDate": ago(age * 365.25 + 40)[:10],
        }

    def lab(self, key: str) -> Json:
        chance = self.chance
        unit, values = LABS[key]
        low, high = RANGES.get(key, (None, None)) if chance.random() < 0.6 else (None, None)
        bounds = {side: quantity(bound, unit) for side, bound in (("low", low), ("high", high)) if bound is not None}
        hemolyzed = key in ("magnesium", "potassium") and chance.random() < 0.06
        return self.resource(
            "Observation",
            key,
            status=chance.choice(("final",) * 9 + ("amended", "preliminary")),
            code={"coding": [coding(chance.choice(self.source.labs[key]))]},
            effectiveDateTime=ago(chance.choice(DAYS)),
            valueQuantity=quantity(chance.choice(values), unit),
            referenceRange=[bounds] if bounds else None,
            note=[{"text": "Specimen hemolyzed"}] if hemolyzed else None,
        )

    def genotype(self) -> Json:
        function = self.chance.choice(("Poor function", "Decreased function", "Normal function"))
        return self.resource(
            "Observation",
            "slco1b1",
            status="final",
            code={
                "coding": [{"system": LOINC, "code": "93412-9", "display": "SLCO1B1 gene product metabolic activity"}]
            },
            effectiveDateTime=ago(400),
            valueCodeableConcept={"text": function},
        )

    def condition(self, key: str = "") -> Json:
        chance = self.chance
        key = key if key in self.source.conditions else chance.choice(sorted(self.source.conditions))
        days = chance.choice(DAYS)
        return self.resource(
            "Condition",
            key,
            clinicalStatus=concept(
                f"{TERMINOLOGY}/condition-clinical", chance.choice(("active", "active", "resolved"))
            ),
            verificationStatus=concept(
                f"{TERMINOLOGY}/condition-ver-status", chance.choice(("confirmed", "confirmed", "provisional"))
            ),
            code={"coding": [coding(chance.choice(self.source.conditions[key]))]},
            onsetDateTime=ago(days + chance.choice((0, 0, 20))),
            recordedDate=ago(days),
        )

    def symptom(self) -> Json:
        chance = self.chance
        key = chance.choice(CRAMPED) if chance.random() < 0.6 else chance.choice(sorted(self.source.symptoms))
        days = chance.choice(DAYS[:14])
        site = chance.choice(self.source.sites) if chance.random() < 0.3 else None
        return self.resource(
            "Condition",
            key,
            clinicalStatus=concept(f"{TERMINOLOGY}/condition-clinical", "active"),
            verificationStatus=concept(f"{TERMINOLOGY}/condition-ver-status", "confirmed"),
            code=stated(chance.choice(self.source.symptoms[key])),
            bodySite=[{"coding": [coding(site)]}] if site else None,
            onsetDateTime=ago(days + chance.choice((0, 0, 3, 30))),
            recordedDate=ago(days),
        )

    def medication(self, draft: bool = False, kind: float | None = None, key: str = "") -> Json:
        chance = self.chance
        kind = 1.0 if key else chance.random() if kind is None else kind
        if kind < 0.4:
            row = chance.choice(self.source.magnesium)
            unit = "mL" if row["per"] == "mL" else "tablet"
            amount = chance.choice((5, 10, 15, 30, 100) if unit == "mL" else (1, 1, 2, 4))
            key = "magnesium-product"
        elif kind < 0.6:
            row, unit, amount, key = chance.choice(self.source.statins), "tablet", 1, "statin"
        else:
            key = key or (chance.choice(USUAL) if chance.random() < 0.6 else chance.choice(sorted(self.source.drugs)))
            row, unit, amount = chance.choice(self.source.drugs[key]), "tablet", 1
        intravenous = row.get("category", "") in ("iv_magnesium", "iv_fluid_or_electrolyte_mix", "parenteral_nutrition")
        route = ("47625008", "Intravenous route") if intravenous else ("26643006", "Oral route")
        begun = chance.choice(STARTS)
        status = "draft" if draft else chance.choice(("active",) * 6 + ("stopped", "completed", "on-hold"))
        repeat: Json = {"frequency": chance.choice((1, 1, 2, 3, 4)), "period": 1, "periodUnit": "d"}
        if not draft and chance.random() < 0.5:
            repeat["boundsPeriod"] = {"start": ago(begun)}
        dosage: Json = {
            "route": {"coding": [{"system": SNOMED, "code": route[0], "display": route[1]}]},
            "timing": {"repeat": repeat},
            "doseAndRate": [{"doseQuantity": {"value": amount, "unit": unit}}],
        }
        if chance.random() < 0.1:
            dosage["asNeededBoolean"] = True
        return self.resource(
            "MedicationRequest",
            key,
            status=status,
            intent="order",
            medicationCodeableConcept={"coding": [coding(row)], "text": row["display"]},
            authoredOn=ago(0 if draft else begun),
            dosageInstruction=[dosage],
            reasonCode=[{"coding": [coding(chance.choice(self.source.reasons))]}] if chance.random() < 0.25 else None,
        )

    def order(self) -> Json:
        code = self.chance.choice((("19123-9", "Magnesium"), ("24320-4", "Basic metabolic panel"), ("2157-6", "CK")))
        return self.resource(
            "ServiceRequest",
            "order",
            status="active",
            intent="order",
            code={"coding": [{"system": LOINC, "code": code[0], "display": code[1]}]},
            authoredOn=ago(self.chance.choice((0.2, 1))),
        )


def coding(row: Mapping[str, str]) -> Json:
    """A row of a value set as a Coding."""
    return {"system": row["system"], "code": row["code"], **({"display": row["display"]} if row["display"] else {})}


def stated(row: Mapping[str, str]) -> Json:
    """A row of a value set as a CodeableConcept: coded where it has a code, else in its words."""
    return {"coding": [coding(row)]} if row["code"] else {"text": row["display"]}


def concept(system: str, code: str) -> Json:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def quantity(value: float, unit: str) -> Json:
    """A Quantity in UCUM; a unit that is "" is left out."""
    return {"value": value, **({"unit": unit, "system": UCUM, "code": unit} if unit else {})}
