"""`subscribers test`: a sample alert, or what somebody would have received."""

from __future__ import annotations

import sys

import sqlalchemy as sa

from notify.channels import send
from notify.messages import Limit, render
from notify.sending import compose
from notify.subscriptions import channel_id, concerns
from pledgewatch.posting import style_of
from pledgewatch.settings import Settings, SubscriberTable
from pledgewatch.work import utc_now
from storage import events
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


async def send_sample(settings: Settings, table: SubscriberTable) -> bool:
    """Send a sample through every channel of a subscriber and say how each went; whether one failed."""
    subscriber = table.subscriber()
    failed = False
    for url in subscriber.to:
        result = await send(url, compose(subscriber, url, [sample_event()], style_of(settings)))
        failed |= not result.ok
        told = "sent" if result.ok else f"failed: {result.reason}"
        print(f"{channel_id(url)}: {told}", file=sys.stdout if result.ok else sys.stderr)
    return failed


def show_past(settings: Settings, table: SubscriberTable, conn: sa.Connection, since: int) -> None:
    """Print the message that a subscriber would have received for the events after `since`. Sends nothing."""
    subscriber = table.subscriber()
    past = [event for event in events.events_since(conn, since) if concerns(subscriber, event)]
    if not past:
        print(f"nothing since event {since} concerns {subscriber.id}")
        return
    style = style_of(settings)
    message = render(
        subscriber,
        past,
        language=style.language,
        links=style.links,
        format="text",
        limit=Limit(1_000_000),
        tz=style.tz,
        templates=style.templates,
    )
    print(f"{message.title}\n\n{message.body}")
