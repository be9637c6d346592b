"""Rules compiled to durable-rules and fired: the only door to that package.

durable-rules is right and fast inside a small subset and crashes the process outside it; this module never leaves it:
conjunctions of facts that are there or absent, constants only, no `$or`, all facts first and the call they wait for
last, one ruleset a hook built at start-up, one session an evaluation, deleted after it has fired (docs/durable-rules.md).

A condition becomes two families of rules: `met` fires when it is certainly met, `refuted` when it is certainly not; where
neither fires it is unknown. "Certainly absent" is asked of a shadow of the facts in which a field that is not known takes
every value that could matter, and of the gaps. A number goes as its two ends: present, it passes by the end that is
nearer to failing; in the shadow by the other one. Flows in: rules at start-up, facts at run time. Flows out: truths.
Floor: engine.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any as Anything

from cds_rules.engine.reference import NO, UNKNOWN, YES, Truth, World, fits, passes
from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Constant, Not, Pattern, patterns
from cds_rules.vocabulary.errors import MatcherError
from cds_rules.vocabulary.facts import Between, Fact

try:  # durable-rules does not import on Python 3.13 and later: there the reference matches alone
    import durable_rules_engine as _native
    from durable.engine import Ruleset as _Ruleset
except ImportError:  # pragma: no cover - other interpreter
    _native = None

AVAILABLE = _native is not None
RULE_LIMIT = 250
"""Compiled rules a ruleset may hold; the library refuses 257 on one first antecedent with a bare number."""
_CROWD = 6
_TOGETHER = 45
_LEAST, _MOST = "_least", "_most"
_ENDLESS = 2e12
"""Stands for an end that is open: no constant of a rule is as large."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A pattern without `in`, that some fact passes or that certainly none passes."""

    pattern: Pattern
    present: bool


Conjunction = tuple[Literal, ...]


def met(condition: Condition) -> list[Conjunction]:
    """The disjunction of conjunctions under which a condition is certainly met."""
    match condition:
        case Pattern():
            return [(Literal(single, True),) for single in _singles(condition)]
        case Not(part):
            return refuted(part)
        case All(parts):
            return _product([met(part) for part in parts])
        case Any(parts):
            return [conjunction for part in parts for conjunction in met(part)]


def refuted(condition: Condition) -> list[Conjunction]:
    """The disjunction of conjunctions under which a condition is certainly not met."""
    match condition:
        case Pattern():
            return [tuple(Literal(single, False) for single in _singles(condition))]
        case Not(part):
            return met(part)
        case All(parts):
            return [conjunction for part in parts for conjunction in refuted(part)]
        case Any(parts):
            return _product([refuted(part) for part in parts])


def _singles(pattern: Pattern) -> Iterator[Pattern]:
    choices = [
        [Comparison(test.field, "eq", (constant,)) for constant in test.constants] if test.operator == "in" else [test]
        for test in pattern.tests
    ]
    for tests in itertools.product(*choices):
        yield Pattern(pattern.kind, tests)


def _product(parts: Sequence[list[Conjunction]]) -> list[Conjunction]:
    return [tuple(dict.fromkeys(itertools.chain.from_iterable(choice))) for choice in itertools.product(*parts)]


def _for_hook(conjunctions: Iterable[Conjunction], call: Fact) -> list[Conjunction]:
    """Settle patterns on the call, which is the same for a whole ruleset."""
    kept: dict[Conjunction, None] = {}
    for conjunction in conjunctions:
        rest = []
        for literal in conjunction:
            if literal.pattern.kind != "call":
                rest.append(literal)
            elif (
                all(passes(test, call.fields[test.field]) is YES for test in literal.pattern.tests)
                is not literal.present
            ):
                break
        else:
            kept[tuple(rest)] = None
    return list(kept)


