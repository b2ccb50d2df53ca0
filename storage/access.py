"""Who may enter: accounts of people, their sessions, and tokens for programs.

Of the secrets of sessions and tokens only a hash is kept: a copy of the database lets nobody in. They are 256
random bits, so a plain SHA-256 of them can be looked up and not be guessed; passwords come here as argon2 made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from storage.database import insert_into
from storage.tables import accounts, sessions, tokens

Role = Literal["reader", "operator"]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who logs in. An operator may also start passes and see what subscribers get."""

    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has logged in, and when it was last heard of."""

    account: str
    role: Role
    used_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A program's way in. `used_at` is None until it is used, and then right to the hour."""

    name: str
    role: Role
    created_at: datetime
    used_at: datetime | None


# --- accounts -------------------------------------------------------------------------------------------------


def add_account(conn: sa.Connection, name: str, role: Role, password: str, now: datetime) -> bool:
    """A new account; False where the name is taken. `password` is its argon2 hash."""
    insert = insert_into(conn, accounts).values(name=name, role=role, password=password, created_at=now)
    return conn.execute(insert.on_conflict_do_nothing().returning(accounts.c.name)).first() is not None


def list_accounts(conn: sa.Connection) -> list[Account]:
    query = sa.select(*(accounts.c[name] for name in Account.__slots__)).order_by(accounts.c.name)
    return [Account(**row._mapping) for row in conn.execute(query)]


def has_accounts(conn: sa.Connection) -> bool:
    return conn.execute(sa.select(accounts.c.name).limit(1)).first() is not None


def password_of(conn: sa.Connection, name: str) -> str | None:
    """The argon2 hash of an account's password, or None where there is no such account."""
    found: str | None = conn.execute(sa.select(accounts.c.password).where(accounts.c.name == name)).scalar()
    return found


def set_password(conn: sa.Connection, name: str, password: str) -> bool:
    """Keep another hash; False where there is no such account. Sessions are left as they are."""
    return conn.execute(accounts.update().where(accounts.c.name == name).values(password=password)).rowcount == 1


def remove_account(conn: sa.Connection, name: str) -> bool:
    """End the account with its sessions; False where there is none."""
    end_sessions(conn, name)
    return conn.execute(accounts.delete().where(accounts.c.name == name)).rowcount == 1


# --- sessions -------------------------------------------------------------------------------------------------


def open_session(conn: sa.Connection, sha256: str, account: str, now: datetime, expires_at: datetime) -> None:
    """A new session. Those that have expired, of whomever, are cleared away on the way."""
    conn.execute(sessions.delete().where(sessions.c.expires_at <= now))
    conn.execute(sessions.insert(), {"sha256": sha256, "account": account, "expires_at": expires_at, "used_at": now})


def find_session(conn: sa.Connection, sha256: str, now: datetime, idle_since: datetime) -> Session | None:
    """The session with this hash, unless it has expired by `now` or was last used before `idle_since`."""
    query = (
        sa.select(sessions.c.account, accounts.c.role, sessions.c.used_at)
        .join(accounts, accounts.c.name == sessions.c.account)
        .where(sessions.c.sha256 == sha256, sessions.c.expires_at > now, sessions.c.used_at > idle_since)
    )
    row = conn.execute(query).first()
    return Session(**row._mapping) if row else None


def touch_session(conn: sa.Connection, sha256: str, now: datetime) -> None:
    conn.execute(sessions.update().where(sessions.c.sha256 == sha256).values(used_at=now))


def end_session(conn: sa.Connection, sha256: str) -> None:
    conn.execute(sessions.delete().where(sessions.c.sha256 == sha256))


def end_sessions(conn: sa.Connection, account: str, but: str | None = None) -> None:
    """End all sessions of an account but the one with the hash `but`."""
    conn.execute(sessions.delete().where(sessions.c.account == account, sessions.c.sha256 != (but or "")))


# --- tokens ---------------------------------------------------------------------------------------------------


def add_token(conn: sa.Connection, name: str, role: Role, sha256: str, now: datetime) -> bool:
    """A new token; False where the name is taken."""
    insert = insert_into(conn, tokens).values(name=name, role=role, sha256=sha256, created_at=now)
    return conn.execute(insert.on_conflict_do_nothing().returning(tokens.c.name)).first() is not None


def list_tokens(conn: sa.Connection) -> list[Token]:
    return [Token(**row._mapping) for row in conn.execute(_TOKENS.order_by(tokens.c.name))]


def find_token(conn: sa.Connection, sha256: str) -> Token | None:
    row = conn.execute(_TOKENS.where(tokens.c.sha256 == sha256)).first()
    return Token(**row._mapping) if row else None


def touch_token(conn: sa.Connection, sha256: str, now: datetime) -> None:
    conn.execute(tokens.update().where(tokens.c.sha256 == sha256).values(used_at=now))


def remove_token(conn: sa.Connection, name: str) -> bool:
    """End the token; False where there is none of that name."""
    return conn.execute(tokens.delete().where(tokens.c.name == name)).rowcount == 1


_TOKENS = sa.select(*(tokens.c[name] for name in Token.__slots__))
