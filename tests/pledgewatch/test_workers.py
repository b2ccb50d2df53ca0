"""One service as several processes on one PostgreSQL: killed, cut off, poisoned, and counted."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from servers import Asked, Reply, Site
from sqlalchemy.engine import make_url
from world import Clock, Paper, trs

from pledgewatch.service import LEASE_SECONDS
from pledgewatch.settings import Settings, Source, parse_settings
from pledgewatch.ticks import Tick
from pledgewatch.workers import QUEUE, Station, opened, reached, sites_of
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.sources import sync_sources
from storage.tables import deliveries, documents, events, sources, versions

SITES, SOURCES, PAPERS = 8, 2, 4  # hosts, sources a host, documents a source


class Wall:
    """A TCP proxy before PostgreSQL that can be shut: a worker that loses the network, and gets it back."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: list[socket.socket] = []
        self._shut = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        self._shut = True
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def reopen(self) -> None:
        self._shut = False

    def close(self) -> None:
        self.shut()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self._shut:
                client.close()
                continue
            try:
                behind = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._open += [client, behind]
            for one, other in ((client, behind), (behind, client)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Town:
    """Hosts with sources whose every document can be revised."""

    def __init__(self, stack: ExitStack, pause: float) -> None:
        self.sites = [stack.enter_context(Site(f"127.0.1.{n + 1}")) for n in range(SITES)]
        self.tables: list[str] = []
        self._pause = pause
        for n, site in enumerate(self.sites):
            for s in range(SOURCES):
                self._list(site, n, s)
        self.publish("5000元")

    def _list(self, site: Site, n: int, s: int) -> None:
        title = f"关于第{n}{s}{{}}号提案的答复"
        rows = "".join(
            f'<li><a href="/s{s}/d{d}.html">{title.format(d)}</a><span>2025-09-15</span></li>' for d in range(PAPERS)
        )
        page = (
            f"<html><head><meta charset='utf-8'><title>建议提案办理</title></head><body><ul>{rows}</ul></body></html>"
        )
        site.page(f"/s{s}/list.html", page)
        self.tables.append(
            f'[[sources]]\nid = "s{n}-{s}"\nurl = "{site.url(f"/s{s}/list.html")}"\nregion = "城{n}市"\n'
        )

    def publish(self, amount: str) -> None:
        for n, site in enumerate(self.sites):
            for s in range(SOURCES):
                for d in range(PAPERS):
                    line = f"我市对第{n}{s}{d}类养老机构每张床位给予{amount}建设补贴。"
                    page = trs(Paper(f"关于第{n}{s}{d}号提案的答复", [line]), 1)
                    site.page(f"/s{s}/d{d}.html", page, delay=self._pause)

    @property
    def overlaps(self) -> int:
        return sum(site.overlaps for site in self.sites)


class Crew:
    """The processes of one service; each has its log in a file."""

    def __init__(self, folder: Path, url: str, tables: list[str], hook: str) -> None:
        self.folder, self.url, self.tables, self.hook = folder, url, tables, hook
        self.hands: dict[str, subprocess.Popen[bytes]] = {}

    def settings(self, url: str = "") -> str:
        return (
            f'[storage]\nurl = "{url or self.url}"\n[crawl]\ndelay = 0\nallow_private = true\nobey_robots = false\n'
            f'timeout = "5s"\n[workers]\nengine = "procrastinate"\nstalled = "4s"\n'
            f'[[subscribers]]\nid = "r"\nto = ["webhook+{self.hook}?secret=s"]\n' + "".join(self.tables)
        )

    def start(self, name: str, *roles: str, url: str = "", code: str = "", everywhere: str = "") -> None:
        """`code` runs in the process before it begins, `everywhere` in those that it begins itself as well."""
        config = self.folder / f"{name}.toml"
        config.write_text(self.settings(url), "utf-8")
        words = [word for role in roles for word in ("--role", role)]
        program = code + "\nfrom pledgewatch.cli import main\nmain()"
        (self.folder / "sitecustomize.py").write_text(everywhere, "utf-8")
        paths = [str(self.folder)] if everywhere else []
        self.hands[name] = subprocess.Popen(
            [sys.executable, "-c", program, "run", "--config", str(config), *words],
            stderr=(self.folder / f"{name}.log").open("wb"),
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", str(Path.cwd()))])},
        )

    def kill(self, name: str) -> None:
        self.hands[name].send_signal(signal.SIGKILL)
        self.hands[name].wait(10)

    def end(self) -> None:
        for hand in self.hands.values():
            if hand.poll() is None:
                hand.terminate()
        for hand in self.hands.values():
            try:
                hand.wait(15)
            except subprocess.TimeoutExpired:
                hand.kill()
                hand.wait(10)

    def logs(self) -> str:
        return "\n".join(f"== {p.stem}\n{p.read_text('utf-8')[-3000:]}" for p in sorted(self.folder.glob("*.log")))


@contextmanager
def crew(tmp_path: Path, url: str, *, pause: float = 0.03) -> Iterator[tuple[Town, Crew, Database, list[bytes]]]:
    with ExitStack() as stack:
        town = Town(stack, pause)
        letters: list[bytes] = []
        box = stack.enter_context(Site())

        def take(asked: Asked) -> Reply:
            letters.append(asked.body)
            return Reply()

        box.route("/hook", take)
        database = open_database(url)
        stack.callback(database.close)
        hands = Crew(tmp_path, url, town.tables, box.url("/hook"))
        stack.callback(hands.end)
        yield town, hands, database, letters


def count(database: Database, query: sa.Select[tuple[int]]) -> int:
    with database.read() as conn:
        return int(conn.execute(query).scalar_one())


def documents_read(database: Database) -> int:
    return count(database, sa.select(sa.func.count()).select_from(documents))


def until(what: str, reached: Callable[[], bool], hands: Crew, seconds: float = 200) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends, f"never: {what}\n{hands.logs()}"
        time.sleep(0.2)


def all_passed(database: Database) -> bool:
    passed = sa.select(sa.func.count()).select_from(sources).where(sources.c.last_pass_at.is_not(None))
    at_work = sa.select(sa.func.count()).select_from(sources).where(sources.c.job_id.is_not(None))
    return count(database, passed) == SITES * SOURCES and count(database, at_work) == 0


def make_all_due(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(sources.update().values(next_due_at=datetime(2026, 1, 1, tzinfo=UTC), last_pass_at=None))


def test_two_of_three_workers_killed_and_one_cut_off_lose_nothing(tmp_path: Path, postgresql_url: str) -> None:
    behind = make_url(postgresql_url)
    wall = Wall(behind.host or "127.0.0.1", behind.port or 5432)
    through_wall = behind.set(host="127.0.0.1", port=wall.port).render_as_string(hide_password=False)
    with crew(tmp_path, postgresql_url) as (town, hands, database, letters):
        hands.start("planner", "schedule", "deliver")
        hands.start("one", "crawl")
        hands.start("two", "crawl")
        hands.start("cut", "crawl", url=through_wall)
        everything = SITES * SOURCES * PAPERS
        until("a first pass over everything", lambda: all_passed(database), hands)
        assert documents_read(database) == everything

        town.publish("6000元")
        revised = sa.select(sa.func.count()).select_from(versions).where(versions.c.number == 2)
        make_all_due(database)
        until("some of the revisions", lambda: count(database, revised) >= 6, hands)
        hands.kill("one")
        hands.kill("two")
        wall.shut()
        hands.start("new", "crawl")
        until("every revision, by the one that is left", lambda: count(database, revised) == everything, hands)
        wall.reopen()
        until("an end of all passes", lambda: all_passed(database), hands)
        told = sa.select(sa.func.count()).select_from(events).where(events.c.type == "measure.changed")
        assert count(database, told) == everything, "each change is told once, whoever found it"
        waiting = sa.select(sa.func.count()).select_from(deliveries).where(deliveries.c.state != "sent")
        until("every alert", lambda: count(database, waiting) == 0 and len(letters) > 0, hands)
        numbers = sa.select(sa.func.max(versions.c.number))
        assert count(database, numbers) == 2
        assert not town.overlaps, "a host was asked by two at once"
    wall.close()


POISON = """
import os
from pledgewatch import workers
plain = workers.pass_over
async def poisoned(pipeline, source):
    if source.id == "s0-0":
        os.kill(os.getpid(), 9)
    return await plain(pipeline, source)
workers.pass_over = poisoned
"""


def test_a_source_that_ends_its_workers_stops_no_other(tmp_path: Path, postgresql_url: str) -> None:
    """It ends one worker, and from then on only processes of its own; the others go on meanwhile."""
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, database, _letters):
        hands.start("planner", "schedule", "deliver")
        hands.start("first", "crawl", everywhere=POISON)
        hands.hands["first"].wait(60)
        hands.start("second", "crawl", everywhere=POISON)

        def rest_is_read() -> bool:
            with database.read() as conn:
                state = conn.execute(sa.select(sources).where(sources.c.id == "s0-0")).one_or_none()
            rest = (SITES * SOURCES - 1) * PAPERS
            return bool(state and state.state == "failing") and documents_read(database) == rest

        until("everything but the poisonous source", rest_is_read, hands, 120)
        assert hands.hands["second"].poll() is None, f"a second worker was ended\n{hands.logs()}"
        with database.read() as conn:
            row = conn.execute(sa.select(sources).where(sources.c.id == "s0-0")).one()
            healthy = conn.execute(sa.select(sources.c.deaths).where(sources.c.id != "s0-0")).scalars().all()
        assert row.last_error.startswith("worker-died: 3") and row.job_id is None
        assert max(healthy) <= 1, "who was only near is not blamed"


SUSPECT = """
import time
from pledgewatch import workers
plain = workers.pass_over
async def slow(pipeline, source):
    if source.id == "s0-0":
        time.sleep(3600)
    return await plain(pipeline, source)
workers.pass_over = slow
"""


def test_a_suspect_that_hangs_holds_up_no_other_site_and_ends_with_its_worker(
    tmp_path: Path, postgresql_url: str
) -> None:
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, database, _letters):
        hands.start("planner", "schedule")
        until("it plans", lambda: "planning" in hands.logs(), hands)
        with database.begin() as conn:
            conn.execute(sources.update().where(sources.c.id == "s0-0").values(deaths=1))
        hands.start("worker", "crawl", everywhere=SUSPECT)
        until("all but one", lambda: documents_read(database) == (SITES * SOURCES - 1) * PAPERS, hands)
        make_all_due(database)
        elsewhere = sa.select(sa.func.count()).where(sources.c.last_pass_at.is_not(None), sources.c.id.not_like("s0-%"))
        until("the other sites again", lambda: count(database, elsewhere) == (SITES - 1) * SOURCES, hands)
        (child,) = children(hands.hands["worker"].pid)
        hands.kill("worker")
        until("the end of its child", lambda: not Path(f"/proc/{child}").exists(), hands)


