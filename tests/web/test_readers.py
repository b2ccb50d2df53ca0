"""A reader without a login: the way out of every mail, and a feed that nobody can guess."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from loopback import Mailbox, mail_server
from operating import Operator
from starlette.testclient import TestClient
from world import World

from notify.channels import SendResult
from notify.messages import Message
from notify.subscriptions import channel_id
from pledgewatch.posting import Post, cancel_left
from pledgewatch.web import create_app, feeds
from storage import readers
from storage.readers import FEED

LINES = ["一、对符合条件的养老机构给予5000元/张的建设补贴。", "二、对养老护理员每人每月给予300元的岗位补贴。"]
ATOM = {"a": "http://www.w3.org/2005/Atom"}
BUTTON = 'value="One-Click"'
BASE = "https://watch.example.org"


def to_mail(box: Mailbox, password: str = "right") -> str:
    return f"mailto://user:{password}@127.0.0.1:{box.port}?from=watch@example.org&to=wang@example.org"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


@pytest.fixture
def world(tmp_path: Path, mailbox: Mailbox) -> Iterator[World]:
    """Wang hears by mail and by a webhook, the carer by the same mail server, the manager once a day."""
    with World(tmp_path, subscribers="") as made:
        made._subscribers = f"""
[service]
contact = "ops@example.org"
[web]
base_url = "{BASE}"
[[subscribers]]
id = "wang"
to = ["{to_mail(mailbox)}", "webhook+{made.site.url("/hook")}"]
[[subscribers]]
id = "carer"
to = ["{to_mail(mailbox).replace("wang@", "carer@")}"]
events = ["measure.*"]
recipients = ["护理员"]
[[subscribers]]
id = "manager"
to = ["webhook+{made.site.url("/hook")}"]
deliver = "daily 08:30"
"""
        made.reconfigure()
        (tmp_path / "config.toml").write_text(made.config(), "utf-8")
        made.publish("notice", "云川市养老服务补贴办法", LINES)
        made.check()
        yield made


def revise(world: World, before: str = "5000元/张", after: str = "6000元/张") -> None:
    world.revise("notice", before, after)
    world.check()


def anybody(world: World) -> TestClient:
    """A browser that nobody has logged in with, where a login is needed."""
    assert world.settings.web.needs_login
    return TestClient(create_app(world.settings, world.database), base_url=BASE, follow_redirects=False)


def way_out(box: Mailbox) -> str:
    """The path of the last mail's address for unsubscribing."""
    found = re.search(r"<https://watch\.example\.org(/unsubscribe/[^>]+)>", box.mails[-1]["List-Unsubscribe"])
    assert found
    return found[1]


def one_click(web: TestClient, path: str) -> Any:
    """What a mail program sends (RFC 8058): no cookie, no key, no page of ours before."""
    return web.post(
        path, content="List-Unsubscribe=One-Click", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )


def states(world: World, channel: str) -> list[tuple[str, str, str | None]]:
    return [(d.subscriber, d.state, d.last_error) for d in world.deliveries() if d.channel == channel]


# --- unsubscribing --------------------------------------------------------------------------------------------


def test_a_mail_says_how_to_leave(world: World, mailbox: Mailbox) -> None:
    revise(world)
    (mail,) = mailbox.mails
    assert mail["List-Id"] == "Pledgewatch <wang.pledgewatch.watch.example.org>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    path = way_out(mailbox)
    assert "<mailto:ops@example.org?subject=unsubscribe%20wang." in mail["List-Unsubscribe"]
    assert len(path.removeprefix("/unsubscribe/")) >= 22, "128 bits at least"
    for part in ("plain", "html"):
        body = mail.get_body((part,))
        assert body and f"{BASE}{path}" in body.get_content()


