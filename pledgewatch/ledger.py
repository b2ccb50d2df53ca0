"""Short writes put together: what comes while one transaction is brought to the disk shares the next one.

A commit waits for the disk, for milliseconds in which nobody else may write; to record an answer takes half of one.
Nothing waits for others to come: a write that is alone is committed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from storage.database import Database

T = TypeVar("T")
Entry = Callable[[sa.Connection], T]


class Ledger:
    """Where a process's short writes are entered. At `turn` its other writers wait: SQLite has one at a time."""

    def __init__(self, database: Database, turn: asyncio.Lock) -> None:
        self._database, self._turn = database, turn
        self._waiting: list[tuple[Entry[Any], asyncio.Future[Any]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, entry: Entry[T]) -> T:
        """What `entry` gives, once it is committed. Raises what it raises, and StorageError.

        An entry that fails takes no other with it. It is called in a thread, and once more where another one
        failed beside it, so it must change nothing but the database.
        """
        written: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await written

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                async with self._turn:
                    # Taken only now: more have come while others wrote.
                    entries, self._waiting = self._waiting, []
                    results = await asyncio.to_thread(self._commit, [entry for entry, _ in entries])
                for (_, written), result in zip(entries, results, strict=True):
                    if written.cancelled():
                        continue
                    if isinstance(result, Exception):
                        written.set_exception(result)
                    else:
                        written.set_result(result)
        finally:
            self._writing = None

    def _commit(self, entries: Sequence[Entry[Any]]) -> list[Any]:
        """What each entry gave, or the exception with which it failed."""
        try:
            with self._database.begin() as conn:
                return [entry(conn) for entry in entries]
        except Exception as error:
            if len(entries) == 1:
                return [error]
        return [result for entry in entries for result in self._commit([entry])]
