"""Card texts: templates over derived views, filled and escaped; the only door to Jinja2 on the pure floors.

A summary is plain text; a detail is Markdown in which everything that is not written in a rule file is escaped: HTML,
Markdown marks, bare addresses and direction overrides. Template words beside the views: the filters `age` ("12 d ago"), `lasting`
("for 12 d", or "since 2026-05" where no more is known), `n` (number),
`short` (product name), `day`, `list`, `sentence` (a capital first) and `cited` (of several things those the card rests on). Whatever stands behind a name is said in the
language of the template: numbers, ages, and all that is made by `vocabulary.wording.said`.
Floor: cards.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, nodes, pass_context
from jinja2.runtime import Context

from cds_rules.cards.views import vocabulary
from cds_rules.knowledge.decisions import settled
from cds_rules.knowledge.files import near
from cds_rules.knowledge.languages import Language
from cds_rules.knowledge.pack import Pack
from cds_rules.knowledge.rules import CardText, Pattern, Rule, patterns
from cds_rules.vocabulary.chart import Result
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.frozen import Frozen
from cds_rules.vocabulary.wording import said

SUMMARY_LIMIT = 139
NAME_LIMITS = (30, 20, 12)

_HIDDEN = (
    *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x200B, 0x200F), (0x2028, 0x202E)),
    *((0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
)
_UNSEEN = dict.fromkeys(code for first, last in _HIDDEN for code in range(first, last + 1))
"""Control, direction, zero-width and half characters: taken out."""
_MARKS = {mark: f"\\{mark}" for mark in "\\`*_{}[]#|~!"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKED = re.compile(f"[{re.escape(''.join(_MARKS))}]")
_UNMARKED = bytes(byte for byte in range(256) if chr(byte) not in _MARKS)
"""All bytes of UTF-8 that are no marks: a line that is empty without them needs no search for marks."""
_SCHEMES = ("://", "javascript:", "data:", "vbscript:", "mailto:", "xmpp:")
_ADDRESS = re.compile(r"(?i)(://)|(?<![^\W_])(?:(www)\.|(javascript|data|vbscript|mailto|xmpp):)|(@)")
"""A bare address, or a scheme: at the beginning of a word, or after a mark (GFM makes a link of "_www.example.org")."""


def cleaned(text: object) -> str:
    """One line of plain text without control, direction and zero-width characters.

    >>> cleaned("a\\n\\u202eb")
    'a b'
    """
    line = str(text)
    if line.isprintable() and "  " not in line and line == line.strip():  # most lines; what is unseen is not printable
        return line
    return " ".join(line.translate(_UNSEEN).split())


def escaped(text: object) -> str:
    """Text from outside as Markdown that shows just this text.

    >>> escaped("<b>[x](javascript:1)</b>")
    '&lt;b&gt;\\\\[x\\\\](javascript&#58;1)&lt;/b&gt;'
    """
    line = cleaned(text)
    marked = _MARKED.sub(_with_mark, line) if line.encode().translate(None, _UNMARKED) else line  # most lines have none
    lower = line.lower()
    if "@" in lower or "www." in lower or (":" in lower and any(map(lower.__contains__, _SCHEMES))):
        marked = _ADDRESS.sub(_without_address, marked)
    return marked


def _with_mark(match: re.Match[str]) -> str:
    return _MARKS[match[0]]


def _without_address(match: re.Match[str]) -> str:
    scheme, www, word, at = match.groups()
    if scheme:
        return "&#58;//"
    if www:
        return f"{www}&#46;"
    return "&#64;" if at else f"{word}&#58;"


class _Pen:
    """Writes values into templates in one language: the filters, and what becomes of a value at the end."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self.for_summaries = self._environment(self.plain)
        self.for_details = self._environment(self.markdown)

    def _environment(self, finalize: Callable[[object], str]) -> Environment:
        """Templates of which every value goes through `finalize`."""

        @pass_context
        def short(context: Context, name: object) -> str:
            limit = int(context.get("name_limit", NAME_LIMITS[0]))
            text = self.plain(name)
            return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"

        @pass_context
        def cited(context: Context, items: Iterable[Any]) -> list[Any]:
            listed, facts = list(items), context.get("facts", ())
            rests_on = {source for each in facts for source in each.sources}
            return [item for item in listed if item.source in rests_on] or listed

        environment = Environment(undefined=StrictUndefined, finalize=finalize, autoescape=False, trim_blocks=False)
        del environment.filters["attr"]  # reaches past `_strangers`
        environment.filters.update(
            age=self._age, lasting=self._lasting, n=self._number, short=short, day=self._day, list=self._list,
            sentence=self._sentence, plain=self.plain, cited=cited,
        )  # fmt: skip
        return environment

    def plain(self, value: object) -> str:
        """A value as plain text."""
        return cleaned(self._say(value))

    def markdown(self, value: object) -> str:
        """A value as Markdown that shows just this text."""
        return escaped(self._say(value))

    def _say(self, value: object) -> str:
        if isinstance(value, float):
            return self._language.number(value)
        return self._language.say(value) if isinstance(value, str) else str(value)

    def _number(self, value: float | None, decimals: int = 2) -> str:
        return self._language.say(_NOT_KNOWN) if value is None else self._language.number(value, decimals)

    def _age(self, days: float | None) -> str:
        return self._language.say(_NO_DATE) if days is None else self._language.ago(days)

    def _lasting(self, days: float | None) -> str:
        return self._language.say(_NO_DATE) if days is None else self._language.lasting(days)

    def _day(self, moment: datetime | Result | None) -> str:
        if isinstance(moment, Result):
            written = moment.source.written
            return self._language.written(written) if written else self._language.day(moment.at)
        return self._language.say(_NO_DATE) if moment is None else self._language.day(moment)

    def _list(self, items: Iterable[object], joint: str = ", ") -> str:
        return joint.join(self._say(item) for item in items)

    def _sentence(self, text: object) -> str:
        spoken = self._say(text)
        return spoken[:1].upper() + spoken[1:]  # what follows stays as it is: "AKI", "QTc"


