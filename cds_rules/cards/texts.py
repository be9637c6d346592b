"""Card texts: templates over derived views, filled and escaped; the only door to Jinja2 on the pure floors.

A summary is plain text; a detail is Markdown in which everything that is not written in a rule file is escaped: HTML,
Markdown marks, bare addresses and direction overrides. Template words beside the views: the filters `age`, `n` (number),
`short` (product name), `day` and `list`.
Floor: cards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, StrictUndefined, Template, TemplateError, pass_context
from jinja2.runtime import Context

from cds_rules.knowledge.rules import CardText, Rule
from cds_rules.vocabulary.errors import Mistake, PackError
from cds_rules.vocabulary.quantities import age, plain

SUMMARY_LIMIT = 139
NAME_LIMITS = (30, 20, 12)

_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_BLANKS = re.compile(r"\s+")
_MARKS = re.compile(r"([\\`*_{}\[\]#|~!])")
_ADDRESS = re.compile(r"(?i)(://)|\b(www)\.|(@)|\b(javascript|data|vbscript|mailto|xmpp)(:)")


class Ready(str):
    """Text that needs no escaping: written by us or escaped already."""

    __slots__ = ()


def cleaned(text: object) -> str:
    """One line of plain text without control, direction and zero-width characters.

    >>> cleaned("a\\n\\u202eb")
    'a b'
    """
    return _BLANKS.sub(" ", _UNSEEN.sub("", str(text))).strip()


def escaped(text: object) -> Ready:
    """Text from outside as Markdown that shows just this text.

    >>> escaped("<b>[x](javascript:1)</b>")
    '&lt;b&gt;\\\\[x\\\\](javascript&#58;1)&lt;/b&gt;'
    """
    plain_text = cleaned(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Ready(_ADDRESS.sub(_without_address, _MARKS.sub(r"\\\1", plain_text)))


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
        undefined=StrictUndefined, finalize=finalize, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )  # Markdown: `finalize` escapes every value
    environment.filters.update(age=_age, n=_number, short=_short, day=_day, list=_list, plain=cleaned)
    return environment


_PLAIN = _environment(cleaned)
_MARKDOWN = _environment(lambda value: value if isinstance(value, Ready) else escaped(value))


@dataclass(frozen=True, slots=True)
class Texts:
    """The compiled texts of one rule in one language."""

    summary: Template
    found: tuple[Template, ...]
    why: Template
    consider: tuple[Template, ...]
    uncertain: tuple[Template, ...]

    def summarize(self, views: Mapping[str, Any]) -> str:
        """The summary, at most 139 characters: names are shortened, then the end is cut; numbers never are."""
        text = ""
        for limit in NAME_LIMITS:
            text = cleaned(self.summary.render(views, name_limit=limit))
            if len(text) <= SUMMARY_LIMIT:
                return text
        return text[: SUMMARY_LIMIT - 1].rsplit(" ", 1)[0].rstrip(" ,;:-") + "…"


def compile_texts(rules: Iterable[Rule]) -> dict[str, Texts]:
    """Compile the texts of rules.

    Raises:
        PackError: naming every text that is not a valid template.
    """
    mistakes: list[Mistake] = []

    def compiled(environment: Environment, rule: Rule, where: str, text: str) -> Template:
        try:
            return environment.from_string(text)
        except TemplateError as error:
            mistakes.append(Mistake(f"rules/{rule.id}.yaml", where, f"not a valid template: {error.message}"))
            return environment.from_string("")

    def several(rule: Rule, where: str, texts: Sequence[str]) -> tuple[Template, ...]:
        return tuple(compiled(_MARKDOWN, rule, f"card.{where}[{number}]", text) for number, text in enumerate(texts))

    def texts_of(rule: Rule, card: CardText) -> Texts:
        return Texts(
            summary=compiled(_PLAIN, rule, "card.summary", card.summary),
            found=several(rule, "found", card.found),
            why=compiled(_MARKDOWN, rule, "card.why", card.why),
            consider=several(rule, "consider", card.consider),
            uncertain=several(rule, "uncertain", card.uncertain),
        )

    found = {rule.id: texts_of(rule, rule.card) for rule in rules}
    if mistakes:
        raise PackError(tuple(mistakes))
    return found


def lines(templates: Iterable[Template], views: Mapping[str, Any]) -> list[str]:
    """Render templates; each line that is not empty is one line of a block."""
    return [line.strip() for template in templates for line in template.render(views).splitlines() if line.strip()]
