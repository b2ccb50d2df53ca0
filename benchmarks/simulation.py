"""`python -m benchmarks.simulation`: days of the daemon in minutes, for what only days show.

The daemon is the real one with its real ticks, passes and database. Its event loop jumps to the next timer instead of
waiting for it, and a fetcher answers out of memory: each source is a list of three documents, of which one is revised
every sixth hour, and 2 % of the fetches fail. Told are the memory after each hour, and how late each pass ended.

    python -m benchmarks.simulation                                 # 500 sources, 24 hours
    python -m benchmarks.simulation --sources 10000 --hours 3
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import random
import resource
import selectors
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from apscheduler.schedulers import base as schedulers

from crawler.fetch import Fetch
from pledgewatch import daemon, ticks
from pledgewatch.daemon import Daemon
from pledgewatch.health import next_pass
from pledgewatch.logs import configure_logs
from pledgewatch.passes import PassReport, pass_over
from pledgewatch.pipeline import Pipeline
from pledgewatch.settings import Settings, Source, parse_settings
from storage.database import open_database
from storage.records import Capture
from storage.tables import events

START = datetime(2026, 9, 1, tzinfo=UTC)
EVERY = timedelta(hours=1)
FAILING = 0.02  # of all fetches
REVISED = timedelta(hours=6)
ANSWERS_AFTER = 0.3  # seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only by jumping to the next timer, when no thread is at work."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.elapsed = 0.0
        self.in_threads = 0

    def time(self) -> float:
        return self.elapsed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self.in_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._left_thread)
        return future

    def _left_thread(self, _: Any) -> None:
        self.in_threads -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if self._loop.in_threads or timeout is None:
            return super().select(None if timeout is None or timeout > 0 else 0)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._loop.elapsed += timeout
        return ready


@dataclass
class Web:
    """A fetcher that answers out of memory. `now` is the simulated clock."""

    now: Callable[[], datetime]
    failing: float = FAILING
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    asked: int = 0
    failed: int = 0

    async def fetch(self, request: Fetch) -> Capture:
        await asyncio.sleep(ANSWERS_AFTER)
        self.asked += 1
        if self.rng.random() < self.failing:
            self.failed += 1
            return self._answer(request, 0, b"", "failed", "timeout: no answer")
        body = page(request.url, self.release())
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        if request.etag == tag:
            return self._answer(request, 304, b"", "not_modified", "", tag)
        return self._answer(request, 200, body, "ok", "", tag)

    def release(self) -> int:
        """How often the documents have been revised."""
        return int((self.now() - START) / REVISED)

    def _answer(self, request: Fetch, status: int, body: bytes, outcome: Any, reason: str, tag: str = "") -> Capture:
        headers = {"etag": tag, "content-type": "text/html; charset=utf-8"} if tag else {}
        return Capture(
            url=request.url,
            final_url=request.url,
            fetched_at=self.now(),
            status=status,
            headers=headers,
            body=body,
            outcome=outcome,
            reason=reason,
            seconds=ANSWERS_AFTER,
        )


def page(url: str, release: int) -> bytes:
    """A list of three documents, or one of them; the first gives another amount in each release."""
    path = urlsplit(url).path
    if path.endswith("list.html"):
        row = '<li><a href="/art/{0}.html">关于第{0}号提案的答复</a><span>2026-08-0{0}</span></li>'
        rows = "".join(map(row.format, (1, 2, 3)))
        return f'<html><head><meta charset="utf-8"></head><body><ul>{rows}</ul></body></html>'.encode()
    amount = 5000 + (100 * release if path.endswith("1.html") else 0)
    return (
        f'<html><head><meta charset="utf-8"><meta name="ArticleTitle" content="关于市政协提案{path}的答复">'
        f'<meta name="PubDate" content="2026-08-01"></head><body><div class="TRS_Editor">'
        f"<p>现答复如下：对符合条件的养老机构给予{amount}元/张的建设补贴。</p>"
        f"<p>目前，全市养老机构护理型床位占比达到51.6%，已建成家庭养老床位3200余张。</p></div></body></html>"
    ).encode()


@dataclass
class Told:
    """What a run showed: memory in MB by the hour, times in seconds, lateness in simulated ones."""

    start: float = 0.0
    memory: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)
    events: int = 0
    asked: int = 0
    failed: int = 0


def configuration(folder: Path, number: int) -> Settings:
    """So many sources on hosts of their own, hourly."""
    tables = "".join(
        f'[[sources]]\nid = "s{n}"\nurl = "http://s{n}.example.org/list.html"\nevery = "1h"\nregion = "第{n}市"\n'
        for n in range(number)
    )
    return parse_settings(f'[storage]\nurl = "sqlite:///{folder}/simulation.db"\n{tables}', environ={})


def simulate(number: int, hours: int, measure: Callable[[], float], folder: Path) -> Told:
    """Run the daemon for so many simulated hours over so many sources; `measure` is asked after each hour."""
    told, loop = Told(), VirtualLoop()

    def now() -> datetime:
        return START + timedelta(seconds=loop.time())

    web = Web(now)
    began = time.perf_counter()
    settings = configuration(folder, number)
    database = open_database(settings.storage.url)
    with closing(database), closing(loop), planned_by(now), _instead(daemon, "serving", _no_pages):
        service = Daemon(settings, None, database, now, fetcher=web)
        with _instead(daemon, "pass_over", _timed(told, began, now)):
            loop.run_until_complete(_run(service, told, hours, measure))
        with database.read() as conn:
            told.events = conn.execute(sa.select(sa.func.count()).where(events.c.baseline == sa.false())).scalar_one()
    told.asked, told.failed = web.asked, web.failed
    return told


async def _run(service: Daemon, told: Told, hours: int, measure: Callable[[], float]) -> None:
    running = asyncio.create_task(service.run())
    for _ in range(hours):
        await asyncio.sleep(EVERY.total_seconds())
        told.memory.append(measure())
    service.stop()
    await running


def _timed(told: Told, began: float, now: Callable[[], datetime]) -> Callable[..., Any]:
    """`pass_over` that notes how long after its time each pass begins."""
    due: dict[str, datetime] = {}

    async def timed(pipeline: Pipeline, source: Source) -> PassReport:
        told.start = told.start or time.perf_counter() - began
        told.passes[source.id] = told.passes.get(source.id, 0) + 1
        told.lateness.append((now() - due.get(source.id, START)).total_seconds())
        report = await pass_over(pipeline, source)
        due[source.id] = next_pass(source, now(), pipeline.settings)
        return report

    return timed


@contextmanager
def planned_by(clock: Callable[[], datetime]) -> Iterator[None]:
    """Let the ticks be planned by another clock than the machine's."""

    class Moments(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return clock().astimezone(tz)

    with _instead(ticks, "wall_clock", clock), _instead(schedulers, "datetime", Moments):
        yield


@contextmanager
def _instead(module: ModuleType, name: str, other: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, before)


@asynccontextmanager
async def _no_pages(*_: object, **__: object) -> AsyncIterator[str]:
    """In place of the web server, which would wake ten times a second of a time that costs nothing."""
    yield "none"


def resident() -> float:
    """What the process holds of memory now, in MB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sources", type=int, default=500)
    options.add_argument("--hours", type=int, default=24)
    asked = options.parse_args()
    configure_logs(logging.ERROR)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = simulate(asked.sources, asked.hours, resident, Path(folder))
    first, last = told.memory[0], told.memory[-1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = [told.passes.get(f"s{n}", 0) for n in range(asked.sources)]
    print(f"{asked.sources} sources hourly, {asked.hours} simulated hours in {time.perf_counter() - began:.0f} s")
    print(f"from the configuration to the first pass: {told.start:.1f} s")
    print("memory by the hour, MB: " + " ".join(f"{m:.0f}" for m in told.memory))
    print(f"memory at the end / after the first hour: {last / first:.3f}; peak {peak:.0f} MB")
    print(f"passes a source: {min(counts)} to {max(counts)}, {sum(counts)} in all; {told.events} events")
    print(f"a pass began after its time by at most {max(told.lateness[asked.sources :], default=0):.0f} s")
    print(f"the first pass of the last source began after {max(told.lateness[: asked.sources]):.0f} s")
    print(f"{told.asked} fetches, {told.failed} of them failed")


if __name__ == "__main__":
    main()
