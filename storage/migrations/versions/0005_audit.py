"""What was found wrong with a source's answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    op.add_column("sources", sa.Column("lied_at", MOMENT))


def downgrade() -> None:
    op.drop_column("sources", "lied_at")
