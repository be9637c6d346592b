"""The real service with decisions in its store, and a real browser that may ask nobody else.

Tests skip, with a reason, where no Chromium is installed. `visit` opens a page and afterwards demands that nothing was said
on the console, that no content policy was violated and that no other host was asked.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from cds_rules.evaluate import Knowledge
from cds_rules.review.visitors import ROLES
from cds_rules.service import settings as sections
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from cds_rules.store.decisions import Caller
from cds_rules.store.rules import remember, text_of
from cds_rules.store.visits import Visit, begin
from cds_rules.vocabulary.frozen import replace
from tests.store.scenes import KEY, NOBODY, SAMPLES, decided, override, sample, store, write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
CHANGED = "mg-oral-severe-ckd"
"""A rule of which the store knows an earlier text."""
OTHERS = Caller("other-tenant", "https://other.example.org")


@dataclass(frozen=True)
class Served:
    """A running service. url: of its review pages; settings: what it was given."""

    url: str
    settings: Settings


def listening(app: Any) -> Iterator[int]:
    """Run an application on a free port of this machine until the generator is closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    assert server.started, "the service did not start in a minute"
    yield port
    server.should_exit = True
    thread.join(30)


def fill(knowledge: Knowledge, url: str, keep: str = "full") -> None:
    """Every sample as a decision, over some weeks, some of them answered; and one of another tenant."""
    kept = store(url, keep=keep)
    names = [path.parent.name for path in sorted(SAMPLES.glob("*/request.json"))]
    decisions = [decided(knowledge, sample(name)) for name in names]
    decisions = [
        replace(each, at=each.at - timedelta(hours=17 * (number % 41))) for number, each in enumerate(decisions)
    ]
    write(kept, *decisions, decided(knowledge, sample("mg-oral-severe-ckd"), caller=OTHERS))
    cards = [(each, card) for each in decisions for card in each.cards]
    answers = [override(card["uuid"], each.at + timedelta(minutes=5)) for each, card in cards[::4]]
    answers += [replace(override(card["uuid"], each.at), outcome="accepted", reason="") for each, card in cards[1::6]]
    kept.feedback(answers, service="magnesium-cramps-patient-view", caller=NOBODY)
    before = replace(text_of(knowledge, CHANGED), version="0.9.0", status="draft")
    remember(kept.database, [replace(before, text=before.text.replace("G4, G5", "G5"))], decisions[0].at)
    now = datetime.now(UTC)
    for role in ROLES:
        visit = Visit(f"the {role}", role.capitalize(), role, None, "", now, now, now + timedelta(hours=10))
        begin(kept.database, token_of(role), visit)
    # of an admin who sees the other tenant alone
    houses = frozenset({OTHERS.house})
    begin(
        kept.database,
        token_of("stranger"),
        Visit("the stranger", "Stranger", "admin", houses, "", now, now, now + timedelta(hours=10)),
    )
    kept.close()


def token_of(role: str) -> str:
    """What the browser of somebody who is signed in holds."""
    return f"token-of-the-{role}"


@pytest.fixture(scope="package")
def serving(knowledge: Knowledge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """Start services with given settings; they run until the end of the tests of this folder."""
    running = []

    def started(**settings: Any) -> Served:
        url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'cds-rules.db'}"
        section = sections.Store(url=SecretStr(url), key=SecretStr(KEY), keep=settings.pop("keep", "full"))
        fill(knowledge, url, section.keep)
        chosen = Settings(store=section, **settings)
        one = listening(create_app(knowledge, chosen))
        running.append(one)
        return Served(f"http://127.0.0.1:{next(one)}/review", chosen)

    yield started
    for one in running:
        next(one, None)


@pytest.fixture(scope="package")
def service(serving: Callable[..., Served]) -> Served:
    """The service that tests share which do not change what is kept."""
    return serving()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium of the distribution; closed with this folder, since its driver's event loop would be in the way of others."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed; .ci/run installs it")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@dataclass
class Heard:
    """What a page said that it should not."""

    lines: list[str] = field(default_factory=list)


LISTEN = """addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"""


@pytest.fixture
def page_of(browser: Any) -> Iterator[Callable[..., Any]]:
    """Make a page (a browser tab of its own) of somebody who is signed in with a role; role "": who is not.

    What it said on the console fails the test at its end.
    """
    heard, contexts = Heard(), []

    def opened(width: int = 1280, height: int = 900, scheme: str = "light", role: str = "admin", **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        context.add_init_script(LISTEN)
        context.set_default_timeout(10_000)
        if role:
            cookie = {"name": "cds_review", "value": token_of(role), "domain": "127.0.0.1", "path": "/review"}
            context.add_cookies([cookie])
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda said: heard.lines.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: heard.lines.append(str(error)))
        page.on("request", lambda asked: heard.lines.append(asked.url) if "127.0.0.1" not in asked.url else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not heard.lines


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page that is open."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:3]]}" for each in found]


def picture(page: Any, name: str, folder: Path) -> None:
    """The whole page as a PNG, to be looked at."""
    page.screenshot(path=folder / f"{name}.png", full_page=True)
