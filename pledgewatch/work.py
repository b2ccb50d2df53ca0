"""The long-lived parts that `check`, `run` and `demo` share: fetcher, pipeline, post."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from crawler.fetch import CrawlPolicy, Fetcher
from pledgewatch.pipeline import Fetches, Pipeline
from pledgewatch.posting import Post
from pledgewatch.settings import Settings
from storage.database import Database

if TYPE_CHECKING:
    from pledgewatch.metrics import Metrics


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
        chromium=crawl.chromium,
    )


class Workshop:
    """Fetcher, pipeline and post of one process; an async context manager.

    With `metrics` what they do is counted. A `fetcher` that is given is used in place of one of its own.
    One that does not register leaves it to another process to make the configured sources known.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Callable[[], datetime] = utc_now,
        *,
        metrics: Metrics | None = None,
        fetcher: Fetches | None = None,
        registers: bool = True,
    ) -> None:
        self.settings, self.database, self.clock = settings, database, clock
        self._metrics, self._fetcher, self._registers = metrics, fetcher, registers
        self._stack = AsyncExitStack()
        self.pipeline: Pipeline
        self.post: Post

    async def __aenter__(self) -> Self:
        self.pipeline = Pipeline(self.settings, self.database, await self._fetching(self.settings), self.clock)
        self.post = Post(self.settings, self.database, self.clock)
        if self._metrics:
            from pledgewatch.metrics import CountedClaims

            self.post.claims = partial(CountedClaims, metrics=self._metrics)
        if self._registers:
            self.pipeline.register()
        return self

    async def _fetching(self, settings: Settings) -> Fetches:
        fetcher = self._fetcher
        if fetcher is None:
            fetcher = await self._stack.enter_async_context(Fetcher(crawl_policy(settings)))
        if self._metrics is None:
            return fetcher
        from pledgewatch.metrics import CountedFetcher

        return CountedFetcher(fetcher, self._metrics)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def use(self, settings: Settings) -> None:
        """Go on with another configuration; what is under way ends with the old one."""
        self.settings = settings
        if self._registers:
            self.pipeline.use(settings)
        else:
            self.pipeline.settings = settings
        self.post.use(settings)
