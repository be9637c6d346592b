"""Shapes: what fits one is valid by full validation; everything else is left to it."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cds_rules
from cds_rules.fhir.shapes import fits
from cds_rules.fhir.validation import CITED, _mistakes, _model, why_invalid
from tests.fhir import shape_table
from tests.shared import SHARED

SAMPLES = Path(cds_rules.__file__).parents[1] / "fhir_samples"
ODD: list[Any] = [
    None, "", " ", "x", "x y", "a\n", "ä", "\u2003", True, 0, -1, 1.5, 1e22, 2**31, [], {}, [None], [{}], ["x"],
    "2024-02-29", "2023-02-29", "2024-13-01", "0000-01-01", "2024-01-01T00:00:00", "2024-01-01T24:00:00Z",
    "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00+14:30", {"text": "x"}, {"url": "x"}, {"reference": "a/b"},
]  # fmt: skip
NAMES = (
    "valueString", "valueBoolean", "effectiveDateTime", "onsetString", "medicationReference", "extension", "id", "_status",
    "resourceType", "resource_type", "fhir_comments", "status__ext", "unheard",
)  # fmt: skip


def resources(value: Any) -> Iterator[dict[str, Any]]:
    """Every resource of a document of the types that cards cite."""
    if isinstance(value, dict):
        if value.get("resourceType") in CITED:
            yield value
        for part in value.values():
            yield from resources(part)
    elif isinstance(value, list):
        for part in value:
            yield from resources(part)


def documents(folder: Path, most: int, draw: random.Random) -> Iterator[Any]:
    files = [path for path in sorted(folder.rglob("*.json")) if path.stat().st_size < 1_000_000]
    for path in draw.sample(files, min(most, len(files))):
        try:
            yield json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            continue


def spoiled(draw: random.Random, resource: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A copy in which something is missing, odd, or has come from elsewhere."""
    changed = copy.deepcopy(resource)
    for _ in range(draw.randint(1, 2)):
        places: list[tuple[Any, Any]] = []

        def look(value: Any, places: list[tuple[Any, Any]] = places) -> None:
            for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
                places.append((value, key))
                look(value[key])

        look(changed)
        holder, key = draw.choice(places)
        match draw.randrange(4):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                name = draw.choice([*other, *NAMES])
                holder[name] = copy.deepcopy(other.get(name, draw.choice(ODD)))
            case _:
                holder[key] = copy.deepcopy(draw.choice(ODD))
    return changed


def test_what_fits_a_shape_is_valid() -> None:
    draw = random.Random(9)
    known = [one for document in documents(SAMPLES, 200, draw) for one in resources(document)]
    if SHARED.is_dir():
        known += [one for document in documents(SHARED / "data", 60, draw) for one in resources(document)]
    draw.shuffle(known)
    fitted = 0
    for number in range(6000):
        resource = known[number % len(known)]
        if number % 4:
            resource = spoiled(draw, resource, draw.choice(known))
        kind = resource.get("resourceType")
        raw = json.dumps(resource).encode()
        if isinstance(kind, str) and fits(kind, raw):
            fitted += 1
            assert _mistakes(_model(kind, "R4"), "R4", raw) == [], raw
    assert fitted > 1000


def test_ordinary_resources_fit() -> None:
    """Each resource of the samples that is valid, unless an Extension or an element without a value makes it rare."""
    draw = random.Random(1)
    for document in documents(SAMPLES, 200, draw):
        for resource in resources(document):
            raw = json.dumps(resource).encode()
            assert fits(resource["resourceType"], raw) or b"xtension" in raw or b'"_' in raw or why_invalid(raw), raw


@pytest.mark.parametrize("kind", ["Observation", "Unheard", ""])
def test_what_has_no_shape_is_left_to_full_validation(kind: str) -> None:
    assert not fits(kind, b'{"resourceType":"%s"}' % kind.encode())


def test_the_table_is_what_the_installed_library_says() -> None:
    assert shape_table.PLACE.read_text("utf-8") == shape_table.written(), "run python -m tests.fhir.shape_table"


def test_shapes_are_made_once_however_many_threads_ask_first() -> None:
    """Two that made them at once shared types that were half made, and the process crashed."""
    program = """
import sys, threading
from cds_rules.fhir.validation import why_invalid
sys.setswitchinterval(1e-6)
together, found = threading.Barrier(4), []
def ask():
    together.wait()
    found.append(why_invalid(b'{"resourceType":"Patient","gender":"male"}'))
threads = [threading.Thread(target=ask) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
print(found, 'fhir.resources' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[None, None, None, None] False"), done.stderr
