"""Reading the files people write: YAML 1.2, strict, every mistake of a file at once.

The only door to ruamel.yaml. `Reader` walks a parsed document and collects `Mistake`s with path, line, key path, what was
found, what belongs there and the nearest word for a typo; callers ask for what they need and go on with a stand-in.
Floor: knowledge. Opening files is an edge: `read_yaml` is called at start-up and by commands, never while judging.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, __version__
from ruamel.yaml.constructor import BaseConstructor, RoundTripConstructor, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from cds_rules.knowledge.parsed import keep, recall
from cds_rules.vocabulary.errors import Mistake

_PARSER = f"ruamel.yaml {__version__}, YAML 1.2"


def read_yaml(path: Path, name: str, lines: bool = True) -> tuple[object, tuple[Mistake, ...]]:
    """Parse one file. Returns the document (None when it cannot be parsed) and the mistakes of its syntax.

    A key that stands twice is a mistake, and the first one counts, so that the rest of the file is read all the same.

    Args:
        lines: remember the line of each key, for messages; a file that is fine is read twice as fast without, and at once
            when it was read before (knowledge/parsed.py).
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return None, (Mistake(name, "", f"cannot be read as UTF-8 text ({type(error).__name__})"),)
    if not lines and (kept := recall(path, raw, _PARSER)) is not None:
        return kept, ()
    yaml = YAML(typ="rt" if lines else "safe", pure=True)
    yaml.version = (1, 2)
    yaml.Constructor = _RoundTrip if lines else _Plain
    try:
        document = yaml.load(text)
    except MarkedYAMLError as error:
        return None, (Mistake(name, "", f"not valid YAML: {_first_line(error.problem)}", _line(error)),)
    except (YAMLError, ValueError) as error:
        return None, (Mistake(name, "", f"not valid YAML: {_first_line(str(error))}"),)
    twice = tuple(Mistake(name, "", f"the key {shown(key)} stands twice", line) for key, line in yaml.constructor.twice)
    if not lines and not twice:
        keep(path, raw, _PARSER, document)
    return document, twice


class _Twice(BaseConstructor):
    """Remembers keys that stand twice, with their lines; the first one counts."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.twice: list[tuple[object, int]] = []

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """Tell whether a key is the first of its name."""
        if key in mapping:
            self.twice.append((key, key_node.start_mark.line + 1))
            return False
        return True


class _RoundTrip(_Twice, RoundTripConstructor):
    """Keeps the line of each key."""


class _Plain(_Twice, SafeConstructor):
    """Plain values."""


def _line(error: MarkedYAMLError) -> int:
    return error.problem_mark.line + 1 if error.problem_mark else 0


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0] if text else "no further reason given"


def near(word: str, words: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or the whole choice when it is short.

    >>> near("magnesum", ["magnesium", "kidney"])
    '; did you mean "magnesium"?'
    >>> near("zzz", ["a", "b"])
    '; one of a, b belongs here'
    """
    known = sorted(set(words))
    if close := difflib.get_close_matches(word, known, 1, 0.6):
        return f'; did you mean "{close[0]}"?'
    return f"; one of {', '.join(known)} belongs here" if 0 < len(known) <= 24 else ""


