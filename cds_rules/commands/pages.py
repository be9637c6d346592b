"""`cds-rules pages`: a page per rule for the clinical committee, an index, and one page statement by statement.

Flows in: packs. Flows out: Markdown files, the same for the same packs. Nothing on a page is written by hand: what is missing
there is missing in the rule, its cases or the pack.
Floor: edge.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cds_rules.commands.words import Threshold, condition_lines, number_words, thresholds
from cds_rules.derive.differential import TEXTS as DIFFERENTIAL_TEXTS
from cds_rules.derive.symptoms import DIRECTION_TEXTS
from cds_rules.knowledge.cases import read_cases
from cds_rules.knowledge.pack import Pack, read_packs
from cds_rules.knowledge.rules import INDICATORS, Removal, Rule

STATEMENTS = "statements.csv"
"""File of a pack that says which rule carries which statement of the article it was built from."""

GLOSSARY = (
    (
        "FOCAL",
        "the medications a rule looks at first: active ones at patient-view, the selected or signed drafts otherwise",
    ),
    ("BOTH", "active medications and drafts together, without those a draft replaces"),
    (
        "mg_oral",
        "magnesium by mouth: supplement, laxative, antacid or phosphate binder of at least 50 mg a day or of unknown amount",
    ),
    ("tier", "worst applicable state of the kidneys: OK, G3a, G3b, G4, G5, AKI, DIALYSIS, UNKNOWN"),
    ("no ...", "certainly none: where that part of the record was not delivered, the rule is not judged"),
    ("numbers in brackets", "sections of the clinical specification"),
)
"""Words of the register of facts that stand on the pages."""

_PARAMETER = re.compile(r"(?:\$|\bparameters\.)([a-z_]+)")
_COMMENT = re.compile(r"^\s*#\s(?!yaml-language-server)(.+)$", re.MULTILINE)
_TEMPLATE = re.compile(r"\{%.*?%\}", re.DOTALL)
_VALUE = re.compile(r"\{\{.*?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Carried:
    """A statement, rules that carry it, and the words on their cards that do."""

    id: str
    statement: str
    rules: tuple[str, ...]
    words: str


def read_statements(pack: Pack) -> tuple[Carried, ...]:
    """Read a pack's statements; none when it has no such file. An empty statement goes on with the one above."""
    path = pack.folder / STATEMENTS
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    said = {row["id"]: row["statement"] for row in reversed(rows) if row["statement"]}
    return tuple(Carried(row["id"], said.get(row["id"], ""), tuple(row["rules"].split()), row["words"]) for row in rows)


def card_words(rule: Rule) -> str:
    """All a card of the rule can say: its texts, its links, and the blocks it embeds, in lower case on one line."""
    card = rule.card
    raw = "\n".join([rule.title, card.summary, *card.found, card.why, *card.consider, *card.uncertain])
    texts = [_TEMPLATE.sub("", raw), *(link.label for link in rule.links)]
    if "direction.words" in raw:
        texts += DIRECTION_TEXTS
    if "differential.found" in raw:
        texts += DIFFERENTIAL_TEXTS
    return " ".join(" ".join(texts).lower().split())


def pages(folders: Sequence[Path], rules_at: str) -> dict[str, str]:
    """Every page by its name: <rule>.md, index.md, and statements.md, which stands beside the folder of the rules.

    Args:
        rules_at: name of the folder of the rule pages, for links.

    Raises:
        PackError: a pack cannot be read.
    """
    packs = read_packs(folders)
    found = {f"{rule.id}.md": rule_page(pack, rule) for pack in packs for rule in pack.rules}
    found["index.md"] = _text(line for pack in packs for line in _index(pack))
    if statements := [line for pack in packs for line in _statements(pack, rules_at)]:
        found["statements.md"] = _text(statements)
    return found


def write_pages(folders: Sequence[Path], out: Path) -> list[Path]:
    """Write all pages; rule pages of rules that are gone are removed. Returns what was written."""
    out.mkdir(parents=True, exist_ok=True)
    found = pages(folders, out.name)
    for path in out.glob("*.md"):
        if path.name not in found:
            path.unlink()
    written = []
    for name, text in found.items():
        path = (out.parent if name == "statements.md" else out) / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def rule_page(pack: Pack, rule: Rule) -> str:
    """One rule on a page: purpose, logic in words and as a table, card, evidence, cases, company, limits."""
    return _text(_rule_lines(pack, rule))


