"""Vignettes (clinical facts in words) become FHIR as eight kinds of record keepers would write them, two of them not in R4.

Flows in: one vignette of `vignettes.yaml`, a style, the instant. Flows out: a CDS Hooks request with prefetch, the same
record as a Bundle, and a list of the facts that the style cannot carry. `ingredient` drives the codes; the vignette's
`classes` and `elemental_mg_per_day` are never passed on: finding them is the work under test.
"""

from __future__ import annotations

import copy
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from tests.vignettes import codes
from tests.vignettes.codes import ATC, ICD10, ICD10CM, LOINC, RXNORM, SNOMED, UCUM, Concept, Product
from tests.vignettes.versions import WRITTEN, rewritten

STYLES = ("us-core", "synthea", "epic", "text", "international", "messy", "r5", "stu3")
AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
"""The evaluation instant of all vignettes."""

OFFSETS = {"synthea": -5, "international": 2}
"""Hours east of Greenwich in which a style writes its times; the others write Z."""

EPIC = "urn:oid:1.2.840.114350.1.13.0.1.7.2"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
FREQUENCY = {1: "daily", 2: "BID", 3: "TID", 4: "QID"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """One vignette in one style. lost: (fact, why this style cannot carry it)."""

    request: Json
    bundle: Json
    lost: tuple[tuple[str, str], ...]


@dataclass
class Writer:
    """Writes one patient's record in one style."""

    style: str
    name: str
    at: datetime
    chance: random.Random
    chart: list[Json] = field(default_factory=list)
    drafts: list[Json] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)
    counter: int = 0

    # --- small things -------------------------------------------------------------------------------------------

    def identity(self, kind: str) -> str:
        self.counter += 1
        plain = f"{self.name}-{kind.lower()}-{self.counter}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, plain)) if self.style == "synthea" else plain

    @property
    def patient(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.name)) if self.style == "synthea" else f"{self.name}-patient"

    def ago(self, days: float) -> str:
        """The instant so many days back, in the style's time zone."""
        then = self.at - timedelta(days=days)
        offset = OFFSETS.get(self.style, 0)
        return (
            then.astimezone(timezone(timedelta(hours=offset))).isoformat()
            if offset
            else then.strftime("%Y-%m-%dT%H:%M:%SZ")
        )

    def of(self, entry: Mapping[str, Any]) -> str | None:
        """When an entry with days_ago or hours_ago happened."""
        if "hours_ago" in entry:
            return self.ago(entry["hours_ago"] / 24)
        return self.ago(entry["days_ago"]) if "days_ago" in entry else None

    def resource(self, kind: str, **content: Any) -> Json:
        """A resource of the patient; None values are left out."""
        body = {
            "resourceType": kind,
            "id": self.identity(kind),
            **{k: v for k, v in content.items() if v not in (None, [], {})},
        }
        if self.style == "us-core":
            body["meta"] = {"lastUpdated": self.ago(0)}
        return body

    def subject(self) -> Json:
        return {"reference": f"Patient/{self.patient}"}

    def manner(self) -> str:
        """The style of one statement: messy charts mix the others."""
        if self.style in WRITTEN:
            return "us-core"
        return self.chance.choice(("us-core", "epic", "text")) if self.style == "messy" else self.style

    # --- codes --------------------------------------------------------------------------------------------------

    def problem_code(self, concept: Concept, text: str = "") -> Json:
        """A clinical finding as CodeableConcept."""
        manner, text = self.manner(), text or concept.text
        snomed = {"system": SNOMED, "code": concept.snomed, "display": concept.text}
        icd10cm = {"system": ICD10CM, "code": concept.icd10cm, "display": concept.text}
        icd10 = {"system": ICD10, "code": concept.icd10, "display": concept.text}
        local = {"system": f"{EPIC}.696580", "code": str(1000 + len(concept.text)), "display": text}
        coding = {
            "us-core": [snomed, icd10cm],
            "synthea": [snomed],
            "epic": [local, icd10cm, snomed],
            "international": [icd10] if concept.icd10 else [snomed],
            "text": [],
        }[manner]
        if self.style == "messy" and coding:
            coding = [{"system": "http://hospital.example/problems", "code": "P-17"}, *coding]
            self.chance.shuffle(coding)
        coding = [one for one in coding if one["code"]]
        return {"coding": coding, "text": text} if coding else {"text": text}

    def site_code(self, site: str, side: str | None) -> Json:
        concept = codes.SITES[site]
        text = f"Both {concept.text.lower()}s" if side == "bilateral" else concept.text
        coding = [{"system": SNOMED, "code": concept.snomed, "display": concept.text}] if concept.snomed else []
        if side == "bilateral":
            coding.append({"system": SNOMED, "code": codes.BOTH_SIDES[0], "display": codes.BOTH_SIDES[1]})
        return {"coding": coding, "text": text} if coding and self.style != "text" else {"text": text}

    def product_code(self, product: Product, manner: str) -> Json:
        """A product as CodeableConcept."""
        rxnorm = {"system": RXNORM, "code": product.rxnorm, "display": product.rxnorm_name}
        local = {"system": f"{EPIC}.698288", "code": str(20000 + len(product.text)), "display": product.text.upper()}
        coding = {
            "us-core": [rxnorm],
            "synthea": [rxnorm],
            "epic": [local, rxnorm],
            "international": [{"system": ATC, "code": product.atc, "display": product.text.split(" ")[0]}],
            "text": [],
        }[manner]
        coding = [one for one in coding if one["code"]]
        text = product.paper or product.text if manner == "text" else product.text
        return {"coding": coding, "text": text} if coding else {"text": text}

    # --- results ------------------------------------------------------------------------------------------------

    def quantity(self, value: float, unit: str | None, comparator: str | None = None) -> Json:
        """A value with its unit, in the spelling of the style."""
        body: Json = {"value": value}
        if comparator:
            body["comparator"] = comparator
        if unit is None:
            return body
        if self.style == "messy":
            body["unit"] = self.chance.choice(codes.SPELLINGS[unit])
            return body
        body["unit"] = {"meq/L": "mEq/L", "mL/min/{1.73_m2}": "mL/min/1.73m2", "mm[Hg]": "mmHg"}.get(unit, unit)
        return body | {"system": UCUM, "code": unit}

    def observation(self, category: str, code: Json, when: str | None, **content: Any) -> Json:
        return self.resource(
            "Observation",
            **{
                "status": "final",
                "category": [{"coding": [{"system": f"{TERMINOLOGY}/observation-category", "code": category}]}],
                "code": code,
                "subject": self.subject(),
                "effectiveDateTime": when,
                **content,
            },
        )

    def lab(self, entry: Mapping[str, Any]) -> Json:
        """One laboratory result; text-only charts keep LOINC for results, since 5.2 accepts results by code."""
        key, value, unit = entry["test"], entry["value"], entry.get("unit")
        if key == "slco1b1":
            return self.observation(
                "laboratory",
                {"text": "SLCO1B1 gene product function"},
                self.of(entry),
                valueCodeableConcept={"text": f"{value.capitalize()} function"},
            )
        lab = codes.LABS[key]
        loinc, name = entry.get("loinc", lab.loinc), lab.loinc_name
        low, high = entry.get("ref_low"), entry.get("ref_high")
        if unit in ("mmol/L", "meq/L") and lab.molar:
            loinc, name = lab.molar
        elif self.style == "international" and lab.si and lab.molar and unit == "mg/dL":
            unit, factor = lab.si
            # Thirteen digits, not the two a laboratory prints: rounding would move values that lie on a threshold.
            value, low, high = (None if one is None else float(f"{one * factor:.13g}") for one in (value, low, high))
            loinc, name = lab.molar
        elif self.style == "synthea" and lab.synthea:
            loinc, name = lab.synthea
        coding = [{"system": LOINC, "code": loinc, "display": name}]
        if self.style in ("epic", "messy"):
            coding.insert(0, {"system": f"{EPIC}.768282", "code": f"L{len(name)}", "display": lab.name.upper()})
        bounds = {
            side: self.quantity(bound, unit) for side, bound in (("low", low), ("high", high)) if bound is not None
        }
        hemolyzed = [
            {
                "coding": [{"system": f"{TERMINOLOGY}/v2-0493", "code": "HEM", "display": "Hemolyzed"}],
                "text": "Specimen hemolyzed",
            }
        ]
        return self.observation(
            "laboratory",
            {"coding": coding, "text": lab.name},
            self.of(entry),
            status=entry.get("status", "final"),
            valueQuantity=self.quantity(value, unit, entry.get("comparator")),
            referenceRange=[bounds] if bounds else None,
            interpretation=hemolyzed if entry.get("hemolyzed") else None,
            note=[{"text": "Specimen hemolyzed"}] if entry.get("hemolyzed") else None,
        )

    def vital(self, key: str, value: float, unit: str, when: str | None) -> Json:
        if key == "sbp":
            parts = [
                ("8480-6", "Systolic blood pressure", value),
                ("8462-4", "Diastolic blood pressure", round(value * 0.6)),
            ]
            return self.observation(
                "vital-signs",
                {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure panel"}]},
                when,
                component=[
                    {
                        "code": {"coding": [{"system": LOINC, "code": loinc, "display": name}]},
                        "valueQuantity": self.quantity(number, unit),
                    }
                    for loinc, name, number in parts
                ],
            )
        loinc, name = codes.VITALS[key]
        return self.observation(
            "vital-signs",
            {"coding": [{"system": LOINC, "code": loinc, "display": name}]},
            when,
            valueQuantity=self.quantity(value, unit),
        )

    # --- conditions and symptoms --------------------------------------------------------------------------------

    def condition(
        self,
        code: Json,
        recorded: str | None,
        onset: str | None = None,
        verification: str = "confirmed",
        **content: Any,
    ) -> Json:
        return self.resource(
            "Condition",
            clinicalStatus=None
            if verification in ("refuted", "entered-in-error")
            else {"coding": [{"system": f"{TERMINOLOGY}/condition-clinical", "code": "active"}]},
            verificationStatus={"coding": [{"system": f"{TERMINOLOGY}/condition-ver-status", "code": verification}]},
            category=[{"coding": [{"system": f"{TERMINOLOGY}/condition-category", "code": "problem-list-item"}]}],
            code=code,
            subject=self.subject(),
            onsetDateTime=onset,
            recordedDate=recorded,
            **content,
        )

    def symptom(self, entry: Mapping[str, Any]) -> Json:
        """A Condition, or where the style prefers it a reported finding as Observation."""
        key, site, side = entry["key"], entry.get("site"), entry.get("side")
        concept = codes.SYMPTOMS[key]
        words = concept.text
        if site:
            words = f"{codes.SITE_ON_PAPER[site]} {concept.text.lower()}"
        if timing := codes.TIMING_ON_PAPER.get(entry.get("timing", "")):
            words = f"{words} {timing}"
        if side:
            words = f"{words}, {'both sides' if side == 'bilateral' else side}"
        code = self.problem_code(concept, words)
        where = self.site_code(site, side) if site else None
        recorded, onset = self.of(entry), self.ago(entry["onset_days_ago"]) if "onset_days_ago" in entry else None
        if self.style == "synthea" or (self.style == "messy" and self.chance.random() < 0.5):
            return self.observation(
                "survey",
                {"coding": [{"system": LOINC, "code": "75325-1", "display": "Symptom"}], "text": "Symptom"},
                None if onset else recorded,
                effectivePeriod={"start": onset, "end": recorded} if onset else None,
                valueCodeableConcept=code,
                bodySite=where,
            )
        return self.condition(code, recorded, onset, bodySite=[where] if where else None)

    # --- medications --------------------------------------------------------------------------------------------

    def product(self, entry: Mapping[str, Any]) -> Product:
        """What the pharmacy would take from the shelf for this entry."""
        ingredient, route = entry["ingredient"], entry.get("route", "oral")
        if ingredient == "magnesium sulfate":
            return codes.EPSOM_SALT if route == "topical" else codes.IV_MAGNESIUM
        if "dose_mg_per_day" in entry:
            return codes.STATINS[ingredient, entry["dose_mg_per_day"]]
        if "strength_mg" in entry:
            return codes.MAGNESIUM[ingredient, entry["strength_mg"], entry["strength_basis"]]
        return codes.DRUGS[ingredient]

    def dosage(self, entry: Mapping[str, Any], product: Product, manner: str, times: float = 1) -> Json:
        """How it is taken; times multiplies the amount of each dose."""
        route_code, route_name, route_word = codes.ROUTES[entry.get("route", "oral")]
        route = {"coding": [{"system": SNOMED, "code": route_code, "display": route_name}], "text": route_name}
        per_day, amount, unit = entry.get("doses_per_day", 1), product.amount * times, product.unit
        often = FREQUENCY.get(per_day, f"{per_day} times a day")
        if "dose_g_per_hour" in entry:
            rate = entry["dose_g_per_hour"]
            body: Json = {"text": f"{rate} g/h {route_word} continuous infusion"}
            if manner != "text":
                body |= {
                    "route": route,
                    "doseAndRate": [{"rateQuantity": {"value": rate, "unit": "g/h", "system": UCUM, "code": "g/h"}}],
                }
            return body
        if product is codes.IV_MAGNESIUM and "dose_g" not in entry:
            return {"text": "per protocol IV", "route": route}
        if "dose_g" in entry:
            amount, unit = entry["dose_g"], "g"
        plural = "s" if amount != 1 and unit in ("tablet", "capsule", "chewable tablet", "puff", "bath") else ""
        if entry.get("one_time"):
            often = "once" if per_day == 1 else f"{per_day} doses, one time only"
        text = f"{amount:g} {unit}{plural} {route_word} {often}{' PRN' if entry.get('prn') else ''}"
        if manner == "text":
            return {"text": text.replace("tablet", "tab").replace("capsule", "cap")}
        body = {"sequence": 1, "text": text, "route": route}
        if entry.get("one_time"):
            body["timing"] = (
                {"repeat": {"count": per_day}, "code": {"text": "once"}}
                if per_day == 1
                else {"repeat": {"count": per_day, "frequency": per_day, "period": 1, "periodUnit": "d"}}
            )
        else:
            body["timing"] = {"repeat": {"frequency": per_day, "period": 1, "periodUnit": "d"}}
        if entry.get("prn"):
            body["asNeededBoolean"] = True
        dose: Json = {"value": amount, "unit": unit}
        if unit in ("mg", "g", "mL"):
            dose |= {"system": UCUM, "code": unit}
        elif unit in ("tablet", "capsule"):
            dose |= {"system": f"{TERMINOLOGY}/v3-orderableDrugForm", "code": {"tablet": "TAB", "capsule": "CAP"}[unit]}
        if manner == "synthea":
            if not plural and unit in ("tablet", "capsule", "chewable tablet"):
                dose = {"value": amount}
            del body["text"]
        ordered = [
            {"type": {"coding": [{"system": f"{TERMINOLOGY}/dose-rate-type", "code": "ordered"}]}, "doseQuantity": dose}
        ]
        strength = entry.get("dose_mg_per_day") or (entry.get("strength_mg") if unit not in ("mL", "mg") else None)
        if manner == "epic" and strength:
            ordered[0]["type"]["coding"][0]["code"] = "admin-amount"
            ordered.insert(
                0,
                {
                    "type": {"text": "calculated"},
                    "doseQuantity": {"value": strength * times, "unit": "mg", "system": UCUM, "code": "mg"},
                },
            )
        return body | {"doseAndRate": ordered}

    def medication(
        self, entry: Mapping[str, Any], *, draft: bool = False, single: bool = True, **over: Any
    ) -> list[Json]:
        """One entry as a request or statement, with the Medication it refers to where the style keeps one apart."""
        manner, product = self.manner(), self.product(entry)
        code, around, contained = self.product_code(product, manner), [], None
        medicine: Json = {"medicationCodeableConcept": code}
        if manner == "synthea":
            drug = {"resourceType": "Medication", "id": self.identity("Medication"), "status": "active", "code": code}
            around, medicine = [drug], {"medicationReference": {"reference": f"Medication/{drug['id']}"}}
        elif manner == "epic":
            contained = [{"resourceType": "Medication", "id": "med", "code": code}]
            medicine = {"medicationReference": {"reference": "#med", "display": product.text}}
        sig = self.dosage(entry, product, manner, over.pop("times", 1))
        reason = [self.problem_code(codes.REASONS[entry["reason"]])] if "reason" in entry else None
        start = None if draft else over.pop("start", entry.get("start_days_ago"))
        began = self.ago(start) if start is not None else None
        status = over.pop("status", "draft" if draft else entry.get("status", "active"))
        stop = over.pop("stop", entry.get("stopped_days_ago"))
        if stop is not None:
            sig.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = {
                "start": began,
                "end": self.ago(stop),
            }
        may_be_statement = (
            self.style in ("international", *WRITTEN)
            and single
            and not draft
            and stop is None
            and not over
            and product is not codes.IV_MAGNESIUM
        )
        if entry.get("source") == "MedicationStatement" or may_be_statement:
            body = self.resource(
                "MedicationStatement",
                contained=contained,
                status=status,
                **medicine,
                subject=self.subject(),
                effectivePeriod={"start": began} if began else None,
                dateAsserted=self.ago(0),
                reasonCode=reason,
                dosage=[{k: v for k, v in sig.items() if k != "sequence"}],
            )
        else:
            body = self.resource(
                "MedicationRequest",
                contained=contained,
                status=status,
                intent="order",
                **medicine,
                subject=self.subject(),
                authoredOn=self.ago(0) if draft else began,
                reasonCode=reason,
                dosageInstruction=[sig],
                **over,
            )
        return [body, *around]

    def medications(self, vignette: Mapping[str, Any]) -> None:
        entries = vignette.get("meds", [])
        names = [entry["ingredient"] for entry in entries]
        replaced = {entry["replaces"] for entry in vignette.get("draft_orders", []) if "replaces" in entry}
        for entry in entries:
            single = names.count(entry["ingredient"]) == 1 and entry["ingredient"] not in replaced
            if "dose_increased_days_ago" in entry:
                since = entry["dose_increased_days_ago"]
                self.chart += self.medication(entry, single=False, status="completed", stop=since)
                self.chart += self.medication(entry, single=False, start=since, times=2)
            else:
                self.chart += (made := self.medication(entry, single=single))
                self.requests[entry["ingredient"]] = made[0]["id"]

    def draft(self, entry: Mapping[str, Any]) -> None:
        if entry.get("type") == "service":
            loinc, name = codes.TESTS[entry["service"]]
            code = {"coding": [{"system": LOINC, "code": loinc, "display": name}], "text": name}
            self.drafts.append(
                self.resource("ServiceRequest", status="draft", intent="order", code=code, subject=self.subject())
            )
            return
        more: Json = {}
        if "replaces" in entry:
            more["priorPrescription"] = {"reference": f"MedicationRequest/{self.requests[entry['replaces']]}"}
        self.drafts += self.medication(entry, draft=True, **more)

    # --- the patient --------------------------------------------------------------------------------------------

    def person(self, patient: Mapping[str, Any]) -> Json:
        today = self.at.date()
        born = date(today.year - patient["age"], today.month, 1) - timedelta(days=150)
        return {
            "resourceType": "Patient",
            "id": self.patient,
            "name": [{"family": "Example", "given": [self.name.upper()]}],
            "gender": patient["sex"],
            "birthDate": born.isoformat(),
        }

    def state(self, patient: Mapping[str, Any]) -> None:
        """What the vignette says of the patient as such: pregnancy, dialysis, body measures, encounter."""
        if patient.get("pregnant"):
            if self.style == "epic":
                value = {"coding": [{"system": SNOMED, "code": "77386006", "display": "Pregnant"}], "text": "Pregnant"}
                code = {"coding": [{"system": LOINC, "code": "82810-3", "display": "Pregnancy status"}]}
                self.chart.append(self.observation("social-history", code, self.ago(1), valueCodeableConcept=value))
            else:
                self.chart.append(
                    self.condition(self.problem_code(codes.CONDITIONS["pregnant"]), self.ago(40), self.ago(90))
                )
        if patient.get("dialysis", "none") != "none":
            self.chart.append(
                self.condition(self.problem_code(codes.CONDITIONS["dialysis"]), self.ago(700), self.ago(700))
            )
        for measure, unit in (("weight_kg", "kg"), ("height_cm", "cm")):
            if measure in patient:
                self.chart.append(self.vital(measure.split("_")[0], patient[measure], unit, self.ago(20)))
        if "encounter" in patient:
            setting = {"inpatient": "IMP", "emergency": "EMER"}[patient["encounter"]]
            period = {"start": self.ago(0.9)}
            self.chart.append(
                self.resource(
                    "Encounter",
                    **{
                        "status": "in-progress",
                        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": setting},
                        "subject": self.subject(),
                        "period": period,
                    },
                )
            )

    def decoys(self) -> None:
        """What must not count: errors, other people, drafts of results, orders on hold, look-alikes, and repetition."""
        stranger = {"reference": f"Patient/{self.name}-neighbour"}
        wrong = {"test": "magnesium", "value": 8.4, "unit": "mg/dL", "hours_ago": 2}
        creatinine = {"test": "creatinine", "value": 6.6, "unit": "mg/dL", "hours_ago": 3}
        oxide = {
            "ingredient": "magnesium oxide",
            "strength_mg": 400,
            "strength_basis": "salt",
            "doses_per_day": 4,
            "start_days_ago": 50,
        }
        renal, cramps = codes.CONDITIONS["ckd-5"], codes.SYMPTOMS["muscle-cramp"]
        made = [
            self.lab(wrong | {"status": "entered-in-error"}),
            self.lab(creatinine | {"status": "preliminary"}),
            self.lab(wrong | {"status": "cancelled"}),
            self.lab(wrong) | {"subject": stranger},
            self.lab(creatinine) | {"subject": stranger},
            *(body | {"subject": stranger} for body in self.medication(oxide)),
            *self.medication(oxide, status="on-hold"),
            *self.medication(oxide, status="entered-in-error"),
            *(body | {"intent": "proposal"} for body in self.medication(oxide)),
            self.condition(self.problem_code(renal), self.ago(30), verification="refuted"),
            self.condition(self.problem_code(renal), self.ago(30)) | {"subject": stranger},
            self.condition(self.problem_code(cramps, "Leg cramps"), self.ago(2), verification="entered-in-error"),
            self.condition(
                {"coding": [{"system": ICD10CM, "code": "M79.7", "display": "Fibromyalgia"}], "text": "Fibromyalgia"},
                self.ago(300),
            ),
            self.condition({"text": "No leg cramps"}, self.ago(3)),
            self.observation(
                "laboratory",
                {
                    "coding": [{"system": LOINC, "code": "19124-7", "display": "Magnesium [Mass/volume] in Urine"}],
                    "text": "Magnesium, urine",
                },
                self.ago(1),
                valueQuantity=self.quantity(9.5, "mg/dL"),
            ),
            self.observation(
                "laboratory",
                {
                    "coding": [
                        {
                            "system": LOINC,
                            "code": "13969-1",
                            "display": "Creatine kinase.MB [Mass/volume] in Serum or Plasma",
                        }
                    ],
                    "text": "CK-MB",
                },
                self.ago(1),
                valueQuantity={"value": 9000, "unit": "U/L"},
            ),
        ]
        again = [copy.deepcopy(one) for one in self.chart if self.chance.random() < 0.5]
        self.chart += made + again
        self.chance.shuffle(self.chart)


LAB_KEYS = {
    "Creatinine": "creatinine",
    "eGFR": "creatinine",
    "Magnesium": "magnesium",
    "Potassium": "electrolytes",
    "Sodium": "electrolytes",
    "CK": "muscle",
    "QTc interval": "ecg",
}
"""What a result is called -> the prefetch key it answers; whatever else a client sends comes with the findings."""
KEYS = (
    *("medications", "endedMedications", "statements", "administrations", "dispenses"),
    *("conditions", "endedConditions", "creatinine", "magnesium", "electrolytes", "muscle", "ecg"),
    *("vitals", "findings", "procedures", "orders"),
    *("questionnaires", "carePlans", "consents", "encounters"),
)
"""Every key beside `patient`; a client that asks all the service wants sends all of them, empty ones too."""


def prefetch_key(body: Mapping[str, Any]) -> str:
    """The key under which a client would deliver this resource."""
    match body["resourceType"]:
        case "MedicationRequest":
            return "endedMedications" if body["status"] in ("stopped", "completed") else "medications"
        case "MedicationStatement":
            return "statements"
        case "Condition":
            return "conditions"
        case "Observation" if body["category"][0]["coding"][0]["code"] == "vital-signs":
            return "vitals"
        case "Observation":
            return LAB_KEYS.get(body["code"].get("text", ""), "findings")
        case kind:
            return f"{kind.lower()}s"


def searchset(resources: list[Json], *, with_outcome: bool) -> Json:
    """A searchset; Medications are included resources, an outcome tells of something nobody asked for."""
    entries: list[Json] = [
        {
            "fullUrl": f"https://ehr.example/fhir/{one['resourceType']}/{one['id']}",
            "resource": one,
            "search": {"mode": "include" if one["resourceType"] == "Medication" else "match"},
        }
        for one in resources
    ]
    if with_outcome:
        issue = {
            "severity": "warning",
            "code": "suppressed",
            "details": {"text": "Additional data was removed from the response."},
            "diagnostics": "Restricted record",
        }
        entries.append(
            {"resource": {"resourceType": "OperationOutcome", "issue": [issue]}, "search": {"mode": "outcome"}}
        )
    total = sum(entry["search"]["mode"] == "match" for entry in entries)
    return (
        {"resourceType": "Bundle", "type": "searchset", "total": total, "entry": entries}
        if entries
        else {"resourceType": "Bundle", "type": "searchset", "total": 0}
    )


def request(writer: Writer, hook: str, person: Json) -> Json:
    """The CDS Hooks request a client with this record would send."""
    delivered: dict[str, list[Json]] = {key: [] for key in KEYS}
    kinds = {f"Medication/{body['id']}": body for body in writer.chart if body["resourceType"] == "Medication"}
    for body in writer.chart:
        if body["resourceType"] != "Medication":
            found = delivered.setdefault(prefetch_key(body), [])
            found.append(body)
            drug = body.get("medicationReference", {}).get("reference", "")
            if drug in kinds and kinds[drug] not in found:
                found.append(kinds[drug])
    context: Json = {"userId": "Practitioner/example", "patientId": writer.patient}
    if encounter := next((one for one in writer.chart if one["resourceType"] == "Encounter"), None):
        context["encounterId"] = encounter["id"]
    if hook != "patient-view":
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": one} for one in writer.drafts],
        }
    if hook == "order-select":
        context["selections"] = [
            f"{one['resourceType']}/{one['id']}" for one in writer.drafts if one["resourceType"] != "Medication"
        ]
    outcome = writer.style == "epic"
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{writer.name}/{writer.style}")),
        "context": context,
        "extension": {"dev.cds-rules.at": writer.at.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "prefetch": {
            "patient": person,
            **{key: searchset(found, with_outcome=outcome) for key, found in delivered.items()},
        },
    }


