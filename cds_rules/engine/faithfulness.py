"""Whether the evidence of a card is the evidence: taken away it changes what the rule says, and nothing else does.

Proved by taking facts away and asking the rule again, however the evidence was found (`evidence`).
Flows in: a finding with the facts of its evaluation. Flows out: sentences. Floor: engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cds_rules.engine.evidence import cuts
from cds_rules.engine.judging import Finding
from cds_rules.engine.reference import World, said
from cds_rules.vocabulary.facts import KINDS, Fact


def unfaithful(finding: Finding, facts: Sequence[Fact], gaps: Iterable[str]) -> tuple[str, ...]:
    """What is wrong with the evidence of a finding, a sentence each, without values; nothing when it is faithful.

    Every cited fact has to be of some cut, every fact of a cut has to be cited, and all that is not cited, taken away at
    once, has to change nothing. The call, of which there is always one, is not evidence.
    """
    gaps = frozenset(gaps)
    rule = finding.rule
    asked = {place for place, each in enumerate(facts) if each.kind == "call"}
    cited = {place for place, each in enumerate(facts) if any(each is other for other in finding.facts)} - asked
    needed = frozenset().union(*cuts(rule, facts, gaps)) - asked
    wrong = [f"{_named(facts[place])} is cited, and without it nothing changes" for place in sorted(cited - needed)]
    wrong += [
        f"{_named(facts[place])} is not cited, and without it something changes" for place in sorted(needed - cited)
    ]
    kept = [each for place, each in enumerate(facts) if place in cited | asked]
    if said(rule, World(kept, gaps)) != said(rule, World(facts, gaps)):
        wrong.append("what is cited does not suffice by itself")
    return tuple(wrong)


def _named(each: Fact) -> str:
    about = each.fields.get(KINDS[each.kind].names)
    return f"{each.kind} {about}" if about else each.kind
