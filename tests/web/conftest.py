"""A filled archive and its pages."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import (  # noqa: F401
    database,
    database_url,
    give_up,
    postgresql,
    postgresql_url,
    sqlite_template,
    sqlite_url,
    url_at,
)
from live import Service, Visit, require_chromium, running_browser, running_service, visit
from playwright.sync_api import Browser, StorageState
from web_access import PASSWORD, QUICK, TOKENS, at_browser, closed_settings
from web_samples import BASE, NOW, fill, settings

from pledgewatch.web import create_app
from pledgewatch.web.access import fingerprint
from storage import access
from storage.database import Database, open_database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a successor of httpx that the project does not need
    from starlette.testclient import TestClient


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The samples' archive. Pages only read, so one serves all tests."""
    path = tmp_path_factory.mktemp("web") / "pledgewatch.db"
    opened = open_database(url_at(path))
    with opened.begin() as conn:
        fill(conn)
    yield opened
    opened.close()
    give_up(path)


@pytest.fixture(scope="session")
def web(filled: Database) -> TestClient:
    """The pages in Chinese over the samples' archive."""
    return TestClient(create_app(settings(), filled), base_url=BASE)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """An archive without anything in it."""
    path = tmp_path / "empty.db"
    opened = open_database(url_at(path))
    yield opened
    opened.close()
    give_up(path)


@pytest.fixture
def entered(empty: Database) -> Database:
    """The samples' archive with two accounts and two tokens, for a test to write into."""
    with empty.begin() as conn:
        fill(conn)
        for name, role in (("reader", "reader"), ("王芳", "operator")):
            access.add_account(conn, name, role, QUICK.hash(PASSWORD), NOW)  # type: ignore[arg-type]
            access.add_token(conn, name, role, fingerprint(TOKENS[name]), NOW)  # type: ignore[arg-type]
    return empty


@pytest.fixture
def closed(entered: Database) -> TestClient:
    """The pages where a login is needed, for somebody with a browser who has not logged in."""
    return at_browser(create_app(closed_settings(), entered))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module, not for all: while it is there, its event loop runs in this thread, and asyncio.run cannot."""
    yield from running_browser()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    require_chromium()  # none is started for tests that are skipped
    yield from running_service(tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def session(browser: Browser, service: Service) -> StorageState:
    """What a browser keeps that has logged in."""
    with visit(browser, service.base) as made:
        made.go("/login")
        made.log_in()
        made.page.get_by_role("heading", name="动态").wait_for()
        return made.page.context.storage_state()


@pytest.fixture
def visitor(browser: Browser, service: Service) -> Iterator[Visit]:
    """Somebody at a desk who has not logged in."""
    with visit(browser, service.base, viewport={"width": 1280, "height": 900}) as made:
        yield made


@pytest.fixture
def reader(browser: Browser, service: Service, session: StorageState) -> Iterator[Visit]:
    """Somebody who has logged in."""
    with visit(browser, service.base, viewport={"width": 1280, "height": 900}, storage_state=session) as made:
        made.go("/")
        yield made


@pytest.fixture
def phone(browser: Browser, service: Service, session: StorageState) -> Iterator[Visit]:
    """The same on a phone."""
    with visit(browser, service.base, viewport={"width": 390, "height": 844}, storage_state=session) as made:
        yield made


@pytest.fixture
def scriptless(browser: Browser, service: Service) -> Iterator[Visit]:
    with visit(browser, service.base, java_script_enabled=False) as made:
        yield made