_NOT_KNOWN, _NO_DATE = said("not known"), said("date not known")


class Filled(Frozen, frozen=True):
    """The texts of one card: its summary, plain; the lines of the blocks in Markdown, empty ones left out."""

    summary: str
    found: list[str]
    why: str
    consider: list[str]
    uncertain: list[str]


class Texts:
    """The texts of one rule in one language: the summary, and all that stands in the detail as one template.

    They have been checked; each is compiled when a card first needs it: compiling all was a third of a start.
    """

    def __init__(self, pen: _Pen, summary: str, detail: str, about: frozenset[str]) -> None:
        self._pen, self._summary, self._detail = pen, summary, detail
        self.about = about
        """Keys of the record that the rule looks at."""

    @cached_property
    def summary(self) -> Template:
        """The summary, plain text."""
        return _compiled(self._pen.for_summaries, self._summary)

    @cached_property
    def detail(self) -> Template:
        """The blocks of the detail, Markdown."""
        return _compiled(self._pen.for_details, self._detail)

    def prepare(self) -> None:
        """Compile what a first card would compile."""
        _ = self.summary, self.detail

    def fill(self, views: Mapping[str, Any]) -> Filled:
        """The texts with what stands behind their names."""
        names = {**self._pen.for_details.globals, **views}
        context = self.detail.new_context(
            names, shared=True
        )  # serves both: `Template.render` makes one a text and copies
        found, why, consider, uncertain = "".join(self.detail.root_render_func(context)).split(_BLOCK)
        summary = self._summarized(context, names)
        return Filled(summary, _lines(found), " ".join(why.split()), _lines(consider), _lines(uncertain))

    def _summarized(self, context: Context, names: dict[str, Any]) -> str:
        """The summary, at most 139 characters: names are shortened, then the end is cut; numbers never are."""
        text = ""
        for limit in NAME_LIMITS:
            names["name_limit"] = limit
            text = cleaned("".join(self.summary.root_render_func(context)))
            if len(text) <= SUMMARY_LIMIT:
                return text
        return text[: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0].rstrip(" ,;:-") + "…"


def _compiled(environment: Environment, text: str) -> Template:
    template = environment.from_string(text)
    template.globals = (
        environment.globals
    )  # it has none of its own, and a chain of both would be walked for each context
    return template


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
    return [line for each in block.splitlines() if (line := each.strip())]


def _wrong(text: str, environment: Environment, known: Mapping[str, Any] | None) -> Iterator[str]:
    """What keeps a text from being a template of ours."""
    if "{" not in text:  # nothing is put into it
        return
    try:
        tree = environment.parse(text)
    except TemplateError as error:
        yield f"not a valid template: {error.message}"
    else:
        yield from _strangers(tree, environment, known)


def _strangers(tree: nodes.Template, environment: Environment, known: Mapping[str, Any] | None) -> Iterator[str]:
    """What a text names and nothing stands behind, or what is not for texts."""
    names: list[nodes.Name] = []
    attributes: list[nodes.Getattr] = []
    for node in tree.find_all(nodes.Node):  # once over the tree: it is most of what a text costs at start
        match node:
            case nodes.Name():
                names.append(node)
            case nodes.Getattr() | nodes.Getitem():
                key = node.attr if isinstance(node, nodes.Getattr) else str(getattr(node.arg, "value", ""))
                if key.startswith("_"):
                    yield f'"{key}": a name that begins with _ is not for texts'
                if isinstance(node, nodes.Getattr):
                    attributes.append(node)
            case nodes.Filter() if node.name not in environment.filters:
                yield f'unknown filter "{node.name}"{near(node.name, environment.filters)}'
            case nodes.Test() if node.name not in environment.tests:
                yield f'unknown test "{node.name}"{near(node.name, environment.tests)}'
            case nodes.Block() | nodes.Extends() | nodes.Include() | nodes.Import() | nodes.FromImport():
                yield f"{type(node).__name__.lower()}: parts of other templates are not for texts"
    if known is None:
        return
    own = {node.name for node in names if node.ctx != "load"}
    for name in sorted({node.name for node in names} - own - known.keys() - _GIVEN - environment.globals.keys()):
        yield f'unknown name "{name}"{near(name, known)}'
    for node in attributes:
        root = node.node.name if isinstance(node.node, nodes.Name) else ""
        if root in known and not _offers(known[root], node.attr):
            held = getattr(known[root], "_derived", None)
            words = {word for word in (*dir(known[root]), *dir(held)) if not word.startswith("_")}
            yield f'{root} has no "{node.attr}"{near(node.attr, sorted(words))}'


