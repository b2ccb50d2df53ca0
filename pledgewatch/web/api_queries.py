"""Lists for programs, a part at a time: what follows a cursor, in an order that stays."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from pledgewatch.web.queries import DocumentFilter, document_conditions
from storage.documents import StoredDocument
from storage.tables import documents, statements, tracked
from storage.threads import STANDING, KnownStatement, Thread, Tracked, statements_of


def documents_before(
    conn: sa.Connection, wanted: DocumentFilter, before: int | None, limit: int
) -> list[StoredDocument]:
    """The documents with an id below `before`, those that were found last first."""
    columns = (documents.c[name if name != "source" else "source_id"].label(name) for name in StoredDocument.__slots__)
    query = sa.select(*columns).order_by(documents.c.id.desc()).limit(limit)
    query = query.where(documents.c.id < (2**63 - 1 if before is None else before), *document_conditions(conn, wanted))
    return [StoredDocument(**row._mapping) for row in conn.execute(query)]


def threads_after(
    conn: sa.Connection, after: str, limit: int, *, region: str = "", kind: str = "", words: str = ""
) -> list[Thread]:
    """The tracked measures with an id above `after` of which documents in force speak, in the order of ids."""
    spoken_of = (
        sa.select(statements.c.id)
        .join(documents, documents.c.latest_version_id == statements.c.version_id)
        .where(statements.c.tracked_id == tracked.c.id, STANDING)
    )
    query = sa.select(tracked).where(tracked.c.id > after, spoken_of.exists()).order_by(tracked.c.id).limit(limit)
    if region:
        query = query.where(tracked.c.region == region)
    if kind:
        query = query.where(tracked.c.kind == kind)
    if words.strip():
        query = query.where(tracked.c.name.contains(words.strip(), autoescape=True))
    return with_statements(conn, [Tracked(**row._mapping) for row in conn.execute(query)])


def with_statements(conn: sa.Connection, measures: Sequence[Tracked]) -> list[Thread]:
    """The measures with what documents in force say of them."""
    said: dict[str, list[KnownStatement]] = {one.id: [] for one in measures}
    for statement in statements_of(conn, tracked_ids=list(said)):
        said[statement.tracked_id or ""].append(statement)
    return [Thread(one, tuple(said[one.id])) for one in measures]
