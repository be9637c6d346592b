"""Nothing that could say who a patient is leaves with an export: no id, name, reference, birth date or date of the record."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.request import read_request
from cds_rules.review.results import archive, as_csv, told
from cds_rules.store.packing import packed
from cds_rules.store.reviews import Row
from tests.store.scenes import SAMPLES

NAMES = ("mg-oral-severe-ckd", "statin-interaction", "hypomagnesemia-lab", "diuretic-cramps")
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=6, max_size=20)
ids = st.from_regex(r"[A-Za-z0-9]{8,20}", fullmatch=True)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def strangers(value: Any, name: str, identity: str) -> Any:
    """A request in which every id, reference and free text is another, and the patient has a name."""
    if isinstance(value, dict):
        made = {key: strangers(each, name, identity) for key, each in value.items()}
        if made.get("resourceType") == "Patient":
            made["name"] = [{"family": name, "text": name}]
            made["identifier"] = [{"value": identity}]
        if "note" in made or made.get("resourceType") in ("Observation", "MedicationRequest", "Condition"):
            made["note"] = [{"text": f"{name} {identity}"}]
        return made
    if isinstance(value, list):
        return [strangers(each, name, identity) for each in value]
    return value


def renamed(text: str, identity: str) -> str:
    """Every id of a request made anew from one."""
    body = json.loads(text)
    old = body["context"]["patientId"]
    return text.replace(old, identity)


@pytest.mark.parametrize("sample", NAMES)
@given(name=words, identity=ids)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_export_says_who(knowledge: Knowledge, sample: str, name: str, identity: str) -> None:
    text = renamed((SAMPLES / sample / "request.json").read_text("utf-8"), identity)
    body = strangers(json.loads(text), name, identity)
    request = read_request(json.dumps(body).encode())
    assert request.at
    call = request.call(request.at)
    evaluation = evaluate(knowledge, call)
    content = json.dumps({"call": json.loads(packed(call)), "card": None, "cards": []}).encode()
    rows = [
        Row(number, number, rule, "1.0.0", "alert" if outcome.state == "fired" else "silent", outcome.indicator or "",
            call.hook, 1.0, ("ada okafor", "ben"), ("yes", "no"), ("yes", "yes"), ("yes" if number % 3 else "no", "yes"))
        for number, (rule, outcome) in enumerate(evaluation.outcomes.items(), 1)
        if outcome.state == "fired" or number % 8 == 0
    ]  # fmt: skip
    made = told(3, rows, {row.id: content for row in rows}, knowledge)
    assert made.vignettes
    zipped = zipfile.ZipFile(io.BytesIO(archive(made)))
    everything = as_csv(3, rows) + "".join(f"{each}\n{zipped.read(each).decode()}" for each in zipped.namelist())
    dates = set(_DATE.findall(text))
    references = set(re.findall(r'"reference": ?"([^"]+)"', text))
    assert identity not in everything
    assert name not in everything
    assert "okafor" not in everything, "nor who read"
    assert not [each for each in dates | references if each in everything]
    assert not re.search(r'"[A-Z][A-Za-z]+/[A-Za-z0-9.-]+"', everything), "a reference"
    assert not _DATE.search(everything)
