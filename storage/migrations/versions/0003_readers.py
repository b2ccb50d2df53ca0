"""What subscribers were given: addresses of their own, and what they gave up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")


def upgrade() -> None:
    op.create_table(
        "readers",
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("left_at", MOMENT),
        sa.PrimaryKeyConstraint("subscriber", "channel", name="pk_readers"),
        sa.UniqueConstraint("token", name="uq_readers_token"),
    )
    op.create_index("ix_deliveries_subscriber_channel_sent_at", "deliveries", ["subscriber", "channel", "sent_at"])


def downgrade() -> None:
    op.drop_index("ix_deliveries_subscriber_channel_sent_at", "deliveries")
    op.drop_table("readers")
