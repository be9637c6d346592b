"""`cds-rules codes`: what a code or a text is taken for, and the rows of the value sets that say so.

The answers are those of `knowledge.terminology`, the same that judging uses; the rows behind them are found with the same
`Codes` and `Phrases`. Flows in: folders of packs and what was asked. Flows out: `Answer`.
Floor: edge.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cds_rules.knowledge.codes import ATC, EDQM, ICD10, ICD10_CM, LOINC, NDC, RXNORM, SNOMED, Codes, system_name
from cds_rules.knowledge.files import near
from cds_rules.knowledge.overlay import read_overlay
from cds_rules.knowledge.phrases import Phrases, fold, words
from cds_rules.knowledge.terminology import Terminology
from cds_rules.knowledge.units import spelling
from cds_rules.vocabulary.chart import MagnesiumContent, Product
from cds_rules.vocabulary.errors import BadInput

SYSTEMS: Mapping[str, str] = {
    RXNORM: "http://www.nlm.nih.gov/research/umls/rxnorm",
    ATC: "http://www.whocc.no/atc",
    NDC: "http://hl7.org/fhir/sid/ndc",
    LOINC: "http://loinc.org",
    SNOMED: "http://snomed.info/sct",
    ICD10_CM: "http://hl7.org/fhir/sid/icd-10-cm",
    ICD10: "http://hl7.org/fhir/sid/icd-10",
    EDQM: "http://standardterms.edqm.eu",
}
"""Short names that may be typed, and the URI of each."""

_ATC_SHAPE = re.compile(r"[A-Z]\d\d(?:[A-Z]{1,2}|[A-Z]{2}\d\d)?\Z")
_ICD_SHAPE = re.compile(r"[A-Z]\d[0-9A-Z](?:\.?[0-9A-Z]{1,4})?\Z")
_MEDICATION_CODES = ("rxnorm_products", "medication_classes", "ndc", "magnesium_products")
_MEDICATION_TEXTS = ("medication_names", "dose_forms")
_PLAIN = (
    ("laboratory", "labs"),
    ("condition", "conditions"),
    ("symptom", "symptoms"),
    ("body site", "body_sites"),
    ("ordered test", "tests"),
    ("reason", "reasons"),
    ("event", "events"),
    ("route", "routes"),
)
"""What a code or text can stand for, and the value set that is asked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a value set. file: "valuesets/labs.csv"; line counts from 1, the header included; row: all columns."""

    pack: str
    file: str
    line: int
    row: Mapping[str, str]

    def __str__(self) -> str:
        row = self.row
        named = " ".join(each for each in (row.get("system", ""), row.get("code", "")) if each)
        named = named or (f"unit {row.get('raw') or row['ucum']}" if "ucum" in row else "phrase")
        said = f' "{row["display"]}"' if row.get("display") else ""
        told = ", ".join(f"{name} {row[name] or 'none'}" for name in ("source", "verified", "licence") if name in row)
        return f"{self.pack}/{self.file}:{self.line}: {row.get('key') or row.get('ucum') or '(no key)'} <- {named}{said} ({told})"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What something is taken for. role: "medication", "laboratory", ...; means: the key, "" where nothing is taken."""

    role: str
    means: str
    details: Mapping[str, str]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read what was asked: as a code of a system, or as text (system "")."""

    system: str
    said: str
    meanings: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """All readings that say something, and where was looked."""

    asked: str
    readings: tuple[Reading, ...]
    looked_at: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether anything is taken for something."""
        return any(meaning.means for reading in self.readings for meaning in reading.meanings)


class _File:
    """The rows of one value set of all packs, to be found by code and by phrase."""

    def __init__(self, entries: Sequence[Entry], breaks: bool) -> None:
        self.entries = entries
        coded = [each for each in entries if each.row.get("code") and each.row.get("system")]
        self.codes: Codes[Entry] = Codes([(each.row["system"], each.row["code"], each) for each in coded], (), str)
        said = [each for each in entries if not each.row.get("code") and each.row.get("display")]
        self.phrases: Phrases[Entry] = Phrases(((each.row["display"], each) for each in said), breaks)
        self.counts = len(coded), len(said)


