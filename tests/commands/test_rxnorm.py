"""`cds-rules rxnorm`, as it is typed, on a release of a few made-up lines."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from cds_rules.commands.codes import CodeBook
from cds_rules.commands.rxnorm import NDC_COLUMNS, PRODUCT_COLUMNS, route_of
from tests.conftest import PACK_FOLDER

CONCEPTS = (
    ("9001", "IN", "hydrochlorothiazide"),
    ("9002", "IN", "Lisinopril"),
    ("9003", "IN", "unheard-of drug"),
    ("9004", "PIN", "lisinopril dihydrate"),
    ("9005", "MIN", "hydrochlorothiazide / lisinopril"),
    ("9010", "SCDC", "hydrochlorothiazide 12.5 MG"),
    ("9011", "SCDC", "lisinopril 10 MG"),
    ("9012", "SCDC", "unheard-of drug 5 MG"),
    ("9013", "SCDC", "lisinopril 20 MG"),
    ("9020", "SCD", "hydrochlorothiazide 12.5 MG / lisinopril 10 MG Oral Tablet"),
    ("9021", "SBD", "hydrochlorothiazide 12.5 MG / lisinopril 10 MG Oral Tablet [Madeup]"),
    ("9022", "SCD", "unheard-of drug 5 MG Oral Tablet"),
    ("9023", "SCD", "lisinopril 20 MG Oral Tablet"),
    ("9024", "SCD", "lisinopril Oral Tablet of no stated strength"),
    ("9030", "BN", "Madeup"),
    ("9031", "BN", "Twofold"),
    ("9032", "SBD", "lisinopril 20 MG Oral Tablet [Twofold]"),
    ("9033", "SBD", "unheard-of drug 5 MG Oral Tablet [Twofold]"),
    ("9040", "DF", "Oral Tablet"),
    ("9041", "SCDF", "lisinopril Oral Tablet"),
    ("9050", "GPCK", "{7 (lisinopril 20 MG Oral Tablet) } Pack"),
    ("9051", "BPCK", "{7 (lisinopril 20 MG Oral Tablet) } Pack [Madeup Start]"),
)
RELATIONS = (
    ("9004", "form_of", "9002"),
    ("9005", "has_part", "9001"),
    ("9005", "has_part", "9002"),
    ("9010", "has_ingredient", "9001"),
    ("9011", "has_precise_ingredient", "9004"),
    ("9012", "has_ingredient", "9003"),
    ("9013", "has_ingredient", "9002"),
    ("9020", "consists_of", "9010"),
    ("9020", "consists_of", "9011"),
    ("9020", "has_dose_form", "9040"),
    ("9021", "tradename_of", "9020"),
    ("9021", "has_ingredient", "9030"),
    ("9022", "consists_of", "9012"),
    ("9022", "has_dose_form", "9040"),
    ("9023", "consists_of", "9013"),
    ("9023", "has_dose_form", "9040"),
    ("9024", "isa", "9041"),
    ("9024", "has_dose_form", "9040"),
    ("9032", "tradename_of", "9023"),
    ("9032", "has_ingredient", "9031"),
    ("9033", "tradename_of", "9022"),
    ("9033", "has_ingredient", "9031"),
    ("9041", "has_ingredient", "9002"),
    ("9041", "has_dose_form", "9040"),
    ("9050", "contains", "9023"),
    ("9051", "tradename_of", "9050"),
)
"""Subject, relation, object: in the file the object stands first."""


def concept(code: str, tty: str, name: str, source: str = "RXNORM", suppressed: str = "N") -> str:
    return f"{code}|ENG||||||A{code}||||{source}|{tty}|{code}|{name}||{suppressed}|4096|"


def relation(subject: str, named: str, thing: str, source: str = "RXNORM") -> str:
    return f"{thing}||CUI|RO|{subject}||CUI|{named}|||{source}||||||"


def attribute(code: str, name: str, value: str, source: str = "RXNORM") -> str:
    return f"{code}||||CUI|{code}|||{name}|{source}|{value}|N|4096|"


def changed(old: str, new: str, name: str) -> str:
    return f"A{old}|{old}|RXNORM|SCD|{name}|{old}|{new}|"


def archived(old: str, new: str, name: str) -> str:
    return f"A{old}|A|{name}||||{old}||ENG||||{old}|RXNORM|SCD|{new}|"


def write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder with a release of RxNorm in small."""
    folder = tmp_path / "rrf"
    folder.mkdir()
    write(
        folder / "RXNCONSO.RRF",
        [
            *(concept(*each) for each in CONCEPTS),
            concept("9023", "SCD", "another source's name", "MTHSPL"),
            concept("9060", "SCD", "lisinopril 99 MG Oral Tablet", suppressed="O"),
        ],
    )
    write(folder / "RXNREL.RRF", [*(relation(*each) for each in RELATIONS), relation("9023", "isa", "9041", "OTHER")])
    write(
        folder / "RXNSAT.RRF",
        [
            attribute("9013", "RXN_STRENGTH", "20 MG"),
            attribute("9023", "NDC", "00001000101"),
            attribute("9023", "NDC", "00001-0001-02"),
            attribute("9023", "NDC", "not a number"),
            attribute("9023", "NDC", "00001000109", "MTHSPL"),
            attribute("9022", "NDC", "00001000103"),
        ],
    )
    return folder


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    given = [sys.executable, "-m", "cds_rules.cli", "rxnorm", *map(str, words)]
    return subprocess.run(given, capture_output=True, text=True, timeout=120, check=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def rebuilt(release: Path, tmp_path: Path) -> dict[str, dict[str, str]]:
    """Rows of rxnorm_products.csv by code, of the release in small."""
    done = typed(release, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    return {row["code"]: row for row in rows(tmp_path / "out" / "rxnorm_products.csv")}


def test_a_drug_of_two_components_has_both_ingredients_and_strengths(rebuilt: dict[str, dict[str, str]]) -> None:
    row = rebuilt["9020"]
    assert (row["key"], row["strengths"]) == ("hydrochlorothiazide|lisinopril", "12.5 MG|10 MG")
    assert (row["tty"], row["dose_form"], row["route"], row["generic"]) == ("SCD", "Oral Tablet", "oral", "")
    assert (row["system"], row["licence"]) == ("http://www.nlm.nih.gov/research/umls/rxnorm", "NLM")


def test_a_branded_drug_names_its_generic(rebuilt: dict[str, dict[str, str]]) -> None:
    assert (rebuilt["9021"]["generic"], rebuilt["9021"]["strengths"]) == ("9020", "12.5 MG|10 MG")


def test_packs_brands_and_parts_lead_to_ingredients(rebuilt: dict[str, dict[str, str]]) -> None:
    assert {code: rebuilt[code]["key"] for code in ("9004", "9005", "9030", "9041", "9050", "9051")} == {
        "9004": "lisinopril",
        "9005": "hydrochlorothiazide|lisinopril",
        "9030": "hydrochlorothiazide|lisinopril",
        "9041": "lisinopril",
        "9050": "lisinopril",
        "9051": "lisinopril",
    }
    assert (rebuilt["9051"]["strengths"], rebuilt["9051"]["dose_form"]) == ("20 MG", "Pack Oral Tablet")


def test_a_drug_without_components_has_ingredients_and_no_strength(rebuilt: dict[str, dict[str, str]]) -> None:
    assert (rebuilt["9024"]["key"], rebuilt["9024"]["strengths"]) == ("lisinopril", "")


def test_what_the_packs_do_not_know_is_left_out(rebuilt: dict[str, dict[str, str]]) -> None:
    assert not {"9003", "9022", "9033", "9060", "9040"} & rebuilt.keys()


def test_a_brand_of_several_drugs_is_left_out_and_said(release: Path, tmp_path: Path) -> None:
    done = typed(release, "--out", tmp_path / "out")
    assert "1 left out, not one set of ingredients or successor: 9031" in done.stdout
    assert "9031" not in {row["code"] for row in rows(tmp_path / "out" / "rxnorm_products.csv")}


def test_ndcs_are_those_of_rxnorm_itself(release: Path, tmp_path: Path) -> None:
    typed(release, "--out", tmp_path / "out")
    found = rows(tmp_path / "out" / "ndc.csv")
    assert [(row["key"], row["code"]) for row in found] == [("9023", "00001000101"), ("9023", "00001000102")]


def test_the_columns_are_those_of_the_pack(release: Path, tmp_path: Path) -> None:
    typed(release, "--out", tmp_path / "out")
    for name, columns in (("rxnorm_products.csv", PRODUCT_COLUMNS), ("ndc.csv", NDC_COLUMNS)):
        ours, theirs = (
            (folder / name).read_text(encoding="utf-8") for folder in (PACK_FOLDER / "valuesets", tmp_path / "out")
        )
        assert ours.splitlines()[0] == theirs.splitlines()[0] == ",".join(columns)


def test_retired_codes_follow_to_one_living_successor(release: Path, tmp_path: Path) -> None:
    write(release / "RXNCUICHANGES.RRF", [changed("8001", "8002", "old lisinopril 20 MG Oral Tablet")])
    write(
        release / "RXNATOMARCHIVE.RRF",
        [
            archived("8002", "9023", "later lisinopril"),
            archived("8003", "9023", "parted"),
            archived("8003", "9020", "parted"),
            archived("8004", "8005", "in a"),
            archived("8005", "8004", "circle"),
        ],
    )
    done = typed(release, "--out", tmp_path / "out")
    found = {row["code"]: row for row in rows(tmp_path / "out" / "rxnorm_products.csv")}
    assert (found["8001"]["key"], found["8001"]["display"]) == ("lisinopril", "old lisinopril 20 MG Oral Tablet")
    assert not {"8003", "8004", "8005"} & found.keys()
    assert "(2 of them by a retired code)" in done.stdout
    assert "2 left out, not one set of ingredients or successor: 8003, 9031" in done.stdout


def test_a_release_without_retired_codes_says_so(release: Path, tmp_path: Path) -> None:
    done = typed(release, "--out", tmp_path / "out")
    assert "the release has no RXNCUICHANGES.RRF and no RXNATOMARCHIVE.RRF" in done.stdout


def test_the_release_is_named_in_every_row(release: Path, tmp_path: Path) -> None:
    write(release / "RXNSAB.RRF", ["C1|C2|RXNORM_2026AA|RXNORM|and so on|"])
    typed(release, "--out", tmp_path / "out")
    assert {row["source"] for row in rows(tmp_path / "out" / "rxnorm_products.csv")} == {"RxNorm RXNORM_2026AA"}


def test_differences_from_the_pack_are_listed(release: Path, tmp_path: Path) -> None:
    with (release / "RXNCONSO.RRF").open("a") as file:
        file.write(concept("314076", "SCD", "lisinopril 10 MG Oral Tablet") + "\n")
        file.write(concept("310798", "SCD", "hydrochlorothiazide 25 MG Oral Tablet") + "\n")
    with (release / "RXNREL.RRF").open("a") as file:
        file.write(relation("314076", "consists_of", "9011") + "\n")
        file.write(relation("310798", "consists_of", "9011") + "\n")
    done = typed(release, "--out", tmp_path / "out")
    assert "against the packs: 1 with the same ingredients, 1 differ" in done.stdout
    assert "310798: hydrochlorothiazide in the packs, lisinopril in this release" in done.stdout


def test_missing_files_are_named(release: Path, tmp_path: Path) -> None:
    (release / "RXNREL.RRF").unlink()
    (release / "RXNSAT.RRF").unlink()
    done = typed(release, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "holds no RXNREL.RRF, no RXNSAT.RRF; the rrf folder of a release of RxNorm belongs here" in done.stderr


def test_lines_that_are_no_rrf_are_all_named_and_nothing_is_written(release: Path, tmp_path: Path) -> None:
    with (release / "RXNREL.RRF").open("ab") as file:
        file.write(b"a|b|c\n" + relation("9004", "form_of", "9002").encode() + b"\n\xff|\n")
    done = typed(release, "--out", tmp_path / "out")
    wrong = len(RELATIONS) + 2
    assert done.returncode == 2
    assert f"RXNREL.RRF:{wrong}: found 2 pipes; 16 fields, each closed by a pipe, belong here" in done.stderr
    assert f"RXNREL.RRF:{wrong + 2}: is not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_tables_that_exist_are_left_as_they_are(release: Path, tmp_path: Path) -> None:
    (tmp_path / "ndc.csv").write_text("mine")
    done = typed(release, "--out", tmp_path)
    assert done.returncode == 2
    assert "exists and is left as it is" in done.stderr
    assert (tmp_path / "ndc.csv").read_text() == "mine"


def test_routes_agree_with_those_of_the_pack() -> None:
    for row in rows(PACK_FOLDER / "valuesets" / "rxnorm_products.csv"):
        if row["dose_form"]:
            assert route_of(row["dose_form"]) == row["route"], row["display"]


def test_a_copy_of_the_pack_understands_the_rebuilt_products(release: Path, tmp_path: Path) -> None:
    typed(release, "--out", tmp_path / "out")
    copy = shutil.copytree(PACK_FOLDER, tmp_path / "copy")
    for name in ("rxnorm_products.csv", "ndc.csv"):
        shutil.copy(tmp_path / "out" / name, copy / "valuesets" / name)
    book = CodeBook([copy])
    for asked, system in (("9021", "rxnorm"), ("9030", "rxnorm")):
        medication = book.ask(asked, system).readings[0].meanings[0]
        assert medication.means == "hydrochlorothiazide + lisinopril"
        assert "thiazide-diuretic" in medication.details["classes"]
    assert book.ask("00001-0001-02", "ndc").readings[0].meanings[0].details["strengths"] == "lisinopril 20 mg per unit"
