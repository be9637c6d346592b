"""What would have to differ, how certain a card is and what an order adds, in a clinician's words.

At most three lines stand on a card: what can be done or checked, whether a repeat of a test could turn it, and what the
draft has to do with it. Everything a sentence is made of goes through the catalogue of texts.
Flows in: answers of an `Inquiry`. Flows out: sentences. Floor: cards.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from cds_rules.engine.borderline import Borderline
from cds_rules.engine.changes import (
    Change,
    Dose,
    Filtration,
    Measured,
    Ordered,
    Recorded,
    Reported,
    Since,
    Taken,
    Value,
    Without,
)
from cds_rules.engine.counterfactuals import Counterfactual
from cds_rules.engine.inquiry import Added, Inquiry
from cds_rules.engine.judging import Finding
from cds_rules.engine.levers import worsens
from cds_rules.knowledge.rules import ANY_CITED, SEVERITY
from cds_rules.vocabulary.asked import called
from cds_rules.vocabulary.wording import Said, joined, said, word

MOST_WAYS = 3
"""Counterfactuals that one line names."""
_OF_A_CHART = (Dose, Without, Ordered)
"""Changes that a card names: what can be done, measured or corrected; an illness that would excuse it is not advice."""
_TAKING_AWAY = ("stop", "delete", "revise")
NAMES = {
    "egfr_reported": said("eGFR"),
    "mg-iv": said("intravenous magnesium"),
    "mg-oral-supplement": said("magnesium supplement"),
    "mg-laxative": said("magnesium laxative"),
    "mg-bowel-prep": said("magnesium bowel preparation"),
    "mg-enema": said("magnesium enema"),
}
"""What a change calls otherwise than a card calls it."""

UNITS = {"mL/min/{1.73_m2}": "mL/min/1.73 m²", "mm[Hg]": "mmHg"}
"""UCUM -> as it is written for people."""


def named(key: str) -> Said:
    """A key of the record as a clinician says it.

    >>> named("ionized_calcium"), named("ck")
    ('ionized calcium', 'CK')
    """
    return NAMES.get(key) or called(key)


def change_words(change: Change) -> Said:
    """One change, to stand after "if".

    >>> change_words(Filtration("at least", 30.0, 24.0, ()))
    'eGFR were at least 30 (is 24)'
    """
    match change:
        case Filtration(bound, value, was):
            return _bounded(bound, said("eGFR"), value, "", was, 0)
        case Value(key, _, bound, value, unit, was):
            return _bounded(bound, named(key), value, UNITS.get(unit, unit), was)
        case Measured(key, bound, value, ucum):
            what, unit = named(key), UNITS.get(ucum, ucum)
            if bound == "at least":
                return said("a new {what} were at least {value} {unit}", what=what, value=value, unit=unit)
            if bound == "at most":
                return said("a new {what} were at most {value} {unit}", what=what, value=value, unit=unit)
            return said("a new {what} were in range (such as {value} {unit})", what=what, value=value, unit=unit)
        case Dose(_, label, of, bound, value, was):
            what = said("magnesium of {product}", product=label) if of == "magnesium" else said("{drug} a day", drug=of)
            return _bounded(bound, what, value, said("mg a day") if of == "magnesium" else "mg", was, 0)
        case Without(_, label, "draft"):
            return said("{drug} were not ordered", drug=label)
        case Without(_, label, "drug"):
            return said("{drug} were not taken", drug=label)
        case Without(_, label):
            return said('"{entry}" were not on the record', entry=label)
        case Since(_, label, days):
            return said("{drug} were taken for at least {days:0} days", drug=label, days=days)
        case Taken(klass, ingredient, state, days, mg):
            what = named(klass) if ingredient in (klass, "magnesium") else said("{drug}", drug=ingredient)
            amount = said("{drug} of {mg:0} mg a day", drug=what, mg=mg) if mg is not None else what
            if state == "draft":
                return said("{drug} were ordered", drug=amount)
            if state == "stopped":
                return said("{drug} had just been stopped", drug=amount)
            return (
                said("{drug} were taken for {days:0} days", drug=amount, days=days)
                if days
                else said("{drug} were taken", drug=amount)
            )
        case Recorded(key):
            return said("{condition} were on the problem list", condition=named(key))
        case Reported(key):
            return said("{symptom} were reported", symptom=word(key))
        case Ordered(test):
            return said("{test} were already ordered", test=word(test))


def _bounded(bound: str, what: Said, value: float, unit: str, was: float, decimals: int = 2) -> Said:
    of = (
        said(f"{{value:{decimals}}}{'' if unit.startswith('/') else ' '}{{unit}}", value=value, unit=unit)
        if unit
        else said(f"{{value:{decimals}}}", value=value)
    )
    now = said(f"{{was:{decimals}}}", was=was)
    if bound == "at least":
        return said("{what} were at least {value} (is {was})", what=what, value=of, was=now)
    if bound == "at most":
        return said("{what} were at most {value} (is {was})", what=what, value=of, was=now)
    return said("{what} were {value} (is {was})", what=what, value=of, was=now)


def together(changes: Iterable[Change]) -> Said:
    """Changes that are needed together."""
    return reduce(lambda told, more: said("{changes} and {more}", changes=told, more=more), map(change_words, changes))


def reasons(finding: Finding, inquiry: Inquiry) -> tuple[Said, ...]:
    """The lines about a card, at most three, each of them tried before it is told."""
    lines = [
        _otherwise(finding, inquiry),
        borderline_words(inquiry.borderline(finding.rule)),
        added_words(finding, inquiry.added(finding.rule)),
    ]
    return tuple(line for line in lines if line is not None)


def _otherwise(finding: Finding, inquiry: Inquiry) -> Said | None:
    told = [
        each
        for each in inquiry.counterfactuals(finding.rule)
        if all(_is_advice(change, finding, inquiry) for change in each.changes) and not _worse(each, finding)
    ]
    gone = [each for each in told if each.outcome.state != "fired"][:MOST_WAYS]
    lower = [each for each in told if each.outcome.state == "fired"][:1] if len(gone) < MOST_WAYS else []
    parts = []
    if gone:
        ways = reduce(lambda told, more: said("{ways}; or if {more}", ways=told, more=more), map(_way, gone))
        parts.append(said("Would not appear if {ways}", ways=ways))
    parts += [
        said("{level} only, if {way}", level=word(each.outcome.indicator or "info"), way=_way(each)) for each in lower
    ]
    return joined(parts, "; ") if parts else None


def _is_advice(change: Change, finding: Finding, inquiry: Inquiry) -> bool:
    """Whether a change can be done, measured or corrected, and does not make the patient worse.

    A drug is left out only where the card itself offers it: on a card about low potassium, potassium is not the trouble.
    """
    match change:
        case Filtration(bound):
            return bound != "at most"
        case Value() | Measured():
            return not worsens(change)
        case Without(reference, _, "drug" | "draft"):
            offered = frozenset[str]().union(
                *(each.classes for each in finding.rule.suggestions if each.offer in _TAKING_AWAY)
            )
            return ANY_CITED in offered or any(
                each.medication.classes & offered
                for each in inquiry.settled.derived.drugs
                if each.source.reference == reference
            )
    return isinstance(change, _OF_A_CHART)


def _worse(found: Counterfactual, finding: Finding) -> bool:
    """Whether a graver card would come: no way out, and no advice."""
    return any(SEVERITY[other.indicator] > SEVERITY[finding.indicator] for other in found.instead)


def _way(found: Counterfactual) -> Said:
    way = together(found.changes)
    return said("{way} (another card would come)", way=way) if found.instead else way


def borderline_words(found: Borderline | None) -> Said | None:
    """The mark of a card that repeats of a test would often turn."""
    if found is None:
        return None
    return said(
        "Borderline: within the usual variation of {tests}, about {percent:0} of 100 repeats would give another answer",
        tests=joined(map(named, found.keys)),
        percent=found.probability * 100,
    )


def added_words(finding: Finding, found: Added | None) -> Said | None:
    """What the draft has to do with a card of an order hook."""
    if found is None:
        return None
    more = found.magnesium_after - found.magnesium_before
    adds = (
        said(
            " It adds {more:0} mg elemental magnesium a day ({all:0} mg in all).", more=more, all=found.magnesium_after
        )
        if more > 0
        else said("")
    )
    before = found.before
    if before is None:
        return joined([said("This card is about the order."), adds], "")
    if before.state != "fired" and before.by in (None, "unless"):
        return joined([said("Without this order there would be no such card."), adds], "")
    if SEVERITY[before.indicator or "info"] < SEVERITY[finding.indicator]:
        return joined([said("Without this order: {level}.", level=word(before.indicator or "info")), adds], "")
    return joined([said("The finding is there without this order, too."), adds], "")
