"""A review set out of the decisions of the store: drawn as from a replay run, with the silences beside the alerts.

The newest decisions that were judged with the rules of today, and of which what was judged is kept, are judged again line by
line, and the same sampler draws from them. An item knows the alert it was made from, which the worklist then shows.
Flows in: a form on the worklist. Flows out: a set. Floor: edge (review).
"""

from __future__ import annotations

import json
import secrets
from typing import IO, cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.evaluate import Knowledge, evaluate
from cds_rules.hooks.profiles import SHIPPED, shaped
from cds_rules.hooks.response import pruned
from cds_rules.review.gate import form, needs
from cds_rules.review.sampling import Wish, sample
from cds_rules.review.shell import Refusal, absent, database, house, visitor
from cds_rules.review.worklist import wanted_of
from cds_rules.store import reviews
from cds_rules.store.browse import content_of, judged_with
from cds_rules.store.database import Database
from cds_rules.store.keys import Keys
from cds_rules.store.packing import unpacked
from cds_rules.vocabulary.errors import BadInput
from cds_rules.vocabulary.wording import said


class Decisions:
    """Decisions as the sampler reads a run: a line each, at a place each, judged again when it is read."""

    def __init__(self, database: Database, keys: Keys, knowledge: Knowledge, sequences: tuple[int, ...]) -> None:
        self._database, self._keys, self._knowledge, self._sequences = database, keys, knowledge, sequences
        self._place = 0

    def seek(self, place: int) -> None:
        """Go to a decision."""
        self._place = place

    def tell(self) -> int:
        """Which decision comes next."""
        return self._place

    def readline(self) -> bytes:
        """The next decision as a line, b"" after the last."""
        while self._place < len(self._sequences):
            found = content_of(self._database, self._sequences[self._place])
            self._place += 1
            if found:  # it may have been deleted meanwhile
                return self._line(self._keys.unseal(found))
        return b""

    def _line(self, plain: bytes) -> bytes:
        call = unpacked(plain)
        evaluation = evaluate(self._knowledge, call)
        cards = [pruned(card) for card in shaped(evaluation.cards, SHIPPED["default"], call.patient_id or "")]
        line = {
            "hook": evaluation.hook,
            "fingerprint": evaluation.fingerprint,
            "cards": cards,
            "outcomes": {name: (one.state, one.indicator or "") for name, one in evaluation.outcomes.items()},
            "call": json.loads(plain),
        }
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"


@needs("admin")
def draw(request: Request) -> Response:
    """POST /review/sets/draw: a set out of the decisions that the filter of the worklist leaves."""
    who, made = visitor(request), house(request)
    of, name = form(request, "house", 128), form(request, "name")
    if who.houses is not None and of not in who.houses:
        raise absent()
    wanted = wanted_of({each: form(request, each) for each in ("rule", "since", "until")})
    store = database(request)
    sequences = judged_with(store, of, made.knowledge.fingerprint, wanted.since, wanted.until)
    wish = Wish(rules=(wanted.rule,) if wanted.rule in made.knowledge.rules else (), seed=secrets.randbelow(2**31))
    try:
        drawn = sample(
            cast(IO[bytes], Decisions(store, made.store.keys, made.knowledge, sequences)), wish, recorded=True
        )
    except BadInput:
        raise Refusal(
            400,
            said("Nothing to draw from"),
            said("No decision that fits was judged with the rules of today and is kept with what was judged."),
        ) from None
    identity = reviews.add(
        store, made.store.keys, drawn.items, name=name or "…", house=of, by=who.subject, at=made.clock(),
        fingerprint=drawn.fingerprint, seed=wish.seed, strata=drawn.strata,
    )  # fmt: skip
    return RedirectResponse(f"{made.root}/sets/{identity}", 303)


ROUTES: tuple[Route, ...] = (Route("/sets/draw", draw, methods=["POST"]),)
