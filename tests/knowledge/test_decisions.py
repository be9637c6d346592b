"""Project decisions: each one of the clinical specification, nothing besides, with its value, and told in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import cds_rules
from cds_rules.evaluate import Knowledge
from cds_rules.knowledge.decisions import NAMES, STANDARD, decisions_of
from tests.shared import SHARED, needs_shared

DOCS = (Path(__file__).parents[2] / "docs" / "rule-authors.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([\d., ]+) \| .+? \| (`.+) \|$", DOCS, re.MULTILINE)
"""Sections of the specification and the parameters that stand for their decisions."""


def test_the_pack_decides_as_the_specification_does(knowledge: Knowledge) -> None:
    (pack,) = knowledge.packs
    assert knowledge.decisions == STANDARD == decisions_of({})
    assert not [name for name in NAMES if name not in pack.parameters]


def test_the_docs_list_every_parameter_with_its_value(knowledge: Knowledge) -> None:
    (pack,) = knowledge.packs
    told = {
        name: value for _, parameters in ROWS for name, value in re.findall(r"`(\w+)` ([\w-]+(?:\.\d+)?)", parameters)
    }
    assert told == {
        name: each.value if isinstance(each.value, str) else f"{each.value:g}" for name, each in pack.parameters.items()
    }


def test_each_parameter_names_the_sections_it_stands_for(knowledge: Knowledge) -> None:
    (pack,) = knowledge.packs
    for sections, parameters in ROWS:
        for name in re.findall(r"`(\w+)`", parameters):
            because = pack.parameters[name].because
            assert all(re.search(rf"[ (]{re.escape(each)}[,)]", because) for each in sections.split(", ")), name


@needs_shared
def test_every_mark_of_the_specification_has_a_parameter() -> None:
    text = (SHARED / "clinical" / "knowledge.md").read_text("utf-8")
    marked = set()
    for section in re.split(r"^#{2,3} (?=\d)", text, flags=re.MULTILINE)[1:]:
        number = re.match(r"\d+(\.\d+)?", section)
        if "**[P]**" in section and number:
            marked.add(number[0])
    told = {each for sections, _ in ROWS for each in sections.split(", ")}
    assert marked <= told | {"0"}, "0 explains the mark"
    assert told - marked == {"3.7"}, "the bands of 2.1 stand in 3.7"


def test_a_site_changes_a_decision_and_the_fingerprint_tells(knowledge: Knowledge, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("magnesium_upper_limit: 2.6\naki_reference: week-first\ndialysis_window: 31\n")
    changed = cds_rules.load_packs(parameters=site)
    assert (changed.decisions.magnesium_upper_limit, changed.decisions.aki_reference) == (2.6, "week-first")
    assert changed.parameters.dialysis_window == 31
    assert changed.fingerprint != knowledge.fingerprint
    site.write_text("override_silence: 30\n")
    assert cds_rules.load_packs(parameters=site).fingerprint not in (changed.fingerprint, knowledge.fingerprint)
