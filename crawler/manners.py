"""How to be a guest: one request at a time per host, pauses, patience, budgets, robots.txt.

The state is per host and shared by all sources, for it is one machine that answers. What must outlast the process and
hold for others as well is kept in a `Memory`: read when a host is met, written when it fails and when it is left
(`settle`). Requests of a budget are granted by it before they are sent, `GRANT` at a time: whoever is killed takes up
to so many with him, and a host is never asked more often than its budget allows.

Nothing here touches the network; the clocks and the sleep can be injected.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from math import inf
from typing import Protocol
from urllib.parse import urlsplit

from protego import Protego

from storage.errors import StorageError
from storage.hosts import Change, Host

DAY = 86_400.0
GRANT = 20  # requests of a host's budget that a process holds at a time
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


@lru_cache(maxsize=1024)  # asked three times a request
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


class Memory(Protocol):
    """Where what is known of hosts outlasts the process and is shared with others."""

    async def change(self, name: str, to: Change) -> tuple[Host, Host]:
        """Let a host be what `to` makes of it, while nobody else changes it; what it was, and what it is now."""


class Notebook:
    """A memory that ends with its process."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}

    async def change(self, name: str, to: Change) -> tuple[Host, Host]:
        before = self._hosts.get(name) or Host(name)
        after = self._hosts[name] = to(before)
        return before, after


@dataclass(slots=True)
class _Lane:
    """What this process knows of one host. Moments are on the clock of `Manners`."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    guests: int = 0  # who holds the lock or waits for it
    known: bool = False  # read from the memory, and not settled since
    last: float | None = None  # when the last answer ended
    failures: int = 0  # in a row
    closed_until: float = 0.0
    crawl_delay: float = 0.0
    uncounted: int = 0  # requests sent that the memory has not counted; negative: granted by it and not sent
    spent: bool = False  # the memory granted no more
    day_ends: float = 0.0


class Manners:
    """The state of all hosts.

    `delay` and all durations are in seconds. `daily` is the most requests to one host within 24 hours of the
    first one counted; None is no limit. `max_hosts` is how many hosts are asked at the same moment. `clock` measures
    time in this process; `now` is the time that it shares with others.
    """

    def __init__(
        self,
        *,
        delay: float,
        daily: int | None = None,
        max_hosts: int = 16,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._delay = delay
        self._daily = daily
        self._memory = memory or Notebook()
        self._clock = clock
        self._now = now
        self._sleep = sleep
        self._lanes: defaultdict[str, _Lane] = defaultdict(_Lane)
        self._transfers = asyncio.Semaphore(max_hosts)

    def use(self, *, delay: float, daily: int | None) -> None:
        """Go on with another delay and budget."""
        self._delay, self._daily = delay, daily
        for lane in self._lanes.values():
            lane.spent = False

    @asynccontextmanager
    async def turn(self, host: str, delay: float | None = None) -> AsyncIterator[None]:
        """Wait for our turn at `host`; the body of the `async with` is the one request to it under way.

        Raises RefusedError at once, without waiting, where the host is left alone or its budget is spent;
        also for those who were already in the queue when that happened. Raises StorageError where the memory fails.
        """
        async with self.visit(host, delay), self.request(host):
            yield

    @asynccontextmanager
    async def visit(self, host: str, delay: float | None = None) -> AsyncIterator[None]:
        """A turn of several requests: a page with its parts. Each of them goes through `request`, one at a time."""
        lane = self._lanes[host]
        self._check(lane, host)
        lane.guests += 1
        try:
            async with lane.lock:
                await self._meet(lane, host)
                self._check(lane, host)
                pause = self._pause(lane, delay)
                if pause > 0:
                    await self._sleep(pause)
                # Only now: a host that is being waited for must not hold a place that another could use.
                async with self._transfers:
                    yield
        finally:
            lane.guests -= 1

    @asynccontextmanager
    async def request(self, host: str) -> AsyncIterator[None]:
        """One request within a visit that the caller holds; raises as `turn` does."""
        lane = self._lanes[host]
        await self._meet(lane, host)
        self._check(lane, host)
        lane.uncounted += 1
        try:
            yield
        finally:
            lane.last = self._clock()

    def check(self, host: str) -> None:
        """Raise RefusedError where a request to `host` would not be sent now, as far as this process knows."""
        self._check(self._lanes[host], host)

    def succeeded(self, host: str) -> None:
        """The host answered as a healthy one does: its failures are forgotten."""
        self._lanes[host].failures = 0

    def failed(
        self, host: str, *, delay: float | None = None, wait: float | None = None, at_once: bool = False
    ) -> None:
        """The host failed. `wait` is what it asked for itself; `at_once` means it told us to slow down.

        Without either, patience lasts for `PATIENCE` failures in a row; from then on the host is left alone
        for a time that starts at `FIRST_BACKOFF` delays and doubles. `note` lets others know.
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

    async def note(self, host: str) -> None:
        """Write down at once how a host failed. What the memory does not take now, `settle` writes."""
        lane = self._lanes[host]
        told = partial(_failed, failures=lane.failures, closed_until=self._closed_until(lane))
        with suppress(StorageError):
            await self._memory.change(host, told)

    async def settle(self) -> None:
        """Write down what is known of the hosts that nobody is at; when they are met again it is read again."""
        for host, lane in list(self._lanes.items()):
            if not lane.known or lane.guests:
                continue
            async with lane.lock:
                told = partial(
                    _left,
                    now=self._now(),
                    uncounted=self._uncounted(lane),
                    asked_at=None if lane.last is None else self._at(lane.last),
                    failures=lane.failures,
                    closed_until=self._closed_until(lane),
                    crawl_delay=lane.crawl_delay,
                )
                # First, because a write that nobody waits for any more may be done all the same.
                held, lane.uncounted, lane.known, lane.spent = lane.uncounted, 0, False, False
                try:
                    await self._memory.change(host, told)
                except StorageError:
                    lane.uncounted, lane.known = held, True  # for the next time

    async def _meet(self, lane: _Lane, host: str) -> None:
        """Know the host, and hold a request of its budget where it has one."""
        holding = lane.uncounted < 0 or lane.spent
        if lane.known and (self._daily is None or (holding and self._clock() < lane.day_ends)):
            return
        now, clock, uncounted = self._now(), self._clock(), self._uncounted(lane)
        to = partial(_met, now=now, uncounted=uncounted, daily=self._daily)
        before, after = await self._memory.change(host, to)

        def here(moment: datetime) -> float:
            return clock + (moment - now).total_seconds()

        if not lane.known:
            lane.known, lane.failures = True, before.failures
            lane.crawl_delay = max(before.crawl_delay, lane.crawl_delay)
            # Who is at it, or was killed there, may have asked a moment ago.
            asked = now if before.visited else before.asked_at
            if asked:
                lane.last = max(min(here(asked), clock), -inf if lane.last is None else lane.last)
        if after.closed_until:
            lane.closed_until = max(lane.closed_until, here(after.closed_until))
        assert after.day_began is not None, "it was met"
        lane.day_ends = here(after.day_began) + DAY
        lane.uncounted = _counted(before, now, uncounted).day_count - after.day_count
        lane.spent = not lane.uncounted

    def _uncounted(self, lane: _Lane) -> int:
        """What the memory is to count; what it granted for a day that is over is no part of another one's budget."""
        return max(0, lane.uncounted) if self._clock() >= lane.day_ends else lane.uncounted

    def _at(self, moment: float) -> datetime:
        """What others call this moment of our clock."""
        return self._now() + timedelta(seconds=moment - self._clock())

    def _closed_until(self, lane: _Lane) -> datetime | None:
        return self._at(lane.closed_until) if lane.closed_until > self._clock() else None

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
        if self._daily is not None and lane.spent and now < lane.day_ends:
            wait = lane.day_ends - now
            raise RefusedError("budget", f"{self._daily} requests to {host} in 24 hours are spent", wait)


