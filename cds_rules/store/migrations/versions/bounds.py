"""A row that says what of the audit may go can say no more than is there and old, and lets nothing else go. Floor: edge (store)."""

from __future__ import annotations

from alembic import op

revision = "bounds"
down_revision = "retention"

_REFUSED = "the audit is only added to"
_LETS_GO = "through >= {old}.id AND before > {old}.at"
_TRUE = (
    "{new}.through < (SELECT MAX(id) FROM {audit}) "
    "AND {new}.rows = (SELECT COUNT(*) FROM {audit} WHERE id <= {new}.through AND at < {new}.before)"
)
"""The newest row stays, so that what is yet to come cannot be let go beforehand."""


def _sqlite() -> None:
    lets_go, true = _LETS_GO.format(old="OLD"), _TRUE.format(new="NEW", audit="audit")
    op.execute("DROP TRIGGER audit_delete")
    for name, event, refused in (
        ("audit_delete", "DELETE ON audit", f"NOT EXISTS (SELECT 1 FROM audit_pruned WHERE {lets_go})"),
        # REPLACE puts a row in the place of another without removing it, as far as triggers know
        ("audit_insert", "INSERT ON audit", "EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)"),
        (
            "audit_pruned_insert",
            "INSERT ON audit_pruned",
            f"({true}) IS NOT TRUE OR EXISTS (SELECT 1 FROM audit_pruned WHERE id = NEW.id)",
        ),
    ):
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} WHEN {refused} BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END")


def _postgresql() -> None:
    """Tables are named with their schema: a temporary one of the same name would be found first. Rows that go are looked at
    together: a look for each of a million takes longer than a statement may."""
    lets_go, true = _LETS_GO.format(old="gone"), _TRUE.format(new="($1)", audit="%1$I.audit")
    kept = f"EXISTS (SELECT 1 FROM gone WHERE NOT EXISTS (SELECT 1 FROM %1$I.audit_pruned WHERE {lets_go}))"
    for name, asked, using, refused in (
        ("audit_goes_when_it_is_said", kept, "", "found"),
        ("audit_pruned_says_what_is_true", true, " USING NEW", "found IS NOT TRUE"),
    ):
        op.execute(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
            "SET search_path = pg_catalog, pg_temp AS $$ DECLARE found boolean; BEGIN "
            f"EXECUTE format('SELECT {asked}', TG_TABLE_SCHEMA) INTO found{using}; "
            f"IF {refused} THEN RAISE EXCEPTION '{_REFUSED}'; END IF; RETURN NEW; END $$"
        )
    op.execute("DROP TRIGGER audit_delete ON audit")
    op.execute(
        "CREATE TRIGGER audit_delete AFTER DELETE ON audit REFERENCING OLD TABLE AS gone "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_goes_when_it_is_said()"
    )
    op.execute(
        "CREATE TRIGGER audit_pruned_insert BEFORE INSERT ON audit_pruned "
        "FOR EACH ROW EXECUTE FUNCTION audit_pruned_says_what_is_true()"
    )


def upgrade() -> None:
    """Let go what is said, and nothing beside it."""
    _sqlite() if op.get_bind().dialect.name == "sqlite" else _postgresql()


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
