"""A page for each service, for people who set up a client by hand: queries to be copied, scopes, cards, codes.

Made from what the service runs on; a test holds it against discovery. Flows in: knowledge and a service. Flows out: HTML.
Floor: edge (service).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from cds_rules.evaluate import Knowledge
from cds_rules.hooks.discovery import Service
from cds_rules.hooks.prefetch import QUERIES, codes_by_key
from cds_rules.hooks.request import DRAFTS
from cds_rules.service.home import shell

_WHOLE = frozenset({"Patient", "Medication"})
"""Types of which single resources are read; of the others, searches."""


def scopes() -> tuple[tuple[str, str], ...]:
    """SMART scopes to read all that is asked for, by type: in the words of SMART v2 and of v1."""
    types = dict.fromkeys((*(query.type for query in QUERIES), "Medication"))
    return tuple((f"patient/{each}.{'r' if each in _WHOLE else 'rs'}", f"patient/{each}.read") for each in types)


def manual(knowledge: Knowledge, service: Service, entry: Mapping[str, Any]) -> str:
    """The page of a service. entry: what discovery says of it."""
    queries = {query.key: query for query in QUERIES}
    codes = codes_by_key(knowledge.tables)
    rules = [rule for rule in knowledge.rules.values() if service.hook in rule.hooks and rule.status == "active"]
    field = DRAFTS.get(service.hook)
    brings = f" Orders are read from <code>context.{field}</code>." if field else ""
    body = f"""
<p>{escape(service.description)}</p>
<p><code>POST /cds-services/{service.id}</code>, hook <code>{service.hook}</code> {
        escape(service.hook_version)
    }, CDS Hooks {escape(entry["version"])}.{brings}
{escape(entry["usageRequirements"])}</p>
<h2>Prefetch</h2>
<p>One query a line, to be copied. A key marked "adds" may be left out: many servers do not have it.</p>
{
        _table(
            ("key", "asks for", "query"),
            (
                (_code(key) + ("" if queries[key].required else " (adds)"), escape(queries[key].asks), _code(template))
                for key, template in entry["prefetch"].items()
            ),
        )
    }
<h2>Scopes</h2>
<p>Needed only where we are to read what was not sent.</p>
{_table(("SMART v2", "SMART v1"), ((_code(new), _code(old)) for new, old in scopes()))}
<h2>Cards</h2>
<p>Each card has its rule in <code>extension["dev.cds-rules.finding"].rule</code> and, without hyphens, in <code>source.topic.code</code>.
When nothing applies and something could not be judged: 412, or a card <code>not-assessed</code>.</p>
{
        _table(
            ("rule", "title", "can be"),
            (
                (_code(rule.id), escape(rule.title), ", ".join(dict.fromkeys(level.indicator for level in rule.levels)))
                for rule in rules
            ),
        )
    }
<h2>Codes</h2>
<p>By which results and symptoms are asked for. All codes that are understood: <code>cds-rules codes</code>.</p>
{
        _table(
            ("meaning", "codes"),
            ((escape(key.replace("_", " ")), " ".join(map(_code, codes.get(key, ())))) for key in _asked()),
        )
    }
"""
    return shell(service.title, body)


def _asked() -> Iterable[str]:
    return dict.fromkeys(key for query in QUERIES for key in query.codes)


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are HTML."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
