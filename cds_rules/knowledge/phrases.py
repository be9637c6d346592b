"""Words and phrases of free text: whole words only, the longest phrase first, and who a statement is about.

A text is folded (accents, case, micro signs) and cut into words; a phrase is a run of whole words, so nothing is ever found
inside another word. Flows in: texts of the record and phrases of the value sets. Flows out: matches.
Floor: knowledge.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from cds_rules.vocabulary.frozen import Frozen

P = TypeVar("P")

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[a-z][a-z0-9]*")
_WORD_OR_BREAK = re.compile(r"\d+(?:[.,]\d+)*|[a-z][a-z0-9]*|[/,;+&]")
_SENTENCE = re.compile(r"[.;!\n](?:\s|\Z)|\bbut\b")

_BEFORE = (
    "no", "not", "denies", "denied", "deny", "denying", "without", "never", "negative for", "rule out", "ruled out", "r o",
    "exclude", "excluded", "family history", "family hx", "fh", "fhx", "history of", "hx of", "h o", "hx", "past history",
    "possible", "possibly", "probable", "probably", "suspected", "suspicion", "suspect", "suspicious for", "questionable",
    "maybe", "query", "risk of", "risk for", "at risk", "screening for", "screen for", "screening", "prevention of", "prophylaxis of",
    "prophylaxis for", "evaluate for", "evaluation for", "concern for", "concerning for", "previous", "prior", "former", "mother",
    "father", "brother", "sister", "parent", "sibling", "relative", "resolved", "likely", "presumed", "borderline", "free of",
    "absence of", "kein", "keine", "verdacht auf", "v a", "ausschluss", "zustand nach", "z n", "familienanamnese", "unlikely",
    "awaiting", "vaccination against", "fear of", "counseling", "education", "if", "in case of",
)  # fmt: skip
_AFTER = (
    "ruled out", "unlikely", "in remission", "resolved", "excluded", "screening", "risk", "prophylaxis", "denied", "absent",
    "not present", "negative", "not confirmed", "suspected", "possible", "questionable", "in mother", "in father", "history of",
    "hx of", "family history", "in family", "education", "counseling", "vaccination", "prevention", "evaluation",
)  # fmt: skip


_LOOKS_LIKE = {"\u03bc": "u", "\u2019": "'"}


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """Fold case, accents and look-alike signs; the micro sign becomes u.

    >>> fold("Magnésium 50 µg, FUSS / Fuß")
    'magnesium 50 ug, fuss / fuss'
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(_LOOKS_LIKE.get(each, each) for each in plain if not unicodedata.combining(each))


def words(text: str) -> tuple[str, ...]:
    """The words of a folded text, punctuation left out.

    >>> words("leg-cramps, stage 3a (both legs)")
    ('leg', 'cramps', 'stage', '3', 'a', 'both', 'legs')
    """
    return tuple(_WORD.findall(text))


class Found(Frozen, Generic[P], frozen=True):
    """A phrase at words[start:end]."""

    start: int
    end: int
    meanings: tuple[P, ...]


class Phrases(Generic[P]):
    """Phrases with what they mean, looked up from left to right, the longest first; found phrases do not overlap."""

    def __init__(self, entries: Iterable[tuple[str, P]], breaks: bool = False) -> None:
        """Take (phrase, meaning) pairs; with breaks, signs such as "/" and "," are words of their own and end a phrase."""
        self._pattern = _WORD_OR_BREAK if breaks else _WORD
        known: dict[tuple[str, ...], list[P]] = {}
        for phrase, meaning in entries:
            run = tuple(self._pattern.findall(fold(phrase)))
            if run:
                known.setdefault(run, []).append(meaning)
        self._by_first: dict[str, list[tuple[tuple[str, ...], tuple[P, ...]]]] = {}
        for run in sorted(known, key=len, reverse=True):
            self._by_first.setdefault(run[0], []).append((run, tuple(known[run])))

    def find(self, said: Sequence[str]) -> list[Found[P]]:
        """The phrases in a run of words."""
        found: list[Found[P]] = []
        place, size = 0, len(said)
        while place < size:
            for run, meanings in self._by_first.get(said[place], ()):
                end = place + len(run)
                if end <= size and tuple(said[place:end]) == run:
                    found.append(Found(place, end, meanings))
                    place = end - 1
                    break
            place += 1
        return found

    def spans(self, folded: str) -> list[tuple[int, int, tuple[P, ...]]]:
        """The phrases in a folded text, by the places of their characters."""
        marks = [(match.group(), match.start(), match.end()) for match in self._pattern.finditer(folded)]
        return [
            (marks[each.start][1], marks[each.end - 1][2], each.meanings)
            for each in self.find([mark[0] for mark in marks])
        ]

    def unless_denied(self, text: str) -> list[P]:
        """What a text names without denying it; unlike `asserted` it takes what is doubted, feared or remembered.

        >>> reasons = Phrases([("constipation", "constipation"), ("leg cramps", "cramps")])
        >>> reasons.unless_denied("denies constipation; leg cramps"), reasons.unless_denied("no relief of leg cramps")
        (['cramps'], ['cramps'])
        """
        meant: list[P] = []
        for sentence in _SENTENCE.split(fold(text)):
            said = words(sentence)
            for each in self.find(said):
                before = _DENIALS_BEFORE.find(said[: each.start])
                if not (before and before[-1].meanings[0]) and not _DENIALS_AFTER.find(said[each.end :]):
                    meant += (meaning for meaning in each.meanings if meaning not in meant)
        return meant

    def asserted(self, text: str) -> list[P]:
        """What a statement about a patient says, without what it negates, doubts, remembers or says of the family.

        >>> Phrases([("leg cramps", "cramp")]).asserted("Denies leg cramps"), Phrases([("gout", 1)]).asserted("Gout, left foot")
        ([], [1])
        """
        if "?" in text:
            return []
        meant: list[P] = []
        for sentence in _SENTENCE.split(fold(text)):
            said = words(sentence)
            for each in self.find(said):
                if not (_GUARDS_BEFORE.find(said[: each.start]) or _GUARDS_AFTER.find(said[each.end :])):
                    meant += (meaning for meaning in each.meanings if meaning not in meant)
        return meant


_DENIALS_BEFORE = Phrases(
    [
        (denial, True)
        for denial in (
            "no",
            "not for",
            "not due to",
            "not because of",
            "denies",
            "denied",
            "deny",
            "denying",
            "without",
            "never",
            "negative for",
            "ruled out",
            "rule out",
            "absence of",
            "free of",
            "kein",
            "keine",
            "ausschluss",
        )
    ]
    + [
        (spared, False)
        for spared in ("no relief", "no improvement", "no response", "no longer relieved", "no help", "no better")
    ]
)
"""Words that deny what follows them, and the longer ones that only seem to."""
_DENIALS_AFTER = Phrases(
    [(denial, True) for denial in ("ruled out", "excluded", "denied", "absent", "not present", "negative")]
)
_GUARDS_BEFORE = Phrases([(guard, True) for guard in _BEFORE])
_GUARDS_AFTER = Phrases([(guard, True) for guard in _AFTER])
