"""Card texts: templates over derived views, filled and escaped; the only door to Jinja2 on the pure floors.

A summary is plain text; a detail is Markdown in which everything that is not written in a rule file is escaped: HTML,
Markdown marks, bare addresses and direction overrides. Template words beside the views: the filters `age`, `n` (number),
`short` (product name), `day` and `list`.
Floor: cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context

from cds_rules.knowledge.files import near
from cds_rules.knowledge.rules import Pattern, Rule, patterns
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.quantities import age, plain

SUMMARY_LIMIT = 139
NAME_LIMITS = (30, 20, 12)

_HIDDEN = (
    *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x200B, 0x200F), (0x2028, 0x202E)),
    *((0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
)
_UNSEEN = dict.fromkeys(code for first, last in _HIDDEN for code in range(first, last + 1))
"""Control, direction, zero-width and half characters: taken out."""
_MARKS = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]#|~!"} | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_WORDS_OF_ADDRESSES = ("www.", "javascript:", "data:", "vbscript:", "mailto:", "xmpp:")
_ADDRESS = re.compile(r"(?i)(://)|\b(www)\.|(@)|\b(javascript|data|vbscript|mailto|xmpp)(:)")


class Ready(str):
    """Text that needs no escaping: written by us or escaped already."""

    __slots__ = ()


def cleaned(text: object) -> str:
    """One line of plain text without control, direction and zero-width characters.

    >>> cleaned("a\\n\\u202eb")
    'a b'
    """
    return " ".join(str(text).translate(_UNSEEN).split())


def escaped(text: object) -> Ready:
    """Text from outside as Markdown that shows just this text.

    >>> escaped("<b>[x](javascript:1)</b>")
    '&lt;b&gt;\\\\[x\\\\](javascript&#58;1)&lt;/b&gt;'
    """
    marked = cleaned(text).translate(_MARKS)
    if any(sign in marked for sign in ("://", "@")) or any(word in marked.lower() for word in _WORDS_OF_ADDRESSES):
        marked = _ADDRESS.sub(_without_address, marked)
    return Ready(marked)


def _without_address(match: re.Match[str]) -> str:
    scheme, www, at, word, _ = match.groups()
    if scheme:
        return "&#58;//"
    if www:
        return f"{www}&#46;"
    return "&#64;" if at else f"{word}&#58;"


@pass_context
def _short(context: Context, name: object) -> str:
    limit = int(context.get("name_limit", NAME_LIMITS[0]))
    text = cleaned(name)
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _number(value: float | None, decimals: int = 2) -> str:
    return "not known" if value is None else plain(value, decimals)


def _age(days: float | None) -> str:
    return "date not known" if days is None else age(days)


def _day(moment: datetime | None) -> str:
    return (
        "date not known"
        if moment is None
        else f"{moment.astimezone(UTC):%Y-%m-%d}"
        if _is_noon(moment)
        else f"{moment:%Y-%m-%d %H:%M}"
    )


def _is_noon(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second) == (12, 0, 0)


def _list(items: Iterable[object], joint: str = ", ") -> str:
    return joint.join(str(item) for item in items)


def _environment(finalize: Any) -> Environment:
    environment = Environment(
        undefined=StrictUndefined, finalize=finalize, autoescape=False, trim_blocks=False
    )  # Markdown: `finalize` escapes every value
    del environment.filters["attr"]  # reaches past `_strangers`
    environment.filters.update(age=_age, n=_number, short=_short, day=_day, list=_list, plain=cleaned)
    return environment


_PLAIN = _environment(cleaned)
_MARKDOWN = _environment(lambda value: value if isinstance(value, Ready) else escaped(value))


@dataclass(frozen=True, slots=True)
class Filled:
    """The texts of one card in Markdown: lines of the blocks, empty ones left out."""

    found: list[str]
    why: str
    consider: list[str]
    uncertain: list[str]


@dataclass(frozen=True, slots=True)
class Texts:
    """The compiled texts of one rule in one language: the summary, and all that stands in the detail as one template.

    about: keys of the record that the rule looks at.
    """

    summary: Template
    detail: Template
    about: frozenset[str]

    def summarize(self, views: Mapping[str, Any]) -> str:
        """The summary, at most 139 characters: names are shortened, then the end is cut; numbers never are."""
        text = ""
        for limit in NAME_LIMITS:
            text = cleaned(self.summary.render(views, name_limit=limit))
            if len(text) <= SUMMARY_LIMIT:
                return text
        return text[: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0].rstrip(" ,;:-") + "…"

    def fill(self, views: Mapping[str, Any]) -> Filled:
        """The texts of the detail."""
        found, why, consider, uncertain = self.detail.render(views).split(_BLOCK)
        return Filled(_lines(found), " ".join(why.split()), _lines(consider), _lines(uncertain))


_ABOUT: Mapping[str, frozenset[str]] = {
    "kidney": frozenset({"creatinine", "egfr", "egfr_reported", "cystatin_c", "dialysis", "aki"}),
    "toxicity": frozenset({"sbp", "hr", "rr"}),
    "magnesium": frozenset({"magnesium", "medication"}),
    "medication": frozenset({"medication"}),
    "interaction": frozenset({"medication"}),
}


def topics(rule: Rule) -> frozenset[str]:
    """The keys of the record that a rule looks at."""
    found: set[str] = set()
    for _, condition in rule.conditions():
        for pattern in patterns(condition):
            found |= _ABOUT.get(pattern.kind, frozenset()) | _named(pattern)
    return frozenset(found)


def _named(pattern: Pattern) -> set[str]:
    return {
        str(constant) for test in pattern.tests if test.field in ("code", "key", "class") for constant in test.constants
    }


_BLOCK = "\x1d"
"""Stands between blocks while a detail is rendered; `cleaned` takes it out of everything that comes from outside."""


def _lines(block: str) -> list[str]:
    return [line.strip() for line in block.splitlines() if line.strip()]


def _strangers(tree: nodes.Template, known: Mapping[str, Any] | None) -> Iterator[str]:
    """What a text names and nothing stands behind, or what is not for texts."""
    keys = [node.attr for node in tree.find_all(nodes.Getattr)]
    keys += [str(getattr(node.arg, "value", "")) for node in tree.find_all(nodes.Getitem)]
    for key in keys:
        if key.startswith("_"):
            yield f'"{key}": a name that begins with _ is not for texts'
    used = [("filter", each.name, _PLAIN.filters) for each in tree.find_all(nodes.Filter)]
    used += [("test", each.name, _PLAIN.tests) for each in tree.find_all(nodes.Test)]
    yield from (f'unknown {kind} "{name}"{near(name, there)}' for kind, name, there in used if name not in there)
    if known is None:
        return
    names = list(tree.find_all(nodes.Name))
    own = {node.name for node in names if node.ctx != "load"}
    for name in sorted({node.name for node in names} - own - known.keys() - _GIVEN - _PLAIN.globals.keys()):
        yield f'unknown name "{name}"{near(name, known)}'
    for node in tree.find_all(nodes.Getattr):
        root = node.node.name if isinstance(node.node, nodes.Name) else ""
        if root in known and not _offers(known[root], node.attr):
            held = getattr(known[root], "_derived", None)
            words = {word for word in (*vars(known[root]), *dir(held)) if not word.startswith("_")}
            yield f'{root} has no "{node.attr}"{near(node.attr, sorted(words))}'


_GIVEN = frozenset({"facts", "indicator", "name_limit", "loop"})
"""Names of texts beside the views."""


def _offers(view: object, name: str) -> bool:
    """Whether a view has an attribute, as far as an empty chart can tell."""
    if not hasattr(view, "__dict__") or isinstance(view, Mapping) or getattr(view, "_derived", view) is None:
        return True
    return hasattr(view, name)


def compile_texts(rules: Iterable[Rule], known: Mapping[str, Any] | None = None) -> dict[str, Texts]:
    """Compile the texts of rules.

    Args:
        known: the views of an empty chart (`views.vocabulary`), so that a name nobody knows is found before a patient's
            card needs it; None: names are not checked.

    Raises:
        PackError: naming every text that is not a valid template, or names what does not exist.
    """
    mistakes: list[Mistake] = []

    def checked(rule: Rule, where: str, text: str) -> str:
        path = f"rules/{rule.id}.yaml"
        try:
            tree = _PLAIN.parse(text)
        except TemplateError as error:
            mistakes.append(Mistake(path, where, f"not a valid template: {error.message}"))
            return ""
        strangers = [Mistake(path, where, message) for message in _strangers(tree, known)]
        mistakes.extend(strangers)
        return "" if strangers else text

    def texts_of(rule: Rule) -> Texts:
        card = rule.card
        blocks = [
            "\n".join(checked(rule, f"card.{where}[{number}]", text) for number, text in enumerate(texts))
            for where, texts in (("found", card.found), ("consider", card.consider), ("uncertain", card.uncertain))
        ]
        blocks.insert(1, checked(rule, "card.why", card.why))
        return Texts(
            _PLAIN.from_string(checked(rule, "card.summary", card.summary)),
            _MARKDOWN.from_string(_BLOCK.join(blocks)),
            topics(rule),
        )

    found = {rule.id: texts_of(rule) for rule in rules}
    if mistakes:
        raise PackError(tuple(mistakes))
    return found
