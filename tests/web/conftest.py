"""A filled archive on SQLite and its pages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import (  # noqa: F401
    database,
    database_url,
    postgresql,
    postgresql_url,
    sqlite_template,
    sqlite_url,
)
from web_samples import BASE, fill, settings

from pledgewatch.web import create_app
from storage.database import Database, open_database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a successor of httpx that the project does not need
    from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:  # noqa: F811
    """The samples' archive. Pages only read, so one serves all tests."""
    path = tmp_path_factory.mktemp("web") / "pledgewatch.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = open_database(f"sqlite:///{path}")
    with opened.begin() as conn:
        fill(conn)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def web(filled: Database) -> TestClient:
    """The pages in Chinese over the samples' archive."""
    return TestClient(create_app(settings(), filled), base_url=BASE)


@pytest.fixture
def empty(sqlite_url: str) -> Iterator[Database]:  # noqa: F811
    """An archive without anything in it."""
    opened = open_database(sqlite_url)
    yield opened
    opened.close()
