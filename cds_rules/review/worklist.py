"""The worklist: alerts of the decision store, newest first.

Flows in: a request. Flows out: a page. Floor: edge (review).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_rules.review.shell import database, shown, visitor
from cds_rules.store.browse import browse


def worklist(request: Request) -> Response:
    """GET /review/: alerts."""
    alerts = browse(database(request), visitor(request).houses)
    return shown(request, "worklist.html", "/", alerts=alerts)


ROUTES: tuple[Route, ...] = (Route("/", worklist, methods=["GET"]),)
