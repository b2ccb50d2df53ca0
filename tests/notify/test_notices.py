"""What operators hear of deliveries: by every channel that shows words, once, whatever the channel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from loopback import Answer, Mailbox, http_server, mail_server
from notify_samples import NOON

from notify.messages import Message
from notify.subscriptions import channel_id
from pledgewatch.notices import Notice, given_up, reader_left, tell_operators
from pledgewatch.posting import Post
from pledgewatch.settings import Settings, parse_settings
from storage import events, outbox, readers
from storage.database import Database
from storage.records import Event


@pytest.fixture
def robot() -> Iterator[Answer]:
    with http_server(Answer()) as answer:
        yield answer


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


def configured(box: Mailbox, robot: Answer) -> Settings:
    mail = f"mailto://user:right@127.0.0.1:{box.port}?from=watch@example.org&to=ops@example.org"
    hook = robot.url.partition("://")[2]
    return parse_settings(f"""
[[subscribers]]
id = "ops"
to = ["{mail}", "webhook+http://{hook}/events"]
operator = true
[[subscribers]]
id = "night"
to = ["json://{hook}/night"]
operator = true
language = "en"
[[subscribers]]
id = "wang"
to = ["json://{hook}/wang"]
""")


def test_what_ends_without_arriving_is_told_to_operators(database: Database, mailbox: Mailbox, robot: Answer) -> None:
    settings = configured(mailbox, robot)
    (wang,) = (table for table in settings.subscribers if table.id == "wang")
    with database.begin() as conn:
        (told,) = events.record_events(conn, [Event("document.published", NOON, "s", "k", summary="文件")])
        outbox.queue(conn, "wang", channel_id(wang.to[0]), [told.id], NOON, "g", NOON)
    robot.status = 410
    tally = asyncio.run(Post(settings, database, lambda: NOON).deliver())
    assert tally.dead == 1
    (mail,) = mailbox.mails
    assert mail["Subject"] == "【运维】1条提醒未能送达" and "410" in mail.get_content()
    assert f"1 {channel_id(wang.to[0])}: " in mail.get_content()
    assert [path for path, _, _ in robot.requests] == ["/wang", "/night"], "a program gets events only"
    assert b"[Operations] 1 deliveries given up" in robot.requests[1][2]
    assert asyncio.run(Post(settings, database, lambda: NOON).deliver()).dead == 0 and len(mailbox.mails) == 1


def test_an_operator_who_left_hears_no_notice(database: Database, mailbox: Mailbox, robot: Answer) -> None:
    settings = configured(mailbox, robot)
    (ops,) = (table for table in settings.subscribers if table.id == "ops")
    with database.begin() as conn:
        readers.make_tokens(conn, [("ops", channel_id(ops.to[0]))], NOON)
        assert readers.leave(conn, "ops", channel_id(ops.to[0]), NOON)
    asyncio.run(tell_operators(settings, database, reader_left("wang", "mailto-1", 2)))
    assert not mailbox.mails and len(robot.requests) == 1
    assert b"pledgewatch subscribers resume wang mailto-1" in robot.requests[0][2]


@pytest.mark.parametrize("notice", [given_up([(10**9, "wecombot-01234567", "原因\n\x1b[31m" * 99)] * 500)])
def test_a_notice_fits_the_smallest_robot(notice: Notice) -> None:
    for title, lines in zip(notice.title, notice.lines, strict=True):
        told = Message(title, "\n".join(lines))
        assert len(f"{told.title}\n\n{told.body}".encode()) <= 2_048 and "\x1b" not in told.body
        assert "500" in told.title and len(lines) == 6
