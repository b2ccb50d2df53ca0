"""Messages that really leave: to HTTP endpoints and mail servers on loopback, with their refusals."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from loopback import Answer, Mailbox, http_server, mail_server, self_signed
from notify_samples import LINKS, NOTICE, READER, SHANGHAI, UNSUBSCRIBE, event, figure, revision

from notify import plugins
from notify.answers import Refused, judge_status, read_retry_after
from notify.channels import CHANNELS, SendResult, _plugin, channel_for, check_address, cloud_events, mask, send
from notify.messages import Message, render
from storage.records import MeasureRef


def message(url: str) -> Message:
    channel = channel_for(url)
    return render(
        READER,
        revision(),
        language="zh",
        links=LINKS,
        format=channel.format,
        limit=channel.limit,
        tz=SHANGHAI,
        unsubscribe=UNSUBSCRIBE,
    )


def sent(url: str, timeout: float = 10.0, told: Message | None = None) -> SendResult:
    return asyncio.run(send(url, told or message(url), timeout=timeout))


@pytest.fixture
def endpoint() -> Iterator[Answer]:
    with http_server(Answer()) as answer:
        yield answer


@pytest.fixture
def robots(endpoint: Answer, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """The robots' plugins with their fixed hosts put on loopback."""
    monkeypatch.setattr(plugins.WeComBot, "notify_url", endpoint.url + "/wecom?key={key}")
    monkeypatch.setattr(plugins.DingTalk, "notify_url", endpoint.url + "/ding?access_token={token}")
    monkeypatch.setattr(plugins.Feishu, "notify_url", endpoint.url + "/feishu/{token}")
    monkeypatch.setattr(plugins.Lark, "notify_url", endpoint.url + "/lark/")
    monkeypatch.setattr(plugins.ServerChan, "notify_url", endpoint.url + "/{token}.send")
    return endpoint


# --- robots that refuse inside a 200 ---------------------------------------------------------------------

OK = {"wecombot": b'{"errcode":0,"errmsg":"ok"}', "feishu": b'{"code":0,"msg":"success","data":{}}'}
ADDRESSES = {
    "wecombot": "wecombot://3f0d-KEY",
    "dingtalk": "dingtalk://c0ffee5ec2e7@abc123token",
    "feishu": "feishu://fei-token-1",
    "lark": "lark://abcd1234-abcd-1234-abcd-1234abcd5678",
    "schan": "schan://SCT1234abcd",
}


def ok_for(scheme: str) -> bytes:
    return OK["wecombot" if scheme in ("wecombot", "dingtalk") else "feishu"]


@pytest.mark.parametrize("scheme", ADDRESSES)
def test_a_robot_takes_a_message(robots: Answer, scheme: str) -> None:
    robots.body = ok_for(scheme)
    assert sent(ADDRESSES[scheme]) == SendResult(True)
    (_path, _headers, body), *others = robots.requests
    assert not others
    assert "养老机构建设补贴" in json.dumps(json.loads(body), ensure_ascii=False)


@pytest.mark.parametrize(
    ("scheme", "answer", "permanent", "waits"),
    [
        ("wecombot", b'{"errcode":93000,"errmsg":"invalid webhook url"}', True, False),
        ("wecombot", b'{"errcode":45009,"errmsg":"api freq out of limit"}', False, True),
        ("wecombot", b'{"errcode":50000,"errmsg":"?"}', False, False),
        ("dingtalk", b'{"errcode":310000,"errmsg":"sign not match"}', True, False),
        ("dingtalk", b'{"errcode":130101,"errmsg":"send too fast"}', False, True),
        (
            "feishu",
            b'{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}',
            True,
            False,
        ),
        ("feishu", b'{"code":11232,"msg":"frequency limited"}', False, True),
        ("lark", b'{"code":19021,"msg":"sign match fail"}', True, False),
        ("schan", b'{"code":40001,"message":"bad sendkey"}', True, False),
        ("wecombot", b"<html>please log in to this network</html>", False, False),
        ("dingtalk", b"[]", False, False),
        ("feishu", b'{"msg":"ok"}', False, False),
    ],
)
def test_a_refusal_inside_a_200_is_no_success(
    robots: Answer, scheme: str, answer: bytes, permanent: bool, waits: bool
) -> None:
    robots.body = answer
    result = sent(ADDRESSES[scheme])
    assert not result.ok and result.permanent is permanent and bool(result.retry_after) is waits
    assert len(robots.requests) == 1


