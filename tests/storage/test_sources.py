"""What is kept of sources between passes, and leases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

from stock import NOW

from storage import leases, sources
from storage.database import Database, open_database
from storage.sources import SourceState


def test_sources_follow_the_configuration(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    with database.begin() as conn:
        sources.sync_sources(conn, {"a": "https://a/", "b": "https://b/"}, NOW)
        sources.save_pass(conn, SourceState("b", "https://b/", next_due_at=later, failures=2))
        sources.sync_sources(conn, {"b": "https://b/new", "c": "https://c/"}, later)
        assert sources.source_states(conn) == [
            SourceState("a", "https://a/"),
            SourceState("b", "https://b/new", next_due_at=later, failures=2),
            SourceState("c", "https://c/", next_due_at=later),
        ]
        sources.sync_sources(conn, {}, later)
        assert sources.due_sources(conn, later) == []
        sources.sync_sources(conn, {"a": "https://a/"}, later)
        assert sources.due_sources(conn, later) == ["a"]


def test_a_pass_is_saved_whole(database: Database) -> None:
    state = SourceState(
        "a",
        "https://a/",
        "drifted",
        NOW,
        NOW + timedelta(hours=1),
        NOW + timedelta(hours=2),
        NOW + timedelta(hours=3),
        4,
        20,
        "链接失效",
        "trs",
    )
    with database.begin() as conn:
        sources.sync_sources(conn, {"a": "https://a/"}, NOW)
        sources.save_pass(conn, state)
        assert sources.source_state(conn, "a") == state
        assert sources.source_state(conn, "b") is None


def test_the_longest_overdue_come_first(database: Database) -> None:
    with database.begin() as conn:
        sources.sync_sources(conn, {name: f"https://{name}/" for name in "abcd"}, NOW)
        for name, minutes in (("a", 5), ("b", -5), ("c", 0), ("d", -9)):
            state = sources.source_state(conn, name)
            assert state
            sources.save_pass(conn, replace(state, next_due_at=NOW + timedelta(minutes=minutes)))
        assert sources.due_sources(conn, NOW) == ["d", "b", "c"]
        assert sources.due_sources(conn, NOW, limit=1) == ["d"]


def test_a_lease_is_held_renewed_lost_and_given_back(database: Database) -> None:
    def at(seconds: float):
        return NOW + timedelta(seconds=seconds)

    assert leases.holder(database, "daemon") is None
    assert leases.acquire(database, "daemon", "one", 10, NOW)
    assert not leases.acquire(database, "daemon", "two", 10, at(9))
    assert leases.acquire(database, "other", "two", 10, at(9))
    assert leases.renew(database, "daemon", "one", 10, at(9))
    assert not leases.acquire(database, "daemon", "two", 10, at(18))
    assert leases.acquire(database, "daemon", "two", 10, at(19))
    assert not leases.renew(database, "daemon", "one", 10, at(20))
    leases.release(database, "daemon", "one")
    assert leases.holder(database, "daemon") == "two"
    leases.release(database, "daemon", "two")
    assert leases.acquire(database, "daemon", "one", 10, at(20))


def test_one_of_many_gets_the_lease(database: Database, database_url: str) -> None:
    won: list[int] = []
    start = Barrier(4)

    def run(name: int) -> None:
        db = open_database(database_url)
        start.wait()
        if leases.acquire(db, "daemon", str(name), 10, NOW):
            won.append(name)
        db.close()

    runners = [Thread(target=run, args=(n,)) for n in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert len(won) == 1 and leases.holder(database, "daemon") == str(won[0])
