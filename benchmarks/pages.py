"""`python -m benchmarks.pages`: how long the server takes for each page, and how heavy each is, over a large archive.

    python -m benchmarks.pages [FILE]

Builds 10,000 documents, 50,000 versions and 300,000 statements in SQLite (a minute and a half): in FILE, where the next
run finds them again, or in a temporary one. Asks in process for every page and list. Told are the median and the
slowest of `TURNS` answers in milliseconds, the median of the processor's own time (which a busy machine does not
change), and the size in KB; "!" marks what takes more than 150 ms of it, or is above 60 KB. A table to take away comes
in pieces as it is read: of it the first piece is told, and the most that one piece holds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from starlette.types import Message

from benchmarks.stock import REGIONS, Size, build
from pledgewatch.settings import Settings, parse_settings
from pledgewatch.web import create_app
from pledgewatch.web.queries import last_version_id
from storage.database import Database, open_database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TURNS = 9
TABLE = "/measures.csv"
MS, KB = 150, 60
REGION = REGIONS[3]


@dataclass(frozen=True)
class Told:
    path: str
    median: float
    slowest: float
    cpu: float
    kb: float

    def __str__(self) -> str:
        mark = "!" if self.cpu > MS or self.kb > KB else " "
        times = f"{self.median:7.1f} {self.slowest:7.1f} ms  cpu {self.cpu:6.1f} ms"
        return f"{mark} {times} {self.kb:7.1f} KB  {self.path}"


def settings(sources: int) -> Settings:
    """The configuration of an archive of `benchmarks.stock`."""
    tables = (
        f'[[sources]]\nid = "s{n}"\nurl = "https://s{n}.example.gov.cn/list.html"\n'
        f'name = "{REGIONS[n % len(REGIONS)]}公开 {n}"\nregion = "{REGIONS[n % len(REGIONS)]}"\n'
        for n in range(sources)
    )
    return parse_settings("\n".join(['[web]\nlisten = "127.0.0.1:0"', *tables]), environ={})


def paths(size: Size) -> Iterator[str]:
    """Every page, with every filter alone and some together, first pages, deep ones and last ones."""
    yield from (
        "/",
        "/events?baseline=1",
        "/events?type=measure.*",
        "/events?type=source.*",
        "/events?type=document.revised",
    )
    yield from (f"/events?region={REGION}", "/events?source=s7", "/events?kind=target", "/events?recipient=养老机构")
    yield from (
        "/events?least=5",
        "/events?least=50",
        "/events?since=2025-05-01&until=2025-05-31",
        "/events?measure=m18",
    )
    yield from (f"/events?region={REGION}&kind=target&least=10", "/events?source=s7&recipient=失能老年人")
    yield from (f"/events?before={size.documents * 2}", "/events?before=90", "/events?after=5&baseline=1")
    yield from (
        f"/events/{size.documents + 2}",
        "/feeds/events.atom",
        f"/feeds/events.atom?region={REGION}&measure=m18",
    )
    yield from ("/documents", f"/documents?region={REGION}", "/documents?source=s7", "/documents?state=withdrawn")
    yield from (
        f"/documents?after={size.documents // 2}",
        f"/documents?before={size.documents // 3}",
        "/documents?after=1",
    )
    for words in (
        "护理型床位",
        "养老机构",
        "养老",
        "的",
        "财政 助餐点",
        f"民规〔2019〕{size.documents // 3}号",
        "没有这样的词",
        "食堂 培训 州市",
    ):
        yield f"/documents?q={words}"
    yield f"/documents?q=护理型床位&region={REGION}"
    for n in (1, size.documents // 2, size.documents):
        yield from (
            f"/documents/{n}",
            f"/documents/{n}/diff",
            f"/documents/{n}/diff?from=1&to={size.versions}&view=sides",
        )
    yield from (
        f"/versions/{size.versions}/raw",
        "/measures",
        *(f"/measures?kind={k}" for k in ("target", "progress", "subsidy")),
    )
    yield from (
        f"/measures?region={REGION}",
        "/measures?q=津贴",
        "/measures?q=没有这样的词",
        f"/measures?after=m{size.measures // 2}",
    )
    yield from (f"/measures?before=m{size.measures // 2}&kind=target", "/measures/m18", "/measures/m18.csv")
    yield from (TABLE, "/measures/m18.xlsx", "/regions", "/regions?q=津贴", "/regions?page=3")
    yield from (f"/regions{form}?measure=m18" for form in ("", ".csv", ".xlsx"))
    yield from ("/sources", "/sources?page=2", "/sources?asked=s7", "/deliveries", "/subscriptions")
    yield from ("/subscriptions?events=measure.*", "/account", "/login", "/api/v1", "/healthz", "/metrics")
    yield from (f"/api/v1{path}" for path in api_paths(size))


def api_paths(size: Size) -> Iterator[str]:
    """Every operation that reads, with every filter."""
    middle = size.documents // 2
    yield from ("/events", "/events?since=0", f"/events?cursor={size.documents * 2}", "/events?baseline=true")
    yield from (f"/events?region={REGION}", "/events?source=s7", "/events?kind=target", "/events?recipient=养老机构")
    yield from ("/events?measure=m18", "/events?least=5", "/events?type=measure.*", f"/events/{size.documents + 2}")
    yield from ("/documents", f"/documents?region={REGION}", "/documents?source=s7", "/documents?state=withdrawn")
    yield from (f"/documents?cursor={middle}", f"/documents/{middle}", f"/documents/{middle}/versions")
    yield from (f"/documents/{middle}/versions/1", f"/documents/{middle}/diff")
    yield from (
        "/search?q=护理型床位",
        "/search?q=的",
        f"/search?q=养老&region={REGION}&state=live",
        "/search?q=无此词",
    )
    yield from ("/measures", "/measures?q=津贴", f"/measures?region={REGION}", "/measures?kind=subsidy")
    yield from (f"/measures?cursor=m{size.measures // 2}", "/measures/m18")
    yield from ("/subjects", "/subjects?q=津贴", "/comparison?measure=m18", "/sources", "/subscribers")
    yield from ("/deliveries", "/deliveries?state=dead", "/deliveries?cursor=90")


def measure(web: TestClient, path: str) -> Told | None:
    """None where there is no such page."""
    if web.get(path).status_code == 404:
        return None
    times, cpu, length = [], [], 0
    for _ in range(TURNS):
        begun, at_work = perf_counter(), process_time()
        answer = web.get(path)
        cpu.append((process_time() - at_work) * 1000)
        times.append((perf_counter() - begun) * 1000)
        length = len(answer.content)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code}")
    return Told(path, statistics.median(times), max(times), statistics.median(cpu), length / 1024)


def run(database: Database, size: Size) -> None:
    web = TestClient(create_app(settings(size.sources), database), base_url="http://127.0.0.1")
    for path in paths(size):
        if path != TABLE:
            print(measure(web, path) or f"  (no page)                     {path}", flush=True)
    print(take_away(database, size))


def take_away(database: Database, size: Size) -> str:
    """The table of all measures: when its first rows come, when it is whole, and the largest piece of it."""
    app = create_app(settings(size.sources), database)
    begun, at_work = perf_counter(), process_time()
    arrived: list[tuple[float, int]] = []

    async def receive() -> Message:
        await asyncio.Event().wait()  # nobody goes away before the end
        raise AssertionError

    async def send(message: Message) -> None:
        if body := message.get("body"):
            arrived.append(((perf_counter() - begun) * 1000, len(body)))

    scope = {"type": "http", "method": "GET", "path": TABLE, "headers": [(b"host", b"127.0.0.1")], "query_string": b""}
    asyncio.run(app(scope | {"scheme": "http", "client": ("127.0.0.1", 1)}, receive, send))
    cpu, sizes = (process_time() - at_work) * 1000, [length for _, length in arrived]
    first = next(after for after, length in arrived if length > 100)
    told = f"first rows {first:.1f} ms, all {arrived[-1][0]:.1f} ms, cpu {cpu:.1f} ms"
    return f"  {told}, {sum(sizes) / 1024:.0f} KB in pieces of at most {max(sizes) / 1024:.0f} KB  {TABLE}"


def main() -> None:
    size = Size()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1] if len(sys.argv) > 1 else f"{folder}/large.db")
        database = open_database(f"sqlite:///{path}")
        with database.read() as conn:
            built = last_version_id(conn) > 0
        if not built:
            begun = perf_counter()
            build(database, size)
            print(f"built in {perf_counter() - begun:.0f} s, {path.stat().st_size / 1e6:.0f} MB")
        run(database, size)
        database.close()


if __name__ == "__main__":
    main()
