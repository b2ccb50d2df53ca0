"""Pages that scripts write: Chromium runs the scripts, and whatever they ask for is asked by the fetcher.

The browser has no network of its own. In it every name resolves to nothing, and each request of a page is answered
through `Ask`, so that robots.txt, lanes, budgets, the guard against private addresses, TLS settings and limits hold
for a page's parts as they hold for any page. A handler that lets Chromium connect by itself (scrapy-playwright, which
needs Twisted's reactor besides) could check names before, but not what Chromium then connects to.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page, Request, Route

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = 0.5  # seconds without a request under way after which a page has been written
_MOST_REQUESTS = 100  # of one page; one that asks more often asks for ever
_START_SECONDS = 30.0
_END_SECONDS = 3.0  # for a page, or all of Chromium, to go
_LOADED = frozenset({"document", "script", "xhr", "fetch"})  # what can change a page's words
_ARGUMENTS = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-dev-shm-usage")
# A header that describes the bytes as they were sent, or that Chromium would refuse.
_OF_TRANSFER = frozenset(
    {"content-encoding", "content-length", "transfer-encoding", "connection", "content-disposition"}
)
_OWN_HEADERS = frozenset({"user-agent", "accept-encoding", "accept-language", "host", "connection"})
_NEXT_COOKIE = re.compile(r",\s*(?=[^;,=\s]+=)")
_SERIALISED = """limit => {
    const html = document.documentElement ? document.documentElement.outerHTML : "";
    return html.length > limit ? null : html;
}"""


class RenderError(Exception):
    """Why there is no page; `kind` is the reason's name: browser, timeout, too-large, endless."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that a page makes. `kind` is document, script, xhr or fetch; header names are in lower case."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a page is given for a request; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


#: Answers a page's request; None keeps it from the page. What it raises ends the page and is raised by `render`.
Ask = Callable[[Asked], Awaitable[Given | None]]


@dataclass(frozen=True, slots=True)
class Wait:
    """When a page has been written: when `selector` is there, else when nothing was asked for `QUIET` seconds.

    `timeout` in seconds and `max_bytes` of the result bound it.
    """

    timeout: float
    max_bytes: int
    selector: str | None = None


class Browser:
    """Chromium, started for the first page and again where it has died. `program` None takes one on the PATH."""

    def __init__(self, user_agent: str, program: str | None = None) -> None:
        self._user_agent, self._program = user_agent, program
        self._driver: asyncio.Task[Any] | None = None  # Playwright's own process, which starts and holds Chromium
        self._chromium: Any = None

    async def render(self, url: str, shell: Given, ask: Ask, wait: Wait) -> tuple[str, bytes]:
        """Show `shell` as the answer for `url`, let its scripts work: (the address it ends at, the page in UTF-8).

        One page at a time. Raises RenderError, or what `ask` raised.
        """
        context = await self._context()
        view = _View(url, shell, ask, wait)
        try:
            async with asyncio.timeout(wait.timeout):
                return await view.show(await context.new_page())
        except TimeoutError as error:
            raise RenderError("timeout", f"after {wait.timeout:.0f} s {view.lacking()}") from error
        except _playwright_error() as error:
            raise RenderError("browser", f"Chromium gave up: {_first_line(error)}") from error
        finally:
            await self._leave(context)

    async def _context(self) -> Any:
        """A browser's state without a past; one try is for finding out that Chromium has died meanwhile."""
        for fresh in (self._chromium is None, True):
            if fresh:
                await self._end()
                await self._start()
            try:
                async with asyncio.timeout(_START_SECONDS):
                    return await self._chromium.new_context(
                        user_agent=self._user_agent, locale="zh-CN", service_workers="block", accept_downloads=False
                    )
            except (TimeoutError, _playwright_error()) as error:
                failure = error
        raise RenderError("browser", f"Chromium opens no page: {_first_line(failure)}")

    async def _start(self) -> None:
        try:
            from playwright.async_api import async_playwright
        except ImportError as error:
            raise RenderError("browser", "Playwright is not installed; install pledgewatch[browser]") from error
        program = self._program or next((p for name in PROGRAMS if (p := shutil.which(name))), None)
        if program is None:
            raise RenderError("browser", 'no Chromium on the PATH; install one, or name it: [crawl] chromium = "…"')
        try:
            # A start that is cut off half way would leave the process behind: it is finished, and ended by `_end`.
            self._driver = asyncio.create_task(async_playwright().start())
            self._chromium = await (await asyncio.shield(self._driver)).chromium.launch(
                executable_path=program,
                args=_ARGUMENTS,
                chromium_sandbox=os.geteuid() != 0,  # Chromium has none for root
                handle_sigint=False,  # the service ends it, after the pages
                handle_sigterm=False,
                handle_sighup=False,
                timeout=_START_SECONDS * 1000,
            )
        except Exception as error:  # a driver that dies while it starts fails in ways of its own
            raise RenderError("browser", f"{program} does not start: {_first_line(error)}") from error

    async def _leave(self, context: Any) -> None:
        try:
            async with asyncio.timeout(_END_SECONDS):
                await context.close()
        except TimeoutError:  # a script that never pauses can keep its page from going
            await self._end()
        except _playwright_error():
            pass  # it went with its browser

    async def close(self) -> None:
        """End Chromium, if it was ever started, within moments."""
        await self._end()

    async def _end(self) -> None:
        driver, chromium, self._driver, self._chromium = self._driver, self._chromium, None, None
        for end in (chromium and chromium.close, driver and partial(_stop, driver)):
            if end:
                with suppress(Exception):  # what is dead already fails in many ways
                    async with asyncio.timeout(_END_SECONDS):
                        await end()


