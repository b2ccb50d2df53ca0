"""One whole pass of Pledgewatch over unchanged pages: list, conditional requests, captures and states in SQLite.

    python -m benchmarks.pass_contender PORT HOSTS PAGES [--conditional]

The first run for a case reads every page (the baseline) and keeps the database in the folder that the environment
names; each run times a pass over a copy of it. Prints one JSON object, as `fetch_contenders` does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
from pathlib import Path

from benchmarks.server import HOSTS

FOLDER = "PLEDGEWATCH_BENCH_FOLDER"

_CONFIG = """
[crawl]
delay = 0
allow_private = true
[storage]
url = "sqlite:///{database}"
"""
_SOURCE = """
[[sources]]
id = "s{n}"
url = "http://{host}:{port}/{list}/{rows}"
recheck = "all"
"""


def config(database: Path, port: int, hosts: int, pages: int, *, conditional: bool) -> str:
    """One source a host; the pages are shared evenly."""
    rows = pages // hosts
    folder = "list" if conditional else "bare"
    tables = (_SOURCE.format(n=n, host=HOSTS[n], port=port, list=folder, rows=rows) for n in range(hosts))
    return _CONFIG.format(database=database) + "".join(tables)


async def run(text: str) -> tuple[int, int]:
    """A pass over all sources at once; how many documents were unchanged, and how many new."""
    from benchmarks.fetch_contenders import Stopwatch
    from pledgewatch.passes import pass_over
    from pledgewatch.settings import parse_settings
    from pledgewatch.work import Workshop
    from storage.database import open_database

    settings = parse_settings(text)
    database = open_database(settings.storage.url)
    async with Workshop(settings, database) as workshop:
        stopwatch = Stopwatch()
        reports = await asyncio.gather(*(pass_over(workshop.pipeline, source) for source in settings.sources))
        unchanged, new = sum(r.unchanged for r in reports), sum(r.new for r in reports)
        if not new:
            stopwatch.report(unchanged)
    database.close()  # so that the file holds everything and can be copied
    return unchanged, new


def main() -> None:
    from pledgewatch.logs import configure_logs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("hosts", type=int)
    parser.add_argument("pages", type=int)
    parser.add_argument("--conditional", action="store_true")
    given = parser.parse_args()
    configure_logs(logging.ERROR)
    folder = Path(os.environ[FOLDER])
    baseline = folder / f"{given.hosts}-{given.conditional}.db"
    copy = folder / "pass.db"

    def config_of(path: Path) -> str:
        return config(path, given.port, given.hosts, given.pages, conditional=given.conditional)

    if not baseline.exists():
        asyncio.run(run(config_of(baseline)))
    shutil.copy(baseline, copy)
    for rest in ("-wal", "-shm"):
        Path(f"{copy}{rest}").unlink(missing_ok=True)
    asyncio.run(run(config_of(copy)))


if __name__ == "__main__":
    main()
