"""An evaluation that can be questioned: every answer is worked out when it is first asked for, and kept.

Flows in: what an evaluation keeps. Flows out: explanations, counterfactuals, borderline marks, what the drafts add.
Floor: engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from cds_rules.engine.borderline import Borderline, borderline
from cds_rules.engine.counterfactuals import Counterfactual, counterfactuals
from cds_rules.engine.explanation import Explanation, explain
from cds_rules.engine.faithfulness import unfaithful
from cds_rules.engine.judging import Finding, Outcome
from cds_rules.engine.settling import Rulebook, Scenario, Settled, settle
from cds_rules.knowledge.rules import Rule
from cds_rules.vocabulary.chart import Chart
from cds_rules.vocabulary.frozen import Frozen, field, replace

T = TypeVar("T")


class Added(Frozen, frozen=True):
    """What the drafts of an order hook add to a finding.

    before: what the rule says of the open chart without them, overrides apart: they silence a card and take no risk away; None when it is not made for the open chart: a risk that is
    there anyway is not charged to the order. magnesium_before, _after: elemental mg a day by mouth.
    """

    before: Outcome | None
    magnesium_before: float
    magnesium_after: float


class Inquiry(Frozen, frozen=True):
    """The questions that can be put to one evaluation."""

    rulebook: Rulebook
    scenario: Scenario
    settled: Settled
    _kept: dict[tuple[str, str], Any] = field(default_factory=dict)

    def _once(self, question: str, about: str, work: Callable[[], T]) -> T:
        key = (question, about)
        if key not in self._kept:
            self._kept[key] = work()
        return cast(T, self._kept[key])

    def explanations(self) -> tuple[Explanation, ...]:
        """Every rule of the hook, what fired first, then nearest misses first."""
        return self._once("explain", "", lambda: explain(self.rulebook, self.settled, self.scenario.chart))

    def counterfactuals(self, rule: Rule) -> tuple[Counterfactual, ...]:
        """What would have to differ for another answer of a rule."""
        return self._once(
            "counterfactuals", rule.id, lambda: counterfactuals(self.rulebook, rule, self.scenario, self.settled)
        )

    def borderline(self, rule: Rule) -> Borderline | None:
        """Whether repeats of laboratory tests would often turn a card."""
        return self._once("borderline", rule.id, lambda: borderline(self.rulebook, rule, self.scenario, self.settled))

    def unfaithful(self, finding: Finding) -> tuple[str, ...]:
        """What is wrong with the evidence of a finding."""
        facts, gaps = self.settled.derived.facts, self.settled.derived.gaps
        return self._once("unfaithful", finding.rule.id, lambda: unfaithful(finding, facts, gaps))

    def added(self, rule: Rule) -> Added | None:
        """What the drafts add to a finding; None where the hook has none."""
        if not self.settled.derived.record.ordering:
            return None
        before = self._once("added", "", self._open_chart)
        mine = before.verdict.outcomes.get(rule.id)
        return Added(mine, before.derived.magnesium.total_mg, self.settled.derived.magnesium.total_mg)

    def _open_chart(self) -> Settled:
        return settle(
            self.rulebook,
            replace(self.scenario, hook="patient-view", chart=_without_drafts(self.scenario.chart), overrides=()),
        )


def _without_drafts(chart: Chart) -> Chart:
    return replace(
        chart,
        medications=tuple(each for each in chart.medications if each.state != "draft"),
        orders=tuple(each for each in chart.orders if each.state != "draft"),
    )
