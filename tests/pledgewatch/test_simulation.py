"""The daemon through hours and troubles: a loop that jumps through time, the real ticks, passes and databases."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from benchmarks.simulation import START, VirtualLoop, Web, _no_pages, configuration, planned_by, simulate
from notify.channels import SendResult
from notify.messages import Message
from pledgewatch import daemon, posting
from pledgewatch.daemon import Daemon
from pledgewatch.settings import parse_settings
from storage import clock, leases, outbox, sources
from storage import database as databases
from storage.database import Database, open_database
from storage.records import Capture
from storage.tables import deliveries
from storage.tables import leases as lease_table

HOUR = 3600.0
TICK = 60.0
CONFIG = """
[storage]
url = "{url}"
[crawl]
pass_limit = "10m"
{sources}
[[subscribers]]
id = "reader"
to = ["json://127.0.0.1"]
"""
SOURCE = '[[sources]]\nid = "{0}"\nurl = "http://{0}.example.org/list.html"\nevery = "1h"\n'


@dataclass
class Sites(Web):
    """Nothing fails but by wish; documents are revised by hand."""

    failing: float = 0.0
    releases: int = 0
    hanging: set[str] = field(default_factory=set)

    async def fetch(self, request: Any) -> Capture:
        if request.source in self.hanging:
            await asyncio.sleep(10 * 24 * HOUR)
        return await super().fetch(request)

    def release(self) -> int:
        return self.releases


class Life:
    """A daemon that runs while the block does, and a clock that can be set."""

    def __init__(self, url: str, *names: str) -> None:
        text = CONFIG.format(url=url, sources="".join(map(SOURCE.format, names)))
        self.settings, self.loop, self.shift = parse_settings(text, environ={}), VirtualLoop(), timedelta()
        self.web, self.told = Sites(self.now), []
        self.database = open_database(url)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time()) + self.shift

    def begin(self) -> None:
        self.service = Daemon(self.settings, None, self.database, self.now, fetcher=self.web)
        self.running = self.loop.create_task(self.service.run())
        self.go(1)
        self.service.workshop.post.sender = self.send

    async def send(self, url: str, message: Message) -> SendResult:
        self.told.append(tuple(event.id for event in message.events))
        return SendResult(True)

    def go(self, seconds: float) -> None:
        """Live on for so long."""
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def end(self) -> int:
        self.service.stop()
        return self.loop.run_until_complete(self.running)

    def passes(self) -> dict[str, datetime | None]:
        with self.database.read() as conn:
            return {state.id: state.last_pass_at for state in sources.source_states(conn)}

    def lease(self) -> datetime:
        with self.database.read() as conn:
            return conn.execute(sa.select(lease_table.c.until)).scalar_one()


@contextmanager
def living(url: str, *names: str) -> Iterator[Life]:
    life = Life(url, *names)
    with closing(life.database), closing(life.loop), planned_by(life.now), capture_logs() as life.logs:
        life.begin()
        try:
            yield life
        finally:
            life.end()


@pytest.fixture(autouse=True)
def few_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of ticks every second takes long; nothing here depends on their pace."""
    monkeypatch.setattr(daemon, "serving", _no_pages)
    monkeypatch.setattr(daemon, "TICK_SECONDS", TICK)


# --- hours -------------------------------------------------------------------------------------------------------


def test_the_schedule_is_kept_and_memory_stays(tmp_path: Path) -> None:
    """As `python -m benchmarks.simulation` does with more of everything."""

    def objects() -> float:
        gc.collect()
        return float(len(gc.get_objects()))

    told = simulate(15, 6, objects, tmp_path)
    assert set(told.passes) == {source.id for source in configuration(tmp_path, 15).sources}
    assert min(told.passes.values()) >= 6
    assert max(told.lateness) <= 2 * TICK, "a tick, and one more while passes are at work"
    assert told.failed > 0
    passes = sum(told.passes.values()) * 4 / 6
    # From hour to hour the count wavers by some hundred; what a pass leaks would be tens of objects, four hours long.
    assert told.memory[5] - told.memory[1] < 10 * passes, "what a pass leaves behind does not add up"


# --- the clock ---------------------------------------------------------------------------------------------------


def test_a_clock_set_back_a_day_delays_no_pass_and_no_alert(database_url: str) -> None:
    with living(database_url, "a", "b") as life:
        life.go(1.5 * HOUR)
        life.shift -= timedelta(days=1)
        life.web.releases += 1
        life.go(1.2 * HOUR)
        assert all(at and life.now() - at < timedelta(hours=1.1) for at in life.passes().values())
        assert [x["seconds"] for x in life.logs if x["event"] == "the clock was set back"]
        assert life.lease() - life.now() <= timedelta(seconds=daemon.LEASE_SECONDS)
        assert len(life.told) == len(set(life.told)) == 2
        assert not life.running.done()


def test_a_clock_set_forward_a_day_makes_one_pass_and_sends_nothing_twice(database_url: str) -> None:
    with living(database_url, "a", "b") as life:
        life.go(HOUR / 2)
        life.web.releases += 1
        before = life.web.asked
        life.shift += timedelta(days=1)
        life.go(2 * TICK)
        assert life.web.asked - before == 2 * 4, "a list and three documents of each"
        assert life.lease() > life.now()
        life.go(2 * TICK)
        assert life.web.asked - before == 2 * 4
        assert len(life.told) == len(set(life.told)) == 2
        assert not life.running.done()


