"""Pages per second of 1, 2 and 4 crawl workers on one PostgreSQL, and the CPU that everyone takes for a page.

Known pages on many loopback hosts, answered 304 and then all changed. Workers, PostgreSQL and the site share this
machine: on two cores the rate is bounded by what all of them take together, so the CPU of a page is told by who takes
it. From it follows what more cores would give. The rate counts from the first answer of a round to the last.

Crews take turns at a round each, so that a load that changes meanwhile meets all of them, and the best round of each
counts. On an idle machine of two cores the whole takes some four minutes; what they cost is told by `ROUNDS` and the
rows of `LOADS`: a round should take a crew of one five seconds at least, lest its beginning is what is measured.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from benchmarks.bench_fetch import ask, site
from benchmarks.server import HOSTS
from benchmarks.table import Row
from pledgewatch.service import TICK_SECONDS
from storage.database import Database, open_database
from storage.tables import captures, sources

CREWS = (1, 2, 4)
ROUNDS = 2
HERE = Path(__file__).resolve().parents[1]
_TICK = os.sysconf("SC_CLK_TCK")
_HEAD = """
[storage]
url = "{url}"
[crawl]
delay = 0
allow_private = true
[workers]
engine = "procrastinate"
"""
_SOURCE = """
[[sources]]
id = "s{n}"
url = "http://{host}:{port}/{list}/{rows}"
recheck = "all"
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What the pages are, and how many a host has."""

    name: str
    list: str
    rows: int


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over everything. CPU in milliseconds a page: of the workers, of PostgreSQL, of the site."""

    rate: float
    workers: float
    postgresql: float
    site: float

    @property
    def cpu(self) -> float:
        return self.workers + self.postgresql + self.site


LOADS = (Load("304", "list", 20), Load("all changed", "moving", 2))


