"""Words to search for, and what the pages filter and count by."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage import search
from storage.records import change_size

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_EVENT_INDEXES = ("region", "source_id", "recipient", "measure_id")
_CHUNK = 1000


def upgrade() -> None:
    conn = op.get_bind()
    op.add_column("documents", sa.Column("versions", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_documents_rank_on_id", "documents", ["rank_on", "id"])
    op.create_index("ix_documents_region_rank_on_id", "documents", ["region", "rank_on", "id"])
    for name in ("region", "kind", "recipient", "measure_id"):
        op.add_column("events", sa.Column(name, sa.Text()))
    op.add_column("events", sa.Column("size", sa.Float()))
    _fill_counts(conn)
    _fill_events(conn)
    op.create_index("ix_events_log", "events", ["id", "type", "kind", "size", "baseline"])
    op.create_index("ix_events_time_id", "events", ["time", "id"])
    for name in _EVENT_INDEXES:
        op.create_index(f"ix_events_{name}_baseline_id", "events", [name, "baseline", "id"])
    op.drop_index("ix_statements_tracked_id_version_id", "statements")
    op.create_index("ix_statements_tracked_id_version_id_kind", "statements", ["tracked_id", "version_id", "kind"])
    op.create_index("ix_tracked_name_id", "tracked", ["name", "id"])
    op.drop_index("ix_tracked_region", "tracked")
    op.create_index("ix_tracked_region_name_id", "tracked", ["region", "name", "id"])
    op.create_index("ix_deliveries_channel_state_sent_at", "deliveries", ["channel", "state", "sent_at"])
    _create_search(conn)
    search.rebuild(conn)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_terms")
    op.execute("DROP TABLE search")
    op.drop_index("ix_deliveries_channel_state_sent_at", "deliveries")
    op.drop_index("ix_tracked_region_name_id", "tracked")
    op.create_index("ix_tracked_region", "tracked", ["region"])
    op.drop_index("ix_tracked_name_id", "tracked")
    op.drop_index("ix_statements_tracked_id_version_id_kind", "statements")
    op.create_index("ix_statements_tracked_id_version_id", "statements", ["tracked_id", "version_id"])
    for name in _EVENT_INDEXES:
        op.drop_index(f"ix_events_{name}_baseline_id", "events")
    op.drop_index("ix_events_time_id", "events")
    op.drop_index("ix_events_log", "events")
    for name in ("size", "measure_id", "recipient", "kind", "region"):
        op.drop_column("events", name)
    op.drop_index("ix_documents_region_rank_on_id", "documents")
    op.drop_index("ix_documents_rank_on_id", "documents")
    op.drop_column("documents", "versions")


def _create_search(conn: sa.Connection) -> None:
    if conn.dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE search USING fts5(words, tokenize='trigram', content='', detail=none)")
        op.execute("CREATE VIRTUAL TABLE search_terms USING fts5vocab(search, row)")
        return
    op.execute("CREATE TABLE search (document_id BIGINT CONSTRAINT pk_search PRIMARY KEY, words TEXT NOT NULL)")
    try:
        with conn.begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute("CREATE INDEX ix_search_words ON search USING gin (words gin_trgm_ops)")
    except (sa.exc.ProgrammingError, sa.exc.OperationalError, sa.exc.NotSupportedError):
        pass  # not installed, or not permitted: LIKE reads the table, and answers the same


def _fill_counts(conn: sa.Connection) -> None:
    conn.execute(
        sa.text(
            "UPDATE documents SET versions = "
            "coalesce((SELECT max(number) FROM versions WHERE versions.document_id = documents.id), 0)"
        )
    )


def _fill_events(conn: sa.Connection) -> None:
    names = ("region", "kind", "recipient", "measure_id")
    told = sa.table("events", *map(sa.column, ("id", "size", *names)), *(
        sa.column(name, sa.JSON(none_as_null=True)) for name in ("document", "measure", "before", "after")
    ))  # fmt: skip
    fill = (
        told.update()
        .where(told.c.id == sa.bindparam("event"))
        .values({name: sa.bindparam(f"the_{name}") for name in (*names, "size")})
    )
    last = 0
    columns = [told.c[name] for name in ("id", "document", "measure", "before", "after")]
    while rows := conn.execute(
        sa.select(*columns).where(told.c.id > last).order_by(told.c.id).limit(_CHUNK)
    ).all():  # fmt: skip
        conn.execute(fill, [_told(row) for row in rows])
        last = rows[-1].id


def _told(row: Any) -> dict[str, Any]:
    measure = row.measure or {}
    size = change_size(row.before, row.after) if row.before and row.after else None
    return {
        "event": row.id,
        "the_region": (row.document or {}).get("region"),
        "the_kind": measure.get("kind"),
        "the_recipient": measure.get("recipient"),
        "the_measure_id": measure.get("id"),
        "the_size": None if size is None else abs(size),
    }
