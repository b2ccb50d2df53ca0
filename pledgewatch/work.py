"""The long-lived parts that `check`, `run` and `demo` share: fetcher, pipeline, post."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from crawler.fetch import CrawlPolicy, Fetcher
from pledgewatch.cycles import end_loading
from pledgewatch.pipeline import Fetches, Pipeline
from pledgewatch.settings import Settings
from storage.database import Database
from storage.hosts import HostBook

if TYPE_CHECKING:
    from pledgewatch.metrics import Metrics
    from pledgewatch.posting import Post


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

    _own: Fetcher | None = None  # where none was given

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

    async def __aenter__(self) -> Self:
        self.pipeline = Pipeline(self.settings, self.database, await self._fetching(self.settings), self.clock)
        if self._registers:
            self.pipeline.register()
        end_loading()
        return self

    @cached_property
    def post(self) -> Post:
        """Sends what is due. Made, and its channels loaded, when it is first asked for."""
        from pledgewatch.posting import Post

        post = Post(self.settings, self.database, self.clock)
        if self._metrics:
            from pledgewatch.metrics import CountedClaims

            post.claims = partial(CountedClaims, metrics=self._metrics)
        return post

    async def _fetching(self, settings: Settings) -> Fetches:
        fetcher = self._fetcher
        if fetcher is None:
            made = Fetcher(crawl_policy(settings), memory=HostBook(self.database), now=self.clock)
            fetcher = self._own = await self._stack.enter_async_context(made)
        if self._metrics is None:
            return fetcher
        from pledgewatch.metrics import CountedFetcher

        return CountedFetcher(fetcher, self._metrics)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def settle(self) -> None:
        """A pass is over: what was learned of its hosts is kept."""
        if self._own:
            await self._own.settle()

    def use(self, settings: Settings) -> None:
        """Go on with another configuration; what is under way ends with the old one."""
        self.settings = settings
        if self._registers:
            self.pipeline.use(settings)
        else:
            self.pipeline.settings = settings
        self.post.use(settings)
        if self._own:
            self._own.use(crawl_policy(settings))