def children(pid: int) -> list[int]:
    """The processes that a process began and that are there."""
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_second_planner_stands_by_and_takes_over(tmp_path: Path, postgresql_url: str) -> None:
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, database, _letters):
        hands.start("first", "schedule")
        until("the first plans", lambda: "planning" in hands.logs(), hands)
        hands.start("second", "schedule", "crawl")
        until("the second stands by", lambda: "standing by" in hands.logs(), hands)
        until("a pass over everything", lambda: all_passed(database), hands)
        hands.hands["first"].terminate()
        assert hands.hands["first"].wait(15) == 0
        make_all_due(database)
        until("another, planned by the second", lambda: all_passed(database), hands)


def test_a_planner_that_was_killed_is_followed_at_once_by_one_beside_it(tmp_path: Path, postgresql_url: str) -> None:
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, _database, _letters):
        hands.start("first", "schedule")
        until("the first plans", lambda: "planning" in hands.logs(), hands)
        hands.kill("first")
        began = time.monotonic()
        hands.start("second", "schedule")
        until("the second plans", lambda: "taking over from a process that was killed" in hands.logs(), hands)
        assert time.monotonic() - began < LEASE_SECONDS


def test_a_planner_whose_clock_was_set_back_plans_by_the_new_one(postgresql_url: str) -> None:
    """Sources that the old clock had put off until tomorrow are due when the day before begins anew."""
    with station_at(postgresql_url, {"schedule"}) as (station, database, clock):

        async def live() -> int:
            running = asyncio.create_task(station.run())
            while not station._leads:
                await asyncio.sleep(0.01)
            with database.begin() as conn:
                ahead = {"last_pass_at": clock.now, "next_due_at": clock.now + timedelta(hours=2)}
                conn.execute(sources.update().values(ahead))
            clock.now -= timedelta(days=1)
            await station.defer_due()
            jobs = list(await station.app.job_manager.list_jobs_async(status="todo", lock=station._sites["a"]))
            station.stop()
            await running
            return len(jobs)

        assert asyncio.run(live()) == 1


