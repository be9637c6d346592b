"""The review pages: visits, audit, review sets with their readings. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "review"
down_revision = "first"

_HASH = sa.String(64)
_INSTANT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INDEXES = (
    ("visit", "expires"),
    ("visit", "subject"),
    ("audit", "at"),
    ("audit", "subject", "at"),
    ("audit", "item", "at"),
    ("review_set", "house"),
    ("review_item", "set_id", "rule"),
)
_POSTGRESQL_REFUSES = """
CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is only added to'; END $$
"""


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "visit",
        sa.Column("id", _HASH, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("houses", sa.Text),
        sa.Column("only", sa.String(255)),
        sa.Column("began", _INSTANT, nullable=False),
        sa.Column("seen", _INSTANT, nullable=False),
        sa.Column("expires", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_visit"),
    )
    op.create_table(
        "audit",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("item", sa.String(255), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_table(
        "review_set",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("house", sa.String(128), nullable=False),
        sa.Column("made", _INSTANT, nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("strata", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_review_set"),
    )
    op.create_table(
        "review_item",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("set_id", _NUMBER, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("stratum", sa.String(16), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("hook", sa.String(64), nullable=False),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_review_item"),
        sa.ForeignKeyConstraint(["set_id"], ["review_set.id"], name="fk_review_item_review_set", ondelete="CASCADE"),
        sa.UniqueConstraint("set_id", "position", name="uq_review_item_set_id_position"),
    )
    op.create_table(
        "reading",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("item_id", _NUMBER, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("reader", sa.String(255), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("trigger_right", sa.String(8), nullable=False),
        sa.Column("action_right", sa.String(8), nullable=False),
        sa.Column("comment", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_reading"),
        sa.ForeignKeyConstraint(["item_id"], ["review_item.id"], name="fk_reading_review_item", ondelete="CASCADE"),
        sa.UniqueConstraint("item_id", "place", name="uq_reading_item_id_place"),
        sa.UniqueConstraint("item_id", "reader", name="uq_reading_item_id_reader"),
    )
    op.create_table(
        "adjudication",
        sa.Column("item_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("judge", sa.String(255), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("trigger_right", sa.String(8), nullable=False),
        sa.Column("action_right", sa.String(8), nullable=False),
        sa.Column("comment", sa.LargeBinary),
        sa.PrimaryKeyConstraint("item_id", name="pk_adjudication"),
        sa.ForeignKeyConstraint(
            ["item_id"], ["review_item.id"], name="fk_adjudication_review_item", ondelete="CASCADE"
        ),
    )
    for table, *columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END"
            )
    else:
        op.execute(_POSTGRESQL_REFUSES)
        op.execute(
            "CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to()"
        )


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
