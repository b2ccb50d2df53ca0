"""First tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(32), "sqlite")
SHA256 = sa.String(64)
OPEN = sa.text("state IN ('pending', 'retrying')")


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("sha256", SHA256, nullable=False),
        sa.Column("encoding", sa.String(length=10), nullable=False),
        sa.Column("base_sha256", SHA256),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["base_sha256"], ["blobs.sha256"], name="fk_blobs_base_sha256"),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_index("ix_blobs_base_sha256", "blobs", ["base_sha256"])

    op.create_table(
        "decisions",
        sa.Column("id", ID, nullable=False),
        sa.Column("a", sa.Text(), nullable=False),
        sa.Column("b", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=5), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("a", "b", name="uq_decisions_a_b"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("group_key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("lease_token", sa.Text()),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("subscriber", "channel", "group_key", name="uq_deliveries_subscriber_channel_group_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_open", "deliveries", ["due_at", "id"], sqlite_where=OPEN, postgresql_where=OPEN)

    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="ok", nullable=False),
        sa.Column("baseline_at", MOMENT),
        sa.Column("last_pass_at", MOMENT),
        sa.Column("last_success_at", MOMENT),
        sa.Column("next_due_at", MOMENT),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("productive_items", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("cms", sa.Text()),
        sa.Column("chain", SHA256),
        sa.PrimaryKeyConstraint("id", name="pk_sources"),
    )
    op.create_index("ix_sources_next_due_at", "sources", ["next_due_at"])

    op.create_table(
        "tracked",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("region", sa.Text()),
        sa.Column("unit", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("configured", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tracked"),
    )
    op.create_index("ix_tracked_region", "tracked", ["region"])

    op.create_table(
        "documents",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("doc_number", sa.Text()),
        sa.Column("normal_number", sa.Text()),
        sa.Column("index_number", sa.Text()),
        sa.Column("publisher", sa.Text()),
        sa.Column("region", sa.Text()),
        sa.Column("published_on", sa.Date()),
        sa.Column("rank_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="live", nullable=False),
        sa.Column("status", sa.String(length=10), server_default="unknown", nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("latest_version_id", ID),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_documents_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
    )
    op.create_index("ix_documents_latest_version_id", "documents", ["latest_version_id"])
    op.create_index("ix_documents_normal_number", "documents", ["normal_number"])
    op.create_index("ix_documents_source_id_rank_on_id", "documents", ["source_id", "rank_on", "id"])

    op.create_table(
        "document_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_document_keys_document_id"),
        sa.PrimaryKeyConstraint("key", name="pk_document_keys"),
    )
    op.create_index("ix_document_keys_document_id", "document_keys", ["document_id"])

    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("document_id", ID),
        sa.Column("document", sa.JSON()),
        sa.Column("version_from", sa.Integer()),
        sa.Column("version_to", sa.Integer()),
        sa.Column("measure", sa.JSON()),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("baseline", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_events_document_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_document_id_id", "events", ["document_id", "id"])
    op.create_index("ix_events_type_id", "events", ["type", "id"])

    op.create_table(
        "pages",
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("normal_url", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("document_id", ID),
        sa.Column("etag", sa.Text()),
        sa.Column("last_modified", sa.Text()),
        sa.Column("last_capture_id", ID),
        sa.Column("last_sha256", SHA256),
        sa.Column("settled_sha256", SHA256),
        sa.Column("last_fetched_at", MOMENT),
        sa.Column("last_audit_at", MOMENT),
        sa.Column("gone_passes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_pages_document_id"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_pages_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pages"),
        sa.UniqueConstraint("url", name="uq_pages_url"),
    )
    op.create_index("ix_pages_document_id", "pages", ["document_id"])
    op.create_index("ix_pages_normal_url", "pages", ["normal_url"])
    op.create_index("ix_pages_source_id_kind_document_id", "pages", ["source_id", "kind", "document_id"])

    op.create_table(
        "captures",
        sa.Column("id", ID, nullable=False),
        sa.Column("page_id", ID, nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("fetched_at", MOMENT, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("sha256", SHA256),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("chain", SHA256, nullable=False),
        sa.ForeignKeyConstraint(["page_id"], ["pages.id"], name="fk_captures_page_id"),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_captures_sha256"),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name="fk_captures_source_id"),
        sa.PrimaryKeyConstraint("id", name="pk_captures"),
    )
    op.create_index("ix_captures_page_id_id", "captures", ["page_id", "id"])

    op.create_table(
        "delivery_events",
        sa.Column("delivery_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name="fk_delivery_events_delivery_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_delivery_events_event_id"),
        sa.PrimaryKeyConstraint("delivery_id", "position", name="pk_delivery_events"),
    )
    op.create_index("ix_delivery_events_event_id", "delivery_events", ["event_id"])

    op.create_table(
        "versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("capture_id", ID, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("text_sha256", SHA256, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("meta", sa.JSON(), nullable=False),
        sa.Column("attachments", sa.JSON(), nullable=False),
        sa.Column("baseline", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name="fk_versions_capture_id"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], name="fk_versions_document_id"),
        sa.ForeignKeyConstraint(["text_sha256"], ["blobs.sha256"], name="fk_versions_text_sha256"),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint("document_id", "number", name="uq_versions_document_id_number"),
    )
    op.create_index("ix_versions_capture_id", "versions", ["capture_id"])
    op.create_index("ix_versions_reader", "versions", ["reader"])

    op.create_table(
        "statements",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text()),
        sa.Column("condition", sa.Text()),
        sa.Column("deadline", sa.Date()),
        sa.Column("bodies", sa.JSON(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("tracked_id", sa.Text()),
        sa.ForeignKeyConstraint(["tracked_id"], ["tracked.id"], name="fk_statements_tracked_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_statements_version_id"),
        sa.PrimaryKeyConstraint("id", name="pk_statements"),
        sa.UniqueConstraint("version_id", "position", name="uq_statements_version_id_position"),
    )
    op.create_index("ix_statements_tracked_id_version_id", "statements", ["tracked_id", "version_id"])


def downgrade() -> None:
    op.drop_table("statements")
    op.drop_table("versions")
    op.drop_table("delivery_events")
    op.drop_table("captures")
    op.drop_table("pages")
    op.drop_table("events")
    op.drop_table("document_keys")
    op.drop_table("documents")
    op.drop_table("tracked")
    op.drop_table("sources")
    op.drop_table("leases")
    op.drop_table("deliveries")
    op.drop_table("decisions")
    op.drop_table("blobs")