def test_pushdeer_says_so_too(endpoint: Answer) -> None:
    url = endpoint.url.replace("http", "pushdeer") + "/PDU1key"
    endpoint.body = b'{"code":80501,"error":"pushkey not found"}'
    assert sent(url).permanent
    endpoint.body = b'{"code":0,"content":{"result":["{}"]}}'
    assert sent(url).ok
    path, _headers, body = endpoint.requests[-1]
    assert path == "/message/push?pushkey=PDU1key" and json.loads(body)["type"] == "markdown"


def test_what_each_robot_is_sent(robots: Answer) -> None:
    for scheme in ("wecombot", "dingtalk", "feishu"):
        robots.body = ok_for(scheme)
        assert sent(ADDRESSES[scheme]).ok
    wecom, ding, feishu = (json.loads(body) for _path, _headers, body in robots.requests)
    assert wecom["msgtype"] == "markdown"
    assert wecom["markdown"]["content"].startswith("### 【补贴调整】武汉市 养老机构建设补贴")
    assert len(wecom["markdown"]["content"].encode()) <= 2048
    assert ding["markdown"]["title"].startswith("【补贴调整】") and not ding["at"]["isAtAll"]
    assert feishu["card"]["header"]["title"]["content"].startswith("【补贴调整】")
    assert "**6000**" in feishu["card"]["elements"][0]["content"]
    signed = robots.requests[1][0]
    assert "access_token=abc123token&timestamp=" in signed and "&sign=" in signed


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(s, True) for s in (301, 400, 401, 403, 404, 410)] + [(s, False) for s in (408, 429, 500, 503)],
)
def test_http_status(endpoint: Answer, status: int, permanent: bool) -> None:
    endpoint.status = status
    for scheme in ("json", "webhook+http"):
        result = sent(endpoint.url.replace("http", scheme, 1) + "/hook")
        assert not result.ok and result.permanent is permanent, (scheme, result)
        assert str(status) in result.reason


def test_retry_after_is_handed_on(endpoint: Answer) -> None:
    endpoint.status, endpoint.headers = 429, {"Retry-After": "77"}
    assert sent(endpoint.url.replace("http", "webhook+http")).retry_after == 77.0
    noon = datetime(2025, 7, 8, 12, 0, tzinfo=UTC)
    assert read_retry_after("Tue, 08 Jul 2025 12:01:30 GMT", noon) == 90.0
    assert read_retry_after("Tue, 08 Jul 2025 11:00:00 GMT", noon) == 0.0
    assert read_retry_after("9" * 50, noon) == 86_400.0
    assert read_retry_after("soon", noon) is None and read_retry_after(None, noon) is None


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_success(status: int) -> None:
    judge_status(status)


def test_a_dead_server_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        for url in (
            f"json://{address}/x",
            f"webhook+http://{address}/x",
            f"mailto://{address}?from=a@b.cn&to=c@d.cn",
            f"pushdeer://{address}/PDU1key",
            f"bark://{address}/key",
        ):
            assert sent(url) == SendResult(False, reason="connection refused"), url


def test_a_silent_server_costs_no_more_than_the_time_limit() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for scheme in ("webhook+http", "json"):
            result = sent(f"{scheme}://{address}/x", timeout=0.2)
            assert result == SendResult(False, reason="no answer within 0.2 s")


# --- limits ------------------------------------------------------------------------------------------------

#: What each service takes of a title and body together, as its own documents say, and in which unit.
TAKES = {
    "wecombot": (2_048, "bytes"), "dingtalk": (20_000, "bytes"), "feishu": (20_000, "bytes"), "lark": (20_000, "bytes"),
    "schan": (32_768, "bytes"), "pushdeer": (32_768, "characters"), "pushdeers": (32_768, "characters"),
    "tgram": (4_096, "characters"), "slack": (40_000, "characters"), "discord": (2_000, "characters"),
    "bark": (4_096, "bytes"), "barks": (4_096, "bytes"), "wechat": (2_048, "bytes"), "ntfy": (4_096, "bytes"),
    "ntfys": (4_096, "bytes"), "pushplus": (20_000, "characters"), "sinch": (160, "characters"),
}  # fmt: skip
words = st.text(st.sampled_from("养老机构建设补贴，。（）a b*_`<&"), min_size=1, max_size=80)


