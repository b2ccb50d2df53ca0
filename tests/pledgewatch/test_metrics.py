"""/metrics and /healthz: what an operator's monitoring is told, and what telling costs."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from stock import NOW, add_source, capture, event
from world import World

from pledgewatch.metrics import MOST_REASONS, CountedClaims, Metrics, reason_name
from pledgewatch.passes import PassReport
from pledgewatch.settings import parse_settings
from pledgewatch.web import create_app
from pledgewatch.web.operations import STUCK_SECONDS
from pledgewatch.work import Workshop
from storage import events, outbox, sources
from storage.database import Database, open_database
from storage.tables import deliveries
from storage.tables import events as event_table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a successor of httpx that the project does not need
    from starlette.testclient import TestClient


def told(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample: (name, label, label, …) → value. What is told must be Prometheus's format."""
    text, kind = metrics.text("")
    assert kind.startswith("text/plain; version=")
    families = text_string_to_metric_families(text.decode())
    return {(s.name.removeprefix("pledgewatch_"), *s.labels.values()): s.value for f in families for s in f.samples}


@pytest.fixture
def metrics(database: Database) -> Metrics:
    return Metrics(database, lambda: NOW + timedelta(hours=1), lambda: ("mzj",))


# --- what the database knows ---------------------------------------------------------------------------------------


def test_sources_are_told(database: Database, metrics: Metrics) -> None:
    with database.begin() as conn:
        add_source(conn)
        state = sources.source_state(conn, "mzj")
        assert state
        good = NOW - timedelta(days=1)
        sources.save_pass(
            conn, replace(state, state="blocked", failures=4, last_pass_at=NOW, last_success_at=good, next_due_at=NOW)
        )
    said = told(metrics)
    assert said["source_last_pass_timestamp_seconds", "mzj"] == NOW.timestamp()
    assert said["source_last_success_timestamp_seconds", "mzj"] == NOW.timestamp() - 86_400
    assert said["source_next_pass_timestamp_seconds", "mzj"] == NOW.timestamp()
    assert said["source_failures", "mzj"] == 4
    assert said["source_state", "mzj", "blocked"] == 1
    assert said["passes_due",] == 1 and said["pass_lag_seconds",] == 3600
    assert said["passes_running",] == 1 and said["database_up",] == 1


def test_the_queue_is_told(database: Database, metrics: Metrics) -> None:
    with database.begin() as conn:
        for n, due in enumerate((NOW, NOW - timedelta(hours=1), NOW + timedelta(days=1))):
            outbox.queue(conn, "wang", "0:mailtos", [], due, f"g{n}", NOW)
        conn.execute(deliveries.update().where(deliveries.c.id == 1).values(state="retrying"))
    said = told(metrics)
    assert said["deliveries", "pending"] == 2 and said["deliveries", "retrying"] == 1
    assert said["deliveries_due",] == 2 and said["delivery_lag_seconds",] == 7200


def test_events_are_counted_between_scrapes_and_baselines_are_not(database: Database, metrics: Metrics) -> None:
    def record(*keys: str, **more: Any) -> None:
        with database.begin() as conn:
            events.record_events(conn, [event(key, **more) for key in keys])

    record("before the first scrape")
    assert ("events_total", "measure.changed") not in told(metrics)
    record("a", "b")
    record("c", type="document.revised")
    record("d", baseline=True)
    said = told(metrics)
    assert said["events_total", "measure.changed"] == 2 and said["events_total", "document.revised"] == 1
    assert said["last_event_id",] == 5
    assert told(metrics)["events_total", "measure.changed"] == 2


def test_a_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    metrics = Metrics(database, lambda: NOW)
    metrics.sent([1.0])
    database.close()
    (tmp_path / "a.db").write_bytes(b"no database" * 1000)
    said = told(metrics)
    assert said["database_up",] == 0
    assert said["delivery_results_total", "sent"] == 1


def test_no_scrape_reads_a_table_that_grows(sqlite_url: str) -> None:
    """Deliveries and events grow for years; only what waits, and what is new since the last scrape, is looked at."""
    with closing(open_database(sqlite_url)) as database:
        metrics = Metrics(database, lambda: NOW)
        told(metrics)
        with database.begin() as conn:
            events.record_events(conn, [event("a")])
        with statements(database) as seen:
            told(metrics)
        with database.read() as conn:
            plans = [
                row[-1] for text, values in seen for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
            ]
    assert len(seen) == 5
    bounded = ("SCAN sources", "SCAN deliveries USING INDEX ix_deliveries_open")  # what is watched, what waits
    assert not [plan for plan in plans if plan.startswith("SCAN") and plan not in bounded], plans


