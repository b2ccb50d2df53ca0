"""The daemon: one process that schedules, crawls, compares, delivers and serves the pages.

A few ticks do the work; none of them knows the others. What is due stands in the database, so a restart goes on
from what was committed and a clock that jumps only makes things due earlier or later.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pledgewatch import holders
from pledgewatch.deadlines import look_at_calendar
from pledgewatch.logs import configure_logs
from pledgewatch.passes import pass_over
from pledgewatch.settings import ConfigError, Settings, Source, load_settings
from pledgewatch.web import WebError, serving
from pledgewatch.work import Workshop, utc_now
from storage import leases, sources
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

LEASE = "daemon"
LEASE_SECONDS = 60.0
TICK_SECONDS = 1.0
STOP_SECONDS = 8.0  # the contract gives ten; two are left for the process to end
WORK_ENDS_SECONDS = 3.0  # for messages under way to be recorded as sent, and passes to let go
PASSES_AT_ONCE = 100  # a pass that waits for a slow site costs little; the fetcher bounds what is under way
CALENDAR_HOUR = 6  # deadlines are looked at once a day, before people are at their desks
REST = timedelta(minutes=5)  # for a source whose pass could not be recorded: it stays due and would spin

#: Tables that live in what is built at the start: the fetcher, the database, the web server.
_FIXED_TABLES = ("storage", "web", "crawl")


def run_daemon(settings: Settings, config: str | None, database: Database) -> int:
    """Run until SIGTERM or SIGINT. Status 0, or 2 where the database or the web address is another's."""
    configure_logs(zone=settings.service.zone)
    daemon = Daemon(settings, config, database)
    daemon.catch_signals()
    try:
        return asyncio.run(daemon.run())
    except (StorageError, WebError) as error:
        print(f"pledgewatch: {error}", file=sys.stderr)
        return 2