def payload_of(scheme: str, told: Message) -> str:
    """Title and body as they leave for the service: a robot's own payload, else one after the other."""
    if scheme not in ADDRESSES:
        return f"{told.title}\n\n{told.body}"
    plugin = _plugin(ADDRESSES[scheme])
    payload = plugin.payload(told)
    if scheme in ("feishu", "lark"):
        return json.dumps(payload, ensure_ascii=False)
    return (
        str(payload["markdown"].get("content") or payload["markdown"]["text"])
        if "markdown" in payload
        else (f"{payload['title']}{payload['desp']}")
    )


def numbers_in(text: str) -> set[str]:
    """Numbers of four digits or more, without those of addresses and styles."""
    bare = re.sub(r"https?://[^\s)\"<>]+|<[a-z/!][^>]*>", " ", text)
    return set(re.findall(r"(?<!\d)\d{4,}(?!\d)", re.sub(r"(?<=\d),(?=\d{3})", "", bare)))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(TAKES)), st.lists(st.integers(1_000_001, 9_999_999), min_size=2, max_size=40),
    words, words, st.sampled_from(["zh", "en"]),
)  # fmt: skip
def test_each_service_gets_what_it_takes_and_no_cut_figure(
    scheme: str, amounts: list[int], name: str, around: str, language: str
) -> None:
    amounts = [amount for amount in amounts if amount % 1000]  # 万 would say these otherwise
    assume(len(amounts) > 1)
    events = [
        event(
            number,
            document=replace(NOTICE, id=number, title=around),
            measure=MeasureRef("m", name, "subsidy"),
            before=figure(old, "元/张", f"{around}{old}元/张{around}"),
            after=figure(new, "元/张", f"{around}{new}元/张{around}"),
            detail={},
        )
        for number, (old, new) in enumerate(pairwise(amounts), 1)
    ]
    channel = channel_for(f"{scheme}://x")
    told = render(
        READER, events, language=language, links=LINKS, format=channel.format, limit=channel.limit, tz=SHANGHAI
    )
    sent_words = payload_of(scheme, told)
    most, unit = TAKES[scheme]
    assert len(sent_words.encode() if unit == "bytes" else sent_words) <= most
    written = {form for n in amounts for form in (str(n), f"{n / 10_000:.4f}".rstrip("0"))}
    dated = {"2025", "2027"}  # of 文号, publication and finding
    assert numbers_in(sent_words) <= {digits for n in written for digits in n.split(".")} | dated


# --- signed webhook ----------------------------------------------------------------------------------------