@contextmanager
def statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def keep(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", keep)
    yield seen
    sa.event.remove(database.engine, "before_cursor_execute", keep)


def test_a_scrape_costs_the_same_with_ten_thousand_deliveries_more(sqlite_url: str) -> None:
    """Counted in steps of SQLite's machine, which no other program on this one can change."""

    def steps(database: Database) -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        def watch(conn: Any, *_: Any) -> None:
            conn.set_progress_handler(step, 10)

        sa.event.listen(database.engine, "checkout", watch)
        told(metrics)
        sa.event.remove(database.engine, "checkout", watch)
        return count

    with closing(open_database(sqlite_url)) as database:
        metrics = Metrics(database, lambda: NOW)
        told(metrics)
        few = steps(database)
        row = {"channel": "0:x", "state": "sent", "due_at": NOW, "created_at": NOW, "subscriber": "w"}
        with database.begin() as conn:
            conn.execute(deliveries.insert(), [{**row, "group_key": str(n)} for n in range(10_000)])
            conn.execute(event_table.insert(), [_stored_event(n) for n in range(10_000)])
        told(metrics)
        assert steps(database) < few + 50


def _stored_event(n: int) -> dict[str, Any]:
    told = {"key": str(n), "type": "measure.changed", "time": NOW, "source_id": "mzj", "summary": "", "detail": {}}
    return {**told, "baseline": False}


# --- what happens in the process -----------------------------------------------------------------------------------


def test_passes_fetches_and_deliveries_are_counted(tmp_path: Path) -> None:
    """A world that is watched for real: one source, one document, a hook that refuses first."""
    with World(tmp_path) as world:
        metrics = Metrics(world.database, world.clock)
        world.publish("reply", "关于第118号提案的答复", ["对符合条件的养老机构给予5000元/张的建设补贴。"])
        watch(world, metrics)
        world.revise("reply", "5000元/张", "6000元/张")
        answers = iter([503, 204])
        world.site.route("/hook", lambda asked: servers_reply(next(answers)))
        watch(world, metrics)
        world.clock.move(hours=2)
        world.site.remove("/reply.html")
        watch(world, metrics)
        said = told(metrics)
    assert said["fetches_total", "ok"] >= 4 and said["fetches_total", "gone"] == 1
    assert said["passes_total", "ok"] == 3 and said["pass_duration_seconds_count",] == 3
    assert said["delivery_results_total", "retrying"] == 1 and said["delivery_results_total", "sent"] == 1
    assert said["delivery_failures_total", "server-error"] == 1
    assert said["delivery_latency_seconds_bucket", "3600.0"] == 0
    assert said["delivery_latency_seconds_bucket", "14400.0"] == said["delivery_latency_seconds_count",] == 1


def servers_reply(status: int) -> Any:
    from servers import Reply

    return Reply(status, b"")


def watch(world: World, metrics: Metrics) -> None:
    """A pass and a delivery as the daemon makes them."""
    import asyncio

    from pledgewatch.passes import pass_over

    async def once() -> None:
        async with Workshop(world.settings, world.database, world.clock, metrics=metrics) as workshop:
            for source in world.settings.sources:
                metrics.passed(await pass_over(workshop.pipeline, source))
            await workshop.post.deliver()

    asyncio.run(once())


def test_what_sites_say_becomes_no_label(database: Database) -> None:
    metrics = Metrics(database, lambda: NOW)
    for n in range(500):
        metrics.answered(replace(capture(), outcome="failed", reason=f"x{n}: words of a site"))
        metrics.answered(replace(capture(), outcome="failed", reason=f"Ein Fehler {n}"))
    reasons = [name for name in told(metrics) if name[0] == "fetch_failures_total"]
    assert len(reasons) <= MOST_REASONS + 1 and ("fetch_failures_total", "other") in reasons


@pytest.mark.parametrize(
    ("reason", "name"),
    [("robots: /robots.txt disallows this address", "robots"), ("challenge:ruishu", "challenge"), ("", "other")],
)
def test_a_reason_has_a_name(reason: str, name: str) -> None:
    assert reason_name(reason) == name


def test_counts_of_one_process_are_not_those_of_another(database: Database) -> None:
    one, other = Metrics(database, lambda: NOW), Metrics(database, lambda: NOW)
    one.passed(PassReport("a", seconds=2))
    assert told(one)["pass_duration_seconds_count",] == 1 and told(other)["pass_duration_seconds_count",] == 0


def test_claims_forget_what_was_recorded(database: Database) -> None:
    claims = CountedClaims(database, metrics=Metrics(database, lambda: NOW))
    with database.begin() as conn:
        outbox.queue(conn, "wang", "0:mailtos", [], NOW, "g", NOW)

    async def deliver() -> None:
        [claimed] = await claims.claim(NOW, 9, ())
        await claims.record_sent([claimed.id], NOW)

    asyncio.run(deliver())
    assert claims.queued == {}


# --- /healthz ------------------------------------------------------------------------------------------------------


class Service:
    """A running service that last went round so long ago."""

    def __init__(self, database: Database, seconds: float) -> None:
        self.settings = parse_settings("", environ={})
        self.metrics, self.seconds = Metrics(database, lambda: NOW), seconds

    def running(self) -> tuple[str, ...]:
        return ()

    def seconds_since_tick(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("seconds", "status", "word"), [(1.0, 200, "ok"), (STUCK_SECONDS, 200, "ok"), (STUCK_SECONDS + 1, 503, "stuck")]
)
def test_a_stuck_daemon_is_told(database: Database, seconds: float, status: int, word: str) -> None:
    service = Service(database, seconds)
    web = TestClient(create_app(service.settings, database, service), base_url="http://127.0.0.1")
    answer = web.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (status, word)


def test_metrics_come_over_http_in_the_format_asked_for(database: Database) -> None:
    service = Service(database, 0)
    web = TestClient(create_app(service.settings, database, service), base_url="http://127.0.0.1")
    plain, other = web.get("/metrics"), web.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert "pledgewatch_database_up 1.0" in plain.text and "process_resident_memory_bytes" in plain.text
    assert other.headers["content-type"].startswith("application/openmetrics-text") and other.text.endswith("# EOF\n")
