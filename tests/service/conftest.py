"""A service whose evaluation a test decides, so that HTTP is tested without medicine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

import cds_rules.hooks.response
from cds_rules.evaluate import Call, Evaluation
from cds_rules.knowledge.languages import Language
from cds_rules.service.app import create_app
from cds_rules.service.settings import Settings
from tests.hooks.fakes import AT, card, evaluation


@dataclass
class Stage:
    """What the next evaluation gives or raises, and the calls that were made."""

    result: Evaluation | BaseException = field(default_factory=lambda: evaluation(cards=(card(),)))
    calls: list[Call] = field(default_factory=list)

    def __call__(self, _: Any, call: Call) -> Evaluation:
        self.calls.append(call)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(cds_rules.hooks.response, "evaluate", made)
    return made


HERE = ("127.0.0.1", 50000)
"""Whom a test client says it is: development mode answers this machine alone."""

KNOWLEDGE: Any = SimpleNamespace(
    tables={},
    rules={},
    fingerprint="abc",
    prepared=lambda: iter(()),
    languages={"en": Language()},
    packs=(SimpleNamespace(name="a-pack", version="1.0.0", rules=(), source_label="Our rules"),),
)


@pytest.fixture
def serve(stage: Stage) -> Callable[..., TestClient]:
    """Make a client of a service with given settings."""

    def made(**settings: Any) -> TestClient:
        app = create_app(KNOWLEDGE, Settings(**settings), clock=lambda: AT)
        return TestClient(app, raise_server_exceptions=False, client=HERE)

    return made


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> Iterator[TestClient]:
    with serve() as made:
        yield made