def lab_units(pack: Pack) -> dict[str, str]:
    """Laboratory key or vital sign -> canonical unit."""
    units = {row["key"]: row["canonical"] for row in pack.tables.get("unit_conversions", ())}
    return units | {"corrected_calcium": units.get("calcium", ""), "crcl": "mL/min"}


def _rule_lines(pack: Pack, rule: Rule) -> Iterator[str]:
    units = lab_units(pack)
    source = (pack.folder / "rules" / f"{rule.id}.yaml").read_text(encoding="utf-8")
    yield f"# {rule.title}"
    yield f"`{rule.id}` {rule.version}, {rule.status}, reviewed {rule.reviewed}. Made by `cds-rules pages` from the rule file; change it there."
    yield "## Purpose"
    yield from _prose(rule.card.why)
    yield "## When"
    yield f"Hooks: {', '.join(sorted(rule.hooks))}. Patients from {rule.age_from} year{'s' if rule.age_from != 1 else ''} of age."
    yield "\n".join(condition_lines(rule.when, units))
    yield "## How urgent"
    yield "The first that is met counts; when none is, there is no card."
    for number, level in enumerate(rule.levels, 1):
        yield f"{number}. **{level.indicator}**, when"
        yield "\n".join(condition_lines(level.when, units, 2))
    if rule.unless:
        yield "## Silent although triggered"
        for unless in rule.unless:
            yield f"**{unless.because}**, that is"
            yield "\n".join(condition_lines(unless.when, units))
    yield from _threshold_table(pack, rule, source)
    yield "## Card"
    yield "In `{{ }}` stand values of the patient; in `{% %}` what a text depends on."
    yield f"```\n{rule.card.summary.strip()}\n```"
    for title, lines in (
        ("Found in this chart", rule.card.found),
        ("Why it matters", (rule.card.why,)),
        ("Consider", rule.card.consider),
        ("Not used / uncertain", rule.card.uncertain),
    ):
        if any(lines):
            yield f"**{title}**"
            yield "```\n" + "\n".join(" ".join(line.split()) for line in lines) + "\n```"
    offers = [
        f"{each.offer}{' (recommended)' if each.recommended else ''}{' (urgent)' if each.urgent else ''}"
        for each in rule.suggestions
    ]
    yield f"Offers: {', '.join(dict.fromkeys(offers)) or 'none'}."
    yield "Reasons to override: " + ("; ".join(pack.overrides[each] for each in rule.overrides) or "none") + "."
    yield "## Evidence"
    yield _table(
        ("for", "grade", "claim", "citation", "year", "population", "numbers"),
        (
            (
                each.supports,
                each.grade,
                each.claim,
                f"[{each.citation}]({each.url})" if each.url else each.citation,
                str(each.year or ""),
                each.population,
                ", ".join(map(number_words, each.numbers)),
            )
            for each in rule.evidence
        ),
    )
    yield from _company(pack, rule)
    yield from _case_table(pack, rule)
    yield "## Limits and known traps"
    yield "\n".join(f"- {each}" for each in _COMMENT.findall(source)) or "The rule file notes none."


def _threshold_table(pack: Pack, rule: Rule, source: str) -> Iterator[str]:
    names = [name for name in dict.fromkeys(_PARAMETER.findall(source)) if name in pack.parameters]
    parameters = [pack.parameters[name] for name in names]
    places = [
        ("when", rule.when),
        *((level.indicator, level.when) for level in rule.levels),
        *(("silent", unless.when) for unless in rule.unless),
    ]
    rows = dict.fromkeys(
        (
            place,
            each.of,
            each.comparison,
            number_words(each.number),
            each.unit,
            each.meaning,
            _backing(rule, each),
        )
        for place, condition in places
        for each in thresholds(condition, lab_units(pack))
    )
    if rows:
        yield "## Numbers"
        yield _table(("in", "of", "is", "number", "unit", "meaning", "backed by"), rows)
    if names:
        yield "A site may change these within their bounds, both ends allowed:"
        yield _table(
            ("parameter", "value", "allowed", "because"),
            ((each.name, value_words(each.value), each.allowed, each.because) for each in parameters),
        )