def test_a_job_whose_end_was_not_saved_is_ended_by_its_own_worker(postgresql_url: str) -> None:
    with station_at(postgresql_url, {"deliver"}) as (station, database, _clock):

        async def live() -> tuple[set[int], set[int]]:
            running = asyncio.create_task(station.run())
            while not station._started:
                await asyncio.sleep(0.01)
            manager = station.app.job_manager
            with database.begin() as conn:
                conn.execute(sa.text("DELETE FROM procrastinate_jobs"))  # of tests before this one
            worker = await manager.register_worker()
            for site in ("ended.gov.cn", "goes-on.gov.cn"):
                await station.app.configure_task("visit", queue=QUEUE, lock=site).defer_async(site=site)
            jobs = [await manager.fetch_job(queues=[QUEUE], worker_id=worker) for _ in range(2)]
            ended, goes_on = (job.id or 0 for job in jobs if job)
            with database.begin() as conn:
                conn.execute(sources.update().values(job_id=ended))
            station._over[ended] = -3600.0
            await station.end_unsaved()
            left = {job.id or 0 for job in await manager.list_jobs_async(status="doing")}
            station.stop()
            await running
            return left, {goes_on}

        left, expected = asyncio.run(live())
        assert left == expected
        assert count(database, sa.select(sa.func.count()).where(sources.c.job_id.is_not(None))) == 0


