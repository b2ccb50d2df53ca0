"""What readers hold: an unguessable token for each of their channels and for their feed, and which they left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe

import sqlalchemy as sa

from storage.database import Database, insert_into
from storage.tables import readers

FEED = "feed"  #: in the place of a channel: the subscriber's Atom feed
_TOKEN_BYTES = 24

Place = tuple[str, str]  #: subscriber and channel


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a token belongs to. `left_at`: since when nothing more is sent to this channel."""

    subscriber: str
    channel: str
    token: str
    left_at: datetime | None


def token_for(db: Database, subscriber: str, channel: str, now: datetime) -> str:
    """The token of this place, made where it has none."""
    token = sa.select(readers.c.token).where(*_at(subscriber, channel))
    with db.read() as conn:
        known: str | None = conn.execute(token).scalar()
    if known is None:
        with db.begin() as conn:
            make_tokens(conn, [(subscriber, channel)], now)
            known = conn.execute(token).scalar_one()
    return known


def make_tokens(conn: sa.Connection, places: Iterable[Place], now: datetime) -> None:
    """Give a token to each of these places that has none."""
    rows = [{"subscriber": s, "channel": c, "token": _token(), "made_at": now} for s, c in places]
    if rows:
        conn.execute(insert_into(conn, readers).on_conflict_do_nothing(), rows)


def renew(conn: sa.Connection, subscriber: str, channel: str, now: datetime) -> str:
    """A new token in place of the old one, which is worth nothing from now on."""
    make_tokens(conn, [(subscriber, channel)], now)
    token = _token()
    conn.execute(readers.update().where(*_at(subscriber, channel)).values(token=token, made_at=now))
    return token


def by_token(conn: sa.Connection, token: str) -> Reader | None:
    row = conn.execute(sa.select(readers).where(readers.c.token == token)).first()
    return Reader(row.subscriber, row.channel, row.token, row.left_at) if row else None


def leave(conn: sa.Connection, subscriber: str, channel: str, now: datetime) -> bool:
    """Nothing more is to be sent there; False where that was so before."""
    there = readers.update().where(*_at(subscriber, channel), readers.c.left_at.is_(None))
    return conn.execute(there.values(left_at=now)).rowcount == 1


def resume(conn: sa.Connection, subscriber: str, channel: str) -> bool:
    """Undo `leave`; False where there was nothing to undo."""
    there = readers.update().where(*_at(subscriber, channel), readers.c.left_at.is_not(None))
    return conn.execute(there.values(left_at=None)).rowcount == 1


def left_places(conn: sa.Connection) -> Mapping[Place, datetime]:
    """Where nothing may be sent any more, and since when."""
    gone = sa.select(readers.c.subscriber, readers.c.channel, readers.c.left_at).where(readers.c.left_at.is_not(None))
    return {(row.subscriber, row.channel): row.left_at for row in conn.execute(gone)}


def _token() -> str:
    return token_urlsafe(_TOKEN_BYTES)


def _at(subscriber: str, channel: str) -> tuple[sa.ColumnElement[bool], ...]:
    return readers.c.subscriber == subscriber, readers.c.channel == channel