def value_words(value: float | str) -> str:
    """The value of a parameter as people write it."""
    return value if isinstance(value, str) else number_words(value)


def _backing(rule: Rule, each: Threshold) -> str:
    if each.parameter:
        return each.parameter
    return "; ".join(f"{entry.supports} ({entry.grade})" for entry in rule.evidence if each.number in entry.numbers)


def _company(pack: Pack, rule: Rule) -> Iterator[str]:
    group = next(each for each in pack.groups if each.id == rule.group)
    yield "## Among other rules"
    yield f"Group *{group.title}*, of which a patient sees one card, the most severe; ties go by order: {_links(group.rules, '')}."
    lines = [
        *(
            f"- Its card takes away those of {_links(sorted(each.removes), '')}{_condition(each)}."
            for each in pack.removals
            if rule.id in each.by
        ),
        *(
            f"- Its card is taken away by {_links(sorted(each.by), '')}{_condition(each)}."
            for each in pack.removals
            if rule.id in each.removes
        ),
    ]
    if lines:
        yield "A card is only ever taken away by one of equal or higher severity.\n\n" + "\n".join(lines)


def _condition(removal: Removal) -> str:
    hooks = f", only at {', '.join(sorted(removal.hooks))}" if removal.hooks else ""
    severity = f", from {removal.at_least} on" if removal.at_least != INDICATORS[0] else ""
    unless = next(condition_lines(removal.unless, {}), "").removeprefix("- ") if removal.unless else ""
    return f"{severity}{hooks}{f', unless there is {unless}' if unless else ''}"


def _case_table(pack: Pack, rule: Rule) -> Iterator[str]:
    path = pack.folder / "rules" / f"{rule.id}.cases.yaml"
    cases, _ = read_cases(path, path.name, rule.id, pack.words)
    yield "## Cases"
    yield f"{len(cases)} cases hold the rule; `cds-rules test {rule.id}` runs them."
    yield _table(("case", "hook", "the rule says"), ((each.name, each.hook, each.expect) for each in cases))


def _index(pack: Pack) -> Iterator[str]:
    yield f"# Rules of {pack.title} {pack.version}"
    yield "A page per rule for the clinical committee, made by `cds-rules pages` from the rule files."
    if pack.parameters:
        yield "## Project decisions\n\nA site may change these within their bounds, both ends allowed (`--parameters FILE`); nothing else."
        yield _table(
            ("parameter", "value", "allowed", "because"),
            ((each.name, value_words(each.value), each.allowed, each.because) for each in pack.parameters.values()),
        )
    yield _table(("word on the pages", "meaning"), GLOSSARY)
    rules = {rule.id: rule for rule in pack.rules}
    for group in pack.groups:
        yield f"## {group.title}"
        yield _table(
            ("rule", "about", "levels", "hooks", "reviewed"),
            (
                (
                    f"[{rule.id}]({rule.id}.md)",
                    rule.title,
                    ", ".join(dict.fromkeys(level.indicator for level in rule.levels)),
                    ", ".join(sorted(rule.hooks)),
                    str(rule.reviewed),
                )
                for rule in (rules[name] for name in group.rules if name in rules)
            ),
        )


def _statements(pack: Pack, rules_at: str) -> Iterator[str]:
    if not (carried := read_statements(pack)):
        return
    yield f"# Statement by statement: {pack.title}"
    yield f"Each statement the pack was asked to cover, the rules that carry it, and the words on their cards that do. Made by `cds-rules pages` from `{STATEMENTS}` of the pack; a test holds that the words stand there."
    rows = []
    before = ""
    for each in carried:
        first = each.id != before
        rows.append(
            (each.id if first else "", each.statement if first else "", _links(each.rules, f"{rules_at}/"), each.words)
        )
        before = each.id
    yield _table(("", "statement", "rules", "words on the card"), rows)


def _prose(template: str) -> Iterator[str]:
    """A card text without its template marks; what depends on the patient stays in."""
    text = " ".join(_VALUE.sub("...", _TEMPLATE.sub("", template)).split())
    if text:
        yield text


def _links(rules: Iterable[str], folder: str) -> str:
    return ", ".join(f"[{rule}]({folder}{rule}.md)" for rule in rules)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _text(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"
