"""The daemon: one process that schedules, crawls, compares, delivers and serves the pages.

A few ticks do the work; none of them knows the others. What is due stands in the database, so a restart goes on
from what was committed and a clock that jumps only makes things due earlier or later.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from pledgewatch.deadlines import look_at_calendar
from pledgewatch.logs import configure_logs
from pledgewatch.passes import pass_over
from pledgewatch.settings import ConfigError, Settings, Source, load_settings
from pledgewatch.work import Workshop, utc_now
from storage import leases, sources
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

LEASE = "daemon"
LEASE_SECONDS = 60.0
STOP_SECONDS = 8.0  # the contract gives ten; two are left for the process to end
PASSES_AT_ONCE = 32
CALENDAR_HOUR = 6  # deadlines are looked at once a day, before people are at their desks


def run_daemon(settings: Settings, config: str | None, database: Database) -> int:
    """Run until SIGTERM or SIGINT. Status 0, or 2 where another daemon holds the database."""
    configure_logs()
    daemon = Daemon(settings, config, database)
    return asyncio.run(daemon.run())


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
        self.holder = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._workshop: Workshop | None = None
        self._lost_lease = False

    async def run(self) -> int:
        if not self._take_lease():
            holder = leases.holder(self.database, LEASE)
            print(f"pledgewatch: another daemon ({holder}) works on {self.database.where}", file=sys.stderr)
            return 2
        try:
            async with AsyncExitStack() as stack:
                await self._start(stack)
                await self._stopping.wait()
                log.info("stopping", passes=sorted(self._running))
                await self._end_passes()
        finally:
            with suppress(StorageError):
                leases.release(self.database, LEASE, self.holder)
        return 2 if self._lost_lease else 0

    async def _start(self, stack: AsyncExitStack) -> None:
        self._catch_signals()
        self._workshop = await stack.enter_async_context(Workshop(self.settings, self.database, self.clock))
        await stack.enter_async_context(self._web())
        scheduler = self._scheduler()
        scheduler.start()
        stack.callback(scheduler.shutdown, wait=False)
        log.info("started", sources=len(self.settings.sources), listen=self.settings.web.listen)

    # --- ticks ---

    def _scheduler(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone=self.settings.service.zone)
        ticks: list[tuple[Callable[[], Awaitable[None]], Any]] = [
            (self.start_due_passes, IntervalTrigger(seconds=2)),
            (self.deliver, IntervalTrigger(seconds=2)),
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
            try:
                await tick()
            except StorageError as error:
                log.error("storage", tick=tick.__name__, error=str(error))
            except Exception:
                log.exception("bug", tick=tick.__name__)

        return guarded

    async def start_due_passes(self) -> None:
        """Start a pass over each source that is due and not being passed over already."""
        with self.database.read() as conn:
            due = sources.due_sources(conn, self.clock())
        for source_id in due:
            source = self.settings.source(source_id)
            if source is None or source_id in self._running or len(self._running) >= PASSES_AT_ONCE:
                continue
            task = asyncio.create_task(self._pass(source), name=f"pass {source_id}")
            self._running[source_id] = task
            task.add_done_callback(partial(self._ended, source_id))

    def _ended(self, source_id: str, task: asyncio.Task[None]) -> None:
        self._running.pop(source_id, None)

    async def _pass(self, source: Source) -> None:
        try:
            await pass_over(self.workshop.pipeline, source)
        except StorageError as error:
            log.error("storage", source=source.id, error=str(error))
        except Exception:
            log.exception("bug", source=source.id)

    async def deliver(self) -> None:
        await self.workshop.post.deliver()

    async def look_at_calendar(self) -> None:
        look_at_calendar(self.settings, self.database, self.clock())

    async def renew_lease(self) -> None:
        if not leases.renew(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock()):
            log.error("another daemon has taken the database over", database=self.database.where)
            self._lost_lease = True
            self._stopping.set()

    # --- signals ---

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def reload(self) -> None:
        """Read the configuration again. A bad one is refused and told; the old one stays."""
        try:
            settings = load_settings(self.config)
        except ConfigError as error:
            log.error("configuration refused, the old one stays", problems=error.problems)
            return
        fixed = [name for name in ("storage", "web") if getattr(settings, name) != getattr(self.settings, name)]
        if fixed:
            log.warning("these tables change only with a restart", tables=fixed)
        settings = settings.model_copy(update={name: getattr(self.settings, name) for name in fixed})
        self.workshop.use(settings)
        self.settings = settings
        log.info("configuration reloaded", sources=len(settings.sources))

    async def _end_passes(self) -> None:
        """What is committed is kept and what is not is done again: a pass may end anywhere."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS / 2)

    @property
    def workshop(self) -> Workshop:
        assert self._workshop is not None, "the daemon has not been started"
        return self._workshop

    def _take_lease(self) -> bool:
        return leases.acquire(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock())

    def _web(self) -> Any:
        from pledgewatch.web import serving

        return serving(self.settings, self.database)
