"""Who is to be told of what, written into the outbox in the transaction that records the change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from notify.subscriptions import Subscriber, channel_id, concerns, next_send
from pledgewatch.settings import Settings
from storage import outbox, readers
from storage.records import Event


def queue_messages(conn: sa.Connection, settings: Settings, events: Sequence[Event], now: datetime) -> int:
    """Queue one message per channel of every subscriber whom some of these events concern; how many.

    `events` were recorded just now, in this transaction, and belong together: one revision, one publication.
    """
    left = readers.left_places(conn)
    queued = 0
    for table in settings.subscribers:
        subscriber = table.subscriber()
        theirs = [event.id for event in meant_for(settings, subscriber, events)]
        if not theirs:
            continue
        due = next_send(subscriber, now, settings.service.zone)
        for channel in dict.fromkeys(map(channel_id, subscriber.to)):
            if (subscriber.id, channel) in left:
                continue
            made = outbox.queue(conn, subscriber.id, channel, theirs, due, f"event:{theirs[0]}", now)
            queued += made is not None
    return queued


def meant_for(settings: Settings, subscriber: Subscriber, events: Iterable[Event]) -> list[Event]:
    """Those of the events that a subscriber is told of."""
    return [event for event in events if concerns(subscriber, event) and is_wanted(settings, event)]


def is_wanted(settings: Settings, event: Event) -> bool:
    """A [[tracked]] table may ask for large changes, or for one direction, only."""
    if event.measure is None or event.type not in ("measure.changed", "measure.restated"):
        return True
    from monitors.rules import passes_alert  # here: a pass that finds no figure changed has no use for the rules

    measure_id = event.measure.id.split(".")[0]
    table = next((t for t in settings.tracked if t.id == measure_id), None)
    return table is None or passes_alert(event.before, event.after, table.alert)
