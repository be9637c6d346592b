"""The queue never makes an answer wait, and says what it could not keep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from cds_rules.store.errors import StoreUnavailable
from cds_rules.store.recorder import Recorder

ONE: Any = "a decision"


class Writer:
    """A database that a test holds up, takes away, or makes choke on one decision."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.away = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(self, batch: Sequence[Any]) -> None:
        self.free.wait(10)
        if self.away:
            self.away -= 1
            raise StoreUnavailable("the database does not answer")
        if "bad" in batch:
            raise ValueError("with the record of a patient in its text")
        self.kept += batch


def test_what_is_put_in_is_written_at_the_latest_when_it_is_closed() -> None:
    writer = Writer()
    recorder = Recorder(writer, 1000)
    recorder.start()
    for number in range(700):
        recorder.put(number)  # type: ignore[arg-type]
    recorder.close(10)
    assert writer.kept == list(range(700))
    assert (recorder.counts().written, recorder.counts().waiting) == (700, 0)


def test_what_does_not_fit_is_dropped_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.free.clear()
    lost: list[float] = []
    recorder = Recorder(writer, 5, lost=lost.append)
    recorder.start()
    for _ in range(500):
        recorder.put(ONE)
    dropped = recorder.counts().dropped
    assert dropped >= 500 - 5 - 200
    assert "decisions are not kept: the queue is full" in caplog.text
    writer.free.set()
    recorder.close(10)
    assert recorder.counts().written + dropped == 500
    assert sum(lost) == dropped


def test_a_database_that_is_away_for_a_while_costs_nothing() -> None:
    writer = Writer()
    writer.away = 2
    waiting: list[float] = []
    recorder = Recorder(writer, 100, waiting.append)
    for _ in range(50):
        recorder.put(ONE)
    recorder.start()
    recorder.close(10)
    assert (len(writer.kept), recorder.counts().dropped) == (50, 0)
    assert (max(waiting), waiting[-1]) == (50, 0)
    assert recorder.counts().retries == 2


def test_a_database_that_stays_away_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.away = 10_000
    lost: list[float] = []
    recorder = Recorder(writer, 100, lost=lost.append)
    recorder.start()
    for _ in range(50):
        recorder.put(ONE)
    recorder.close(0.2)
    assert recorder.counts().dropped == sum(lost) == 50
    assert "stopped before 50 decisions were kept" in caplog.text


def test_one_decision_that_cannot_be_written_does_not_cost_the_others(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    recorder = Recorder(writer, 100)
    for each in ("a", "bad", "b"):
        recorder.put(each)  # type: ignore[arg-type]
    with caplog.at_level(logging.ERROR):
        recorder.start()
        recorder.close(10)
    assert writer.kept == ["a", "b"]
    assert recorder.counts().failed == 1
    assert "patient" not in caplog.text
