"""Fresh databases for tests: `database` (migrated, once on SQLite and once on PostgreSQL) and `empty_url`.

PostgreSQL is the server at PLEDGEWATCH_TEST_POSTGRES, by default one on this machine that trusts its users.
Where none answers the tests on it are skipped by name; with PLEDGEWATCH_REQUIRE_ALL=1 they fail. A test file's
`conftest.py` imports the fixtures that it uses and those that they use.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from storage import migrations
from storage.database import Database, open_database
from storage.tables import metadata

SERVER = os.environ.get("PLEDGEWATCH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def _administer(statement: str, *names: str, database: str | None = None) -> None:
    """Run a statement on the server, or in one of its databases; {} stands for the names in turn."""
    with psycopg.connect(SERVER, dbname=database, autocommit=True, connect_timeout=3) as conn:
        conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _url_of(name: str) -> str:
    url = make_url(SERVER).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The name of a database on the server, made for this run.

    Dropping one takes half a second, so the tests share it and empty it before use.
    """
    try:
        _administer("SELECT 1")
    except psycopg.OperationalError as error:
        if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
            pytest.fail(f"PostgreSQL is required and does not answer: {error}")
        pytest.skip("no PostgreSQL at PLEDGEWATCH_TEST_POSTGRES or on this machine")
    name = f"pledgewatch_test_{uuid4().hex[:12]}"
    _administer("CREATE DATABASE {}", name)
    yield name
    _administer("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    open_database(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
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
        _administer("TRUNCATE alembic_version", database=postgresql)
        _administer(f"INSERT INTO alembic_version VALUES ('{migrations.HEAD}')", database=postgresql)
    except psycopg.errors.UndefinedTable:  # the first test of all, or one that took the tables down
        _administer("DROP SCHEMA public CASCADE; CREATE SCHEMA public", database=postgresql)
    open_database(_url_of(postgresql)).close()
    return _url_of(postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows, on either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows, on either kind."""
    opened = open_database(database_url)
    yield opened
    opened.close()
