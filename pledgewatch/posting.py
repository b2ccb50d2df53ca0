"""The outbox and the channels brought together: T3 and T4 of a document's path."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import structlog

from notify.channels import send
from notify.messages import Links
from notify.sending import Send, Style, Tally, deliver_due
from pledgewatch.settings import Settings
from storage import events, outbox
from storage.database import Database
from storage.records import Delivery, Event

log = structlog.get_logger(__name__)

#: How long a claimed delivery is nobody else's: longer than waiting for its channel and sending take together.
LEASE_SECONDS = 180.0


def style_of(settings: Settings) -> Style:
    """How messages are written, as the configuration says."""
    return Style(
        language=settings.service.language,
        tz=settings.service.zone,
        links=Links(settings.web.links_base),
        templates=settings.service.templates,
    )


@dataclass(slots=True)
class Claims:
    """The stored deliveries as `notify.sending` wants them. Every claim has a token of its own."""

    database: Database
    tokens: dict[int, str] = field(default_factory=dict)

    def claim(self, now: datetime, limit: int, skip: Collection[tuple[str, str]]) -> Sequence[Delivery]:
        token = uuid4().hex
        claimed = outbox.claim(self.database, now, limit, LEASE_SECONDS, token, skip)
        self.tokens.update((delivery.id, token) for delivery in claimed)
        return claimed

    def record_sent(self, ids: Sequence[int], now: datetime) -> None:
        with self.database.begin() as conn:
            outbox.record_sent(conn, ids, now)
        self._forget(ids)

    def record_retry(self, ids: Sequence[int], due_at: datetime, error: str) -> None:
        with self.database.begin() as conn:
            for id_ in ids:
                outbox.record_retry(conn, [id_], self.tokens[id_], error, due_at)
        self._forget(ids)

    def record_dead(self, ids: Sequence[int], error: str) -> None:
        with self.database.begin() as conn:
            for id_ in ids:
                outbox.record_dead(conn, [id_], self.tokens[id_], error)
        self._forget(ids)

    def release(self, ids: Sequence[int]) -> None:
        with self.database.begin() as conn:
            for id_ in ids:
                outbox.release_claim(conn, [id_], self.tokens[id_])
        self._forget(ids)

    def _forget(self, ids: Sequence[int]) -> None:
        for id_ in ids:
            self.tokens.pop(id_, None)


class Post:
    """Sends what is due. `send` is replaced by tests and by the demo."""

    def __init__(
        self, settings: Settings, database: Database, clock: Callable[[], datetime], sender: Send = send
    ) -> None:
        self.settings, self.database, self.clock, self.sender = settings, database, clock, sender

    def use(self, settings: Settings) -> None:
        self.settings = settings

    async def deliver(self) -> Tally:
        """Send what is due until nothing is; what was done."""
        tally = await deliver_due(
            Claims(self.database),
            {table.id: table.subscriber() for table in self.settings.subscribers},
            self._events,
            self.sender,
            style_of(self.settings),
            clock=self.clock,
        )
        for delivery, channel, reason in tally.problems:
            log.error("delivery given up", delivery=delivery, channel=channel, reason=reason)
        return tally

    def _events(self, ids: Sequence[int]) -> Sequence[Event]:
        with self.database.read() as conn:
            return events.events_by_ids(conn, ids)
