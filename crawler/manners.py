"""How to be a guest: one request at a time per host, pauses, patience, budgets, robots.txt.

The state is per host and shared by all sources, for it is one machine that answers. Nothing here touches the
network; the clock and the sleep can be injected.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from protego import Protego

DAY = 86_400.0
JITTER = 0.25  # a pause is up to this share longer than asked, never shorter: the setting is a promise
PATIENCE = 3  # failures in a row before a host is left alone: one broken page is not a broken host
FIRST_BACKOFF = 15.0  # in units of the host's delay; doubles with every further failure
LONGEST_BACKOFF = 3_600.0
LONGEST_CRAWL_DELAY = 60.0  # a larger Crawl-delay in robots.txt would stretch a pass of 100 pages over hours
ROBOTS_BYTES = 500 * 1024  # RFC 9309, 2.5: at least 500 KiB must be parsed, the rest may be ignored


class RefusedError(Exception):
    """We do not ask this host now: `kind` names the reason, after `wait` seconds it may be asked again."""

    def __init__(self, kind: str, detail: str, wait: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.wait = wait


def host_key(url: str) -> str:
    """What shares one lane: the host, whatever the scheme; a port of its own is a server of its own."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return host if parts.port in (None, 80, 443) else f"{host}:{parts.port}"


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for, as number or date (RFC 9110, 10.2.3); None if neither."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value.strip()), DAY)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max(0.0, (then - now).total_seconds()), DAY)


@dataclass(slots=True)
class _Lane:
    """What is known of one host."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    last: float | None = None  # when the last answer ended
    failures: int = 0  # in a row
    closed_until: float = 0.0
    crawl_delay: float = 0.0
    day_began: float = 0.0
    day_count: int = 0


class Manners:
    """The state of all hosts.

    `delay` and all durations are in seconds. `daily` is the most requests to one host within 24 hours of the
    first one counted; None is no limit. `max_hosts` is how many hosts are asked at the same moment.
    """

    def __init__(
        self,
        *,
        delay: float,
        daily: int | None = None,
        max_hosts: int = 16,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._delay = delay
        self._daily = daily
        self._clock = clock
        self._sleep = sleep
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._transfers = asyncio.Semaphore(max_hosts)

    @asynccontextmanager
    async def turn(self, host: str, delay: float | None = None) -> AsyncIterator[None]:
        """Wait for our turn at `host`; the body of the `async with` is the one request to it under way.

        Raises RefusedError at once, without waiting, where the host is left alone or its budget is spent;
        also for those who were already in the queue when that happened.
        """
        async with self.visit(host, delay), self.request(host):
            yield

    @asynccontextmanager
    async def visit(self, host: str, delay: float | None = None) -> AsyncIterator[None]:
        """A turn of several requests: a page with its parts. Each of them goes through `request`, one at a time."""
        lane = self._lanes[host]
        self._check(lane, host)
        async with lane.lock:
            self._check(lane, host)
            pause = self._pause(lane, delay)
            if pause > 0:
                await self._sleep(pause)
            # Only now: a host that is being waited for must not hold a place that another could use.
            async with self._transfers:
                yield

    @asynccontextmanager
    async def request(self, host: str) -> AsyncIterator[None]:
        """One request within a visit that the caller holds; raises RefusedError as `turn` does."""
        lane = self._lanes[host]
        self._check(lane, host)
        lane.day_count += 1
        try:
            yield
        finally:
            lane.last = self._clock()

    def check(self, host: str) -> None:
        """Raise RefusedError where a request to `host` would not be sent now."""
        self._check(self._lanes[host], host)

    def succeeded(self, host: str) -> None:
        """The host answered as a healthy one does: its failures are forgotten."""
        self._lanes[host].failures = 0

    def failed(
        self, host: str, *, delay: float | None = None, wait: float | None = None, at_once: bool = False
    ) -> None:
        """The host failed. `wait` is what it asked for itself; `at_once` means it told us to slow down.

        Without either, patience lasts for `PATIENCE` failures in a row; from then on the host is left alone
        for a time that starts at `FIRST_BACKOFF` delays and doubles.
        """
        lane = self._lanes[host]
        lane.failures = max(lane.failures + 1, PATIENCE if at_once else 0)
        if wait is None and lane.failures >= PATIENCE:
            growth = 2.0 ** min(lane.failures - PATIENCE, 20)
            wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * self._gap(lane, delay) * growth)
        if wait:
            lane.closed_until = max(lane.closed_until, self._clock() + wait)

    def slow_down(self, host: str, crawl_delay: float | None) -> None:
        """Keep to the host's own Crawl-delay where it asks for more than we would give."""
        self._lanes[host].crawl_delay = min(crawl_delay or 0.0, LONGEST_CRAWL_DELAY)

    def _gap(self, lane: _Lane, delay: float | None) -> float:
        return max(self._delay if delay is None else delay, lane.crawl_delay)

    def _pause(self, lane: _Lane, delay: float | None) -> float:
        if lane.last is None:
            return 0.0
        # Spread out, so that many hosts behind one gateway are not asked in step.
        gap = self._gap(lane, delay) * random.uniform(1.0, 1.0 + JITTER)
        return lane.last + gap - self._clock()

    def _check(self, lane: _Lane, host: str) -> None:
        now = self._clock()
        if lane.closed_until > now:
            wait = lane.closed_until - now
            raise RefusedError("backing-off", f"until {_moment(wait)}: {host} failed or asked for patience", wait)
        if now - lane.day_began >= DAY or not lane.day_count:
            lane.day_began, lane.day_count = now, 0
        if self._daily is not None and lane.day_count >= self._daily:
            wait = lane.day_began + DAY - now
            raise RefusedError("budget", f"{self._daily} requests to {host} in 24 hours are spent", wait)


def _moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Robots:
    """What a host's robots.txt says, and until when that may be believed, on the clock of `Manners`."""

    rules: Protego | None  # None: nothing is disallowed
    expires: float
    refusal: str = ""  # why nothing at all may be fetched now

    def allows(self, url: str, product: str) -> bool:
        return self.rules is None or bool(self.rules.can_fetch(url, product))


def read_robots(status: int, body: bytes, *, now: float, delay: float, product: str) -> tuple[Robots, float | None]:
    """Judge the answer to /robots.txt by RFC 9309, 2.3.1: the rules and the Crawl-delay that they ask for.

    2xx: the rules hold for a day. 4xx, and a redirect that leads nowhere: there are no rules. 5xx, and 429,
    which says not now: everything is disallowed until an answer comes; asked again after `FIRST_BACKOFF`
    delays.
    """
    if status >= 500 or status == 429:
        refusal = f"robots.txt answers {status}, which disallows everything until it can be read (RFC 9309)"
        return Robots(None, now + FIRST_BACKOFF * delay, refusal), None
    if not 200 <= status < 300:
        return Robots(None, now + DAY), None
    rules = Protego.parse(body[:ROBOTS_BYTES].decode("utf-8-sig", "replace"))
    return Robots(rules, now + DAY), rules.crawl_delay(product)


def product_token(user_agent: str) -> str:
    """The name by which robots.txt knows us: the user agent up to its version or comment."""
    return user_agent.split("/")[0].split("(")[0].strip() or "*"