class Daemon:
    """The running service. `clock` is injected by tests."""

    def __init__(
        self,
        settings: Settings,
        config: str | None,
        database: Database,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.settings, self.config, self.database, self.clock = settings, config, database, clock
        self.holder = holders.this_process()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._sending = asyncio.Lock()
        self._asked_to_stop = self._asked_to_reload = False
        self._passes: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, datetime] = {}
        self._workshop: Workshop | None = None
        self._lost_lease = False

    async def run(self) -> int:
        """The service from start to end; its exit status. Raises WebError and StorageError where it cannot start."""
        self._loop = asyncio.get_running_loop()
        if not self._take_lease():
            holder = holders.in_words(leases.holder(self.database, LEASE))
            said = f"another daemon ({holder}) works on {self.database.where}; end that one, or wait a minute"
            print(f"pledgewatch: {said} if it was killed on another machine", file=sys.stderr)
            return 2
        try:
            async with AsyncExitStack() as stack:
                await self._start(stack)
                await self._until_asked()
                self._stopping.set()
                log.info("stopping", passes=sorted(self._passes))
                await asyncio.gather(self._end_passes(), self._end_sending())
        finally:
            with suppress(StorageError):
                leases.release(self.database, LEASE, self.holder)
        log.info("stopped")
        return 2 if self._lost_lease else 0

    async def _until_asked(self) -> None:
        if not self._asked_to_stop:  # it may have been while the service was being built
            await self._stopping.wait()

    async def _start(self, stack: AsyncExitStack) -> None:
        listen = await stack.enter_async_context(serving(self.settings, self.database, status=self))
        self._workshop = await stack.enter_async_context(Workshop(self.settings, self.database, self.clock))
        scheduler = self._scheduler()
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        log.info("started", sources=len(self.settings.sources), pages=listen, database=self.database.where)
        if self._asked_to_reload:
            self.reload()

    def running(self) -> Collection[str]:
        """The ids of the sources that a pass is at work on."""
        return tuple(self._passes)

    # --- ticks ---

    def _scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone=self.settings.service.zone)
        ticks: list[tuple[Callable[[], Awaitable[None]], Any]] = [
            (self.start_due_passes, IntervalTrigger(seconds=TICK_SECONDS)),
            (self.deliver, IntervalTrigger(seconds=TICK_SECONDS)),
            (self.renew_lease, IntervalTrigger(seconds=LEASE_SECONDS / 4)),
            (self.look_at_calendar, CronTrigger(hour=CALENDAR_HOUR, timezone=self.settings.service.zone)),
        ]
        for tick, trigger in ticks:
            scheduler.add_job(
                self._guarded(tick),
                trigger,
                id=tick.__name__,
                next_run_time=datetime.now(self.settings.service.zone),
                misfire_grace_time=None,
                coalesce=True,
                max_instances=1,
            )
        return scheduler

    def _guarded(self, tick: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """A tick that fails says so and comes again: a full disk must not end the service."""

        async def guarded() -> None:
            if self._stopping.is_set():
                return
            try:
                await tick()
            except StorageError as error:
                log.error("storage", tick=tick.__name__, error=str(error))
            except Exception:
                log.exception("bug", tick=tick.__name__)

        return guarded

    async def start_due_passes(self) -> None:
        """Start a pass over each source that is due and not being passed over already."""
        now = self.clock()
        with self.database.read() as conn:
            due = sources.due_sources(conn, now)
        for source_id in due:
            source = self.settings.source(source_id)
            if source is None or source_id in self._passes or len(self._passes) >= PASSES_AT_ONCE:
                continue
            if self._resting.get(source_id, now) > now:
                continue
            task = asyncio.create_task(self._pass(source), name=f"pass {source_id}")
            self._passes[source_id] = task
            task.add_done_callback(partial(self._ended, source_id))

    def _ended(self, source_id: str, task: asyncio.Task[None]) -> None:
        self._passes.pop(source_id, None)

    async def _pass(self, source: Source) -> None:
        try:
            await pass_over(self.workshop.pipeline, source)
        except StorageError as error:
            log.error("storage", source=source.id, error=str(error))
            self._resting[source.id] = self.clock() + REST
        except Exception:
            log.exception("bug", source=source.id)
            self._resting[source.id] = self.clock() + REST

    async def deliver(self) -> None:
        """Send what is due."""
        async with self._sending:
            await self.workshop.post.deliver()

    async def look_at_calendar(self) -> None:
        """Tell of targets whose deadline is near or has passed."""
        await asyncio.to_thread(look_at_calendar, self.settings, self.database, self.clock())

    async def renew_lease(self) -> None:
        """Stay the one daemon of the database; stop where another has become it."""
        if not leases.renew(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock()):
            log.error("another daemon has taken the database over", database=self.database.where)
            self._lost_lease = True
            self._stopping.set()

    def _take_lease(self) -> bool:
        if leases.acquire(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock()):
            return True
        holder = leases.holder(self.database, LEASE)
        if holder is None or not holders.is_gone(holder):
            return False
        log.warning("taking over from a daemon that was killed", holder=holders.in_words(holder))
        leases.release(self.database, LEASE, holder)
        return leases.acquire(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock())

    # --- signals ---

    def catch_signals(self) -> None:
        """From now on signals ask; none kills. Plain handlers, because they run even while the loop is busy."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGHUP, lambda *_: self._soon(self.reload))

    def _ask_to_stop(self, *_: object) -> None:
        if not self._asked_to_stop:
            self._asked_to_stop = True
            last_resort = threading.Timer(STOP_SECONDS, self._end_at_once)
            last_resort.daemon = True
            last_resort.start()
        self._soon(self._stopping.set)

    def _soon(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call)

    def _end_at_once(self) -> None:
        """What still runs holds no transaction open that matters: uncommitted work is done again after a start."""
        log.warning("ended with work under way", passes=sorted(self._passes))
        sys.stderr.flush()
        os._exit(2 if self._lost_lease else 0)

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
        fixed = [name for name in _FIXED_TABLES if getattr(settings, name) != getattr(self.settings, name)]
        if fixed:
            log.warning("these tables change only with a restart", tables=fixed)
        settings = settings.model_copy(update={name: getattr(self.settings, name) for name in fixed})
        try:
            self.workshop.use(settings)
        except StorageError as error:
            log.error("configuration not taken over, the old one stays", error=str(error))
            for part in (self.workshop, self.workshop.pipeline, self.workshop.post):
                part.settings = self.settings
            return
        self.settings = settings
        log.info("configuration reloaded", sources=len(settings.sources), subscribers=len(settings.subscribers))

    # --- the end ---

    async def _end_passes(self) -> None:
        """What is committed is kept and what is not is done again: a pass may end anywhere."""
        tasks = list(self._passes.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=WORK_ENDS_SECONDS)

    async def _end_sending(self) -> None:
        """A message that went out and was not recorded would go out again after the restart."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WORK_ENDS_SECONDS), self._sending:
                pass

    @property
    def workshop(self) -> Workshop:
        """What passes and deliveries work with."""
        assert self._workshop is not None, "the daemon has not been started"
        return self._workshop