@contextmanager
def station_at(url: str, roles: set[str]) -> Iterator[tuple[Station, Database, Clock]]:
    """A process of the service, not begun, that knows of one source and lives by a clock of its own."""
    database, clock = open_database(url), Clock()
    settings = parse_settings(
        f'[storage]\nurl = "{url}"\n[crawl]\nallow_private = true\n[workers]\nengine = "procrastinate"\n'
        '[[sources]]\nid = "a"\nurl = "http://127.0.0.1:9/l"\n'
    )
    with database.begin() as conn:
        sync_sources(conn, {"a": "http://127.0.0.1:9/l"}, clock.now + timedelta(days=9))
    try:
        yield Station(settings, None, database, roles, clock), database, clock
    finally:
        database.close()


def test_a_queue_that_cannot_be_reached_is_an_outage(postgresql_url: str) -> None:
    behind = make_url(postgresql_url)
    wall = Wall(behind.host or "127.0.0.1", behind.port or 5432)

    async def reach() -> None:
        address = behind.set(host="127.0.0.1", port=wall.port).render_as_string(hide_password=False)
        async with opened(address, reach, patience=2.0) as app:
            wall.shut()
            with reached():
                await app.job_manager.list_jobs_async()

    with pytest.raises(StorageError, match="the queue cannot be reached"):
        asyncio.run(reach())
    wall.close()


