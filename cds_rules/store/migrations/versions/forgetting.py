"""Whom a review item is about, as a hash, so that it can be forgotten. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "forgetting"
down_revision = "browse"


def upgrade() -> None:
    """Add it."""
    op.add_column("review_item", sa.Column("patient", sa.String(64)))
    op.create_index("ix_review_item_patient", "review_item", ["patient"])


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
