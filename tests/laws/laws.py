"""The laws: each takes a patient and says in a sentence how it is broken, or None.

Flows in: the compiled rules, a patient, other patients drawn beside it, a seeded chance. Flows out: a sentence. Where the
specification itself departs from a law, the departure is named here with its reason (`STATED`).
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cds_rules.evaluate import Evaluation, Knowledge, evaluate
from cds_rules.knowledge.rules import SEVERITY
from cds_rules.vocabulary.facts import ORDER_HOOKS
from cds_rules.vocabulary.frozen import Frozen, replace
from tests.laws.patients import LABS, PERSON, TERMINOLOGY, Json, Patient, Patients, ago, concept, key_of, quantity

NOT_USED = "**Not used / uncertain**"


class Trial(Frozen, frozen=True):
    """One patient before the judge. answer: what the patient as drawn is told."""

    knowledge: Knowledge
    patients: Patients
    seed: int
    patient: Patient
    answer: Evaluation

    @classmethod
    def of(cls, knowledge: Knowledge, patients: Patients, seed: int) -> Trial:
        """The trial of a seed."""
        patient = patients.draw(seed)
        return cls(knowledge, patients, seed, patient, evaluate(knowledge, patient.call()))

    def chance(self, law: str) -> random.Random:
        """The same chance for the same seed and law."""
        return random.Random(f"{self.seed} {law}")

    def judged(self, patient: Patient) -> Evaluation:
        """What another patient is told."""
        return evaluate(self.knowledge, patient.call())

    def stranger(self) -> Patient:
        """Another patient, drawn from a seed far from this one."""
        return self.patients.draw(self.seed + 1_000_000_007)


def levels(answer: Evaluation) -> Mapping[str, str]:
    """Rule -> indicator of the cards."""
    return {finding.rule.id: finding.indicator for finding in answer.findings}


def texts(answer: Evaluation, *, whole: bool = True) -> str:
    """The cards as JSON; without what was not used, the block that may name more when not whole."""
    cards = [dict(card) for card in answer.cards]
    if not whole:
        for card in cards:
            card["detail"] = card["detail"].split(NOT_USED)[0]
    return json.dumps(cards)


def difference(one: Evaluation, other: Evaluation, *, whole: bool = True) -> str | None:
    """How two answers that should be the same differ."""
    if levels(one) != levels(other):
        return f"{dict(levels(one))} became {dict(levels(other))}"
    if texts(one, whole=whole) == texts(other, whole=whole):
        return None
    for before, after in zip(one.cards, other.cards, strict=True):
        for key in before:
            if before[key] != after.get(key) and (whole or key != "detail"):
                return f"{before['summary']!r}: {key} {before[key]!r} became {after.get(key)!r}"
        was, now = before["detail"].split(NOT_USED)[0], after["detail"].split(NOT_USED)[0]
        if was != now:
            changed = [pair for pair in zip(was.splitlines(), now.splitlines(), strict=False) if pair[0] != pair[1]]
            return f"{before['summary']!r}: detail {changed[:1]}"
    return "the cards differ"


# --- the answer depends on nothing else --------------------------------------------------------------------------


def order_never_matters(trial: Trial) -> str | None:
    chance, patient = trial.chance("order"), trial.patient
    chart, drafts = list(patient.chart), list(patient.drafts)
    chance.shuffle(chart)
    chance.shuffle(drafts)
    return difference(trial.answer, trial.judged(replace(patient, chart=tuple(chart), drafts=tuple(drafts))))


def the_same_call_gives_the_same_bytes(trial: Trial) -> str | None:
    return None if texts(trial.answer) == texts(trial.judged(trial.patient)) else "two equal calls differ"


IRRELEVANT: tuple[Json, ...] = (
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
        "effectiveDateTime": ago(1),
        "valueQuantity": quantity(13.5, "g/dL"),
    },
    {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "65363002", "display": "Otitis media"}]},
        "recordedDate": ago(3),
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Loratadine 10 mg tablet"},
        "authoredOn": ago(20),
    },
    {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}},
    {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": {"text": "influenza"},
        "occurrenceString": "2025",
    },
)


def _owner(resource: Json) -> str:
    return "patient" if resource["resourceType"] == "Immunization" else "subject"


def irrelevant_resources_change_nothing(trial: Trial) -> str | None:
    more = [
        {**each, "id": f"noise-{number}", _owner(each): {"reference": f"Patient/{PERSON}"}}
        for number, each in enumerate(IRRELEVANT)
    ]
    return difference(trial.answer, trial.judged(trial.patient.plus(*more)))


def other_patients_change_nothing(trial: Trial) -> str | None:
    def moved(resource: Json) -> Json:
        moved = {**resource, "id": f"their-{resource['id']}"}
        return moved if "subject" not in moved else {**moved, "subject": {"reference": "Patient/their-someone"}}

    return difference(trial.answer, trial.judged(trial.patient.plus(*map(moved, trial.stranger().chart))))


def errors_change_nothing(trial: Trial) -> str | None:
    def struck(resource: Json) -> Json:
        struck = {**resource, "id": f"error-{resource['id']}"}
        if resource["resourceType"] != "Condition":
            return {**struck, "status": "entered-in-error"}
        del struck["clinicalStatus"]  # FHIR con-5
        return {**struck, "verificationStatus": concept(f"{TERMINOLOGY}/condition-ver-status", "entered-in-error")}

    more = [struck(each) for each in (*trial.stranger().chart, *trial.patient.chart) if "subject" in each]
    return difference(trial.answer, trial.judged(trial.patient.plus(*more)), whole=False)


def the_future_changes_nothing(trial: Trial) -> str | None:
    dated = {
        "Observation": ("effectiveDateTime",),
        "Condition": ("onsetDateTime", "recordedDate"),
        "MedicationRequest": ("authoredOn",),
        "ServiceRequest": ("authoredOn",),
    }

    def later(resource: Json) -> Json:
        later = {**copy.deepcopy(resource), "id": f"later-{resource['id']}"}
        later |= {name: ago(-3) for name in dated[resource["resourceType"]]}
        for dosage in later.get("dosageInstruction", ()):
            dosage["timing"]["repeat"].pop("boundsPeriod", None)
        return later

    more = [later(each) for each in trial.stranger().chart if "subject" in each]
    return difference(trial.answer, trial.judged(trial.patient.plus(*more)), whole=False)


def an_idle_draft_adds_no_card(trial: Trial) -> str | None:
    patient = trial.patient
    if patient.hook not in ORDER_HOOKS:
        return None
    draft = {**IRRELEVANT[2], "id": "idle", "status": "draft", "subject": {"reference": f"Patient/{PERSON}"}}
    selections = patient.selections and patient.selections | {"MedicationRequest/idle"}
    return difference(
        trial.answer, trial.judged(replace(patient, drafts=(*patient.drafts, draft), selections=selections))
    )


def a_unit_changes_nothing(trial: Trial) -> str | None:
    """Rules and levels; the texts show the value as it was charted."""
    chance = trial.chance("unit")
    factors = _factors(trial.knowledge)
    new = [
        each if (found := _in_another_unit(each, factors, chance)) is None else found
        for each in trial.patient.labs(*LABS)
    ]
    before, after = levels(trial.answer), levels(trial.judged(trial.patient.exchange(new)))
    return None if before == after else f"{dict(before)} became {dict(after)}"


def _factors(knowledge: Knowledge) -> Mapping[str, list[tuple[str, float]]]:
    found: dict[str, list[tuple[str, float]]] = {}
    for row in knowledge.tables["unit_conversions"]:
        over, _, under = row["factor"].partition("/")
        found.setdefault(row["key"], []).append((row["ucum"], float(over) / float(under or 1)))
    return found


def _in_another_unit(lab: Json, factors: Mapping[str, list[tuple[str, float]]], chance: random.Random) -> Json | None:
    units = [(unit, factor) for unit, factor in factors[key_of(lab)] if unit not in ("", "mL/min")]
    here = dict(units)[lab["valueQuantity"]["unit"]]
    unit, factor = chance.choice(units)

    def told(value: Json) -> Json:
        # thirteen digits, not the two a laboratory prints: rounding would move values that lie on a threshold
        return quantity(float(f"{value['value'] * here / factor:.13g}"), unit)

    new = {**lab, "valueQuantity": told(lab["valueQuantity"])}
    if "referenceRange" in lab:
        new["referenceRange"] = [{side: told(bound) for side, bound in each.items()} for each in lab["referenceRange"]]
    return new


# --- worse never gives a lower level -----------------------------------------------------------------------------


STATED = {
    "magnesium within range since the product was started": "clinical specification 2.7 to 2.9: a level in range under treatment "
    "silences the card; at a lower, deficient level the same order keeps an info or warning",
    "dialysis-managed": "clinical specification 2.7, as above",
    "on dialysis, up to 3.6 mg/dL": "clinical specification 2.1: usual on dialysis, not a finding",
    "proven magnesium deficiency": "clinical specification 2.9, 2.10: treating a deficiency is meant; other tiers soften only",
    "Gitelman or Bartter": "clinical specification 2.10: high doses are meant; the next tier is a limit for everyone",
}
"""What a suppression of the specification begins with -> why a worse value may end in it."""


def _never_lower(trial: Trial, groups: Iterable[str], worse: Patient, what: str) -> str | None:
    rules = {group.id: group.rules for group in trial.knowledge.policy.groups}
    after = trial.judged(worse)
    for group in groups:
        was, now = _shown(trial.answer, rules[group]), _shown(after, rules[group])
        if now < was and not _stated(after, rules[group]):
            return f"{what}: {group} fell from {dict(levels(trial.answer))} to {dict(levels(after))}"
    return None


def _stated(answer: Evaluation, rules: Iterable[str]) -> bool:
    told = [because for rule in rules if rule in answer.outcomes for because in answer.outcomes[rule].because]
    return any(because.startswith(tuple(STATED)) for because in told)


def _shown(answer: Evaluation, rules: Iterable[str]) -> int:
    found = levels(answer)
    return max((SEVERITY[found[rule]] + 1 for rule in rules if rule in found), default=0)


def more_magnesium_is_never_less_urgent(trial: Trial) -> str | None:
    chance = trial.chance("dose")
    lines = [each for each in (*trial.patient.chart, *trial.patient.drafts) if key_of(each) == "magnesium-product"]
    if not lines:
        return None
    more = copy.deepcopy(chance.choice(lines))
    dose = more["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    dose["value"] *= chance.choice((2, 3))
    return _never_lower(
        trial, ("magnesium-excess", "magnesium-neuromuscular"), trial.patient.exchange([more]), "more magnesium"
    )


def _raised(labs: Iterable[Json], factor: float) -> list[Json]:
    return [
        {**each, "valueQuantity": {**each["valueQuantity"], "value": each["valueQuantity"]["value"] * factor}}
        for each in labs
    ]


def higher_magnesium_is_never_less_urgent(trial: Trial) -> str | None:
    labs = trial.patient.labs("magnesium")
    if not labs:
        return None
    return _never_lower(
        trial, ("magnesium-excess",), trial.patient.exchange(_raised(labs, 1.3)), "higher serum magnesium"
    )


def lower_egfr_is_never_less_urgent(trial: Trial) -> str | None:
    labs = trial.patient.labs("egfr_reported")
    # clinical specification 3: an eGFR older than a year does not reassure (UNKNOWN, which warns), yet a bad one still counts (G3b)
    if not labs or trial.answer.derived.kidney.tier == "UNKNOWN":
        return None
    return _never_lower(trial, ("magnesium-excess",), trial.patient.exchange(_raised(labs, 0.6)), "lower eGFR")


def higher_ck_is_never_less_urgent(trial: Trial) -> str | None:
    labs = trial.patient.labs("ck")
    if not labs:
        return None
    return _never_lower(trial, ("statin-muscle",), trial.patient.exchange(_raised(labs, 2.5)), "higher CK")


# --- the answer does not contradict itself -----------------------------------------------------------------------

OPPOSED = (
    ("hypermagnesemia-lab", "hypomagnesemia-lab", ""),
    ("hypermagnesemia-lab", "hypomagnesemia-suspected", ""),
    ("mg-toxicity-suspected", "hypomagnesemia-suspected", "check magnesium now"),
    # a low value from before the signs: clinical specification 2.2 and 2.16 both speak, and the second must not say replace
    ("mg-toxicity-suspected", "hypomagnesemia-lab", "repeat the level before any replacement"),
    # clinical specification 2.19 asks for a level of 7 days where 2.1 looks back 14 or 90: both ask for a new level, neither gives any
    ("hypermagnesemia-lab", "refractory-hypok-hypoca", "Order serum magnesium"),
    # clinical specification 2.20: in torsades magnesium is first-line whatever the level; without torsades only a level is asked for
    ("hypermagnesemia-lab", "qt-torsades-magnesium", "whatever the level"),
)
"""Rules of which one says too much and the other too little of the same; and what the cards must then say, "" when they
must never stand side by side."""


def no_two_cards_contradict_each_other(trial: Trial) -> str | None:
    found = levels(trial.answer)
    told = texts(trial.answer)
    for one, other, reconciled in OPPOSED:
        if one in found and other in found and (not reconciled or reconciled not in told):
            return f"{one} and {other} stand side by side"
    done: dict[str, set[str]] = {}
    for card in trial.answer.cards:
        offered: dict[str, set[str]] = {}
        for suggestion in card.get("suggestions", ()):
            for action in suggestion["actions"]:
                if (change := _change(action)) is not None:
                    offered.setdefault(change[0], set()).add(change[1])
        alternatives = card.get("selectionBehavior") == "at-most-one"  # lower or delete (clinical specification 2.26)
        for reference, changes in offered.items():
            if not alternatives:
                done.setdefault(reference, set()).update(changes)
    clashes = [reference for reference, changes in done.items() if len(changes) > 1]
    return f"{clashes} are both ended and kept: {dict(found)}" if clashes else None


def _change(action: Mapping[str, Any]) -> tuple[str, str] | None:
    if action["type"] == "delete":
        return action["resourceId"], "ended"
    if action["type"] == "update":
        resource = action["resource"]
        return f"{resource['resourceType']}/{resource['id']}", "ended" if resource["status"] == "stopped" else "kept"
    return None


def a_group_speaks_once(trial: Trial) -> str | None:
    found = levels(trial.answer)
    for group in trial.knowledge.policy.groups:
        if len(spoken := [rule for rule in group.rules if rule in found]) > 1:
            return f"{group.id} speaks with {spoken}"
    return None


def every_rule_has_one_outcome(trial: Trial) -> str | None:
    answer = trial.answer
    wanted = {rule.id for rule in trial.knowledge.rules.values() if answer.hook in rule.hooks}
    if answer.outcomes.keys() != wanted:
        return f"outcomes differ from the rules of the hook by {sorted(answer.outcomes.keys() ^ wanted)}"
    fired = {rule for rule, outcome in answer.outcomes.items() if outcome.state == "fired"}
    return None if fired == levels(answer).keys() else f"fired {sorted(fired)}, shown {sorted(levels(answer))}"


def the_matchers_agree(trial: Trial) -> str | None:
    return f"they differ on {trial.answer.disagreements}" if trial.answer.disagreements else None


LAWS: tuple[Callable[[Trial], str | None], ...] = (
    order_never_matters,
    the_same_call_gives_the_same_bytes,
    irrelevant_resources_change_nothing,
    other_patients_change_nothing,
    errors_change_nothing,
    the_future_changes_nothing,
    an_idle_draft_adds_no_card,
    a_unit_changes_nothing,
    more_magnesium_is_never_less_urgent,
    higher_magnesium_is_never_less_urgent,
    lower_egfr_is_never_less_urgent,
    higher_ck_is_never_less_urgent,
    no_two_cards_contradict_each_other,
    a_group_speaks_once,
    every_rule_has_one_outcome,
    the_matchers_agree,
)
