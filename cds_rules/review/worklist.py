"""The worklist: alerts of the decision store, newest first, with filters, counts and a chart of alerts per day and rule.

Everything about a view stands in its address, so a view can be kept and sent; the chart is a picture of its own beside a
table that says the same. Flows in: a request. Flows out: a page. Floor: edge (review).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cds_rules.cards.cards import title
from cds_rules.hooks.response import NOT_ASSESSED
from cds_rules.knowledge.rules import INDICATORS
from cds_rules.review.charts import OTHERS, Days, chart, days_of
from cds_rules.review.shell import MOST_DIGITS, NAME, absent, database, drawn, house, language, shown, visitor
from cds_rules.store.browse import Listed, Place, Wanted, browse, counted, houses_shown, rules_shown
from cds_rules.vocabulary.wording import Said, said

LEVELS = INDICATORS[::-1]
DAYS = 30
"""Days that are counted and drawn where no beginning is named."""
_FIRST, _LAST = date(1900, 1, 1), date(2199, 12, 31)
STATES: Mapping[str, Said] = {
    "open": said("not answered"),
    "accepted": said("accepted"),
    "overridden": said("overridden"),
}
REVIEW_WORDS: Mapping[str, Said] = {
    "none": said("none"),
    "wanted": said("waiting for readers"),
    "read": said("read once"),
    "disputed": said("the readers differ"),
    "settled": said("settled"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a list of alerts, whatever they come from. path: below the root of the pages; note: beside the state."""

    path: str
    at: datetime
    level: str
    title: str
    rule: str
    hook: str
    patient: str
    state: Said
    review: Said
    note: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What an address asks for. place: beyond which alert the page begins."""

    wanted: Wanted
    place: Place | None = None

    @property
    def narrowed(self) -> bool:
        """Whether a filter is set."""
        return self.wanted != Wanted()

    def query(self, place: Place | None = None) -> str:
        """The query of the address that asks for this, from another place."""
        said_ = {name: getattr(self.wanted, name) for name in ("rule", "level", "state", "review")}
        said_ |= {name: day.isoformat() for name in ("since", "until") if (day := getattr(self.wanted, name))}
        if place:
            said_["newer" if place.newer else "older"] = f"{place.at.isoformat()}~{place.id}"
        return urlencode({name: value for name, value in said_.items() if value})


def view_of(request: Request) -> View:
    """What the address asks for."""
    asked = request.query_params
    return View(wanted_of(asked), _place(asked.get("newer"), True) or _place(asked.get("older"), False))


def wanted_of(asked: Mapping[str, str]) -> Wanted:
    """A filter; words that mean nothing are as good as none."""
    return Wanted(
        rule=_rule(asked.get("rule", "")),
        level=_one_of(asked.get("level"), INDICATORS),
        state=_one_of(asked.get("state"), STATES),
        review=_one_of(asked.get("review"), REVIEW_WORDS),
        since=_day(asked.get("since")),
        until=_day(asked.get("until")),
    )


def _rule(said_: str) -> str:
    """A rule, whether we have it or not; what can be none fits no alert."""
    return said_ if not said_ or NAME.fullmatch(said_) else "?"


def _one_of(said_: str | None, known: object) -> str:
    return said_ if said_ and said_ in known else ""  # type: ignore[operator]


def _day(said_: str | None) -> date | None:
    try:
        found = date.fromisoformat(said_ or "")
    except ValueError:
        return None
    return found if _served(found) else None


def _served(day: date) -> bool:
    """Whether a day can be reckoned with: before and after it there must be others, in every zone."""
    return _FIRST <= day <= _LAST


def _place(said_: str | None, newer: bool) -> Place | None:
    at, _, number = (said_ or "").rpartition("~")
    try:
        moment = datetime.fromisoformat(at)
        known = moment.tzinfo and _served(moment.date()) and len(number) <= MOST_DIGITS
        return Place(moment, int(number), newer) if known else None
    except ValueError:
        return None


def worklist(request: Request) -> Response:
    """GET /review/: alerts."""
    view, who, store = view_of(request), visitor(request), database(request)
    page = browse(store, who.houses, view.wanted, view.place)
    told = counted(store, who.houses, view.wanted, DAYS)
    days = days_of(told) if told and told.total else None
    titles = rule_titles(request)
    first, last = (page.alerts[0], page.alerts[-1]) if page.alerts else (None, None)
    return shown(
        request,
        "worklist.html",
        "/",
        view=view,
        lines=[line_of(each, titles, reasons_of(request)) for each in page.alerts],
        newer=view.query(Place(first.at, first.id, True)) if first and page.newer else "",
        older=view.query(last.place) if last and page.older else "",
        told=told,
        days=days,
        titles=titles | {OTHERS: said("all other rules")},
        levels=LEVELS,
        states=STATES,
        review_words=REVIEW_WORDS,
        houses=sorted(who.houses if who.houses is not None else houses_shown(store)) if who.may("admin") else (),
        rules=sorted(rules_shown(store, who.houses), key=lambda rule: str(titles.get(rule, rule))),
    )


def rule_titles(request: Request) -> dict[str, str]:
    """Rule -> its title in the language of the pages."""
    knowledge, spoken = house(request).knowledge, language(request)
    titles = {rule: title(knowledge.pack_of[rule], one, spoken) for rule, one in knowledge.rules.items()}
    return titles | {NOT_ASSESSED: spoken.say(said("Not assessed"))}


def reasons_of(request: Request) -> dict[str, str]:
    """Reason to override -> its words, in the language of the pages."""
    spoken = language(request)
    packs = house(request).knowledge.packs
    return {code: spoken.say(said(words)) for pack in packs for code, words in pack.overrides.items()}


def line_of(alert: Listed, titles: Mapping[str, str], reasons: Mapping[str, str]) -> Line:
    """A row of the ledger as a line of a list."""
    return Line(
        path=f"/alerts/{alert.card}",
        at=alert.at,
        level=alert.level,
        title=titles.get(alert.rule, alert.rule),
        rule=alert.rule,
        hook=alert.hook,
        patient=patient_of(alert),
        state=STATES.get(alert.state, said("{state}", state=alert.state)),
        review=REVIEW_WORDS[alert.review],
        note=reasons.get(alert.reason, alert.reason) if alert.reason else "",
    )


def patient_of(alert: Listed) -> str:
    """What stands for a patient on the pages: a few letters of the hash that the store keeps."""
    return alert.patient[:6] if alert.patient else "–"


def picture(request: Request) -> Response:
    """GET /review/chart-{scheme}.svg: alerts per day and rule of a view."""
    scheme = request.path_params["scheme"]
    told = counted(database(request), visitor(request).houses, view_of(request).wanted, DAYS)
    if scheme not in ("light", "dark") or told is None or not told.total:
        raise absent()
    days: Days = days_of(told)
    speak = language(request).say
    titles = rule_titles(request) | {OTHERS: speak(said("all other rules"))}
    return drawn(chart(days, titles, scheme))


ROUTES: tuple[Route, ...] = (
    Route("/", worklist, methods=["GET"]),
    Route("/chart-{scheme}.svg", picture, methods=["GET"]),
)
