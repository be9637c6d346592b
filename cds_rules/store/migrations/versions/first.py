"""The first schema: ledger and its chain, alerts, feedback, tokens. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "first"
down_revision = None

_HASH = sa.String(64)
_INSTANT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INDEXES = (
    ("ledger", "tenant", "at"),
    ("ledger", "patient", "at"),
    ("ledger", "at"),
    ("alert", "sequence"),
    ("alert", "card"),
    ("alert", "at"),
    ("alert", "rule", "at"),
    ("alert", "level", "at"),
    ("alert", "tenant", "state", "at"),
    ("alert", "patient", "state", "state_at"),
    ("feedback", "card"),
    ("feedback", "received_at"),
    ("token", "expires"),
)


def upgrade() -> None:
    """Build everything."""
    op.create_table(
        "ledger",
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("identity", sa.String(32), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("client", _HASH),
        sa.Column("server", _HASH),
        sa.Column("patient", _HASH),
        sa.Column("user_id", _HASH),
        sa.Column("instance", _HASH),
        sa.Column("hook", sa.String(64)),
        sa.Column("status", sa.Integer),
        sa.Column("latency_us", sa.BigInteger),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("record", sa.Text),
        sa.Column("content", sa.LargeBinary),
        sa.Column("content_digest", _HASH),
        sa.Column("digest", _HASH, nullable=False),
        sa.Column("mac", _HASH, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_ledger"),
        sa.UniqueConstraint("identity", name="uq_ledger_identity"),
    )
    op.create_table(
        "chain",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("mac", _HASH, nullable=False),
        sa.Column("seal", _HASH, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain"),
    )
    op.create_table(
        "alert",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("card", sa.String(36), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("server", _HASH),
        sa.Column("patient", _HASH),
        sa.Column("hook", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("topic", sa.String(128), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("memory", sa.LargeBinary),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("state_at", _INSTANT),
        sa.Column("reason", sa.String(128)),
        sa.PrimaryKeyConstraint("id", name="pk_alert"),
        sa.ForeignKeyConstraint(["sequence"], ["ledger.sequence"], name="fk_alert_ledger", ondelete="CASCADE"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("identity", _HASH, nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("client", _HASH),
        sa.Column("service", sa.String(128), nullable=False),
        sa.Column("card", _HASH, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("outcome_at", _INSTANT, nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("reason", sa.String(128)),
        sa.Column("reason_system", sa.String(256)),
        sa.Column("suggestions", sa.Text),
        sa.Column("comment", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("identity", name="uq_feedback_identity"),
    )
    op.create_table(
        "token",
        sa.Column("id", _HASH, nullable=False),
        sa.Column("expires", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
    )
    for table, *columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    # the row that writers lock; nothing has been written yet
    op.execute("INSERT INTO chain (id, sequence, mac, seal) VALUES (1, 0, '', '')")


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
