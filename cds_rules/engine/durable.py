"""Rules compiled to durable-rules and fired: the only door to that package.

durable-rules is right and fast inside a small subset and crashes the process outside it; this module never leaves it:
conjunctions of facts that are there or absent, constants only, no `$or`, all facts first and the call they wait for
last, small rulesets compiled once, one session of each an evaluation, deleted after it has fired (docs/durable-rules.md).
A ruleset of which no rule can fire, by the kinds, words and flags of the facts, is not asked, nor is one that cannot make
a condition met since another part of it is not.

A condition becomes two families of rules: `met` fires when it is certainly met, `refuted` when it is certainly not; where
neither fires it is unknown. "Certainly absent" is asked of a shadow of the facts in which a field that is not known takes
every value that could matter, and means nothing where facts of its kind may be missing. A number goes as its two ends: present, it passes by the end that is
nearer to failing; in the shadow by the other one. Flows in: rules at start-up, facts at run time. Flows out: truths.
Floor: engine.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from json.encoder import encode_basestring_ascii
from operator import or_
from typing import Any as Anything

from cds_rules.engine.reference import NO, UNKNOWN, YES, Truth, World, fits, passes
from cds_rules.knowledge.rules import All, Any, Comparison, Condition, Constant, Not, Pattern, patterns
from cds_rules.vocabulary.errors import MatcherError
from cds_rules.vocabulary.facts import Between, Fact, Value
from cds_rules.vocabulary.frozen import Frozen

try:  # durable-rules does not import on Python 3.13 and later: there the reference matches alone
    import durable_rules_engine as _native
    from durable.engine import Ruleset as _Ruleset
except ImportError:  # pragma: no cover - other interpreter
    _native = None

AVAILABLE = _native is not None
RULE_LIMIT = 250
"""Compiled rules a ruleset may hold; the library refuses 257 on one first antecedent with a bare number."""
_CROWD = 6
_TOGETHER, _LARGEST = 16, 45
"""Antecedents up to which small rulesets are joined, and rules of the largest."""
_LEAST, _MOST = "_least", "_most"
_ENDLESS = 2e12
"""Stands for an end that is open: no constant of a rule is as large."""


class Literal(Frozen, frozen=True):
    """A pattern without `in`, that some fact passes or that certainly none passes."""

    pattern: Pattern
    present: bool


Conjunction = tuple[Literal, ...]
Mark = tuple[str, str, Constant]
"""Something a fact shows at once: its kind, and the word or flag in one of its fields; "" twice: that it is there."""
Marks = frozenset[Mark] | set[Mark]
_NOTHING: Mark = ("", "", "")
"""The mark of what waits for no word and no flag; it is always there."""
Families = int
"""A set of families of rules: a bit for each."""
_SENTINEL: Families = 1
_Rule = tuple[Families, Conjunction]
"""One compiled rule with its family."""


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


def _sizes(condition: Condition) -> tuple[int, int]:
    """How many conjunctions `met` and `refuted` give, at most."""
    match condition:
        case Pattern(_, tests):
            return math.prod(len(test.constants) for test in tests if test.operator == "in"), 1
        case Not(part):
            return _sizes(part)[::-1]
    sizes = [_sizes(part) for part in condition.parts]
    product = tuple(math.prod(each) for each in zip(*sizes, strict=True))
    summed = tuple(sum(each) for each in zip(*sizes, strict=True))
    return (product[0], summed[1]) if isinstance(condition, All) else (summed[0], product[1])


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

    def __init__(self, name: str, rules: Sequence[_Rule]) -> None:
        literals = [literal for _, conjunction in rules for literal in conjunction]
        self._present = _Reader(literal.pattern for literal in literals if literal.present)
        self._absent = _Reader((literal.pattern for literal in literals if not literal.present), present=False)
        self._name = name
        self.rules = rules
        self._ruleset: Anything = None
        self._sessions = itertools.count()
        self._named = {f"r{n}": (family, _absent_kinds(conjunction)) for n, (family, conjunction) in enumerate(rules)}
        self._named["sentinel"] = _SENTINEL, frozenset()

    def prepare(self) -> Anything:
        """The library's handle of the ruleset, which is compiled when it is first wanted; checked it was when built."""
        if self._ruleset is None:
            definition: dict[str, Anything] = {"sentinel": {"all": [{"call": {"k": "call"}}], "run": _nothing}}
            for number, (_, conjunction) in enumerate(self.rules):
                # dist 0: one fact may bear several patterns of a rule, as it may in the reference
                definition[f"r{number}"] = {"all": list(_antecedents(conjunction)), "run": _nothing, "dist": 0}
            self._ruleset = _Ruleset(self._name, None, definition)  # kept: the handle lives as long as it does
        return self._ruleset._handle

    def fire(self, world: World) -> Families:
        """Tell the library all facts, then the call; return the families of which a rule fired."""
        session = str(next(self._sessions))
        # the call goes last: absence is judged when it arrives (test_absence_ignores_the_order_of_facts)
        # of facts that look alike here one is enough: each of them may bear every pattern of a rule
        messages = dict.fromkeys((*self._present.messages(world), *self._absent.shadows(world), '"k":"call"'))
        told = ",".join([f'{{{each},"id":"{number}","sid":"{session}"}}' for number, each in enumerate(messages)])
        handle = self.prepare()
        try:
            _, state = _native.assert_facts(handle, f"[{told}]")  # code: "some fact matched nothing"
            fired = 0
            _, action = _native.start_action_for_state(handle, state)
            while action:
                family, absent = self._named[action.split('"', 2)[1]]
                if absent.isdisjoint(world.gaps):  # what may be missing is not certainly absent
                    fired |= family
                action = _native.complete_and_start_action(handle, state)
        except Exception as error:  # the library's messages carry facts: none may leave this place
            raise MatcherError(f"durable-rules failed with {type(error).__name__}") from None
        if not fired & _SENTINEL:  # deleting a session in which nothing fired crashes the process
            raise MatcherError("durable-rules did not fire the sentinel rule")
        _native.delete_state(handle, session)
        return fired


