"""Who is to be told of what, written into the outbox in the transaction that records the change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from monitors.rules import passes_alert
from notify.subscriptions import channel_id, concerns, next_send
from pledgewatch.settings import Settings
from storage import outbox
from storage.records import Event


def queue_messages(conn: sa.Connection, settings: Settings, events: Sequence[Event], now: datetime) -> int:
    """Queue one message per channel of every subscriber whom some of these events concern; how many.

    `events` were recorded just now, in this transaction, and belong together: one revision, one publication.
    """
    told = [event for event in events if not event.baseline and _is_wanted(settings, event)]
    queued = 0
    for table in settings.subscribers:
        subscriber = table.subscriber()
        theirs = [event.id for event in told if concerns(subscriber, event)]
        if not theirs:
            continue
        due = next_send(subscriber, now, settings.service.zone)
        for url in subscriber.to:
            made = outbox.queue(conn, subscriber.id, channel_id(url), theirs, due, f"event:{theirs[0]}", now)
            queued += made is not None
    return queued


def _is_wanted(settings: Settings, event: Event) -> bool:
    """A [[tracked]] table may ask for large changes, or for one direction, only."""
    if event.measure is None or event.type not in ("measure.changed", "measure.restated"):
        return True
    measure_id = event.measure.id.split(".")[0]
    table = next((t for t in settings.tracked if t.id == measure_id), None)
    return table is None or passes_alert(event.before, event.after, table.alert)
