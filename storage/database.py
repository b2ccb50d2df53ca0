"""Opening the database, and the two kinds of transaction.

`begin()` writes: on SQLite it takes the write lock at once, so that two writers queue instead of failing half
way. `read()` sees one state of the database from beginning to end and refuses to write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from storage import migrations
from storage.columns import dump_json
from storage.errors import StorageError as StorageError

BUSY_SECONDS = 10.0  # how long a writer waits for another one before it gives up
REST_SECONDS = 1.0  # after which a server may have ended a connection unnoticed

Insert = sqlite.Insert | postgresql.Insert


class Database:
    """An engine with the project's two transactions. Safe to share between threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.where = engine.url.render_as_string(hide_password=True)
        self._writer = engine.execution_options(pledgewatch_write=True)
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = engine.execution_options(**(options if self.dialect == "postgresql" else {}))

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A write transaction: committed at the end of the block, rolled back on any exception."""
        with self._translated(), self._writer.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction over one state of the database."""
        with self._translated(), self._reader.begin() as conn:
            yield conn

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        driver = self.engine.dialect.dbapi
        assert driver is not None
        try:
            yield
        except (driver.OperationalError, driver.InterfaceError, driver.InternalError) as error:
            raise StorageError(explain(error, self.where)) from error
        except (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError) as error:
            raise StorageError(explain(error, self.where)) from error
        except exc.DatabaseError as error:
            # Damage comes as a plain DatabaseError; its subclasses (integrity, syntax) are mistakes of ours.
            if type(error) is not exc.DatabaseError:
                raise
            raise StorageError(explain(error, self.where)) from error


def open_database(url: str) -> Database:
    """The database at `url` ("sqlite:///file.db", "postgresql+psycopg://…"), with its tables up to date.

    Creates an SQLite file where there is none. Raises StorageError where the database cannot be opened, its folder
    is missing, it is damaged, or was written by a newer version of the program.
    """
    return _brought_up_to_date(Database(make_engine(url)))


def empty_database() -> Database:
    """An archive with nothing in it, in memory: what there is to read before one was begun."""
    engine = sa.create_engine("sqlite://", json_serializer=dump_json, poolclass=sa.StaticPool)
    _set_up_sqlite(engine)
    return _brought_up_to_date(Database(engine))


def _brought_up_to_date(database: Database) -> Database:
    try:
        with database._translated():
            migrations.upgrade_if_old(database.engine)
    except BaseException:
        database.close()
        raise
    return database


def make_engine(url: str) -> sa.Engine:
    """An engine with the pragmas and transactions set up, without looking at what the database holds."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise StorageError("no database URL; one looks like sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    match parsed.get_backend_name():
        case "sqlite":
            return _sqlite_engine(parsed)
        case "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            engine = sa.create_engine(parsed, json_serializer=dump_json)
            _ping_after_rest(engine)
            return engine
        case other:
            raise StorageError(f"no database of the kind {other!r} is known, only sqlite and postgresql")


def insert_into(conn: sa.Connection, table: sa.Table) -> Any:
    """An INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update` on either database."""
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


class Prepared:
    """A Core statement for a hot path: compiled once per database, then run by the driver itself.

    Values pass through their column types as ever; the answer comes as the driver gives it, so ask only for
    text and numbers. Recording one 304 took 1.5 ms of a slow core through SQLAlchemy, and takes 0.5 so.
    """

    def __init__(self, statement: sa.ClauseElement) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def run(self, conn: sa.Connection, values: Mapping[str, Any]) -> Any:
        """The first row of the answer, or None. `conn` must be inside a transaction."""
        assert conn.in_transaction()
        form = self._forms.get(conn.dialect.name)
        if form is None:
            form = self._forms[conn.dialect.name] = _form(self._statement, conn.dialect)
        cursor = conn.connection.cursor()
        try:
            cursor.execute(form.sql, form.bind(values))
            return cursor.fetchone() if cursor.description else None
        finally:
            cursor.close()


@dataclass(frozen=True, slots=True)
class _Form:
    sql: str
    positional: bool
    processors: tuple[tuple[str, Callable[[Any], Any] | None], ...]

    def bind(self, values: Mapping[str, Any]) -> Any:
        bound = [values[name] if process is None else process(values[name]) for name, process in self.processors]
        return bound if self.positional else dict(zip(self.names, bound, strict=True))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.processors]


def _form(statement: sa.ClauseElement, dialect: sa.Dialect) -> _Form:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, sa.sql.compiler.SQLCompiler)
    names = compiled.positiontup if compiled.positional else list(compiled.binds)
    types = {name: bind.type.dialect_impl(dialect) for name, bind in compiled.binds.items()}
    return _Form(
        compiled.string,
        compiled.positional,
        tuple((name, types[name].bind_processor(dialect)) for name in names or ()),
    )


def explain(error: BaseException, where: str) -> str:
    """What went wrong with the database at `where`, and what an operator can do about it."""
    said = str(getattr(error, "orig", None) or error).strip()
    for sign, advice in _ADVICE:
        if sign in said.lower():
            return f"{where}: {said}; {advice}"
    return f"{where}: {said}"


_ADVICE = (
    ("locked", "another program is writing to it: end that one, or wait and try again"),
    ("full", "the disk or its quota is full: make room; nothing was written by half"),
    ("no space", "the disk is full: make room; nothing was written by half"),
    ("malformed", "the file is damaged: stop, keep it, and restore the last backup"),
    ("not a database", "the file is something else: check storage.url"),
    ("unable to open", "check that the folder exists and may be written to"),
    ("readonly", "the file or its folder may not be written to: check their owner and mode"),
    ("read-only", "the database may only be read: write in begin(), or check its permissions"),
    ("disk i/o", "the disk failed or vanished: check it before going on"),
    ("refused", "the server does not answer: check storage.url and that it runs"),
    ("timed out", "the server does not answer: check storage.url and that it runs"),
    ("does not exist", "create it, or check storage.url"),
)


def _sqlite_engine(url: URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise StorageError("this names no file, and an archive in memory would be lost; write sqlite:///FILE")
    path = Path(url.database).expanduser()
    if not path.parent.is_dir():  # not mounted, or a slip in the name: an archive there would be a second one
        raise StorageError(f"{path.parent}: there is no such folder; make it, or choose another folder")
    engine = sa.create_engine(
        url.set(database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False, "cached_statements": 256},
        json_serializer=dump_json,
    )
    _set_up_sqlite(engine)
    return engine


def _ping_after_rest(engine: sa.Engine) -> None:
    """Ask a connection that rested whether it still stands, else take a new one.

    Before every transaction, as `pool_pre_ping` does it, the question was one of the eight round trips of a page.
    """

    def came_back(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    def goes_out(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rests_since", inf) > REST_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise exc.DisconnectionError(str(error)) from error

    sa.event.listen(engine, "checkin", came_back)
    sa.event.listen(engine, "checkout", goes_out)


def _set_up_sqlite(engine: sa.Engine) -> None:
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is deferred and skips DDL; ours is below
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(conn: sa.Connection) -> None:
    write = conn.get_execution_options().get("pledgewatch_write", False)
    cursor = conn.connection.cursor()
    cursor.execute(f"PRAGMA query_only = {'OFF' if write else 'ON'}")
    # IMMEDIATE, because a reader that turns writer later fails at once when somebody wrote in between.
    cursor.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    cursor.close()
