"""The laws of explanations: what is told about an answer is true of it, tried by running it again.

Flows in and out: as for the laws of answers (`tests.laws.laws`).
"""

from __future__ import annotations

import itertools

from cds_rules.engine.changes import applied
from cds_rules.engine.counterfactuals import counterfactuals
from cds_rules.engine.explanation import Clause, Explanation, explain
from cds_rules.engine.faithfulness import unfaithful
from cds_rules.engine.reference import YES
from cds_rules.engine.settling import settle
from cds_rules.evaluate import Evaluation, Knowledge
from cds_rules.knowledge.rules import SEVERITY
from cds_rules.vocabulary.frozen import replace
from tests.laws.laws import Trial

Told = str | None
_SILENCES = 3


def every_rule_is_explained_once(trial: Trial) -> Told:
    return explained_once(trial.knowledge, trial.answer)


def explained_once(knowledge: Knowledge, answer: Evaluation) -> Told:
    """Whether every rule of the hook has one explanation, which says what the answer says."""
    found = explain(knowledge.rulebook, answer.settled, answer.chart)
    if sorted(each.rule.id for each in found) != sorted(answer.outcomes):
        return "a rule is explained twice, or not at all"
    cards = {card["extension"]["dev.cds-rules.finding"]["rule"]: card["indicator"] for card in answer.cards}
    for each in found:
        if each.outcome != answer.outcomes[each.rule.id]:
            return (
                f"{each.rule.id}: explained as {each.outcome.state}, answered as {answer.outcomes[each.rule.id].state}"
            )
        if (each.outcome.state == "fired") != (each.rule.id in cards):
            return f"{each.rule.id}: {each.outcome.state}, and the cards are {sorted(cards)}"
        if each.rule.id in cards and each.outcome.indicator != cards[each.rule.id]:
            return f"{each.rule.id}: {each.outcome.indicator} explained, {cards[each.rule.id]} on the card"
        if told := _tree_says_otherwise(each):
            return f"{each.rule.id}: {told}"
    return None


def _tree_says_otherwise(each: Explanation) -> Told:
    """Whether the judged tree alone leads to another state than the outcome."""

    def some(role: str) -> list[Clause]:
        return [clause for clause in each.clauses if clause.role == role]

    met = some("when")[0].judgement.truth is YES
    level = next((clause.says for clause in some("level") if clause.judgement.truth is YES), None)
    silenced = any(clause.judgement.truth is YES for clause in some("unless"))
    fired = each.outcome.state == "fired" or each.outcome.by not in (None, "unless")
    if fired != (met and level is not None and not silenced):
        return f"{each.outcome.state}, and the tree says otherwise"
    if fired and each.outcome.indicator != level:
        return f"{each.outcome.indicator}, and the first level met is {level}"
    if (each.shortfall is not None) == fired:
        return "nothing is said to be missing" if not fired else "something is said to be missing"
    return None


def evidence_is_what_the_card_rests_on(trial: Trial) -> Told:
    for finding in trial.answer.settled.verdict.findings:
        if told := unfaithful(finding, trial.answer.derived.facts, trial.answer.derived.gaps):
            return f"{finding.rule.id}: {told[0]}"
    return None


def a_counterfactual_takes_the_card_away_and_no_part_of_it_does(trial: Trial) -> Told:
    return counterfactuals_hold(trial.knowledge, trial.answer)


def counterfactuals_hold(knowledge: Knowledge, answer: Evaluation) -> Told:
    """Whether every counterfactual of every card, run as a hook is, does what it says, and no proper part of it does."""
    for finding in answer.findings:
        rule = finding.rule
        for each in counterfactuals(knowledge.rulebook, rule, answer.scenario, answer.settled):
            for size in range(1, len(each.changes) + 1):
                for part in itertools.combinations(each.changes, size):
                    scenario = replace(answer.scenario, chart=applied(part, answer.chart, answer.at))
                    after = settle(knowledge.rulebook, scenario).verdict.outcomes[rule.id]
                    less = after.state in ("not-fired", "suppressed") or (
                        after.indicator is not None and SEVERITY[after.indicator] < SEVERITY[finding.indicator]
                    )
                    if less != (size == len(each.changes)):
                        return f"{rule.id}: {after.state} {after.indicator} with {part} of {each.changes}"
    return None


def a_silence_is_raised_by_its_counterfactual_alone(trial: Trial) -> Told:
    knowledge, answer = trial.knowledge, trial.answer
    silent = [
        each.rule
        for each in explain(knowledge.rulebook, answer.settled, answer.chart)
        if each.outcome.state in ("not-fired", "suppressed") and each.outcome.by in (None, "unless")
    ]
    for rule in silent[:_SILENCES]:
        for each in counterfactuals(knowledge.rulebook, rule, answer.scenario, answer.settled, most=2):
            for size in range(1, len(each.changes) + 1):
                for part in itertools.combinations(each.changes, size):
                    scenario = replace(answer.scenario, chart=applied(part, answer.chart, answer.at))
                    after = settle(knowledge.rulebook, scenario).verdict.outcomes[rule.id]
                    if (after.state == "fired") != (size == len(each.changes)):
                        return f"{rule.id}: {after.state} with {part} of {each.changes}"
    return None


QUESTIONS = (
    every_rule_is_explained_once,
    evidence_is_what_the_card_rests_on,
    a_counterfactual_takes_the_card_away_and_no_part_of_it_does,
    a_silence_is_raised_by_its_counterfactual_alone,
)
