"""Apprise plugins of ours: for services whose refusals Apprise takes for success, for mail, for the terminal.

Importing this module imports Apprise (0.4 s), so only `channels` does, and late. Apprise 2.2 calls a message
sent when the answer is HTTP 200; WeCom, DingTalk, Feishu, Lark, ServerChan and PushDeer answer 200 and say in
the body that they refused. Its mail plugin keeps the server's code to itself.
"""

# Apprise declares types for some of its code only, and class attributes as the None of their base.
# mypy: disable-error-code="misc,no-untyped-call,assignment,arg-type,attr-defined"

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, ClassVar
from urllib.parse import quote

import requests
from apprise import NotifyBase
from apprise.exception import AppriseImproperlyConfigured
from apprise.manager_plugins import NotificationManager
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.pushdeer import NotifyPushDeer
from apprise.plugins.serverchan import NotifyServerChan
from apprise.plugins.wecombot import NotifyWeComBot
from apprise.utils.parse import parse_url as parse_any_url

from notify.answers import Refused, judge_status
from notify.messages import Message
from notify.phrases import clean

_BUSY_FOR = 60.0  # seconds; the robots' limits are per minute


class Direct:
    """A plugin that takes a whole message and says why it was refused.

    `deliver` raises `Refused`, `OSError` or `requests.RequestException`; its return means the service took
    the message. `send` is Apprise's way in, so that the plugin also serves a plain `Apprise.notify`.
    """

    logger: Any

    def deliver(self, message: Message) -> None:
        raise NotImplementedError

    def send(self, body: str, title: str = "", **kwargs: Any) -> bool:
        try:
            self.deliver(Message(title, body))
        except (Refused, OSError) as error:
            self.logger.warning("%s", error)
            return False
        return True


# --- robots that answer in JSON ----------------------------------------------------------------------------


class Robot(Direct):
    """A chat robot: one POST, whose JSON answer holds a code; nought is success.

    `rejected` are codes that the same message or key will meet again, `busy` those of a rate limit. Any other
    code is tried again later.
    """

    code_key: ClassVar[str] = "errcode"
    words_key: ClassVar[str] = "errmsg"
    rejected: ClassVar[frozenset[int]] = frozenset()
    busy: ClassVar[frozenset[int]] = frozenset()
    request_timeout: Any
    verify_certificate: bool

    def address(self) -> str:
        raise NotImplementedError

    def payload(self, message: Message) -> Mapping[str, Any]:
        raise NotImplementedError

    def post(self, message: Message) -> requests.Response:
        return requests.post(
            self.address(),
            json=self.payload(message),
            timeout=self.request_timeout,
            verify=self.verify_certificate,
            allow_redirects=False,
        )

    def deliver(self, message: Message) -> None:
        answer = self.post(message)
        judge_status(answer.status_code, answer.headers)
        try:
            told = answer.json()
        except ValueError:
            told = None
        if not isinstance(told, dict) or self.code_key not in told:
            raise Refused("answered 200 without saying whether the message was taken")
        self._judge(told[self.code_key], told.get(self.words_key))

    def _judge(self, code: object, words: object) -> None:
        if str(code) == "0":
            return
        number = int(str(code)) if str(code).lstrip("-").isdigit() else None
        raise Refused(
            f"refused with code {clean(code)}: {clean(words or '')[:200]}",
            permanent=number in self.rejected,
            retry_after=_BUSY_FOR if number in self.busy else None,
        )


def _headed(message: Message) -> str:
    """Title and body in one text, for services that show no title of their own."""
    if message.format == "markdown":
        return f"### {message.title}\n\n{message.body}"
    return f"{message.title}\n\n{message.body}"


class WeComBot(Robot, NotifyWeComBot):
    """企业微信群机器人. Codes: developer.work.weixin.qq.com/document/path/90313."""

    rejected = frozenset({40008, 40058, 44004, 93000, 93004, 93008, 93017})
    busy = frozenset({-1, 45009, 45033})

    def address(self) -> str:
        return str(self.api_url)

    def payload(self, message: Message) -> Mapping[str, Any]:
        kind = "markdown" if message.format == "markdown" else "text"
        return {"msgtype": kind, kind: {"content": _headed(message)}}


class DingTalk(Robot, NotifyDingTalk):
    """钉钉自定义机器人. 310000 is a wrong signature, missing keyword or address outside its list."""

    rejected = frozenset({300001, 300005, 310000, 400013, 400101, 400102, 400105, 400106, 430101, 430102, 430103})
    busy = frozenset({-1, 130101, 410100})

    def address(self) -> str:
        address = self.notify_url.format(token=self.token)
        if self.secret:
            stamp, signature = self.get_signature()
            address += f"&timestamp={stamp}&sign={signature}"
        return str(address)

    def payload(self, message: Message) -> Mapping[str, Any]:
        called = {"atMobiles": self.targets, "isAtAll": False}
        if message.format == "markdown":
            content = {"title": message.title, "text": _headed(message)}
            return {"msgtype": "markdown", "markdown": content, "at": called}
        return {"msgtype": "text", "text": {"content": _headed(message)}, "at": called}


class Feishu(Robot, NotifyFeishu):
    """飞书自定义机器人, as a card: its plain text knows no bold and no links."""

    code_key, words_key = "code", "msg"
    rejected = frozenset({9499, 10003, 19001, 19002, 19007, 19021, 19022, 19024})
    busy = frozenset({11232, 99991400})

    def address(self) -> str:
        return str(self.notify_url.format(token=self.token))

    def payload(self, message: Message) -> Mapping[str, Any]:
        if message.format != "markdown":
            return {"msg_type": "text", "content": {"text": _headed(message)}}
        title = {"title": {"tag": "plain_text", "content": message.title}, "template": "blue"}
        body = [{"tag": "markdown", "content": message.body}]
        return {"msg_type": "interactive", "card": {"header": title, "elements": body}}