def test_looking_changes_nothing_and_one_click_ends_it(world: World, mailbox: Mailbox) -> None:
    revise(world)
    web, path = anybody(world), way_out(mailbox)
    for method in ("GET", "HEAD", "GET"):
        page = web.request(method, path)
        assert page.status_code == 200 and page.headers["Cache-Control"] == "private, no-store"
    assert BUTTON in page.text and "wang" not in page.text
    revise(world, "6000元/张", "7000元/张")
    assert len(mailbox.mails) == 2, "scanners follow links"

    assert one_click(web, path).status_code == 200 and one_click(web, path).status_code == 200
    revise(world, "7000元/张", "8000元/张")
    assert len(mailbox.mails) == 2 and len(world.bodies) == 3, "the other address goes on"
    mail = channel_id(to_mail(mailbox))
    assert [state for _, state, _ in states(world, mail)] == ["sent", "sent"], "nothing is even queued"
    assert BUTTON not in web.get(path).text and "已退订" in web.get(path).text


def test_operators_are_told_once_who_left(world: World, mailbox: Mailbox) -> None:
    revise(world)
    path, ops = way_out(mailbox), to_mail(mailbox).replace("wang@", "ops@")
    assert world._subscribers
    world._subscribers += f'[[subscribers]]\nid = "ops"\nto = ["{ops}"]\noperator = true\nevents = ["source.*"]\n'
    world.reconfigure()
    web = anybody(world)
    one_click(web, path), one_click(web, path)
    (notice,) = [mail for mail in mailbox.mails if mail["To"] == "ops@example.org"]
    assert notice["Subject"] == "【运维】读者已退订"
    assert f"pledgewatch subscribers resume wang {channel_id(to_mail(mailbox))}" in notice.get_content()


def test_a_new_password_does_not_subscribe_again(world: World, mailbox: Mailbox) -> None:
    revise(world)
    one_click(anybody(world), way_out(mailbox))
    assert world._subscribers
    world._subscribers = world._subscribers.replace("user:right@", "other:right@").replace("mailto://", "mailtos://")
    world.reconfigure()
    revise(world, "6000元/张", "7000元/张")
    assert len(mailbox.mails) == 1


def test_what_waits_is_cancelled_and_says_why(world: World, mailbox: Mailbox) -> None:
    revise(world)
    path, mail = way_out(mailbox), channel_id(to_mail(mailbox))
    mailbox.replies["wang@example.org"] = "450 later"
    revise(world, "6000元/张", "7000元/张")
    assert [state for _, state, _ in states(world, mail)] == ["sent", "retrying"]
    one_click(anybody(world), path)
    (_, cancelled) = states(world, mail)
    assert cancelled[1] == "dead" and str(cancelled[2]).startswith("cancelled: the reader has unsubscribed")
    mailbox.replies.clear()
    world.check()
    assert len(mailbox.mails) == 1


def _post(world: World, send: Any) -> Any:
    return asyncio.run(Post(world.settings, world.database, world.clock, send).deliver())


def _wait_for_mail(world: World, mailbox: Mailbox) -> str:
    """A delivery to Wang's mailbox that is due, and the token with which she leaves."""
    mailbox.replies["wang@example.org"] = "450 later"
    revise(world)
    world.clock.move(hours=1)
    return readers.token_for(world.database, "wang", channel_id(to_mail(mailbox)), world.clock())


def test_leaving_while_a_message_is_on_its_way_is_told_as_it_was(world: World, mailbox: Mailbox) -> None:
    """Claimed and under way: it cannot be called back. It is recorded as sent, once, and nothing follows."""
    token, mail = _wait_for_mail(world, mailbox), channel_id(to_mail(mailbox))
    web, sent = anybody(world), []

    async def send(url: str, message: Message) -> SendResult:
        await asyncio.to_thread(one_click, web, f"/unsubscribe/{token}")
        sent.append(url)
        return SendResult(True)

    assert _post(world, send).sent == 1 and len(sent) == 1
    assert [state for _, state, _ in states(world, mail)] == ["sent"]
    _post(world, send)
    assert len(sent) == 1


