"""A set out of the decisions of the store: of all that the filter leaves, and the same for the same seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cds_rules.evaluate import Knowledge
from cds_rules.store import reviews
from cds_rules.store.reviews import Row, Set
from cds_rules.store.store import Store
from cds_rules.store.tables import alert, review_item
from cds_rules.vocabulary.frozen import replace
from tests.review.conftest import Browser
from tests.store.scenes import NOBODY, decided, override, sample, store, write

Pages = Callable[..., Browser]
RULE = "mg-oral-severe-ckd"
SAMPLES = (RULE, "mg-oral-moderate-ckd", "hypomagnesemia-lab", "statin-interaction")


@pytest.fixture
def admin(pages: Pages) -> Browser:
    browser = pages()
    browser.sign_in("Root", "admin")
    return browser


@pytest.fixture
def kept(admin: Browser, tmp_path: Path) -> Iterator[Store]:
    """The store of the service."""
    opened = store(f"sqlite:///{tmp_path / 'cds-rules.db'}", keep="full")
    yield opened
    opened.close()


def fill(kept: Store, knowledge: Knowledge, *names: str) -> None:
    write(kept, *(decided(knowledge, sample(name)) for name in names))


def drawn(admin: Browser, kept: Store, **filter_: str) -> tuple[Set, tuple[Row, ...]]:
    """Draw a set by the form of the worklist."""
    answer = admin.post("/sets/draw", name="n", house="", **({"seed": "7"} | filter_))
    assert answer.status_code == 303, re.findall("<h1>.*", answer.text)
    identity = int(answer.headers["location"].rpartition("/")[2])
    found = reviews.find_set(kept.database, identity, None)
    assert found
    return found, reviews.rows(kept.database, identity)


def cards(kept: Store, identity: int) -> list[str | None]:
    with kept.database.reading() as connection:
        asked = select(review_item.c.card).where(review_item.c.set_id == identity).order_by(review_item.c.position)
        return list(connection.scalars(asked))


def test_all_decisions_count_and_not_the_newest_thousand(admin: Browser, kept: Store, knowledge: Knowledge) -> None:
    made = decided(knowledge)
    write(kept, *(replace(made, at=made.at - timedelta(hours=each), identity=f"{each:032d}") for each in range(1100)))
    found, rows = drawn(admin, kept)
    assert [(each.rule, each.population, each.drawn) for each in found.strata] == [(RULE, 1100, 20)]
    assert {row.weight for row in rows} == {55.0}


@pytest.mark.parametrize(("name", "value"), [("level", "critical"), ("level", "warning"), ("state", "overridden")])
def test_a_filter_of_alerts_draws_alerts_that_fit_and_no_silences(
    admin: Browser, kept: Store, knowledge: Knowledge, name: str, value: str
) -> None:
    fill(kept, knowledge, *SAMPLES)
    with kept.database.reading() as connection:
        last = connection.scalars(select(alert.c.card).order_by(alert.c.id.desc())).first()
    assert last
    kept.feedback([override(last)], service="s", caller=NOBODY)
    with kept.database.reading() as connection:
        fits = connection.execute(select(alert.c.card, alert.c.rule).where(alert.c[name] == value)).all()
    assert fits
    found, rows = drawn(admin, kept, **{name: value})
    assert {row.stratum for row in rows} == {"alert"}
    assert sorted(map(str, cards(kept, found.id))) == sorted(row.card for row in fits)
    assert all(each.drawn == 0 for each in found.strata if each.stratum != "alert")
    assert {each.rule for each in found.strata} == {row.rule for row in fits}


def test_with_a_filter_of_alerts_no_sensitivity_is_told(
    admin: Browser, kept: Store, knowledge: Knowledge, pages: Pages
) -> None:
    fill(kept, knowledge, *SAMPLES)
    drawn(admin, kept, rule=RULE, level="critical")
    for name in ("Ada", "Ben"):
        reader = pages(admin)
        reader.sign_in(name)
        assert reader.post("/items/1/reading", trigger="yes", action="yes").status_code == 303
    told = admin.get("/sets/1/results").text
    assert "not enough is settled" in told
    page = admin.get(f"/?rule={RULE}&level=critical").text
    assert "no sensitivity can be told" in page
    assert "no sensitivity can be told" not in admin.get(f"/?rule={RULE}").text


def test_what_is_in_no_set_yet_is_drawn(admin: Browser, kept: Store, knowledge: Knowledge) -> None:
    fill(kept, knowledge, RULE, "hypomagnesemia-lab")
    first, _ = drawn(admin, kept, rule=RULE)
    second, _ = drawn(admin, kept, review="none")
    assert not set(cards(kept, first.id)) & set(cards(kept, second.id))
    again = admin.post("/sets/draw", name="n", house="", review="none")
    assert (again.status_code, "Nothing to draw from" in again.text) == (400, True)


def test_the_same_decisions_and_seed_give_the_same_set(admin: Browser, kept: Store, knowledge: Knowledge) -> None:
    made = [decided(knowledge, sample() | {"hookInstance": f"h{each}"}) for each in range(60)]
    write(kept, *made)
    contents = []
    for seed in ("7", "7", "8"):
        found, rows = drawn(admin, kept, seed=seed)
        assert found.seed == int(seed)
        held = reviews.contents(kept.database, kept.keys, [row.id for row in rows])
        contents.append([held[row.id] for row in rows])
    assert contents[0] == contents[1] != contents[2]


@pytest.mark.parametrize(
    ("filter_", "why"),
    [
        ({"seed": "many"}, "The seed is a whole number from 0 to 2147483647."),
        ({"seed": "2147483648"}, "The seed is a whole number"),
        ({"rule": "of-yesterday"}, "Nothing to draw from"),
        ({"rule": "&"}, "Nothing to draw from"),
        ({"since": "2031-01-01"}, "Nothing to draw from"),
    ],
)
def test_where_nothing_can_be_drawn_the_page_says_why(
    admin: Browser, kept: Store, knowledge: Knowledge, filter_: dict[str, str], why: str
) -> None:
    fill(kept, knowledge, RULE)
    answer = admin.post("/sets/draw", name="n", house="", **filter_)
    assert (answer.status_code, why in answer.text) == (400, True)
