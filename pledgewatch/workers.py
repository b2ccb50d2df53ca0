"""One service on several machines: who plans, who crawls, who delivers, each as many times as wanted.

The engine is Procrastinate on PostgreSQL. Its job is a visit to one *site* (a registered domain, with the further
hosts that a source names): the lock of a job is its site, so that across all machines one worker asks a site at a time.
Jobs are only hints. What is due stands in `sources.next_due_at`, and a source is given back when its pass is over: a
job that is lost with its worker leaves its sources due, and the next look at what is due makes another job.

A worker that is frozen for longer than `workers.stalled` may go on beside the one that took its place. Everything that
a pass writes is harmless when it is written twice.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.engine import make_url

from crawler.addresses import site_of
from pledgewatch import health
from pledgewatch.logs import configure_logs
from pledgewatch.passes import Listing, PassReport, pass_over
from pledgewatch.service import LEASE, LEASE_SECONDS, REST, TICK_SECONDS, WORK_ENDS_SECONDS, Service, run_service
from pledgewatch.settings import Settings, Source
from pledgewatch.web import serving
from pledgewatch.work import Workshop, utc_now
from storage import leases, sources
from storage.database import Database, open_database
from storage.errors import StorageError

if TYPE_CHECKING:
    from procrastinate import App, JobContext

log = structlog.get_logger(__name__)

ROLES = ("schedule", "crawl", "deliver", "web")

QUEUE = "visits"
HEARTBEATS = 4  # in the time after which a worker without any is taken for dead
RETRY_SECONDS = 5.0  # until a queue that could not be reached is tried again
SITES_AT_ONCE = 20  # in one worker: visits mostly wait for their site
PASSES_AT_ONCE = 8  # of one site: its hosts are asked side by side, each of them one by one
AGAIN_SECONDS = 60.0  # a site that stays due is asked for again after this
SAVED_SECONDS = 5.0  # until the end of a job is written down, unless that failed
DEATHS = 3  # a source that ended so many processes, all but the first alone with it, is left in peace
APART_AT_ONCE = 4  # such processes of one worker: each takes some 140 MB
NOT_GOOD = 3  # how such a process ends where its pass did, and not well
APART_SECONDS = 60.0  # for a process of a source's own to begin and end, beside its pass
PEACE = timedelta(days=1)


def sites_of(configured: Iterable[Source]) -> dict[str, str]:
    """Which site each source (by id) belongs to. Sources that share a host in any way share a site.

    >>> sites_of([Source(id="a", url="http://mzj.b.gov.cn/l"), Source(id="b", url="http://www.b.gov.cn/l")])
    {'a': 'b.gov.cn', 'b': 'b.gov.cn'}
    """
    leader: dict[str, str] = {}

    def find(site: str) -> str:
        while (above := leader.setdefault(site, site)) != site:
            site = above
        return site

    own = {
        source.id: [site_of(source.url), *(site_of(f"http://{host}") for host in source.hosts)] for source in configured
    }
    for first, *further in own.values():
        for site in further:
            one, other = sorted((find(first), find(site)))
            leader[other] = one
    return {id: find(names[0]) for id, names in own.items()}


def run_workers(settings: Settings, config: str | None, database: Database, roles: Collection[str] = ROLES) -> int:
    """Take these roles until SIGTERM or SIGINT; the exit status."""
    configure_logs(zone=settings.service.zone)
    return run_service(Station(settings, config, database, roles))


class Station(Service):
    """One process of the service. `clock` is injected by tests."""

    def __init__(
        self,
        settings: Settings,
        config: str | None,
        database: Database,
        roles: Collection[str] = ROLES,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings, config, database, clock)
        self.roles = frozenset(roles)
        self.app: App
        self._crawling: asyncio.Task[None] | None = None
        self._started = False
        self._leads: bool | None = None  # not tried yet
        self._deferred: dict[str, float] = {}
        self._here: set[str] = set()
        self._apart = asyncio.Semaphore(APART_AT_ONCE)
        self._over: dict[int, float] = {}  # jobs that ended here, as far as is known unsaved, and when
        self._stalled = settings.workers.stalled.total_seconds()
        self._heartbeat = self._stalled / HEARTBEATS
        self._share_out()

    def _share_out(self) -> None:
        self._sites = sites_of(self.settings.sources)
        self._sources_of: dict[str, list[str]] = {}
        for id, site in self._sites.items():
            self._sources_of.setdefault(site, []).append(id)

    async def run(self) -> int:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            await self._start(stack)
            await self._until_asked()
            log.info("stopping", roles=sorted(self.roles))
        log.info("stopped")
        return self.status

    async def _start(self, stack: AsyncExitStack) -> None:
        listen = None
        if "web" in self.roles:
            listen = await stack.enter_async_context(serving(self.settings, self.database, status=self))
        plans = "schedule" in self.roles
        workshop = Workshop(self.settings, self.database, self.clock, metrics=self.metrics, registers=plans)
        self._workshop = await stack.enter_async_context(workshop)
        with reached():
            self.app = await stack.enter_async_context(opened(self.settings.storage.url, self._visit))
        stack.callback(self._give_up_lead)
        stack.push_async_callback(self.ticks.stop)
        if plans:
            self.ticks.every(min(self._heartbeat, LEASE_SECONDS / 4), self.lead)
            self.ticks.every(TICK_SECONDS, self.defer_due)
            self.ticks.every(self._heartbeat, self.sweep)
            self.ticks.every(LEASE_SECONDS, self.look_at_calendar)
        if "deliver" in self.roles:
            self.ticks.every(TICK_SECONDS, self.deliver)
        stack.push_async_callback(self._end_work)
        if "crawl" in self.roles:
            self.ticks.every(self._heartbeat, self.end_unsaved)
            self._crawling = asyncio.create_task(self._crawl())
        self._started = True
        log.info("started", roles=sorted(self.roles), sources=len(self.settings.sources), pages=listen)
        if self._asked_to_reload:
            self.reload()

    async def _end_work(self) -> None:
        """Let go of passes. A message under way is recorded first: it would go out again after the restart."""
        crawling = [_end(self._crawling)] if self._crawling else []
        await asyncio.gather(self._end_sending(), *crawling)

    def _taken_over(self) -> None:
        self._share_out()

    def running(self) -> Collection[str]:
        """The ids of the sources that this process is at work on."""
        return tuple(self._here)

    def seconds_since_tick(self) -> float:
        """How long ago the slowest part of this process last went round."""
        if not self._started:
            return 0.0
        names = {"schedule": self.defer_due.__name__, "deliver": self.deliver.__name__}
        return max((self.ticks.seconds_since(name) for role, name in names.items() if role in self.roles), default=0.0)

    # --- schedule ---

    async def lead(self) -> None:
        """Be the one that plans, or wait to become it."""
        leads = self._take_lease()
        if leads != self._leads:
            log.info("planning" if leads else "another one plans; standing by")
            if leads:
                self._bring_back_plans()
        self._leads = leads

    def _give_up_lead(self) -> None:
        with suppress(StorageError):
            leases.release(self.database, LEASE, self.holder)

    async def defer_due(self) -> None:
        """Ask for a visit to each site where a source is due."""
        if not self._leads:
            return
        from procrastinate.exceptions import AlreadyEnqueued

        self._watch_clock(self.clock())
        with self.database.read() as conn:
            due = sources.due_sources(conn, self.clock())
        wanted = dict.fromkeys(self._sites[id] for id in due if id in self._sites)
        now = asyncio.get_running_loop().time()
        self._deferred = {
            site: at for site, at in self._deferred.items() if site in wanted and now - at < AGAIN_SECONDS
        }
        for site in wanted:
            if site in self._deferred:
                continue
            with suppress(AlreadyEnqueued), reached():
                visit = self.app.configure_task("visit", queue=QUEUE, lock=site, queueing_lock=site)
                await visit.defer_async(site=site)
            self._deferred[site] = now

    async def sweep(self) -> None:
        """Free what a dead worker held. A source that goes on ending workers is left in peace for a day."""
        if not self._leads:
            return
        from procrastinate.jobs import Status

        with self.database.read() as conn:
            at_work = sources.jobs_at_work(conn)
        with reached():
            doing = await self._doing()
            stalled = await self.app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=self._stalled)
        for job in stalled:
            assert job.id is not None
            with self.database.begin() as conn:
                ended = sources.mourn(conn, job.id)
            log.warning("a worker is gone, its work is taken up again", site=job.lock, sources=sorted(ended))
            for id, deaths in ended.items():
                self._count_deaths(id, deaths)
            with reached():
                await self.app.job_manager.finish_job_by_id_async(job.id, Status.FAILED, delete_job=True)
            self._deferred.pop(job.lock or "", None)
        with self.database.begin() as conn:
            sources.free(conn, at_work - doing)

    async def _doing(self) -> set[int]:
        return {job.id or 0 for job in await self.app.job_manager.list_jobs_async(queue=QUEUE, status="doing")}

    def _count_deaths(self, id: str, deaths: int) -> None:
        if deaths >= DEATHS:
            self._leave_in_peace(id, deaths)

    def _leave_in_peace(self, id: str, deaths: int) -> None:
        source = self.settings.source(id)
        if source is None:
            return
        reason = f"worker-died: {deaths} processes in a row ended while they read this source"
        log.error("a source ends its workers", source=id, deaths=deaths, next=str(self.clock() + PEACE))
        with self.database.begin() as conn:
            state = sources.source_state(conn, id)
            assert state is not None, f"source {id} is not known"
            sources.save_pass(conn, replace(state, failures=max(state.failures, health.FAILURES_TOLD - 1)))
        report = PassReport(id)
        report.fail(reason)
        health.finish_pass(self.workshop.pipeline, source, Listing(error=reason), report)
        with self.database.begin() as conn:
            sources.make_due(conn, id, self.clock() + PEACE)

    async def look_at_calendar(self) -> None:
        """The one that plans looks."""
        if self._leads:
            await super().look_at_calendar()

    # --- crawl ---

    async def _crawl(self) -> None:
        """Do jobs until cancelled. Without the database no job is done: what it held is taken up by others."""
        while True:
            try:
                await self.app.run_worker_async(
                    queues=[QUEUE],
                    name=self.holder[:60],
                    concurrency=SITES_AT_ONCE,
                    fetch_job_polling_interval=0.5,  # releasing a lock wakes nobody
                    update_heartbeat_interval=self._heartbeat,
                    stalled_worker_timeout=self._stalled,
                    shutdown_graceful_timeout=WORK_ENDS_SECONDS,
                    install_signal_handlers=False,
                    delete_jobs="always",
                )
                log.error("the queue cannot be reached; trying again")
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.error("the queue cannot be reached; trying again", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RETRY_SECONDS)

    async def end_unsaved(self) -> None:
        """End the jobs that ended here and are still held to go on: the database could not be told at the time.

        Their worker lives, so nobody else would ever take up their sites.
        """
        from procrastinate.jobs import Status

        late = asyncio.get_running_loop().time() - SAVED_SECONDS
        ended = {job_id for job_id, at in self._over.items() if at <= late}
        if not ended:
            return
        with reached():
            for job_id in ended & await self._doing():
                log.warning("the end of a job is saved late", job=job_id)
                with self.database.begin() as conn:
                    sources.free(conn, {job_id})
                await self.app.job_manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)
        for job_id in ended:
            del self._over[job_id]

    async def _visit(self, context: JobContext, site: str) -> None:
        """The job: pass over what is due at one site, suspects last and each in a process of its own."""
        assert context.job.id is not None
        try:
            await self._pass_all(context.job.id, site)
        except StorageError as error:
            log.error("storage", site=site, error=str(error))
        finally:
            self._over[context.job.id] = asyncio.get_running_loop().time()

    async def _pass_all(self, job_id: int, site: str) -> None:
        with self.database.read() as conn:
            due = sources.due_sources(conn, self.clock(), only=self._sources_of.get(site, ()))
            suspects = sources.deaths_by(conn, due)
        gate = asyncio.Semaphore(PASSES_AT_ONCE)

        async def beside_others(id: str) -> None:
            async with gate:
                await self._pass(id, job_id, self._pass_here)

        async with asyncio.TaskGroup() as group:
            for id in due:
                if id not in suspects:
                    group.create_task(beside_others(id))
        await self.workshop.settle()  # before whoever visits the site next asks for it
        for id in suspects:
            async with self._apart:
                await self._pass(id, job_id, self._pass_apart)

    async def _pass(self, id: str, job_id: int, how: Callable[[Source], Awaitable[bool]]) -> None:
        """One source's turn; `how` says whether the process that passed over it came to its end."""
        source = self.settings.source(id)
        if source is None or not self._take(id, job_id):
            return
        self._here.add(id)
        due_at, lived = None, True
        try:
            lived = await how(source)
        except StorageError as error:
            log.error("storage", source=id, error=str(error))
            due_at = self.clock() + REST
        except Exception:
            log.exception("bug", source=id)
            due_at = self.clock() + REST
        finally:
            self._here.discard(id)
            with suppress(StorageError):
                self._give_back(id, job_id, due_at, lived=lived)

    def _take(self, id: str, job_id: int) -> bool:
        try:
            with self.database.begin() as conn:
                return sources.take(conn, id, job_id) is not None
        except StorageError as error:
            log.error("storage", source=id, error=str(error))
            return False

    def _give_back(self, id: str, job_id: int, due_at: datetime | None, *, lived: bool) -> None:
        with self.database.begin() as conn:
            if lived:
                sources.give_back(conn, id, job_id, due_at)
                return
            deaths = sources.mourn(conn, job_id, only=id).get(id, 0)
        log.warning("the process of a source ended", source=id, deaths=deaths)
        self._count_deaths(id, deaths)

    async def _pass_here(self, source: Source) -> bool:
        self.metrics.passed(await pass_over(self.workshop.pipeline, source))
        return True

    async def _pass_apart(self, source: Source) -> bool:
        """A suspect's pass, in a process of its own: what ends that ends nobody else's work."""
        program = f"from pledgewatch.workers import read_apart; read_apart({source.id!r})"
        paths = (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", ""))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        assert process.stdin is not None
        began = asyncio.get_running_loop().time()
        try:
            # It stays open: where it ends, so does the child.
            process.stdin.write(pickle.dumps(self.settings))
            async with asyncio.timeout(self.settings.crawl.pass_limit.total_seconds() + APART_SECONDS):
                status = await process.wait()
        except TimeoutError:
            return False  # it hangs where no limit of a pass reaches
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status not in (0, NOT_GOOD):
            if status > 0:
                raise StorageError(f"its process ended with status {status} and says why")
            return False
        seconds = asyncio.get_running_loop().time() - began
        self.metrics.passed(PassReport(source.id, ok=status == 0, seconds=seconds))
        return True


def read_apart(id: str) -> None:
    """The life of a process that passes over one source. The settings come by standard input, as `pickle` writes them.

    It ends when standard input does, and else with status 0, `NOT_GOOD` where the pass was not, or 1 where nothing
    could be recorded.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # they go to the whole group; who began this process ends it
    settings: Settings = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_input, daemon=True).start()
    configure_logs(zone=settings.service.zone)
    source = settings.source(id)
    assert source is not None, f"{id} is not configured"
    database = open_database(settings.storage.url)

    async def read() -> bool:
        async with Workshop(settings, database, registers=False) as workshop:
            return (await pass_over(workshop.pipeline, source)).ok

    if not asyncio.run(read()):
        sys.exit(NOT_GOOD)


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):  # not by `sys.stdin`: its lock would be held when the interpreter ends
        pass
    os._exit(1)


@contextmanager
def reached() -> Iterator[None]:
    """Raise StorageError where the queue's database cannot be reached: an outage, and no mistake of ours."""
    from procrastinate.exceptions import ConnectorException
    from psycopg import OperationalError

    try:
        yield
    except (ConnectorException, OperationalError) as error:
        raise StorageError(f"the queue cannot be reached: {error.__cause__ or error}") from error


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


@asynccontextmanager
async def opened(url: str, visit: Callable[..., Any], patience: float = 30.0) -> AsyncIterator[App]:
    """The queue in the database at `url`, its tables made where they are missing.

    What is asked of it waits for a connection for up to `patience` seconds.
    """
    from procrastinate import App, PsycopgConnector
    from procrastinate.exceptions import ConnectorException

    # Without the driver, which is SQLAlchemy's affair: libpq knows none.
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    app = App(connector=PsycopgConnector(conninfo=address, min_size=1, max_size=5, timeout=patience))
    app.task(name="visit", queue=QUEUE, pass_context=True)(visit)
    async with app.open_async():
        if not await app.check_connection_async():
            # Another process may make them at the same moment: whichever comes second finds them.
            try:
                await app.schema_manager.apply_schema_async()
            except ConnectorException:
                if not await app.check_connection_async():
                    raise
        yield app
