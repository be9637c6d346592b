"""A review set out of a replay run: a random sample, stratified by rule and by what became of it, silences among them.

Of every rule each evaluation of a run is in one stratum: an alert, suppressed, not judged, or silent. From each stratum some
are drawn (reservoir sampling, Vitter's algorithm R, so that a run of any length is read line by line), and an item stands for
as many as its stratum had to each that was drawn. The seed is kept: the same run and seed give the same set.
Flows in: the lines of `cds-rules replay --json FILE --calls`; or, by `Draw`, decisions of the store. Flows out: items and
strata. Floor: edge (review).

    Source: Vitter JS, ACM Trans Math Softw 1985;11:37-57. doi:10.1145/3147.3165
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import IO, Any

from cds_rules.cards.cards import FINDING
from cds_rules.store.packing import unpacked
from cds_rules.store.reviews import STRATA, Drawn, NewItem, Stratum
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.facts import HOOKS

_SILENCES: dict[str, Stratum] = {"suppressed": "suppressed", "not-judged": "not-judged"}
_WORD = re.compile(r"[a-z0-9.-]{1,32}|[a-z0-9-]{1,128}")
"""Ids of rules and versions."""
_FINGERPRINT = re.compile(r"[0-9a-z]{0,64}")
_LEVELS = frozenset({"", "info", "warning", "critical"})


@dataclass(frozen=True, slots=True)
class Wish:
    """How much to draw: alerts of each rule, silences of each rule and stratum. rules: only these; (): those with an alert."""

    alerts: int = 20
    silences: int = 10
    rules: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was drawn, in the order it is to be read in, which is random. fingerprint: of the rules it was judged with."""

    items: tuple[NewItem, ...]
    strata: tuple[Drawn, ...]
    fingerprint: str


@dataclass(slots=True)
class _Reservoir:
    """A stratum of a rule: the places of what was drawn, and how many there were."""

    most: int
    random: Random
    seen: int = 0
    places: list[int] = field(default_factory=list)

    def offer(self, place: int) -> None:
        self.seen += 1
        if len(self.places) < self.most:
            self.places.append(place)
        elif (at := self.random.randrange(self.seen)) < self.most:
            self.places[at] = place


Key = tuple[str, Stratum]
"""A rule, and what became of it."""
Line = Mapping[str, Any]
"""An evaluation as a replay writes it."""


class Draw:
    """Evaluations are offered one after another, each at a place; a few places of each stratum stay."""

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._reservoirs: dict[Key, _Reservoir] = {}

    def offer(self, place: int, strata: Iterable[Key]) -> None:
        """One evaluation. strata: of each rule in it."""
        for key in strata:
            rule, stratum = key
            if self._wish.rules and rule not in self._wish.rules:
                continue
            if key not in self._reservoirs:
                most = self._wish.alerts if stratum == "alert" else self._wish.silences
                self._reservoirs[key] = _Reservoir(most, Random(f"{self._wish.seed} {rule} {stratum}"))
            self._reservoirs[key].offer(place)

    def sample(self, fingerprint: str, read: Callable[[int], Line | None], recorded: bool) -> Sample:
        """The set. read: what stands at a place, None where it is gone. recorded: cards are alerts of the store.

        Raises:
            BadInput: there is nothing to draw.
        """
        chosen = self._chosen()
        places: dict[int, list[Key]] = {}
        for key, each in sorted(chosen.items()):
            for place in each.places:
                places.setdefault(place, []).append(key)
        found: dict[Key, list[NewItem]] = {key: [] for key in sorted(chosen)}
        for place in sorted(places):
            if line := read(place):
                for key in places[place]:
                    found[key].append(_item(line, *key, recorded))
        items = [replace(each, weight=chosen[key].seen / len(own)) for key, own in found.items() for each in own]
        Random(f"{self._wish.seed} order").shuffle(items)
        strata = tuple(
            Drawn(*key, chosen[key].seen, len(found[key]))
            for key in sorted(chosen, key=lambda key: (key[0], STRATA.index(key[1])))
        )
        return Sample(tuple(items), strata, fingerprint)

    def _chosen(self) -> Mapping[Key, _Reservoir]:
        if not self._reservoirs:
            raise BadInput("there is no evaluation of these rules in it; the output of a replay belongs here")
        spoken = self._wish.rules or {rule for rule, stratum in self._reservoirs if stratum == "alert"}
        if chosen := {key: each for key, each in self._reservoirs.items() if key[0] in spoken}:
            return chosen
        raise BadInput("no rule spoke in it; name the rules whose silences are to be read")


