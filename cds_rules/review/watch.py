"""For who runs the pages: the audit, and the visits that are under way.

Flows in: requests of an admin. Flows out: pages. Floor: edge (review).
"""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.review.gate import form, needs
from cds_rules.review.shell import MOST_DIGITS, NAVIGATION, Entry, database, house, shown, visitor
from cds_rules.store import audit, visits
from cds_rules.vocabulary.wording import said

NAVIGATION.append(Entry("/audit", said("Audit"), 4, "admin"))


@needs("admin")
def entries(request: Request) -> Response:
    """GET /audit: who looked at what, newest first; ?subject= and ?item= alone. Its rows are of all houses."""
    asked = {name: request.query_params.get(name, "")[:255] for name in ("subject", "item")}
    made = house(request)
    idle = timedelta(minutes=made.settings.review.idle_minutes)
    before = request.query_params.get("before", "")
    numbered = before.isascii() and before.isdecimal() and len(before) <= MOST_DIGITS
    everywhere = visitor(request).houses is None
    found = audit.entries(database(request), **asked, before=int(before) if numbered else 0) if everywhere else ()
    return shown(
        request,
        "audit.html",
        "/audit",
        everywhere=everywhere,
        entries=found,
        pruned=audit.pruned(database(request)) if everywhere else None,
        asked=asked,
        more=found[-1].number if len(found) == audit.PAGE else 0,
        visits=visits.under_way(database(request), made.clock(), idle, visitor(request).houses),
    )


@needs("admin")
def end(request: Request) -> Response:
    """POST /visits/end: end every visit of somebody who sees no other houses than who asks."""
    visits.end_all(database(request), form(request, "subject", 255), visitor(request).houses)
    return RedirectResponse(f"{house(request).root}/audit", 303)


ROUTES: tuple[Route, ...] = (
    Route("/audit", entries, methods=["GET"]),
    Route("/visits/end", end, methods=["POST"]),
)