class _Session:
    """One ruleset of the library and what it wants to be told."""

    def __init__(self, name: str, families: Mapping[str, list[Conjunction]]) -> None:
        count = sum(len(conjunctions) for conjunctions in families.values())
        if count > RULE_LIMIT:
            raise MatcherError(
                f"{name}: {count} compiled rules, at most {RULE_LIMIT} fit into one ruleset; simplify `any` inside `all`, or split the pack"
            )
        self._present = _Reader(
            literal.pattern
            for each in families.values()
            for conjunction in each
            for literal in conjunction
            if literal.present
        )
        self._absent = _Reader(
            (
                literal.pattern
                for each in families.values()
                for conjunction in each
                for literal in conjunction
                if not literal.present
            ),
            present=False,
        )
        self._name = name
        self._families = families
        self._ruleset: Anything = None
        self._sessions = itertools.count()
        self._fires_on_nothing = any(
            not any(literal.present for literal in conjunction) for each in families.values() for conjunction in each
        )

    def prepare(self) -> Anything:
        """The library's handle of the ruleset, which is compiled when it is first wanted; checked it was when built."""
        if self._ruleset is None:
            definition: dict[str, Anything] = {"sentinel": {"all": [{"call": {"k": "call"}}], "run": _nothing}}
            for family, conjunctions in self._families.items():
                for number, conjunction in enumerate(conjunctions):
                    # dist 0: one fact may bear several patterns of a rule, as it may in the reference
                    antecedents = list(_antecedents(conjunction))
                    definition[f"{family}#{number}"] = {"all": antecedents, "run": _nothing, "dist": 0}
            self._ruleset = _Ruleset(self._name, None, definition)  # kept: the handle lives as long as it does
        return self._ruleset._handle

    def fire(self, world: World) -> set[str]:
        """Tell the library all facts, then the call; return the families of which a rule fired."""
        messages = [*self._present.messages(world), *self._absent.shadows(world)]
        if not messages and not self._fires_on_nothing:
            return set()
        session = str(next(self._sessions))
        for number, message in enumerate(messages):
            message["id"] = str(number)
            message["sid"] = session
        # the call goes last: absence is judged when it arrives (test_absence_ignores_the_order_of_facts)
        messages.append({"k": "call", "id": "call", "sid": session})
        handle = self.prepare()
        try:
            _, state = _native.assert_facts(handle, json.dumps(messages))  # code: "some fact matched nothing"
            fired = set()
            _, action = _native.start_action_for_state(handle, state)
            while action:
                fired.add(action.split('"', 2)[1].partition("#")[0])
                action = _native.complete_and_start_action(handle, state)
        except Exception as error:  # the library's messages carry facts: none may leave this place
            raise MatcherError(f"durable-rules failed with {type(error).__name__}") from None
        if "sentinel" not in fired:  # deleting a session in which nothing fired crashes the process
            raise MatcherError("durable-rules did not fire the sentinel rule")
        _native.delete_state(handle, session)
        return fired


class _Sessions:
    """Families spread over rulesets by the kind of fact they begin with: a ruleset nothing is told stays untouched."""

    def __init__(self, name: str, families: Mapping[str, list[Conjunction]]) -> None:
        self._settled = frozenset(family for family, conjunctions in families.items() if () in conjunctions)
        groups: dict[str, dict[str, list[Conjunction]]] = {}
        for family, conjunctions in families.items():
            if conjunctions and family not in self._settled:
                groups.setdefault(conjunctions[0][0].pattern.kind, {})[family] = conjunctions
        self._sessions = tuple(
            _Session(f"{name} {number}", each) for number, each in enumerate(_packed(groups.values()))
        )

    def prepare(self) -> None:
        """Compile what a first call would compile."""
        for session in self._sessions:
            session.prepare()

    def fire(self, world: World) -> set[str]:
        """The families of which a rule fired, those the hook alone settles included."""
        fired = set(self._settled)
        for session in self._sessions:
            fired |= session.fire(world)
        return fired


def _packed(groups: Iterable[dict[str, list[Conjunction]]]) -> list[dict[str, list[Conjunction]]]:
    """Join small groups: a session costs by its compiled rules, faster than in proportion, and a little by itself."""
    packed: list[dict[str, list[Conjunction]]] = []
    for group in sorted(groups, key=lambda each: sum(map(len, each.values()))):
        if packed and sum(map(len, (packed[-1] | group).values())) <= _TOGETHER:
            packed[-1] |= group
        else:
            packed.append(dict(group))
    return packed


def _nothing(context: object) -> None:
    """Do nothing: which rules fired is read from the action itself."""


def _antecedents(conjunction: Conjunction) -> Iterator[dict[str, Anything]]:
    # only absence must wait for the call; where nothing is absent it would double what a session costs
    if not all(literal.present for literal in conjunction):
        yield {"call": {"k": "call"}}
    # the library joins from the front: what nearly every patient passes comes late
    ordered = sorted(conjunction, key=lambda literal: (not literal.present, literal.pattern.kind == "patient"))
    for number, literal in enumerate(ordered):
        kind = literal.pattern.kind
        if literal.present:
            yield {f"m{number}": _all_of([{"k": kind}, *_terms(literal)])}
        else:
            yield {f"m{number}$not": _all_of([{"k": "~" + kind}, *_terms(literal)])}
    for kind in dict.fromkeys(literal.pattern.kind for literal in ordered if not literal.present):
        yield {f"g{kind}$not": {"k": "gap " + kind}}


def _all_of(terms: list[dict[str, Anything]]) -> dict[str, Anything]:
    return terms[0] if len(terms) == 1 else {"$and": terms}


_OPERATORS = {"lt": "$lt", "le": "$lte", "gt": "$gt", "ge": "$gte"}