class Lark(Feishu, NotifyLark):
    """The same robot outside of China."""

    __init__ = NotifyLark.__init__
    url, url_identifier, parse_url = NotifyLark.url, NotifyLark.url_identifier, NotifyLark.parse_url
    parse_native_url = NotifyLark.parse_native_url
    service_name, secure_protocol = NotifyLark.service_name, NotifyLark.secure_protocol
    templates, template_tokens = NotifyLark.templates, NotifyLark.template_tokens
    notify_url = NotifyLark.notify_url

    def address(self) -> str:
        return str(self.webhook_url)


class ServerChan(Robot, NotifyServerChan):
    """Server酱. 40001 is a wrong SendKey; what is sent above the day's allowance meets the same code."""

    code_key, words_key = "code", "message"
    rejected = frozenset({40001})

    def address(self) -> str:
        return str(self.notify_url.format(token=self.token))

    def payload(self, message: Message) -> Mapping[str, Any]:
        return {"title": message.title, "desp": message.body}


class PushDeer(Robot, NotifyPushDeer):
    code_key, words_key = "code", "error"
    rejected = frozenset({80501, 80502})

    def address(self) -> str:
        host = f"{self.host or self.default_hostname}:{self.port or (443 if self.secure else 80)}"
        return f"{'https' if self.secure else 'http'}://{host}/message/push?pushkey={self.push_key}"

    def payload(self, message: Message) -> Mapping[str, Any]:
        kind = "markdown" if message.format == "markdown" else "text"
        return {"text": message.title, "desp": message.body, "type": kind}


# --- mail --------------------------------------------------------------------------------------------------


class Mail(Direct, NotifyEmail):
    """One mail to one address, with the plain words beside the HTML and a way to unsubscribe (RFC 8058)."""

    def deliver(self, message: Message) -> None:
        mail = self.compose(message)
        try:
            with self._connect() as server:
                server.send_message(mail, self.from_addr[1], [self.recipient()])
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _refused(code, words) from None
        except smtplib.SMTPResponseException as error:
            raise _refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"mail server: {error}", permanent=True) from None

    def recipient(self) -> str:
        """The one address that this URL names. AppriseImproperlyConfigured where it names none or several:
        one that is refused would have all of them tried again."""
        addresses = {address for _, address in self.targets} | self.cc | self.bcc
        if len(addresses) != 1:
            raise AppriseImproperlyConfigured("a mail address of its own for every recipient is needed")
        if self.pgp_mode != "no":
            raise AppriseImproperlyConfigured("pgp= is not supported")
        return str(addresses.pop())

    def compose(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        sender = self.from_addr[1]
        mail["From"] = Address(clean(self.from_addr[0] or ""), addr_spec=sender)
        mail["To"] = Address(addr_spec=self.recipient())
        mail["Subject"] = clean(message.title)
        mail["Date"] = formatdate(usegmt=True)
        mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        if message.events:
            mail["X-Pledgewatch-Events"] = ", ".join(str(event.id) for event in message.events[:50])
        self._add_list_headers(mail, message)
        for name, value in self.headers.items():
            del mail[name]
            mail[name] = clean(value)
        mail.set_content(message.text or message.body, cte="base64")
        if message.format == "html":
            mail.add_alternative(message.body, subtype="html", cte="base64")
        return mail

    def _add_list_headers(self, mail: EmailMessage, message: Message) -> None:
        if message.list_id:
            mail["List-Id"] = f"Pledgewatch <{clean(message.list_id)}>"
        if message.unsubscribe:
            ways = [clean(message.unsubscribe)]
            if message.contact:
                ways.append(f"mailto:{clean(message.contact)}?subject={quote(f'unsubscribe {message.list_id}')}")
            mail["List-Unsubscribe"] = ", ".join(f"<{way}>" for way in ways)
            mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if not self.verify_certificate:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        timeout = self.socket_connect_timeout
        if self.secure_mode == "ssl":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.smtp_host, self.port, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(self.smtp_host, self.port, timeout=timeout)
        try:
            if self.secure_mode == "starttls":
                server.starttls(context=context)
            if self.user and self.password:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


def _refused(code: int, words: bytes | str) -> Refused:
    told = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return Refused(f"mail server answered {code}: {clean(told)[:200]}", permanent=500 <= code < 600)


# --- terminal ----------------------------------------------------------------------------------------------


class Terminal(Direct, NotifyBase):
    """`terminal://`: the message in a frame on standard output, in colour where that is a terminal."""

    service_name = "Terminal"
    secure_protocol = "terminal"
    templates = ("{schema}://",)

    def deliver(self, message: Message) -> None:
        from rich.console import Console
        from rich.panel import Panel
        from rich.text import Text

        body = Text("\n".join(clean(line) for line in (message.text or message.body).splitlines()))
        body.highlight_regex(r"【[^】]*】", "bold green")
        body.highlight_regex(r"https?://\S+", "cyan")
        Console().print(Panel(body, title=Text(clean(message.title), style="bold"), border_style="yellow"))

    def url(self, privacy: bool = False, *args: Any, **kwargs: Any) -> str:
        return "terminal://"

    @staticmethod
    def parse_url(url: str, *args: Any, **kwargs: Any) -> Any:
        return parse_any_url(url, verify_host=False, simple=True)


OURS = (WeComBot, DingTalk, Feishu, Lark, ServerChan, PushDeer, Mail, Terminal)


def register() -> None:
    """Puts these plugins in the place of Apprise's own for their schemes."""
    manager = NotificationManager()
    for plugin in OURS:
        manager.add(plugin, force=True)
