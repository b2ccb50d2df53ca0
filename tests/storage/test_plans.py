"""The queries that run all the time find their rows by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from stock import NOW, URL, add_document, add_source, capture, measure, reading

from storage import captures, documents, events, outbox, readers, sources, threads
from storage.database import Database

HOT: dict[str, tuple[Callable[[sa.Connection], Any], str]] = {
    "due sources": (lambda c: sources.due_sources(c, NOW), "ix_sources_next_due_at"),
    "due deliveries": (lambda c: c.execute(outbox._claim(outbox._due(NOW, 9), NOW, "t")).all(), "ix_deliveries_open"),
    "messages of a day": (
        lambda c: outbox.sent_since(c, "wang", "mailto-1", NOW),
        "ix_deliveries_subscriber_channel_sent_at",
    ),
    "reader by token": (lambda c: readers.by_token(c, "t"), "uq_readers_token"),
    "page by url": (lambda c: captures.page_by_url(c, URL), "uq_pages_url"),
    "document by page": (lambda c: documents.resolve(c, URL), "ix_pages_normal_url"),
    "document by number": (lambda c: documents.resolve(c, "示〔2026〕1号"), "ix_documents_normal_number"),
    "repeals that begin to hold": (
        lambda c: documents.let_repeals_hold(c, NOW.date()),
        "ix_documents_repealed_by",
    ),
    "what a document ended": (lambda c: documents.repealed_by(c, 1), "ix_documents_repealed_by"),
    "who ended a number": (lambda c: documents.repeals_of(c, "示〔2026〕1号"), "ix_repeals_normal_number"),
    "document by key": (lambda c: documents.find_document(c, ["url:x"]), "pk_document_keys"),
    "latest version": (lambda c: documents.latest_mark(c, 1), "pk_versions"),
    "history": (lambda c: documents.history(c, 1), "uq_versions_document_id_number"),
    "latest statements": (
        lambda c: list(threads.statements_of(c, tracked_ids=["t"])),
        "ix_statements_tracked_id_version_id_kind",
    ),
    "events since": (lambda c: list(events.events_since(c, 5, 10)), "pk_events|ix_events_log"),
    "events by type": (lambda c: list(events.events_since(c, document_id=1)), "ix_events_document_id_id"),
    "recheck": (lambda c: captures.due_documents(c, "mzj", NOW), "ix_documents_source_id_rank_on_id"),
}


@contextmanager
def statements_run(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def keep(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH", "UPDATE")):
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", keep)


def plan_of(conn: sa.Connection, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
    return "\n".join(str(row) for row in conn.exec_driver_sql(explain + statement, parameters))


@pytest.mark.parametrize("name", HOT)
def test_a_hot_query_uses_its_index(database: Database, name: str) -> None:
    run, index = HOT[name]
    with database.begin() as conn:
        add_source(conn)
        if database.dialect == "postgresql":
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a few rows would be scanned
        with statements_run(database.engine) as seen:
            run(conn)
        plans = [plan_of(conn, *statement) for statement in seen]
    index, _, as_good = index.partition("|")
    if database.dialect == "sqlite" and index.startswith("pk_"):
        index = "INTEGER PRIMARY KEY" if index != "pk_document_keys" else "sqlite_autoindex_document_keys"
    if database.dialect == "sqlite" and index.startswith("uq_"):
        index = f"sqlite_autoindex_{index.split('_')[1]}"
    assert any(index in plan or (as_good and as_good in plan) for plan in plans), plans
    if database.dialect == "sqlite":
        scans = [line for plan in plans for line in plan.splitlines() if "SCAN" in line]
        assert not [s for s in scans if "USING" not in s and "due" not in s and "anon" not in s], scans


def test_an_unchanged_page_takes_a_handful_of_statements(database: Database) -> None:
    counted: list[str] = []
    with database.begin() as conn:
        add_source(conn)
        page = captures.page_for(conn, URL, "mzj", "document")
        captures.record_capture(conn, page, capture())
        page = captures.page_for(conn, URL, "mzj", "document")
        if database.dialect == "sqlite":
            conn.connection.driver_connection.set_trace_callback(counted.append)
            captures.record_capture(conn, page, capture(b"", status=304, outcome="not_modified"))
            conn.connection.driver_connection.set_trace_callback(None)
            assert [s.split()[0] for s in counted] == ["SELECT", "INSERT", "UPDATE", "UPDATE"]


def test_reading_a_version_does_not_grow_with_its_statements(database: Database) -> None:
    def count(statements: int) -> int:
        given = reading(*(measure(n) for n in range(statements)), doc_number=None, index_number=None, attachments=())
        with database.begin() as conn:
            add_source(conn)
            id = add_document(conn, given, f"{URL}?{statements}").mark.document_id
            with statements_run(database.engine) as seen:
                documents.latest_version(conn, id)
        return len(seen)

    assert count(1) == count(300) <= 3
