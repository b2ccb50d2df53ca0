"""Plain notices to operators about deliveries: what no event of a source tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from notify.channels import WEBHOOKS, send
from notify.marking import head
from notify.messages import Message
from notify.phrases import clean
from notify.sending import Send
from notify.subscriptions import channel_id
from pledgewatch.settings import Settings
from storage import readers
from storage.database import Database

log = structlog.get_logger(__name__)

_MOST_LINES, _LONGEST_LINE = 5, 80  # fits the smallest robot


@dataclass(frozen=True)
class Notice:
    """Title and lines, in Chinese and in English."""

    title: tuple[str, str]
    lines: tuple[Sequence[str], Sequence[str]]


def reader_left(subscriber: str, channel: str, cancelled: int) -> Notice:
    """A reader gave a channel up; so many deliveries that waited for it were cancelled."""
    undo = f"pledgewatch subscribers resume {subscriber} {channel}"
    return Notice(
        ("【运维】读者已退订", "[Operations] A reader has unsubscribed"),
        (
            (f"{subscriber} 的 {channel} 不再接收提醒，取消 {cancelled} 条待发。", f"恢复：{undo}"),
            (f"Nothing more goes to {channel} of {subscriber}; {cancelled} waiting cancelled.", f"Undo: {undo}"),
        ),
    )


def given_up(problems: Sequence[tuple[int, str, str]]) -> Notice:
    """Deliveries that ended without arriving, as (delivery, channel, reason)."""
    count, shown = len(problems), problems[:_MOST_LINES]
    told = [head(clean(f"{delivery} {channel}: {reason}"), _LONGEST_LINE) for delivery, channel, reason in shown]
    return Notice(
        (f"【运维】{count}条提醒未能送达", f"[Operations] {count} deliveries given up"),
        (
            (*told, "排除原因后重发：pledgewatch deliveries retry 编号"),
            (*told, "Send again when mended: pledgewatch deliveries retry ID"),
        ),
    )


async def tell_operators(settings: Settings, database: Database, notice: Notice, sender: Send = send) -> None:
    """Send a notice to the channels of every operator, once. It is told in the log too, so what cannot be sent is
    lost to nobody; programs at webhooks take events only."""
    with database.read() as conn:
        left = readers.left_places(conn)
    for table in settings.subscribers:
        subscriber = table.subscriber()
        said = 1 if (subscriber.language or settings.service.language) == "en" else 0
        message = Message(notice.title[said], "\n".join(notice.lines[said]))
        for url in subscriber.to if subscriber.operator else ():
            if url.startswith(WEBHOOKS) or (subscriber.id, channel_id(url)) in left:
                continue
            result = await sender(url, message)
            if not result.ok:
                log.warning("notice not sent", channel=channel_id(url), title=message.title, reason=result.reason)