def receiver() -> Callable[..., bool]:
    """The program that the documentation gives to receivers, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    space: dict[str, Any] = {}
    exec(program, space)
    return space["is_genuine"]  # type: ignore[no-any-return]


#: Every attribute that CloudEvents 1.0 knows: names of others would have to be extensions in small letters.
CLOUD_EVENT = {"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data"}


def test_the_webhook_is_a_signed_batch_of_cloud_events(endpoint: Answer) -> None:
    url = endpoint.url.replace("http", "webhook+http") + "/hook?team=1&secret=s3cr%20t"
    assert sent(url).ok
    path, headers, body = endpoint.requests[0]
    assert path == "/hook?team=1"
    assert headers["Content-Type"].startswith("application/cloudevents-batch+json")
    is_genuine, stamp = receiver(), int(headers["Pledgewatch-Timestamp"])
    assert is_genuine("s3cr t", headers, body, stamp + 299)
    assert not is_genuine("s3cr t", headers, body, stamp + 301), "an old message sent again"
    assert not is_genuine("s3cr t", headers | {"Pledgewatch-Timestamp": str(stamp + 9)}, body, stamp)
    assert not is_genuine("s3cr t", headers, body + b" ", stamp) and not is_genuine("other", headers, body, stamp)
    assert not is_genuine("s3cr t", {}, body, stamp)
    batch = json.loads(body)
    assert [e["data"] for e in batch] == [e.to_json() for e in revision()]
    for told, source in zip(batch, revision(), strict=True):
        assert told["specversion"] == "1.0" and told["id"] == str(source.id) and told["type"] == source.type
        assert told["source"] == "/sources/wuhan-mzj" and told["datacontenttype"] == "application/json"
        assert told.get("subject") == (source.document.url if source.document else None)
        assert told.keys() <= CLOUD_EVENT and all(
            isinstance(told[name], str) and told[name] for name in told.keys() - {"data"}
        )
        assert datetime.fromisoformat(told["time"]) == source.time


def test_a_webhook_without_secret_is_not_signed(endpoint: Answer) -> None:
    assert sent(endpoint.url.replace("http", "webhook+http")).ok
    assert "Pledgewatch-Signature" not in endpoint.requests[0][1]


def test_a_webhook_follows_no_redirect(endpoint: Answer) -> None:
    endpoint.status, endpoint.headers = 302, {"Location": endpoint.url + "/elsewhere"}
    assert sent(endpoint.url.replace("http", "webhook+http") + "/hook?secret=x").permanent
    assert len(endpoint.requests) == 1


def test_cloud_events_take_what_pages_say() -> None:
    strange = event(source="a b/ü", summary="\ud800\x00")
    (told,) = json.loads(cloud_events([strange]))
    assert told["source"] == "/sources/a%20b/%C3%BC"


# --- mail --------------------------------------------------------------------------------------------------


def mail_url(box: Mailbox, **more: str) -> str:
    query = "&".join(f"{k}={v}" for k, v in ({"from": "watch@example.org", "to": "reader@example.org"} | more).items())
    return f"mailto://user:right@127.0.0.1:{box.port}?{query}"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server(Mailbox()) as box:
        yield box


def test_a_mail_arrives_with_words_html_and_a_way_out(mailbox: Mailbox) -> None:
    assert sent(mail_url(mailbox)) == SendResult(True)
    (mail,) = mailbox.mails
    assert mailbox.logins == [b"user"]
    assert mail["Subject"] == "【补贴调整】武汉市 养老机构建设补贴 5000→6000元/张 +20% 等2项"
    assert mail["To"] == "reader@example.org" and mail["From"].addresses[0].addr_spec == "watch@example.org"
    assert mail["List-Unsubscribe"] == "<https://watch.example.org/unsubscribe/x7>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated" and mail["X-Pledgewatch-Events"] == "11, 12, 13"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain and "现：对新建、改建【、扩建】的民办养老机构" in plain.get_content()
    assert html and "<ins" in html.get_content() and "退订" in html.get_content()


@pytest.mark.parametrize(
    ("where", "reply", "permanent"),
    [
        ("reader@example.org", "550 no such user", True),
        ("reader@example.org", "450 mailbox busy", False),
        ("DATA", "554 looks like spam", True),
        ("DATA", "451 try later", False),
    ],
)
def test_a_refused_mail(where: str, reply: str, permanent: bool) -> None:
    with mail_server(Mailbox({where: reply})) as box:
        result = sent(mail_url(box))
    assert not result.ok and result.permanent is permanent and reply[:3] in result.reason
    assert not box.mails


@pytest.mark.parametrize(
    ("where", "reply"),
    [
        (where, f"{code} {words}")
        for where, words in (
            ("STARTTLS", "TLS not available"),
            ("AUTH", "authentication failed"),
            ("reader@example.org", "no mailbox here"),
            ("DATA", "not taken"),
        )
        for code in (454, 554)
    ],
)
def test_a_refusal_on_the_way_by_starttls(tmp_path: Path, where: str, reply: str) -> None:
    """4xx is tried again, 5xx ends; and nothing goes on in clear where TLS was refused."""
    with mail_server(Mailbox({where: reply}), self_signed(tmp_path)) as box:
        url = mail_url(box, mode="starttls", verify="no").replace("mailto", "mailtos")
        result = sent(url)
        assert result == SendResult(False, reply[0] == "5", f"mail server answered {reply[:3]}: {reply[4:]}")
        assert not box.mails and bool(box.logins) == (where != "STARTTLS")
        box.replies.clear()
        assert sent(url).ok and box.secured == [True]


def test_a_server_without_starttls_is_not_sent_a_password(mailbox: Mailbox) -> None:
    result = sent(mail_url(mailbox, mode="starttls", verify="no").replace("mailto", "mailtos"))
    assert result.permanent and "STARTTLS" in result.reason and not mailbox.logins


def test_a_wrong_password_ends_at_once_and_is_not_told(mailbox: Mailbox) -> None:
    result = sent(mail_url(mailbox).replace("right", "wr0ng-pass"))
    assert result.permanent and "535" in result.reason and "wr0ng-pass" not in result.reason


def test_mail_by_tls(tmp_path: Path) -> None:
    with mail_server(Mailbox(), self_signed(tmp_path)) as box:
        trusting = mail_url(box, mode="starttls", verify="no").replace("mailto", "mailtos")
        assert sent(trusting).ok and box.secured == [True]
        careful = sent(trusting.replace("verify=no", "verify=yes"))
        assert careful == SendResult(False, reason="certificate not trusted")
        assert len(box.mails) == 1


def test_a_page_cannot_add_headers_to_a_mail(mailbox: Mailbox) -> None:
    told = replace(
        message("mailto://x"),
        title="甲\r\nBcc: victim@example.org\r\n\r\nbody",
        unsubscribe="https://a\r\nX: y",
    )
    assert sent(mail_url(mailbox), told=told).ok
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None and mail["X"] is None and "Bcc: victim" in str(mail["Subject"])


def test_an_address_of_several_is_refused_before_anything_leaves(mailbox: Mailbox) -> None:
    result = sent(mail_url(mailbox, to="a@example.org,b@example.org"))
    assert result.permanent and not mailbox.mails
    with pytest.raises(ValueError, match="every recipient"):
        check_address(mail_url(mailbox, cc="b@example.org"))


# --- addresses, secrets, the terminal -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "nosuch://x",
        "wecombot://",
        "wecombot://bad key!",
        "dingtalk://",
        "webhook+https://",
        "webhook+http:///x?secret=hunter22",
        "no address",
        "mailto://",
        "tgram://x",
    ],
)
def test_an_unusable_address_is_refused_for_good(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_address(url)
    assert "hunter22" not in str(refused.value)
    assert sent(url, told=Message("t", "b")).permanent


@pytest.mark.parametrize(
    "url", [*ADDRESSES.values(), "webhook+https://a.example/x?secret=y", "terminal://", "bark://h/k"]
)
def test_a_usable_address_passes(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("mailtos://joe:p%40ss-w0rd@mail.example.org?to=a@b.cn", ["p%40ss-w0rd", "p@ss-w0rd"]),
        ("wecombot://3f0d-KEY-77", ["3f0d-KEY-77"]),
        ("webhook+https://a.example/hook/T0PSECRET?secret=s3cr3t", ["T0PSECRET", "s3cr3t"]),
        ("tgram://123456:abcdefTOKEN/99887766", ["abcdefTOKEN", "99887766"]),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", ["TIiajkdnlazkcOXrIdevi7FQ"]),
    ],
)
def test_no_secret_of_an_address_is_told(url: str, secrets: list[str]) -> None:
    told = mask(f"could not reach {url}: {' '.join(secrets)}\x1b[31m refused", url)
    assert not any(secret in told for secret in secrets)
    assert "could not reach" in told and "refused" in told


def test_no_address_goes_to_the_services_log(endpoint: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even at DEBUG. (pytest's own capture also listens where nothing is handed up, so it cannot tell.)"""
    heard: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: heard.append(record.getMessage()))
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [*root.handlers, handler])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    endpoint.status = 500
    sent(endpoint.url.replace("http", "json") + "/T0PSECRET")
    sent(endpoint.url.replace("http", "webhook+http") + "/T0PSECRET?secret=s3cr3t")
    sent("wecombot://b@d key T0PSECRET", told=Message("t", "b"))
    logging.getLogger("a test").debug("is heard")
    assert "is heard" in heard
    assert not [line for line in heard if "T0PSECRET" in line or "s3cr3t" in line]