class _Sessions:
    """Families spread over rulesets by what their rules ask for: a ruleset of which no rule can fire stays untouched.

    families: made when they are first wanted, so that a start is short.
    """

    def __init__(self, name: str, families: Callable[[], Mapping[Families, list[Conjunction]]]) -> None:
        self._name = name
        self._families = families

    @cached_property
    def _made(self) -> tuple[Families, tuple[_Session, ...]]:
        """The families that the hook alone settles, and the rulesets of the others."""
        settled, groups = 0, dict[Mark, list[_Rule]]()
        for family, conjunctions in self._families().items():
            if () in conjunctions:
                settled |= family
                continue
            for conjunction in conjunctions:
                groups.setdefault(_rarest(conjunction), []).append((family, conjunction))
        # backwards: what waits for nothing comes last, when most conditions are settled without it
        packed = [*_packed(groups)][::-1]
        return settled, tuple(_Session(f"{self._name} {number}", each) for number, each in enumerate(packed))

    @cached_property
    def _openings(self) -> tuple[tuple[Families, ...], Mapping[Mark, Sequence[tuple[int, Families, frozenset[Mark]]]]]:
        """Of each ruleset the families that wait for no mark; of the others, by the rarest: place, family, all their marks."""
        always, found = [0 for _ in self._made[1]], dict[Mark, dict[tuple[int, Families, frozenset[Mark]], None]]()
        for place, session in enumerate(self._made[1]):
            for family, conjunction in session.rules:
                if marks := _marks(conjunction):
                    found.setdefault(_rarest(conjunction), {})[place, family, marks] = None
                else:
                    always[place] |= family
        return tuple(always), {mark: tuple(openings) for mark, openings in found.items()}

    def prepare(self) -> None:
        """Compile what a first call would compile."""
        for session in self._made[1]:
            session.prepare()
        _ = self._openings

    def fire(self, world: World, marks: Marks, asked: Iterable[Families], doubtful: Families = 0) -> Families:
        """The families of which a rule fired, as far as it matters; those the hook alone settles included.

        Args:
            marks: of the facts. asked: families that are of interest together: of those of which one cannot fire any more
            and is not doubtful, the others do not matter.
        """
        fired, sessions = self._made
        always, openings = self._openings
        waiting = list(always)
        for mark in marks:
            for place, family, opening in openings.get(mark, ()):
                if opening <= marks:
                    waiting[place] |= family
        for place, session in enumerate(sessions):
            if waiting[place]:
                possible = reduce(or_, waiting[place:], fired | doubtful)
                asked = [families for families in asked if families & possible == families]
                if waiting[place] & reduce(or_, asked, 0):
                    fired |= session.fire(world)
        return fired


def _absent_kinds(conjunction: Conjunction) -> frozenset[str]:
    return frozenset(literal.pattern.kind for literal in conjunction if not literal.present)


