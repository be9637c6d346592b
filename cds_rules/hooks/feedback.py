"""Feedback on cards, as CDS Hooks 2.0 has it and as Epic sends it (`overrideReasons` in place of `overrideReason`).

Each item is read by itself: one that cannot be read does not cost the others. Lenient on purpose: an offset other than UTC;
a reason without display, as a plain code, or in a list; an id of a card that is no uuid.
Flows in: the bytes of a body. Flows out: items, and the faults of those that are none. Floor: hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from cds_rules.hooks.request import BadRequest, Fault
from cds_rules.hooks.wire import WireError, plain
from cds_rules.vocabulary.frozen import Frozen

Outcome = Literal["accepted", "overridden"]
Dialect = Literal["overrideReason", "overrideReasons"]
LONGEST = 256
"""Characters of an id, a code, a system."""
LONGEST_COMMENT = 10_000
MOST = 1000
"""Items of one call."""


class Item(Frozen, frozen=True):
    """What became of one card. place: in the list, from 0. at: when, with its zone. suggestions: ids that were accepted."""

    place: int
    card: str
    outcome: Outcome
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason: str = ""
    reason_system: str = ""
    comment: str = ""


def read_feedback(body: bytes, dialect: Dialect = "overrideReason") -> tuple[tuple[Item, ...], tuple[Fault, ...]]:
    """Read a body: the items, and what is wrong with the others. dialect: the key that counts where both are there.

    Raises:
        BadRequest: it is not an object with a list of feedback.
    """
    try:
        sent = plain(body)
    except WireError as error:
        raise BadRequest((Fault("body", f"something that {error}", "a JSON object in UTF-8 belongs here"),)) from None
    if not isinstance(sent, dict):
        raise BadRequest((Fault("body", _kind(sent), 'an object with the list "feedback" belongs here'),))
    listed = sent.get("feedback")
    if not isinstance(listed, list) or not listed:
        raise BadRequest(
            (Fault("feedback", _kind(listed) if listed != [] else "an empty list", "a list of outcomes belongs here"),)
        )
    if len(listed) > MOST:
        raise BadRequest((Fault("feedback", f"{len(listed)} items", f"at most {MOST} belong into one call"),))
    items, faults = [], []
    for place, value in enumerate(listed):
        reading = _Reading(f"feedback[{place}]", dialect)
        item = reading.item(place, value)
        faults += reading.faults
        if item:
            items.append(item)
    return tuple(items), tuple(faults)


class _Reading:
    """One item and its faults."""

    def __init__(self, path: str, dialect: Dialect) -> None:
        self.path = path
        self._keys: tuple[Dialect, ...] = tuple(sorted(get_args(Dialect), key=lambda each: each != dialect))
        self.faults: list[Fault] = []

    def fault(self, field: str, found: str, belongs: str) -> None:
        self.faults.append(Fault(f"{self.path}.{field}" if field else self.path, found, belongs))

    def item(self, place: int, value: Any) -> Item | None:
        if not isinstance(value, dict):
            self.fault("", _kind(value), "an object with card, outcome and outcomeTimestamp belongs here")
            return None
        card = self.text(value, "card", "the uuid of a card is required here")
        outcome = self.text(value, "outcome", '"accepted" or "overridden" is required here')
        if outcome and outcome not in ("accepted", "overridden"):
            self.fault("outcome", "another word", '"accepted" or "overridden" belongs here')
        at = self.instant(value)
        suggestions = self.suggestions(value) if outcome == "accepted" else ()
        reason, system, comment = self.reason(value) if outcome == "overridden" else ("", "", "")
        if self.faults or at is None:
            return None
        return Item(place, card, cast(Outcome, outcome), at, suggestions, reason, system, comment)

    def text(self, value: Mapping[str, Any], field: str, belongs: str) -> str:
        found = value.get(field)
        if not isinstance(found, str) or not found.strip():
            self.fault(field, "an empty string" if isinstance(found, str) else _kind(found), belongs)
            return ""
        if len(found) > LONGEST:
            self.fault(field, f"{len(found)} characters", f"at most {LONGEST} belong here")
            return ""
        return found.strip()

    def instant(self, value: Mapping[str, Any]) -> datetime | None:
        belongs = "an RFC 3339 instant such as 2026-03-01T09:30:00Z is required here"
        said = self.text(value, "outcomeTimestamp", belongs).upper()
        if not said:
            return None
        try:
            at = datetime.fromisoformat(said)
            if at.tzinfo is None or len(said) < 11 or said[10] not in "T ":
                raise ValueError
            return at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fault("outcomeTimestamp", "something else", belongs)
            return None

    def suggestions(self, value: Mapping[str, Any]) -> tuple[str, ...]:
        belongs = "a list of {id} of the suggestions that were accepted is required here"
        found = value.get("acceptedSuggestions")
        if not isinstance(found, list) or not found:
            self.fault("acceptedSuggestions", "an empty list" if found == [] else _kind(found), belongs)
            return ()
        said = [each.get("id") if isinstance(each, dict) else None for each in found]
        ids = tuple(each for each in said if isinstance(each, str) and 0 < len(each) <= LONGEST)
        if len(ids) < len(found) or len(ids) > MOST:
            self.fault("acceptedSuggestions", "an entry without an id", belongs)
            return ()
        return ids

    def reason(self, value: Mapping[str, Any]) -> tuple[str, str, str]:
        """Code, system and comment, of whichever key holds them; a plain dismissal has none."""
        field = next((each for each in self._keys if value.get(each)), self._keys[0])
        found = value.get(field)
        if isinstance(found, list):
            found = found[0]
        if not found:
            return "", "", ""
        if isinstance(found, str):
            found = {"reason": {"code": found}}
        if not isinstance(found, dict):
            self.fault(field, _kind(found), "an object with reason and userComment belongs here")
            return "", "", ""
        coding = found.get("reason") or {}
        if not isinstance(coding, dict):
            coding = {"code": coding}
        said = [coding.get("code") or "", coding.get("system") or "", found.get("userComment") or ""]
        for name, text, most in zip(
            ("reason.code", "reason.system", "userComment"), said, (LONGEST, LONGEST, LONGEST_COMMENT), strict=True
        ):
            if not isinstance(text, str):
                self.fault(f"{field}.{name}", _kind(text), "a string belongs here")
            elif len(text) > most:
                self.fault(f"{field}.{name}", f"{len(text)} characters", f"at most {most} belong here")
        return cast(tuple[str, str, str], tuple(said))


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "nothing"}
    return words.get(type(value), "a number")