def shown(value: object) -> str:
    """A found value in a message: short, and in the words of YAML.

    >>> shown(True), shown("x"), shown(None), shown([1])
    ('true', '"x"', 'nothing', 'a list')
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
    return str(value)


class Reader:
    """Reads values out of one parsed document and remembers every mistake, those of its syntax first."""

    def __init__(self, path: str, syntax: Sequence[Mistake] = ()) -> None:
        self.path = path
        self.mistakes: list[Mistake] = [*syntax]

    def wrong(self, where: str, message: str, at: object = None, key: object = None) -> None:
        """Note a mistake; `at` is the YAML collection it stands in and `key` its key or index there, for the line."""
        self.mistakes.append(Mistake(self.path, where, message, _line_of(at, key)))

    def mapping(
        self,
        value: object,
        where: str,
        required: Sequence[str] = (),
        optional: Sequence[str] = (),
        open_keys: bool = False,
    ) -> Mapping[str, Any]:
        """A mapping with these keys and, unless `open_keys`, no others."""
        if not isinstance(value, Mapping):
            self.wrong(where, f"found {shown(value)}; a mapping belongs here")
            return {}
        for key in value:
            if not isinstance(key, str):
                self.wrong(where, f"the key {shown(key)} is not text", value, key)
            elif not open_keys and key not in required and key not in optional:
                self.wrong(_join(where, key), f'unknown key "{key}"{near(key, [*required, *optional])}', value, key)
        for key in required:
            if key not in value:
                self.wrong(_join(where, key), "is missing", value)
        return value

    def items(self, holder: Mapping[str, Any], key: str, where: str, least: int = 0) -> Iterator[tuple[Any, str]]:
        """The entries of a list with their key paths; nothing when it is absent."""
        if key not in holder:
            return
        value, place = holder[key], _join(where, key)
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.wrong(place, f"found {shown(value)}; a list belongs here", holder, key)
            return
        if len(value) < least:
            self.wrong(place, f"holds {len(value)} entries; at least {least} belong here", holder, key)
        for number, item in enumerate(value):
            yield item, f"{place}[{number}]"

    def text(self, holder: Mapping[str, Any], key: str, where: str, default: str = "") -> str:
        """A text that is not empty."""
        if key not in holder:
            return default
        value = holder[key]
        if not isinstance(value, str) or not value.strip():
            self.wrong(_join(where, key), f"found {shown(value)}; text belongs here", holder, key)
            return default
        return str(value)

    def texts(self, holder: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        """A list of texts."""
        found = []
        for item, place in self.items(holder, key, where):
            if isinstance(item, str) and item.strip():
                found.append(str(item))
            else:
                self.wrong(place, f"found {shown(item)}; text belongs here", holder, key)
        return tuple(found)

    def word(self, holder: Mapping[str, Any], key: str, where: str, words: Sequence[str], default: str) -> str:
        """One of a fixed list of words."""
        value = holder.get(key, default)
        if value in words:
            return str(value)
        self.wrong(_join(where, key), f"found {shown(value)}{near(str(value), words)}", holder, key)
        return default

    def words(self, holder: Mapping[str, Any], key: str, where: str, known: Iterable[str]) -> tuple[str, ...]:
        """A list of words from a fixed list, none twice."""
        choice, found = set(known), []
        for item in self.texts(holder, key, where):
            if item not in choice:
                self.wrong(_join(where, key), f'unknown word "{item}"{near(item, choice)}', holder, key)
            elif item in found:
                self.wrong(_join(where, key), f'"{item}" stands twice', holder, key)
            else:
                found.append(item)
        return tuple(found)

    def number(self, holder: Mapping[str, Any], key: str, where: str, default: float = 0.0) -> float:
        """A finite number."""
        value = holder.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) > 1e12:
            self.wrong(_join(where, key), f"found {shown(value)}; a number belongs here", holder, key)
            return default
        return float(value)

    def flag(self, holder: Mapping[str, Any], key: str, where: str) -> bool:
        """true or false; false when absent."""
        value = holder.get(key, False)
        if not isinstance(value, bool):
            self.wrong(_join(where, key), f"found {shown(value)}; true or false belongs here", holder, key)
            return False
        return value

    def day(self, holder: Mapping[str, Any], key: str, where: str) -> date:
        """A date as YYYY-MM-DD."""
        value = holder.get(key)
        if isinstance(value, date):
            return date(value.year, value.month, value.day)
        if key in holder:
            self.wrong(_join(where, key), f"found {shown(value)}; a date such as 2026-11-23 belongs here", holder, key)
        return date.min


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _line_of(at: object, key: object) -> int:
    marks = getattr(at, "lc", None)
    if marks is None:
        return 0
    try:
        line = marks.data[key][0] if key is not None else marks.line
    except (KeyError, TypeError, IndexError):
        line = marks.line
    return int(line) + 1 if line is not None else 0
