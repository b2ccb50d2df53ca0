"""What is kept of hosts: read and changed as one, by however many at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from stock import NOW, add_source

from storage import clock, hosts, sources
from storage.database import Database
from storage.hosts import Host, HostBook

MET = Host("a.gov.cn", True, NOW, 2, NOW + timedelta(hours=1), 7.5, NOW - timedelta(hours=3), 41)


def test_a_host_is_new_once_and_then_as_it_was_left(database: Database) -> None:
    with database.begin() as conn:
        assert hosts.change(conn, "a.gov.cn", lambda host: MET) == (Host("a.gov.cn"), MET)
    with database.begin() as conn:
        assert hosts.change(conn, "a.gov.cn", lambda host: host) == (MET, MET)
        assert hosts.change(conn, "b.gov.cn", lambda host: host)[0] == Host("b.gov.cn")


def test_changes_at_once_are_made_one_after_another(database: Database) -> None:
    book, other = HostBook(database), HostBook(database)

    async def count() -> None:
        def more(host: Host) -> Host:
            return replace(host, day_count=host.day_count + 1)

        await asyncio.gather(*(one.change("a.gov.cn", more) for _ in range(20) for one in (book, other)))

    asyncio.run(count())
    with database.begin() as conn:
        assert hosts.change(conn, "a.gov.cn", lambda host: host)[0].day_count == 40


def test_patience_asked_for_by_a_clock_ahead_is_no_longer_than_it_was(database: Database) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ahead = now + timedelta(days=400)
    with database.begin() as conn:
        add_source(conn)
        state = sources.source_states(conn)[0]
        sources.save_pass(conn, replace(state, last_pass_at=ahead))
        for name, asked, closed in (
            ("then", ahead, ahead + timedelta(minutes=9)),
            ("noted", None, ahead + timedelta(minutes=5)),
            ("before", now, now + timedelta(hours=2)),
        ):
            hosts.change(conn, name, lambda h, a=asked, c=closed: replace(h, asked_at=a, closed_until=c))  # type: ignore[misc]
        assert clock.set_back(conn, now, 60.0)
        found = {name: hosts.change(conn, name, lambda host: host)[0] for name in ("then", "noted", "before")}
    assert (found["then"].asked_at, found["then"].closed_until) == (now, now + timedelta(minutes=9))
    assert found["noted"].closed_until == now + timedelta(minutes=5)
    assert found["before"].closed_until == now + timedelta(hours=2)
