"""The pages about rules: one a rule, an index, and statement by statement, all true to the pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_rules.commands.pages import card_words, pages, read_statements, write_pages
from cds_rules.commands.words import condition_lines, thresholds
from cds_rules.engine.reference import YES, World, truth
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import Pack, read_packs
from cds_rules.knowledge.rules import INDICATORS, All, Comparison, Not, Pattern
from tests.conftest import PACK_FOLDER

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pack() -> Pack:
    return read_packs([PACK_FOLDER])[0]


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages([PACK_FOLDER], "rules")


def test_every_rule_has_a_page_and_stands_in_the_index(pack: Pack, made: dict[str, str]) -> None:
    for rule in pack.rules:
        assert made[f"{rule.id}.md"].startswith(f"# {rule.title}\n")
        assert f"[{rule.id}]({rule.id}.md)" in made["index.md"]


def test_the_pages_in_docs_are_those_of_the_pack(made: dict[str, str]) -> None:
    stored = {path.name: path.read_text("utf-8") for path in (*(DOCS / "rules").glob("*.md"), DOCS / "statements.md")}
    differing = sorted(name for name in made.keys() | stored.keys() if made.get(name) != stored.get(name))
    assert not differing, f"differ from the rule files: {', '.join(differing)}; `cds-rules pages` writes them"


def test_a_page_names_thresholds_with_unit_parameters_evidence_cases_and_company(made: dict[str, str]) -> None:
    page = made["hypermagnesemia-lab.md"]
    assert "laboratory result magnesium: value at least 4.8 mg/dL" in page
    assert "| mg_band_moderate | 4.8 | between 4.5 and 5 mg/dL |" in page
    assert "| value above 3.0 mg/dL and the upper limit | B |" in page
    assert "(https://doi.org/10.3390/kidneydial4010001)" in page
    assert "| hemolyzed 3.0 | patient-view | silent |" in page
    assert "takes away those of [mg-for-cramps-low-benefit]" in page
    assert "on dialysis, up to 3.6 mg/dL without a source or signs is usual" in page
    assert "- a hemolyzed specimen raises magnesium only slightly" in page


def test_every_number_on_a_page_is_backed(made: dict[str, str]) -> None:
    for name, page in made.items():
        _, _, rest = page.partition("## Numbers")
        table = rest.split("\n\n")[1] if rest else ""
        for line in table.splitlines()[2:]:
            place, of, *_, backed = (cell.strip() for cell in line.strip("|").split(" | "))
            assert backed or of == "patient, age", f"{name}: {place}, {of}"


def test_pages_of_rules_that_are_gone_are_removed(tmp_path: Path) -> None:
    old = tmp_path / "rules" / "gone.md"
    old.parent.mkdir()
    old.write_text("old")
    written = write_pages([PACK_FOLDER], old.parent)
    assert not old.exists()
    assert tmp_path / "statements.md" in written


def test_every_statement_is_carried(pack: Pack) -> None:
    carried = read_statements(pack)
    assert list(dict.fromkeys(each.id for each in carried)) == [f"S{number}" for number in range(1, 52)]
    assert all(each.statement and each.rules and each.words for each in carried)


def test_the_words_that_carry_a_statement_stand_on_the_cards_of_its_rules(pack: Pack) -> None:
    texts = {rule.id: card_words(rule) for rule in pack.rules}
    wrong = [
        f"{each.id}: {rule}: {each.words}"
        for each in read_statements(pack)
        for rule in each.rules
        if " ".join(each.words.lower().split()) not in texts.get(rule, "")
    ]
    assert not wrong, "\n".join(wrong)


def test_conditions_in_words() -> None:
    low = Pattern("lab", (Comparison("code", "eq", ("potassium",)), Comparison("value", "lt", (3.5,))))
    oral = Pattern("magnesium", (Comparison("focal_oral", "eq", (True,)), Comparison("heavy", "eq", (False,))))
    assert list(condition_lines(All((Not(low), oral)), {"potassium": "mmol/L"})) == [
        "- all of these:",
        "  - no laboratory result potassium: value below 3.5 mmol/L",
        "  - magnesium: FOCAL holds mg_oral; not (FOCAL mg_oral holds a laxative or antacid)",
    ]
    assert [(each.number, each.comparison, each.unit) for each in thresholds(low, {"potassium": "mmol/L"})] == [
        (3.5, "below", "mmol/L")
    ]


def test_a_repeated_magnesium_is_urgent_exactly_when_the_high_one_is_critical(pack: Pack) -> None:
    rule = next(rule for rule in pack.rules if rule.id == "hypermagnesemia-lab")
    path = pack.folder / "rules" / f"{rule.id}.cases.yaml"
    cases, _ = read_cases(path, path.name, rule.id, pack.words)
    urgent, calm = (each.when for each in rule.suggestions if each.offer == "order-magnesium")
    for case in cases:
        if case.expect in INDICATORS and not case.gaps:
            world = World(case.facts)
            offered = truth(urgent, world) is YES, truth(calm, world) is YES
            assert offered == (case.expect == "critical", case.expect != "critical"), case.name
