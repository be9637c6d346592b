"""Review sets: bringing a replay run in, reading item by item without knowing the other reader, adjudication, results, exports.

What a visitor may know of an item decides the store (`store/reviews.py`), not a template.
Flows in: requests. Flows out: pages, pictures, files. Floor: edge (review).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.engine.inquiry import Inquiry
from cds_rules.evaluate import Evaluation, Knowledge, evaluate
from cds_rules.replay.plot import picture
from cds_rules.replay.run import about
from cds_rules.replay.timeline import Timeline
from cds_rules.review.gate import form, needs, number, seed
from cds_rules.review.results import NOTHING, archive, as_csv, results, told
from cds_rules.review.sampling import Wish, sample
from cds_rules.review.shell import NAVIGATION, Entry, Refusal, absent, database, drawn, house, language, shown, visitor
from cds_rules.review.shown import ShownCard, evidence_of, shown_card
from cds_rules.review.statistics import JUDGEMENTS
from cds_rules.review.strip import WIDTH as STRIP_WIDTH
from cds_rules.review.strip import strip, table
from cds_rules.review.trees import Branch, branches
from cds_rules.review.worklist import REVIEW_WORDS, rule_titles
from cds_rules.store import reviews
from cds_rules.store.packing import unpacked
from cds_rules.store.progress import TO_READ
from cds_rules.store.reviews import Item, Judged, Listed, Set
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.wording import Said, said

MOST_COMMENT = 2000
MOST_DRAWN = 500
STRATA = {
    "alert": said("alert"),
    "suppressed": said("suppressed"),
    "not-judged": said("could not be judged"),
    "silent": said("silent"),
}
WORDS = {"yes": said("yes"), "no": said("no"), "unsure": said("unsure"), NOTHING: said("none proposed")}

NAVIGATION.append(Entry("/sets", said("Review sets"), 1))


@dataclass(frozen=True)
class Seen:
    """What a reader sees of an item. card: as it was shown, for an alert. about: the patient. same_rules: those of today judged it."""

    evaluation: Evaluation
    card: ShownCard | None
    about: Said
    same_rules: bool
    beside: tuple[str, ...]
    tree: tuple[Branch, ...]
    strip: Timeline


def listing(request: Request) -> Response:
    """GET /sets."""
    return shown(request, "sets.html", "/sets", sets=reviews.sets(database(request), visitor(request).houses))


@needs("admin")
def new(request: Request) -> Response:
    """GET /sets/new: bring a run in."""
    return _new(request)


def _new(request: Request, problem: str = "", status: int = 200) -> Response:
    return shown(
        request,
        "set_new.html",
        "/sets",
        status=status,
        titles=rule_titles(request),
        houses=sorted(visitor(request).houses or ()),
        wish=Wish(),
        most=MOST_DRAWN,
        problem=problem,
        typed={name: form(request, name) for name in ("name", "house", "alerts", "silences", "seed")},
    )


@needs("admin")
def bring_in(request: Request) -> Response:
    """POST /sets/import: draw a set from a run."""
    who, made = visitor(request), house(request)
    run, name, of = request.state.form.get("run"), form(request, "name"), form(request, "house", 128)
    if who.houses is not None and of not in who.houses:
        raise absent()
    try:
        if not name:
            raise BadInput("a name belongs there", "name")
        if isinstance(run, str | None):
            raise BadInput("the file of `cds-rules replay --json FILE --calls` belongs there", "run")
        rules = tuple(each for each in request.state.form.getlist("rules") if each in made.knowledge.rules)
        wish = Wish(
            number(request, "alerts", 0, MOST_DRAWN),
            number(request, "silences", 0, MOST_DRAWN),
            rules,
            seed(request),
        )
        drawn = sample(cast(IO[bytes], run.file), wish)
    except BadInput as error:
        return _new(request, str(error), 400)
    identity = reviews.add(
        database(request), made.store.keys, drawn.items, name=name, house=of, by=who.subject, at=made.clock(),
        fingerprint=drawn.fingerprint, seed=wish.seed, strata=drawn.strata,
    )  # fmt: skip
    return _to(request, f"/sets/{identity}")


def one_set(request: Request) -> Response:
    """GET /sets/{id}: how far it is, and what is left for this reader."""
    of = _set(request)
    items = reviews.items(database(request), of.id, visitor(request).subject)
    return shown(
        request,
        "set.html",
        "/sets",
        set=of,
        items=items,
        next=_next(items),
        disputed=[each for each in items if each.progress == "disputed" and not each.mine],
        review_words=REVIEW_WORDS,
        titles=rule_titles(request),
        strata=STRATA,
        same_rules=of.fingerprint == house(request).knowledge.fingerprint,
    )


def following(request: Request) -> Response:
    """GET /sets/{id}/next: the next item that this reader has not read."""
    of = _set(request)
    found = _next(reviews.items(database(request), of.id, visitor(request).subject))
    return _to(request, f"/items/{found.id}" if found else f"/sets/{of.id}")


def _next(items: tuple[Listed, ...]) -> Listed | None:
    return next((each for each in items if not each.mine and each.progress in TO_READ), None)


def one_item(request: Request) -> Response:
    """GET /items/{id}."""
    return _item_page(request, _item(request))


def _item_page(request: Request, item: Item, problem: bool = False) -> Response:
    seen, why_not = None, said("What was judged has been deleted since.")
    if item.content is not None:
        try:
            seen = _seen(request, item)
        except BadInput:
            why_not = said("What was judged cannot be read.")
    who = visitor(request)
    return shown(
        request,
        "item.html",
        "/sets",
        status=400 if problem else 200,
        item=item,
        seen=seen,
        why_not=why_not,
        entries=table(seen.strip) if seen else (),
        may=who.may("reviewer"),
        adjudicates=item.listed.progress == "disputed" and not item.listed.mine and who.may("reviewer"),
        alert=item.listed.stratum == "alert",
        titles=rule_titles(request),
        strata=STRATA,
        words=WORDS,
        judgements=JUDGEMENTS,
        most=MOST_COMMENT,
        problem=problem,
    )


def reading(request: Request) -> Response:
    """POST /items/{id}/reading."""
    item = _item(request)
    given = _judged(request, item)
    if given is None:
        return _item_page(request, item, problem=True)
    who = visitor(request)
    kept = reviews.read(database(request), house(request).store.keys, item.listed.id, who.houses, given)
    if kept == "absent":
        raise absent()
    if kept != "kept":
        raise Refusal(
            409, said("Not saved"), said("Two readings of this item are there already; they are not changed any more.")
        )
    return _to(request, f"/sets/{item.set.id}/next")


def adjudication(request: Request) -> Response:
    """POST /items/{id}/adjudication."""
    item = _item(request)
    given = _judged(request, item)
    if given is None:
        return _item_page(request, item, problem=True)
    who = visitor(request)
    if not reviews.adjudicate(database(request), house(request).store.keys, item.listed.id, who.houses, given):
        raise Refusal(
            409,
            said("Not saved"),
            said("Only an item on which two readers differ is adjudicated, once, by somebody who is neither of them."),
        )
    return _to(request, f"/sets/{item.set.id}")


def _judged(request: Request, item: Item) -> Judged | None:
    """What a form says; None where an answer is missing."""
    trigger = form(request, "trigger")
    action = form(request, "action") if item.listed.stratum == "alert" else NOTHING
    if trigger not in JUDGEMENTS or (action not in JUDGEMENTS and action != NOTHING):
        return None
    comment = form(request, "comment", MOST_COMMENT)
    return Judged(visitor(request).subject, house(request).clock(), trigger, action, comment)


def what_it_came_to(request: Request) -> Response:
    """GET /sets/{id}/results."""
    of = _set(request)
    found = results(reviews.rows(database(request), of.id), of.strata)
    return shown(request, "results.html", "/sets", set=of, results=found, titles=rule_titles(request), strata=STRATA)


@needs("reviewer")
def readings_file(request: Request) -> Response:
    """GET /sets/{id}/readings.csv."""
    of = _set(request)
    content = as_csv(of.id, reviews.rows(database(request), of.id))
    return _file(content.encode(), f"review-{of.id}.csv", "text/csv; charset=utf-8")


@needs("reviewer")
def cases_file(request: Request) -> Response:
    """GET /sets/{id}/cases.zip: what is settled, as cases for `cds-rules test --cases`."""
    of, made = _set(request), house(request)
    rows = reviews.rows(database(request), of.id)
    contents = reviews.contents(database(request), made.store.keys, [row.id for row in rows if row.final("trigger")])
    return _file(archive(told(of.id, rows, contents, made.knowledge)), f"review-{of.id}-cases.zip", "application/zip")


@needs("admin")
def remove(request: Request) -> Response:
    """POST /sets/{id}/remove: the set, its items and readings."""
    if not reviews.remove(database(request), _number_of(request), visitor(request).houses):
        raise absent()
    return _to(request, "/sets")


def strip_picture(request: Request) -> Response:
    """GET /items/{id}/strip-{scheme}.svg."""
    item, scheme = _item(request), request.path_params["scheme"]
    if item.content is None or scheme not in ("light", "dark"):
        raise absent()
    heading = language(request).say(said("What was charted until the decision, and the cards that were shown"))
    try:
        made = picture(_seen(request, item).strip, heading, scheme == "dark", STRIP_WIDTH)
    except BadInput:
        raise absent() from None
    return drawn(made)


def _seen(request: Request, item: Item) -> Seen:
    assert item.content is not None
    knowledge, rule = house(request).knowledge, item.listed.rule
    content: Mapping[str, Any] = json.loads(item.content)
    evaluation = evaluate(knowledge, unpacked(json.dumps(content["call"]).encode()))
    evidence = evidence_of(evaluation, rule)
    card = content["card"]
    return Seen(
        evaluation=evaluation,
        card=shown_card(card, evidence, evaluation.at) if card else None,
        about=about(evaluation),
        same_rules=item.set.fingerprint == knowledge.fingerprint,
        beside=tuple(content["cards"]),
        tree=_tree(knowledge, evaluation, rule),
        strip=strip(evaluation, (), frozenset(each.reference for each in evidence), rule_titles(request)),
    )


def _tree(knowledge: Knowledge, evaluation: Evaluation, rule: str) -> tuple[Branch, ...]:
    inquiry = Inquiry(knowledge.rulebook, evaluation.scenario, evaluation.settled)
    own = next((each for each in inquiry.explanations() if each.rule.id == rule), None)
    return branches(own, evaluation.derived) if own else ()


def _number_of(request: Request) -> int:
    return int(request.path_params["id"])


def _set(request: Request) -> Set:
    found = reviews.find_set(database(request), _number_of(request), visitor(request).houses)
    if found is None:
        raise absent()
    return found


def _item(request: Request) -> Item:
    who = visitor(request)
    found = reviews.item(database(request), house(request).store.keys, _number_of(request), who.houses, who.subject)
    if found is None:
        raise absent()
    return found


def _to(request: Request, path: str) -> Response:
    return RedirectResponse(f"{house(request).root}{path}", 303)


def _file(content: bytes, name: str, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


ROUTES: tuple[Route, ...] = (
    Route("/sets", listing, methods=["GET"]),
    Route("/sets/new", new, methods=["GET"]),
    Route("/sets/import", bring_in, methods=["POST"]),
    Route("/sets/{id:number}", one_set, methods=["GET"]),
    Route("/sets/{id:number}/next", following, methods=["GET"]),
    Route("/sets/{id:number}/results", what_it_came_to, methods=["GET"]),
    Route("/sets/{id:number}/readings.csv", readings_file, methods=["GET"]),
    Route("/sets/{id:number}/cases.zip", cases_file, methods=["GET"]),
    Route("/sets/{id:number}/remove", remove, methods=["POST"]),
    Route("/items/{id:number}", one_item, methods=["GET"]),
    Route("/items/{id:number}/reading", reading, methods=["POST"]),
    Route("/items/{id:number}/adjudication", adjudication, methods=["POST"]),
    Route("/items/{id:number}/strip-{scheme}.svg", strip_picture, methods=["GET"]),
)
