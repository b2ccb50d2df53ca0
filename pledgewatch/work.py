"""The long-lived parts that `check`, `run` and `demo` share: fetcher, pipeline, post."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from crawler.fetch import CrawlPolicy, Fetcher
from pledgewatch.pipeline import Pipeline
from pledgewatch.posting import Post
from pledgewatch.settings import Settings
from storage.database import Database


def utc_now() -> datetime:
    return datetime.now(UTC)


def crawl_policy(settings: Settings) -> CrawlPolicy:
    """The [crawl] table as the fetcher takes it."""
    crawl = settings.crawl
    return CrawlPolicy(
        user_agent=crawl.user_agent,
        delay=crawl.delay,
        obey_robots=crawl.obey_robots,
        allow_private=crawl.allow_private,
        timeout=crawl.timeout.total_seconds(),
        max_bytes=crawl.max_bytes,
        per_host_daily=crawl.per_host_daily,
    )


class Workshop:
    """Fetcher, pipeline and post of one process; an async context manager."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self.settings, self.database, self.clock = settings, database, clock
        self._stack = AsyncExitStack()
        self.pipeline: Pipeline
        self.post: Post

    async def __aenter__(self) -> Self:
        fetcher = await self._stack.enter_async_context(Fetcher(crawl_policy(self.settings)))
        self.pipeline = Pipeline(self.settings, self.database, fetcher, self.clock)
        self.post = Post(self.settings, self.database, self.clock)
        self.pipeline.register()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def use(self, settings: Settings) -> None:
        """Go on with another configuration; what is under way ends with the old one."""
        self.settings = settings
        self.pipeline.use(settings)
        self.post.use(settings)
