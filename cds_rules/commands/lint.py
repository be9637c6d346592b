"""`cds-rules lint`: everything that is wrong or doubtful in packs, at once.

Errors: what the strict readers refuse, missing or broken cases, numbers no evidence and no parameter stands behind,
critical levels that an unconfirmed symptom or condition alone can carry, compiled rules that do not fit, what a language
leaves out or shows otherwise than the English. Warnings: a rule past its review date, a file nobody reads, a translation
of what is said nowhere. Exit code 0 clean, 1 errors (with --strict also warnings).
Floor: edge.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from cds_rules.cards.texts import all_texts
from cds_rules.commands import translations
from cds_rules.engine import durable
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.decisions import NAMES
from cds_rules.knowledge.languages import read_languages
from cds_rules.knowledge.pack import Pack, merged_tables, read_packs, read_tables, vocabulary_words
from cds_rules.knowledge.rules import All, Pattern, Rule, patterns
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.facts import call

REVIEW_PERIOD = timedelta(days=365)


def command(folders: Sequence[Path], today: date, strict: bool, parameters: Path | None = None) -> int:
    """Print every mistake, and on stderr how many there are."""
    errors, warnings = lint(folders, today, parameters)
    for severity, mistakes in (("error", errors), ("warning", warnings)):
        for mistake in mistakes:
            print(f"{severity}: {mistake}")
    print(", ".join((counted(len(errors), "error"), counted(len(warnings), "warning"))), file=sys.stderr)
    return 1 if errors or (strict and warnings) else 0


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "error"), counted(0, "warning")
    ('1 error', '0 warnings')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def lint(folders: Sequence[Path], today: date, parameters: Path | None = None) -> tuple[list[Mistake], list[Mistake]]:
    """Check packs, and a site's parameters where a file of them is given. Returns (errors, warnings)."""
    try:
        packs = read_packs(folders, parameters)
        all_texts(packs, read_languages(pack.translations for pack in packs))
    except PackError as error:
        return [*error.mistakes, *_of_cases(folders)], []
    errors = [mistake for pack in packs for mistake in _errors(pack)]
    warnings = [mistake for pack in packs for mistake in _warnings(pack, today)]
    wrong, doubtful = translations.mistakes(packs)
    return errors + wrong, warnings + doubtful


def _of_cases(folders: Sequence[Path]) -> Iterator[Mistake]:
    """The mistakes of all cases, where their rules cannot be read."""
    words = vocabulary_words(merged_tables(read_tables(folder) for folder in folders))
    for folder in folders:
        for path in sorted((folder / "rules").glob("*.yaml")):
            if not path.name.endswith(".cases.yaml"):
                name = f"{path.stem}.cases.yaml"
                yield from read_cases(path.with_name(name), f"{folder.name}/rules/{name}", path.stem, words)[1]


def _errors(pack: Pack) -> Iterator[Mistake]:
    yield from _idle_parameters(pack)
    for rule in pack.rules:
        yield from _orphan_numbers(pack, rule)
        yield from _unconfirmed_grounds(pack, rule)
        name = f"{pack.folder.name}/rules/{rule.id}.cases.yaml"
        cases, mistakes = read_cases(pack.folder / "rules" / f"{rule.id}.cases.yaml", name, rule.id, pack.words)
        yield from mistakes
        if mistakes:
            continue  # what those cases were meant to show is not known
        said = {case.expect for case in cases}
        for level in dict.fromkeys(level.indicator for level in rule.levels):
            if level not in said:
                yield Mistake(name, "", f"no case in which the rule is {level}. Add one.")
        if "silent" not in said:
            yield Mistake(name, "", "no silent case. Add one.")
    for hook in sorted({hook for rule in pack.rules for hook in rule.hooks}):
        called = call(hook)
        for part in ("when", "details"):
            used = {
                rule.id: durable.compiled_rules(
                    [condition for name, condition in rule.conditions() if (name == "when") is (part == "when")], called
                )
                for rule in pack.rules
                if hook in rule.hooks
            }
            if (total := max(map(sum, zip(*used.values(), strict=True)))) > durable.RULE_LIMIT:
                largest = max(used, key=lambda rule: max(used[rule]))
                yield Mistake(
                    f"{pack.folder.name}/pack.yaml",
                    f"{hook}, {part}",
                    f"{total} compiled rules, at most {durable.RULE_LIMIT} fit; {largest} alone takes {max(used[largest])}",
                )


