"""Random worlds of facts for the rules of a pack: values from both sides of every constant that a rule names."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from cds_rules.engine.reference import World
from cds_rules.knowledge.rules import Rule, patterns
from cds_rules.vocabulary.facts import KINDS, Between, Fact, Value, between, call, fact

NAMES = ("class", "code", "key", "test", "state", "statin", "reason")


class Worlds:
    """Draws worlds; the same seed draws the same worlds."""

    def __init__(self, rules: Iterable[Rule], seed: int) -> None:
        self._random = random.Random(seed)
        self._values: dict[tuple[str, str], list[Value]] = {}
        kinds: dict[str, None] = {}
        for rule in rules:
            for _, condition in rule.conditions():
                for pattern in patterns(condition):
                    kinds[pattern.kind] = None
                    for test in pattern.tests:
                        known = self._values.setdefault((pattern.kind, test.field), [])
                        for constant in test.constants:
                            known += (
                                [constant + step for step in (-1, -0.01, 0, 0.01, 1)]
                                if isinstance(constant, float)
                                else [constant]
                            )
        self._kinds = [kind for kind in kinds if kind != "call"]

    def draw(self, hook: str) -> World:
        """One world: a few facts of each kind, at times with open fields and gaps."""
        draw = self._random
        unknown = draw.choice((0.0, 0.0, 0.15))
        facts = [call(hook)]
        for kind in self._kinds:
            facts += [self._fact(kind, unknown) for _ in range(draw.choice((0, 1, 1, 2, 4)))]
        draw.shuffle(facts)
        gaps = [kind for kind in self._kinds if draw.random() < 0.1] if draw.random() < 0.3 else []
        return World(facts, gaps)

    def _fact(self, kind: str, unknown: float) -> Fact:
        fields: dict[str, Value] = {}
        for name, field in KINDS[kind].fields.items():
            # what names a fact is always known; anything else may be open
            if name not in NAMES and self._random.random() < unknown:
                continue
            match field.type:
                case "flag":
                    fields[name] = self._random.random() < 0.5
                case "number":
                    fields[name] = self._number(self._values.get((kind, name)) or [0.0, 1.0], unknown)  # type: ignore[arg-type]
                case "text":
                    named = [value for value in self._values.get((kind, name), []) if isinstance(value, str)]
                    fields[name] = self._random.choice([*named, *named, *(field.words or ("something-else",))])
        return fact(kind, **fields)

    def _number(self, values: list[float], unknown: float) -> float | Between | None:
        """One of the values; where not all is known, at times only two ends of it."""
        if self._random.random() >= unknown:
            return self._random.choice(values)
        return between(*sorted(self._random.choice([*values, -math.inf, math.inf]) for _ in range(2)))
