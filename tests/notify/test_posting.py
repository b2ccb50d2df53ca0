"""The outbox and the channels together, on either database: who stops lets go, and who shares does not collide."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from notify_samples import NOON

from notify.channels import SendResult
from notify.messages import Message
from notify.subscriptions import channel_id
from pledgewatch.posting import Post
from pledgewatch.settings import Settings, parse_settings
from storage import events, outbox
from storage.database import Database, open_database
from storage.records import Event

CHANNELS, EACH = 6, 5
SETTINGS = parse_settings(
    "\n".join(f'[[subscribers]]\nid = "s{n}"\nto = ["webhook+https://hook.example/{n}"]' for n in range(CHANNELS))
)


def queue(database: Database, settings: Settings = SETTINGS) -> None:
    with database.begin() as conn:
        told = events.record_events(conn, [Event("document.published", NOON, "s", f"k{n}") for n in range(EACH)])
        for event in told:
            for table in settings.subscribers:
                outbox.queue(conn, table.id, channel_id(table.to[0]), [event.id], NOON, event.key, NOON)


def states(database: Database) -> Counter[str]:
    with database.read() as conn:
        return Counter(d.state for d in outbox.list_deliveries(conn))


def test_senders_that_share_a_database_send_one_message_to_a_channel_at_a_time(
    database: Database, database_url: str
) -> None:
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    got: Counter[tuple[str, int]] = Counter()

    async def send(url: str, message: Message) -> SendResult:
        under_way[url] += 1
        most[url] = max(most[url], under_way[url])
        await asyncio.sleep(0.01)
        got[url, message.events[0].id] += 1
        under_way[url] -= 1
        return SendResult(True)

    async def both(other: Database) -> None:
        posts = [Post(SETTINGS, db, lambda: NOON, send) for db in (database, other)]
        await asyncio.gather(*(post.deliver() for post in posts))

    queue(database)
    other = open_database(database_url)
    asyncio.run(both(other))
    other.close()
    assert states(database) == {"sent": CHANNELS * EACH} and len(got) == CHANNELS * EACH
    assert set(got.values()) == {1} and set(most.values()) == {1}


def test_a_sender_that_is_stopped_lets_go_at_once(database: Database) -> None:
    """The next one need not wait for the leases; what was recorded meanwhile stays."""
    sent: list[str] = []

    async def send(url: str, message: Message) -> SendResult:
        if url.endswith("/0"):
            await asyncio.Event().wait()
        sent.append(url)
        return SendResult(True)

    async def stopped() -> None:
        work = asyncio.create_task(Post(SETTINGS, database, lambda: NOON, send).deliver())
        while len(sent) < (CHANNELS - 1) * EACH:
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    queue(database)
    asyncio.run(stopped())
    with database.read() as conn:
        assert {d.attempts for d in outbox.list_deliveries(conn, subscriber="s0")} == {0}
    assert (
        len(outbox.claim(database, NOON, 99, 60, "next", only=("s0", channel_id("webhook+https://hook.example/0"))))
        == EACH
    )