async def _stop(driver: asyncio.Task[Any]) -> None:
    """End a driver, even one that is still starting; where it starts too slowly to be waited for, as soon as it has."""
    try:
        await (await asyncio.shield(driver)).stop()
    except asyncio.CancelledError:
        driver.add_done_callback(_stop_later)
        raise


def _stop_later(driver: asyncio.Task[Any]) -> None:
    if not driver.cancelled() and driver.exception() is None:
        _ENDING.add(task := asyncio.ensure_future(driver.result().stop()))
        task.add_done_callback(_ENDING.discard)


_ENDING: set[asyncio.Future[None]] = set()  # a task that nobody holds may be lost


@dataclass
class _View:
    """One page while its scripts work."""

    url: str
    shell: Given
    ask: Ask
    wait: Wait
    page: Page = field(init=False)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _asking: list[str] = field(default_factory=list)  # the addresses that are being asked
    _failure: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _last: float = 0.0  # when a request was last under way
    _count: int = 0

    def lacking(self) -> str:
        """What a page that has not been written lacks, in words that follow "after … s"."""
        asked = f", which asks for {', '.join(self._asking[:3])}" if self._asking else ""
        missing = f"there is no {self.wait.selector!r} in the page" if self.wait.selector else "the page still loads"
        return missing + asked

    async def show(self, page: Page) -> tuple[str, bytes]:
        self.page = page
        await self.page.context.route("**/*", self._take)
        self.page.context.on("page", lambda other: self._start(other.close()))
        self.page.on("crash", lambda _: self._fail(RenderError("browser", "the page's process died")))
        work = asyncio.create_task(self._written())
        ends: set[asyncio.Future[Any]] = {work, self._failure}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                self._failure.result()
            return await work
        finally:
            left = [work, *self._under_way]
            for task in left:
                task.cancel()
            with suppress(TimeoutError):  # a Chromium that is frozen never says that a request is kept from the page
                async with asyncio.timeout(_END_SECONDS):
                    await asyncio.gather(*left, return_exceptions=True)
            self._failure.cancel()

    async def _written(self) -> tuple[str, bytes]:
        """The page when it is ready. Where it goes elsewhere by itself, what is awaited ends in an error: once more."""
        with suppress(_playwright_error()):
            await self.page.goto(self.url, wait_until="commit", timeout=0)
        while True:
            try:
                await self._ready()
                html = await self.page.evaluate(_SERIALISED, self.wait.max_bytes)
                break
            except _playwright_error():
                if self.page.is_closed():
                    raise
                await asyncio.sleep(QUIET)
        body = b"" if html is None else f"<!DOCTYPE html>\n{html}".encode("utf-8-sig", "replace")
        if html is None or len(body) > self.wait.max_bytes:
            raise RenderError("too-large", f"the page has grown over {self.wait.max_bytes} bytes")
        return self.page.url.partition("#")[0], body

    async def _ready(self) -> None:
        await self.page.wait_for_load_state("domcontentloaded", timeout=0)
        if self.wait.selector:
            await self.page.wait_for_selector(f"css={self.wait.selector}", state="attached", timeout=0)
            return
        loop = asyncio.get_running_loop()
        while self._under_way or loop.time() - self._last < QUIET:
            await asyncio.sleep(QUIET / 5)

    def _take(self, route: Route) -> None:
        self._start(self._answer(route))

    def _start(self, work: Any) -> None:
        """Let `work` go on beside the page, as long as the page is there."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._last = asyncio.get_running_loop().time()
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, _playwright_error()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _answer(self, route: Route) -> None:
        try:
            given = await self._given(route.request)
        except BaseException:
            with suppress(Exception):  # the page may be gone already
                await route.abort()
            raise
        if given is None:
            await route.abort("blockedbyclient")
        else:
            await route.fulfill(status=given.status, headers=_for_page(given.headers), body=given.body)

    async def _given(self, request: Request) -> Given | None:
        kind = request.resource_type
        if kind == "stylesheet":
            return Given(200, {"content-type": "text/css"}, b"")  # some scripts wait for theirs
        if kind not in _LOADED or not request.url.startswith(("http://", "https://")):
            return None
        if kind == "document":
            if not request.is_navigation_request() or request.frame != self.page.main_frame:
                return None  # what stands in a frame is not in the page's own text
            if not self._count:
                self._count = 1
                return self.shell
        self._count += 1
        if self._count > _MOST_REQUESTS:
            raise RenderError("endless", f"the page asked for more than {_MOST_REQUESTS} things")
        headers = {name: value for name, value in request.headers.items() if name not in _OWN_HEADERS}
        self._asking.append(request.url)
        given = await self.ask(Asked(request.url, request.method, headers, request.post_data_buffer or b"", kind))
        self._asking.remove(request.url)  # not where it fails: what a page waited for at its end is told
        return given


def _for_page(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {n: v for n, v in headers.items() if n not in _OF_TRANSFER and v.isascii() and v.isprintable()}
    if "set-cookie" in kept:
        kept["set-cookie"] = _NEXT_COOKIE.sub("\n", kept["set-cookie"])
    return kept


def _playwright_error() -> type[Exception]:
    """What Playwright raises; imported late, as everything of the extra."""
    from playwright.async_api import Error

    return Error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
