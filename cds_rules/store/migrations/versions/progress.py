"""How far an alert has been reviewed, beside the alert, so that a list of those in one state is read off an index. Floor: edge (store)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "progress"
down_revision = "forgetting"

_REVIEWED = """
UPDATE alert SET review = COALESCE((
  SELECT CASE MAX(CASE
    WHEN EXISTS (SELECT 1 FROM adjudication WHERE adjudication.item_id = review_item.id) THEN 4
    WHEN (SELECT COUNT(*) FROM reading WHERE reading.item_id = review_item.id) = 0 THEN 1
    WHEN (SELECT COUNT(*) FROM reading WHERE reading.item_id = review_item.id) = 1 THEN 2
    WHEN (SELECT COUNT(DISTINCT trigger_right) + COUNT(DISTINCT action_right) FROM reading
          WHERE reading.item_id = review_item.id) > 2 THEN 3
    ELSE 4 END) WHEN 1 THEN 'wanted' WHEN 2 THEN 'read' WHEN 3 THEN 'disputed' WHEN 4 THEN 'settled' END
  FROM review_item JOIN review_set ON review_set.id = review_item.set_id
  WHERE review_item.card = alert.card AND review_set.house = alert.tenant
), 'none') WHERE card IN (SELECT card FROM review_item)
"""


def upgrade() -> None:
    """Add it, and write down what is known."""
    op.add_column("alert", sa.Column("review", sa.String(16), nullable=False, server_default="none"))
    for columns in (("review", "at"), ("tenant", "review", "at")):
        op.create_index(f"ix_alert_{'_'.join(columns)}", "alert", columns)
    op.execute(_REVIEWED)


def downgrade() -> None:
    """Records are not thrown away by going back a version."""
    raise NotImplementedError("the store is not migrated backwards; restore a backup")
