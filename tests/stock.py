"""Rows that the storage tests start from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from storage import access, captures, documents, events, outbox, readers, sources, threads
from storage.columns import Moment, Words
from storage.documents import Reading, StoredVersion
from storage.identity import identity_keys
from storage.records import Attachment, Capture, Document, Event, Figure, Measure
from storage.tables import metadata

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
URL = "https://mzj.example.gov.cn/art/2026/3/1/art_1_7.html"


def capture(body: bytes = b"<p>page</p>", url: str = URL, **more: Any) -> Capture:
    given: dict[str, Any] = {
        "url": url,
        "final_url": url,
        "fetched_at": NOW,
        "status": 200,
        "headers": {"ETag": '"v1"', "Last-Modified": "Sun, 01 Mar 2026 00:00:00 GMT", "Server": "nginx"},
        "body": body,
        "outcome": "ok",
        "seconds": 0.2,
    }
    return Capture(**(given | more))


def measure(value: float = 5000, subject: str = "养老机构建设补贴", **more: Any) -> Measure:
    quote = f"{value:g}元/张"
    figure = Figure(value, None, None, "元/张", "=", quote, 2, 2 + len(quote))
    given: dict[str, Any] = {
        "kind": "subsidy",
        "subject": subject,
        "figures": (figure,),
        "deadline": date(2026, 12, 31),
        "recipient": "养老机构",
        "condition": None,
        "bodies": ("市民政局", "市财政局"),
        "sentence": f"给予{quote}的建设补贴。",
    }
    return Measure(**(given | more))


def document(**more: Any) -> Document:
    given: dict[str, Any] = {
        "title": "关于养老机构补贴的通知",
        "text": "给予5000元/张的建设补贴。\n【附件】明细.pdf\n第一行",
        "doc_number": "示民规〔2026〕3号",
        "index_number": "K1234/2026-00007",
        "publisher": "示例市民政局",
        "published_on": date(2026, 3, 1),
        "status": "in_force",
        "attachments": (Attachment("明细.pdf", "https://mzj.example.gov.cn/a.pdf", "第一行", "f" * 64),),
    }
    return Document(**(given | more))


def reading(*measures: Measure, reader: str = "r1", **more: Any) -> Reading:
    return Reading(document(**more), measures or (measure(),), reader, f"fingerprint {more}")


def add_source(conn: sa.Connection, id: str = "mzj") -> None:
    sources.sync_sources(conn, {id: f"https://{id}.example.gov.cn/"}, NOW)


def add_document(
    conn: sa.Connection, given: Reading | None = None, url: str = URL, region: str = "示例市"
) -> StoredVersion:
    """A document of the source "mzj" with its page, capture and first version."""
    page = captures.page_for(conn, url, "mzj", "document")
    capture_id = captures.record_capture(conn, page, capture(url.encode(), url))
    given = given or reading()
    doc = given.document
    keys = identity_keys(url, doc.doc_number, doc.publisher, doc.index_number)
    id = documents.create_document(conn, keys, source="mzj", url=url, document=doc, region=region, now=NOW)
    captures.settle(conn, page.id, id, sha256(url.encode()).hexdigest())
    return documents.add_version(conn, id, given, capture_id=capture_id, now=NOW)


def event(key: str = "k", **more: Any) -> Event:
    given: dict[str, Any] = {"type": "measure.changed", "time": NOW, "source": "mzj", "key": key}
    return Event(**(given | more))


def fill(conn: sa.Connection) -> None:
    """One row at least in every table but `leases`."""
    add_source(conn)
    version = add_document(conn)
    threads.put_tracked(conn, [threads.Tracked("t", "建设补贴", "subsidy", "示例市", "元/张", NOW)])
    threads.assign(conn, {version.statements[0].id: "t"})
    threads.decide(conn, "1", "2", "same", NOW)
    (stored,) = events.record_events(conn, [event()])
    outbox.queue(conn, "wang", "0:mailtos", [stored.id], NOW, "g", NOW)
    readers.make_tokens(conn, [("wang", readers.FEED)], NOW)
    access.add_account(conn, "wang", "operator", "a hash", NOW)
    access.open_session(conn, "5" * 64, "wang", NOW, NOW + timedelta(days=1))
    access.add_token(conn, "prometheus", "reader", "7" * 64, NOW)


def fill_everything(conn: sa.Connection) -> None:
    """One row at least in every table, whoever added it: `fill`, and made-up rows where it has none."""
    fill(conn)
    for table in metadata.sorted_tables:
        if not conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one():
            conn.execute(table.insert(), {c.name: _made_up(conn, c) for c in table.c if c.computed is None})


def _made_up(conn: sa.Connection, column: sa.Column[Any]) -> Any:
    """A value that fits a column: of the row it refers to, else of its type."""
    for key in column.foreign_keys:
        return conn.execute(sa.select(key.column).limit(1)).scalar_one()
    if isinstance(column.type, Moment):
        return NOW
    if isinstance(column.type, sa.JSON):
        return {}
    kind = str if isinstance(column.type, Words) else column.type.python_type
    return NOW.date() if kind is date else kind(1) if kind is not bytes else b"1"
