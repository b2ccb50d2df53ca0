"""Fresh databases for tests: `database` (migrated, once on SQLite and once on PostgreSQL) and `empty_url`.

PostgreSQL is the server at PLEDGEWATCH_TEST_POSTGRES, by default one on this machine that trusts its users.
Where none answers the tests on it are skipped by name; with PLEDGEWATCH_REQUIRE_ALL=1 they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from storage.database import Database, open_database

SERVER = os.environ.get("PLEDGEWATCH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


def _administer(statement: str, *names: str) -> None:
    with psycopg.connect(SERVER, autocommit=True, connect_timeout=3) as conn:
        conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _url_of(name: str) -> str:
    url = make_url(SERVER).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[..., str]]:
    """Makes databases on the server, from a template where one is named; all are dropped at the end."""
    try:
        _administer("SELECT 1")
    except psycopg.OperationalError as error:
        if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
            pytest.fail(f"PostgreSQL is required and does not answer: {error}")
        pytest.skip("no PostgreSQL at PLEDGEWATCH_TEST_POSTGRES or on this machine")
    made: list[str] = []

    def make(template: str = "template1") -> str:
        made.append(f"pledgewatch_test_{uuid4().hex[:12]}")
        _administer("CREATE DATABASE {} TEMPLATE {}", made[-1], template)
        return made[-1]

    yield make
    for name in made:
        _administer("DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def postgresql_template(postgresql: Callable[..., str]) -> str:
    name = postgresql()
    open_database(_url_of(name)).close()
    return name


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
    return _url_of(request.getfixturevalue("postgresql")())


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a migrated SQLite file."""
    path = shutil.copy(sqlite_template, tmp_path / "pledgewatch.db")
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database without rows, on either kind."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    template = request.getfixturevalue("postgresql_template")
    return _url_of(request.getfixturevalue("postgresql")(template))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database without rows, on either kind."""
    opened = open_database(database_url)
    yield opened
    opened.close()