def _counted(host: Host, now: datetime, uncounted: int) -> Host:
    """The host with so many more requests in its day, a new one where the last is over."""
    over = host.day_began is None or not host.day_count or now - host.day_began >= timedelta(seconds=DAY)
    began, count = (now, 0) if over or host.day_began is None else (min(host.day_began, now), host.day_count)
    return replace(host, day_began=began, day_count=max(0, count + uncounted))


def _met(host: Host, *, now: datetime, uncounted: int, daily: int | None) -> Host:
    """The host with a visitor, and as many requests granted to him as its budget has left, up to GRANT."""
    counted = _counted(host, now, uncounted)
    granted = 0 if daily is None else max(0, min(GRANT, daily - counted.day_count))
    # Nobody asks for more patience than a day: a later moment was written by a clock that ran ahead.
    closed = min(host.closed_until, now + timedelta(seconds=DAY)) if host.closed_until else None
    return replace(counted, visited=True, day_count=counted.day_count + granted, closed_until=closed)


def _failed(host: Host, *, failures: int, closed_until: datetime | None) -> Host:
    closed = max(filter(None, (host.closed_until, closed_until)), default=None)
    return replace(host, failures=failures, closed_until=closed)


def _left(
    host: Host,
    *,
    now: datetime,
    uncounted: int,
    asked_at: datetime | None,
    failures: int,
    closed_until: datetime | None,
    crawl_delay: float,
) -> Host:
    counted = _failed(_counted(host, now, uncounted), failures=failures, closed_until=closed_until)
    return replace(counted, visited=False, asked_at=asked_at or host.asked_at, crawl_delay=crawl_delay)


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