class CodeBook:
    """The value sets of packs, ready to be asked what something is taken for and why."""

    def __init__(self, folders: Iterable[Path], overlay: Path | None = None) -> None:
        """Read every CSV below valuesets/ and tables/ of the packs, with line numbers, and an overlay of codes."""
        entries: dict[str, list[Entry]] = {}
        for folder in folders:
            for path in sorted([*folder.glob("valuesets/*.csv"), *folder.glob("tables/*.csv")]):
                entries.setdefault(path.stem, []).extend(_entries(folder, path))
        if overlay is not None:
            tables = {name: [each.row for each in rows] for name, rows in entries.items()}
            for number, row in enumerate(read_overlay(overlay, tables), 2):
                _add(entries[row["table"]], Entry("overlay", overlay.name, number, row))
        self._terms = Terminology.from_tables({name: [each.row for each in rows] for name, rows in entries.items()})
        self._files = {name: _File(rows, name in _MEDICATION_TEXTS[:1]) for name, rows in entries.items()}
        self._classes = entries.get("medication_classes", [])
        self._products = {each.row["code"]: each for each in entries.get("rxnorm_products", ())}
        self._contents = {each.row["code"]: each for each in entries.get("magnesium_products", ()) if each.row["code"]}
        self._salts = {each.row["key"]: each for each in entries.get("magnesium_salts", ())}
        self._units = [each for name in ("units", "unit_conversions") for each in entries.get(name, ())]

    def ask(self, asked: str, system: str = "") -> Answer:
        """Say what a code or text is taken for.

        Args:
            asked: a code, or any text of a record.
            system: short name or URI of the code's system; "": every system that has such a code, and as text.

        Raises:
            BadInput: nothing was asked, or no such system is known.
        """
        said = asked.strip()
        if not said:
            raise BadInput("found nothing; a code or a text belongs here")
        systems = [_uri(system)] if system else [uri for name, uri in SYSTEMS.items() if _fits(name, said)]
        readings = [self._code(uri, said) for uri in systems]
        if not system:
            readings.append(self._text(said))
        return Answer(said, tuple(each for each in readings if each.meanings), tuple(self._looked(systems, not system)))

    # ---- the two ways to read

    def _code(self, uri: str, code: str) -> Reading:
        codings = ((uri, code, ""),)
        meanings = []
        rows = [each for name in _MEDICATION_CODES for each in self._coded(name, uri, code)]
        product = self._terms.product(codings, "")
        if product or rows:
            meanings.append(self._medication(product, rows))
        for role, name in _PLAIN:
            if found := self._coded(name, uri, code):
                meanings.append(self._plain(role, codings, "", found))
        return Reading(system_name(uri), code, tuple(meanings))

    def _text(self, text: str) -> Reading:
        meanings = []
        product = self._terms.product((), text)
        rows = [each for name in _MEDICATION_TEXTS for each in self._said(name, text)]
        if product or any(each.file.endswith("medication_names.csv") for each in rows):
            meanings.append(self._medication(product, rows))
        for role, name in _PLAIN:
            if found := self._said(name, text):
                meanings.append(self._plain(role, (), text, found))
        if unit := self._unit(text):
            meanings.append(unit)
        return Reading("", text, tuple(meanings))

    def _coded(self, name: str, uri: str, code: str) -> Sequence[Entry]:
        return self._files[name].codes.of(uri, code) if name in self._files else ()

    def _said(self, name: str, text: str) -> list[Entry]:
        if name not in self._files:
            return []
        phrases, folded = self._files[name].phrases, fold(text)
        if name in _MEDICATION_TEXTS:
            return [each for _, _, several in phrases.spans(folded) for each in several[:1]]
        return [each for found in phrases.find(words(folded)) for each in found.meanings]

    # ---- what it means

    def _medication(self, product: Product | None, rows: Sequence[Entry]) -> Meaning:
        entries = list(rows)
        for entry in rows:  # an NDC and a name stand for a product of RxNorm, a brand for its generic
            code = entry.row["key"] if entry.file.endswith("/ndc.csv") else entry.row.get("product", "")
            entries += [self._products[code]] if code in self._products else []
        for entry in list(entries):
            generic = self._contents.get(entry.row.get("generic", "")) or self._contents.get(entry.row["code"])
            entries += [generic] if generic else []
        if product is None:
            return Meaning(
                "medication", "", {"why not": "a phrase that takes its words out of the search"}, _once(entries)
            )
        behind: dict[str, Entry] = {}
        for entry in self._classes:
            key = entry.row["key"]
            named = system_name(entry.row["system"]) != ATC and entry.row["ingredient"] in product.ingredients
            if named and key in product.classes:
                behind.setdefault(key, entry)
        for entry in rows:
            if entry.row["key"] in product.classes:
                behind.setdefault(entry.row["key"], entry)
        decided = sorted(product.classes - behind.keys())
        details = {
            "strengths": "; ".join(f"{name} {_number(mg)} mg per {per}" for name, mg, per in product.strengths),
            "form": product.dose_form,
            "route": product.route or "",
            "classes": ", ".join(sorted(product.classes)),
            "decided by salt, form and route, not by a row": ", ".join(decided),
        }
        if (held := product.magnesium) is not None:
            known = "not known" if held.elemental_mg is None else f"{_number(held.elemental_mg)} mg per {held.per}"
            upper = "" if held.upper_mg is None else f", at most {_number(held.upper_mg)} mg"
            details["elemental magnesium"] = f"{known}{upper} (basis: {held.basis}; salt: {held.salt or 'not known'})"
            weighed = any(each.file.endswith("/magnesium_products.csv") for each in entries)
            if not weighed:
                entries += [each for each in self._contents.values() if _same_content(each.row, held)][:1] or [
                    each for salt, each in self._salts.items() if salt == held.salt
                ]
        entries += behind.values()
        means = " + ".join(product.ingredients) or ", ".join(sorted(product.classes)) or "known, in no class of ours"
        return Meaning("medication", means, {name: each for name, each in details.items() if each}, _once(entries))

    def _plain(
        self, role: str, codings: tuple[tuple[str, str, str], ...], text: str, entries: Sequence[Entry]
    ) -> Meaning:
        details: dict[str, str] = {}
        keys: Iterable[str | None] = ()
        terms = self._terms
        match role:
            case "laboratory":
                if lab := terms.lab(codings, text):
                    keys = (lab.key,) if not lab.excluded else ()
                    details = {"unit": terms.canonical_unit(lab.key), "method": lab.method}
                    if lab.excluded:
                        details = {"why not": f"excluded from {lab.key}: {lab.excluded}"}
            case "condition":
                keys = terms.problems(codings, text)
            case "symptom":
                matches = terms.symptoms(codings, text)
                keys = [each.key for each in matches]
                if matches:
                    first = matches[0]
                    details = {"site": first.site or "", "side": first.side or "", "timing": first.timing or ""}
            case "body site":
                site, side = terms.body_site(codings, text)
                timings = [each.row["key"] for each in entries if each.row.get("kind") == "timing"]
                keys, details = (site, side), {"timing": ", ".join(timings)}
            case "ordered test":
                keys = (terms.test(codings, text),)
            case "reason":
                keys = sorted(terms.reasons(codings, text) - {"other"})
            case "event":
                keys = (terms.event(codings, text),)
            case "route":
                keys = (terms.route(codings, text),)
        means = ", ".join(key for key in keys if key)
        if not means and not any(details.values()):
            doubt = "the phrase is negated, doubted, remembered, of the family, or takes its words out of the search"
            details = {"why not": doubt if text else "a row takes this meaning away again"}
        return Meaning(role, means, {name: each for name, each in details.items() if each}, _once(entries))

    def _unit(self, text: str) -> Meaning | None:
        keys = dict.fromkeys(each.row["key"] for each in self._units if each.row.get("key"))
        found = {key: self._terms.convert(key, 1.0, text, "", "") for key in keys}
        factors = {
            key: f"1 is {_number(each)} {self._terms.canonical_unit(key)}"
            for key, each in found.items()
            if not isinstance(each, str)
        }
        rows = [each for each in self._units if each.row.get("raw") == text.strip()] or [
            each for each in self._units if spelling(each.row.get("raw") or each.row["ucum"]) == spelling(text)
        ]
        if not rows:
            return None
        ucum = next(each.row["ucum"] for each in rows)
        return Meaning(
            "unit", ucum if factors else "", factors or {"why not": "no value of ours has this unit"}, _once(rows)
        )

    def _looked(self, systems: Sequence[str], as_text: bool) -> Iterator[str]:
        names = [*_MEDICATION_CODES, *(name for _, name in _PLAIN)]
        files = [name for name in names if name in self._files]
        for uri in systems:
            short = system_name(uri)
            if not short:
                yield f"as a code of {uri}: codes of this system are not read; the text beside them counts"
                continue
            own = [
                f"{name}.csv ({count})"
                for name in files
                if (
                    count := sum(system_name(each.row.get("system", "")) == short for each in self._files[name].entries)
                )
            ]
            yield f"as a code of {short}: {', '.join(own) or 'no value set has codes of this system'}"
        if as_text:
            texts = [*_MEDICATION_TEXTS, *(name for _, name in _PLAIN)]
            told = [f"{name}.csv ({self._files[name].counts[1]})" for name in texts if name in self._files]
            yield f"as text, phrases of whole words: {', '.join(told)}"
            yield f"as a unit: units.csv and unit_conversions.csv ({len(self._units)})"


