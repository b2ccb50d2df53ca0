"""Writes that come together are committed together, and fail each by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from pledgewatch.ledger import Ledger
from storage.database import Database
from storage.tables import sources


class Counted:
    """A database that counts its transactions; the first one waits to be let on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.transactions = 0
        self.go_on = threading.Event()

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        self.transactions += 1
        with self._database.begin() as conn:
            yield conn
            if self.transactions == 1:
                assert self.go_on.wait(10)


def add(conn: sa.Connection, name: str) -> str:
    conn.execute(sources.insert().values(id=name, url=f"http://{name}.example.org/"))
    return name


def known(database: Database) -> set[str]:
    with database.read() as conn:
        return set(conn.execute(sa.select(sources.c.id)).scalars())


async def write(counted: Counted, names: list[str]) -> list[str | BaseException]:
    """Enter one, and the others while it is being committed."""
    ledger = Ledger(counted, asyncio.Lock())  # type: ignore[arg-type]
    first = asyncio.create_task(ledger.write(lambda conn: add(conn, names[0])))
    while not counted.transactions:
        await asyncio.sleep(0.001)
    rest = [asyncio.create_task(ledger.write(lambda conn, name=name: add(conn, name))) for name in names[1:]]
    await asyncio.sleep(0)
    counted.go_on.set()
    return await asyncio.gather(first, *rest, return_exceptions=True)


def test_what_comes_during_a_commit_shares_the_next_one(database: Database) -> None:
    counted = Counted(database)
    names = ["a", "b", "c", "d", "e"]
    assert asyncio.run(write(counted, names)) == names, "each caller gets its own answer"
    assert known(database) == set(names)
    assert counted.transactions == 2


def test_one_that_fails_takes_no_other_with_it(database: Database) -> None:
    counted = Counted(database)
    a, b, again, c = asyncio.run(write(counted, ["a", "b", "a", "c"]))
    assert (a, b, c) == ("a", "b", "c")
    assert isinstance(again, sa.exc.IntegrityError)
    assert known(database) == {"a", "b", "c"}


def test_who_gives_up_waiting_stops_nobody(database: Database) -> None:
    async def run() -> str:
        counted = Counted(database)
        ledger = Ledger(counted, asyncio.Lock())  # type: ignore[arg-type]
        first = asyncio.create_task(ledger.write(lambda conn: add(conn, "a")))
        while not counted.transactions:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(ledger.write(lambda conn: add(conn, "b")))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        counted.go_on.set()
        return await second

    assert asyncio.run(run()) == "b"
    assert known(database) == {"a", "b"}, "what was under way is kept"
