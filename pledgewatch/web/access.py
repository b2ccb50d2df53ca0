"""Who may see what: logins, sessions, tokens, roles, and requests that another site made a browser send.

On loopback the pages are open, and whoever asks is an operator. Elsewhere a person logs in and a program brings a
token. What each address needs stands in `needed`, once, for pages and for the JSON API.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING
from unicodedata import normalize
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from pledgewatch.settings import Web, is_loopback
from storage import access as store
from storage.access import Role
from storage.database import Database

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SESSION_ENDS = timedelta(days=14)
SESSION_IDLE = timedelta(days=2)
TOUCHED = timedelta(hours=1)  # how exactly "last used" is kept: not every look at a page is worth a write
TRIES_BY_NAME, TRIES_BY_ADDRESS = 10, 30
TRIES_WINDOW = timedelta(minutes=15)
KEYS = 10_000  # names and addresses that are counted at a time
HASHES_AT_ONCE = 2  # each takes 64 MiB and a core for a moment
HASH_WAIT = 3.0  # seconds; who has to wait longer is asked to come again
MIN_PASSWORD = 10
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
TOKEN_PREFIX = "pledgewatch_"  # a token that leaked can be searched for

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[\w.@+-]{1,64}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. `name` is None where the pages are open; `session` is the hash of a browser's session.

    `form_key` proves that a form came from a page of ours; it is empty for a token, which sends no forms.
    """

    role: Role
    name: str | None = None
    session: str = ""
    form_key: str = ""

    @property
    def operator(self) -> bool:
        return self.role == "operator"


#: Who asks, while an answer is made; None for somebody unknown.
viewer: ContextVar[Viewer | None] = ContextVar("viewer", default=None)


