"""Pages of the rules: what each says and rests on, how its cards are received, its versions and what differs between them.

What a rule says comes from the pages of `cds-rules pages`, word for word; what became of its cards from the store.
Flows in: a request. Flows out: pages. Floor: edge (review).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_rules.commands.pages import GLOSSARY, rule_page
from cds_rules.review.charts import days_of
from cds_rules.review.pages import document
from cds_rules.review.shell import NAVIGATION, Entry, absent, database, house, named, shown, visitor
from cds_rules.review.worklist import DAYS, rule_titles
from cds_rules.store.browse import Wanted, counted
from cds_rules.store.report import Reception, wilson
from cds_rules.store.rules import RuleText, reception, text_of, texts_of, versions
from cds_rules.vocabulary.frozen import replace
from cds_rules.vocabulary.wording import said

LOOK_BACK = timedelta(days=365)
"""How far back cards are counted."""
_CONTEXT = 3
"""Lines that are shown around a difference."""

NAVIGATION.append(Entry("/rules", said("Rules"), 2))


@dataclass(frozen=True, slots=True)
class Share:
    """A part of all cards with its 95 % interval, in percent."""

    count: int
    percent: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a comparison. kind: of both, of the earlier or the later text, or a place where lines are left out."""

    kind: Literal["same", "gone", "new", "gap"]
    text: str


def share(count: int, whole: int) -> Share:
    """A part of a whole."""
    low, high = wilson(count, whole)
    return Share(count, 100 * count / whole if whole else 0.0, 100 * low, 100 * high)


def index(request: Request) -> Response:
    """GET /review/rules: all rules by group, with what they showed lately."""
    knowledge = house(request).knowledge
    told = counted(database(request), visitor(request).houses, Wanted(), DAYS)
    groups = [
        (group, [knowledge.rules[name] for name in group.rules if name in knowledge.rules])
        for pack in knowledge.packs
        for group in pack.groups
    ]
    return shown(
        request,
        "rules.html",
        "/rules",
        groups=[(group, rules) for group, rules in groups if rules],
        titles=rule_titles(request),
        shown_lately=told.rules if told else {},
        told=told,
    )


def rule(request: Request) -> Response:
    """GET /review/rules/{rule}: one rule."""
    made, name = house(request), named(request, "rule")
    store, houses = database(request), visitor(request).houses
    kept, spoke = texts_of(store, name), versions(store, houses, name)
    one = made.knowledge.rules.get(name)
    if one is None and not kept:
        raise absent()
    found = reception(store, houses, name, made.clock() - LOOK_BACK)
    told = counted(store, houses, Wanted(rule=name), DAYS)
    pack = made.knowledge.pack_of.get(name)
    content = rule_page(pack, one).partition("\n")[2] if one and pack else ""
    return shown(
        request,
        "rule.html",
        "/rules",
        name=name,
        rule=one,
        title=rule_titles(request).get(name, name),
        content=document(content, lambda address: _address(made.root, address)),
        glossary=GLOSSARY,
        found=found,
        shares=_shares(found),
        reasons=[(code, share(count, found.shown)) for code, count in _most_first(found.overridden)],
        words=pack.overrides if pack else {},
        told=told,
        days=days_of(told) if told and told.total else None,
        texts=_all(kept, text_of(made.knowledge, name) if one else None),
        installed=text_of(made.knowledge, name).digest if one else "",
        spoke=spoke,
    )


def _shares(found: Reception) -> dict[str, Share]:
    overridden = sum(found.overridden.values())
    return {
        name: share(count, found.shown)
        for name, count in (("accepted", found.accepted), ("overridden", overridden), ("open", found.unanswered))
    }


def _most_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _address(root: str, said_: str) -> str:
    """Pages of rules link one another as files."""
    return f"{root}/rules/{said_.removesuffix('.md')}"


def _all(kept: tuple[RuleText, ...], installed: RuleText | None) -> tuple[RuleText, ...]:
    """The texts that can be compared, the installed one first."""
    others = [each for each in kept if installed is None or each.digest != installed.digest]
    since = next((each.since for each in kept if installed and each.digest == installed.digest), None)
    return (*([replace(installed, since=since)] if installed else []), *others)


def compare(request: Request) -> Response:
    """GET /review/rules/{rule}/compare?old=&new=: two texts of a rule, line by line."""
    made, name = house(request), named(request, "rule")
    texts = _all(
        texts_of(database(request), name), text_of(made.knowledge, name) if name in made.knowledge.rules else None
    )
    by_digest = {each.digest: each for each in texts}
    old, new = (by_digest.get(request.query_params.get(side, "")) for side in ("old", "new"))
    if not texts:
        raise absent()
    return shown(
        request,
        "compare.html",
        "/rules",
        name=name,
        title=rule_titles(request).get(name, name),
        texts=texts,
        old=old,
        new=new,
        changes=tuple(differences(old.text, new.text)) if old and new else (),
    )


def differences(old: str, new: str) -> Iterator[Change]:
    """Lines that differ, with some around them.

    >>> [(each.kind, each.text) for each in differences("a\\nb", "a\\nc")]
    [('same', 'a'), ('gone', 'b'), ('new', 'c')]
    """
    kinds: dict[str, Literal["same", "gone", "new"]] = {" ": "same", "-": "gone", "+": "new"}
    for number, line in enumerate(difflib.unified_diff(old.splitlines(), new.splitlines(), n=_CONTEXT, lineterm="")):
        if number < 2:
            continue
        if line.startswith("@@"):
            if number > 2:
                yield Change("gap", "")
        else:
            yield Change(kinds[line[0]], line[1:])


ROUTES: tuple[Route, ...] = (
    Route("/rules", index, methods=["GET"]),
    Route("/rules/{rule}", rule, methods=["GET"]),
    Route("/rules/{rule}/compare", compare, methods=["GET"]),
)
