"""The review pages of a real service with a store of its own, asked by a client that keeps cookies as a browser does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from cds_rules.evaluate import Knowledge
from cds_rules.service import settings as sections
from cds_rules.service.app import Clock, create_app, now
from cds_rules.service.settings import Settings
from tests.review.provider import Provider, provide
from tests.service.conftest import HERE
from tests.store.scenes import KEY

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provide() as running:
        yield running


class Browser:
    """A client of the pages. Redirects are followed by hand, over to the provider and back."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """A page below /review; no redirect is followed."""
        return self.client.get(f"/review{path}", follow_redirects=False, **options)

    def post(self, path: str, csrf: str | None = None, **fields: Any) -> httpx2.Response:
        """Send a form, with the token of a page this browser was given."""
        given = self.csrf() if csrf is None else csrf
        return self.client.post(f"/review{path}", data={"csrf": given, **fields}, follow_redirects=False)

    def csrf(self) -> str:
        """The token of the forms this browser is given."""
        found = re.search(r'name="csrf" value="(\w+)"', self.get("/sign-in").text)
        assert found
        return found[1]

    def sign_in(self, name: str = "Ada", role: str = "reviewer", house: str = "") -> httpx2.Response:
        """As whom one likes."""
        return self.post("/sign-in/development", name=name, role=role, house=house)

    def through(self, begun: httpx2.Response) -> httpx2.Response:
        """Go where a page sends the browser, to the provider and back."""
        assert begun.status_code == 303, begun.text
        back = httpx2.get(begun.headers["location"], follow_redirects=False).headers["location"]
        parts = urlsplit(back)
        return self.client.get(f"{parts.path}?{parts.query}", follow_redirects=False)


@pytest.fixture
def pages(knowledge: Knowledge, tmp_path: Path) -> Iterator[Callable[..., Browser]]:
    """Make a browser in front of a service; keep: what its store keeps. `like`: another browser of the same service."""
    with ExitStack() as open_ones:

        def made(
            like: Browser | None = None, keep: str = "full", review: Any = None, clock: Clock = now, **settings: Any
        ) -> Browser:
            if like:
                return Browser(TestClient(like.client.app, base_url=BASE, client=HERE))
            section = sections.Store(
                url=SecretStr(f"sqlite:///{tmp_path / 'cds-rules.db'}"), key=SecretStr(KEY), keep=keep
            )
            chosen = Settings(store=section, review=review or sections.Review(), **settings)
            client = TestClient(create_app(knowledge, chosen, clock), base_url=BASE, client=HERE)
            return Browser(open_ones.enter_context(client))

        yield made
