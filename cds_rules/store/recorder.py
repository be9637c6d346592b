"""The queue between answers and the ledger: an answer puts its decision in and goes on; a thread writes in batches.

What does not fit is dropped, counted and said; a database that does not answer is tried again while the queue fills.
Flows in: decisions. Flows out: calls of a writer. Floor: edge (store).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cds_rules.store.decisions import Decision
from cds_rules.store.errors import StoreUnavailable

LOGGER = logging.getLogger("cds_rules.store")
BATCH = 200
GATHER_SECONDS = 0.05
"""How long the first decision of a batch waits for others: writing one alone takes as much as writing ten."""
_QUIET_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of decisions so far. waiting: now. dropped: the queue was full, or time was up at the end.

    failed: could not be written for a reason of their own. retries: batches the database did not take at once.
    """

    waiting: int
    written: int
    dropped: int
    failed: int
    retries: int


def unheard(_: float) -> None:
    """Nobody asked."""


class Recorder:
    """One a process. write: keeps a batch, or raises StoreUnavailable when the same may work later."""

    def __init__(
        self,
        write: Callable[[Sequence[Decision]], None],
        size: int,
        waiting: Callable[[float], None] = unheard,
        lost: Callable[[float], None] = unheard,
    ) -> None:
        """waiting: told how many wait, whenever that changes. lost: told how many more will never be written."""
        self._write = write
        self._waiting, self._lost, self._telling = waiting, lost, threading.Lock()
        self._queue: queue.SimpleQueue[Decision] = queue.SimpleQueue()
        self._size = size
        self._closing = threading.Event()
        self._until = float("inf")
        self._written = self._dropped = self._failed = self._retries = 0
        self._under_way = 0
        self._said = float("-inf")
        self._thread = threading.Thread(target=self._run, name="cds-rules-recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, decision: Decision) -> None:
        """Take a decision, or drop it; never waits."""
        if self._queue.qsize() < self._size:
            self._queue.put(decision)
            self._tell()
        else:
            self._dropped += 1
            self._lost(1)
            self._say("decisions are not kept: the queue is full (%d so far)", self._dropped)

    def counts(self) -> Counts:
        """For metrics."""
        return Counts(self._held(), self._written, self._dropped, self._failed, self._retries)

    def close(self, seconds: float) -> None:
        """Write what waits, for at most so long; what is left is counted as dropped and said."""
        self._until = time.monotonic() + seconds
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(seconds + 1)
        if left := self._held():
            self._dropped += left
            self._lost(left)
            LOGGER.error("stopped before %d decisions were kept", left)

    def _run(self) -> None:
        while batch := self._next():
            self._under_way = len(batch)
            self._tell()
            if not self._keep(batch):
                return
            self._under_way = 0
            self._tell()

    def _next(self) -> list[Decision]:
        """What waits, up to a batch; empty when closing and nothing waits."""
        batch: list[Decision] = []
        while not batch:
            try:
                batch.append(self._queue.get(timeout=0.05))
            except queue.Empty:
                if self._closing.is_set():
                    return []
        self._under_way = 1
        self._closing.wait(GATHER_SECONDS)
        while len(batch) < BATCH:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _keep(self, batch: list[Decision]) -> bool:
        """Write a batch however long it takes; False when time was up."""
        pause = 0.1
        while True:
            try:
                self._write(batch)
                self._written += len(batch)
                return True
            except StoreUnavailable as error:
                self._retries += 1
                self._tell()
                self._say("decisions wait: %s", error)
                left = self._until - time.monotonic()
                if left <= 0:
                    return False
                if self._closing.is_set():
                    time.sleep(min(pause, left))
                else:
                    self._closing.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            except Exception as error:
                if len(batch) > 1:  # find the one that cannot be written, keep the others
                    return all(self._keep([each]) for each in batch)
                self._failed += 1
                self._lost(1)
                LOGGER.error("a decision could not be kept (%s)", type(error).__name__)
                return True

    def _tell(self) -> None:
        with self._telling:  # what is told last was counted last
            self._waiting(self._held())

    def _held(self) -> int:
        return self._queue.qsize() + self._under_way

    def _say(self, message: str, *values: object) -> None:
        if time.monotonic() - self._said >= _QUIET_SECONDS:
            self._said = time.monotonic()
            LOGGER.warning(message, *values)
