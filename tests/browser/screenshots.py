"""`python -m tests.browser.screenshots [NAME ...]`: the pictures of docs/review.md, made from the pages as they are.

Each is 1280 px wide, of a service with the sample patients; few colours, so that they stay small.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from pydantic import SecretStr
from typer.testing import CliRunner

import cds_rules
from cds_rules.cli import commands
from cds_rules.review.sampling import Wish, sample
from cds_rules.service import settings as sections
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from cds_rules.store import reviews
from cds_rules.store.reviews import Judged
from tests.browser.conftest import CHANGED, CHROMIUM, FLAGS, fill, listening, token_of
from tests.store.scenes import KEY, SAMPLES, store

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WIDTH, COLOURS = 1280, 64
Steps = Callable[[Any, str], None]


def _goes(path: str) -> Steps:
    return lambda page, url: page.goto(url + path)


def _alert(rule: str, *clicks: str) -> Steps:
    def steps(page: Any, url: str) -> None:
        page.goto(f"{url}/?rule={rule}")
        page.locator("table.alerts a").first.click()
        page.wait_for_load_state()
        for each in clicks:
            page.get_by_text(each).first.click()

    return steps


def _what_if(page: Any, url: str) -> None:
    _alert("mg-oral-severe-ckd")(page, url)
    page.get_by_label("eGFR, mL/min/1.73 m²").fill("52")
    page.get_by_label("Magnesium now, mg/dL").fill("5.2")
    page.locator("#what-if-answer").get_by_text("Measured high magnesium").wait_for()


def _compared(page: Any, url: str) -> None:
    page.goto(f"{url}/rules/{CHANGED}")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_load_state()


def _item(stratum: str) -> Steps:
    def steps(page: Any, url: str) -> None:
        page.goto(f"{url}/sets/2")
        wanted = "silent" if stratum == "silent" else "critical"
        row = next(each for each in page.locator("main tbody tr").all() if wanted in each.inner_text().lower())
        row.locator("a").click()
        page.wait_for_load_state("networkidle")

    return steps


def reviewed(url: str) -> None:
    """Two review sets of the sample patients: one that two readers have read, and differ in a little; one to be read."""
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as run:
        CliRunner().invoke(commands, ["replay", str(SAMPLES), "--json", run.name, "--calls"])
        drawn = sample(run, Wish(3, 3, ("mg-oral-severe-ckd", "statin-rhabdomyolysis", "hypomagnesemia-lab"), 11))
    kept = store(url, keep="full")
    at = datetime.now(UTC)
    for name in ("Spring, samples", "Autumn, samples"):
        identity = reviews.add(
            kept.database, kept.keys, drawn.items, name=name, house="", by="the admin", at=at,
            fingerprint=drawn.fingerprint, seed=11, strata=drawn.strata,
        )  # fmt: skip
        for number, each in enumerate(reviews.items(kept.database, identity, "") if identity == 1 else ()):
            ought = "yes" if each.stratum == "alert" else "no"
            for reader, trigger in (("ada", ought), ("ben", "unsure" if number % 7 == 3 else ought)):
                action = "yes" if each.stratum == "alert" else "none"
                given = Judged(reader, at, trigger, action, "")
                reviews.read(kept.database, kept.keys, each.id, None, given)
    kept.close()


PICTURES: Mapping[str, tuple[Steps, dict[str, Any]]] = {
    "worklist": (_goes("/"), {"height": 1000}),
    "worklist-dark-tablet": (_goes("/?level=critical"), {"width": 820, "scheme": "dark", "height": 1000}),
    "alert": (_alert("statin-rhabdomyolysis"), {"height": 1900}),
    "alert-why": (_alert("mg-oral-severe-ckd"), {"from": "#why", "height": 1000}),
    "what-if": (_what_if, {"from": "#what-if", "height": 560}),
    "alert-hashed": (_alert("statin-rhabdomyolysis"), {"keep": "hashed", "height": 720}),
    "rules": (_goes("/rules"), {"height": 1000}),
    "rule": (_goes("/rules/mg-oral-severe-ckd"), {"height": 1500}),
    "compare": (_compared, {"height": 620}),
    "kept": (_goes("/kept"), {"height": 820}),
    "sign-in": (_goes("/sign-in"), {"role": "", "height": 720}),
    "sets": (_goes("/sets"), {"height": 500}),
    "set": (_goes("/sets/1"), {"height": 1000}),
    "item": (_item("alert"), {"role": "reviewer", "height": 1700}),
    "silence": (_item("silent"), {"role": "reviewer", "height": 1400, "width": 820, "scheme": "dark"}),
    "results": (_goes("/sets/1/results"), {"height": 900}),
    "audit": (_goes("/audit"), {"height": 700}),
}
"""Name -> how the page is reached, and width, height, scheme, store.keep, role, the heading it begins at."""


def main(names: list[str]) -> None:
    """Make them."""
    knowledge = cds_rules.load_packs()
    FOLDER.mkdir(parents=True, exist_ok=True)
    running, addresses = [], {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        for keep in ("full", "hashed"):
            url = f"sqlite:///{Path(folder) / keep}.db"
            fill(knowledge, url, keep)
            reviewed(url)
            section = sections.Store(url=SecretStr(url), key=SecretStr(KEY), keep=keep)
            running.append(listening(create_app(knowledge, Settings(store=section))))
            addresses[keep] = f"http://127.0.0.1:{next(running[-1])}/review"
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name in names or PICTURES:
            steps, options = PICTURES[name]
            size = {"width": options.get("width", WIDTH), "height": options["height"]}
            context = browser.new_context(viewport=size, color_scheme=options.get("scheme", "light"))
            role = options.get("role", "admin")
            if role:
                cookie = {"name": "cds_review", "value": token_of(role), "domain": "127.0.0.1", "path": "/review"}
                context.add_cookies([cookie])
            page = context.new_page()
            steps(page, addresses[options.get("keep", "full")])
            page.wait_for_load_state("networkidle")
            if start := options.get("from"):
                page.locator(start).evaluate("element => element.scrollIntoView()")
            _small(page.screenshot(), FOLDER / f"{name}.png")
            context.close()
        browser.close()
        for one in running:
            next(one, None)


def _small(png: bytes, path: Path) -> None:
    path.write_bytes(png)
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main(sys.argv[1:])