def test_the_terminal_shows_the_message_and_nothing_that_steers_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Message("标题\x1b]0;owned\x07", "第一行\n\x1b[2J[bold]第二行[/bold]")
    assert sent("terminal://", told=told).ok
    shown = capsys.readouterr().out
    assert "标题" in shown and "[bold]第二行[/bold]" in shown and "\x1b[2J" not in shown and "\x1b]" not in shown


def test_every_plugin_of_ours_is_in_apprises_place() -> None:
    check_address("terminal://")
    from apprise import Apprise

    assert isinstance(Apprise.instantiate("wecombot://abc"), plugins.WeComBot)
    assert isinstance(Apprise.instantiate("mailto://u:p@example.org"), plugins.Mail)


def test_a_plain_apprise_call_learns_of_the_refusal(robots: Answer) -> None:
    check_address("terminal://")
    from apprise import Apprise

    service = Apprise.instantiate(ADDRESSES["wecombot"])
    assert service is not None
    robots.body = b'{"errcode":93000,"errmsg":"invalid webhook url"}'
    assert service.notify(body="x", title="y") is False
    robots.body = OK["wecombot"]
    assert service.notify(body="x", title="y") is True


@pytest.mark.parametrize("scheme", CHANNELS)
def test_every_listed_service_exists(scheme: str) -> None:
    if scheme.startswith("webhook+"):
        return
    from apprise.manager_plugins import NotificationManager

    check_address("terminal://")
    assert scheme in NotificationManager()


def test_refused_says_what_it_is() -> None:
    with pytest.raises(Refused) as refused:
        judge_status(404)
    assert refused.value.permanent and str(refused.value) == "answered HTTP 404"
