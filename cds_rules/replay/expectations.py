"""Expected cards: small YAML or JSON files beside a set of patients, and how what came out differs from them.

One file a patient, named after the patient's file or id (`patient-7.yaml` for `patient-7.json.gz` or for Patient/patient-7);
or, where each case has a folder of its own, `cards.yaml` in it:

    at: 2026-06-15T14:30:00Z        # optional: only the evaluation at this instant; without it every one
    hook: patient-view              # optional: only this hook
    cards:                          # exactly these, in any order
      - {rule: mg-oral-severe-ckd, indicator: critical}
    others: false                   # optional: true allows further cards
    absent: [mg-total-dose]         # optional: never these

A card may also name `summary`, `detail`, `suggestions` (labels) and `overrides` (codes); what is named must be equal. Rule
ids may be written without hyphens. A file may hold a list of such expectations.
Flows in: a folder, then `Result`s. Flows out: `Difference`s. Floor: edge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cds_rules.cards.cards import FINDING
from cds_rules.knowledge.files import Reader, read_yaml
from cds_rules.replay.run import Result
from cds_rules.vocabulary.clock import parse_moment
from cds_rules.vocabulary.errors import Mistake, PackError

_ENDINGS = (".yaml", ".yml", ".json")
_CASE = "cards.yaml"
_CARD_KEYS = ("rule", "indicator", "summary", "detail", "suggestions", "overrides")
_INDICATORS = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Expected:
    """What one file (or one entry of it) expects."""

    file: str
    cards: tuple[Mapping[str, Any], ...]
    at: datetime | None = None
    hook: str | None = None
    others: bool = False
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which what came out is not what was expected."""

    name: str
    at: datetime | None
    rule: str
    expected: str
    found: str


@dataclass(slots=True)
class Expectations:
    """All expectations of a folder, and which of them were met with an evaluation."""

    held: dict[str, tuple[Expected, ...]]
    used: set[int] = field(default_factory=set)
    without: int = 0

    def check(self, result: Result) -> Iterator[Difference]:
        """Compare one evaluation with what is expected of it."""
        entries = self.held.get(result.name) or self.held.get(result.patient.rpartition("/")[2])
        if not entries:
            self.without += 1
            return
        for expected in entries:
            if expected.hook not in (None, result.hook) or (expected.at is not None and expected.at != result.at):
                continue
            self.used.add(id(expected))
            yield from _differences(expected, result)

    def unused(self) -> Iterator[Difference]:
        """Expectations that no evaluation met."""
        for entries in self.held.values():
            for expected in entries:
                if id(expected) not in self.used:
                    yield Difference(expected.file, expected.at, "", "an evaluation", "none at this instant and hook")


def read_expectations(folder: Path) -> Expectations:
    """Read every expectation of a folder: NAME/cards.yaml where there are such, else NAME.yaml, NAME.yml and NAME.json.

    Raises:
        PackError: with every mistake of every file.
    """
    held: dict[str, tuple[Expected, ...]] = {}
    mistakes: list[Mistake] = []
    cases = sorted(folder.glob(f"*/{_CASE}"))
    for path in cases or sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS):
        file = str(path.relative_to(folder))
        body, syntax = read_yaml(path, file)
        if syntax and body is None:
            mistakes += syntax
            continue
        reader = Reader(file, syntax)
        entries = body if isinstance(body, list) else [body]
        held[path.parent.name if cases else path.stem] = tuple(
            _expected(reader, entry, f"[{place}]" if isinstance(body, list) else "")
            for place, entry in enumerate(entries)
        )
        mistakes += reader.mistakes
    if mistakes:
        raise PackError(tuple(mistakes))
    return Expectations(held)


def _expected(reader: Reader, body: object, where: str) -> Expected:
    told = reader.mapping(body, where, required=("cards",), optional=("at", "hook", "others", "absent", "title"))
    cards = []
    for card, place in reader.items(told, "cards", where):
        if isinstance(card, str):
            card = {"rule": card}
        named = reader.mapping(card, place, required=("rule",), optional=_CARD_KEYS[1:])
        if named.get("indicator", "info") not in _INDICATORS:
            reader.wrong(
                f"{place}.indicator", f"found {named['indicator']}; one of {', '.join(_INDICATORS)} belongs here"
            )
        cards.append({key: _plain(value) for key, value in named.items()})
    at = told.get("at")
    moment = at if isinstance(at, datetime) else parse_moment(str(at)) if at is not None else None
    if at is not None and moment is None:
        reader.wrong(f"{where}.at".lstrip("."), "an instant such as 2026-06-15T14:30:00Z belongs here")
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    absent = tuple(str(rule) for rule, _ in reader.items(told, "absent", where))
    return Expected(reader.path, tuple(cards), moment, told.get("hook"), bool(told.get("others", False)), absent)


def _plain(value: object) -> object:
    return [str(each) for each in value] if isinstance(value, list) else str(value)


def _differences(expected: Expected, result: Result) -> Iterator[Difference]:
    found = {_key(card["extension"][FINDING]["rule"]): card for card in result.cards}
    named = set()
    for wanted in expected.cards:
        rule = str(wanted["rule"])
        named.add(_key(rule))
        card = found.get(_key(rule))
        if card is None:
            yield Difference(
                result.name, result.at, rule, str(wanted.get("indicator", "a card")), _why_not(rule, result)
            )
            continue
        shown = _shown(card)
        for key in _CARD_KEYS[1:]:
            if key in wanted and _loose(wanted[key]) != _loose(shown[key]):
                yield Difference(result.name, result.at, rule, f"{key}: {wanted[key]}", f"{key}: {shown[key]}")
    for key, card in found.items():
        rule, level = card["extension"][FINDING]["rule"], card["indicator"]
        if key in map(_key, expected.absent) or (key not in named and not expected.others):
            yield Difference(result.name, result.at, rule, "no card", level)


def _shown(card: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "indicator": card["indicator"],
        "summary": card["summary"],
        "detail": card.get("detail", ""),
        "suggestions": [each["label"] for each in card.get("suggestions", ())],
        "overrides": [each["code"] for each in card.get("overrideReasons", ())],
    }


def _why_not(rule: str, result: Result) -> str:
    because = next((reasons for name, reasons in result.not_judged.items() if _key(name) == _key(rule)), None)
    return "no card" if because is None else f"not judged: {'; '.join(because)}"


def _key(rule: str) -> str:
    return rule.replace("-", "")


def _loose(value: object) -> object:
    return value.strip() if isinstance(value, str) else value