def test_a_failure_after_leaving_is_not_tried_again(world: World, mailbox: Mailbox) -> None:
    token, mail = _wait_for_mail(world, mailbox), channel_id(to_mail(mailbox))
    web = anybody(world)

    async def send(url: str, message: Message) -> SendResult:
        await asyncio.to_thread(one_click, web, f"/unsubscribe/{token}")
        return SendResult(False, reason="451 later")

    _post(world, send)
    ((_, state, reason),) = states(world, mail)
    assert state == "dead" and str(reason).startswith("cancelled")


def test_leaving_between_claim_and_sending_stops_the_message(world: World, mailbox: Mailbox) -> None:
    """Two wait: the reader leaves while the first is sent, and the second, claimed with it, stays."""
    token, mail = _wait_for_mail(world, mailbox), channel_id(to_mail(mailbox))
    revise(world, "6000元/张", "7000元/张")
    world.clock.move(days=1)
    web, sent = anybody(world), []

    async def send(url: str, message: Message) -> SendResult:
        sent.append(url)
        await asyncio.to_thread(one_click, web, f"/unsubscribe/{token}")
        return SendResult(True)

    tally = _post(world, send)
    assert [url for url in sent if url.startswith("mailto")] == [to_mail(mailbox)] and tally.dead == 0
    assert sorted(state for _, state, _ in states(world, mail)) == ["dead", "sent"]


def test_a_message_queued_by_somebody_who_did_not_know_is_not_sent(world: World, mailbox: Mailbox) -> None:
    """On PostgreSQL a change may be recorded by a transaction that began before the reader left."""
    _wait_for_mail(world, mailbox)
    mail = channel_id(to_mail(mailbox))
    with world.database.begin() as conn:
        readers.leave(conn, "wang", mail, world.clock())
    sent: list[str] = []

    async def send(url: str, message: Message) -> SendResult:
        sent.append(url)
        return SendResult(True)

    _post(world, send)
    assert not sent and [state for _, state, _ in states(world, mail)] == ["dead"]


@pytest.mark.parametrize("path", ["/unsubscribe/nobody", "/feeds/subscribers/nobody.atom", "/unsubscribe/%00"])
def test_a_guess_finds_nothing(world: World, path: str) -> None:
    web = anybody(world)
    assert web.get(path).status_code == 404
    if path.startswith("/unsubscribe"):
        assert one_click(web, path).status_code == 404


def test_a_feeds_address_unsubscribes_nobody_and_the_other_way_round(world: World, mailbox: Mailbox) -> None:
    revise(world)
    feed = readers.token_for(world.database, "wang", FEED, world.clock())
    web = anybody(world)
    assert one_click(web, f"/unsubscribe/{feed}").status_code == 404
    mail = way_out(mailbox).removeprefix("/unsubscribe/")
    assert web.get(f"/feeds/subscribers/{mail}.atom").status_code == 404


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


def test_the_operator_sees_it_and_can_undo_it(world: World, mailbox: Mailbox, run: Operator) -> None:
    mailbox.replies["wang@example.org"] = "450 later"
    revise(world)
    mail = channel_id(to_mail(mailbox))
    mailbox.replies.clear()
    world.check()
    assert run("subscribers", "resume", "wang").status == 2, "she has not left"
    one_click(anybody(world), way_out(mailbox))
    shown = run("subscribers", "list").out
    assert re.search(rf"wang: wang@example\.org \({mail}\) \(unsubscribed \d{{4}}-.*\), webhook", shown)
    listed = run("subscribers", "list", "--json").lines[0]
    assert list(listed["unsubscribed"]) == [mail] and listed["feed"].startswith(f"{BASE}/feeds/subscribers/")
    mails = len(mailbox.mails)
    tried = run("subscribers", "test", "wang")
    assert "unsubscribed" in tried.err and len(mailbox.mails) == mails
    (delivery,) = (d for d in world.deliveries() if d.channel == mail)
    assert "unsubscribed" in run("deliveries", "retry", delivery.id).err
    assert run("subscribers", "resume", "wang", "nobody@example.org").status == 2
    assert mail in run("subscribers", "resume", "wang", "wang@example.org").out
    revise(world, "6000元/张", "7000元/张")
    assert len(mailbox.mails) == mails + 1


