"""Pages out of templates: everything from a record is escaped and turns no text beside it around, Markdown is rendered without
HTML, nothing comes from elsewhere. What goes back into a field of a form as it was typed is escaped by hand (`|e`).

The one door to the templates in `templates/` (jinja2) and to Markdown (markdown-it-py). A page is a single file: style and
script stand in it, named by their hash in a content security policy that allows nothing else.
Flows in: a template's name and values. Flows out: HTML text, piece by piece. Floor: edge.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from cds_rules.knowledge.languages import Language
from cds_rules.vocabulary.directions import isolated
from cds_rules.vocabulary.wording import said, word

_ENGLISH = Language()
TEMPLATES = Path(__file__).parent / "templates"


def pieces(template: str, language: Language = _ENGLISH, **values: Any) -> Iterator[str]:
    """A page in a language, piece by piece, so that a long one never lies in memory whole."""
    return _spoken(language).get_template(template).generate(language=language.tag, **values)


def page(template: str, language: Language = _ENGLISH, **values: Any) -> str:
    """A page in a language."""
    return _spoken(language).get_template(template).render(language=language.tag, **values)


def markdown(text: str) -> Markup:
    """A card's Markdown as HTML: no raw HTML, no images, links that open apart from the page.

    >>> markdown("**5** <b>mg</b>")
    Markup('<p><strong>5</strong> &lt;b&gt;mg&lt;/b&gt;</p>\\n')
    """
    return Markup(isolated(_markdown().render(text)))


def document(text: str, address: Callable[[str], str]) -> Markup:
    """A Markdown page of ours as HTML, with tables. address: where a link leads on the pages."""
    return Markup(_documents().render(text, {"address": address}))


def _shown(value: Any) -> Any:
    """A value as a page shows it; what is markup already was made of such values."""
    return isolated(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _spoken(language: Language) -> Environment:
    """Templates in which `t("...")` says our words, `speak` a text of ours and `word` a key."""
    spoken = _environment().overlay()
    spoken.filters = _environment().filters | {"speak": language.say, "word": lambda key: language.say(word(key))}
    spoken.filters["aged"] = lambda days: language.say(said("{days:ago}", days=max(days, 0.0)))
    spoken.filters["decimal"] = lambda value: language.number(value, 1)
    spoken.globals = _environment().globals | {"t": lambda text, **values: language.say(said(text, **values))}
    return spoken


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"markdown": markdown, "day": _day, "moment": _moment}
    environment.globals |= {"inline": _inline, "integrity": _integrity}
    return environment


@cache
def _markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).disable("image")
    reader.add_render_rule("link_open", _link_open)
    return reader


@cache
def _documents() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    reader.add_render_rule("link_open", _link_within)
    reader.add_render_rule("table_open", lambda *_: Markup('<div class="scroll" tabindex="0"><table>\n'))
    reader.add_render_rule("table_close", lambda *_: Markup("</table></div>\n"))
    reader.add_render_rule("th_open", lambda *_: Markup('<th scope="col">'))
    return reader


def _link_within(self: RendererHTML, tokens: list[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    href = str(tokens[place].attrGet("href") or "")
    if "://" in href:
        return _link_open(self, tokens, place, options, env)
    tokens[place].attrSet("href", env["address"](href))
    return self.renderToken(tokens, place, options, env)


def _link_open(self: RendererHTML, tokens: list[Token], place: int, options: OptionsDict, env: EnvType) -> str:
    tokens[place].attrSet("rel", "noopener noreferrer")
    tokens[place].attrSet("target", "_blank")
    return self.renderToken(tokens, place, options, env)


@cache
def _inline(name: str) -> Markup:
    """The text of our own style sheet or script, to stand in the page."""
    return Markup((TEMPLATES / name).read_text("utf-8").strip())


@cache
def _integrity(name: str) -> str:
    """What the content security policy calls that text."""
    return f"'sha256-{b64encode(hashlib.sha256(_inline(name).encode()).digest()).decode()}'"


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else ""


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}{_offset(moment)}" if moment else ""


def _offset(moment: datetime) -> str:
    offset = f"{moment:%z}"
    return " UTC" if offset in ("+0000", "") else f" {offset[:3]}:{offset[3:5]}"
