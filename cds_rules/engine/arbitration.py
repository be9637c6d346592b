"""Which findings are shown: one card a group, removals between groups, comfort care (clinical specification 0.6, 0.7).

A finding is taken away only by one of equal or higher severity, and is then named on the card that stays.
Flows in: a `Verdict`. Flows out: the findings that stay, most urgent first, and the final outcome of each rule.
Floor: engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cds_rules.engine.judging import By, Finding, Outcome, Verdict
from cds_rules.engine.reference import YES, World, truth
from cds_rules.knowledge.rules import SEVERITY, Condition, Group, Removal
from cds_rules.vocabulary.facts import ORDER_HOOKS
from cds_rules.vocabulary.frozen import Frozen, replace


class Policy(Frozen, frozen=True):
    """The order between rules: groups (their order breaks ties), removals in the order they are applied, comfort care."""

    groups: Sequence[Group]
    removals: Sequence[Removal]
    comfort_care: Condition | None = None


DECEASED = "the patient is recorded as dead"


def silenced(outcomes: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    """The outcomes for a patient who has died: nothing is shown, and nothing is left to be judged."""
    return {
        rule: Outcome("suppressed", outcome.indicator, (DECEASED,))
        if outcome.state in ("fired", "not-judged")
        else outcome
        for rule, outcome in outcomes.items()
    }


def arbitrate(
    verdict: Verdict, policy: Policy, world: World, hook: str
) -> tuple[tuple[Finding, ...], Mapping[str, Outcome]]:
    """Decide which findings stay."""
    outcomes = dict(verdict.outcomes)
    standing: dict[str, Finding] = {}
    for finding in verdict.findings:
        if finding.rule.status == "draft":
            outcomes[finding.rule.id] = Outcome(
                "suppressed", finding.indicator, ("the rule is a draft: judged and counted, never shown",), "draft"
            )
        else:
            standing[finding.rule.id] = finding
    if not standing:
        return (), outcomes

    def take(loser: str, winner: str, by: By, because: str) -> None:
        lost = standing.pop(loser)
        standing[winner] = replace(standing[winner], also=(*standing[winner].also, lost))
        outcomes[loser] = Outcome("suppressed", lost.indicator, (because,), by, winner)

    for group in policy.groups:
        present = [rule for rule in group.rules if rule in standing]
        if len(present) > 1:
            best = max(present, key=lambda rule: SEVERITY[standing[rule].indicator])  # the first of equals, as listed
            for loser in present:
                if loser != best:
                    take(loser, best, "group", f"{best} speaks for the group {group.id}")
    for removal in policy.removals:
        if removal.hooks and hook not in removal.hooks:
            continue
        for winner in [rule for rule in standing if rule in removal.by]:
            if winner not in standing or SEVERITY[standing[winner].indicator] < SEVERITY[removal.at_least]:
                continue
            if removal.unless is not None and truth(removal.unless, world) is YES:
                continue
            for loser in [rule for rule in standing if rule in removal.removes and rule != winner]:
                if SEVERITY[standing[loser].indicator] <= SEVERITY[standing[winner].indicator]:
                    take(loser, winner, "removal", f"{winner} says it already")
    if policy.comfort_care is not None and truth(policy.comfort_care, world) is YES:
        for rule, finding in list(standing.items()):
            if hook not in ORDER_HOOKS or finding.indicator != "critical":
                del standing[rule]
                outcomes[rule] = Outcome("suppressed", finding.indicator, ("comfort care",), "comfort-care")
    order = {rule: place for place, rule in enumerate(rule for group in policy.groups for rule in group.rules)}
    kept = sorted(standing.values(), key=lambda finding: (-SEVERITY[finding.indicator], order[finding.rule.id]))
    return tuple(kept), outcomes