def names_read(text: str) -> Counter[str]:
    """What a valid text reads, as dotted names, how often."""
    tree = Environment().parse(text)
    found = Counter(_dotted(node) for node in tree.find_all((nodes.Getattr, nodes.Getitem)))
    found.update(node.name for node in tree.find_all(nodes.Name) if node.ctx == "load")
    return found


def _dotted(node: nodes.Node) -> str:
    match node:
        case nodes.Getattr():
            return f"{_dotted(node.node)}.{node.attr}"
        case nodes.Getitem():
            return f"{_dotted(node.node)}[]"
        case nodes.Name():
            return str(node.name)
    return "?"


_GIVEN = frozenset({"facts", "indicator", "name_limit", "loop"})
"""Names of texts beside the views."""


def _offers(view: object, name: str) -> bool:
    """Whether a view has an attribute, as far as an empty chart can tell."""
    if not hasattr(view, "__dict__") or isinstance(view, Mapping) or getattr(view, "_derived", view) is None:
        return True
    return hasattr(view, name)


class Draft(Frozen, frozen=True):
    """The texts of one rule in one language, before they are compiled. path: the file; where: the key they stand under."""

    rule: Rule
    text: CardText
    path: str
    where: str = ""


def all_texts(packs: Sequence[Pack], languages: Mapping[str, Language]) -> dict[str, dict[str, Texts]]:
    """Check the texts of every rule in every language, by tag and rule id.

    A rule that a language does not know keeps its English template, filled in that language; `lint` names it.

    Raises:
        PackError: naming every text of any language that is not a valid template, or names what does not exist.
    """
    known = vocabulary(settled(pack.parameters for pack in packs))
    found: dict[str, dict[str, Texts]] = {}
    mistakes: list[Mistake] = []
    judged: dict[str, tuple[str, ...]] = {}
    for tag, language in languages.items():
        try:
            drafts = [draft for pack in packs for draft in _drafts(pack, tag)]
            found[tag] = compile_texts(drafts, known, language, judged)
        except PackError as error:
            mistakes += (mistake for mistake in error.mistakes if mistake not in mistakes)
    if mistakes:
        raise PackError(tuple(mistakes))
    return found


def _drafts(pack: Pack, tag: str) -> Iterator[Draft]:
    translation = pack.translations.get(tag)
    for rule in pack.rules:
        text = translation.texts.get(rule.id) if translation else None
        if text is None:
            yield Draft(rule, rule.card, f"{pack.folder.name}/rules/{rule.id}.yaml", "card.")
        else:
            yield Draft(rule, text, f"{pack.folder.name}/languages/{tag}/rules/{rule.id}.yaml")


def compile_texts(
    drafts: Iterable[Draft],
    known: Mapping[str, Any] | None = None,
    language: Language | None = None,
    judged: dict[str, tuple[str, ...]] | None = None,
) -> dict[str, Texts]:
    """Check texts of one language, by rule id.

    Args:
        known: the views of an empty chart (`views.vocabulary`), so that a name nobody knows is found before a patient's
            card needs it; None: names are not checked.
        language: None: English.
        judged: what is wrong with texts that were checked before, by text; those of one rule often stand in another one.

    Raises:
        PackError: naming every text that is not a valid template, or names what does not exist.
    """
    mistakes: list[Mistake] = []
    pen = _Pen(language or Language())
    wrong = {} if judged is None else judged

    def checked(draft: Draft, where: str, text: str) -> str:
        if text not in wrong:
            wrong[text] = tuple(_wrong(text, pen.for_summaries, known))
        mistakes.extend(Mistake(draft.path, f"{draft.where}{where}", message) for message in wrong[text])
        return "" if wrong[text] else text

    def texts_of(draft: Draft) -> Texts:
        card = draft.text
        blocks = [
            "\n".join(checked(draft, f"{where}[{number}]", text) for number, text in enumerate(texts))
            for where, texts in (("found", card.found), ("consider", card.consider), ("uncertain", card.uncertain))
        ]
        blocks.insert(1, checked(draft, "why", card.why))
        return Texts(pen, checked(draft, "summary", card.summary), _BLOCK.join(blocks), topics(draft.rule))

    found = {draft.rule.id: texts_of(draft) for draft in drafts}
    if mistakes:
        raise PackError(tuple(mistakes))
    return found