def test_the_operator_is_told_once(world: World, mailbox: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    from structlog.testing import capture_logs

    revise(world)
    web, path = anybody(world), way_out(mailbox)
    with capture_logs() as logs:
        one_click(web, path)
        one_click(web, path)
        web.get(path)
    told = [entry for entry in logs if entry["event"] == "reader unsubscribed"]
    assert [entry["subscriber"] for entry in told] == ["wang"]
    assert "subscribers resume wang" in told[0]["undo"] and path.rpartition("/")[2] not in str(logs)


# --- the feed -------------------------------------------------------------------------------------------------


def feed_of(world: World, subscriber: str, web: TestClient | None = None) -> ET.Element:
    token = readers.token_for(world.database, subscriber, FEED, world.clock())
    answer = (web or anybody(world)).get(f"/feeds/subscribers/{token}.atom")
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert "private" in answer.headers["Cache-Control"] and answer.headers["X-Robots-Tag"] == "noindex"
    return ET.fromstring(answer.content)


def entries(feed: ET.Element) -> list[str]:
    return [entry.findtext("a:title", "", ATOM) for entry in feed.findall("a:entry", ATOM)]


def test_a_feed_tells_what_the_messages_tell_and_no_more(world: World, mailbox: Mailbox) -> None:
    revise(world)
    revise(world, "每月给予300元", "每月给予400元")
    wang, carer = feed_of(world, "wang"), feed_of(world, "carer")
    to_wang = [str(mail["Subject"]) for mail in mailbox.mails if mail["To"] == "wang@example.org"]
    to_carer = [str(mail["Subject"]) for mail in mailbox.mails if mail["To"] == "carer@example.org"]
    assert entries(wang) == to_wang[::-1] and len(to_wang) == 2
    assert entries(carer) == to_carer and len(to_carer) == 1
    content = carer.find("a:entry/a:content", ATOM)
    assert content is not None and content.get("type") == "html"
    assert "400" in str(content.text) and "<body" not in str(content.text) and "退订" not in str(content.text)


def test_a_digest_stands_in_the_feed_when_it_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    revise(world)
    revise(world, "每月给予300元", "每月给予400元")
    monkeypatch.setattr(feeds, "_now", lambda: world.clock() - timedelta(hours=4))
    assert entries(feed_of(world, "manager")) == []
    monkeypatch.setattr(feeds, "_now", lambda: world.clock() + timedelta(days=2))
    assert len(entries(feed_of(world, "manager"))) == 1


def test_ids_of_a_feed_outlive_its_address(world: World, run: Operator) -> None:
    revise(world)
    before = feed_of(world, "wang")
    old = readers.token_for(world.database, "wang", FEED, world.clock())
    new = run("subscribers", "renew", "wang").out.strip()
    assert old not in new and new.startswith(f"{BASE}/feeds/subscribers/")
    assert anybody(world).get(f"/feeds/subscribers/{old}.atom").status_code == 404
    after = feed_of(world, "wang")
    ids = [[node.text for node in feed.iter("{http://www.w3.org/2005/Atom}id")] for feed in (before, after)]
    assert ids[0] == ids[1] and len(set(ids[0])) == len(ids[0])
    assert old not in ET.tostring(after, "unicode")


def test_a_feed_of_nobody_in_the_configuration_is_gone(world: World) -> None:
    token = readers.token_for(world.database, "former", FEED, datetime(2026, 1, 1, tzinfo=UTC))
    assert anybody(world).get(f"/feeds/subscribers/{token}.atom").status_code == 404


def test_leaving_twice_counts_once(world: World, mailbox: Mailbox) -> None:
    mail = channel_id(to_mail(mailbox))
    readers.token_for(world.database, "wang", mail, world.clock())
    with world.database.begin() as conn:
        assert readers.leave(conn, "wang", mail, world.clock()) and not readers.leave(conn, "wang", mail, world.clock())
        assert cancel_left(conn, "wang", mail) == 0
        assert readers.resume(conn, "wang", mail) and not readers.resume(conn, "wang", mail)
