"""How each host wants to be treated: what must outlast the process that learned it, and hold for all that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from storage.columns import storable
from storage.database import Database, insert_into
from storage.tables import hosts


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of one host. Times are aware, `crawl_delay` is in seconds.

    `visited`: somebody is at it, or was when its process was killed; its last request may be younger than `asked_at`.
    `day_count` are the requests of the day that began at `day_began`, those included that were granted to a visitor
    and are not sent yet.
    """

    host: str
    visited: bool = False
    asked_at: datetime | None = None
    failures: int = 0
    closed_until: datetime | None = None
    crawl_delay: float = 0.0
    day_began: datetime | None = None
    day_count: int = 0


Change = Callable[[Host], Host]


class HostBook:
    """The hosts of one archive, for a fetcher in an asyncio loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, name: str, to: Change) -> tuple[Host, Host]:
        """`change` in a transaction of its own, in a thread. Raises StorageError."""
        return await asyncio.to_thread(self._change, name, to)

    def _change(self, name: str, to: Change) -> tuple[Host, Host]:
        with self._database.begin() as conn:
            return change(conn, name, to)


def change(conn: sa.Connection, name: str, to: Change) -> tuple[Host, Host]:
    """Let a host be what `to` makes of it, while nobody else changes it; what it was, and what it is now."""
    key = {"name": storable(name)}
    row = conn.execute(_HOST, key).first()
    if row is None:
        conn.execute(insert_into(conn, hosts).values(host=name).on_conflict_do_nothing())
        row = conn.execute(_HOST, key).one()
    before = Host(**row._mapping)
    after = to(before)
    if after != before:
        conn.execute(_CHANGED, {**key, **asdict(after)})
    return before, after


_NAMED = hosts.c.host == sa.bindparam("name")
_HOST = sa.select(*(hosts.c[name] for name in Host.__slots__)).where(_NAMED).with_for_update()
_CHANGED = hosts.update().where(_NAMED).values({name: sa.bindparam(name) for name in Host.__slots__})