def as_json(answer: Answer) -> dict[str, object]:
    """The answer as JSON values, every row in full."""
    return {
        "asked": answer.asked,
        "known": answer.known,
        "readings": [
            {
                "system": reading.system or "text",
                "said": reading.said,
                "meanings": [
                    {
                        "as": meaning.role,
                        "means": meaning.means or None,
                        "details": dict(meaning.details),
                        "rows": [
                            {"pack": each.pack, "file": each.file, "line": each.line, **each.row}
                            for each in meaning.entries
                        ],
                    }
                    for meaning in reading.meanings
                ],
            }
            for reading in answer.readings
        ],
        "looked_at": list(answer.looked_at),
    }


def as_lines(answer: Answer) -> Iterator[str]:
    """The answer for a terminal."""
    for reading in answer.readings:
        yield f"{reading.said} as {f'a code of {reading.system}' if reading.system else 'text'}"
        for meaning in reading.meanings:
            yield f"  {meaning.role}: {meaning.means or 'not taken'}"
            yield from (f"    {name}: {each}" for name, each in meaning.details.items())
            yield from (f"    because {each}" for each in meaning.entries)
    if not answer.known:
        yield f"{answer.asked}: we take it for nothing. Looked at:"
        yield from (f"  {each}" for each in answer.looked_at)


