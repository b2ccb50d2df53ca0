"""What is known of each source between two passes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

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
    yielded any; `next_due_at` is None for a source that is not in the configuration any more. `lied_at` is
    when an audit last found a change that the server had called unchanged.
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
    lied_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """How the source is doing, as `sources list --json` prints it."""
        told = {name: getattr(self, name) for name in TOLD}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


TOLD = ("state", "last_pass_at", "last_success_at", "next_due_at", "failures", "last_error", "lied_at")


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
    names = ("state", "baseline_at", "last_success_at", "failures", "productive_items", "cms", "lied_at")
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


def due_sources(
    conn: sa.Connection, now: datetime, limit: int = 1000, only: Collection[str] | None = None
) -> list[str]:
    """The ids of the sources whose time has come, the longest overdue first.

    Of `only` these, where that is given. What a job is at work on is not due.
    """
    due = sa.select(sources.c.id).where(sources.c.next_due_at <= now, sources.c.job_id.is_(None))
    if only is not None:
        due = due.where(sources.c.id.in_(only))
    return list(conn.execute(due.order_by(sources.c.next_due_at).limit(limit)).scalars())


def take(conn: sa.Connection, id: str, job_id: int) -> int | None:
    """Let a job be the one at work on a source; how many workers it has ended so far. None where another one is."""
    free = sources.update().where(sources.c.id == id, sources.c.job_id.is_(None))
    found: int | None = conn.execute(free.values(job_id=job_id).returning(sources.c.deaths)).scalar()
    return found


def give_back(conn: sa.Connection, id: str, job_id: int, due_at: datetime | None = None) -> None:
    """The job's work on a source is over, its worker alive; `due_at` puts the next pass off."""
    later = {"next_due_at": due_at} if due_at else {}
    own = sources.update().where(sources.c.id == id, sources.c.job_id == job_id)
    conn.execute(own.values(job_id=None, deaths=0, **later))


def mourn(conn: sa.Connection, job_id: int, only: str | None = None) -> dict[str, int]:
    """The worker of a job is gone: its sources are free again. How many workers each of them has ended.

    Of `only` this source, where that was read in a process of its own.
    """
    own = sources.update().where(sources.c.job_id == job_id)
    if only is not None:
        own = own.where(sources.c.id == only)
    ended = own.values(job_id=None, deaths=sources.c.deaths + 1).returning(sources.c.id, sources.c.deaths)
    return {row.id: row.deaths for row in conn.execute(ended)}


def deaths_by(conn: sa.Connection, ids: Collection[str]) -> dict[str, int]:
    """Those of the sources that have ended workers, and how many."""
    told = sa.select(sources.c.id, sources.c.deaths).where(sources.c.id.in_(ids), sources.c.deaths > 0)
    return {row.id: row.deaths for row in conn.execute(told)}


def free(conn: sa.Connection, job_ids: Collection[int]) -> None:
    """These jobs are over, whatever they left: nobody is at work on their sources."""
    conn.execute(sources.update().where(sources.c.job_id.in_(job_ids)).values(job_id=None))


def jobs_at_work(conn: sa.Connection) -> set[int]:
    """The jobs that are at work on any source."""
    return set(conn.execute(sa.select(sources.c.job_id).where(sources.c.job_id.is_not(None)).distinct()).scalars())


def make_due(conn: sa.Connection, id: str, now: datetime) -> bool:
    """Let a source's next pass be due at `now`; False for one that is not watched."""
    watched = sources.update().where(sources.c.id == id, sources.c.next_due_at.is_not(None))
    return conn.execute(watched.values(next_due_at=now)).rowcount == 1


def _state(row: AnyRow) -> SourceState:
    return SourceState(**row._mapping)


_STATES = sa.select(*(sources.c[name] for name in SourceState.__slots__))