def test_the_queue_takes_an_address_with_any_driver(postgresql_url: str) -> None:
    async def reach() -> bool:
        other = make_url(postgresql_url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        async with opened(other, reach) as app:
            return await app.check_connection_async()

    assert asyncio.run(reach())


def test_sources_that_share_a_host_share_a_site() -> None:
    configured = [
        Source(id="a", url="http://mzj.wuhan.gov.cn/l", hosts=("files.example.net",)),
        Source(id="b", url="http://www.wuhan.gov.cn/l"),
        Source(id="c", url="http://files.example.net/l"),
        Source(id="d", url="http://www.xianning.gov.cn/l"),
    ]
    shared = sites_of(configured)
    assert shared["a"] == shared["b"] == shared["c"] != shared["d"]


def test_the_engine_needs_postgresql() -> None:
    from pledgewatch.settings import ConfigError

    with pytest.raises(ConfigError, match=r"workers\.engine.*PostgreSQL"):
        parse_settings('[workers]\nengine = "procrastinate"\n')
    assert isinstance(parse_settings('[workers]\nengine = "embedded"\n'), Settings)


HELD = """
import asyncio, time
from pledgewatch import workers
async def held(pipeline, source):
    await asyncio.to_thread(time.sleep, 60)
workers.pass_over = held
"""


def test_a_worker_ends_in_time_whatever_a_thread_is_busy_with(tmp_path: Path, postgresql_url: str) -> None:
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, database, _letters):
        hands.start("busy", "schedule", "crawl", code=HELD)
        at_work = sa.select(sa.func.count()).select_from(sources).where(sources.c.job_id.is_not(None))
        until("it is at work", lambda: count(database, at_work) > 0, hands)
        hands.hands["busy"].terminate()
        assert hands.hands["busy"].wait(10) == 0  # what the contract gives


def test_a_worker_that_reads_another_configuration_leaves_what_is_watched_alone(
    tmp_path: Path, postgresql_url: str
) -> None:
    with crew(tmp_path, postgresql_url, pause=0) as (_, hands, database, _letters):
        hands.start("planner", "schedule")
        hands.start("worker", "crawl")
        until("both have begun", lambda: hands.logs().count('"event": "started"') == 2, hands)
        hands.tables = hands.tables[:1]
        (tmp_path / "worker.toml").write_text(hands.settings(), "utf-8")
        hands.hands["worker"].send_signal(signal.SIGHUP)
        until("it has read it", lambda: "configuration reloaded" in hands.logs(), hands)
        watched = sa.select(sa.func.count()).select_from(sources).where(sources.c.next_due_at.is_not(None))
        assert count(database, watched) == SITES * SOURCES


class Sender:
    """A service to which a message is under way when the process is asked to end."""

    def __init__(self) -> None:
        self.began, self.goes_on, self.recorded = asyncio.Event(), asyncio.Event(), False

    async def deliver(self) -> None:
        self.began.set()
        await self.goes_on.wait()
        self.recorded = True


def test_a_message_under_way_is_recorded_before_the_process_ends(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    settings = parse_settings(f'[storage]\nurl = "{postgresql_url}"\n[workers]\nengine = "procrastinate"\n')

    async def live() -> bool:
        sender, station = Sender(), Station(settings, None, database, {"deliver"})
        running = asyncio.create_task(station.run())
        while station._workshop is None:
            await asyncio.sleep(0)
        station.workshop.post = sender  # type: ignore[assignment]
        await sender.began.wait()
        station.stop()
        asyncio.get_running_loop().call_later(0.2, sender.goes_on.set)
        await running
        return sender.recorded

    try:
        assert asyncio.run(live())
    finally:
        database.close()


def test_the_lead_is_kept_however_long_workers_may_be_silent(postgresql_url: str) -> None:
    database = open_database(postgresql_url)
    settings = parse_settings(
        f'[storage]\nurl = "{postgresql_url}"\n[workers]\nengine = "procrastinate"\nstalled = "1h"\n'
    )
    paces: dict[str, float] = {}

    async def live() -> None:
        station = Station(settings, None, database, {"schedule"})
        assert station.seconds_since_tick() == 0.0, "asked before it has begun"
        plain = station.ticks.every

        def noted(seconds: float, tick: Tick) -> None:
            paces[tick.__name__] = seconds
            plain(seconds, tick)

        station.ticks.every = noted  # type: ignore[method-assign]
        station.stop()
        await station.run()

    try:
        asyncio.run(live())
    finally:
        database.close()
    assert paces["lead"] < LEASE_SECONDS / 2
