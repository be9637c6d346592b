"""Texts of rules as this store met them, how their cards were received, and which versions spoke.

Flows in: rules of a start, whose alerts may be seen. Flows out: rows. Floor: edge (store).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, select

from cds_rules.evaluate import Knowledge
from cds_rules.store.database import Database
from cds_rules.store.houses import Houses, of
from cds_rules.store.report import Reception
from cds_rules.store.tables import alert, rule_text
from cds_rules.vocabulary.frozen import Frozen


class RuleText(Frozen, frozen=True):
    """One rule as it was. since: when this store first met it, None for one that is not kept yet."""

    rule: str
    version: str
    status: str
    text: str
    since: datetime | None = None

    @property
    def digest(self) -> str:
        """What tells two texts apart, whatever version they claim to be."""
        return hashlib.sha256(self.text.encode(errors="surrogatepass")).hexdigest()


class Spoke(Frozen, frozen=True):
    """A version of a rule in the alerts that are kept."""

    version: str
    alerts: int
    first: datetime
    last: datetime


def text_of(knowledge: Knowledge, rule: str) -> RuleText:
    """A rule as it is installed."""
    one = knowledge.rules[rule]
    path = knowledge.pack_of[rule].folder / "rules" / f"{rule}.yaml"
    return RuleText(rule, one.version, one.status, path.read_text("utf-8"))


def remember(database: Database, texts: Iterable[RuleText], now: datetime) -> None:
    """Keep the texts that are not kept yet; several processes may do so at once."""
    rows = [
        {"rule": each.rule, "version": each.version, "digest": each.digest, "status": each.status, "since": now, "text": each.text}
        for each in texts
    ]  # fmt: skip
    if rows:
        with database.writing() as connection:
            connection.execute(database.insert(rule_text).on_conflict_do_nothing(), rows)


def texts_of(database: Database, rule: str) -> tuple[RuleText, ...]:
    """The texts of a rule, newest first."""
    wanted = (
        select(rule_text.c.rule, rule_text.c.version, rule_text.c.status, rule_text.c.text, rule_text.c.since)
        .where(rule_text.c.rule == rule)
        .order_by(rule_text.c.since.desc(), rule_text.c.version.desc())
    )
    with database.reading() as connection:
        return tuple(RuleText(*row) for row in connection.execute(wanted))


def reception(database: Database, houses: Houses, rule: str, since: datetime) -> Reception:
    """How the cards of a rule were received. houses: whose alerts may be seen, None for everybody's."""
    asked = (
        select(alert.c.state, func.coalesce(alert.c.reason, ""), func.count())
        .where(alert.c.rule == rule, alert.c.at >= since, *of(alert.c.tenant, houses))
        .group_by(alert.c.state, alert.c.reason)
    )
    found = Reception(rule)
    with database.reading() as connection:
        for state, reason, count in connection.execute(asked):
            found.add(state, reason, count)
    return found


def versions(database: Database, houses: Houses, rule: str) -> tuple[Spoke, ...]:
    """The versions of a rule that spoke, newest first."""
    asked = (
        select(alert.c.version, func.count(), func.min(alert.c.at), func.max(alert.c.at))
        .where(alert.c.rule == rule, *of(alert.c.tenant, houses))
        .group_by(alert.c.version)
    )
    with database.reading() as connection:
        found = [Spoke(*row) for row in connection.execute(asked)]
    return tuple(sorted(found, key=lambda each: each.last, reverse=True))