class TooManyTriesError(Exception):
    """A login was not even tried. `seconds` until it may be."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, round(seconds))


def needed(path: str, method: str) -> Role | None:
    """The role that an address asks for; None for one that is open to all."""
    if path in ("/healthz", "/login", "/type") or path.startswith(("/static/", "/feeds/subscribers/", "/unsubscribe/")):
        return None
    if path.startswith(("/account", "/logout")):
        return "reader"
    page = path.removeprefix("/api/v1")
    if (
        method not in SAFE_METHODS
        or page == "/metrics"
        or re.match(r"/(deliveries|subscribers|subscriptions)(/|$)", page)
    ):
        return "operator"
    return "reader"


def foreign(connection: HTTPConnection, web: Web) -> bool:
    """The request was made by a page of another site. Programs say nothing of where they are, and are not foreign."""
    headers = connection.headers
    if fetch_site := headers.get("sec-fetch-site"):
        return fetch_site not in ("same-origin", "none")
    if (origin := headers.get("origin")) is None:
        return False
    ours = headers.get("host", ""), urlsplit(web.links_base).netloc
    return not any(origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower()) for host in ours if host)


def safe_next(wanted: str) -> str:
    """Where to go after a login: an address of ours as it was asked for, or "/"."""
    local = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if local and wanted.isprintable() and len(wanted) < 2000 else "/"


def prepared(password: str) -> str:
    """A password as it is hashed: the same whichever keyboard or input method wrote it."""
    return normalize("NFKC", password)


def is_name(name: str) -> bool:
    """The name can be an account's or a token's: 1 to 64 letters of any script, digits, and . @ + - _"""
    return _NAME.fullmatch(name) is not None


def fingerprint(secret: str) -> str:
    """What is kept of the secret of a session or token."""
    return sha256(secret.encode()).hexdigest()


class Access:
    """Logins and who is who. `clock` is injected by tests; tries are counted in memory, by each process."""

    def __init__(self, web: Web, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.web, self.database, self.clock = web, database, clock
        self._open_key = secrets.token_urlsafe(32)
        self._by_name = Tries(TRIES_BY_NAME, TRIES_WINDOW)
        self._by_address = Tries(TRIES_BY_ADDRESS, TRIES_WINDOW)
        self._hashing = BoundedSemaphore(HASHES_AT_ONCE)

    @property
    def cookie(self) -> str:
        """The cookie's name; with TLS one that browsers let nobody else on the domain set."""
        return "__Host-pledgewatch" if self.secure else "pledgewatch"

    @property
    def secure(self) -> bool:
        return self.web.links_base.startswith("https://")

    # --- who asks ---

    def who(self, connection: HTTPConnection) -> Viewer | None:
        """Who makes this request, by token, by session, or because the pages are open; None for nobody known."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(token.strip())
        if not self.web.needs_login:
            return Viewer("operator", form_key=self._open_key)
        secret = connection.cookies.get(self.cookie, "")
        return self._by_session(secret) if _SECRET.fullmatch(secret) else None

    def _by_token(self, token: str) -> Viewer | None:
        if not _SECRET.fullmatch(token.removeprefix(TOKEN_PREFIX)):
            return None
        key, now = fingerprint(token), self.clock()
        with self.database.read() as conn:
            found = store.find_token(conn, key)
        if found and (found.used_at is None or found.used_at < now - TOUCHED):
            with self.database.begin() as conn:
                store.touch_token(conn, key, now)
        return Viewer(found.role, found.name) if found else None

    def _by_session(self, secret: str) -> Viewer | None:
        key, now = fingerprint(secret), self.clock()
        with self.database.read() as conn:
            found = store.find_session(conn, key, now, now - SESSION_IDLE)
        if found and found.used_at < now - TOUCHED:
            with self.database.begin() as conn:
                store.touch_session(conn, key, now)
        return Viewer(found.role, found.account, key, fingerprint(f"form {secret}")) if found else None

    # --- logging in ---

    def log_in(self, name: str, password: str, address: str, before: Viewer | None = None) -> str | None:
        """The secret of a new session, or None for a wrong name or password. Ends the session `before`.

        Raises TooManyTriesError. A name that nobody has costs as much as one that somebody has.
        """
        self._count(name, address)
        nobodys = self._nobodys  # made with the first login of all, whosever that is
        with self.database.read() as conn:
            kept = store.password_of(conn, name)
        right = self._verify(kept or nobodys, prepared(password))
        if not kept or not right:
            # A name that nobody has may be a password in the wrong field.
            log.warning("login refused", account=name if kept else None, address=address)
            return None
        self._by_name.forget(name)
        better = self.hash(password) if self._hasher.check_needs_rehash(kept) else None
        secret, now = secrets.token_urlsafe(32), self.clock()
        with self.database.begin() as conn:
            if better:
                store.set_password(conn, name, better)
            if before and before.session:
                store.end_session(conn, before.session)
            store.open_session(conn, fingerprint(secret), name, now, now + SESSION_ENDS)
        log.info("logged in", account=name, address=address)
        return secret

    def change_password(self, who: Viewer, old: str, new: str, address: str) -> bool:
        """Another password for somebody who knows the old one; ends their other sessions. Raises TooManyTriesError."""
        assert who.name is not None
        self._count(who.name, address)
        with self.database.read() as conn:
            kept = store.password_of(conn, who.name)
        if kept is None or not self._verify(kept, prepared(old)):
            return False
        self._by_name.forget(who.name)
        hashed = self.hash(new)
        with self.database.begin() as conn:
            store.set_password(conn, who.name, hashed)
            store.end_sessions(conn, who.name, but=who.session)
        return True

    def log_out(self, who: Viewer) -> None:
        with self.database.begin() as conn:
            store.end_session(conn, who.session)

    def hash(self, password: str) -> str:
        """The password as argon2 keeps it."""
        return self._hasher.hash(prepared(password))

    def _verify(self, kept: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        if not self._hashing.acquire(timeout=HASH_WAIT):
            raise TooManyTriesError(HASH_WAIT)
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._hashing.release()

    def _count(self, name: str, address: str) -> None:
        now = self.clock()
        wait = max(self._by_name.count(name, now), self._by_address.count(address, now))
        if wait:
            log.warning("login put off", address=address, seconds=round(wait))
            raise TooManyTriesError(wait)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher()

    @cached_property
    def _nobodys(self) -> str:
        """The hash of a password that nobody has, of the parameters of all others."""
        return self.hash(secrets.token_urlsafe(32))


class Tries:
    """Counts tries by key in windows of time. Of very many keys the one that was longest quiet is forgotten."""

    def __init__(self, allowed: int, window: timedelta) -> None:
        self._allowed, self._window = allowed, window
        self._windows: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._lock = Lock()

    def count(self, key: str, now: datetime) -> float:
        """Count a try at `now`; the seconds to wait where there were too many, else 0."""
        key = sha256(key.encode("utf-8", "replace")).hexdigest()  # of one size, however long the name
        with self._lock:
            began, tries = self._windows.pop(key, (now, 0))
            if now >= began + self._window:
                began, tries = now, 0
            self._windows[key] = began, tries + 1
            if len(self._windows) > KEYS:
                self._windows.popitem(last=False)
        return 0.0 if tries < self._allowed else (began + self._window - now).total_seconds()

    def forget(self, key: str) -> None:
        with self._lock:
            self._windows.pop(sha256(key.encode("utf-8", "replace")).hexdigest(), None)


def address_of(connection: HTTPConnection, web: Web) -> str:
    """Whom tries are counted for. Behind a proxy on this machine, whoever the proxy says asked it last."""
    peer = connection.client.host if connection.client else ""
    told = Headers(scope=connection.scope).get("x-forwarded-for", "").rpartition(",")[2].strip()
    return told if told and web.base_url and is_loopback(peer) else peer


def is_local(connection: HTTPConnection, web: Web) -> bool:
    """The request comes from this machine and not through a proxy on it."""
    peer = connection.client.host if connection.client else ""
    return web.base_url is None and is_loopback(peer) and "x-forwarded-for" not in connection.headers
