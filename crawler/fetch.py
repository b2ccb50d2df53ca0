"""Fetching with manners: one long-lived Scrapy engine in the daemon's loop, asked for one page at a time.

A crawler per source would cost a TLS context and an engine for each pass and, worse, share no queue with the
others: two sources on one host would not be polite to it together. So there is one engine, one lane per host,
and redirects are followed here, hop by hop, each with the same checks as a first request.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.logformatter import LogFormatter

from crawler.browser import Browser
from crawler.hops import (
    Answer,
    CrawlPolicy,
    Fetch,
    FetchError,
    Hop,
    base_headers,
    check_scheme,
    first_hop,
    next_hop,
    origin_of,
    redirect_target,
)
from crawler.manners import (
    ROBOTS_BYTES,
    Manners,
    Memory,
    RefusedError,
    Robots,
    host_key,
    product_token,
    read_robots,
    retry_after,
)
from crawler.rendering import Rendering, ScriptShelf, needs_a_browser
from crawler.transport import Exchange, TransportError
from crawler.verdict import Verdict
from storage.records import Capture

__all__ = ["CrawlPolicy", "Fetch", "FetchError", "Fetcher"]

_ROBOTS_HOPS = 5  # RFC 9309, 2.3.1.2
_LARGE = 256 * 1024  # bytes
# A host that fails in one of these ways has trouble itself; other failures are a page's own.
_HOST_TROUBLE = {"timeout", "reset", "refused", "dns", "tls", "protocol", "truncated", "unreachable"}


class PageSpider(Spider):
    """Holds the engine open. Pages reach the downloader through `Fetcher`, one by one.

    A queue that `start` reads from would do as well, at twice the price: 1.0 against 0.46 ms of CPU a page,
    for the way through scheduler and scraper.
    """

    name = "pages"
    ready: asyncio.Event

    async def start(self) -> AsyncIterator[Any]:
        self.ready.set()
        await asyncio.Event().wait()
        yield  # never reached: it makes this a generator


class Fetcher:
    """`async with Fetcher(policy) as fetcher: capture = await fetcher.fetch(Fetch(…))`.

    One for the whole process and all sources, in a running asyncio loop. `memory` is where it learns how hosts were
    treated before, and by others. Leaving the block ends what is under way within moments, whatever the servers do.
    """

    def __init__(
        self,
        policy: CrawlPolicy,
        *,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.policy = policy
        self.manners = Manners(
            delay=policy.delay,
            daily=policy.per_host_daily,
            max_hosts=policy.max_hosts,
            memory=memory,
            clock=clock,
            now=now,
        )
        self._clock = clock
        self._product = product_token(policy.user_agent)
        self._robots: dict[str, Robots] = {}
        self._robots_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._under_way: set[asyncio.Task[Capture]] = set()
        self._closing = False
        self._browser_is = (policy.user_agent, policy.chromium)
        self._browser = Browser(*self._browser_is)
        self._scripts = ScriptShelf(clock)
        self._one_page = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._crawler = Crawler(PageSpider, _settings(self.policy))
        ready = asyncio.Event()
        self._running = asyncio.create_task(self._crawler.crawl_async(ready=ready))
        opened = asyncio.create_task(ready.wait())
        await asyncio.wait({opened, self._running}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if self._running.done():
            await self._running  # raises what kept the engine from starting
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self.manners.settle()
        await self._browser.close()
        await self._crawler.stop_async()
        await self._running

    def use(self, policy: CrawlPolicy) -> None:
        """Go on with another policy; `allow_private` and `max_hosts` stay as they were.

        A request that waits for its turn already keeps its headers and the pause that it began.
        """
        self.policy = replace(policy, allow_private=self.policy.allow_private, max_hosts=self.policy.max_hosts)
        self.manners.use(delay=policy.delay, daily=policy.per_host_daily)
        product = product_token(policy.user_agent)
        if product != self._product:  # for whom robots.txt may ask for another Crawl-delay
            self._product = product
            self._robots.clear()

    async def settle(self) -> None:
        """A visit is over: write down how the hosts that nobody is at want to be treated."""
        await self.manners.settle()

    async def fetch(self, request: Fetch) -> Capture:
        """Ask for one page and say what came of it; nothing that a server does makes this raise.

        StorageError is raised where what is known of its host cannot be read.

        The capture's `reason` begins with the failure's name: timeout, reset, refused, unreachable, dns, tls,
        protocol, truncated, too-large, bad-gzip, bad-encoding, bad-url, bad-redirect, redirect-loop,
        redirect-other-host, robots, private-address, backing-off, budget, unexpected-304, closing, and of pages
        in the browser: browser, incomplete, endless; or it is what `crawler.judging.judge` says of an answer with
        a body. A page whose scripts were kept from something is "ok" with a reason that names it. Cancelling the
        caller ends the exchange.
        """
        task = asyncio.create_task(self._fetch(request))
        self._under_way.add(task)
        if self._closing:
            task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closing and not (caller and caller.cancelling()):
                return _failure(request, FetchError("closing", "the fetcher is being closed", request.url))
            raise
        finally:
            self._under_way.discard(task)

    async def _fetch(self, request: Fetch) -> Capture:
        try:
            return await self._follow(request)
        except FetchError as error:
            return _failure(request, error)

    async def _follow(self, request: Fetch) -> Capture:
        """Ask, follow redirects within the request's hosts and time, and judge where they end."""
        hop = first_hop(request, self.policy)
        seen = {(hop.method, hop.url)}
        limit = self.policy.timeout if request.timeout is None else request.timeout
        spent = 0.0
        while True:
            exchange = Exchange(max(0.0, limit - spent), self.policy.max_bytes, request.tls)
            answer = await self._ask(hop, exchange, request)
            spent += exchange.seconds
            further = next_hop(hop, answer, request)
            if further is None:
                verdict = await _verdict(request, answer)
                if request.render == "browser" and needs_a_browser(answer, verdict):
                    return await self._rendered(request, answer, limit - spent)
                return await self._captured(request, answer, verdict, spent)
            hop = further
            if (hop.method, hop.url) in seen or len(seen) > self.policy.max_redirects:
                raise FetchError("redirect-loop", f"{len(seen)} redirects and still no page", hop.url)
            seen.add((hop.method, hop.url))

    async def _rendered(self, request: Fetch, shell: Answer, limit: float) -> Capture:
        """The page as its scripts make it, within `limit` seconds.

        One page at a time: it holds its host's lane while its parts may wait for another, and it takes memory.
        """
        await self._remember(shell, request.delay)
        lane = host_key(shell.url)
        rendering = Rendering(
            request, self.policy, partial(self._ask_part, request=request, held=lane), self._scripts, limit
        )
        try:
            async with self._one_page:
                browser = await self._browser_of_policy()
                async with self.manners.visit(lane, request.delay):
                    began = time.monotonic()
                    page = await rendering.show(browser, shell)
        except RefusedError as error:
            raise FetchError(error.kind, str(error), shell.url, wait=error.wait) from error
        verdict = await _verdict(request, page)
        told = replace(verdict, reason="; ".join(filter(None, (verdict.reason, rendering.note()))))
        return await self._captured(request, page, told, time.monotonic() - began)

    async def _browser_of_policy(self) -> Browser:
        """The browser that the present policy asks for; no page is being shown."""
        wanted = (self.policy.user_agent, self.policy.chromium)
        if wanted != self._browser_is:
            before, self._browser, self._browser_is = self._browser, Browser(*wanted), wanted
            await before.close()
        return self._browser

    async def _captured(self, request: Fetch, answer: Answer, verdict: Verdict, seconds: float) -> Capture:
        wait = await self._remember(answer, request.delay, blocked=verdict.outcome == "blocked")
        return Capture(
            url=request.url,
            final_url=answer.url,
            fetched_at=datetime.now(UTC),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            outcome=verdict.outcome,
            reason=verdict.reason,
            retry_after=wait,
            seconds=seconds,
        )

    async def _remember(self, answer: Answer, delay: float | None, *, blocked: bool = False) -> float | None:
        """Tell Manners how the host behaved; gives the seconds of patience that it asked for, if it did."""
        host = host_key(answer.url)
        asked = answer.headers.get("retry-after") if answer.status >= 400 else None
        wait = retry_after(asked, datetime.now(UTC))
        if wait is not None or answer.status == 429:
            await self._failed(host, delay=delay, wait=wait, at_once=True)
        elif answer.status >= 500 or blocked:
            await self._failed(host, delay=delay)
        else:
            self.manners.succeeded(host)
        return wait

    async def _failed(
        self, host: str, *, delay: float | None, wait: float | None = None, at_once: bool = False
    ) -> None:
        self.manners.failed(host, delay=delay, wait=wait, at_once=at_once)
        await self.manners.note(host)

    async def _ask_part(self, hop: Hop, exchange: Exchange, request: Fetch, held: str) -> Answer:
        """A part of a page that is being shown; a server that asks for patience there is given it."""
        answer = await self._ask(hop, exchange, request, held)
        await self._remember(answer, request.delay)
        return answer

    async def _ask(self, hop: Hop, exchange: Exchange, request: Fetch, held: str = "") -> Answer:
        """One hop, where scheme and robots.txt permit it. `held` is the host whose lane the caller holds."""
        check_scheme(hop.url)
        if self.policy.obey_robots:
            await self._obey_robots(hop.url, request, held)
        return await self._send(hop, exchange, request, held)

    async def _send(self, hop: Hop, exchange: Exchange, request: Fetch, held: str) -> Answer:
        """One exchange, in its host's turn. Raises FetchError, and remembers what it tells of the host."""
        host = host_key(hop.url)
        turn = self.manners.request(host) if host == held else self.manners.turn(host, request.delay)
        try:
            async with turn:
                return await self._exchange(hop, exchange)
        except RefusedError as error:
            raise FetchError(error.kind, str(error), hop.url, wait=error.wait) from error
        except TransportError as error:
            if error.kind in _HOST_TROUBLE:
                await self._failed(host, delay=request.delay)
            raise FetchError(error.kind, str(error), hop.url, exchange=exchange) from error

    async def _exchange(self, hop: Hop, exchange: Exchange) -> Answer:
        try:
            page = Request(hop.url, method=hop.method, body=hop.body)
        except ValueError as error:
            raise TransportError("bad-url", str(error)) from error
        # The slot is the lane: Scrapy's own would join the ports of one host, and the two would wait for each other.
        page.meta.update(exchange=exchange, headers=hop.headers, download_slot=host_key(hop.url))
        try:
            response = await self._crawler.engine.download_async(page)
        except asyncio.CancelledError:
            exchange.abort()
            raise
        return Answer(hop.url, response.status, exchange.headers, response.body)

    async def _obey_robots(self, url: str, request: Fetch, held: str) -> None:
        """Raise FetchError where the host's robots.txt, read now or remembered, keeps us from `url`."""
        origin = origin_of(url)
        robots = self._robots.get(origin)
        if robots is None or robots.expires <= self._clock():
            # Who reads it may wait for the very lane that a page with parts holds: such a page waits for nobody.
            async with nullcontext() if held else self._robots_locks[origin]:
                robots = self._robots.get(origin)
                if robots is None or robots.expires <= self._clock():
                    robots = self._robots[origin] = await self._read_robots(origin, request, held)
        if robots.refusal or not robots.allows(url, self._product):
            raise FetchError("robots", robots.refusal or f"{origin}/robots.txt disallows this address", url)

    async def _read_robots(self, origin: str, request: Fetch, held: str) -> Robots:
        """Fetch /robots.txt, following redirects to any host (RFC 9309, 2.3.1.2).

        A host that cannot be reached raises its own error: that names the trouble better than "robots" would,
        and nothing is fetched either way.
        """
        url: str | None = f"{origin}/robots.txt"
        hops = 0
        while url and hops <= _ROBOTS_HOPS:
            hops += 1
            exchange = Exchange(request.timeout or self.policy.timeout, ROBOTS_BYTES, request.tls, cut=True)
            answer = await self._send(Hop(url, "GET", b"", base_headers(self.policy)), exchange, request, held)
            url = redirect_target(answer)
        await self._remember(answer, request.delay)
        delay = self.policy.delay if request.delay is None else request.delay
        robots, crawl_delay = read_robots(
            answer.status, answer.body, now=self._clock(), delay=delay, product=self._product
        )
        self.manners.slow_down(host_key(origin), crawl_delay)
        return robots


