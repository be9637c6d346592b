"""What a pack must say in each of its languages, and what is missing, superfluous or different there.

Our own phrases are found where they are written: calls of `said` with a literal, and `t("...")` in page templates. Words
that are made from keys (symptoms, sites, states) are those of the tables and of the vocabulary.
Flows in: packs. Flows out: mistakes for `lint`. Floor: edge.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import cds_rules
from cds_rules.cards.texts import names_read, topics
from cds_rules.derive.exposure import STATINS
from cds_rules.knowledge.languages import AGES, Translation, read_languages
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import INDICATORS, CardText, Rule
from cds_rules.vocabulary.asked import called
from cds_rules.vocabulary.errors import Mistake
from cds_rules.vocabulary.wording import word

_PAGE_PHRASE = re.compile(r"\bt\(\"([^\"]+)\"")
_KEYS = (
    *INDICATORS, "draft", "stopped", "strong", "possible", "none", "mild", "moderate", "severe", "extreme", "ionized",
    "corrected", "uncorrected", "poor", "decreased", "normal", "nausea-or-vomiting", "torsades", "ventricular-arrhythmia",
    "male", "female", "potassium", "sodium", "magnesium", "calcium",
)  # fmt: skip
"""Keys that become words and stand in no table."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_PLACE = re.compile(r"\{[^}]*\}")
_TAGS = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@cache
def our_phrases() -> frozenset[str]:
    """Every English pattern that is written in this package."""
    root = Path(cds_rules.__file__).parent
    found = {text for path in root.rglob("*.py") for text in _said_in(ast.parse(path.read_text("utf-8")))}
    for path in (root / "review" / "templates").glob("*.html"):
        found.update(_PAGE_PHRASE.findall(path.read_text("utf-8")))
    return frozenset(text for text in {*found, *AGES, *(word(key) for key in _KEYS)} if _has_words(text))


def _has_words(pattern: str) -> bool:
    """Whether there is anything to translate in it."""
    return bool(re.search(r"[^\W\d_]", _PLACE.sub("", pattern)))


def _said_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "said" and node.args:
            for part in _branches(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def _branches(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.IfExp):
        yield from _branches(node.body)
        yield from _branches(node.orelse)
    else:
        yield node


def pack_phrases(pack: Pack) -> dict[str, str]:
    """What a pack says beside the texts of its rules -> where it stands."""
    found = {pack.source_label: "pack.yaml, source"}
    found |= {text: f"pack.yaml, overrides.{code}" for code, text in pack.overrides.items()}
    for rule in pack.rules:
        found |= {link.label: f"rules/{rule.id}.yaml, links" for link in rule.links}
        found |= {unless.because: f"rules/{rule.id}.yaml, unless" for unless in rule.unless}
        found |= {called(key): f"rules/{rule.id}.yaml, what it looks at" for key in topics(rule)}
        found |= {worse.called: f"rules/{rule.id}.yaml, worse" for worse in rule.worse}
    tables = pack.tables
    found |= {row["display"]: "tables/orders.csv" for row in tables.get("orders", ())}
    found |= {row["spacing"]: "tables/absorption_interactions.csv" for row in tables.get("absorption_interactions", ())}
    for name, columns in (("symptoms", ("key", "site", "side", "timing")), ("body_sites", ("key",))):
        found |= {
            word(row[column]): f"valuesets/{name}.csv"
            for row in tables.get(name, ())
            for column in columns
            if row[column] and not row[column].startswith("!")
        }
    if "statin_interactions" in tables:
        found |= {word(name): "statins" for name in sorted(STATINS)}
    return found


def mistakes(packs: Sequence[Pack]) -> tuple[list[Mistake], list[Mistake]]:
    """(errors, warnings) of every language of every pack."""
    spoken = read_languages(pack.translations for pack in packs)
    errors: list[Mistake] = []
    warnings: list[Mistake] = []
    ours = our_phrases()
    for pack in packs:
        of_pack = pack_phrases(pack)
        for tag, translation in pack.translations.items():
            place = f"{pack.folder.name}/languages/{tag}"
            known = spoken[tag].phrases
            wanted = {**dict.fromkeys(ours, "Python"), **of_pack}
            errors += (
                Mistake(f"{place}/words.yaml", "words", f'says nothing for "{text}" ({where}). Add it.')
                for text, where in sorted(wanted.items())
                if text not in known
            )
            warnings += (
                Mistake(f"{place}/words.yaml", "words", f'"{text}" is said nowhere')
                for text in sorted(translation.words)
                if text not in wanted
            )
            for rule in pack.rules:
                errors += _of_rule(rule, translation, f"{place}/rules/{rule.id}.yaml")
    return errors, warnings


def _of_rule(rule: Rule, translation: Translation, path: str) -> Iterator[Mistake]:
    text = translation.texts.get(rule.id)
    if text is None:
        yield Mistake(
            path, "", f"is missing: the rule has no texts in {translation.name or translation.tag}. Add them."
        )
        return
    for (where, english), (_, other) in zip(entries(rule.card), entries(text), strict=False):
        if names_read(english) != names_read(other):
            lost = ", ".join(sorted((names_read(english) - names_read(other)).elements()))
            new = ", ".join(sorted((names_read(other) - names_read(english)).elements()))
            told = "; ".join(filter(None, [f"misses {lost}" if lost else "", f"has {new} beyond it" if new else ""]))
            yield Mistake(path, where, f"does not show what the English text shows: {told}")
        if (ours := numbers(english)) != (theirs := numbers(other)):
            yield Mistake(path, where, f"holds the numbers {_listed(theirs)}, the English text {_listed(ours)}")
    for name in ("found", "consider", "uncertain"):
        ours_count, theirs_count = len(getattr(rule.card, name)), len(getattr(text, name))
        if ours_count != theirs_count:
            yield Mistake(path, name, f"has {theirs_count} lines, the English text {ours_count}")


def entries(text: CardText) -> Iterator[tuple[str, str]]:
    """Each text of a card with the key it stands under."""
    yield "summary", text.summary
    yield "why", text.why
    for name in ("found", "consider", "uncertain"):
        yield from ((f"{name}[{number}]", line) for number, line in enumerate(getattr(text, name)))


def numbers(text: str) -> Counter[str]:
    """The numbers of a text that are not computed, whatever its decimal sign."""
    return Counter(each.replace(",", ".") for each in _NUMBER.findall(_TAGS.sub(" ", text)))


def _listed(found: Iterable[str]) -> str:
    return ", ".join(sorted(found)) or "none"
