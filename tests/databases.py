"""Fresh databases for tests: `database` (migrated, once on SQLite and once on PostgreSQL), `empty_url`, `url_at`.

PostgreSQL is the server at PLEDGEWATCH_TEST_POSTGRES, else one on this machine that trusts its users, else one that
is started for this run from the installed programs, in a temporary folder. Where none can be had the tests on it are
skipped by name; with PLEDGEWATCH_REQUIRE_ALL=1 they fail. PLEDGEWATCH_TEST_DATABASE=postgresql runs every test on
PostgreSQL that else takes a file of its own, and those that run on either only there; =sqlite needs no server.
A test file's `conftest.py` imports the fixtures that it uses and those that they use.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from storage import migrations
from storage.database import Database, open_database
from storage.tables import metadata

ONLY = os.environ.get("PLEDGEWATCH_TEST_DATABASE", "")
KINDS = [ONLY] if ONLY else ["sqlite", "postgresql"]
_LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"
_RUN = uuid4().hex[:12]
_users: Counter[Path] = Counter()


@cache
def server() -> str:
    """The URL of a PostgreSQL server on which databases may be made. Raises psycopg.OperationalError for none."""
    named = os.environ.get("PLEDGEWATCH_TEST_POSTGRES")
    try:
        psycopg.connect(named or _LOCAL, connect_timeout=3).close()
    except psycopg.OperationalError:
        if named or not (binaries := _binaries()):
            raise
        return _start_server(binaries)
    return named or _LOCAL


def _binaries() -> Path | None:
    """Where the newest installed server's programs are."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    places = [*known, *([Path(on_path).parent] if on_path else [])]
    return next((p for p in places if (p / "initdb").exists() and (p / "pg_ctl").exists()), None)


def _start_server(binaries: Path) -> str:
    """A server for this run alone, in a folder that vanishes with it. It refuses to run as root: then as nobody."""
    folder = Path(tempfile.mkdtemp(prefix="pledgewatch-postgresql-"))
    user: dict[str, str] = {}
    if os.geteuid() == 0:
        user = {"user": "nobody"}
        shutil.chown(folder, "nobody")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def call(program: str, *words: str) -> None:
        command = [binaries / program, "-D", folder / "data", *words]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60, **user)  # type: ignore[call-overload]

    call("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C", "-N")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(call, "pg_ctl", "stop", "-m", "immediate")
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def _administer(statement: str, *names: str, database: str | None = None) -> None:
    """Run a statement on the server, or in one of its databases; {} stands for the names in turn."""
    with psycopg.connect(server(), dbname=database, autocommit=True, connect_timeout=3) as conn:
        conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _url_of(name: str) -> str:
    url = make_url(server()).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@cache
def _template() -> str:
    """The name of a migrated database that others are copied from."""
    name = f"pledgewatch_test_{_RUN}"
    _administer("CREATE DATABASE {}", name)
    atexit.register(_administer, "DROP DATABASE {} WITH (FORCE)", name)
    open_database(_url_of(name)).close()
    return name


def url_at(path: Path) -> str:
    """The URL of the database that a test keeps at `path`: an SQLite file, or the one that stands for it.

    Whoever asks for the same path gets the same database; the last to `give_up` the path ends it.
    """
    if ONLY != "postgresql":
        return f"sqlite:///{path}"
    if not _users[path]:
        _administer("CREATE DATABASE {} TEMPLATE {}", _name_at(path), _template())
    _users[path] += 1
    return _url_of(_name_at(path))


def give_up(path: Path) -> None:
    """The database at `path` is needed no more by one of those who asked for it."""
    if not _users[path]:
        return
    _users[path] -= 1
    if not _users[path]:
        _administer("DROP DATABASE {} WITH (FORCE)", _name_at(path))


def _name_at(path: Path) -> str:
    return f"pledgewatch_test_{_RUN}_{sha256(bytes(path)).hexdigest()[:12]}"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The name of a database on the server, made for this run; the tests share it and empty it before use."""
    try:
        server()
    except psycopg.OperationalError as error:
        if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
            pytest.fail(f"PostgreSQL is required and does not answer: {error}")
        pytest.skip("no PostgreSQL at PLEDGEWATCH_TEST_POSTGRES or on this machine")
    name = f"pledgewatch_test_{_RUN}_{uuid4().hex[:6]}"  # each folder that imports this fixture has its own
    _administer("CREATE DATABASE {}", name)
    yield name
    _administer("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    name = str(request.getfixturevalue("postgresql"))
    _administer("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=name)
    return _url_of(name)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file."""
    path = shutil.copy(sqlite_template, tmp_path / "pledgewatch.db")
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """The URL of a migrated PostgreSQL database without rows."""
    try:
        tables = ", ".join(["{}"] * len(metadata.tables))
        _administer(f"TRUNCATE {tables} RESTART IDENTITY", *metadata.tables, database=postgresql)
        _administer("TRUNCATE alembic_version, search", database=postgresql)
        _administer(f"INSERT INTO alembic_version VALUES ('{migrations.HEAD}')", database=postgresql)
    except psycopg.errors.UndefinedTable:  # the first test of all, or one that took the tables down
        _administer("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=postgresql)
    open_database(_url_of(postgresql)).close()
    return _url_of(postgresql)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows, on either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows, on either kind."""
    opened = open_database(database_url)
    yield opened
    opened.close()