def _terms(literal: Literal) -> Iterator[dict[str, Anything]]:
    """The comparisons of a pattern; of a number each asks the end that settles it."""
    for test in literal.pattern.tests:
        constant = test.constants[0]
        for operator, column in _ends(test, literal.present):
            yield {column: constant} if operator == "eq" else {_OPERATORS[operator]: {column: constant}}


def _ends(test: Comparison, present: bool) -> tuple[tuple[str, str], ...]:
    """The comparisons a test becomes, each with the field it asks: (operator, field)."""
    if type(test.constants[0]) is not float:
        return (("eq", test.field),)
    low, high = test.field + _LEAST, test.field + _MOST
    match test.operator:
        case "gt" | "ge":
            return ((test.operator, low if present else high),)
        case "lt" | "le":
            return ((test.operator, high if present else low),)
        case _:  # equal: neither end, or in the shadow some number between them, is another
            return ("ge", low if present else high), ("le", high if present else low)


@dataclass(frozen=True, slots=True)
class _Group:
    """Patterns that ask for the same facts, the tests of each field they name, and what the library has to be told.

    columns: field of the fact -> the fields of the library that hold it; of a number those of its ends that are asked.
    """

    patterns: tuple[Pattern, ...]
    fields: Mapping[str, tuple[Comparison, ...]]
    columns: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, patterns: Iterable[Pattern], present: bool) -> _Group:
        found, fields = tuple(patterns), dict[str, dict[Comparison, None]]()
        for pattern in found:
            for test in pattern.tests:
                fields.setdefault(test.field, {})[test] = None
        return cls(
            found,
            {name: tuple(tests) for name, tests in fields.items()},
            tuple(
                (name, tuple(dict.fromkeys(column for test in tests for _, column in _ends(test, present))))
                for name, tests in fields.items()
            ),
        )

    def known(self, each: Fact) -> dict[str, Constant]:
        """What is known of a fact, in the fields of the library."""
        found: dict[str, Constant] = {}
        for name, columns in self.columns:
            value = each.fields[name]
            if value is not None:
                for column in columns:
                    found[column] = _told(value, column) if type(value) is Between else value  # type: ignore[assignment]
        return found

    def open(self, each: Fact) -> bool:
        """Whether a field is not known, or not exactly."""
        return any((value := each.fields[name]) is None or type(value) is Between for name in self.fields)


def _told(value: Between, column: str) -> float:
    """The end of a number that a field of the library holds."""
    return min(max(value.least if column.endswith(_LEAST) else value.most, -_ENDLESS), _ENDLESS)


class _Reader:
    """What a set of patterns asks of facts: kinds, fields, and the constants each field is compared with.

    Where every pattern of a kind names one value of the same field (the code of a lab), facts are asked by that value.
    """

    def __init__(self, patterns: Iterable[Pattern], present: bool = True) -> None:
        by_kind: dict[str, dict[Pattern, None]] = {}
        for pattern in patterns:
            by_kind.setdefault(pattern.kind, {})[pattern] = None
        self._key: dict[str, str | None] = {kind: _discriminator(each) for kind, each in by_kind.items()}
        self._asked: dict[str, dict[Constant | None, _Group]] = {}
        for kind, each in by_kind.items():
            key = self._key[kind]
            constants = {None} | {_named(pattern, key) for pattern in each if key}
            self._asked[kind] = {
                constant: _Group.of(
                    (pattern for pattern in each if constant is None or _named(pattern, key) == constant), present
                )
                for constant in constants
            }

    def facts(self, world: World) -> Iterator[tuple[Fact, _Group]]:
        """The facts some pattern can be about, each with who asks for it; of a crowd of equals, one."""
        for kind, groups in self._asked.items():
            key = self._key[kind]
            known = [
                (each, group)
                for each in world.facts.get(kind, ())
                if (group := groups.get(each.fields[key] if key else None))  # type: ignore[arg-type]  # a key is no number
            ]
            if len(known) > _CROWD:
                known = list({_seen_by(each, group): (each, group) for each, group in known}.values())
            yield from known

    def messages(self, world: World) -> Iterator[dict[str, Anything]]:
        """The facts as they are, without the fields that are not known."""
        for each, group in self.facts(world):
            yield {"k": each.kind, **group.known(each)}

    def shadows(self, world: World) -> Iterator[dict[str, Anything]]:
        """The facts, once for each pattern they could pass, with their open fields set so that they do; and the gaps."""
        for kind in self._asked:
            if kind in world.gaps:
                yield {"k": "gap " + kind}
        for each, group in self.facts(world):
            known = group.known(each)
            copies: set[tuple[tuple[str, Constant], ...]] = set()
            if group.open(each):
                copies = {_completed(pattern, each) for pattern in group.patterns if fits(pattern, each) is UNKNOWN}
            for chosen in copies or ((),):
                yield {"k": "~" + each.kind, **known, **dict(chosen)}

    def is_certain(self, world: World) -> bool:
        """Tell whether no pattern can be unknown: no gap, and no open field that would decide one."""
        if any(kind in world.gaps for kind in self._asked):
            return False
        for each, group in self.facts(world):
            if group.open(each) and any(fits(pattern, each) is UNKNOWN for pattern in group.patterns):
                return False
        return True