def test_a_daemon_that_starts_after_the_clock_was_set_back_begins_at_once(database_url: str) -> None:
    with living(database_url, "a") as life:
        life.go(2 * TICK)
        life.end()
        life.shift -= timedelta(days=1)
        life.begin()
        life.go(2 * TICK)
        assert (at := life.passes()["a"]) and at <= life.now()


def test_what_was_planned_by_a_clock_ahead_is_brought_back(database: Database) -> None:
    now, day = START, timedelta(days=1)
    with database.begin() as conn:
        sources.sync_sources(conn, {"a": "http://a.example.org/", "gone": "http://b.example.org/"}, now)
        conn.execute(sa.text("UPDATE sources SET next_due_at = NULL WHERE id = 'gone'"))
        for state in sources.source_states(conn):
            due = now + day + timedelta(hours=1) if state.id == "a" else None
            sources.save_pass(conn, replace(state, last_pass_at=now + day, next_due_at=due))
        digest = outbox.queue(conn, "w", "0:x", [], now + day + timedelta(hours=8), "g", now + day)
        old = outbox.queue(conn, "w", "0:x", [], now + timedelta(hours=8), "h", now - day)
        conn.execute(deliveries.update().where(deliveries.c.id == old).values(lease_until=now + day))
    with database.begin() as conn:
        assert clock.set_back(conn, now, posting.LEASE_SECONDS) == day
        assert clock.set_back(conn, now, posting.LEASE_SECONDS) is None, "once"
        states = {state.id: state for state in sources.source_states(conn)}
        rows = {row.id: row for row in conn.execute(sa.select(deliveries))}
    assert states["a"].next_due_at == now and states["gone"].next_due_at is None
    assert rows[digest].due_at == rows[old].due_at == now + timedelta(hours=8)
    assert rows[old].lease_until == now + timedelta(seconds=posting.LEASE_SECONDS)


# --- the database ------------------------------------------------------------------------------------------------


def fill(url: str) -> None:
    """Take what room is left inside of the file."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("CREATE TABLE filler (x)")
        other.execute("PRAGMA max_page_count = 1")
        for size in (3000, 300, 30):
            with pytest.raises(sqlite3.OperationalError, match="full"):
                while True:
                    other.execute("INSERT INTO filler VALUES (zeroblob(?))", (size,))


def test_a_full_disk_is_told_and_nothing_is_lost(sqlite_url: str) -> None:
    room = {"pages": 2**30}
    with living(sqlite_url, "a", "b") as life:

        def limit(conn: Any, *_: Any) -> None:
            conn.execute(f"PRAGMA max_page_count = {room['pages']}")

        sa.event.listen(life.database.engine, "checkout", limit)
        life.go(2 * TICK)
        room["pages"] = 1  # SQLite takes the present size for it
        life.web.releases += 1
        fill(sqlite_url)
        life.go(2 * HOUR)
        said = [x for x in life.logs if x["event"] == "storage"]
        assert said and "the disk or its quota is full: make room" in said[-1]["error"]
        assert life.told == [] and not life.running.done()
        room["pages"] = 2**30
        life.go(2 * HOUR)
        assert len(life.told) == len(set(life.told)) == 2


def test_a_database_locked_by_another_process_is_waited_for(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.02)  # real ones; those of the daemon are not
    with living(sqlite_url, "a", "b") as life:
        life.go(2 * TICK)
        life.web.releases += 1
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            life.go(HOUR + 300)
            said = [x for x in life.logs if x["event"] == "storage"]
            assert said and "another program is writing to it" in said[-1]["error"]
            assert life.service.seconds_since_tick() > HOUR, "and /healthz tells so"
            other.execute("ROLLBACK")
        for _ in range(5):  # hours: with so little patience the two may get into each other's way as well
            life.go(HOUR)
            if len(life.told) == 2:
                break
        assert life.service.seconds_since_tick() < 2 * TICK
        assert len(life.told) == len(set(life.told)) == 2


def test_a_postgresql_that_restarts_is_met_again(postgresql_url: str) -> None:
    with living(postgresql_url, "a", "b") as life:
        life.go(2 * TICK)
        life.web.releases += 1
        for _ in range(5):
            life.go(HOUR / 4)
            url = postgresql_url.replace("+psycopg", "")
            with psycopg.connect(url, autocommit=True) as other:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                assert other.execute(f"{ended} AND pid <> pg_backend_pid()").fetchall()
        life.go(HOUR)
        assert len(life.told) == len(set(life.told)) == 2
        assert not life.running.done()


# --- sources and leases ------------------------------------------------------------------------------------------


def test_a_source_that_hangs_is_ended_at_its_limit_and_tried_again(sqlite_url: str) -> None:
    with living(sqlite_url, "a", "b") as life:
        life.go(2 * TICK)
        life.web.hanging.add("a")
        life.go(2 * HOUR)
        with life.database.read() as conn:
            hung, well = sources.source_states(conn)
        assert hung.failures and "time-limit" in (hung.last_error or "") and well.failures == 0
        life.web.hanging.clear()
        life.go(1.2 * HOUR)
        with life.database.read() as conn:
            assert [state.failures for state in sources.source_states(conn)] == [0, 0]


def test_a_lease_that_was_lost_ends_the_daemon(database_url: str) -> None:
    with living(database_url, "a") as life:
        life.go(2 * TICK)
        with life.database.begin() as conn:
            conn.execute(lease_table.update().values(holder="another:1:w:1"))
        life.go(2 * TICK)
        assert life.running.done() and life.running.result() == 2
        assert leases.holder(life.database, daemon.LEASE) == "another:1:w:1"
