"""When the wall clock was set back: what stands in the database as due lies in a future that comes once more.

A clock that is set forward needs nothing: more is due, and each thing once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from storage.tables import OPEN_DELIVERY, deliveries, hosts, sources

TOLERANCE = timedelta(minutes=1)  # machines that share a database differ by seconds


def set_back(conn: sa.Connection, now: datetime, longest_claim: float) -> timedelta | None:
    """Bring what the database planned by a clock that ran ahead of `now` back to `now`; by how much, or None.

    How far the clock was ahead is told by the latest pass. Sources passed over in that future are due now. What was
    queued or put off there comes as long after now as it was to come after that pass. A claim still holds, but no
    longer than `longest_claim` seconds: whoever sends goes on, and what a dead sender held comes free. A host that was
    to be left alone still is, for as long as it was to be then.
    """
    latest = conn.execute(sa.select(sa.func.max(sources.c.last_pass_at))).scalar()
    if latest is None or latest <= now + TOLERANCE:
        return None
    ahead: timedelta = latest - now
    future = sources.c.last_pass_at > now + TOLERANCE
    due = sa.case((sources.c.next_due_at.is_not(None), now))  # one that is not configured any more stays never due
    conn.execute(sources.update().where(future).values(next_due_at=due, last_pass_at=now))
    _free_deliveries(conn, now, latest, timedelta(seconds=longest_claim))
    _bring_back_hosts(conn, now, latest)
    return ahead


def _bring_back_hosts(conn: sa.Connection, now: datetime, latest: datetime) -> None:
    asked, closed = hosts.c.asked_at > now + TOLERANCE, hosts.c.closed_until >= latest
    for row in conn.execute(sa.select(hosts).where(sa.or_(asked, closed))).all():
        until = row.closed_until and row.closed_until - (latest - now)
        moved = {"asked_at": row.asked_at and min(row.asked_at, now), "closed_until": until}
        conn.execute(hosts.update().where(hosts.c.host == row.host).values(moved))


def _free_deliveries(conn: sa.Connection, now: datetime, latest: datetime, longest: timedelta) -> None:
    queued = deliveries.c.created_at > now + TOLERANCE
    put_off = sa.and_(deliveries.c.state == "retrying", deliveries.c.due_at >= latest)
    for row in conn.execute(sa.select(deliveries).where(OPEN_DELIVERY, sa.or_(queued, put_off))).all():
        moved = {"due_at": row.due_at - (latest - now), "created_at": min(row.created_at, now)}
        conn.execute(deliveries.update().where(deliveries.c.id == row.id).values(moved))
    held = deliveries.c.lease_until > now + longest
    conn.execute(deliveries.update().where(OPEN_DELIVERY, held).values(lease_until=now + longest))
