"""The store as the service and the commands use it: one object over database, keys, ledger, feedback, overrides, tokens.

Every method blocks but `record`; a thread calls them. Flows in: settings. Flows out: `Store`. Floor: edge (store).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from cds_rules.engine.overrides import Override
from cds_rules.evaluate import Knowledge
from cds_rules.hooks.feedback import Item
from cds_rules.service.settings import Settings
from cds_rules.store import answers, audit, ledger
from cds_rules.store.answers import Became
from cds_rules.store.database import Database
from cds_rules.store.decisions import Caller, Decision, rows
from cds_rules.store.errors import StoreUnavailable
from cds_rules.store.keys import Keys, key_beside
from cds_rules.store.ledger import Verified
from cds_rules.store.recall import Recalled, houses, recall
from cds_rules.store.recorder import Counts, Recorder, unheard
from cds_rules.store.report import Report, report
from cds_rules.store.tokens import Tokens

if TYPE_CHECKING:
    from cds_rules.store.browse import Listed

LOGGER = logging.getLogger("cds_rules.store")
LOOK_BACK = timedelta(days=365)
"""How old an override may be to be told on a card that is shown again."""


def data_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where a person's programs keep their data (XDG; LOCALAPPDATA on Windows)."""
    said = os.environ if environment is None else environment
    named = said.get("LOCALAPPDATA") if sys.platform == "win32" else said.get("XDG_DATA_HOME")
    return (Path(named) if named else Path.home() / ".local" / "share") / "cds-rules"


class Store:
    """What is kept. Opened by settings; nothing is touched before `open`. waiting, lost: see `Recorder`.

    Raises:
        StoreError: a URL or key that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        waiting: Callable[[float], None] = unheard,
        lost: Callable[[float], None] = unheard,
    ) -> None:
        section = settings.store
        self.settings = section
        self.database = Database(section.database_url or f"sqlite:///{data_folder() / 'cds-rules.db'}")
        self.tokens = Tokens(self.database)
        self._new_recorder = partial(Recorder, self.write, section.queue, waiting, lost)
        self._recorder = self._new_recorder()
        self._migrated = False
        self._lock = threading.Lock()

    @cached_property
    def keys(self) -> Keys:
        """The site's keys; development makes one beside the database.

        Raises:
            StoreError: it cannot be read or made.
        """
        said = self.settings.key.get_secret_value()
        beside = Path(str(self.database.url.database)) if self.database.sqlite else data_folder() / "cds-rules.db"
        return Keys(
            said or key_beside(beside.with_suffix(".key")), *self.settings.previous_keys.get_secret_value().split()
        )

    def open(self) -> None:
        """Bring the database to this version and begin to record. One that does not answer now is tried again later.

        Raises:
            StoreError: it, or a key, can never be used as it is set.
        """
        try:
            self.migrate()
        except StoreUnavailable as error:
            LOGGER.error("%s; answers are given, and nothing is kept until it does", error)
        self.keys  # noqa: B018 (a key that cannot be used ends the start, not each answer)
        self._recorder = self._new_recorder()
        self._recorder.start()

    def migrate(self) -> None:
        """Bring the database to this version, once."""
        with self._lock:
            if not self._migrated:
                self.database.migrate()
                self._migrated = True

    def close(self, seconds: float = 10.0) -> None:
        """Write what waits, for at most so long."""
        self._recorder.close(seconds)
        self.database.close()

    def record(self, decision: Decision) -> None:
        """Keep a decision some time after this returns; never waits and never fails."""
        if self.settings.keep != "off":
            self._recorder.put(decision)

    def write(self, batch: Sequence[Decision]) -> None:
        """Keep decisions; when this returns they are on disk."""
        self.migrate()
        written = [rows(each, self.keys, self.settings.keep) for each in batch]
        with self.database.alone() as connection:
            answers.settle(connection, ledger.append(connection, self.keys, written))

    def counts(self) -> Counts:
        """What became of decisions so far, in this process."""
        return self._recorder.counts()

    def feedback(self, items: Sequence[Item], *, service: str, caller: Caller) -> list[Became]:
        """Keep feedback; when this returns it is on disk.

        Raises:
            StoreUnavailable: none of it was kept.
        """
        self.migrate()
        return answers.record(
            self.database,
            self.keys,
            items,
            service=service,
            caller=caller,
            received=datetime.now(UTC),
            comments=self.settings.keep_comments,
        )

    def overrides(self, caller: Caller, server: str, patient: str, at: datetime) -> tuple[Override, ...]:
        """What was overridden of the cards about a patient, oldest first.

        Raises:
            StoreUnavailable: it could not be told.
        """
        return answers.overrides(
            self.database, self.keys, tenant=caller.house, server=server, patient=patient, since=at - LOOK_BACK
        )

    def first_seen(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Whether a token is used for the first time; see `Tokens.first_seen`."""
        self.migrate()
        return self.tokens.first_seen(issuer, jti, expires)

    def remember(self, knowledge: Knowledge, at: datetime) -> None:
        """Keep the texts of the rules that are not kept yet."""
        from cds_rules.store.rules import remember, text_of  # no start waits for it

        self.migrate()
        remember(self.database, (text_of(knowledge, rule) for rule in knowledge.rules), at)

    def report(self, since: datetime | None = None, until: datetime | None = None, of: Caller | None = None) -> Report:
        """How cards were received. of: cards of one alone; None: of all."""
        return report(self.database, since=since, until=until, tenant=of.house if of else None)

    def recall(self, patient: str, of: Caller, at: datetime, server: str = "") -> tuple[Recalled, ...]:
        """The decisions about a patient around an instant, oldest first. of: who asked about this patient."""
        return recall(self.database, self.keys, patient=patient, house=of.house, at=at, server=server)

    def houses(self) -> tuple[str, ...]:
        """Of whom decisions are recorded; see `Caller.house`."""
        return houses(self.database)

    def verify(self, anchor: str = "") -> Verified:
        """Walk the ledger."""
        return ledger.verify(self.database, self.keys, anchor)

    def prune(self, now: datetime) -> Mapping[str, int]:
        """Remove what has been kept long enough."""
        days = self.settings
        gone = ledger.prune(
            self.database,
            self.keys,
            now,
            decisions=now - timedelta(days=days.decision_days),
            content=now - timedelta(days=days.content_days),
            answers=now - timedelta(days=days.feedback_days),
        )
        if days.audit_days is None:
            return gone
        return {**gone, "audit entries": audit.prune(self.database, now, now - timedelta(days=days.audit_days))}

    def forget(self, now: datetime, patient: str, of: Caller) -> Mapping[str, int]:
        """Take everything about one patient out. of: who asked about this patient."""
        hashes = self.keys.hashes("patient", of.house, patient)
        return ledger.forget(self.database, self.keys, now, hashes, of.house)

    def forget_like(self, now: datetime, one: Listed) -> Mapping[str, int]:
        """Take everything about the patient of an alert out, as far as the same key stands for the patient."""
        return ledger.forget(self.database, self.keys, now, [one.patient] if one.patient else [], one.tenant)

    def empty(self, now: datetime, one: Listed) -> int:
        """Remove what the decision of an alert was judged on. Returns how many were emptied."""
        return ledger.empty(self.database, self.keys, now, [one.sequence])
