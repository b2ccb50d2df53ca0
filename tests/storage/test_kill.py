"""A writer that is killed loses nothing that it was told is stored, and leaves nothing by half."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from stock import URL, add_source

from storage import archive, captures, events
from storage.database import open_database
from storage.tables import blobs
from storage.tables import captures as capture_table

ROUNDS = 5
HERE = Path(__file__).resolve().parent

WRITER = f"""
import sys
sys.path[:0] = [{str(HERE.parent)!r}, {str(HERE.parents[1])!r}]
from stock import URL, capture, event
from storage import captures, events
from storage.database import open_database

database = open_database(sys.argv[1])
for number in range(int(sys.argv[2]), 10**9):
    body = (f"page {{number}} " * 300).encode()
    with database.begin() as conn:
        page = captures.page_for(conn, URL, "mzj", "document")
        captures.record_capture(conn, page, capture(body))
        events.record_events(conn, [event(f"{{number}}")])
    print(number, flush=True)
"""


def write_until_killed(url: str, first: int, count: int) -> int:
    """Start a writer, kill it some time after it acknowledged `count` commits; the last it acknowledged."""
    command = [sys.executable, "-c", WRITER, url, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        told = [int(writer.stdout.readline()) for _ in range(count)]
        writer.kill()
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
    return told[-1]


def test_kill_loses_nothing(sqlite_url: str) -> None:
    rng = random.Random(11)
    with closing(open_database(sqlite_url)) as db, db.begin() as conn:
        add_source(conn)
    first = 0
    for _ in range(ROUNDS):
        last = write_until_killed(sqlite_url, first, rng.randint(1, 40))
        with closing(open_database(sqlite_url)) as db, db.read() as conn:
            recorded = [int(e.key) for e in events.events_since(conn)]
            stored = conn.execute(sa.select(sa.func.count()).select_from(capture_table)).scalar_one()
            page = captures.page_by_url(conn, URL)
            assert recorded == list(range(len(recorded))) and len(recorded) > last
            assert stored == len(recorded)
            assert page and captures.stored_bytes(conn, page.last_capture_id or 0)
            assert captures.broken_links(conn) == {}
            for sha in conn.execute(sa.select(blobs.c.sha256)).scalars():
                archive.get_blob(conn, sha)
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        first = len(recorded)
