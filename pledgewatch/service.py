"""What every process of the service shares: signals, a configuration that is read again, sending, the calendar."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date, datetime, timedelta

import structlog

# Not used here: loaded with the service, so that the first change found stops no loop, nor is read by a program
# that an upgrade has put in this one's place meanwhile.
import pledgewatch.gathering  # noqa: F401
from pledgewatch import holders, posting
from pledgewatch.deadlines import look_at_calendar
from pledgewatch.metrics import Metrics
from pledgewatch.settings import ConfigError, Settings, load_settings
from pledgewatch.ticks import Ticks
from pledgewatch.web import WebError
from pledgewatch.work import Workshop
from storage import leases
from storage.clock import TOLERANCE, set_back
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

LEASE = leases.DAEMON
LEASE_SECONDS = 60.0
TICK_SECONDS = 1.0
STOP_SECONDS = 8.0  # the contract gives ten; two are left for the process to end
WORK_ENDS_SECONDS = 3.0  # for messages under way to be recorded as sent, and passes to let go
CALENDAR_SECONDS = 60.0
CALENDAR_HOUR = 6  # deadlines are looked at once a day, before people are at their desks
REST = timedelta(minutes=5)  # for a source whose pass could not be recorded: it stays due and would spin

#: Tables that live in what is built at the start: the database, the web server, the queue.
_FIXED_TABLES = ("storage", "web", "workers")
#: Keys of [crawl] that live there as well: who may be connected to is settled once.
_FIXED_CRAWL_KEYS = {"allow_private"}


class Service:
    """One process: the daemon, or one of several that share its work. `clock` is injected by tests."""

    status = 0  # of the process, when it ends

    def __init__(
        self, settings: Settings, config: str | None, database: Database, clock: Callable[[], datetime]
    ) -> None:
        self.settings, self.config, self.database, self.clock = settings, config, database, clock
        self.holder = holders.this_process()
        self.metrics = Metrics(database, clock, self.running)
        self.ticks = Ticks()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._sending = asyncio.Lock()
        self._asked_to_stop = self._asked_to_reload = False
        self._workshop: Workshop | None = None
        self._looked_at_calendar: date | None = None
        self._latest = clock()  # by the wall clock, as it was last seen

    @property
    def workshop(self) -> Workshop:
        """What passes and deliveries work with."""
        assert self._workshop is not None, "the service has not been started"
        return self._workshop

    async def run(self) -> int:
        """From start to end; the exit status. Raises WebError and StorageError where it cannot start."""
        raise NotImplementedError

    def running(self) -> Collection[str]:
        """The ids of the sources that this process is at work on."""
        raise NotImplementedError

    # --- ticks ---

    async def deliver(self) -> None:
        """Send what is due: each delivery is claimed, so that no two processes send it."""
        if self._stopping.is_set():
            return
        async with self._sending:
            await self.workshop.post.deliver()

    async def look_at_calendar(self) -> None:
        """Tell of targets whose deadline is near or has passed: at the start, and each day at CALENDAR_HOUR."""
        now = self.clock()
        day = (now.astimezone(self.settings.service.zone) - timedelta(hours=CALENDAR_HOUR)).date()
        if day != self._looked_at_calendar:
            await asyncio.to_thread(look_at_calendar, self.settings, self.database, now)
            self._looked_at_calendar = day

    # --- being the one that plans ---

    def _take_lease(self) -> bool:
        """Take the lease of the one that plans, or prolong it; at once where its holder was killed on this machine."""
        if leases.acquire(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock()):
            return True
        holder = leases.holder(self.database, LEASE)
        if holder is None or not holders.is_gone(holder):
            return False
        log.warning("taking over from a process that was killed", holder=holders.in_words(holder))
        leases.release(self.database, LEASE, holder)
        return leases.acquire(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock())

    def _watch_clock(self, now: datetime) -> None:
        """Where the clock was set back since it was last seen, bring back what was planned by the old one."""
        if now < self._latest - TOLERANCE:
            self._bring_back_plans()
        self._latest = now

    def _bring_back_plans(self) -> None:
        """What was planned by a clock that ran ahead would else come only when this one has caught up."""
        with self.database.begin() as conn:
            ahead = set_back(conn, self.clock(), posting.LEASE_SECONDS)
        if ahead:
            log.warning("the clock was set back", seconds=round(ahead.total_seconds()))
            self._brought_back()

    def _brought_back(self) -> None:
        """Called when plans were brought back."""

    # --- signals ---

    def catch_signals(self) -> None:
        """From now on signals ask; none kills. Plain handlers, because they run even while the loop is busy."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGHUP, lambda *_: self._soon(self.reload))

    def stop(self) -> None:
        """Begin to end; `run` comes back once it has."""
        self._stopping.set()

    def _ask_to_stop(self, *_: object) -> None:
        if not self._asked_to_stop:
            self._asked_to_stop = True
            at_last(self._end_at_once)
        self._soon(self.stop)

    def _soon(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    def _end_at_once(self) -> None:
        """What still runs holds no transaction open that matters: uncommitted work is done again after a start."""
        log.warning("ended with work under way", sources=sorted(self.running()))
        sys.stderr.flush()
        os._exit(self.status)

    def reload(self) -> None:
        """Read the configuration again. A bad one is refused and told; the old one stays."""
        if self._workshop is None:  # still starting: once it has, it reads again what may have changed meanwhile
            self._asked_to_reload = True
            return
        try:
            settings = load_settings(self.config)
        except ConfigError as error:
            log.error("configuration refused, the old one stays", file=error.path, problems=error.problems)
            return
        settings = but_for_what_is_fixed(self.settings, settings)
        try:
            self.workshop.use(settings)
        except StorageError as error:
            log.error("configuration not taken over, the old one stays", error=str(error))
            for part in (self.workshop, self.workshop.pipeline, self.workshop.post):
                part.settings = self.settings
            return
        self.settings = settings
        self._taken_over()
        log.info("configuration reloaded", sources=len(settings.sources), subscribers=len(settings.subscribers))

    def _taken_over(self) -> None:
        """Called when another configuration is in force."""

    # --- the end ---

    async def _until_asked(self) -> None:
        if not self._asked_to_stop:  # it may have been while the service was being built
            await self._stopping.wait()
        self._stopping.set()

    async def _end_sending(self) -> None:
        """A message that went out and was not recorded would go out again after the restart."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WORK_ENDS_SECONDS), self._sending:
                pass


def run_service(service: Service) -> int:
    """Run until SIGTERM or SIGINT. The exit status; 2 where the database or the web address is another's."""
    service.catch_signals()
    try:
        return asyncio.run(service.run())
    except (StorageError, WebError) as error:
        print(f"pledgewatch: {error}", file=sys.stderr)
        return 2


def at_last(end: Callable[[], None]) -> None:
    """Call `end` after STOP_SECONDS, whatever the loop and other threads are busy with."""
    last_resort = threading.Timer(STOP_SECONDS, end)
    last_resort.daemon = True
    last_resort.start()


def but_for_what_is_fixed(old: Settings, new: Settings) -> Settings:
    """New settings with what only a restart changes as it was; where that differs it is told."""
    tables = {name: getattr(old, name) for name in _FIXED_TABLES if getattr(new, name) != getattr(old, name)}
    crawl = dict(old.crawl)
    keys = {k: v for k, v in crawl.items() if k in _FIXED_CRAWL_KEYS and v != getattr(new.crawl, k)}
    if tables or keys:
        log.warning("these change only with a restart", settings=[*tables, *(f"crawl.{key}" for key in keys)])
    return new.model_copy(update={**tables, "crawl": new.crawl.model_copy(update=keys)})
