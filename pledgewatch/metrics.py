"""What Prometheus is told: counts of this process, and at each scrape what stands in the database.

Every process has a registry of its own. Labels come from closed sets or from the configuration, never from what a
site or a service says; the database is asked only by index, so that a scrape costs the same whatever the archive holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from pledgewatch.posting import Claims
from storage.database import Database
from storage.errors import StorageError
from storage.records import Capture, Delivery
from storage.tables import OPEN_DELIVERY, deliveries, events, sources

if TYPE_CHECKING:
    from crawler.fetch import Fetch
    from pledgewatch.passes import PassReport
    from pledgewatch.pipeline import Fetches

MOST_REASONS = 60  # names of failures that are told apart; there are about forty
_REASON = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+){0,3}(?=[:\s]|$)")
_LATENCY = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 3 * 86_400)  # seconds
_PASS = (0.1, 0.3, 1, 3, 10, 30, 60, 300, 900, 3600, 7200)  # seconds


class Metrics:
    """The metrics of one process over one database. `running` gives the sources at work."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], running: Callable[[], Collection[str]] = tuple
    ) -> None:
        self.registry = registry = CollectorRegistry()
        self._reasons: set[str] = set()
        self._fetches = Counter(
            "pledgewatch_fetches", "Answers by what they were worth.", ["outcome"], registry=registry
        )
        self._fetch_failures = Counter(
            "pledgewatch_fetch_failures", "Answers that were of no use, by reason.", ["reason"], registry=registry
        )
        self._passes = Counter(
            "pledgewatch_passes", "Passes that ended, by result (ok, failed).", ["result"], registry=registry
        )
        self._pass_seconds = Histogram(
            "pledgewatch_pass_duration_seconds", "How long a pass took.", buckets=_PASS, registry=registry
        )
        self._deliveries = Counter(
            "pledgewatch_delivery_results", "Tries by result (sent, retrying, dead).", ["result"], registry=registry
        )
        self._delivery_failures = Counter(
            "pledgewatch_delivery_failures", "Tries that failed, by reason.", ["reason"], registry=registry
        )
        self._latency = Histogram(
            "pledgewatch_delivery_latency_seconds",
            "From queueing to sent, the wait for a digest's hour included.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.registry.register(Stored(database, clock, running))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """What is told, and its content type, as `accept` (the header) prefers."""
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind

    # --- what happens in this process ---

    def answered(self, capture: Capture) -> None:
        """An answer of a site."""
        self._fetches.labels(capture.outcome).inc()
        if capture.outcome in ("failed", "blocked"):
            self._fetch_failures.labels(self._bounded(reason_name(capture.reason))).inc()

    def passed(self, report: PassReport) -> None:
        """A pass that ended."""
        self._passes.labels("ok" if report.ok else "failed").inc()
        self._pass_seconds.observe(report.seconds)

    def sent(self, seconds: Sequence[float]) -> None:
        """Deliveries that went out so long after they were queued."""
        self._deliveries.labels("sent").inc(len(seconds))
        for age in seconds:
            self._latency.observe(max(0.0, age))

    def not_sent(self, result: str, number: int, error: str) -> None:
        """Deliveries that did not go out; `result` is "retrying" or "dead"."""
        self._deliveries.labels(result).inc(number)
        self._delivery_failures.labels(delivery_reason(error, dead=result == "dead")).inc(number)

    def _bounded(self, reason: str) -> str:
        if reason not in self._reasons and len(self._reasons) >= MOST_REASONS:
            return "other"
        self._reasons.add(reason)
        return reason


def reason_name(reason: str) -> str:
    """The name of a failure, which stands before its details.

    >>> reason_name("challenge:ruishu a page that computes"), reason_name("backing-off 30 s"), reason_name("Ärger!")
    ('challenge', 'backing-off', 'other')
    """
    found = _REASON.match(reason)
    return found[0] if found else "other"


#: Classes of failed deliveries by what is said of them; the first that fits.
_DELIVERY_REASONS = (
    ("timeout", re.compile(r"no answer within|timeout|timed out", re.IGNORECASE)),
    ("throttled", re.compile(r"\b429\b|too many|rate|limit|频率|频繁", re.IGNORECASE)),
    ("server-error", re.compile(r"\b5\d\d\b")),
    ("unreachable", re.compile(r"connect|resol|unreach|reset|name or service", re.IGNORECASE)),
    ("not-written", re.compile(r"^not written")),
)


def delivery_reason(error: str, *, dead: bool = False) -> str:
    """A failed delivery's class: one of six words.

    >>> delivery_reason("no answer within 30 s"), delivery_reason("400: chat not found", dead=True)
    ('timeout', 'refused')
    """
    found = next((name for name, signs in _DELIVERY_REASONS if signs.search(error)), None)
    return found or ("refused" if dead else "other")


# --- what tells this process's metrics ------------------------------------------------------------------------


@dataclass(frozen=True)
class CountedFetcher:
    """A fetcher whose answers are counted."""

    fetcher: Fetches
    metrics: Metrics

    async def fetch(self, request: Fetch) -> Capture:
        capture = await self.fetcher.fetch(request)
        self.metrics.answered(capture)
        return capture


@dataclass(kw_only=True)
class CountedClaims(Claims):
    """Claims whose outcomes are counted."""

    metrics: Metrics
    queued: dict[int, datetime] = field(default_factory=dict)

    async def claim(
        self, now: datetime, limit: int, skip: Collection[str], only: tuple[str, str] | None = None
    ) -> Sequence[Delivery]:
        claimed = await super().claim(now, limit, skip, only)
        self.queued.update((delivery.id, delivery.created_at) for delivery in claimed)
        return claimed

    async def confirm(self, deliveries: Sequence[Delivery]) -> Collection[int]:
        wanted = await super().confirm(deliveries)
        self._forget(delivery.id for delivery in deliveries if delivery.id not in wanted)
        return wanted

    async def record_sent(self, ids: Sequence[int], now: datetime) -> None:
        ages = [(now - self.queued.get(id, now)).total_seconds() for id in ids]
        await super().record_sent(ids, now)
        self.metrics.sent(ages)
        self._forget(ids)

    async def record_retry(self, due: Mapping[int, datetime], error: str) -> None:
        await super().record_retry(due, error)
        self.metrics.not_sent("retrying", len(due), error)
        self._forget(due)

    async def record_dead(self, ids: Sequence[int], error: str) -> None:
        await super().record_dead(ids, error)
        self.metrics.not_sent("dead", len(ids), error)
        self._forget(ids)

    def _forget(self, ids: Iterable[int]) -> None:
        for id in ids:
            self.queued.pop(id, None)


# --- what stands in the database ------------------------------------------------------------------------------


class Stored(Collector):
    """What the database knows, asked at each scrape."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], running: Callable[[], Collection[str]]
    ) -> None:
        self._database, self._clock, self._running = database, clock, running
        self._events: dict[str, int] = {}
        self._last_event: int | None = None

    def describe(self) -> list[Metric]:
        return []  # else registering would ask the database

    def collect(self) -> Iterator[Metric]:
        """All of it, or with an unreadable database the fact that it is so."""
        yield _gauge("passes_running", "Passes at work now.", len(self._running()))
        try:
            with self._database.read() as conn:
                families = [*_sources(conn, self._clock()), *_queue(conn, self._clock()), *self._changes(conn)]
        except StorageError:
            families = []
        yield _gauge("database_up", "1 while the database can be read.", bool(families))
        yield from families

    def _changes(self, conn: sa.Connection) -> Iterator[Metric]:
        """Events are counted from the first scrape on, each time only those since the one before."""
        last = conn.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0
        if self._last_event is not None and last > self._last_event:
            fresh = sa.select(events.c.type, sa.func.count()).where(
                events.c.id > self._last_event, events.c.id <= last, events.c.baseline == sa.false()
            )
            for type, number in conn.execute(fresh.group_by(events.c.type)):
                self._events[type] = self._events.get(type, 0) + number
        self._last_event = last
        counted = CounterMetricFamily(
            "pledgewatch_events", "Events by type since the first scrape, without baselines.", labels=["type"]
        )
        for type, number in sorted(self._events.items()):
            counted.add_metric([type], number)
        yield counted
        yield _gauge("last_event_id", "Id of the latest event of the change log.", last)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pledgewatch_{name}", words, float(value))


