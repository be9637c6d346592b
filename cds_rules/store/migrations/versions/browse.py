"""Looking through alerts: counts by day that triggers keep, texts of rules, the alert a review item was made from. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "browse"
down_revision = "review"

_KEY = "day, tenant, rule, level, state"
_INDEXES = (("alert", "tenant", "at"), ("alert", "state", "at"), ("review_item", "card"))


def _more(day: str) -> str:
    return (
        f"INSERT INTO tally ({_KEY}, shown) VALUES ({day}, NEW.tenant, NEW.rule, NEW.level, NEW.state, 1) "
        f"ON CONFLICT ({_KEY}) DO UPDATE SET shown = tally.shown + 1;"
    )


def _fewer(day: str) -> str:
    same = f"day = {day} AND tenant = OLD.tenant AND rule = OLD.rule AND level = OLD.level AND state = OLD.state"
    return f"UPDATE tally SET shown = shown - 1 WHERE {same}; DELETE FROM tally WHERE {same} AND shown <= 0;"


def _sqlite() -> None:
    old, new = "substr(OLD.at, 1, 10)", "substr(NEW.at, 1, 10)"
    op.execute(f"CREATE TRIGGER alert_added AFTER INSERT ON alert BEGIN {_more(new)} END")
    op.execute(f"CREATE TRIGGER alert_removed AFTER DELETE ON alert BEGIN {_fewer(old)} END")
    op.execute(
        "CREATE TRIGGER alert_answered AFTER UPDATE OF state ON alert WHEN OLD.state <> NEW.state "
        f"BEGIN {_fewer(old)} {_more(new)} END"
    )


def _postgresql() -> None:
    old, new = (f"to_char({row}.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')" for row in ("OLD", "NEW"))
    op.execute(
        "CREATE FUNCTION alert_tally() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP <> 'INSERT' THEN {_fewer(old)} END IF; IF TG_OP <> 'DELETE' THEN {_more(new)} END IF; "
        "RETURN NULL; END $$"
    )
    for name, event in (("added", "INSERT"), ("removed", "DELETE"), ("answered", "UPDATE OF state")):
        op.execute(f"CREATE TRIGGER alert_{name} AFTER {event} ON alert FOR EACH ROW EXECUTE FUNCTION alert_tally()")


def upgrade() -> None:
    """Add them, and count what is there."""
    op.create_table(
        "tally",
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("shown", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", "tenant", "rule", "level", "state", name="pk_tally"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rule_text",
        sa.Column("rule", sa.String(128), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("rule", "version", "digest", name="pk_rule_text"),
    )
    op.add_column("review_item", sa.Column("card", sa.String(36)))
    for table, *columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
    sqlite = op.get_bind().dialect.name == "sqlite"
    day = "substr(at, 1, 10)" if sqlite else "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    op.execute(
        f"INSERT INTO tally ({_KEY}, shown) SELECT {day}, tenant, rule, level, state, count(*) FROM alert GROUP BY 1, 2, 3, 4, 5"
    )
    _sqlite() if sqlite else _postgresql()


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
