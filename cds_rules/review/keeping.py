"""What the store keeps, for how long, and how it is deleted: of one alert, of one patient.

Deletion leaves a row in the ledger that says so, and the ledger still verifies. Flows in: requests, forms of an admin.
Flows out: a page, redirects. Floor: edge (review).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cds_rules.review.gate import form, needs
from cds_rules.review.shell import NAVIGATION, Entry, Refusal, absent, database, house, named, shown, visitor
from cds_rules.store.browse import Listed, find
from cds_rules.store.kept import kept
from cds_rules.vocabulary.wording import said

NAVIGATION.append(Entry("/kept", said("What is kept"), 3))
MEANS = {
    "off": said("No decision is kept: there is nothing to review."),
    "hashed": said(
        "Kept are rules, levels, outcomes and reasons; patients, users and entries of the record stand as keyed hashes. No value, name or drug is kept, so cards and explanations cannot be shown again."
    ),
    "full": said(
        "Besides rules, outcomes and reasons, all that is needed to judge again is kept, sealed (AES-256-GCM): the resources of the call with their values."
    ),
}


def keeping(request: Request) -> Response:
    """GET /review/kept: what is kept, and since when."""
    section = house(request).settings.store
    return shown(
        request,
        "kept.html",
        "/kept",
        section=section,
        means=MEANS[section.keep],
        counts=kept(database(request), visitor(request).houses),
        done=request.query_params.get("done", ""),
    )


def _chosen(request: Request) -> Listed:
    """The alert of the address, when the form says that it is meant."""
    found = find(database(request), visitor(request).houses, named(request, "card"))
    if found is None:
        raise absent()
    if form(request, "sure") != "yes":
        raise Refusal(400, said("Not confirmed"), said("Nothing was deleted. Tick the box that says you are sure."))
    return found.alert


@needs("admin")
def empty(request: Request) -> Response:
    """POST /review/alerts/{card}/empty: delete what the decision was judged on."""
    one, made = _chosen(request), house(request)
    made.store.empty(made.clock(), one)
    return RedirectResponse(f"{made.root}/alerts/{one.card}", 303)


@needs("admin")
def forget(request: Request) -> Response:
    """POST /review/alerts/{card}/forget: delete everything about the patient of the alert."""
    one, made = _chosen(request), house(request)
    made.store.forget_like(made.clock(), one)
    return RedirectResponse(f"{made.root}/kept?done=forgotten", 303)


ROUTES: tuple[Route, ...] = (
    Route("/kept", keeping, methods=["GET"]),
    Route("/alerts/{card}/empty", empty, methods=["POST"]),
    Route("/alerts/{card}/forget", forget, methods=["POST"]),
)
