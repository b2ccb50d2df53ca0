"""What is done again and again, each at its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from storage.errors import StorageError

log = structlog.get_logger(__name__)

Tick = Callable[[], Awaitable[None]]

WATCH_SECONDS = 1.0
TOLERANCE = timedelta(seconds=3)  # by which the clock may be corrected without anybody waiting for it


def wall_clock() -> datetime:
    """What the scheduler plans by. A simulation puts its own in place."""
    return datetime.now(UTC)


class Ticks:
    """Runs each tick at once, and again every so many seconds, one run of it at a time, until all are stopped.

    APScheduler plans by the wall clock: where that is set back by a day, it would stand still for one, and nobody would
    renew the lease. So the wall clock is watched from the event loop's, which no hand can set; when it went back, every
    tick comes at once.
    """

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended_well: dict[str, float] = {}
        self._watch: asyncio.Task[None] | None = None

    def every(self, seconds: float, tick: Tick) -> None:
        """Begin with `tick`, which is known by its function's name from now on."""
        if self._watch is None:
            self._scheduler.start()
            self._watch = asyncio.create_task(self._watch_clock(), name="clock")
        self._ended_well[tick.__name__] = asyncio.get_running_loop().time()
        self._scheduler.add_job(
            self._guarded(tick),
            IntervalTrigger(seconds=seconds, start_date=wall_clock(), timezone=UTC),
            id=tick.__name__,
            next_run_time=wall_clock(),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
        )

    def seconds_since(self, name: str) -> float:
        """How long ago a tick last ended without an error; since its beginning where it never has."""
        assert self._watch is not None, "no tick has begun"
        return self._watch.get_loop().time() - self._ended_well[name]

    async def stop(self) -> None:
        """Cancel what is under way."""
        if self._watch is None:
            return
        self._watch.cancel()
        self._scheduler.shutdown(wait=False)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(self._watch, *self._under_way, return_exceptions=True)

    def _guarded(self, tick: Tick) -> Tick:
        """A tick that fails says so and comes again: a full disk must not end the service."""

        async def guarded() -> None:
            task = asyncio.current_task()
            assert task is not None, "ticks run as tasks"
            self._under_way.add(task)
            try:
                await tick()
                self._ended_well[tick.__name__] = asyncio.get_running_loop().time()
            except StorageError as error:
                log.error("storage", tick=tick.__name__, error=str(error))
            except Exception:
                log.exception("bug", tick=tick.__name__)
            finally:
                self._under_way.discard(task)

        return guarded

    async def _watch_clock(self) -> None:
        loop = asyncio.get_running_loop()
        begin = wall_clock() - timedelta(seconds=loop.time())
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = wall_clock()
            if now - timedelta(seconds=loop.time()) < begin - TOLERANCE:
                for job in self._scheduler.get_jobs():
                    job.modify(next_run_time=now)
            begin = now - timedelta(seconds=loop.time())