def _orphan_numbers(pack: Pack, rule: Rule) -> Iterator[Mistake]:
    """Numbers in a rule's conditions that no evidence entry names and that are no parameter, and those named for nothing."""
    path = f"{pack.folder.name}/rules/{rule.id}.yaml"
    known = {number for evidence in rule.evidence for number in evidence.numbers}
    used = set[float]()
    places = [
        ("when", rule.when),  # not `ages`, which clinical specification 0.5 gives as a whole
        *((f"levels[{number}]", level.when) for number, level in enumerate(rule.levels)),
        *((f"unless[{number}]", unless.when) for number, unless in enumerate(rule.unless)),
        *((f"suggestions[{number}]", suggestion.when) for number, suggestion in enumerate(rule.suggestions)),
    ]
    for place, condition in places:
        for pattern in patterns(condition):
            for test in pattern.tests:
                numbers = [constant for constant in test.constants if type(constant) is float and not test.parameter]
                used.update(numbers)
                for number in numbers:
                    if number not in known:
                        yield Mistake(
                            path,
                            place,
                            f"no evidence entry names the number {number:g} ({pattern.kind}.{test.field}). Add it to `numbers` of the entry that supports it, or make it a parameter.",
                        )
    for place, suggestion in enumerate(rule.suggestions):
        for number in (suggestion.at_most, suggestion.below):
            if isinstance(number, float):
                used.add(number)
                if number not in known:
                    yield Mistake(
                        path, f"suggestions[{place}]", f"no evidence entry names the number {number:g}. Add it."
                    )
    for place, evidence in enumerate(rule.evidence):
        for number in evidence.numbers:
            if number not in used:
                yield Mistake(
                    path,
                    f"evidence[{place}].numbers",
                    f"no condition of the rule compares with {number:g}; take it out",
                )


_REPORTS = frozenset({"symptom", "condition"})
_MEASURED = frozenset({"lab", "vital", "kidney", "toxicity"})


def _unconfirmed_grounds(pack: Pack, rule: Rule) -> Iterator[Mistake]:
    """Critical levels that a symptom or condition can carry which nobody has confirmed (clinical specification 4.3)."""
    for place, level in enumerate(rule.levels):
        if level.indicator != "critical":
            continue
        alone: dict[str, None] = {}
        for conjunction in durable.met(All((rule.when, level.when))):
            grounds = [literal.pattern for literal in conjunction if literal.present]
            reports = [each for each in grounds if each.kind in _REPORTS]
            if not any(each.kind in _MEASURED or _says_confirmed(each) for each in grounds):
                alone |= dict.fromkeys(map(str, reports))
        if alone:
            yield Mistake(
                f"{pack.folder.name}/rules/{rule.id}.yaml",
                f"levels[{place}]",
                f"{'; '.join(alone)}: may be unconfirmed and still carry a critical card."
                " Add `confirmed: true`, and a level below for what is not confirmed.",
            )


def _says_confirmed(pattern: Pattern) -> bool:
    """Whether a pattern is met only by what is confirmed."""
    return any(test.field in ("confirmed", "severe_deficiency") and test.constants == (True,) for test in pattern.tests)


def _idle_parameters(pack: Pack) -> Iterator[Mistake]:
    """Parameters that no rule, no text and no derived fact reads: a site would change them in vain."""
    texts = [
        text
        for rule in pack.rules
        for text in (rule.card.summary, *rule.card.found, rule.card.why, *rule.card.consider, *rule.card.uncertain)
    ]
    conditions = [
        *(condition for rule in pack.rules for _, condition in rule.conditions()),
        *(suggestion.when for rule in pack.rules for suggestion in rule.suggestions),
    ]
    read = {test.parameter for each in conditions for pattern in patterns(each) for test in pattern.tests}
    for name in pack.parameters:
        if name not in read and name not in NAMES and not any(f"parameters.{name}" in text for text in texts):
            yield Mistake(f"{pack.folder.name}/pack.yaml", f"parameters.{name}", "is read by nothing; take it out")


def _warnings(pack: Pack, today: date) -> Iterator[Mistake]:
    for rule in pack.rules:
        if rule.status == "active" and today - rule.reviewed > REVIEW_PERIOD:
            yield Mistake(
                f"{pack.folder.name}/rules/{rule.id}.yaml",
                "reviewed",
                f"reviewed on {rule.reviewed}, more than {REVIEW_PERIOD.days} days ago; it still runs",
            )
    rules = {rule.id for rule in pack.rules}
    for path in sorted((pack.folder / "rules").glob("*")):
        stem = path.name.removesuffix(".yaml").removesuffix(".cases")
        if path.suffix != ".yaml" or stem not in rules:
            yield Mistake(f"{pack.folder.name}/rules/{path.name}", "", "belongs to no rule of the pack")