def _marks(conjunction: Conjunction) -> frozenset[Mark]:
    """What facts must show so that a conjunction can be met."""
    found: set[Mark] = set()
    for literal in conjunction:
        if literal.present:
            kind = literal.pattern.kind
            found.add((kind, "", ""))
            found |= {(kind, test.field, test.constants[0]) for test in literal.pattern.tests if _is_shown(test)}
    return frozenset(found)


def _is_shown(test: Comparison) -> bool:
    return test.operator in ("eq", "in") and type(test.constants[0]) is not float


class _Marks:
    """The marks that patterns wait for, by the kinds and fields that show them."""

    def __init__(self, asked: Iterable[Pattern]) -> None:
        found: dict[str, dict[str, dict[Value, Mark]]] = {}
        for pattern in asked:
            fields = found.setdefault(pattern.kind, {})
            for test in filter(_is_shown, pattern.tests):
                known = fields.setdefault(test.field, {})
                known.update({each: (pattern.kind, test.field, each) for each in test.constants})
        self._asked = [(kind, (kind, "", ""), tuple(fields.items())) for kind, fields in found.items()]

    def of(self, world: World) -> Marks:
        """Those of them that a fact shows."""
        found = {_NOTHING}
        for kind, there, asked in self._asked:
            if facts := world.facts.get(kind):
                found.add(there)
                for each in facts:
                    fields = each.fields
                    for name, marks in asked:
                        if mark := marks.get(fields[name]):
                            found.add(mark)
        return found


def _rarest(conjunction: Conjunction) -> Mark:
    """The mark by which a conjunction finds its ruleset: rather a word than a flag."""
    found = [mark for mark in _marks(conjunction) if mark[1] and mark[2] is not False]
    return min(found, key=lambda mark: (type(mark[2]) is bool, *mark[:2], str(mark[2])), default=_NOTHING)


def _packed(groups: Mapping[Mark, list[_Rule]]) -> Iterator[list[_Rule]]:
    """Join small groups that wait for a word or flag, like beside like: a session costs by the antecedents of its rules."""
    packed: list[_Rule] = []
    held = 0
    for mark, group in sorted(groups.items(), key=lambda item: str(item[0])):
        if not mark[1]:
            yield from (group[start : start + _LARGEST] for start in range(0, len(group), _LARGEST))
            continue
        size = sum(len(conjunction) for _, conjunction in group)
        if packed and held + size > _TOGETHER:
            yield packed
            packed, held = [], 0
        packed += group
        held += size
    if packed:
        yield packed


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


class _Group(Frozen, frozen=True):
    """Patterns that ask for the same facts, the tests of each field they name, and what the library has to be told.

    head: the member of a JSON object that says the kind. columns: of each field the fields of the library that hold it (of a
    number those of its ends that are asked), with the beginning of their members.
    """

    head: str
    patterns: tuple[Pattern, ...]
    fields: Mapping[str, tuple[Comparison, ...]]
    columns: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, kind: str, patterns: Iterable[Pattern], present: bool) -> _Group:
        found, fields = tuple(patterns), dict[str, dict[Comparison, None]]()
        for pattern in found:
            for test in pattern.tests:
                fields.setdefault(test.field, {})[test] = None
        return cls(
            f'"k":"{kind}"' if present else f'"k":"~{kind}"',
            found,
            {name: tuple(tests) for name, tests in fields.items()},
            tuple(
                (name, column, f',"{column}":')
                for name, tests in fields.items()
                for column in dict.fromkeys(column for test in tests for _, column in _ends(test, present))
            ),
        )

    def known(self, each: Fact) -> str:
        """What is known of a fact, as members of a JSON object, in the fields of the library."""
        found, fields = self.head, each.fields
        for name, column, head in self.columns:
            value = fields[name]
            if value is not None:
                found += head + _written(_told(value, column) if type(value) is Between else value)  # type: ignore[arg-type]
        return found

    def open(self, each: Fact) -> bool:
        """Whether a field is not known, or not exactly."""
        fields = each.fields
        for name in self.fields:
            value = fields[name]
            if value is None or type(value) is Between:
                return True
        return False


