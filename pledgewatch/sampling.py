"""`subscribers test`: a sample alert, or what somebody would have received."""

from __future__ import annotations

import sys
from dataclasses import replace

import sqlalchemy as sa

from notify.channels import send
from notify.sending import compose
from notify.subscriptions import as_told, channel_id
from pledgewatch.posting import style_of, unsubscribe_at
from pledgewatch.queueing import meant_for
from pledgewatch.settings import Settings, SubscriberTable
from pledgewatch.telling import with_what_changed
from pledgewatch.work import utc_now
from storage import events
from storage.database import Database
from storage.readers import left_places
from storage.records import DocumentRef, Event, MeasureRef

_OLD = "对符合条件的养老机构给予5000元/张的建设补贴。"
_NEW = "对符合条件的养老机构给予6000元/张的建设补贴。"


def sample_event() -> Event:
    """An alert about a document that does not exist, with every field that a message shows."""
    figure = {"min": None, "max": None, "unit": "元/张", "bound": "=", "start": 0, "end": 0}
    return Event(
        type="measure.changed",
        time=utc_now(),
        source="sample",
        key="sample",
        document=DocumentRef(
            0, "测试消息：关于养老服务的答复", "https://example.org/", "测试〔2026〕1号", "测试", "测试市"
        ),
        versions=(1, 2),
        measure=MeasureRef("sample", "养老机构建设补贴", "subsidy", "养老机构"),
        before={**figure, "value": 5000.0, "quote": "5000元/张", "sentence": _OLD},
        after={**figure, "value": 6000.0, "quote": "6000元/张", "sentence": _NEW},
        summary="养老机构建设补贴：5000元/张 → 6000元/张（测试）",
        detail={"before_words": "5000元/张", "after_words": "6000元/张", "recipient": "养老机构"},
    )


async def send_sample(settings: Settings, table: SubscriberTable, database: Database) -> bool:
    """Send a sample through every channel of a subscriber and say how each went. True: one failed, or all have left."""
    subscriber = table.subscriber()
    with database.read() as conn:
        left = left_places(conn)
    style = replace(
        style_of(settings),
        unsubscribe=lambda subscriber, channel: unsubscribe_at(settings, database, utc_now(), subscriber, channel),
    )
    failed = False
    if all((subscriber.id, channel_id(url)) in left for url in subscriber.to):
        told = f"every address of {subscriber.id} has unsubscribed; `pledgewatch subscribers resume {subscriber.id}`"
        print(f"pledgewatch: nothing was sent: {told} undoes that", file=sys.stderr)
        return True
    for url in subscriber.to:
        if (subscriber.id, channel_id(url)) in left:
            print(f"{channel_id(url)}: not sent, its reader has unsubscribed", file=sys.stderr)
            continue
        result = await send(url, compose(subscriber, url, [sample_event()], style))
        failed |= not result.ok
        told = "sent" if result.ok else f"failed: {result.reason}"
        print(f"{channel_id(url)}: {told}", file=sys.stdout if result.ok else sys.stderr)
    return failed


def show_past(settings: Settings, table: SubscriberTable, conn: sa.Connection, since: int) -> None:
    """Print the messages that a subscriber would have received for the events after `since`. Sends nothing."""
    subscriber = table.subscriber()
    told = as_told(subscriber, meant_for(settings, subscriber, events.events_since(conn, since)), settings.service.zone)
    if not told:
        print(f"nothing since event {since} concerns {subscriber.id}")
        return
    for number, message in enumerate(told, 1):
        due = message.due.astimezone(settings.service.zone)
        shown = compose(subscriber, "terminal://", with_what_changed(conn, message.events), style_of(settings))
        print(f"--- {number} of {len(told)}, {due:%Y-%m-%d %H:%M} ---")
        print(f"{shown.title}\n\n{shown.body}\n")
