"""One whole pass of Pledgewatch over known pages: list, conditional requests, captures and states in SQLite.

    python -m benchmarks.pass_contender PORT HOSTS PAGES LIST

The first run for a case reads every page (the baseline) and keeps the database in the folder that the environment
names; every further run times a pass over a copy of it and prints one JSON object, as `fetch_contenders` does.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
from pathlib import Path

from benchmarks.server import FOLDERS, HOSTS

FOLDER = "PLEDGEWATCH_BENCH_FOLDER"

_CONFIG = """
[crawl]
delay = 0
allow_private = true
[storage]
url = "{database}"
"""
_SOURCE = """
[[sources]]
id = "s{n}"
url = "http://{host}:{port}/{list}/{rows}"
recheck = "all"
"""


def config(database: str, port: int, hosts: int, pages: int, list: str) -> str:
    """The database at a URL, and one source a host; the pages are shared evenly."""
    rows = pages // hosts
    tables = (_SOURCE.format(n=n, host=HOSTS[n], port=port, list=list, rows=rows) for n in range(hosts))
    return _CONFIG.format(database=database) + "".join(tables)


async def run(text: str) -> None:
    """A pass over all sources at once; prints how long it took where no document was new."""
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
        if not sum(report.new for report in reports):
            stopwatch.report(sum(report.unchanged + report.revised for report in reports))
    database.close()  # so that the file holds everything and can be copied


def main() -> None:
    from pledgewatch.cycles import begin_loading

    begin_loading()  # as the program itself does first of all
    from pledgewatch.logs import configure_logs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("hosts", type=int)
    parser.add_argument("pages", type=int)
    parser.add_argument("list", choices=FOLDERS)
    given = parser.parse_args()
    configure_logs(logging.ERROR)
    folder = Path(os.environ[FOLDER])
    baseline, copy = folder / f"{given.list}-{given.hosts}.db", folder / "pass.db"
    known = baseline.exists()
    if known:
        shutil.copy(baseline, copy)
        for rest in ("-wal", "-shm"):
            Path(f"{copy}{rest}").unlink(missing_ok=True)
    at = f"sqlite:///{copy if known else baseline}"
    asyncio.run(run(config(at, given.port, given.hosts, given.pages, given.list)))


if __name__ == "__main__":
    main()