@contextmanager
def empty_database() -> Iterator[str]:
    """The URL of a new database on the server that the tests use, for as long as the block lasts."""
    name = f"pledgewatch_bench_{os.getpid()}"
    server = runpy.run_path(str(HERE / "tests" / "databases.py"))["server"]()
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
        try:
            url = make_url(server).set(drivername="postgresql+psycopg", database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def process_cpu(pid: int) -> float:
    """Seconds of CPU that a process has used; 0 where it has ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / _TICK


class Service:
    """The processes of one service: a planner, and as many crawl workers as are wanted."""

    def __init__(self, folder: Path, url: str, port: int, load: Load) -> None:
        tables = (
            _SOURCE.format(n=n, host=host, port=port, list=load.list, rows=load.rows) for n, host in enumerate(HOSTS)
        )
        self.config = folder / "config.toml"
        self.config.write_text(_HEAD.format(url=url) + "".join(tables), "utf-8")
        self.log = folder / "log"
        self.workers: list[subprocess.Popen[bytes]] = []

    @contextmanager
    def at_work(self, workers: int) -> Iterator[None]:
        """A planner and so many workers, until the block ends."""
        planner = self._start("schedule")
        self.workers = [self._start("crawl") for _ in range(workers)]
        try:
            yield
        finally:
            for process in (planner, *self.workers):
                process.terminate()
            for process in (planner, *self.workers):
                process.wait(60)

    def _start(self, role: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-c", "from pledgewatch.cli import main; main()"]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*program, "run", "--config", self.config, "--role", role], stderr=log, stdout=log, cwd=HERE
            )

    def check_alive(self) -> None:
        if any(worker.poll() is not None for worker in self.workers):
            raise RuntimeError(f"a worker ended: {self.log.read_text('utf-8')[-2000:]}")


def _backends(database: Database) -> float:
    """Seconds of CPU of the server's processes that serve this database now."""
    with database.read() as conn:
        pids = conn.execute(sa.text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")).scalars()
        return sum(map(process_cpu, pids))


def _make_due(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(sources.update().values(next_due_at=datetime(2026, 1, 1, tzinfo=UTC), last_pass_at=None))


def _wait_for_all(database: Database, service: Service, seconds: float = 600) -> None:
    """Until every source was passed over and nobody is at work."""
    passed = sa.select(sa.func.count()).select_from(sources)
    passed = passed.where(sources.c.last_pass_at.is_not(None), sources.c.job_id.is_(None))
    ends = time.monotonic() + seconds
    while True:
        with database.read() as conn:
            if conn.execute(passed).scalar_one() == len(HOSTS):
                return
        service.check_alive()
        if time.monotonic() > ends:
            raise RuntimeError(f"not done in {seconds:.0f} s: {service.log.read_text('utf-8')[-2000:]}")
        time.sleep(0.1)


def _answers(database: Database, after: int) -> tuple[int, float, int]:
    """How many documents were answered after this capture, in how many seconds, and which capture was the last."""
    of_documents = captures.c.url.not_like("%/list/%") & captures.c.url.not_like("%/moving/%")
    counted = sa.func.count().filter(of_documents)
    times = sa.func.max(captures.c.fetched_at) - sa.func.min(captures.c.fetched_at)
    query = sa.select(counted, sa.extract("epoch", times), sa.func.max(captures.c.id)).where(captures.c.id > after)
    with database.read() as conn:
        pages, seconds, last = conn.execute(query).one()
    return int(pages), float(seconds or 0), int(last or after)


def _round(database: Database, service: Service, port: int, publish: Callable[[], object]) -> Round:
    publish()
    _, _, last = _answers(database, 0)
    told: dict[str, Callable[[], float]] = {
        "workers": lambda: sum(process_cpu(worker.pid) for worker in service.workers),
        "postgresql": lambda: _backends(database),
        "site": lambda: float(ask(port, "told")["cpu"]),
    }
    before = {name: used() for name, used in told.items()}
    time.sleep(3.5 * TICK_SECONDS)  # until the planner has seen that nothing was due
    _make_due(database)
    _wait_for_all(database, service)
    after = {name: used() for name, used in told.items()}
    pages, seconds, _ = _answers(database, last)
    used = {name: (after[name] - before[name]) / pages * 1000 for name in told}
    return Round(pages / seconds, **used)


def _bytes(database: Database) -> float:
    """Of a capture's row, indexes included."""
    with database.read() as conn:
        total = conn.execute(sa.text("SELECT pg_total_relation_size('captures')")).scalar_one()
        return float(total) / int(conn.execute(sa.select(sa.func.count()).select_from(captures)).scalar_one())


def measure(load: Load, port: int) -> tuple[dict[int, Round], float]:
    """Workers → the best round; and the bytes of a capture."""
    best: dict[int, Round] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(empty_database())
        database = open_database(url)
        stack.callback(database.close)
        service = Service(folder, url, port, load)

        def publish() -> None:
            if load.list == "moving":
                ask(port, "publish")

        with service.at_work(2):
            _wait_for_all(database, service)  # the baseline
        for _ in range(ROUNDS):
            for crew in CREWS:
                with service.at_work(crew):
                    _round(database, service, port, publish)  # finds workers that still begin
                    found = _round(database, service, port, publish)
                if crew not in best or found.rate > best[crew].rate:
                    best[crew] = found
        return best, _bytes(database)


def rows() -> Iterator[Row]:
    """Rate and CPU beside one worker's, and what two could do on cores of their own."""
    with site() as port:
        for load in LOADS:
            crews, size = measure(load, port)
            yield Row(f"{load.name}: bytes of a capture, indexes included", f"{size:.0f}")
            one = crews[1]
            for crew, found in crews.items():
                asked = ">= 1.70" if crew == 2 else ""
                what = f"{load.name}, {crew} at work: pages/s"
                yield Row(what, f"{found.rate:.0f}", f"1 worker {one.rate:.0f}", found.rate / one.rate, asked)
                parts = f"workers {found.workers:.2f} PostgreSQL {found.postgresql:.2f} site {found.site:.2f}"
                what = f"{load.name}, {crew} at work: CPU ms a page, of all"
                yield Row(what, f"{found.cpu:.2f}", parts, found.cpu / one.cpu)
            cores = os.cpu_count() or 1
            bound = cores * 1000 / crews[2].cpu
            what = f"{load.name}, 2 at work: pages/s, of what {cores} cores can"
            yield Row(what, f"{crews[2].rate:.0f}", f"{cores} cores / CPU a page {bound:.0f}", crews[2].rate / bound)
