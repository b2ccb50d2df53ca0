"""The change log: events with ids that only grow, each recorded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from storage.columns import AnyRow
from storage.database import insert_into
from storage.identity import short_key
from storage.records import DocumentRef, Event, MeasureRef, change_size
from storage.tables import events

_LOG_LOCK = 7_024_982


def record_events(conn: sa.Connection, new: Sequence[Event]) -> list[Event]:
    """Append events to the log; those that were new, in the order given and with their ids.

    An event whose `key` is in the log already is left out: recording twice is harmless.
    """
    if not new:
        return []
    _lock_log(conn)
    unique: dict[str, Event] = {}
    for event in new:
        unique.setdefault(short_key(event.key), event)
    insert = insert_into(conn, events).on_conflict_do_nothing(index_elements=["key"])
    returning = insert.returning(events.c.key, events.c.id)
    ids = {row.key: row.id for row in conn.execute(returning, [_row(k, e) for k, e in unique.items()])}
    return [replace(event, id=ids[key]) for key, event in unique.items() if key in ids]


def events_since(
    conn: sa.Connection,
    id: int = 0,
    limit: int | None = None,
    types: Iterable[str] = (),
    *,
    source: str | None = None,
    document_id: int | None = None,
    baseline: bool = True,
) -> Iterator[Event]:
    """The events after `id`, oldest first. `types` are names or patterns like "measure.*"; none means all."""
    query = sa.select(events).where(events.c.id > id).order_by(events.c.id).limit(limit)
    patterns = [events.c.type.like(_like(name), escape="\\") for name in types]
    if patterns:
        query = query.where(sa.or_(*patterns))
    if source is not None:
        query = query.where(events.c.source_id == source)
    if document_id is not None:
        query = query.where(events.c.document_id == document_id)
    if not baseline:
        query = query.where(events.c.baseline.is_(False))
    for row in conn.execute(query.execution_options(yield_per=500)):
        yield _event(row)


def latest_events(conn: sa.Connection, limit: int) -> list[Event]:
    """The newest events that are no baseline, the oldest of them first."""
    newest = sa.select(events).where(events.c.baseline.is_(False)).order_by(events.c.id.desc()).limit(limit)
    return [_event(row) for row in conn.execute(newest)][::-1]


def event_by_id(conn: sa.Connection, id: int) -> Event | None:
    row = conn.execute(sa.select(events).where(events.c.id == id)).first()
    return _event(row) if row else None


def events_by_ids(conn: sa.Connection, ids: Sequence[int]) -> list[Event]:
    """The events with these ids, in the order of the ids given; an unknown id is left out."""
    found = {row.id: _event(row) for row in conn.execute(_BY_IDS, {"ids": list(ids)})}
    return [found[id] for id in ids if id in found]


def _lock_log(conn: sa.Connection) -> None:
    # PostgreSQL hands out ids before the commit: without this, a reader that has seen event 8 could miss
    # event 7, which another worker commits later. SQLite has one writer anyway.
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOG_LOCK)))


def _like(pattern: str) -> str:
    for special in "\\%_":
        pattern = pattern.replace(special, "\\" + special)
    return pattern.replace("*", "%")


def _row(key: str, event: Event) -> dict[str, Any]:
    size = change_size(event.before, event.after) if event.before and event.after else None
    return {
        "key": key,
        "type": event.type,
        "time": event.time,
        "source_id": event.source,
        "document_id": event.document.id if event.document else None,
        "document": event.document.to_json() if event.document else None,
        "version_from": event.versions[0],
        "version_to": event.versions[1],
        "measure": asdict(event.measure) if event.measure else None,
        "before": _plain(event.before),
        "after": _plain(event.after),
        "summary": event.summary,
        "baseline": event.baseline,
        "detail": dict(event.detail),
        "region": event.document.region if event.document else None,
        "kind": event.measure.kind if event.measure else None,
        "recipient": event.measure.recipient if event.measure else None,
        "measure_id": event.measure.id if event.measure else None,
        "size": None if size is None else abs(size),
    }


def _plain(figure: Any) -> dict[str, Any] | None:
    return None if figure is None else dict(figure)


def _event(row: AnyRow) -> Event:
    return Event(
        type=row.type,
        time=row.time,
        source=row.source_id,
        key=row.key,
        id=row.id,
        document=DocumentRef(**row.document) if row.document else None,
        versions=(row.version_from, row.version_to),
        measure=MeasureRef(**row.measure) if row.measure else None,
        before=row.before,
        after=row.after,
        summary=row.summary,
        baseline=row.baseline,
        detail=row.detail,
    )


_BY_IDS = sa.select(events).where(events.c.id.in_(sa.bindparam("ids", expanding=True)))
