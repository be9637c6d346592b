"""`cds-rules rxnorm`: the product tables of packs, rebuilt from the RRF files of a release of RxNorm.

The files are read line by line and once each; what is kept grows with the number of RxNorm's own concepts and NDCs, not with
the size of the files. The walk from product to ingredient is NLM's: SBD -tradename_of-> SCD -consists_of-> SCDC -has_ingredient-> IN,
packs through what they contain, brands through their products. Nothing of other sources of RxNorm is read.
Flows in: a folder of RRF files, folders of packs. Flows out: rxnorm_products.csv and ndc.csv, and a `Rebuilt`.
Floor: edge.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from cds_rules.knowledge.codes import RXNORM, ndc11, system_name
from cds_rules.knowledge.pack import Rows, merged_tables, read_tables
from cds_rules.vocabulary.errors import BadInput

RXNORM_URI, NDC_URI = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
PRODUCT_COLUMNS = (
    "key", "system", "code", "display", "tty", "strengths", "dose_form", "route", "generic", "source", "verified", "licence",
)  # fmt: skip
NDC_COLUMNS = "key", "system", "code", "display", "source", "verified", "licence"

_FIELDS = {"RXNCONSO.RRF": 18, "RXNREL.RRF": 16, "RXNSAT.RRF": 13, "RXNCUICHANGES.RRF": 7, "RXNATOMARCHIVE.RRF": 16}
"""Fields of a line, each closed by a pipe."""
_TERM_TYPES = frozenset(
    ["IN", "PIN", "MIN", "SCDC", "SCDF", "SCDG", "SCD", "SBDC", "SBDF", "SBD", "GPCK", "BPCK", "BN", "DF"]
)
_RELATIONS = frozenset(
    [
        "tradename_of",
        "contains",
        "consists_of",
        "has_ingredient",
        "has_precise_ingredient",
        "form_of",
        "has_ingredients",
        "has_part",
        "has_dose_form",
        "isa",
    ]
)
_MISTAKES_SHOWN = 10
_LINES_A_TICK = 20_000
_STRENGTH = re.compile(r"([\d.]+ [A-Za-z%'\[\]]+(?:/[A-Za-z0-9.]+)?)\Z")
_NDC = re.compile(r"\d{11}\Z")
_ROUTES = (
    (r"intraperitoneal|dialysis", "dialysis"),
    (r"irrigation", "irrigation"),
    (r"ophthalmic|intraocular|intravitreal|eye", "ophthalmic"),
    (r"otic|ear", "otic"),
    (r"nasal", "nasal"),
    (r"inhal\w*|inhaler", "inhaled"),
    (r"rectal|enema", "rectal"),
    (r"topical|transdermal|medicated|vaginal|cream|ointment|lotion|shampoo|paste|soap|bath", "topical"),
    (r"inject\w*|injection|intravenous|prefilled|cartridge|intrathecal", "iv"),
    (r"oral|chewable|sublingual|buccal|disintegrating|effervescent|lozenge|capsule|tablet|granules", "oral"),
)
_WORDS_OF_ROUTE = tuple((re.compile(rf"\b(?:{words})\b", re.IGNORECASE), route) for words, route in _ROUTES)


def route_of(dose_form: str) -> str:
    """The route a dose form of RxNorm names, in the words of our tables; "" when it names none.

    >>> route_of("Delayed Release Oral Tablet"), route_of("Prefilled Syringe"), route_of("Intraperitoneal Solution")
    ('oral', 'iv', 'dialysis')
    """
    return next((route for words, route in _WORDS_OF_ROUTE if words.search(dose_form)), "")


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept of RxNorm: its term type and its name."""

    tty: str
    name: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What a concept holds. parts: (ingredient's code, strength or "") in the order of its components."""

    parts: tuple[tuple[str, str], ...]
    dose_form: str = ""
    generic: str = ""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was written, and how it compares with the tables of the packs.

    unclear: brands whose products differ in ingredients, and retired codes with several successors; left out.
    differ: code, ingredients in the packs, ingredients now.
    """

    products: int
    codes: int
    retired: int
    unclear: tuple[str, ...]
    same: int
    differ: tuple[tuple[str, str, str], ...]
    gone: tuple[str, ...]
    missing_files: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """The summary for a terminal."""
        yield f"{self.products} products ({self.retired} of them by a retired code), {self.codes} NDCs"
        if self.unclear:
            yield f"{len(self.unclear)} left out, not one set of ingredients or successor: {_some(self.unclear)}"
        if self.missing_files:
            yield f"retired codes may be missing: the release has no {' and no '.join(self.missing_files)}"
        yield f"against the packs: {self.same} with the same ingredients, {len(self.differ)} differ, {len(self.gone)} not in this release"
        for code, before, now in self.differ:
            yield f"  {code}: {before} in the packs, {now} in this release"


def rebuild(folder: Path, out: Path, packs: Sequence[Path]) -> Rebuilt:
    """Write rxnorm_products.csv and ndc.csv for the products that hold an ingredient the packs know.

    Raises:
        BadInput: files are missing or have lines that are no RRF, or a file to be written exists; nothing is written then.
    """
    if missing := [name for name in list(_FIELDS)[:3] if not (folder / name).is_file()]:
        raise BadInput(
            f"holds no {', no '.join(missing)}; the rrf folder of a release of RxNorm belongs here", str(folder)
        )
    written = out / "rxnorm_products.csv", out / "ndc.csv"
    if there := [path for path in written if path.exists()]:
        raise BadInput(f"{there[0]} exists and is left as it is; name another folder")
    tables = merged_tables(read_tables(pack) for pack in packs)
    release = _Release(folder)
    products, unclear = _products(release, tables)
    live = len(products)
    unclear += _retired(release, products)
    ndcs = [
        {"key": code, "code": ndc, "system": NDC_URI, "display": ""}
        for ndc, code in release.ndcs.items()
        if code in products
    ]
    ndcs.sort(key=lambda row: (row["key"], row["code"]))
    rows = [products[code] for code in sorted(products, key=lambda code: (products[code]["key"], code.zfill(9)))]
    out.mkdir(parents=True, exist_ok=True)
    _write(written[0], PRODUCT_COLUMNS, rows, {"source": release.label, "verified": "yes", "licence": "NLM"})
    _write(written[1], NDC_COLUMNS, ndcs, {"source": release.label, "verified": "yes", "licence": "FDA, NLM"})
    same, differ, gone = _compared(tables.get("rxnorm_products", ()), products)
    absent = tuple(name for name in list(_FIELDS)[3:] if not (folder / name).is_file())
    return Rebuilt(
        len(products), len(ndcs), len(products) - live, tuple(sorted(unclear)), same, tuple(differ), tuple(gone), absent
    )


class _Release:
    """What of a release's files is needed: RxNorm's own concepts, their relations, strengths and NDCs."""

    def __init__(self, folder: Path) -> None:
        self.label = f"RxNorm {_version(folder)}".strip()
        self.concepts: dict[str, Concept] = {}
        self._related: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in _RELATIONS}
        self.products_of: dict[str, list[str]] = defaultdict(list)
        self.strengths: dict[str, str] = {}
        self.ndcs: dict[str, str] = {}
        self.successors: dict[str, set[str]] = defaultdict(set)
        self.names_before: dict[str, Concept] = {}
        size = sum((folder / name).stat().st_size for name in _FIELDS if (folder / name).is_file())
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("RxNorm", total=size)
            self._tick: Callable[[int], None] = lambda read: progress.advance(task, read)
            self._read_concepts(folder / "RXNCONSO.RRF")
            self._read_relations(folder / "RXNREL.RRF")
            self._read_attributes(folder / "RXNSAT.RRF")
            self._read_retired(folder / "RXNCUICHANGES.RRF", folder / "RXNATOMARCHIVE.RRF")

    def related(self, code: str, relation: str, *term_types: str) -> list[str]:
        """The codes X of "code relation X" that have one of the term types."""
        return [each for each in self._related[relation].get(code, ()) if self.concepts[each].tty in term_types]

    def _read_concepts(self, path: Path) -> None:
        for fields in _lines(path, self._tick):
            if fields[11] == "RXNORM" and fields[16] == "N" and fields[12] in _TERM_TYPES:
                self.concepts.setdefault(fields[0], Concept(fields[12], fields[14]))

    def _read_relations(self, path: Path) -> None:
        for fields in _lines(path, self._tick):
            if (
                fields[7] not in _RELATIONS
                or fields[10] != "RXNORM"
                or fields[2] != "CUI"
                or fields[14] in ("O", "Y", "E")
            ):
                continue
            thing, subject = fields[0], fields[4]  # RxNorm reads them backwards: the second concept is the subject
            if thing in self.concepts and subject in self.concepts and thing not in self._related[fields[7]][subject]:
                self._related[fields[7]][subject].append(thing)
                if fields[7] == "has_ingredient" and self.concepts[thing].tty == "BN":
                    self.products_of[thing].append(subject)

    def _read_attributes(self, path: Path) -> None:
        for fields in _lines(path, self._tick):
            if fields[9] != "RXNORM" or fields[11] not in ("", "N") or fields[0] not in self.concepts:
                continue
            if fields[8] == "RXN_STRENGTH":
                self.strengths.setdefault(fields[0], fields[10])
            elif fields[8] == "NDC" and _NDC.match(ndc := ndc11(fields[10])):
                self.ndcs.setdefault(ndc, fields[0])

    def _read_retired(self, changes: Path, archive: Path) -> None:
        if changes.is_file():
            for fields in _lines(changes, self._tick):
                self._retire(fields[5], fields[6], fields[2], fields[3], fields[4])
        if archive.is_file():
            for fields in _lines(archive, self._tick):
                self._retire(fields[12], fields[15], fields[13], fields[14], fields[2])

    def _retire(self, old: str, new: str, source: str, tty: str, name: str) -> None:
        if source == "RXNORM" and old not in self.concepts and new not in ("", old):
            self.successors[old].add(new)
            self.names_before.setdefault(old, Concept(tty, name))


def _lines(path: Path, tick: Callable[[int], None]) -> Iterator[list[str]]:
    """The fields of each line, the mistakes of the whole file said at its end."""
    wanted = _FIELDS[path.name]
    mistakes: list[str] = []
    read = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            read += len(line)
            if number % _LINES_A_TICK == 0:
                tick(read)
                read = 0
            try:
                fields = line.decode("utf-8").rstrip("\r\n").split("|")
            except UnicodeDecodeError:
                mistakes.append(f"{path.name}:{number}: is not UTF-8")
            else:
                if len(fields) == wanted + 1 and not fields[-1]:
                    if not mistakes:
                        yield fields
                    continue
                mistakes.append(
                    f"{path.name}:{number}: found {len(fields) - 1} pipes; {wanted} fields, each closed by a pipe, belong here"
                )
            if len(mistakes) == _MISTAKES_SHOWN:
                mistakes.append(f"{path.name}: not read further")
                break
    if mistakes:
        raise BadInput("\n".join(mistakes))


def _version(folder: Path) -> str:
    """The release as RXNSAB.RRF names it, such as RXNORM_2025AA_251006F; "" without that file."""
    path = folder / "RXNSAB.RRF"
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        rows = [line.split("|") for line in file]
    return next((row[2] for row in rows if len(row) > 3 and row[3] == "RXNORM"), "")


# ---- the walk


class _Walk:
    """From any concept to its ingredients."""

    def __init__(self, release: _Release) -> None:
        self._release = release

    def parts(self, code: str) -> Parts | None:
        """What a concept holds, None when the release does not say, or not with one voice."""
        release, tty = self._release, self._release.concepts[code].tty
        match tty:
            case "IN":
                return Parts(((code, ""),))
            case "PIN":
                return self._plain(release.related(code, "form_of", "IN"))
            case "MIN":
                return self._plain(release.related(code, "has_part", "IN"))
            case "SCDC":
                return self._component(code)
            case "SCDF" | "SCDG":
                return self._plain(release.related(code, "has_ingredient", "IN"), self._form(code))
            case "SCD":
                return self._clinical_drug(code)
            case "SBD" | "SBDC" | "SBDF":
                return self._generic(code, {"SBD": "SCD", "SBDC": "SCDC", "SBDF": "SCDF"}[tty])
            case "GPCK":
                return self._pack(code)
            case "BPCK":
                return self._generic(code, "GPCK") or self._pack(code)
            case "BN":
                return self._brand(code)
        return None

    def _plain(self, ingredients: Iterable[str], dose_form: str = "") -> Parts | None:
        named = sorted(ingredients, key=lambda each: self._release.concepts[each].name.casefold())
        return Parts(tuple((each, "") for each in named), dose_form) if named else None

    def _form(self, code: str) -> str:
        forms = self._release.related(code, "has_dose_form", "DF")
        return self._release.concepts[forms[0]].name if len(forms) == 1 else ""

    def _component(self, code: str) -> Parts | None:
        release = self._release
        found = release.related(code, "has_ingredient", "IN") or [
            each
            for precise in release.related(code, "has_precise_ingredient", "PIN")
            for each in release.related(precise, "form_of", "IN")
        ]
        told = _STRENGTH.search(release.concepts[code].name)
        strength = release.strengths.get(code) or (told[1] if told else "")
        return Parts(((found[0], strength),)) if len(set(found)) == 1 else None

    def _clinical_drug(self, code: str) -> Parts | None:
        release = self._release
        form = self._form(code)
        components = sorted(
            release.related(code, "consists_of", "SCDC"), key=lambda each: release.concepts[each].name.casefold()
        )
        held = [self._component(each) for each in components]
        if held and all(held):
            return Parts(_merged(part for each in held if each for part in each.parts), form)
        for relation, tty, onward in (("has_ingredients", "MIN", "has_part"), ("isa", "SCDF", "has_ingredient")):
            several = {frozenset(release.related(each, onward, "IN")) for each in release.related(code, relation, tty)}
            if len(several) == 1 and (found := self._plain(several.pop(), form)):
                return found
        return None

    def _generic(self, code: str, tty: str) -> Parts | None:
        generics = self._release.related(code, "tradename_of", tty)
        if len(generics) != 1 or (held := self.parts(generics[0])) is None:
            return None
        return Parts(held.parts, self._form(code) or held.dose_form, generics[0])

    def _pack(self, code: str) -> Parts | None:
        held = [self.parts(each) for each in self._release.related(code, "contains", "SCD", "SBD")]
        if not held or not all(held):
            return None
        forms = dict.fromkeys(each.dose_form for each in held if each and each.dose_form)
        return Parts(
            _merged((part for each in held if each for part in each.parts), packed=True), " ".join(["Pack", *forms])
        )

    def _brand(self, code: str) -> Parts | None:
        held = [self.parts(each) for each in self._release.products_of.get(code, ())]
        sets = {frozenset(name for name, _ in each.parts): each for each in held if each}
        if not sets:
            return self._plain(self._release.related(code, "tradename_of", "IN"))
        if len(sets) > 1:
            return None
        routes = {route_of(each.dose_form) for each in held if each}
        form = next(iter(sets.values())).dose_form if len(routes) == 1 else ""
        return self._plain(next(iter(sets)), form)


def _merged(parts: Iterable[tuple[str, str]], packed: bool = False) -> tuple[tuple[str, str], ...]:
    """Each ingredient once; one that stands twice has no single strength, unless a pack repeats the same."""
    found: dict[str, list[str]] = {}
    for ingredient, strength in parts:
        found.setdefault(ingredient, []).append(strength)
    return tuple(
        (ingredient, several[0] if len(several) == 1 or (packed and len(set(several)) == 1) else "")
        for ingredient, several in found.items()
    )


# ---- the tables


def _products(release: _Release, tables: Mapping[str, Rows]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Rows by code, and the brands that are left out."""
    by_code: dict[str, str] = {}
    wanted: set[str] = set()
    for row in tables.get("medication_classes", ()):
        wanted.update(row["ingredient"].split("|"))
        if system_name(row["system"]) == RXNORM:
            by_code[row["code"]] = row["ingredient"]
    wanted.discard("")
    walk = _Walk(release)
    rows: dict[str, dict[str, str]] = {}
    unclear: list[str] = []
    for code, concept in release.concepts.items():
        if code in by_code or concept.tty == "DF":  # an ingredient that the packs list says more there than here
            continue
        held = walk.parts(code)
        if held is None:
            if concept.tty == "BN" and release.products_of.get(code):
                unclear.append(code)
            continue
        names = [by_code.get(each) or release.concepts[each].name.lower() for each, _ in held.parts]
        if not wanted.intersection(names):
            continue
        rows[code] = {
            "key": "|".join(names),
            "system": RXNORM_URI,
            "code": code,
            "display": concept.name,
            "tty": concept.tty,
            "strengths": "|".join(strength for _, strength in held.parts)
            if any(each for _, each in held.parts)
            else "",
            "dose_form": "" if concept.tty == "BN" else held.dose_form,
            "route": route_of(held.dose_form or (concept.name if concept.tty in ("SCDF", "SCDG") else "")),
            "generic": held.generic,
        }
    return rows, unclear


def _retired(release: _Release, rows: dict[str, dict[str, str]]) -> list[str]:
    """Add rows for retired codes with one living successor; returns those with several."""
    unclear = []
    for old in list(release.successors):
        ends, seen, todo = set(), {old}, list(release.successors[old])
        while todo:
            each = todo.pop()
            if each in seen:
                continue
            seen.add(each)
            if each in release.concepts:
                ends.add(each)
            else:
                todo += release.successors.get(each, ())
        living = [each for each in ends if each in rows]
        if len(ends) == 1 and living:
            before = release.names_before[old]
            rows[old] = {**rows[living[0]], "code": old, "display": before.name, "tty": before.tty}
        elif living:
            unclear.append(old)
    return unclear


def _compared(before: Rows, now: Mapping[str, Mapping[str, str]]) -> tuple[int, list[tuple[str, str, str]], list[str]]:
    same, differ, gone = 0, [], []
    for row in before:
        if row["code"] not in now:
            gone.append(row["code"])
        elif set(row["key"].lower().split("|")) == set(now[row["code"]]["key"].split("|")):
            same += 1
        else:
            differ.append((row["code"], row["key"], now[row["code"]]["key"]))
    return same, differ, gone


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]], common: Mapping[str, str]) -> None:
    unfinished = path.with_suffix(".csv.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, **common} for row in rows)
    unfinished.replace(path)


def _some(codes: Sequence[str]) -> str:
    return ", ".join(codes[:10]) + (", ..." if len(codes) > 10 else "")