def _entries(folder: Path, path: Path) -> Iterator[Entry]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            yield Entry(folder.name, f"{path.parent.name}/{path.name}", reader.line_num, row)


def _add(entries: list[Entry], added: Entry) -> None:
    """Add a row of an overlay to a value set that does not know its code."""
    columns, row = entries[0].row, added.row
    if not any((each.row["system"], each.row["code"]) == (row["system"], row["code"]) for each in entries):
        whole = {**dict.fromkeys(columns, ""), **{name: row[name] for name in row if name in columns}}
        entries.append(replace(added, row=whole))


def _uri(system: str) -> str:
    """The URI of a system given by short name or URI; a URI we do not read is kept, and the answer says so."""
    if uri := SYSTEMS.get(system.strip().casefold()):
        return uri
    if ":" not in system:
        raise BadInput(f'found "{system}"{near(system, SYSTEMS)}, or the URI of a code system', "--system")
    return system.strip()


def _fits(name: str, said: str) -> bool:
    """Whether a bare code may be one of this system: ATC and ICD-10 hold for all codes below a row, so shape decides."""
    if name == ATC:
        return bool(_ATC_SHAPE.match(said.upper()))
    if name in (ICD10, ICD10_CM):
        return bool(_ICD_SHAPE.match(said.upper())) and not (len(said) == 7 and _ATC_SHAPE.match(said.upper()))
    return " " not in said


def _same_content(row: Mapping[str, str], held: MagnesiumContent) -> bool:
    """Whether a product of magnesium_products.csv is where a product of this salt and strength has its content from."""
    if row["key"].split("|")[0] != held.salt or not row["elemental_mg"] or not row["strength_mg"]:
        return False
    known = (float(row["elemental_mg"]), float(row["strength_mg"]), row["per"], row["basis"])
    return known == (held.elemental_mg, held.strength_mg, held.per, held.basis)


def _once(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    seen = {(each.pack, each.file, each.line): each for each in entries}
    return tuple(seen.values())


def _number(value: float) -> str:
    return f"{value:.6g}"
