"""`python -m bench.agreement [SECONDS] [SEED]`: durable-rules against the reference on random charts, for as long as told."""

from __future__ import annotations

import itertools
import sys
import time

import cds_rules
from cds_rules.engine import durable
from cds_rules.engine.reference import truth
from cds_rules.vocabulary.facts import HOOKS, call
from tests.engine.worlds import Worlds


def main(seconds: float = 60.0, seed: int = 0) -> int:
    """Print how many conditions were judged by both and which differed; returns how many differed."""
    rules = cds_rules.load_packs().judge.rules
    tasks = []
    for number, hook in enumerate(HOOKS):
        asked = [rule for rule in rules if hook in rule.hooks]
        conditions = {f"{rule.id}: {name}": part for rule in asked for name, part in rule.conditions()}
        if asked:
            parts = [
                {name: part for name, part in conditions.items() if name.endswith(": when") is w} for w in (True, False)
            ]
            matchers = [durable.Matcher(f"{hook} {n}", each, call(hook)) for n, each in enumerate(parts)]
            tasks.append((hook, Worlds(asked, seed * len(HOOKS) + number), list(zip(matchers, parts, strict=True))))
    judged, differing, end = 0, 0, time.monotonic() + seconds
    for hook, worlds, pairs in itertools.cycle(tasks):
        if time.monotonic() > end:
            break
        world = worlds.draw(hook)
        for matcher, conditions in pairs:
            found = matcher.truths(world)
            for name, condition in conditions.items():
                judged += 1
                if found[name] is not (meant := truth(condition, world)):
                    differing += 1
                    print(f"{hook}, {name}: durable-rules {found[name].name}, reference {meant.name}")
    print(f"{judged:,} conditions judged by both, {differing} differ (seed {seed})")
    return differing


if __name__ == "__main__":
    sys.exit(min(main(*(float(sys.argv[1]),) if sys.argv[1:] else (), *(int(word) for word in sys.argv[2:3])), 1))
