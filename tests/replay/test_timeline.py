"""A record event by event: what first spoke when, nothing read ahead, and a picture that says what it shows."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cds_rules.commands.explain import records
from cds_rules.commands.timeline import lines
from cds_rules.evaluate import Knowledge
from cds_rules.replay.record import Record
from cds_rules.replay.timeline import Span, Timeline, timeline

LOINC = "http://loinc.org"
WHO = {"reference": "Patient/p"}
Json = dict[str, Any]


def lab(code: str, value: float, unit: str, day: str) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"{code}-{day}",
        "status": "final",
        "subject": WHO,
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": f"{day}T08:00:00Z",
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }


PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-02-01"}
OXIDE = {
    "resourceType": "MedicationRequest",
    "id": "oxide",
    "status": "active",
    "intent": "order",
    "subject": WHO,
    "authoredOn": "2026-03-02",
    "medicationCodeableConcept": {"text": "Magnesium oxide 400 mg tablet"},
    "dosageInstruction": [
        {
            "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [{"doseQuantity": {"value": 1, "unit": "tablet"}}],
        }
    ],
}
STORY = [
    PATIENT,
    lab("98979-8", 52, "mL/min/{1.73_m2}", "2026-03-01"),
    OXIDE,
    lab("98979-8", 27, "mL/min/{1.73_m2}", "2026-04-01"),
    lab("19123-9", 5.1, "mg/dL", "2026-04-15"),
]


def record(folder: Path, entries: list[Json]) -> Record:
    path = folder / "p.json"
    path.write_text(
        json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in entries]})
    )
    (found,) = records(path)
    return found


def told(knowledge: Knowledge, folder: Path, entries: list[Json]) -> Timeline:
    found = timeline(knowledge, record(folder, entries))
    assert found is not None
    return found


def test_a_card_comes_before_the_abnormal_result_by_so_many_days(knowledge: Knowledge, tmp_path: Path) -> None:
    found = told(knowledge, tmp_path, STORY)
    first = {each.rule: each for each in found.first}
    severe = first["mg-oral-severe-ckd"]
    assert (severe.at, severe.level) == (datetime(2026, 4, 1, 8, tzinfo=UTC), "critical")
    ((point, days),) = severe.labs
    assert (point.key, point.value, point.flag, days) == ("magnesium", 5.1, "high", 14.0)
    assert first["hypermagnesemia-lab"].at == datetime(2026, 4, 15, 8, tzinfo=UTC)
    assert any("14.0 d before magnesium 5.1 mg/dL (high)" in line for line in lines(found))


def test_all_times_are_told_in_one_zone(knowledge: Knowledge, tmp_path: Path) -> None:
    here = [json.loads(json.dumps(each).replace("T08:00:00Z", "T04:00:00-04:00")) for each in STORY]
    plain, moved = (told(knowledge, tmp_path, entries) for entries in (STORY, here))
    assert list(lines(moved)) == list(lines(plain))
    every = (
        *(each.at for each in moved.first),
        *(each.at for each in moved.results),
        *(each.start for each in moved.cards),
    )
    assert {each.tzinfo for each in every} == {UTC}


@pytest.mark.parametrize("seed", range(12))
def test_nothing_later_is_read(knowledge: Knowledge, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    day = chance.choice(("2026-03-02", "2026-03-20", "2026-04-01"))
    later = [
        lab(
            chance.choice(("98979-8", "19123-9", "2823-3", "2157-6")),
            chance.choice((0.9, 3.3, 9.0, 4000)),
            "1",
            f"2026-05-{n + 1:02}",
        )
        for n in range(3)
    ]
    cut = datetime.fromisoformat(f"{day}T23:00:00+00:00")
    known = [each for each in STORY if each.get("effectiveDateTime", each.get("authoredOn", "")) <= f"{day}T23:00:00Z"]
    short = told(knowledge, tmp_path, known)
    long = told(knowledge, tmp_path, [*STORY, *later])
    assert [(each.rule, each.at, each.level) for each in short.first] == [
        (each.rule, each.at, each.level) for each in long.first if each.at <= cut
    ]


def test_a_record_without_dates_has_no_timeline(knowledge: Knowledge, tmp_path: Path) -> None:
    assert timeline(knowledge, record(tmp_path, [PATIENT])) is None


def test_the_picture_has_a_title_a_description_and_readable_text(knowledge: Knowledge, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs the extra [plot]")
    from cds_rules.replay.plot import picture

    svg = picture(told(knowledge, tmp_path, STORY))
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    title, description = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None
    assert description is not None
    assert title.text == "Timeline of one patient, 2026-03-01 to 2026-04-15"
    assert "mg-oral-severe-ckd first spoke on 2026-04-01 08:00 (critical), 14.0 days before magnesium 5.1 (high)" in (
        description.text or ""
    )
    texts = {"".join(each.itertext()).strip() for each in root.iter(f"{space}text")}
    assert {"Medications", "Cards", "Magnesium oxide 400 mg tablet", "mg-oral-severe-ckd"} <= texts
    assert svg == picture(told(knowledge, tmp_path, STORY))


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(
    "text", [r"Magnesium oxide $\frac{$ 400 mg", "Magnesium oxide $5 to $9", "Magnesium\x0boxide <b>"]
)
def test_a_name_is_text_in_the_picture_whatever_it_holds(knowledge: Knowledge, tmp_path: Path, text: str) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs the extra [plot]")
    from cds_rules.replay.plot import picture

    at = datetime(2026, 6, 1, tzinfo=UTC)
    one = Timeline("", 1, at, at, (), (), (Span(text, at, None),), (), (), 0)
    root = ElementTree.fromstring(picture(one))
    texts = ["".join(each.itertext()).strip() for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert text.replace("\x0b", "\ufffd") in texts
