"""A review set out of the decisions of the store: drawn as from a replay run, with the silences beside the alerts.

All decisions of the filter that were judged with the rules of today, and of which what was judged is kept, are gone through;
what was drawn of them is judged again. Silences have no level, answer or review: a filter by one of these draws alerts alone.
An item knows the alert it was made from, which the worklist then shows. Flows in: a form on the worklist. Flows out: a set.
Floor: edge (review).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.profiles import SHIPPED, shaped
from cds_rules.hooks.response import pruned
from cds_rules.review.gate import MOST_SEED, form, needs, seed
from cds_rules.review.sampling import Draw, Key, Line, Sample, Wish, silence
from cds_rules.review.shell import House, Refusal, absent, database, house, visitor
from cds_rules.review.worklist import wanted_of
from cds_rules.store import reviews
from cds_rules.store.browse import Wanted
from cds_rules.store.database import Database
from cds_rules.store.judged import Told, content_of, judged
from cds_rules.store.packing import unpacked
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.wording import said


def drawn(store: Database, made: House, of: str, wanted: Wanted, seed: int) -> Sample:
    """A sample of the decisions of a house.

    Raises:
        BadInput: none fits.
    """
    wish = Wish(rules=(wanted.rule,) if wanted.rule else (), seed=seed)
    if wanted.of_alerts:
        wish = replace(wish, silences=0)
    drawing = Draw(wish)
    for each in judged(store, of, made.knowledge.fingerprint, wanted):
        drawing.offer(each.sequence, _strata(each))

    def read(sequence: int) -> Line | None:
        content = content_of(store, sequence)  # it may have been deleted meanwhile
        return _line(made.knowledge, made.store.keys.unseal(content)) if content else None

    return drawing.sample(made.knowledge.fingerprint, read, recorded=True)


def _strata(each: Told) -> Iterator[Key]:
    """The stratum of each rule; an alert that does not fit the filter is in none."""
    for rule, state in each.states.items():
        if rule not in each.alerts:
            yield rule, silence(state)
        elif each.alerts[rule]:
            yield rule, "alert"


def _line(knowledge: Knowledge, plain: bytes) -> Line:
    """A decision judged again, as a replay writes it."""
    evaluation = evaluate(knowledge, call := unpacked(plain))
    return {
        "hook": evaluation.hook,
        "cards": [pruned(card) for card in shaped(evaluation.cards, SHIPPED["default"], call.patient_id or "")],
        "outcomes": {name: (one.state, one.indicator or "") for name, one in evaluation.outcomes.items()},
        "call": json.loads(plain),
    }


@needs("admin")
def draw(request: Request) -> Response:
    """POST /review/sets/draw: a set out of the decisions that the filter of the worklist leaves."""
    who, made = visitor(request), house(request)
    of, name = form(request, "house", 128), form(request, "name")
    if who.houses is not None and of not in who.houses:
        raise absent()
    try:
        chosen = seed(request)
    except BadInput:
        words = said("The seed is a whole number from {low} to {high}.", low=0, high=MOST_SEED)
        raise Refusal(400, said("Nothing was drawn"), words) from None
    wanted = wanted_of({each: form(request, each) for each in Wanted.__dataclass_fields__})
    store = database(request)
    try:
        sample = drawn(store, made, of, wanted, chosen)
    except BadInput:
        raise Refusal(
            400,
            said("Nothing to draw from"),
            said("No decision that fits was judged with the rules of today and is kept with what was judged."),
        ) from None
    identity = reviews.add(
        store, made.store.keys, sample.items, name=name or "…", house=of, by=who.subject, at=made.clock(),
        fingerprint=sample.fingerprint, seed=chosen, strata=sample.strata,
    )  # fmt: skip
    return RedirectResponse(f"{made.root}/sets/{identity}", 303)


ROUTES: tuple[Route, ...] = (Route("/sets/draw", draw, methods=["POST"]),)