def _settings(policy: CrawlPolicy) -> dict[str, Any]:
    """Scrapy's settings. Its middlewares and extensions are off: what they would do is done here, per hop."""
    handler = "crawler.transport.GuardedHandler"
    return {
        "TWISTED_REACTOR_ENABLED": False,
        "DOWNLOAD_HANDLERS": {"http": handler, "https": handler},
        "DOWNLOAD_HANDLERS_BASE": {},
        "DOWNLOADER_MIDDLEWARES_BASE": {},
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
        "LOG_FORMATTER": "crawler.fetch.QuietFormatter",
        # The lanes of Manners decide; these are the second lock on the same door.
        "CONCURRENT_REQUESTS": 0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "CONCURRENT_ITEMS": 4,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "USER_AGENT": policy.user_agent,
        "PAGES_ALLOW_PRIVATE": policy.allow_private,
    }


class QuietFormatter(LogFormatter):
    """No line per page: the archive holds every capture."""

    def crawled(self, request: Request, response: Response, spider: Spider) -> None:  # type: ignore[override]
        return None


async def _verdict(request: Fetch, answer: Answer) -> Verdict:
    if answer.status == 304 and request.conditional:
        return Verdict("not_modified")
    if answer.status == 304:
        return Verdict("failed", "unexpected-304: the server says unchanged, but was not told what we hold")
    if answer.status == 200 and request.known_sha256 == sha256(answer.body).hexdigest():
        return Verdict("ok")
    from crawler.judging import judge  # here: most visits end above

    look = partial(
        judge,
        status=answer.status,
        headers=answer.headers,
        body=answer.body,
        url=request.url,
        final_url=answer.url,
        expects=request.expects,
    )
    # A large page takes a second to read; the loop serves web pages and other hosts meanwhile.
    return look() if len(answer.body) < _LARGE else await asyncio.to_thread(look)


def _failure(request: Fetch, error: FetchError) -> Capture:
    exchange = error.exchange
    return Capture(
        url=request.url,
        final_url=error.url,
        fetched_at=datetime.now(UTC),
        status=exchange.status if exchange else 0,
        headers=exchange.headers if exchange else {},
        body=b"",
        outcome="failed",
        reason=str(error),
        retry_after=error.wait,
        seconds=exchange.seconds if exchange else 0.0,
    )
