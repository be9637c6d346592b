"""Languages: the words of cards beside English, read from files, and the choice among them.

    cds_rules/knowledge/languages/de.yaml            what Python says (vocabulary/wording.py)
    <pack>/languages/de/words.yaml                   name of the language, signs of numbers, the pack's own words
    <pack>/languages/de/rules/<rule-id>.yaml         title and texts of one rule

English stands where it is made: in the rule files and in Python. A folder below `languages/` declares a language.
Flows in: folders and what a client asks for. Flows out: `Language`, `Translation`, a tag.
Floor: knowledge. Reading is an edge of this floor and happens at start-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from cds_rules.knowledge.files import Reader, near, read_yaml
from cds_rules.knowledge.rules import CardText
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.frozen import Frozen, field
from cds_rules.vocabulary.quantities import DATED, JUST_NOW, Vague, aged, plain
from cds_rules.vocabulary.wording import NUMBER, Said, filled, places

ENGLISH = "en"
_OURS = Path(__file__).parent / "languages"
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
_DAY_PART = re.compile(r"%d[^%]*|[^%\w]*%d\Z")
_NUMBER = re.compile(r"(?<![\w.,])((?:[<>]=?\s?)?\d+)\.(\d+)(?![\w.,])")


class Language(Frozen, frozen=True):
    """How a language says what is said in English.

    tag: BCP 47. decimal: the decimal sign. day: strftime of a day. phrases: English pattern -> pattern. English itself has
    none: it says everything as it stands.
    """

    tag: str = ENGLISH
    name: str = "English"
    decimal: str = "."
    day_format: str = "%Y-%m-%d"
    phrases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def say(self, text: str) -> str:
        """A text of ours in this language, as a plain string; text of the record stays as it is."""
        if self.tag == ENGLISH or not isinstance(text, Said):
            return str(text)
        return filled(self.phrases.get(text.pattern, text.pattern), text.values, self._write)

    def number(self, value: float, decimals: int = 2) -> str:
        """A number without trailing zeros."""
        written = plain(value, decimals)
        return written if self.decimal == "." else written.replace(".", self.decimal)

    def charted(self, value: str) -> str:
        """A value as charted, its numbers with the decimal sign of this language."""
        return value if self.decimal == "." else _NUMBER.sub(rf"\1{self.decimal}\2", value)

    def ago(self, days: float) -> str:
        """How long ago something was; the date itself where it names no day."""
        if isinstance(days, Vague):
            return self.phrases.get(DATED, DATED).replace("{date}", self.written(days.written))
        count, unit = aged(days)
        return self._counted(count, _AGO[unit]) if count else self.phrases.get(JUST_NOW, JUST_NOW)

    def lasting(self, days: float) -> str:
        """For how long; where its beginning names no day, since when."""
        if isinstance(days, Vague):
            return self.phrases.get(SINCE, SINCE).replace("{date}", self.written(days.written))
        return self.phrases.get(LASTING, LASTING).replace("{span}", self.span(days))

    def span(self, days: float) -> str:
        """How long something lasts."""
        count, unit = aged(days)
        return self._counted(count, _SPAN[unit])

    def _counted(self, count: int, pattern: str) -> str:
        return self.phrases.get(pattern, pattern).replace("{count}", str(count))

    def written(self, date: str) -> str:
        """A date that is written as its month or year.

        >>> Language("de", "Deutsch", day_format="%d.%m.%Y").written("2026-05")
        '05.2026'
        """
        year, _, month = date.partition("-")
        if not month:
            return year
        return _DAY_PART.sub("", self.day_format).replace("%Y", year).replace("%m", month)

    def day(self, moment: datetime) -> str:
        """A date, with the time where there is one (noon stands for none)."""
        if (moment.hour, moment.minute, moment.second) == (12, 0, 0):
            return moment.astimezone(UTC).strftime(self.day_format)
        return moment.strftime(f"{self.day_format} %H:%M")

    def _write(self, value: object, mark: str) -> str:
        if isinstance(value, Said):
            return self.say(value)
        if isinstance(value, NUMBER):
            return self.ago(value) if mark == "ago" else self.number(value, int(mark or 2))
        if isinstance(value, datetime):
            return value.strftime(self.day_format)
        return self.charted(str(value)) if mark == "charted" else str(value)


class Translation(Frozen, frozen=True):
    """What a pack says in one language: words by their English, and titles and texts of rules by id."""

    tag: str
    name: str
    decimal: str
    day_format: str
    words: Mapping[str, str]
    titles: Mapping[str, str]
    texts: Mapping[str, CardText]


SINCE, LASTING = "since {date}", "for {span}"
_SPAN = {unit: f"{{count}} {unit}" for unit in ("min", "h", "d", "y")}
_AGO = {unit: f"{span} ago" for unit, span in _SPAN.items()}
AGES = (*_SPAN.values(), *_AGO.values(), DATED, SINCE, LASTING)
"""Patterns of ages and spans, as `phrases` holds them."""


def read_translations(folder: Path, rules: Iterable[str]) -> dict[str, Translation]:
    """Read the languages of a pack, by tag.

    Raises:
        PackError: with every mistake of every file.
    """
    known, mistakes, found = set(rules), list[Mistake](), {}
    for place in sorted(each for each in folder.glob("languages/*") if each.is_dir()):
        name = f"{folder.name}/languages/{place.name}"
        if not _TAG.match(place.name):
            mistakes.append(
                Mistake(name, "", "the folder's name is no language tag; one such as de or pt-BR belongs there")
            )
            continue
        wrong: list[Mistake] = []
        found[place.name] = _read_translation(place, name, known, wrong, lines=False)
        if wrong:  # again, so that mistakes name their lines
            wrong = []
            _read_translation(place, name, known, wrong, lines=True)
        mistakes += wrong
    if mistakes:
        raise PackError(tuple(mistakes))
    return found


def _read_translation(place: Path, name: str, known: set[str], mistakes: list[Mistake], *, lines: bool) -> Translation:
    head, reader = _read(place / "words.yaml", f"{name}/words.yaml", ("name", "decimal", "day", "words"), lines=lines)
    words = _phrases(reader, head.get("words", {}), "words")
    titles, texts = {}, {}
    for path in sorted(place.glob("rules/*.yaml")):
        where = f"{name}/rules/{path.name}"
        body, file = _read(path, where, ("title", "summary", "why", "consider"), ("found", "uncertain"), lines=lines)
        if path.stem not in known:
            file.wrong("", f"no rule has this id{near(path.stem, known)}")
        titles[path.stem] = file.text(body, "title", "")
        texts[path.stem] = card_text(file, body, "")
        mistakes += file.mistakes
    translation = Translation(
        place.name,
        reader.text(head, "name", ""),
        reader.text(head, "decimal", "", "."),
        reader.text(head, "day", "", "%Y-%m-%d"),
        words,
        titles,
        texts,
    )
    mistakes += reader.mistakes
    return translation


def card_text(reader: Reader, body: Mapping[str, object], where: str) -> CardText:
    """The texts of a card, in whatever language."""
    return CardText(
        summary=reader.text(body, "summary", where),
        found=reader.texts(body, "found", where),
        why=reader.text(body, "why", where),
        consider=reader.texts(body, "consider", where),
        uncertain=reader.texts(body, "uncertain", where),
    )


def _read(
    path: Path,
    name: str,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    *,
    lines: bool,
) -> tuple[Mapping[str, object], Reader]:
    document, syntax = read_yaml(path, name, lines)
    reader = Reader(name, syntax)
    unreadable = bool(syntax) and document is None
    return ({} if unreadable else reader.mapping(document, "", required, optional)), reader


def _phrases(reader: Reader, value: object, where: str) -> dict[str, str]:
    """Phrases by their English; what stands in braces must stand in both."""
    body, found = reader.mapping(value, where, open_keys=True), {}
    for english in body:
        found[english] = reader.text(body, english, where)
        if found[english] and places(english) != places(found[english]):
            belong = ", ".join(f"{{{each}}}" for each in sorted(places(english))) or "nothing in braces"
            reader.wrong(
                where,
                f'the translation of "{english}" does not hold the same values; {belong} belongs there',
                body,
                english,
            )
    return found


def read_languages(translations: Iterable[Mapping[str, Translation]]) -> dict[str, Language]:
    """English, and every language that a pack brings: our own words of it, then those of the packs.

    Raises:
        PackError: a file of ours does not fit.
    """
    found = {ENGLISH: Language()}
    for several in translations:
        for tag, one in several.items():
            before = found[tag].phrases if tag in found else _ours(tag)
            found[tag] = Language(tag, one.name, one.decimal, one.day_format, {**before, **one.words})
    return found


def _ours(tag: str) -> Mapping[str, str]:
    path = _OURS / f"{tag}.yaml"
    if not path.is_file():
        return {}
    name = f"knowledge/languages/{tag}.yaml"
    document, syntax = read_yaml(path, name, lines=False)
    reader = Reader(name, syntax)
    words = {} if syntax and document is None else _phrases(reader, document, "")
    if reader.mistakes:
        raise PackError(tuple(reader.mistakes))
    return words


def chosen(offered: Iterable[str], header: str | None, fixed: str | None = None) -> str:
    """The language of an answer: the one a client's profile fixes, else the best of its `Accept-Language`, else English.

    Ranges are looked up from the most to the least wanted; one with a region falls back to its language, as does ours:
    `de-AT` finds `de`. A tag of quality 0 is not chosen by `*`.

    Source:
        RFC 9110, 12.5.4; RFC 4647, 3.4 (lookup).

    >>> chosen(["en", "de"], "fr, de-AT;q=0.8, en;q=0.5"), chosen(["en", "de"], None), chosen(["en", "de"], "*", "de-CH")
    ('de', 'en', 'de')
    """
    known = {tag.lower(): tag for tag in offered}
    if fixed and (found := _lookup(fixed, known)):
        return found
    wanted, refused = _ranges(header or ""), set[str]()
    for quality, tag in wanted:
        if not quality:
            refused.add(tag)
    for quality, tag in wanted:
        if not quality:
            continue
        if tag == "*":
            if ENGLISH not in refused:
                return ENGLISH
            return next((known[each] for each in sorted(known) if each not in refused), ENGLISH)
        if found := _lookup(tag, known):
            return found
    return ENGLISH


def _ranges(header: str) -> list[tuple[float, str]]:
    """Quality and range, the most wanted first; what is not well-formed is left out."""
    found = []
    for part in header.split(","):
        tag, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for each in parameters:
            name, _, value = each.partition("=")
            if name.strip() == "q":
                quality = float(value) if re.fullmatch(r"\s*(0(\.\d{0,3})?|1(\.0{0,3})?)", value) else 0.0
        if re.fullmatch(r"\*|[a-z]{1,8}(-[a-z0-9]{1,8})*", tag):
            found.append((quality, tag))
    return sorted(found, key=lambda each: -each[0])


def _lookup(tag: str, known: Mapping[str, str]) -> str | None:
    parts = tag.lower().split("-")
    while parts:
        if (found := known.get("-".join(parts))) is not None:
            return found
        parts.pop()
        if parts and len(parts[-1]) == 1:
            parts.pop()
    return None
