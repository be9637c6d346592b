"""What every page of the service has around it: navigation, the visitor, static files, and how a page is answered.

A module of pages offers `ROUTES`; its endpoints are plain functions (they run in a thread and may ask the store) that end
with `shown`. Flows in: a request whose state has a `visitor` and a `csrf`. Flows out: HTML. Floor: edge (review).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cds_rules.evaluate import Knowledge
from cds_rules.knowledge.languages import Language, chosen
from cds_rules.review.pages import TEMPLATES, page
from cds_rules.review.visitors import Role, Visitor
from cds_rules.service.outbound import Outbound
from cds_rules.service.settings import Settings
from cds_rules.store.database import Database
from cds_rules.store.store import Store
from cds_rules.vocabulary.wording import Said, said

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
"""What rules and cards are called."""
STATIC = {"page.css": "text/css", "site.css": "text/css", "site.js": "text/javascript"}
"""Our own files that a page may ask for."""


MOST_DIGITS = 18
"""Of a number that stands in an address: a row of either database is called by one that is no longer."""


class _Number(Convertor[int]):
    """`{id:number}` in the path of a page."""

    regex = f"[0-9]{{1,{MOST_DIGITS}}}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("number", _Number())


@dataclass(frozen=True, slots=True)
class House:
    """What the pages are made from; one for the process. root: path of the pages as the browser sees it."""

    knowledge: Knowledge
    settings: Settings
    store: Store
    clock: Callable[[], datetime]
    root: str
    outbound: Outbound


@dataclass(frozen=True, slots=True)
class Entry:
    """A page in the navigation. place: in its order; role: who may open it."""

    path: str
    title: Said
    place: int
    role: Role = "reader"


@dataclass(frozen=True, slots=True)
class Shell:
    """What the template around a page reads. here: path of the entry of the navigation that is open."""

    root: str
    here: str
    pages: tuple[Entry, ...]
    visitor: Visitor | None
    csrf: str

    def static(self, name: str) -> str:
        """The address of one of our files; another text has another address, so a browser may keep it."""
        return f"{self.root}/static/{name}?{version(name)}"


NAVIGATION: list[Entry] = [Entry("/", said("Alerts"), 0)]


def house(request: Request) -> House:
    """What the pages are made from."""
    return cast(House, request.scope["cds_rules_house"])


def database(request: Request) -> Database:
    """The store's database, brought to this version.

    Raises:
        StoreUnavailable: it does not answer.
    """
    house(request).store.migrate()
    return house(request).store.database


def visitor(request: Request) -> Visitor:
    """Who asks."""
    return cast(Visitor, request.state.visitor)


def language(request: Request) -> Language:
    """The language of the pages for who asks."""
    languages = house(request).knowledge.languages
    return languages[chosen(languages, ",".join(request.headers.getlist("accept-language")))]


def shown(
    request: Request,
    template: str,
    here: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page. here: the path of its entry in the navigation."""
    who = getattr(request.state, "visitor", None)
    shell = Shell(
        house(request).root,
        here,
        tuple(each for each in sorted(NAVIGATION, key=lambda each: each.place) if who and who.may(each.role)),
        who,
        getattr(request.state, "csrf", ""),
    )
    content = page(template, language(request), shell=shell, **values)
    return HTMLResponse(content, status, dict(headers or {}))


_TROUBLE = {
    403: (said("Not open to you"), said("Your role does not allow this.")),
    404: (said("Not here"), said("There is no such page, or it is not among those you may see.")),
    503: (said("Not available now"), said("The store of decisions does not answer. Try again in a moment.")),
}


class Refusal(HTTPException):
    """No page, and why, in words of its own."""

    def __init__(self, status: int, heading: Said, text: Said) -> None:
        super().__init__(status)
        self.words = heading, text


def trouble(
    request: Request, status: int, headers: Mapping[str, str] | None = None, words: tuple[Said, Said] | None = None
) -> Response:
    """A page that says why there is no page."""
    usual = said("This did not work"), said("The request could not be read.")
    heading, text = words or _TROUBLE.get(status, usual)
    return shown(request, "message.html", status=status, headers=headers, heading=heading, text=text)


def absent() -> HTTPException:
    """To be raised where something is not there, or not for this visitor: the two look the same."""
    return HTTPException(404)


def drawn(picture: bytes | str) -> Response:
    """A picture (SVG). Opened alone it may style itself, which is all it needs, and do nothing else."""
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}
    return Response(picture, headers=policy, media_type="image/svg+xml")


def named(request: Request, name: str) -> str:
    """A part of the address that names something of ours; what could name nothing is asked of no database.

    Raises:
        HTTPException: it is none.
    """
    said_ = str(request.path_params[name])
    if not NAME.fullmatch(said_):
        raise absent()
    return said_


@cache
def static(name: str) -> bytes:
    """The bytes of one of our files."""
    return (TEMPLATES / name).read_bytes()


@cache
def version(name: str) -> str:
    """A short hash of them."""
    return hashlib.sha256(static(name)).hexdigest()[:12]
