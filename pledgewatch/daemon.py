"""The daemon: one process that schedules, crawls, compares, delivers and serves the pages.

A few ticks do the work; none of them knows the others. What is due stands in the database, so a restart goes on
from what was committed. A clock that is set forward makes things due earlier; where it is set back, what was planned by
the old one is brought back as well (`storage.clock`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial

import structlog

from pledgewatch import holders
from pledgewatch.logs import configure_logs
from pledgewatch.passes import pass_over
from pledgewatch.pipeline import Fetches
from pledgewatch.service import (
    CALENDAR_SECONDS,
    LEASE,
    LEASE_SECONDS,
    REST,
    TICK_SECONDS,
    WORK_ENDS_SECONDS,
    Service,
    run_service,
)
from pledgewatch.settings import Settings, Source
from pledgewatch.web import serving
from pledgewatch.work import Workshop, utc_now
from storage import leases, sources
from storage.database import Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

PASSES_AT_ONCE = 100  # a pass that waits for a slow site costs little; the fetcher bounds what is under way


def run_daemon(settings: Settings, config: str | None, database: Database) -> int:
    """Run until SIGTERM or SIGINT. Status 0, or 2 where the database or the web address is another's."""
    configure_logs(zone=settings.service.zone)
    return run_service(Daemon(settings, config, database))


class Daemon(Service):
    """The running service. `clock` and `fetcher` are injected by tests."""

    def __init__(
        self,
        settings: Settings,
        config: str | None,
        database: Database,
        clock: Callable[[], datetime] = utc_now,
        fetcher: Fetches | None = None,
    ) -> None:
        super().__init__(settings, config, database, clock)
        self._fetcher = fetcher
        self._passes: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, datetime] = {}

    async def run(self) -> int:
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
                log.info("stopping", passes=sorted(self._passes))
                await asyncio.gather(self._end_passes(), self._end_sending())
        finally:
            with suppress(StorageError):
                leases.release(self.database, LEASE, self.holder)
        log.info("stopped")
        return self.status

    async def _start(self, stack: AsyncExitStack) -> None:
        listen = await stack.enter_async_context(serving(self.settings, self.database, status=self))
        workshop = Workshop(self.settings, self.database, self.clock, metrics=self.metrics, fetcher=self._fetcher)
        self._workshop = await stack.enter_async_context(workshop)
        with self.database.begin() as conn:  # what shared work left when it was given up
            sources.free(conn, sources.jobs_at_work(conn))
        self._bring_back_plans()
        self._begin_ticks()
        stack.push_async_callback(self.ticks.stop)
        log.info("started", sources=len(self.settings.sources), pages=listen, database=self.database.where)
        if self._asked_to_reload:
            self.reload()

    def running(self) -> Collection[str]:
        """The ids of the sources that a pass is at work on."""
        return tuple(self._passes)

    def seconds_since_tick(self) -> float:
        """How long ago the daemon last looked for passes, and renewed its lease, without an error."""
        if self._workshop is None:
            return 0.0
        looked, renewed = map(self.ticks.seconds_since, (self.start_due_passes.__name__, self.renew_lease.__name__))
        return max(looked, renewed - LEASE_SECONDS / 4)

    # --- ticks ---

    def _begin_ticks(self) -> None:
        self.ticks.every(TICK_SECONDS, self.start_due_passes)
        self.ticks.every(TICK_SECONDS, self.deliver)
        self.ticks.every(LEASE_SECONDS / 4, self.renew_lease)
        self.ticks.every(CALENDAR_SECONDS, self.look_at_calendar)

    async def start_due_passes(self) -> None:
        """Start a pass over each source that is due and not being passed over already."""
        now = self.clock()
        self._watch_clock(now)
        if self._stopping.is_set():
            return
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

    def _brought_back(self) -> None:
        self._resting.clear()

    async def _pass(self, source: Source) -> None:
        try:
            self.metrics.passed(await pass_over(self.workshop.pipeline, source))
        except StorageError as error:
            log.error("storage", source=source.id, error=str(error))
            self._resting[source.id] = self.clock() + REST
        except Exception:
            log.exception("bug", source=source.id)
            self._resting[source.id] = self.clock() + REST
        await self.workshop.settle()

    async def renew_lease(self) -> None:
        """Stay the one daemon of the database; stop where another has become it."""
        if not leases.renew(self.database, LEASE, self.holder, LEASE_SECONDS, self.clock()):
            log.error("another daemon has taken the database over", database=self.database.where)
            self.status = 2
            self._stopping.set()

    # --- the end ---

    async def _end_passes(self) -> None:
        """What is committed is kept and what is not is done again: a pass may end anywhere."""
        tasks = list(self._passes.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=WORK_ENDS_SECONDS)