def _seen_by(each: Fact, group: _Group) -> tuple[object, ...]:
    """How all tests of a group judge a fact: facts that are judged alike are interchangeable."""
    return (id(group), *(passes(test, each.fields[name]) for name, tests in group.fields.items() for test in tests))


def _named(pattern: Pattern, key: str | None) -> Constant | None:
    return next((test.constants[0] for test in pattern.tests if test.field == key and test.operator == "eq"), None)


def _discriminator(patterns: Iterable[Pattern]) -> str | None:
    """The field that every pattern of a kind compares with one word or flag, the first by name; None when there is none."""
    named = [
        frozenset(
            test.field for test in pattern.tests if test.operator == "eq" and type(test.constants[0]) is not float
        )
        for pattern in patterns
    ]
    return min(frozenset.intersection(*named), default=None)


def _completed(pattern: Pattern, each: Fact) -> tuple[tuple[str, Constant], ...]:
    """Values for the open fields that a pattern tests, such that the fact passes it; "" never passes anything."""
    tests: dict[str, list[Comparison]] = {}
    for test in pattern.tests:
        if each.fields[test.field] is None:
            tests.setdefault(test.field, []).append(test)
    return tuple(
        (column, passing)
        for several in tests.values()
        for passing in (_passing(several),)
        for column in dict.fromkeys(column for test in several for _, column in _ends(test, present=False))
    )


def _passing(tests: Sequence[Comparison]) -> Constant:
    """A value that passes all comparisons of one field; where none does, one that passes none of any other."""
    constants = [test.constants[0] for test in tests]
    if all(isinstance(constant, float) for constant in constants):
        numbers = sorted(float(constant) for constant in constants)
        middles = [(low + high) / 2 for low, high in itertools.pairwise(numbers)]
        candidates: list[Constant] = [numbers[0] - 1, *numbers, *middles, numbers[-1] + 1]
    else:
        candidates = list(constants)
    return next((value for value in candidates if all(passes(test, value) is YES for test in tests)), "")


class Matcher:
    """Conditions of one hook, by name, compiled once.

    The parts of a top-level `all` are families of their own, shared by every condition that has them, and joined by their
    minimum: joined inside the library they would multiply, and a session costs by the number of its compiled rules.
    """

    def __init__(self, name: str, conditions: Mapping[str, Condition], call: Fact) -> None:
        parts: dict[Condition, str] = {}
        self._parts = {
            key: tuple(parts.setdefault(part, f"p{len(parts)}") for part in _conjuncts(condition))
            for key, condition in conditions.items()
        }
        self._asked = _Reader(pattern for part in parts for pattern in patterns(part) if pattern.kind != "call")
        self._names = tuple(parts.values())
        self._met = _Sessions(f"{name} met", {key: _for_hook(met(part), call) for part, key in parts.items()})
        self._refuted = _Sessions(
            f"{name} refuted", {key: _for_hook(refuted(part), call) for part, key in parts.items()}
        )

    def prepare(self) -> None:
        """Compile what a first call would compile: until then a matcher is checked and no more, so that a start is short."""
        self._met.prepare()
        self._refuted.prepare()

    def truths(self, world: World, certain: bool | None = None) -> dict[str, Truth]:
        """Judge every condition.

        Args:
            certain: known from elsewhere that no condition is unknown; None: found out here.

        Raises:
            MatcherError: the library failed; nothing of the facts is in the message.
        """
        fired = self._met.fire(world)
        if certain or (certain is None and self._asked.is_certain(world)):
            return {name: YES if fired.issuperset(parts) else NO for name, parts in self._parts.items()}
        denied = self._refuted.fire(world)
        found = {part: YES if part in fired else NO if part in denied else UNKNOWN for part in self._names}
        return {name: min((found[part] for part in parts), default=YES) for name, parts in self._parts.items()}


def _conjuncts(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, All):
        for part in condition.parts:
            yield from _conjuncts(part)
    else:
        yield condition


def compiled_rules(conditions: Iterable[Condition], call: Fact) -> tuple[int, int]:
    """How many compiled rules conditions cost on a hook in each of their two families, for `lint`."""
    parts = dict.fromkeys(part for condition in conditions for part in _conjuncts(condition))
    return sum(len(_for_hook(met(each), call)) for each in parts), sum(
        len(_for_hook(refuted(each), call)) for each in parts
    )