def sample(run: IO[bytes], wish: Wish) -> Sample:
    """Draw a set from a run, which is read twice.

    Raises:
        BadInput: where, what was found and what belongs there; never what a line holds.
    """
    drawing = Draw(wish)
    fingerprints: set[str] = set()
    for number, place, line in lines(run):
        fingerprints.add(_fingerprint(line, number))
        drawing.offer(place, _strata(line, number))
    if len(fingerprints) > 1:
        raise BadInput("it was judged with different rules; the output of one replay belongs here")

    def read(place: int) -> Line:
        run.seek(place)
        line: Line = json.loads(run.readline())
        try:
            _check_call(line["call"], line["hook"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadInput(
                "what was judged in it cannot be read; replay again with --calls", f"line at byte {place}"
            ) from None
        return line

    return drawing.sample("".join(fingerprints), read, recorded=False)


def lines(run: IO[bytes]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Number, place and content of every line of a run.

    Raises:
        BadInput: a line is no result of a replay with --calls.
    """
    run.seek(0)
    number, place = 0, 0
    while line := run.readline():
        number += 1
        if line.strip():
            yield number, place, _read(line, number)
        place = run.tell()


def _read(line: bytes, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("cards"), list):
        raise BadInput(
            "is no result of a replay; the file of `cds-rules replay --json FILE --calls` belongs here",
            f"line {number}",
        )
    if not isinstance(found.get("call"), dict) or not isinstance(found.get("outcomes"), dict):
        raise BadInput("does not hold what was judged; replay again with --calls", f"line {number}")
    return found


def _fingerprint(line: dict[str, Any], number: int) -> str:
    found = line.get("fingerprint", "")
    if not isinstance(found, str) or not _FINGERPRINT.fullmatch(found):
        raise BadInput("does not say with which rules it was judged", f"line {number}")
    return found


def _strata(line: dict[str, Any], number: int) -> Iterator[tuple[str, Stratum]]:
    """The stratum of each rule in an evaluation; nothing but our own words goes on from here into columns and exports."""
    try:
        found = [card["extension"][FINDING] for card in line["cards"]]
        spoken = {each["rule"] for each in found}
        words = [*line["outcomes"], *spoken, *(each["version"] for each in found)]
        levels = {level for _, level in line["outcomes"].values()}
        "".join(_texts_of(line["cards"])).encode()
        if line["hook"] not in HOOKS or not all(map(_WORD.fullmatch, words)) or not levels <= _LEVELS:
            raise ValueError
        for rule, (state, _) in line["outcomes"].items():
            yield rule, "alert" if rule in spoken else silence(state)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput("a card or an outcome in it is not one of ours", f"line {number}") from None


def silence(state: str) -> Stratum:
    """The stratum of a rule that showed no card."""
    return _SILENCES.get(state, "silent")


def _texts_of(cards: list[dict[str, Any]]) -> Iterator[str]:
    """What is shown of cards, which has to be there and to be text; a link leads to a page."""
    for card in cards:
        yield card["summary"]
        yield card.get("detail", "")
        yield from (card["source"]["label"], card["source"]["topic"]["display"])
        yield from (each["label"] for each in card.get("suggestions", ()))
        yield from (each["display"] for each in card.get("overrideReasons", ()))
        for link in card.get("links", ()):
            if not link["url"].startswith(("https://", "http://")):
                raise ValueError
            yield from (link["url"], link["label"])
        if not card["indicator"] or card["indicator"] not in _LEVELS:
            raise ValueError


def _check_call(said: dict[str, Any], hook: str) -> None:
    """Raise where a call is not one that we judge."""
    made = unpacked(json.dumps(said).encode())
    texts = made.patient_id or "", made.hook_instance or "", made.language or "", *made.missing, *made.missing.values()
    "".join(texts).encode()
    if made.hook != hook or made.at.utcoffset() is None or not 1900 <= made.at.year < 2200:
        raise ValueError


def _item(line: Line, rule: str, stratum: Stratum, recorded: bool) -> NewItem:
    """An item that stands for itself alone."""
    card = next((each for each in line["cards"] if each["extension"][FINDING]["rule"] == rule), None)
    call, (_, level) = line["call"], line["outcomes"][rule]
    content = {"call": call, "card": card, "cards": _others(line, rule)}
    return NewItem(
        rule=rule,
        version=card["extension"][FINDING]["version"] if card else "",
        stratum=stratum,
        level=level if stratum in ("alert", "suppressed") else "",
        hook=line["hook"],
        weight=1.0,
        content=json.dumps(content, separators=(",", ":")).encode(),
        patient=str(call.get("patient_id") or ""),
        card=card["uuid"] if card and recorded else "",
    )


def _others(line: Line, rule: str) -> list[str]:
    """Rules whose cards were shown beside it."""
    spoken = [str(each["extension"][FINDING]["rule"]) for each in line["cards"]]
    return [each for each in spoken if each != rule]