def _written(value: Constant) -> str:
    """A value in JSON."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    return "true" if value is True else "false" if value is False else repr(value)


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
        self._asked: list[tuple[str, str | None, dict[Constant | None, _Group]]] = []
        for kind, each in by_kind.items():
            key = _discriminator(each)
            constants = {None} | {_named(pattern, key) for pattern in each if key}
            groups = {
                constant: _Group.of(
                    kind, (pattern for pattern in each if constant is None or _named(pattern, key) == constant), present
                )
                for constant in constants
            }
            self._asked.append((kind, key, groups))

    def facts(self, world: World) -> list[tuple[Fact, _Group]]:
        """The facts some pattern can be about, each with who asks for it; of a crowd of equals, one."""
        found: list[tuple[Fact, _Group]] = []
        for kind, key, groups in self._asked:
            facts = world.facts.get(kind)
            if facts is None:
                continue
            known = [
                (each, group)
                for each in facts
                if (group := groups.get(each.fields[key] if key else None))  # type: ignore[arg-type]  # a key is no number
            ]
            if len(known) > _CROWD:
                known = list({_seen_by(each, group): (each, group) for each, group in known}.values())
            found += known
        return found

    def messages(self, world: World) -> list[str]:
        """The facts as they are, without the fields that are not known; as members of JSON objects."""
        return [group.known(each) for each, group in self.facts(world)]

    def shadows(self, world: World) -> Iterator[str]:
        """The facts, once for each pattern they could pass, with their open fields set so that they do."""
        for each, group in self.facts(world):
            known = group.known(each)
            copies: set[tuple[tuple[str, Constant], ...]] = set()
            if group.open(each):
                copies = {_completed(pattern, each) for pattern in group.patterns if fits(pattern, each) is UNKNOWN}
            for chosen in copies or ((),):
                completed = "".join([f',"{column}":{_written(value)}' for column, value in chosen])
                yield known + completed

    def doubtful(self, world: World) -> set[Pattern]:
        """The patterns that can be unknown: of a kind with a gap, or with an open field of a fact that would decide them."""
        found = {pattern for kind, _, groups in self._asked if kind in world.gaps for pattern in groups[None].patterns}
        for each, group in self.facts(world):
            if group.open(each):
                found.update(pattern for pattern in group.patterns if fits(pattern, each) is UNKNOWN)
        return found


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
        parts: dict[Condition, Families] = {}
        self._parts = {
            key: reduce(or_, [parts.setdefault(part, _SENTINEL << len(parts) + 1) for part in _conjuncts(condition)], 0)
            for key, condition in conditions.items()
        }
        self._conditions = {key: part for part, key in parts.items()}
        for part in parts:
            if (most := max(_sizes(part))) > RULE_LIMIT:
                raise MatcherError(
                    f"{name}: {most} compiled rules, at most {RULE_LIMIT} fit into one ruleset; simplify `any` inside `all`, or split the pack"
                )
        self._met = _Sessions(f"{name} met", lambda: {key: _for_hook(met(part), call) for part, key in parts.items()})
        self._refuted = _Sessions(
            f"{name} refuted", lambda: {key: _for_hook(refuted(part), call) for part, key in parts.items()}
        )

    @cached_property
    def _about(self) -> Mapping[Families, frozenset[Pattern]]:
        """The patterns of each part that ask for facts."""
        return {
            key: frozenset(pattern for pattern in patterns(part) if pattern.kind != "call")
            for key, part in self._conditions.items()
        }

    @cached_property
    def _marks(self) -> _Marks:
        return _Marks(itertools.chain.from_iterable(self._about.values()))

    @cached_property
    def _asked(self) -> _Reader:
        return _Reader(itertools.chain.from_iterable(self._about.values()))

    def prepare(self) -> None:
        """Compile what a first call would compile: until then a matcher is checked and no more, so that a start is short."""
        _ = self._marks, self._asked
        self._met.prepare()
        self._refuted.prepare()

    def truths(self, world: World, certain: bool | None = None) -> dict[str, Truth]:
        """Judge every condition.

        Args:
            certain: known from elsewhere that no condition is unknown; None: found out here.

        Raises:
            MatcherError: the library failed; nothing of the facts is in the message.
        """
        marks = self._marks.of(world)
        doubtful = None if certain else self._asked.doubtful(world)
        if not doubtful:
            fired = self._met.fire(world, marks, self._parts.values())
            return {name: YES if fired & parts == parts else NO for name, parts in self._parts.items()}
        opened = reduce(or_, [part for part, about in self._about.items() if not doubtful.isdisjoint(about)], 0)
        fired = self._met.fire(world, marks, self._parts.values(), opened)
        left = fired | opened
        unknown = reduce(or_, [parts for parts in self._parts.values() if left & parts == parts], 0) & ~fired
        unknown &= ~self._refuted.fire(world, marks, [part for part in self._about if part & unknown])
        left = fired | unknown
        return {
            name: YES if fired & parts == parts else UNKNOWN if left & parts == parts else NO
            for name, parts in self._parts.items()
        }


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
