"""One pass over known pages, by one of those who are compared; a process of its own for each.

    python -m benchmarks.fetch_contenders NAME PORT HOSTS PAGES LIST

Prints one JSON object: `pages` that were answered as they should be, `seconds` and `cpu` (seconds) of the
pass alone, from the first request to the last answer, without the start of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from benchmarks.server import FOLDERS, HOSTS, PAGE_SHA256, etag

Address = tuple[str, str | None]  # the URL, and the ETag that we hold of it


def addresses(port: int, hosts: int, pages: int, list: str) -> list[Address]:
    """The `pages` documents of this list of the site, spread over its first `hosts` addresses."""
    paths = (f"/{FOLDERS[list]}/{n // hosts}" for n in range(pages))
    return [
        (f"http://{HOSTS[n % hosts]}:{port}{path}", etag(path) if list == "list" else None)
        for n, path in enumerate(paths)
    ]


class Stopwatch:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def report(self, pages: int) -> None:
        result = {
            "pages": pages,
            "seconds": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
        }
        print(json.dumps(result), flush=True)


def bare_scrapy(wanted: list[Address]) -> None:
    """Scrapy as it comes: default settings, a callback that counts, no pipeline. Only its log is turned down."""
    import scrapy
    from scrapy.crawler import CrawlerProcess

    expected = 304 if wanted[0][1] else 200

    class Bare(scrapy.Spider):
        name = "bare"
        handle_httpstatus_list = (304,)

        async def start(self) -> AsyncIterator[Any]:
            self.answered = 0
            self.stopwatch = Stopwatch()
            for url, known in wanted:
                yield scrapy.Request(url, headers={"If-None-Match": known} if known else None)

        def parse(self, response: Any) -> None:
            self.answered += response.status == expected
            if self.answered == len(wanted):
                self.stopwatch.report(self.answered)

    process = CrawlerProcess({"LOG_LEVEL": "WARNING"})
    process.crawl(Bare)
    process.start()


def fetcher(wanted: list[Address]) -> None:
    """Our fetching, with robots.txt and one request at a time per host; the bodies are known to be good."""
    from crawler.fetch import CrawlPolicy, Fetch, Fetcher

    policy = CrawlPolicy("Pledgewatch-benchmark", delay=0, allow_private=True)

    async def crawl() -> None:
        async with Fetcher(policy) as pages:
            stopwatch = Stopwatch()
            captures = await asyncio.gather(
                *(pages.fetch(Fetch(url, "bench", etag=known, known_sha256=PAGE_SHA256)) for url, known in wanted)
            )
            expected = [("not_modified" if known else "ok") for _, known in wanted]
            stopwatch.report(sum(c.outcome == e for c, e in zip(captures, expected, strict=True)))

    asyncio.run(crawl())


CONTENDERS: dict[str, Callable[[list[Address]], None]] = {"scrapy": bare_scrapy, "fetcher": fetcher}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("port", type=int)
    parser.add_argument("hosts", type=int)
    parser.add_argument("pages", type=int)
    parser.add_argument("list", choices=FOLDERS)
    given = parser.parse_args()
    CONTENDERS[given.name](addresses(given.port, given.hosts, given.pages, given.list))


if __name__ == "__main__":
    main()