def bundle(writer: Writer, person: Json) -> Json:
    """The same record in one Bundle; Synthea refers by urn:uuid."""
    everything = [person, *writer.chart, *writer.drafts]
    made = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://ehr.example/fhir/{one['resourceType']}/{one['id']}", "resource": one}
            for one in everything
        ],
    }
    if writer.style != "synthea":
        return made
    text = json.dumps(made)
    for one in everything:
        for full in (
            f"https://ehr.example/fhir/{one['resourceType']}/{one['id']}",
            f"{one['resourceType']}/{one['id']}",
        ):
            text = text.replace(f'"{full}"', f'"urn:uuid:{one["id"]}"')
    return {**json.loads(text), "type": "transaction"}


def render(vignette: Mapping[str, Any], style: str, at: datetime = AT, seed: int = 0) -> Rendered:
    """One vignette in one style. seed: for the choices of the messy style."""
    writer = Writer(style, vignette["id"].lower(), at, random.Random(f"{vignette['id']}/{seed}"))
    person = writer.person(vignette["patient"])
    writer.state(vignette["patient"])
    writer.medications(vignette)
    writer.chart += [writer.lab(entry) for entry in vignette.get("labs", [])]
    for entry in vignette.get("conditions", []):
        when = writer.of(entry)
        code = writer.problem_code(codes.CONDITIONS[entry["key"]])
        writer.chart.append(writer.condition(code, when, when, entry.get("verification", "confirmed")))
    writer.chart += [writer.symptom(entry) for entry in vignette.get("symptoms", [])]
    writer.chart += [
        writer.vital(entry["key"], entry["value"], entry["unit"], writer.of(entry))
        for entry in vignette.get("vitals", [])
    ]
    for entry in vignette.get("draft_orders", []):
        writer.draft(entry)
    if style == "messy":
        writer.decoys()
    asked, whole = request(writer, vignette["hook"], person), bundle(writer, person)
    if write := WRITTEN.get(style):
        asked, whole = rewritten(asked, write), rewritten(whole, write)
    return Rendered(asked, whole, tuple(writer.lost))
