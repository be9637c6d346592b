"""What codes and names mean: codings and texts of the record -> keys of clinical specification section 5.

Built once at start-up from the rows of the packs' CSV files (`valuesets/` and `tables/`); afterwards every question is a
dictionary look-up or one precompiled pattern, and answers to equal questions are remembered in bounded caches.
Flows in: table rows. Flows out: `Terminology`. Nothing is read from a file here.
Floor: knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from cds_rules.knowledge.codes import LOINC, Codes, system_name
from cds_rules.knowledge.phrases import Phrases, fold, words
from cds_rules.knowledge.products import Products
from cds_rules.knowledge.units import Units
from cds_rules.vocabulary.chart import Product
from cds_rules.vocabulary.frozen import Frozen, replace

Coding = tuple[str, str, str]
"""(system, code, display), "" where the record is silent; systems as charted, not normalized."""

Row = Mapping[str, str]
M = TypeVar("M")

_REMEMBERED = 8192
_REFINED = {"ckd-3-unspecified": ("ckd-3a", "ckd-3b"), "ventricular-arrhythmia": ("torsades",)}
"""Codes that are too coarse in some ICD-10 editions and the keys a text may put in their place (clinical specification 9.12)."""
_ADDED = {"ckd-5": "dialysis"}
"""What a text may add to a coded key: end stage disease "on dialysis" (clinical specification 5.3)."""
_NOT_BLOOD = Phrases(
    (word, word)
    for word in (
        "urine", "urin", "csf", "cerebrospinal", "pleural", "ascites", "ascitic", "peritoneal", "dialysate", "stool", "feces",
        "rbc", "red blood cell", "red cell", "erythrocyte", "synovial", "body fluid", "sweat", "semen", "amniotic",
    )
)  # fmt: skip
_FROM_BLOOD = frozenset(
    {
        "creatinine", "egfr_reported", "cystatin_c", "magnesium", "potassium", "sodium", "calcium", "ionized_calcium", "albumin", "ck",
        "tsh", "vitamin_d_25oh", "bun",
    }
)  # fmt: skip
_BROAD_CODE = "abdomen", "stomach", "pelvis", "uterus", "menstrual"


class LabMatch(Frozen, frozen=True):
    """A laboratory key of 5.2 with the method the code names; excluded says why such a result must not count, or ""."""

    key: str
    method: str = ""
    excluded: str = ""


class SymptomMatch(Frozen, frozen=True):
    """A symptom key of 5.4 and what the code or text itself says about site, side and timing."""

    key: str
    site: str | None = None
    side: str | None = None
    timing: str | None = None
    muscle_specific: bool = False


class Question(Frozen, frozen=True):
    """What a question of a questionnaire asks for, and which answer says yes.

    least: the smallest number that does. answer: the code of the answer that does. Neither: an answer that affirms.
    """

    match: SymptomMatch
    answer: str = ""
    least: float | None = None


class ValueSet(Generic[M]):
    """One value set: what its codes mean, and what its phrases mean.

    A row with a code counts by code alone, a row without one by its display; a phrase with an empty key takes its words
    out of the search ("pulmonary hypertension").
    """

    def __init__(self, rows: Iterable[Row], meaning: Callable[[Row], M], key: Callable[[M], str]) -> None:
        """Take the rows and how to make a meaning of one."""
        several = list(rows)
        coded = [row for row in several if row["code"]]
        self.codes: Codes[M] = Codes(
            [
                (row["system"], row["code"], meaning(row))
                for row in coded
                if row["key"] and not row["key"].startswith("!")
            ],
            [(row["system"], row["code"], row["key"][1:]) for row in coded if row["key"].startswith("!")],
            key,
        )
        self.phrases: Phrases[M] = Phrases((row["display"], meaning(row)) for row in several if not row["code"])
        self._key = key

    def by_code(self, codings: Sequence[Coding]) -> list[M]:
        """What the codes mean, each once."""
        found: list[M] = []
        for uri, code, _ in codings:
            if code:
                found += (each for each in self.codes.of(uri, code) if each not in found)
        return found

    def by_text(self, codings: Sequence[Coding], text: str) -> list[M]:
        """What is asserted by the text, or failing that by the first display that says anything."""
        for said in _said(codings, text):
            if meant := self.phrases.asserted(said):
                return [each for each in meant if self._key(each)]
        return []

    def first_word(self, codings: Sequence[Coding], text: str) -> M | None:
        """The first phrase that stands in the text or a display, whatever is said about it."""
        for said in _said(codings, text):
            for each in self.phrases.find(words(fold(said))):
                return each.meanings[0] if self._key(each.meanings[0]) else None
        return None


class Terminology:
    """The packs' code tables, ready to be asked."""

    def __init__(self, tables: Mapping[str, Sequence[Row]]) -> None:
        """Build from table name (file stem) -> rows."""
        self._products = Products(tables)
        self._units = Units(tables.get("units", ()), tables.get("unit_conversions", ()), tables.get("plausible", ()))
        self._labs = ValueSet(tables.get("labs", ()), _lab, lambda match: match.key)
        self._conditions = ValueSet(tables.get("conditions", ()), _key, str)
        self._symptoms = ValueSet(tables.get("symptoms", ()), _symptom, lambda match: match.key)
        sites = tables.get("body_sites", ())
        self._sites = ValueSet((row for row in sites if row["kind"] == "site"), _key, str)
        self._sides = ValueSet((row for row in sites if row["kind"] == "side"), _key, str)
        self._timings = ValueSet((row for row in sites if row["kind"] == "timing"), _key, str)
        self._tests = ValueSet(tables.get("tests", ()), _key, str)
        self._reasons = ValueSet(tables.get("reasons", ()), _key, str)
        self._events = ValueSet(tables.get("events", ()), _key, str)
        self._routes = ValueSet(tables.get("routes", ()), _key, str)
        self._questions: dict[tuple[str, str], tuple[Question, ...]] = {}
        for row in tables.get("questionnaires", ()):
            asked = (row["questionnaire"], row["item"])
            self._questions[asked] = (*self._questions.get(asked, ()), _question(row))
        remember = lru_cache(maxsize=_REMEMBERED)
        self._product = remember(self._products.find)
        self._lab = remember(self._find_lab)
        self._problems = remember(self._find_problems)
        self._symptom_matches = remember(self._find_symptoms)
        self._body_site = remember(self._find_body_site)
        self._test = remember(self._find_test)
        self._reason_words = remember(self._find_reasons)
        self._event = remember(self._find_event)
        self._route = remember(self._find_route)

    @classmethod
    def from_tables(cls, tables: Mapping[str, Sequence[Row]]) -> Terminology:
        """Build from table name (file stem) -> rows; rows of several packs are simply concatenated."""
        return cls(tables)

    def product(self, codings: Sequence[Coding], text: str) -> Product | None:
        """Say what a medication is, or None when nothing is known of it.

        Its classes are those of product and form; `classes.classes` fits them to the order.
        """
        return self._product(tuple(codings), text)

    def lab(self, codings: Sequence[Coding], text: str) -> LabMatch | None:
        """Say which laboratory value, vital sign or measure a code stands for.

        Laboratory values are known by code alone, except slco1b1; words such as "urine" in the text exclude a result
        whatever its code says.
        """
        return self._lab(tuple(codings), text)

    def convert(self, key: str, value: float, unit: str, code: str, system: str) -> float | str:
        """Bring a value into the canonical unit of its key, or say why not: "unit" or "unit-conflict"."""
        return self._units.convert(key, value, unit, code, system)

    def converted(self, key: str, value: float, unit: str, wanted: str) -> float | str:
        """A value in another accepted unit of its key, or the reason word of `convert`."""
        return self._units.converted(key, value, unit, wanted)

    def measures(self, unit: str, code: str, system: str) -> bool:
        """Whether a number with this unit, or with none, could be a value of a key that is understood."""
        return self._units.measures(unit, code, system)

    def canonical_unit(self, key: str) -> str:
        """The unit `convert` yields for a key, "" where there is none."""
        return self._units.canonical(key)

    def plausible(self, key: str, value: float) -> bool:
        """Whether a living patient can have this value (canonical unit, clinical specification 4.2)."""
        return self._units.plausible(key, value)

    def problems(self, codings: Sequence[Coding], text: str) -> tuple[str, ...]:
        """Condition keys of 5.3; reviewed whole phrases of a text only when no code is usable (clinical specification 9.13)."""
        return self._problems(tuple(codings), text)

    def symptoms(self, codings: Sequence[Coding], text: str) -> tuple[SymptomMatch, ...]:
        """Symptoms and signs of 5.4 that a code or, without a usable one, a text names."""
        return self._symptom_matches(tuple(codings), text)

    def questions(self, questionnaire: str, item: str) -> tuple[Question, ...]:
        """What a site's mapping says of a question, by canonical address (without version) and linkId."""
        return self._questions.get((questionnaire, item), ())

    def body_site(self, codings: Sequence[Coding], text: str) -> tuple[str | None, str | None]:
        """(site, side) words of `Symptom`."""
        return self._body_site(tuple(codings), text)

    def test(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Order.test` word of an ordered test, None for an order that is not one of ours."""
        return self._test(tuple(codings), text)

    def reasons(self, codings: Sequence[Coding], text: str) -> frozenset[str]:
        """The `Medication.reasons` words a reason names and does not deny; {"other"} for a reason that is none of them."""
        return self._reason_words(tuple(codings), text)

    def event(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Event.key` of a procedure, encounter or service: dialysis, kidney-transplant, delivery."""
        return self._event(tuple(codings), text)

    def route(self, codings: Sequence[Coding], text: str) -> str | None:
        """The `Medication.route` word of a route or of a sig, None when it says nothing or several things."""
        return self._route(tuple(codings), text)

    # ---- the answers behind the caches

    def _find_lab(self, codings: tuple[Coding, ...], text: str) -> LabMatch | None:
        matches = self._labs.by_code(codings)
        if not matches:
            if any(system_name(uri) == LOINC for uri, _, _ in codings):
                return None  # a code that is not listed is another analyte or specimen, whatever its name says
            return next(
                (
                    each.meanings[0]
                    for said in _said(codings, text)
                    for each in self._labs.phrases.find(words(fold(said)))
                ),
                None,
            )
        match = next((each for each in matches if each.excluded), matches[0])
        if not match.excluded and match.key in _FROM_BLOOD:
            for said in _said(codings, text):
                if found := _NOT_BLOOD.find(words(fold(said))):
                    return replace(match, excluded=found[0].meanings[0])
        return match

    def _find_problems(self, codings: tuple[Coding, ...], text: str) -> tuple[str, ...]:
        keys = self._conditions.by_code(codings)
        if not keys:
            return tuple(self._conditions.by_text(codings, text))
        refinable = [key for key in keys if key in _REFINED or key in _ADDED]
        if refinable:
            told = self._conditions.by_text(codings, text)
            for key in refinable:
                if finer := [each for each in _REFINED.get(key, ()) if each in told]:
                    keys = [each for each in keys if each != key] + [each for each in finer if each not in keys]
                if _ADDED.get(key) in told:
                    keys += [each for each in (_ADDED[key],) if each not in keys]
        return tuple(keys)

    def _find_symptoms(self, codings: tuple[Coding, ...], text: str) -> tuple[SymptomMatch, ...]:
        coded = self._symptoms.by_code(codings)
        matches = coded or self._symptoms.by_text(codings, text)
        if not matches:
            return ()
        site, side = self._find_body_site((), text) if coded else self._first_site(codings, text)
        timing = next((each for said in _said(codings, text) if (each := self._timings.first_word((), said))), None)
        return tuple(_placed(each, site, side, timing) for each in matches)

    def _first_site(self, codings: tuple[Coding, ...], text: str) -> tuple[str | None, str | None]:
        found = [self._find_body_site((), said) for said in _said(codings, text)]
        return next((site for site, _ in found if site), None), next((side for _, side in found if side), None)

    def _find_body_site(self, codings: tuple[Coding, ...], text: str) -> tuple[str | None, str | None]:
        sites = self._sites.by_code(codings) or [
            each.meanings[0] for said in _said(codings, text) for each in self._sites.phrases.find(words(fold(said)))
        ]
        sides = self._sides.by_code(codings) or [
            each.meanings[0] for said in _said(codings, text) for each in self._sides.phrases.find(words(fold(said)))
        ]
        return _narrowest(sites), "bilateral" if {"left", "right"} <= set(sides) else next(iter(sides), None)

    def _find_test(self, codings: tuple[Coding, ...], text: str) -> str | None:
        if coded := self._tests.by_code(codings):
            return coded[0]
        return self._tests.first_word(codings, text)

    def _find_reasons(self, codings: tuple[Coding, ...], text: str) -> frozenset[str]:
        found = set(self._reasons.by_code(codings))
        for said in _said(codings, text):
            found |= {meaning for meaning in self._reasons.phrases.unless_denied(said) if meaning}
        if found:
            return frozenset(found)
        return frozenset({"other"} if text.strip() or codings else ())

    def _find_event(self, codings: tuple[Coding, ...], text: str) -> str | None:
        if coded := self._events.by_code(codings):
            return coded[0]
        told = self._events.by_text(codings, text)
        return told[0] if told else None

    def _find_route(self, codings: tuple[Coding, ...], text: str) -> str | None:
        if coded := self._routes.by_code(codings):
            return coded[0]
        for said in _said(codings, text):
            found = {each.meanings[0] for each in self._routes.phrases.find(words(fold(said)))}
            if len(found) > 1:
                found -= (
                    {"oral"}
                    if found - {"oral"} <= {"ophthalmic", "otic", "inhaled", "topical", "rectal", "nasal"}
                    else set()
                )
            if len(found) == 1:
                return found.pop()
            if found:
                return None
        return None


def _key(row: Row) -> str:
    return row["key"]


def _lab(row: Row) -> LabMatch:
    return LabMatch(row["key"], row.get("method") or "", row.get("excluded") or "")


def _symptom(row: Row) -> SymptomMatch:
    return SymptomMatch(
        row["key"], row["site"] or None, row["side"] or None, row["timing"] or None, row["muscle_specific"] == "yes"
    )


def _question(row: Row) -> Question:
    match = SymptomMatch(row["key"], row["site"] or None, row["side"] or None, row["timing"] or None)
    answer = row["answer"].strip()
    least = answer.removeprefix(">=") if answer.startswith(">=") else ""
    return Question(match, "" if least else answer, float(least) if least else None)


def _said(codings: Sequence[Coding], text: str) -> Iterator[str]:
    """The text, then the displays, without blanks and repetitions."""
    seen = {""}
    for each in (text, *(display for _, _, display in codings)):
        plain = each.strip()
        if plain not in seen:
            seen.add(plain)
            yield plain


def _narrowest(sites: Sequence[str]) -> str | None:
    """One site out of several words: a part of the trunk before a limb before "muscle" ("stomach muscle cramps")."""
    for wanted in (
        lambda site: site in _BROAD_CODE,
        lambda site: site not in ("muscle", "generalized", "leg"),
        lambda site: site != "muscle",
    ):
        if found := [site for site in sites if wanted(site)]:
            return found[0]
    return next(iter(sites), None)


def _placed(match: SymptomMatch, site: str | None, side: str | None, timing: str | None) -> SymptomMatch:
    where = match.site if match.site not in (None, "muscle", "leg") else site or match.site
    return replace(match, site=where, side=match.side or side, timing=match.timing or timing)
