"""The store beside the answers: what is looked up before one and kept after it, off the event loop.

A store that is slow, locked or away costs an answer at most `PATIENCE_SECONDS`, and for a while after that nothing.
Flows in: calls and answers. Flows out: overrides, feedback kept. Floor: edge (service).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Knowledge
from cds_rules.hooks.feedback import read_feedback
from cds_rules.hooks.outcome import Issue, operation_outcome
from cds_rules.hooks.request import HookRequest
from cds_rules.hooks.response import Answer
from cds_rules.service.errors import Problem
from cds_rules.service.tokens import Caller
from cds_rules.store.decisions import Caller as Asker
from cds_rules.store.decisions import Decision
from cds_rules.store.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:  # SQLAlchemy comes with it
    from cds_rules.store.store import Store

LOGGER = logging.getLogger("cds_rules.service")
PATIENCE_SECONDS = 0.25
"""How long an answer waits to hear what was overridden; then it is given as if nothing was."""
_REST_SECONDS = 5.0


class Records:
    """The store of one process; while it is not open nothing is looked up or kept."""

    def __init__(self, store: Callable[[], Store], missed: Callable[[], None]) -> None:
        """store: made when it is opened. missed: told of each answer that is given without looking for overrides."""
        self._made = store
        self._missed = missed
        self._threads: ThreadPoolExecutor | None = None
        self._rest_until = 0.0

    @cached_property
    def store(self) -> Store:
        """What is opened, asked and written."""
        return self._made()

    async def open(self) -> None:
        """Make the store and open it; called once, when the service starts."""
        self._threads = ThreadPoolExecutor(4, "cds-rules-store")
        await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.store.open())
        where = "SQLite" if self.store.database.sqlite else "PostgreSQL"
        LOGGER.info("store: %s, decisions kept: %s", where, self.store.settings.keep)

    async def remember(self, knowledge: Knowledge, at: datetime) -> None:
        """Keep the texts of the rules; without a store that answers they are kept at another start."""
        if self._threads is None or self.store.settings.keep == "off":
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self.store.remember, knowledge, at)
        except (StoreError, OSError) as error:
            LOGGER.warning("texts of rules are not kept: %s", type(error).__name__)

    async def close(self) -> None:
        """Write what waits; called once, when the service stops."""
        threads, self._threads = self._threads, None
        await asyncio.get_running_loop().run_in_executor(threads, self.store.close)
        if threads:
            threads.shutdown(wait=False, cancel_futures=True)

    async def overrides(self, request: HookRequest, caller: Caller, at: datetime) -> tuple[Override, ...]:
        """What was overridden of the cards about a patient; nothing when it cannot be told in time: rather a card too many."""
        if self._threads is None or self.store.settings.keep == "off":
            return ()
        if time.monotonic() < self._rest_until:
            self._missed()
            return ()
        look = asyncio.get_running_loop().run_in_executor(
            self._threads, self.store.overrides, _asked(caller), _server(request), request.patient_id, at
        )
        try:
            return await asyncio.wait_for(look, PATIENCE_SECONDS)
        except (StoreUnavailable, TimeoutError) as error:
            self._missed()
            self._rest_until = time.monotonic() + _REST_SECONDS
            LOGGER.warning("overrides are not looked for: %s", str(error) or "the store is slow")
            return ()

    def keep(self, answer: Answer, *, service: str, caller: Caller, at: datetime, seconds: float) -> None:
        """Keep what was answered, some time after this returns. seconds: how long the answer took."""
        if self._threads is None:
            return
        request = answer.request
        self.store.record(
            Decision(
                call=answer.call,
                evaluation=answer.evaluation,
                cards=tuple(answer.body.get("cards", ())),
                status=answer.status,
                at=at,
                latency_us=round(seconds * 1_000_000),
                service=service,
                server=_server(request),
                user=request.user_id,
                caller=_asked(caller),
                prefetch=tuple(
                    (each.key, each.state.value, each.because)
                    for each in request.prefetch.deliveries
                    if not each.page.whole
                ),
            )
        )

    async def feedback(self, body: bytes, *, service: str, caller: Caller) -> tuple[int, dict[str, Any]]:
        """Keep feedback; what this tells as recorded is on disk.

        Raises:
            BadRequest: the body is no list of feedback. Problem: nothing could be kept now.
        """
        items, faults = read_feedback(body, caller.profile.feedback)
        if self._threads is None:
            raise Problem("not-kept", headers={"Retry-After": "5"})
        try:
            became = (
                await asyncio.get_running_loop().run_in_executor(
                    self._threads, lambda: self.store.feedback(items, service=service, caller=_asked(caller))
                )
                if items
                else []
            )
        except StoreUnavailable as error:
            LOGGER.error("feedback was not kept: %s", error)
            raise Problem("not-kept", headers={"Retry-After": "5"}) from None
        if faults:
            kept = ", ".join(str(each.place) for each in items)
            said = f"Recorded: the items {kept} of the list." if items else "Nothing was recorded."
            return 400, operation_outcome(
                (*(Issue("invalid", str(each)) for each in faults), Issue("informational", said, "information"))
            )
        return 200, {
            "feedback": [
                {"card": item.card, "outcome": item.outcome, "status": each}
                for item, each in zip(items, became, strict=True)
            ]
        }

    async def report(
        self, caller: Caller, since: datetime | None = None, until: datetime | None = None
    ) -> dict[str, Any]:
        """How cards were received: those of the caller (its issuer and tenant), or all where nobody is asked for a token.

        Raises:
            Problem: it cannot be told now.
        """
        from cds_rules.store.report import as_json

        if self._threads is None:
            raise Problem("not-told", headers={"Retry-After": "5"})
        try:
            made = await asyncio.get_running_loop().run_in_executor(
                self._threads, self.store.report, since, until, _asked(caller) if caller.issuer else None
            )
        except StoreUnavailable as error:
            LOGGER.error("no report: %s", error)
            raise Problem("not-told", headers={"Retry-After": "5"}) from None
        return as_json(made)


def _asked(caller: Caller) -> Asker:
    return Asker(caller.tenant, caller.issuer)


def _server(request: HookRequest) -> str:
    return request.fhir_server.rstrip("/")
