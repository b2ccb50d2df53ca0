"""What is known of each source between two passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from storage.addresses import normal_address
from storage.columns import AnyRow, storable
from storage.database import insert_into
from storage.tables import documents, pages, sources

State = Literal["ok", "failing", "blocked", "drifted"]


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source as its last pass left it. `baseline_at` is None until the first pass is over.

    `failures` counts failed passes in a row; `productive_items` the rows that its list yielded when it last
    yielded any; `next_due_at` is None for a source that is not in the configuration any more.
    """

    id: str
    url: str
    state: State = "ok"
    baseline_at: datetime | None = None
    last_pass_at: datetime | None = None
    last_success_at: datetime | None = None
    next_due_at: datetime | None = None
    failures: int = 0
    productive_items: int = 0
    last_error: str | None = None
    cms: str | None = None


def sync_sources(conn: sa.Connection, urls: Mapping[str, str], now: datetime) -> None:
    """Make the sources of the configuration (id → URL) known: new ones are due now, missing ones never.

    A new id at the address of a missing source is that source under another name, and goes on with its documents.
    A source with another address begins anew with a baseline.
    """
    known = {state.id: state for state in source_states(conn)}
    insert = insert_into(conn, sources)
    kept = {
        "url": insert.excluded.url,
        "next_due_at": sa.func.coalesce(sources.c.next_due_at, insert.excluded.next_due_at),
    }
    rows = [{"id": id, "url": url, "next_due_at": now} for id, url in urls.items()]
    if rows:
        conn.execute(insert.on_conflict_do_update(index_elements=["id"], set_=kept), rows)
    for id in known.keys() - urls.keys():
        conn.execute(sources.update().where(sources.c.id == id).values(next_due_at=None))
    missing = {normal_address(known[id].url): known[id] for id in known.keys() - urls.keys()}
    for id, url in urls.items():
        if id in known and normal_address(known[id].url) != normal_address(storable(url)):
            anew = {"baseline_at": None, "productive_items": 0, "cms": None}
            conn.execute(sources.update().where(sources.c.id == id).values(anew))
        elif id not in known and (before := missing.get(normal_address(storable(url)))):
            _rename(conn, before, id)


def _rename(conn: sa.Connection, before: SourceState, id: str) -> None:
    names = ("state", "baseline_at", "last_success_at", "failures", "productive_items", "cms")
    kept = {name: getattr(before, name) for name in names}
    conn.execute(sources.update().where(sources.c.id == id).values(kept))
    for table in (documents, pages):
        conn.execute(table.update().where(table.c.source_id == before.id).values(source_id=id))


def source_state(conn: sa.Connection, id: str) -> SourceState | None:
    """The source as it was left, or None where it is not known."""
    row = conn.execute(_STATES.where(sources.c.id == id)).first()
    return _state(row) if row else None


def source_states(conn: sa.Connection) -> list[SourceState]:
    return [_state(row) for row in conn.execute(_STATES.order_by(sources.c.id))]


def save_pass(conn: sa.Connection, state: SourceState) -> None:
    """Write the source back as a pass leaves it. The source must be known."""
    values = asdict(state)
    del values["id"]
    conn.execute(sources.update().where(sources.c.id == state.id).values(values))


def due_sources(conn: sa.Connection, now: datetime, limit: int = 1000) -> list[str]:
    """The ids of the sources whose time has come, the longest overdue first."""
    due = sa.select(sources.c.id).where(sources.c.next_due_at <= now)
    return list(conn.execute(due.order_by(sources.c.next_due_at).limit(limit)).scalars())


def _state(row: AnyRow) -> SourceState:
    return SourceState(**row._mapping)


_STATES = sa.select(*(sources.c[name] for name in SourceState.__slots__))
