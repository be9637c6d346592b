"""One alert: the card, what it rests on, why it came, what would have to differ, what if, and what else was said.

Flows in: a request that names a card. Flows out: a page, a picture, a part of the page. Floor: edge (review).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from cds_rules.replay.plot import picture
from cds_rules.replay.run import about
from cds_rules.review.case import Case, case
from cds_rules.review.pages import page
from cds_rules.review.shell import absent, database, drawn, house, language, named, shown, visitor
from cds_rules.review.strip import WIDTH as STRIP_WIDTH
from cds_rules.review.strip import table
from cds_rules.review.whatif import NONE, Answer, answer, form
from cds_rules.review.worklist import REVIEW_WORDS, STATES, line_of, reasons_of, rule_titles
from cds_rules.store.browse import find
from cds_rules.vocabulary.wording import said

OUTCOMES = {
    "fired": said("card shown"),
    "suppressed": said("suppressed"),
    "not-judged": said("could not be judged"),
    "not-fired": said("silent"),
}


def case_of(request: Request) -> Case:
    """The alert that the address names, if the visitor may see it.

    Raises:
        HTTPException: there is none.
    """
    made = house(request)
    found = find(database(request), visitor(request).houses, named(request, "card"))
    if found is None:
        raise absent()
    return case(found, made.knowledge, made.store.keys, made.settings.store.keep, language(request))


def alert(request: Request) -> Response:
    """GET /review/alerts/{card}: everything about one alert."""
    one = case_of(request)
    strip, titles, reasons = one.strip(), rule_titles(request), reasons_of(request)
    return shown(
        request,
        "alert.html",
        "/",
        case=one,
        line=line_of(one.found.alert, titles, reasons),
        titles=titles,
        states=STATES,
        review_words=REVIEW_WORDS,
        outcomes=OUTCOMES,
        about=about(one.evaluation) if one.evaluation else None,
        strip=strip,
        entries=table(strip) if strip else (),
        company=[line_of(each, titles, reasons) for each in one.found.company],
        others=[line_of(each, titles, reasons) for each in one.found.others],
        keep=house(request).settings.store.keep,
        **_whatif(request, one),
    )


def whatif(request: Request) -> Response:
    """GET /review/alerts/{card}/what-if: the part of the page that answers "what if", for the script that asks live."""
    one = case_of(request)
    if one.evaluation is None:
        raise absent()
    made = page(
        "whatif.html",
        language(request),
        titles=rule_titles(request),
        outcomes=OUTCOMES,
        case=one,
        **_whatif(request, one),
    )
    return HTMLResponse(made)


def _whatif(request: Request, one: Case) -> dict[str, object]:
    """What the template around "what if" reads."""
    told: Answer | None = None
    if one.call is None or one.evaluation is None:
        return {"form": None, "told": None, "asked": {}, "none": NONE, "card_then": None}
    asked = dict(request.query_params)
    told = answer(house(request).knowledge, one.call, one.evaluation, one.rule, asked)
    return {
        "form": form(one.evaluation, house(request).knowledge),
        "told": told,
        "asked": asked,
        "none": NONE,
        "card_then": one.shown(told.evaluation) if told else None,
    }


def strip_picture(request: Request) -> Response:
    """GET /review/alerts/{card}/strip-{scheme}.svg: the patient on one time axis."""
    scheme, told = request.path_params["scheme"], case_of(request).strip()
    if told is None or scheme not in ("light", "dark"):
        raise absent()
    heading = language(request).say(said("What was charted until the decision, and the cards that were shown"))
    return drawn(picture(told, heading, scheme == "dark", STRIP_WIDTH))


ROUTES: tuple[Route, ...] = (
    Route("/alerts/{card}", alert, methods=["GET"]),
    Route("/alerts/{card}/what-if", whatif, methods=["GET"]),
    Route("/alerts/{card}/strip-{scheme}.svg", strip_picture, methods=["GET"]),
)
