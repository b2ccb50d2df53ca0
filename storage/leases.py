"""Named leases: one daemon, or one planner, a database. Held for a time, renewed, given back."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.database import Database, insert_into
from storage.tables import leases

DAEMON = "daemon"  # held by the one daemon of a database, or by the worker that plans


def acquire(db: Database, name: str, holder: str, seconds: float, now: datetime) -> bool:
    """Take the lease, or prolong one's own; False while another holder's has not run out."""
    with db.begin() as conn:
        insert = insert_into(conn, leases).values(name=name, holder=holder, until=now + timedelta(seconds=seconds))
        free = sa.or_(leases.c.holder == holder, leases.c.until <= now)
        taken = insert.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": insert.excluded.holder, "until": insert.excluded.until},
            where=free,
        )
        return conn.execute(taken.returning(leases.c.name)).first() is not None


def renew(db: Database, name: str, holder: str, seconds: float, now: datetime) -> bool:
    """Prolong one's own lease; False where it ran out and somebody else took it: stop working then."""
    with db.begin() as conn:
        own = leases.update().where(leases.c.name == name, leases.c.holder == holder)
        return conn.execute(own.values(until=now + timedelta(seconds=seconds))).rowcount == 1


def release(db: Database, name: str, holder: str) -> None:
    """Give the lease back. Nothing happens where somebody else holds it."""
    with db.begin() as conn:
        conn.execute(leases.delete().where(leases.c.name == name, leases.c.holder == holder))


def current(conn: sa.Connection, name: str, now: datetime) -> str | None:
    """Who holds the lease at `now`; None where it has run out."""
    held = sa.select(leases.c.holder).where(leases.c.name == name, leases.c.until > now)
    found: str | None = conn.execute(held).scalar()
    return found


def holder(db: Database, name: str) -> str | None:
    """Who holds the lease, or held it last."""
    with db.read() as conn:
        found: str | None = conn.execute(sa.select(leases.c.holder).where(leases.c.name == name)).scalar()
    return found