_MOMENTS = {
    "last_pass_at": ("source_last_pass_timestamp_seconds", "End of the last pass."),
    "last_success_at": ("source_last_success_timestamp_seconds", "End of the last good pass."),
    "next_due_at": ("source_next_pass_timestamp_seconds", "When the next pass is due."),
}


def _sources(conn: sa.Connection, now: datetime) -> Iterator[Metric]:
    names = ("id", "state", "failures", *_MOMENTS)
    watched = sa.select(*(sources.c[name] for name in names)).where(sources.c.next_due_at.is_not(None))
    rows = conn.execute(watched).all()
    for column, (name, words) in _MOMENTS.items():
        moments = GaugeMetricFamily(f"pledgewatch_{name}", words, labels=["source"])
        for row in rows:
            if moment := getattr(row, column):
                moments.add_metric([row.id], moment.timestamp())
        yield moments
    failures = GaugeMetricFamily("pledgewatch_source_failures", "Failed passes in a row.", labels=["source"])
    states = GaugeMetricFamily("pledgewatch_source_state", "1, with the source's state.", labels=["source", "state"])
    for row in rows:
        failures.add_metric([row.id], row.failures)
        states.add_metric([row.id, row.state], 1)
    overdue = [(now - row.next_due_at).total_seconds() for row in rows if row.next_due_at <= now]
    yield failures
    yield states
    yield _gauge("passes_due", "Sources whose pass is due and has not ended.", len(overdue))
    yield _gauge("pass_lag_seconds", "For how long the longest overdue pass is due.", max(overdue, default=0.0))


def _queue(conn: sa.Connection, now: datetime) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("pledgewatch_deliveries", "Deliveries not sent yet, by state.", labels=["state"])
    by_state = sa.select(deliveries.c.state, sa.func.count()).where(OPEN_DELIVERY).group_by(deliveries.c.state)
    counts: dict[str, int] = {row.state: row[1] for row in conn.execute(by_state)}
    for state in ("pending", "retrying"):
        waiting.add_metric([state], counts.get(state, 0))
    yield waiting
    due = sa.select(sa.func.count(), sa.func.min(deliveries.c.due_at)).where(OPEN_DELIVERY, deliveries.c.due_at <= now)
    number, oldest = conn.execute(due).one()
    yield _gauge("deliveries_due", "Deliveries whose time has come and that were not sent.", number)
    lag = (now - oldest).total_seconds() if oldest else 0.0
    yield _gauge("delivery_lag_seconds", "For how long the longest overdue delivery is due.", lag)
