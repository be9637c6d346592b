"""What the benchmarks chew on: our own generated charts of a given size, with and without something to say.

Flows out: JSON bytes of CDS Hooks requests, of one very large Bundle, and folders of NDJSON.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.vignettes.render import AT, LOINC, Json, render

RESOURCES = 40
LABS = [
    ("718-7", "Hemoglobin [Mass/volume] in Blood", 13.4, "g/dL"),
    ("2345-7", "Glucose [Mass/volume] in Serum or Plasma", 98, "mg/dL"),
    ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma", 0.8, "mg/dL"),
    ("2823-3", "Potassium [Moles/volume] in Serum or Plasma", 4.1, "mmol/L"),
    ("2951-2", "Sodium [Moles/volume] in Serum or Plasma", 139, "mmol/L"),
    ("19123-9", "Magnesium [Mass/volume] in Serum or Plasma", 2.0, "mg/dL"),
]
TALKING: Json = {
    "id": "bench-two-cards",
    "hook": "patient-view",
    "patient": {"age": 67, "sex": "female"},
    "meds": [
        {"ingredient": "hydrochlorothiazide", "start_days_ago": 200},
        {"ingredient": "simvastatin", "dose_mg_per_day": 20, "start_days_ago": 45},
    ],
    "symptoms": [{"key": "muscle-cramp", "site": "calf", "days_ago": 1, "onset_days_ago": 15}],
}
SILENT: Json = TALKING | {"id": "bench-no-card", "symptoms": []}


def result(patient: str, number: int, chance: random.Random) -> Json:
    """One more laboratory result of the last two years, in the shape of US Core with a narrative."""
    loinc, name, value, unit = LABS[number % len(LABS)]
    when = (AT - timedelta(days=5 + number * 7 % 700)).isoformat()
    return {
        "resourceType": "Observation",
        "id": f"{patient}-lab-{number}",
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},
        "text": {
            "status": "generated",
            "div": f"<div xmlns='http://www.w3.org/1999/xhtml'>{name}: {value} {unit}. {'Reviewed by the laboratory. ' * 8}</div>",
        },
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": LOINC, "code": loinc, "display": name}], "text": name},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
        "issued": when,
        "performer": [{"reference": "Organization/laboratory", "display": "Central laboratory"}],
        "valueQuantity": {
            "value": round(value * chance.uniform(0.97, 1.03), 2),
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    }


def request(size: int, vignette: Json = TALKING, resources: int = RESOURCES) -> bytes:
    """A request of about `size` bytes: the vignette's record among ordinary results."""
    body = render(vignette, "us-core").request
    prefetch, patient = body["prefetch"], body["context"]["patientId"]
    chance = random.Random(vignette["id"])
    held = sum(len(value.get("entry", [])) for value in prefetch.values()) + 1
    labs = [result(patient, number, chance) for number in range(max(0, resources - held))]
    entries = [
        *prefetch["electrolytes"].get("entry", []),
        *(
            {
                "fullUrl": f"https://ehr.example/fhir/Observation/{one['id']}",
                "resource": one,
                "search": {"mode": "match"},
            }
            for one in labs
        ),
    ]
    prefetch["electrolytes"] |= {"total": len(entries), "entry": entries}
    if labs and (short := size - len(json.dumps(body, separators=(",", ":")))) > 0:
        for one in labs:
            one["text"]["div"] = one["text"]["div"].replace("</div>", "." * (short // len(labs)) + "</div>")
    return json.dumps(body, separators=(",", ":")).encode()


def patients(size: int, vignette: Json = TALKING, count: int = 50) -> list[bytes]:
    """Requests of as many patients, none like another: nothing of one answer can serve the next."""
    return [
        request(size, vignette | {"id": f"{vignette['id']}-{number}", "patient": {"age": 48 + number % 25, "sex": sex}})
        for number in range(count)
        for sex in (("female", "male")[number % 2],)
    ]


def sized(size: int, vignette: Json = TALKING) -> bytes:
    """A request whose number of resources grows with its size, as real charts do."""
    return request(size, vignette, resources=max(4, size * RESOURCES // 50_000))


def huge(size: int) -> bytes:
    """One patient's Bundle of about `size` bytes."""
    made = copy.deepcopy(render(TALKING, "us-core").bundle)
    patient, chance = made["entry"][0]["resource"]["id"], random.Random(11)
    each = len(json.dumps(result(patient, 0, chance), separators=(",", ":"))) + 20
    made["entry"] += [{"resource": result(patient, number, chance)} for number in range(size // each)]
    return json.dumps(made, separators=(",", ":")).encode()


def ndjson(folder: Path, patients: int) -> int:
    """A bulk export of so many patients, one file a type; returns how many."""
    chance, lines = random.Random(3), {}
    for number in range(patients):
        vignette: dict[str, Any] = (TALKING if number % 10 == 0 else SILENT) | {"id": f"bulk-{number}"}
        held = [entry["resource"] for entry in render(vignette, "us-core").bundle["entry"]]
        held += [result(held[0]["id"], one, chance) for one in range(200)]
        for one in held:
            lines.setdefault(one["resourceType"], []).append(json.dumps(one, separators=(",", ":")))
    for kind, found in lines.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(found) + "\n")
    return patients


def lines(folder: Path) -> Iterator[bytes]:
    """Every line of a folder of NDJSON, packed or not."""
    import gzip

    for path in sorted(folder.rglob("*.ndjson*")):
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield from stream
