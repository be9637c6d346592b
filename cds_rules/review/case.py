"""One alert with all that is kept of it: what was recorded, and, where the inputs are kept, the decision judged again.

Flows in: an alert of the store, knowledge. Flows out: a `Case`. Floor: edge (review).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cds_rules.cards.cards import title
from cds_rules.cards.reasons import added_words, borderline_words, together
from cds_rules.engine.inquiry import Inquiry
from cds_rules.evaluate import Call, Evaluation, Knowledge, evaluate
from cds_rules.hooks.profiles import SHIPPED, shaped
from cds_rules.hooks.response import pruned
from cds_rules.knowledge.languages import Language
from cds_rules.replay.timeline import Timeline
from cds_rules.review.shown import ShownCard, evidence_of, shown_card
from cds_rules.review.strip import strip
from cds_rules.review.trees import Branch, branches, misses
from cds_rules.store.browse import Found
from cds_rules.store.errors import StoreError
from cds_rules.store.keys import Keys
from cds_rules.store.recall import Fate
from cds_rules.vocabulary.frozen import replace
from cds_rules.vocabulary.wording import Said, said

_MOST_NEAR = 3
BY: Mapping[str, Said] = {
    "unless": said("an exception of its own"),
    "draft": said("it is a draft: judged, never shown"),
    "group": said("a graver card of its group was shown"),
    "removal": said("another card says it already"),
    "override": said("a clinician overrode it before"),
    "comfort-care": said("comfort care"),
}
"""What suppressed a rule, in words."""


@dataclass(frozen=True, slots=True)
class Way:
    """One smallest change under which the card would be another. gone: there would be none; level: else the new one."""

    changes: str
    gone: bool
    level: str
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """A silent rule, and what stands between it and its card."""

    rule: str
    misses: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Hushed:
    """A rule that was suppressed. by: what did it; winner: the rule that did."""

    rule: str
    level: str
    by: Said
    winner: str
    because: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """An alert. call: what was judged, None where it is not kept; why_not says why."""

    found: Found
    knowledge: Knowledge
    language: Language
    call: Call | None
    why_not: Said | None

    @property
    def rule(self) -> str:
        """The rule of the alert."""
        return self.found.alert.rule

    @property
    def same_rules(self) -> bool:
        """Whether it is judged again with what it was judged with."""
        return self.found.decision.fingerprint == self.knowledge.fingerprint

    @property
    def suppressed(self) -> tuple[Hushed, ...]:
        """Rules that would have spoken, as recorded."""
        return tuple(
            Hushed(rule, fate.level, BY.get(fate.by, said("{by}", by=fate.by)), fate.winner, fate.because)
            for rule, fate in self._fates("suppressed")
        )

    @property
    def not_judged(self) -> Sequence[tuple[str, Fate]]:
        """Rules that could not be judged, as recorded."""
        return self._fates("not-judged")

    @property
    def silent(self) -> int:
        """How many rules were judged and did not fire, as recorded."""
        return len(self._fates("not-fired"))

    def _fates(self, state: str) -> list[tuple[str, Fate]]:
        return [(rule, fate) for rule, fate in self.found.decision.fates.items() if fate.state == state]

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """The decision judged again."""
        if self.call is None:
            return None
        return evaluate(self.knowledge, replace(self.call, language=self.language.tag))

    @cached_property
    def card(self) -> ShownCard | None:
        """The card as an EHR shows it; None where it is not kept, or today's rules give none."""
        return self.shown(self.evaluation) if self.evaluation else None

    def shown(self, evaluation: Evaluation) -> ShownCard | None:
        """The card of the rule in an evaluation."""
        made = shaped(
            evaluation.cards, SHIPPED["default"], evaluation.chart.subject.reference if evaluation.chart.subject else ""
        )
        cards = [shown_card(pruned(card), evidence_of(evaluation, self.rule), evaluation.at) for card in made]
        return next((each for each in cards if each.rule == self.rule), None)

    @cached_property
    def inquiry(self) -> Inquiry | None:
        """The questions that can be put to it."""
        told = self.evaluation
        return told and Inquiry(self.knowledge.rulebook, told.scenario, told.settled)

    def tree(self) -> tuple[Branch, ...]:
        """Why the rule said what it said."""
        inquiry = self.inquiry
        if inquiry is None:
            return ()
        own = next((each for each in inquiry.explanations() if each.rule.id == self.rule), None)
        return branches(own, inquiry.settled.derived) if own else ()

    def near(self) -> tuple[Near, ...]:
        """The silent rules that were nearest to speaking."""
        if self.inquiry is None:
            return ()
        silent = [each for each in self.inquiry.explanations() if each.outcome.state == "not-fired" and each.shortfall]
        return tuple(Near(each.rule.id, misses(each)) for each in silent[:_MOST_NEAR])

    def ways(self) -> tuple[Way, ...]:
        """The smallest changes under which the card would be another, each of them tried."""
        rule = self.knowledge.rules.get(self.rule)
        if self.inquiry is None or rule is None:
            return ()
        return tuple(
            Way(
                self.language.say(together(each.changes)),
                each.outcome.state != "fired",
                each.outcome.indicator or "",
                tuple(found.rule.id for found in each.instead),
            )
            for each in self.inquiry.counterfactuals(rule)
        )

    def remarks(self) -> tuple[str, ...]:
        """How certain the card is, and what a draft has to do with it."""
        inquiry, told = self.inquiry, self.evaluation
        finding = told and next((each for each in told.findings if each.rule.id == self.rule), None)
        if not finding or inquiry is None:
            return ()
        lines = (borderline_words(inquiry.borderline(finding.rule)), added_words(finding, inquiry.added(finding.rule)))
        return tuple(self.language.say(line) for line in lines if line is not None)

    def strip(self) -> Timeline | None:
        """What was charted, and the cards that were shown."""
        if self.evaluation is None:
            return None
        alerts = [self.found.alert, *self.found.company, *self.found.others]
        used = frozenset(each.reference for each in evidence_of(self.evaluation, self.rule))
        titles = {
            rule: title(self.knowledge.pack_of[rule], each, self.language)
            for rule, each in self.knowledge.rules.items()
        }
        return strip(self.evaluation, alerts, used, titles)


def case(found: Found, knowledge: Knowledge, keys: Keys, keep: str, language: Language) -> Case:
    """Gather what is kept of an alert. keep: what the store keeps now."""
    call, why_not = None, None
    if found.decision.emptied:
        why_not = said("What was judged has been deleted since.")
    elif found.decision.sealed is None:
        why_not = (
            said("What was judged was not kept: the store keeps hashes and reasons, no values (store.keep = hashed).")
            if keep != "full"
            else said("What was judged was not kept when this decision was made.")
        )
    else:
        try:
            call = found.decision.call(keys)
        except StoreError:
            why_not = said("What was judged cannot be opened with the keys that are set.")
    return Case(found, knowledge, language, call, why_not)
