"""The tables, as both databases have them; migrations/ builds them (a test holds the two equal).

Patient, user, client, server and references are keyed hashes (`keys`), never what was sent. Instants are UTC.
Floor: edge (store).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

HASH = String(64)
NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only a column of exactly this type."""


class Instant(TypeDecorator[datetime]):
    """A point in time, kept in UTC, given back with its zone (SQLite knows none)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        in_utc = value.astimezone(UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

ledger = Table(
    "ledger",
    metadata,
    # the place in the chain, counted from 1 without a hole
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    # decision; or a record about the ledger itself: pruned, forgotten
    Column("kind", String(16), nullable=False),
    # random, given when the record is made: a batch that is written again after a lost connection is not kept twice
    Column("identity", String(32), nullable=False, unique=True),
    Column("at", Instant, nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("client", HASH),
    Column("server", HASH),
    Column("patient", HASH),
    Column("user_id", HASH),
    Column("instance", HASH),
    Column("hook", String(64)),
    Column("status", Integer),
    Column("latency_us", BigInteger),
    Column("fingerprint", String(64)),
    # which site key hashed and sealed this row
    Column("key_id", String(16), nullable=False),
    # JSON: outcome and reason of each rule, evidence, matcher, prefetch; none once it was forgotten
    Column("record", Text),
    # what was judged, packed and sealed; only where everything is kept
    Column("content", LargeBinary),
    Column("content_digest", HASH),
    Column("digest", HASH, nullable=False),
    Column("mac", HASH, nullable=False),
    Index(None, "tenant", "at"),
    Index(None, "patient", "at"),
    Index(None, "at"),
)

chain = Table(
    "chain",
    metadata,
    # one row: the end of the ledger; who writes locks it, so that there is one writer at a time
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("mac", HASH, nullable=False),
    Column("seal", HASH, nullable=False),
)

alert = Table(
    "alert",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column(
        "sequence",
        BigInteger,
        ForeignKey("ledger.sequence", name="fk_alert_ledger", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("position", Integer, nullable=False),
    Column("card", String(36), nullable=False),
    Column("at", Instant, nullable=False),
    Column("tenant", String(128), nullable=False),
    Column("server", HASH),
    Column("patient", HASH),
    Column("hook", String(64), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("topic", String(128), nullable=False),
    Column("version", String(32), nullable=False),
    Column("level", String(16), nullable=False),
    # products and measures an override is about, sealed
    Column("memory", LargeBinary),
    # what was answered to it: open, accepted, overridden; the last word counts
    Column("state", String(16), nullable=False),
    Column("state_at", Instant),
    Column("reason", String(128)),
    # how far it has been reviewed: see `progress`
    Column("review", String(16), nullable=False, server_default="none"),
    Index(None, "sequence"),
    Index(None, "card"),
    Index(None, "at"),
    Index(None, "rule", "at"),
    Index(None, "level", "at"),
    Index(None, "tenant", "at"),
    Index(None, "state", "at"),
    Index(None, "tenant", "state", "at"),
    Index(None, "review", "at"),
    Index(None, "tenant", "review", "at"),
    Index(None, "patient", "state", "state_at"),
)

tally = Table(
    "tally",
    metadata,
    # how many alerts there are of a day (UTC) and kind: triggers of the database keep it, whatever adds, answers or removes
    # alerts, so that a page that counts need not read them all
    Column("day", String(10), primary_key=True),
    Column("tenant", String(128), primary_key=True),
    Column("rule", String(128), primary_key=True),
    Column("level", String(16), primary_key=True),
    Column("state", String(16), primary_key=True),
    Column("shown", Integer, nullable=False),
    sqlite_with_rowid=False,
)

rule_text = Table(
    "rule_text",
    metadata,
    # a rule as it was when this store first met it: what a version said can be read after it was replaced
    Column("rule", String(128), primary_key=True),
    Column("version", String(32), primary_key=True),
    # of the text; one version should have one
    Column("digest", HASH, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("since", Instant, nullable=False),
    Column("text", Text, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", NUMBER, primary_key=True),
    # tenant, card, outcome and its time: the same said again is the same row
    Column("identity", HASH, nullable=False, unique=True),
    Column("tenant", String(128), nullable=False),
    Column("client", HASH),
    Column("service", String(128), nullable=False),
    # a uuid; the keyed hash of anything else
    Column("card", HASH, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("outcome_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reason", String(128)),
    Column("reason_system", String(256)),
    Column("suggestions", Text),
    # sealed; only where comments are kept
    Column("comment", LargeBinary),
    Index(None, "card"),
    Index(None, "received_at"),
)

token = Table(
    "token",
    metadata,
    # hash of issuer and jti
    Column("id", HASH, primary_key=True),
    Column("expires", Instant, nullable=False),
    Index(None, "expires"),
)

visit = Table(
    "visit",
    metadata,
    # hash of what the browser holds
    Column("id", HASH, primary_key=True),
    Column("subject", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    # JSON list of houses whose alerts may be seen; none: all
    Column("houses", Text),
    # the one page below /review that a launch from an EHR opened; none: all
    Column("only", String(255)),
    Column("began", Instant, nullable=False),
    Column("seen", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Index(None, "expires"),
    Index(None, "subject"),
)

audit = Table(
    "audit",
    metadata,
    # rows are added, never changed, and go only where `audit_pruned` says so: triggers of the database refuse the rest
    Column("id", NUMBER, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("role", String(16), nullable=False),
    Column("action", String(32), nullable=False),
    # an address below /review without its query, or what was acted on; never anything of a patient
    Column("item", String(255), nullable=False),
    Column("status", Integer, nullable=False),
    Index(None, "at"),
    Index(None, "subject", "at"),
    Index(None, "item", "at"),
)

audit_pruned = Table(
    "audit_pruned",
    metadata,
    # which rows of the audit are gone since they were kept long enough; rows are added and never changed
    Column("id", NUMBER, primary_key=True),
    Column("at", Instant, nullable=False),
    # they were older than this
    Column("before", Instant, nullable=False),
    # the last of them
    Column("through", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Index(None, "through"),
)

review_set = Table(
    "review_set",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("name", String(200), nullable=False),
    # whose patients they are; "" for none of the houses of callers
    Column("house", String(128), nullable=False),
    Column("made", Instant, nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    # of the random numbers that drew the sample
    Column("seed", BigInteger, nullable=False),
    # JSON: rule, stratum, how many there were, how many were drawn
    Column("strata", Text, nullable=False),
    Index(None, "house"),
)

review_item = Table(
    "review_item",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column(
        "set_id",
        NUMBER,
        ForeignKey("review_set.id", name="fk_review_item_review_set", ondelete="CASCADE"),
        nullable=False,
    ),
    # in the order in which it is read, which is random
    Column("position", Integer, nullable=False),
    Column("rule", String(128), nullable=False),
    Column("version", String(32), nullable=False),
    # alert, suppressed, silent, not-judged
    Column("stratum", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("hook", String(64), nullable=False),
    # how many of its stratum it stands for
    Column("weight", Float, nullable=False),
    # what was judged and the card that was shown, packed and sealed; none once it was deleted
    Column("content", LargeBinary),
    # uuid of the card of the alert it was made from; none for what was replayed
    Column("card", String(36)),
    # so that it can be forgotten
    Column("patient", HASH),
    UniqueConstraint("set_id", "position"),
    Index(None, "set_id", "rule"),
    Index(None, "card"),
    Index(None, "patient"),
)

reading = Table(
    "reading",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column(
        "item_id",
        NUMBER,
        ForeignKey("review_item.id", name="fk_reading_review_item", ondelete="CASCADE"),
        nullable=False,
    ),
    # 1 or 2: an item has two readers
    Column("place", Integer, nullable=False),
    Column("reader", String(255), nullable=False),
    Column("at", Instant, nullable=False),
    Column("trigger_right", String(8), nullable=False),
    Column("action_right", String(8), nullable=False),
    # sealed; it may name a patient
    Column("comment", LargeBinary),
    UniqueConstraint("item_id", "place"),
    UniqueConstraint("item_id", "reader"),
)

adjudication = Table(
    "adjudication",
    metadata,
    Column(
        "item_id",
        NUMBER,
        ForeignKey("review_item.id", name="fk_adjudication_review_item", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("judge", String(255), nullable=False),
    Column("at", Instant, nullable=False),
    Column("trigger_right", String(8), nullable=False),
    Column("action_right", String(8), nullable=False),
    Column("comment", LargeBinary),
)
