"""10,000 deliveries over 200 channels: how much longer do the healthy take when 20 are silent and 20 slow?

    python -m benchmarks.bench_deliveries [DELIVERIES]

Signed webhooks to one server on loopback, an SQLite outbox, the product's own sender. Silent channels take the request
and never answer, slow ones answer after a second. Measured is from the start until the last healthy delivery arrived,
with the sick and without them; the ratio counts.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.table import Row, show
from notify.subscriptions import channel_id
from pledgewatch.posting import Post
from pledgewatch.settings import Settings, parse_settings
from storage import events, outbox
from storage.database import Database, open_database
from storage.records import Event

CHANNELS, SILENT, SLOW = 200, 20, 20
SLOW_SECONDS = 1.0
NOW = datetime(2026, 11, 2, tzinfo=UTC)


@dataclass
class Receiver:
    """A web server whose answers depend on the number in the path."""

    expected: int
    healthy: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:"))
            await reader.readexactly(size)
            await self._answer(int(head.split()[1].removeprefix("/")), writer)
        writer.close()

    async def _answer(self, number: int, writer: asyncio.StreamWriter) -> None:
        if number < SILENT:
            await asyncio.sleep(3600)
        elif number < SILENT + SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        else:
            self.healthy += 1
            if self.healthy == self.expected:
                self.done.set()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()


def _settings(port: int, numbers: range) -> Settings:
    tables = (f'[[subscribers]]\nid = "s{n}"\nto = ["webhook+http://127.0.0.1:{port}/{n}?secret=x"]' for n in numbers)
    return parse_settings("\n".join(tables))


def _queue(database: Database, settings: Settings, each: int) -> None:
    def made() -> Iterator[Event]:
        for n in range(each):
            yield Event("document.published", NOW, "bench", f"k{n}", summary=f"文件{n}")

    with database.begin() as conn:
        recorded = events.record_events(conn, list(made()))
        for event in recorded:
            for table in settings.subscribers:
                outbox.queue(conn, table.id, channel_id(table.to[0]), [event.id], NOW, event.key, NOW)


async def _measure(first: int, each: int) -> tuple[float, float]:
    """Seconds, and seconds of CPU, until the healthy have everything; channels before `first` are left out."""
    receiver = Receiver((CHANNELS - SILENT - SLOW) * each)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1024)
    settings = _settings(server.sockets[0].getsockname()[1], range(first, CHANNELS))
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{Path(folder) / 'bench.db'}")
        _queue(database, settings, each)
        started, cpu = time.perf_counter(), time.process_time()
        sending = asyncio.create_task(Post(settings, database, lambda: datetime.now(UTC)).deliver())
        await receiver.done.wait()
        seconds = time.perf_counter() - started, time.process_time() - cpu
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        database.close()
    server.close()
    return seconds


def rows(deliveries: int = 10_000) -> Iterator[Row]:
    """The healthy beside the sick, and alone."""
    each = deliveries // CHANNELS
    alone, cpu_alone = asyncio.run(_measure(SILENT + SLOW, each))
    beside, cpu_beside = asyncio.run(_measure(0, each))
    what = f"{(CHANNELS - SILENT - SLOW) * each:,} healthy deliveries beside the sick"
    yield Row(f"{what}: s", f"{beside:.1f}", f"alone {alone:.1f}", beside / alone)
    yield Row(f"{what}: s of CPU", f"{cpu_beside:.1f}", f"alone {cpu_alone:.1f}", cpu_beside / cpu_alone)


if __name__ == "__main__":
    show("deliveries", rows(*map(int, sys.argv[1:])))
