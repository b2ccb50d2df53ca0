"""A service that runs over the demo's site, and a real browser that keeps a record of what it asked for.

Debian's Chromium, by path. Without it the tests that ask for `browser` are skipped by name; with
PLEDGEWATCH_REQUIRE_ALL=1 they fail.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright
from servers import Asked, Reply, Site
from world import World

from pledgewatch.demo import papers
from pledgewatch.demo.site import DemoSite
from pledgewatch.settings import parse_settings
from pledgewatch.web.access import Access
from storage import access
from storage.database import open_database

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run")  # fmt: skip
NAME, PASSWORD = "林知夏", "correct horse battery"
PATIENCE = 30.0  # seconds until something that must happen is given up

CONFIG = """
[crawl]
delay = 0
allow_private = true
[web]
listen = "127.0.0.1:{port}"
login = "always"
[[sources]]
id = "yunchuan-mzj"
url = "{city}"
name = "云川市民政局 政府信息公开"
region = "云川市"
[[sources]]
id = "cities-rules"
url = "{cities}"
name = "省民政厅 各市养老服务政策"
[[tracked]]
id = "nursing-beds"
name = "养老机构护理型床位占比"
[[subscribers]]
id = "analyst"
to = ["{hook}"]
[[subscribers]]
id = "weekly"
to = ["{hook}"]
kinds = ["subsidy"]
deliver = "mon 08:30"
"""


@dataclass
class Service:
    """`pledgewatch run` over the demo's site, with one operator's account; `alerts` are what its webhook got."""

    base: str
    site: DemoSite
    database: str
    alerts: list[dict[str, object]] = field(default_factory=list)

    def wait(self, what: str, until: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < end, f"waited in vain until {what}"
            time.sleep(0.05)


def running_service(folder: Path) -> Iterator[Service]:
    with DemoSite(papers.PAPERS) as site, Site() as hook:
        service = Service(f"http://127.0.0.1:{_free_port()}", site, f"sqlite:///{folder / 'pledgewatch.db'}")

        def arrived(asked: Asked) -> Reply:
            service.alerts.append(json.loads(asked.body))
            return Reply(200, b"{}")

        hook.route("/hook", arrived)
        config = folder / "config.toml"
        config.write_text(
            CONFIG.format(
                port=urlsplit(service.base).port, city=site.url(papers.REPLY.list_path),
                cities=site.url(papers.RULES[0].list_path), hook=hook.url("/hook").replace("http:", "json:"),
            ), "utf-8",
        )  # fmt: skip
        _add_operator(service, config)
        with _process(folder, config):
            service.wait("both sources were read", lambda: _read_sources(service) == 2)
            yield service


@contextmanager
def _process(folder: Path, config: Path) -> Iterator[None]:
    program = Path(sys.executable).with_name("pledgewatch")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "run", "--config", config], cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)


def _add_operator(service: Service, config: Path) -> None:
    settings = parse_settings(config.read_text("utf-8"), str(config), environ={})
    database = open_database(service.database)
    hashed = Access(settings.web, database).hash(PASSWORD)
    with database.begin() as conn:
        access.add_account(conn, NAME, "operator", hashed, datetime.now(UTC))
    database.close()


def _read_sources(service: Service) -> int:
    import sqlalchemy as sa

    from storage.tables import sources

    database = open_database(service.database)
    with database.read() as conn:
        read = conn.execute(sa.select(sa.func.count()).where(sources.c.last_success_at.is_not(None))).scalar_one()
    database.close()
    return int(read)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(world: World) -> Iterator[str]:
    """The world's pages, served from a loop in a thread of its own: Playwright's takes this one."""
    ready, end = threading.Event(), asyncio.Event()
    base: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        from pledgewatch.web import serving

        async with serving(world.settings, world.database) as address:
            base.append(address)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield base[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(30)
        loop.close()


# --- the browser ----------------------------------------------------------------------------------------------


def require_chromium() -> None:
    if CHROMIUM is None:
        if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
            pytest.fail("Chromium is required and not installed")
        pytest.skip("no Chromium on this machine")


def running_browser() -> Iterator[Browser]:
    require_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in a browser of its own. `faults`: requests to other hosts (none is let through), errors in the
    console, scripts that failed, answers that were errors and not expected."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def log_in(self) -> None:
        """From wherever the login is asked for."""
        self.page.get_by_label("用户名").fill(NAME)
        self.page.get_by_label("密码").fill(PASSWORD)
        self.page.get_by_role("button", name="登录").click()


@contextmanager
def visit(browser: Browser, base: str, **options: object) -> Iterator[Visit]:
    """A browser of its own; `options` are those of a Playwright context."""
    context: BrowserContext = browser.new_context(locale="zh-CN", **options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE * 1000)
    made = Visit(context.new_page(), base)

    def judge(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(base).netloc:
            route.continue_()
        else:
            made.faults.append(f"asked {route.request.url}")
            route.abort()

    context.route("**/*", judge)
    made.page.on("console", lambda said: made.faults.append(said.text) if said.type in ("error", "warning") else None)
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
    try:
        yield made
    finally:
        context.close()


# --- judged by axe-core -----------------------------------------------------------------------------------------

#: The rules of WCAG 2.2, A and AA.
ALL: dict[str, object] = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
}


def violations(page: Page, rules: dict[str, object]) -> list[str]:
    """Which of the rules the page breaks, and where."""
    told = Axe().run(page, options=rules).response["violations"]
    return [f"{page.url}: {v['id']} {node['target']} {node['failureSummary']}" for v in told for node in v["nodes"]]
