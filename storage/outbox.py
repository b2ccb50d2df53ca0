"""Deliveries: queued with the change that causes them, claimed with a lease, recorded after sending.

A claim is a conditional update, so that two senders never get the same delivery while its lease holds, nor serve
one channel at the same time. A sender that dies leaves its lease to run out; the delivery is then sent once more,
never lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from storage.columns import AnyRow
from storage.database import Database, insert_into
from storage.identity import short_key
from storage.records import Delivery, DeliveryState
from storage.tables import OPEN_DELIVERY, deliveries, delivery_events, readers

_CLAIM_LOCK = 7_024_983


def queue(
    conn: sa.Connection,
    subscriber: str,
    channel: str,
    event_ids: Sequence[int],
    due_at: datetime,
    group_key: str,
    now: datetime,
) -> int | None:
    """Queue one message about these events; its id, or None where this group was queued before.

    `group_key` names what the message is about (a version, a day's digest): the database takes each
    (subscriber, channel, group_key) once, so queueing twice is harmless.
    """
    row = {
        "subscriber": subscriber,
        "channel": channel,
        "group_key": short_key(group_key),
        "due_at": due_at,
        "created_at": now,
    }
    insert = insert_into(conn, deliveries).on_conflict_do_nothing().returning(deliveries.c.id)
    id: int | None = conn.execute(insert, row).scalar()
    if id is not None and event_ids:
        rows = [{"delivery_id": id, "position": i, "event_id": e} for i, e in enumerate(event_ids)]
        conn.execute(delivery_events.insert(), rows)
    return id


def claim(
    db: Database,
    now: datetime,
    limit: int,
    lease: float,
    token: str,
    skip: Collection[str] = (),
    only: tuple[str, str] | None = None,
) -> list[Delivery]:
    """Take up to `limit` due deliveries for `lease` seconds, the longest overdue first.

    Among them are those whose sender's lease ran out. `token` names the sender. Channels on which another one holds
    a lease are left out, and so are those in `skip`, which are at work already; with `only`, all but one
    (subscriber, channel). `attempts` counts this attempt too.
    """
    with db.begin() as conn:
        _lock_claims(conn)
        others: set[str] = set()
        while more := set(conn.scalars(_served(_due(now, limit, {*skip, *others}, only), now, token))):
            others |= more
        due = _due(now, limit, {*skip, *others}, only)
        taken = conn.execute(_claim(due, now + timedelta(seconds=lease), token))
        ids = taken.scalars().all()
        return _load(conn, deliveries.c.id.in_(ids)) if ids else []


def release_claim(conn: sa.Connection, ids: Sequence[int], token: str, due_at: datetime | None = None) -> None:
    """Give claimed deliveries back untried; with `due_at`, to be sent no earlier."""
    later = {"due_at": due_at} if due_at else {}
    conn.execute(
        deliveries.update()
        .where(deliveries.c.id.in_(ids), _held(token))
        .values(attempts=deliveries.c.attempts - 1, **_FREE, **later)
    )


def release_all(conn: sa.Connection, token: str) -> None:
    """Give back untried whatever this sender still holds."""
    held = deliveries.update().where(OPEN_DELIVERY, _held(token))
    conn.execute(held.values(attempts=deliveries.c.attempts - 1, **_FREE))


def still_wanted(conn: sa.Connection, ids: Sequence[int], token: str) -> set[int]:
    """Those that are claimed under this token, and whose reader has not left."""
    left = sa.exists().where(
        readers.c.subscriber == deliveries.c.subscriber,
        readers.c.channel == deliveries.c.channel,
        readers.c.left_at.is_not(None),
    )
    held = sa.select(deliveries.c.id).where(deliveries.c.id.in_(ids), _held(token), ~left)
    return set(conn.execute(held).scalars())


def cancel(conn: sa.Connection, subscriber: str, channel: str, reason: str) -> int:
    """End what waits for this channel, claimed or not; how many. A message under way may still arrive, and is
    then recorded as sent."""
    waiting = deliveries.update().where(
        deliveries.c.subscriber == subscriber, deliveries.c.channel == channel, OPEN_DELIVERY
    )
    return conn.execute(waiting.values(state="dead", last_error=reason, **_FREE)).rowcount


def sent_since(conn: sa.Connection, subscriber: str, channel: str, since: datetime) -> list[datetime]:
    """When messages went to this channel since then, the oldest first; a digest of many deliveries is one."""
    moments = (
        sa.select(deliveries.c.sent_at)
        .where(deliveries.c.subscriber == subscriber, deliveries.c.channel == channel, deliveries.c.sent_at >= since)
        .distinct()
        .order_by(deliveries.c.sent_at)
    )
    return list(conn.execute(moments).scalars())


def record_sent(conn: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """The messages went out. True whatever became of the lease meanwhile, so no token is asked."""
    conn.execute(
        deliveries.update()
        .where(deliveries.c.id.in_(ids), deliveries.c.state != "sent")
        .values(state="sent", sent_at=now, last_error=None, **_FREE)
    )


def record_retry(conn: sa.Connection, due: Mapping[int, datetime], token: str, error: str) -> None:
    """The attempt failed; try each again when it is due. Nothing happens where the claim is not ours any more."""
    again = (
        deliveries.update()
        .where(deliveries.c.id == sa.bindparam("one"), _held(token))
        .values(state="retrying", last_error=error, due_at=sa.bindparam("next"), **_FREE)
    )
    if due:
        conn.execute(again, [{"one": id, "next": moment} for id, moment in due.items()])


def record_dead(conn: sa.Connection, ids: Sequence[int], token: str, error: str) -> None:
    """The attempt failed and no other will do better. Nothing happens where the claim is lost."""
    values = {"state": "dead", "last_error": error, **_FREE}
    conn.execute(deliveries.update().where(deliveries.c.id.in_(ids), _held(token)).values(values))


def retry(conn: sa.Connection, id: int, now: datetime) -> bool:
    """Send a dead or waiting delivery now; False where there is no such delivery or it was sent."""
    again = (
        deliveries.update()
        .where(deliveries.c.id == id, deliveries.c.state != "sent")
        .values(state="pending", due_at=now)
    )
    return conn.execute(again).rowcount == 1


def list_deliveries(
    conn: sa.Connection,
    *,
    state: DeliveryState | None = None,
    subscriber: str | None = None,
    since: int = 0,
    limit: int | None = None,
) -> list[Delivery]:
    """The deliveries with an id above `since` to which the filters apply, oldest first."""
    wanted = [deliveries.c.id > since]
    if state is not None:
        wanted.append(deliveries.c.state == state)
    if subscriber is not None:
        wanted.append(deliveries.c.subscriber == subscriber)
    chosen = sa.select(deliveries.c.id).where(*wanted).order_by(deliveries.c.id).limit(limit)
    return sorted(_load(conn, deliveries.c.id.in_(chosen)), key=lambda delivery: delivery.id)


def delivery_by_id(conn: sa.Connection, id: int) -> Delivery | None:
    found = _load(conn, deliveries.c.id == id)
    return found[0] if found else None


def count_due(conn: sa.Connection, now: datetime) -> int:
    """How many deliveries wait to be sent, claimed ones included."""
    due = sa.select(sa.func.count()).where(OPEN_DELIVERY, deliveries.c.due_at <= now)
    return int(conn.execute(due.select_from(deliveries)).scalar_one())


_FREE: dict[str, Any] = {"lease_until": None, "lease_token": None}


def _lock_claims(conn: sa.Connection) -> None:
    """One claim at a time: two that began together would each see the channel free, and take different deliveries
    of it. SQLite lets one writer in by itself."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_CLAIM_LOCK)))


def _due(
    now: datetime, limit: int, skip: Collection[str] = (), only: tuple[str, str] | None = None
) -> sa.Select[int, str]:
    """What may be claimed, the longest overdue first."""
    free = sa.or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now)
    due = (
        sa.select(deliveries.c.id, deliveries.c.channel)
        .where(OPEN_DELIVERY, deliveries.c.due_at <= now, free)
        .order_by(deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
    )
    if skip:
        due = due.where(deliveries.c.channel.not_in(skip))
    if only:
        due = due.where(deliveries.c.subscriber == only[0], deliveries.c.channel == only[1])
    return due


def _served(due: sa.Select[int, str], now: datetime, token: str) -> sa.Select[str]:
    """The channels of what is due that another sender is serving: each is looked at once, along its own index."""
    channel = sa.select(due.subquery().c.channel).distinct().subquery()
    other = deliveries.alias("other")
    held = sa.exists().where(
        other.c.channel == channel.c.channel,
        other.c.state.in_(("pending", "retrying")),
        other.c.lease_until > now,
        other.c.lease_token != token,
    )
    return sa.select(channel.c.channel).where(held)


def _claim(due: sa.Select[int, str], until: datetime, token: str) -> sa.Update:
    # A CTE, because PostgreSQL may run a plain subquery with LIMIT more than once and lock too many rows.
    chosen = due.with_for_update(skip_locked=True).cte("due")
    return (
        deliveries.update()
        .where(deliveries.c.id.in_(sa.select(chosen.c.id)))
        .values(lease_until=until, lease_token=token, attempts=deliveries.c.attempts + 1)
        .returning(deliveries.c.id)
    )


def _held(token: str) -> sa.ColumnElement[bool]:
    return deliveries.c.lease_token == token


def _load(conn: sa.Connection, where: sa.ColumnElement[bool]) -> list[Delivery]:
    order = (deliveries.c.due_at, deliveries.c.id)
    rows = conn.execute(
        sa.select(deliveries, delivery_events.c.event_id)
        .outerjoin(delivery_events, delivery_events.c.delivery_id == deliveries.c.id)
        .where(where)
        .order_by(*order, delivery_events.c.position)
    )
    return [_delivery(list(group)) for _, group in groupby(rows, key=lambda row: row.id)]


def _delivery(rows: list[AnyRow]) -> Delivery:
    row = rows[0]
    return Delivery(
        id=row.id,
        subscriber=row.subscriber,
        channel=row.channel,
        events=tuple(r.event_id for r in rows if r.event_id is not None),
        state=row.state,
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=row.created_at,
        sent_at=row.sent_at,
        due_at=row.due_at,
    )
