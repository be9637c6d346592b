"""Old rows of the audit may go, once a row beside it says which; everything else about it still only grows. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "retention"
down_revision = "progress"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_SAID = "EXISTS (SELECT 1 FROM audit_pruned WHERE audit_pruned.through >= OLD.id)"
_REFUSED = "RAISE(ABORT, 'the audit is only added to')"


def _sqlite() -> None:
    op.execute("DROP TRIGGER audit_delete")
    op.execute(f"CREATE TRIGGER audit_delete BEFORE DELETE ON audit WHEN NOT {_SAID} BEGIN SELECT {_REFUSED}; END")
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_pruned_{change.lower()} BEFORE {change} ON audit_pruned BEGIN SELECT {_REFUSED}; END"
        )


def _postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_goes_when_it_is_said() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {_SAID} THEN RETURN OLD; END IF; RAISE EXCEPTION 'the audit is only added to'; END $$"
    )
    op.execute("DROP TRIGGER audit_change ON audit")
    op.execute(
        "CREATE TRIGGER audit_delete BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_goes_when_it_is_said()"
    )
    for table, changes in (("audit", "UPDATE OR TRUNCATE"), ("audit_pruned", "UPDATE OR DELETE OR TRUNCATE")):
        op.execute(
            f"CREATE TRIGGER {table}_change BEFORE {changes} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_only_added_to()"
        )


def upgrade() -> None:
    """Add the table, and let go what it names."""
    op.create_table(
        "audit_pruned",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("before", _INSTANT, nullable=False),
        sa.Column("through", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_pruned"),
    )
    op.create_index("ix_audit_pruned_through", "audit_pruned", ["through"])
    _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql()


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
