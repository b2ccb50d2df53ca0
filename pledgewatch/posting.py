"""The outbox and the channels brought together: T3 and T4 of a document's path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import sqlalchemy as sa
import structlog

from notify.channels import send
from notify.messages import Links
from notify.sending import Send, Style, Tally, deliver_due
from pledgewatch.notices import given_up, tell_operators
from pledgewatch.settings import Settings
from storage import events, outbox, readers
from storage.database import Database
from storage.records import Delivery, Event

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: How long a claimed delivery is nobody else's: longer than waiting for its channel and sending take together.
LEASE_SECONDS = 180.0

_LEFT = "cancelled: the reader has unsubscribed; `pledgewatch subscribers resume` undoes that"


def style_of(settings: Settings) -> Style:
    """How messages are written, as the configuration says."""
    return Style(
        language=settings.service.language,
        tz=settings.service.zone,
        links=Links(settings.web.links_base, {source.id: source.url for source in settings.sources}),
        templates=settings.service.templates,
        contact=settings.service.contact or "",
    )


def unsubscribe_at(settings: Settings, database: Database, now: datetime, subscriber: str, channel: str) -> str:
    """The address at which the reader of a channel gives it up; made when first asked for."""
    return f"{settings.web.links_base}/unsubscribe/{readers.token_for(database, subscriber, channel, now)}"


def cancel_left(conn: sa.Connection, subscriber: str, channel: str) -> int:
    """End what waits for a channel that its reader has left; how many deliveries."""
    return outbox.cancel(conn, subscriber, channel, _LEFT)


class Turns:
    """Writes to the database, off the loop and one after the other. What is asked for while one is under way goes
    into the next transaction together: a commit waits for the disk, and one for each message cost more than sending.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: list[tuple[Callable[[sa.Connection], Any], asyncio.Future[Any]]] = []
        self._turn = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None

    async def write(self, ask: Callable[[sa.Connection], T]) -> T:
        """What `ask` returns, once it is committed. Where one of those in a transaction fails, all of them do."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.append((ask, answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._write_asked())
        return await answer

    async def alone(self, call: Callable[[], T]) -> T:
        """What `call` returns, which has a transaction of its own."""
        async with self._turn:
            return await asyncio.to_thread(call)

    async def end(self) -> None:
        """Come back when everything asked for is written."""
        if self._work is not None:
            await self._work

    async def _write_asked(self) -> None:
        while self._asked:
            async with self._turn:
                asked, self._asked = self._asked, []
                try:
                    answers = await asyncio.to_thread(self._commit, [ask for ask, _ in asked])
                except Exception as error:
                    for _, answer in asked:
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    for (_, answer), value in zip(asked, answers, strict=True):
                        if not answer.done():  # whoever asked may have been cancelled
                            answer.set_result(value)

    def _commit(self, asked: Sequence[Callable[[sa.Connection], Any]]) -> list[Any]:
        with self._database.begin() as conn:
            return [ask(conn) for ask in asked]


@dataclass
class Claims:
    """The stored deliveries as `notify.sending` wants them. `token` is what this sender claims them under."""

    database: Database
    token: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self._turns = Turns(self.database)

    async def claim(
        self, now: datetime, limit: int, skip: Collection[str], only: tuple[str, str] | None = None
    ) -> Sequence[Delivery]:
        return await self._turns.alone(
            lambda: outbox.claim(self.database, now, limit, LEASE_SECONDS, self.token, skip, only)
        )

    async def confirm(self, deliveries: Sequence[Delivery]) -> Collection[int]:
        """Those that are still ours, of readers who have not left: what was queued while one left is found here."""

        def confirmed(conn: sa.Connection) -> set[int]:
            wanted = outbox.still_wanted(conn, [d.id for d in deliveries], self.token)
            places = {(d.subscriber, d.channel) for d in deliveries if d.id not in wanted}
            for subscriber, channel in places & readers.left_places(conn).keys() if places else ():
                cancel_left(conn, subscriber, channel)
            return wanted

        return await self._turns.write(confirmed)

    def sent_since(self, subscriber: str, channel: str, since: datetime) -> Sequence[datetime]:
        with self.database.read() as conn:
            return outbox.sent_since(conn, subscriber, channel, since)

    async def record_sent(self, ids: Sequence[int], now: datetime) -> None:
        await self._turns.write(lambda conn: outbox.record_sent(conn, ids, now))

    async def record_retry(self, due: Mapping[int, datetime], error: str) -> None:
        await self._turns.write(lambda conn: outbox.record_retry(conn, due, self.token, error))

    async def record_dead(self, ids: Sequence[int], error: str) -> None:
        await self._turns.write(lambda conn: outbox.record_dead(conn, ids, self.token, error))

    async def cancel(self, ids: Sequence[int], reason: str) -> None:
        await Claims.record_dead(self, ids, reason)

    async def release(self, ids: Sequence[int], due_at: datetime | None = None) -> None:
        await self._turns.write(lambda conn: outbox.release_claim(conn, ids, self.token, due_at))

    async def end(self) -> None:
        await self._turns.end()

    async def let_go(self) -> None:
        """Give back what is still held: else its channels were closed to every sender until the leases end."""
        await self._turns.write(lambda conn: outbox.release_all(conn, self.token))


class Post:
    """Sends what is due. `send` is replaced by tests and by the demo."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], datetime], sender: Send = send
    ) -> None:
        self.settings, self.database, self.clock, self.sender = settings, database, clock, sender
        self.claims: Callable[[Database], Claims] = Claims
        self._free_at: dict[str, float] = {}

    def use(self, settings: Settings) -> None:
        self.settings = settings

    async def deliver(self) -> Tally:
        """Send what is due until nothing is; what was done."""
        claims = self.claims(self.database)
        try:
            tally = await deliver_due(
                claims,
                {table.id: table.subscriber() for table in self.settings.subscribers},
                self._events,
                self.sender,
                replace(style_of(self.settings), unsubscribe=self._unsubscribe_at),
                clock=self.clock,
                free_at=self._free_at,
            )
        except asyncio.CancelledError:
            await claims.let_go()
            raise
        finally:
            await claims.end()
        for delivery, channel, reason in tally.cancelled:
            log.info("delivery cancelled", delivery=delivery, channel=channel, reason=reason)
        for delivery, channel, reason in tally.problems:
            log.error("delivery given up", delivery=delivery, channel=channel, reason=reason)
        if tally.problems:
            await tell_operators(self.settings, self.database, given_up(tally.problems), self.sender)
        return tally

    def _unsubscribe_at(self, subscriber: str, channel: str) -> str:
        return unsubscribe_at(self.settings, self.database, self.clock(), subscriber, channel)

    async def _events(self, ids: Sequence[int]) -> Sequence[Event]:
        return await asyncio.to_thread(self._told, ids)

    def _told(self, ids: Sequence[int]) -> Sequence[Event]:
        from pledgewatch.telling import with_what_changed  # here: most passes tell nothing, and it loads the readers

        with self.database.read() as conn:
            return with_what_changed(conn, events.events_by_ids(conn, ids))
