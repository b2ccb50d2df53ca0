"""What documents declare ended, and which of the known ones that ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.add_column("documents", sa.Column("repealed_by", ID))
    op.add_column("documents", sa.Column("repealed_on", sa.Date()))
    op.add_column("documents", sa.Column("ended", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_documents_repealed_by", "documents", ["repealed_by"])
    op.create_table(
        "repeals",
        sa.Column("document_id", ID, sa.ForeignKey("documents.id", name="fk_repeals_document_id"), nullable=False),
        sa.Column("normal_number", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("day", sa.Date()),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("document_id", "normal_number", name="pk_repeals"),
    )
    op.create_index("ix_repeals_normal_number", "repeals", ["normal_number"])


def downgrade() -> None:
    op.drop_table("repeals")
    op.drop_index("ix_documents_repealed_by", "documents")
    op.drop_column("documents", "ended")
    op.drop_column("documents", "repealed_on")
    op.drop_column("documents", "repealed_by")
