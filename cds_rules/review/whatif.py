"""What if: the same decision with another eGFR, magnesium, dose or symptom, judged as every call is.

Changes are made to the chart (`engine.changes`), so that what hangs together changes together; the answer is that of
`evaluate`, of all rules. Flows in: a form, the decision. Flows out: what would differ. Floor: edge (review).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_rules.cards.reasons import together
from cds_rules.engine.changes import Change, Dose, Filtration, Measured, Reported, Without
from cds_rules.engine.judging import Outcome
from cds_rules.engine.levers import filtration
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.vocabulary.frozen import replace
from cds_rules.vocabulary.wording import Said, joined, said, word

NONE = "none"
"""Asks for the record without the symptoms it has."""
_UCUM = "mL/min/{1.73_m2}"
_SITES = {"muscle-cramp": "leg"}
"""Without a site in a muscle a cramp is none of a muscle."""
_EGFR, _MAGNESIUM = (1.0, 200.0), (0.1, 30.0)
_DOSE = 100_000.0


@dataclass(frozen=True, slots=True)
class DoseField:
    """A drug whose dose can be changed. name: of the field; mg: a day of what is counted."""

    name: str
    label: str
    of: Said
    mg: float
    reference: str
    ingredient: str
    draft: bool


@dataclass(frozen=True, slots=True)
class Form:
    """What can be asked, with what the record says. symptoms: keys that can be imagined."""

    egfr: int | None
    magnesium: float | None
    doses: tuple[DoseField, ...]
    symptoms: tuple[str, ...]
    reported: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule that says something else. was, now: (state, level)."""

    rule: str
    was: tuple[str, str]
    now: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be. asked: the changes in words; problems: what of the form could not be used."""

    asked: Said
    problems: tuple[Said, ...]
    evaluation: Evaluation
    outcome: Outcome | None
    differences: tuple[Difference, ...]


def form(evaluation: Evaluation, knowledge: Knowledge) -> Form:
    """What can be asked about a decision."""
    derived = evaluation.derived
    magnesium = derived.labs["magnesium"]
    return Form(
        derived.kidney.egfr_rounded,
        magnesium.latest.value if magnesium else None,
        tuple(_doses(evaluation)),
        tuple(sorted({row["key"] for row in knowledge.tables.get("symptoms", ()) if row["key"]})),
        tuple(dict.fromkeys(each.key for each in derived.symptoms)),
    )


def _doses(evaluation: Evaluation) -> Iterator[DoseField]:
    derived = evaluation.derived
    found: dict[str, tuple[str, Said, float, str, str, bool]] = {}
    for each in derived.magnesium.products:
        if each.kind == "oral" and each.both and each.elemental_mg:
            of = said("mg elemental magnesium a day")
            mg = float(each.elemental_mg)
            found[each.source.reference] = (
                each.name,
                of,
                mg,
                "magnesium",
                each.source.reference,
                each.state == "draft",
            )
    for statin in derived.statins:
        if statin.state != "stopped" and statin.dose_mg:
            reference = statin.source.reference
            of = said("mg a day")
            found[reference] = (statin.name, of, statin.dose_mg, statin.ingredient, reference, statin.state == "draft")
    for number, (name, of, mg, ingredient, reference, draft) in enumerate(found.values(), 1):
        yield DoseField(f"dose{number}", name, of, mg, reference, ingredient, draft)


def answer(
    knowledge: Knowledge, call: Call, evaluation: Evaluation, rule: str, asked: Mapping[str, str]
) -> Answer | None:
    """What would be; None when nothing is asked. asked: the fields of the form."""
    problems: list[Said] = []
    changes = tuple(_changes(evaluation, form(evaluation, knowledge), asked, problems))
    if not changes:
        return Answer(said(""), tuple(problems), evaluation, evaluation.outcomes.get(rule), ()) if problems else None
    now = evaluate(knowledge, replace(call, changes=changes))
    told = (
        Difference(name, _short(was), _short(now.outcomes[name]))
        for name, was in evaluation.outcomes.items()
        if name in now.outcomes and knowledge.rules[name].status == "active"
    )
    return Answer(
        joined(map(_words, changes)),
        tuple(problems),
        now,
        now.outcomes.get(rule),
        tuple(each for each in told if each.was != each.now),
    )


def _words(change: Change) -> Said:
    match change:
        case Filtration(_, value) | Measured("egfr_reported", _, value):
            return said("eGFR {value:0}", value=value)
        case Measured(_, _, value, unit):
            return said("magnesium {value} {unit} now", value=value, unit=unit)
        case Dose(_, label, _, _, value, was):
            return said("{drug}: {value:0} mg a day (is {was:0})", drug=label, value=value, was=was)
        case Reported(key):
            return said("{symptom} reported", symptom=word(key))
        case Without(_, label, "entry"):
            return said('without "{entry}"', entry=label)
        case Without(_, label):
            return said("without {drug}", drug=label)
    return together((change,))


def _short(outcome: Outcome) -> tuple[str, str]:
    return outcome.state, outcome.indicator or ""


def _changes(evaluation: Evaluation, fields: Form, asked: Mapping[str, str], problems: list[Said]) -> Iterator[Change]:
    derived = evaluation.derived
    egfr = _number(asked, "egfr", said("eGFR"), _EGFR, problems)
    if egfr is not None and egfr != fields.egfr:
        whole = float(round(egfr))
        yield from filtration(derived, "at least", whole) or (Measured("egfr_reported", "", whole, "mL/min/{1.73_m2}"),)
    magnesium = _number(asked, "magnesium", said("magnesium"), _MAGNESIUM, problems)
    if magnesium is not None and magnesium != fields.magnesium:
        yield Measured("magnesium", "", magnesium, "mg/dL")
    for each in fields.doses:
        mg = _number(asked, each.name, said("{dose}", dose=each.label), (0.0, _DOSE), problems)
        if mg == 0:
            yield Without(each.reference, each.label, "draft" if each.draft else "drug")
        elif mg is not None and mg != each.mg:
            yield Dose(each.reference, each.label, each.ingredient, "", mg, each.mg)
    symptom = asked.get("symptom", "")
    if symptom == NONE:
        for reference, label in {each.source.reference: each.source.label for each in derived.symptoms}.items():
            yield Without(reference, label, "entry")
    elif symptom in fields.symptoms:
        yield Reported(symptom, _SITES.get(symptom, ""))


def _number(
    asked: Mapping[str, str], name: str, what: Said, bounds: tuple[float, float], problems: list[Said]
) -> float | None:
    said_: Any = asked.get(name, "").strip().replace(",", ".")
    if not said_:
        return None
    try:
        value = float(said_)
    except ValueError:
        value = math.nan
    if not bounds[0] <= value <= bounds[1]:
        problems.append(
            said("{what}: a number from {low} to {high} belongs here", what=what, low=bounds[0], high=bounds[1])
        )
        return None
    return value
