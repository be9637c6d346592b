"""From a chart to what is left to say: derived facts, both matchers, the order between rules; the part of an evaluation
that a changed chart goes through again.

Flows in: a `Rulebook` (built once) and a `Scenario`. Flows out: `Settled`. Floor: engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from cds_rules.derive import Derived, Lookups, derive
from cds_rules.engine.arbitration import Policy, arbitrate, silenced
from cds_rules.engine.judging import NOTHING, Finding, Judge, Outcome, Verdict
from cds_rules.engine.overrides import Override, heed
from cds_rules.engine.reference import World
from cds_rules.knowledge.decisions import Decisions
from cds_rules.knowledge.pack import Rows
from cds_rules.vocabulary.chart import Chart
from cds_rules.vocabulary.frozen import Frozen, field


class Rulebook(Frozen, frozen=True):
    """What settles a chart: the compiled rules, the order between them, the packs' tables and decisions.

    lookups: what derived facts look up in the tables.
    """

    judge: Judge
    policy: Policy
    tables: Mapping[str, Rows]
    lookups: Lookups
    decisions: Decisions

    def derived(self, scenario: Scenario) -> Derived:
        """Everything computed from the chart of a scenario."""
        return derive(
            scenario.chart,
            hook=scenario.hook,
            at=scenario.at,
            lookups=self.lookups,
            gaps=scenario.missing,
            decisions=self.decisions,
        )


class Scenario(Frozen, frozen=True):
    """A chart as it is or as it might be, and the question.

    missing: domain of the record -> why it is not wholly there. overrides: what was answered to earlier cards.
    """

    chart: Chart
    hook: str
    at: datetime
    missing: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()


class Settled(Frozen, frozen=True):
    """What rules make of a scenario: the findings that stay, most urgent first, and one outcome for each rule.

    overridden: rule -> why an override keeps it silent.
    """

    derived: Derived
    world: World
    verdict: Verdict
    findings: tuple[Finding, ...]
    outcomes: Mapping[str, Outcome]
    overridden: Mapping[str, str] = field(default_factory=dict)


def settle(rulebook: Rulebook, scenario: Scenario) -> Settled:
    """Derive, judge and arbitrate; for a patient who has died nothing is said."""
    hook, missing = scenario.hook, scenario.missing
    derived = rulebook.derived(scenario)
    world = World(derived.facts, derived.gaps)
    verdict = rulebook.judge.judge(hook, world, derived.gaps, missing)
    heard, overridden = verdict, NOTHING
    if scenario.overrides:
        heard, overridden = heed(
            verdict, scenario.overrides, rulebook.decisions, scenario.at, derived.facts, scenario.chart
        )
    findings, outcomes = arbitrate(heard, rulebook.policy, world, hook)
    if scenario.chart.subject and scenario.chart.subject.deceased:
        findings, outcomes = (), silenced(outcomes)
    return Settled(derived, world, verdict, findings, outcomes, overridden)
