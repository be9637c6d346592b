"""Data nobody here wrote: nothing in it may raise, and everything passed over has a reason."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cds_rules.evaluate import Knowledge
from cds_rules.fhir import Document, Reading, read_chart
from cds_rules.vocabulary.chart import UNREAD_REASONS
from cds_rules.vocabulary.errors import BadInput
from tests.shared import SHARED, needs_shared

AT = datetime(2026, 6, 1, tzinfo=UTC)
MOST_FILES, MOST_LINES = 12, 150
SETS = (
    "nasty/fhir-validator-cases", "nasty/microsoft-fhir-server", "nasty/invalid-primitives", "nasty/json-test-suite", "spec-examples/r4",
    "spec-examples/r4b", "spec-examples/r5", "spec-examples/stu3", "spec-examples/dstu2", "mimic-iii-demo/bundles", "mimic-iii-demo/bulk",
    "mimic-iv-demo-fhir", "synthea-2021", "synthea-2023", "synthea-pypi-2026", "synthea-hiv-ciel", "ips-and-language", "ecqm-test-patients",
    "epic-shaped", "us-core", "au-core", "uk-core", "de-mii-testdata", "de-erezept-kbv", "de-erezept-dispense", "de-epa-medication",
    "smart-sample-patients-stu3", "smart-proms-stu3", "smart-custom", "synthea-stu-3", "synthea-dstu-2",
)  # fmt: skip


def documents(folder: Path) -> Iterator[bytes]:
    small = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in small if "nasty" in folder.parts else small[:MOST_FILES]:
        body = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from body.splitlines()[:MOST_LINES] if ".ndjson" in path.name else [body]


def reading(knowledge: Knowledge, body: bytes, origin: str = "") -> Reading | None:
    try:
        return read_chart([Document(body, origin)], terminology=knowledge.terminology, at=AT)
    except BadInput:
        return None


@needs_shared
@pytest.mark.parametrize("name", SETS)
def test_everything_is_read_or_refused_with_a_reason(name: str, knowledge: Knowledge) -> None:
    folder = SHARED / "data" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not there")
    read = 0
    for body in documents(folder):
        for origin in ("", "draft"):
            found = reading(knowledge, body, origin)
            if found is not None:
                read += 1
                for one in found.chart.unread:
                    assert one.reason in UNREAD_REASONS
                    assert one.reference
                    assert one.detail
    assert read or "invalid-primitives" in name or "json-test-suite" in name


@needs_shared
def test_json_that_must_be_refused_is_and_json_that_must_pass_does(knowledge: Knowledge) -> None:
    suite = SHARED / "data" / "nasty" / "json-test-suite"
    for path in sorted(suite.rglob("*.json")):
        found = reading(knowledge, path.read_bytes())
        if path.name.startswith("n_"):
            assert found is None, path.name
        elif path.name.startswith("y_structure") or path.name.startswith(("y_object", "y_array")):
            scalar = path.read_bytes().strip()[:1] not in b"[{n"
            assert (found is None) == scalar, path.name


@needs_shared
def test_real_hospital_values_are_read_as_charted(knowledge: Knowledge) -> None:
    """MIMIC: magnesium in mg/dL, orders that are all completed but carry a period, eGFR as text only."""
    folder = SHARED / "data" / "mimic-iii-demo" / "bundles"
    path = sorted(folder.glob("*.gz"))[0]
    body = gzip.decompress(path.read_bytes())
    chart = read_chart([Document(body)], terminology=knowledge.terminology, at=datetime(2300, 1, 1, tzinfo=UTC)).chart
    magnesium = [result for result in chart.results if result.key == "magnesium"]
    assert magnesium
    assert all(0.4 < result.value < 10 and result.unit == "mg/dL" for result in magnesium)
    assert all(result.source.value.startswith(f"{result.value:g}") for result in magnesium if not result.comparator)
    order = next(
        one for one in chart.medications if one.start is not None and one.stop is not None and one.stop > one.start
    )
    assert order.start is not None
    amid = read_chart([Document(body)], terminology=knowledge.terminology, at=order.start + timedelta(hours=1)).chart
    assert any(one.source.reference == order.source.reference and one.state == "active" for one in amid.medications)


@needs_shared
def test_a_huge_bundle_is_read_in_one_pass(knowledge: Knowledge) -> None:
    path = next((SHARED / "data" / "nasty" / "huge").glob("*.gz"), None)
    if path is None:
        pytest.skip("the huge bundle is not there")
    begun = time.perf_counter()
    found = reading(knowledge, gzip.decompress(path.read_bytes()))
    assert found is not None
    assert len(found.chart.results) > 1000
    assert time.perf_counter() - begun < 60  # a square number of steps would take hours
