"""Work shared by several machines: who is at work on a source, and how often that ended a worker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sources", sa.Column("job_id", sa.BigInteger()))
    op.add_column("sources", sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("sources", "deaths")
    op.drop_column("sources", "job_id")
