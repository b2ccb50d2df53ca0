"""How a message leaves: which form each kind of address wants, and one `send` for all of them.

Most go through Apprise, which is imported when the first message leaves. `webhook+https://` is ours: the
events themselves as a batch of CloudEvents 1.0 in JSON, signed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from notify.answers import Refused, connection_trouble, judge_status
from notify.messages import Format, Limit, Message
from notify.phrases import clean
from storage.records import Event

WEBHOOKS = ("webhook+https", "webhook+http")
_SHOWS_HOST = (
    *WEBHOOKS,
    "mailto",
    "mailtos",
    "json",
    "jsons",
    "form",
    "forms",
    "xml",
    "xmls",
    "gotify",
    "gotifys",
)
_NO_SECRETS = {"", "yes", "no", "true", "false", "ssl", "starttls", "insecure"}  # settings in an address's query
_STATUS = re.compile(r"\berror=(\d{3})\b")
_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@dataclass(frozen=True)
class Channel:
    """What an address wants: a format within a limit, `pace` seconds between two messages, and whether many
    messages of a day are better gathered: a program takes them as they come."""

    format: Format
    limit: Limit
    pace: float = 0.0
    gathers: bool = True


# The robots of WeCom and DingTalk take 20 messages a minute, Feishu's five a second and a hundred a minute.
_PACE = 3.1
_ROOMY = Limit(32_768)
CHANNELS: dict[str, Channel] = {
    "mailto": Channel("html", _ROOMY),
    "mailtos": Channel("html", _ROOMY),
    "wecombot": Channel("markdown", Limit(2_048, in_bytes=True, title_inside=True), _PACE),
    "dingtalk": Channel("markdown", Limit(18_000, in_bytes=True, title_inside=True), _PACE),
    "feishu": Channel("markdown", Limit(18_000, in_bytes=True), 0.7),
    "lark": Channel("markdown", Limit(18_000, in_bytes=True), 0.7),
    "schan": Channel("markdown", Limit(32_000, in_bytes=True, title=32), 1.0),
    "pushdeer": Channel("markdown", Limit(8_000), 1.0),
    "pushdeers": Channel("markdown", Limit(8_000), 1.0),
    "tgram": Channel("text", Limit(4_096, title_inside=True), 1.1),
    "slack": Channel("text", Limit(35_000, title_inside=True), 1.1),
    "discord": Channel("markdown", Limit(2_000, title_inside=True), 1.1),
    "bark": Channel("text", Limit(2_500, in_bytes=True)),
    "barks": Channel("text", Limit(2_500, in_bytes=True)),
    "wechat": Channel("text", Limit(2_048, in_bytes=True, title_inside=True), 1.0),
    "ntfy": Channel("text", Limit(4_000, in_bytes=True)),
    "ntfys": Channel("text", Limit(4_000, in_bytes=True)),
    "pushplus": Channel("html", Limit(20_000)),
    "terminal": Channel("text", _ROOMY),
    **dict.fromkeys(WEBHOOKS, Channel("text", _ROOMY, gathers=False)),
}


def channel_for(url: str) -> Channel:
    """What the address wants; of a service not in the table, plain text as long as its plugin takes it."""
    scheme = _scheme(url)
    return CHANNELS.get(scheme) or _told_by_plugin(scheme)


@cache
def _told_by_plugin(scheme: str) -> Channel:
    plugins = _apprise().plugins
    plugin = plugins[scheme] if scheme in plugins else None  # noqa: SIM401 - it has no get()
    size = int(getattr(plugin, "body_maxlen", 1_000) or 1_000)
    titled = int(getattr(plugin, "title_maxlen", 0))
    return Channel("text", Limit(size, title_inside=titled == 0, title=min(titled or 78, 78)), 1.0)


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


@dataclass(frozen=True)
class SendResult:
    """`ok`: the service took the message. `permanent`: it never will. `reason` holds no part of the address
    that is secret. `retry_after`: seconds the service asks for before the next try."""

    ok: bool
    permanent: bool = False
    reason: str = ""
    retry_after: float | None = None


async def send(url: str, message: Message, *, timeout: float = 30.0) -> SendResult:
    """Sends one message to one address. Never raises for what the other side or the address does wrong."""
    try:
        async with asyncio.timeout(timeout):
            if _scheme(url) in WEBHOOKS:
                await _post_events(url, message.events)
            else:
                await _in_thread(lambda: _deliver(url, message))
    except Refused as refused:
        return SendResult(False, refused.permanent, mask(str(refused), url), refused.retry_after)
    except TimeoutError:
        return SendResult(False, reason=f"no answer within {timeout:g} s")
    except Exception as error:  # whatever a plugin of others meets must not stop the deliveries to others
        trouble = connection_trouble(error) if isinstance(error, OSError) else None
        return SendResult(False, reason=trouble or mask(f"{type(error).__name__}: {error}", url))
    return SendResult(True)


def check_address(url: str) -> None:
    """ValueError, without the address's secrets, where no message could ever be sent to `url`."""
    try:
        if _scheme(url) in WEBHOOKS:
            _webhook_target(url)
        else:
            _plugin(url)
    except Refused as refused:
        raise ValueError(mask(str(refused), url)) from None


def mask(text: str, url: str) -> str:
    """`text` on one line, without the address and without any part of it that may be a secret."""
    text = clean(text)
    for secret in sorted(_secrets(url), key=len, reverse=True):
        # A short one is a secret only where it stands alone: "u" is not in "usable".
        edge = r"\b" if len(secret) < 4 else ""
        text = re.sub(edge + re.escape(secret) + edge, "****", text)
    return text[:300]


def _secrets(url: str) -> set[str]:
    """User, password, path and query of an address; its host too, which in a robot's is the key. Taken apart
    by hand: what is no proper URL holds secrets all the same."""
    authority, *others = re.split(r"[/?&#]", url.partition("://")[2])
    user, _, host = authority.rpartition("@")
    shown = _scheme(url) in _SHOWS_HOST
    raw = {user, *user.split(":"), *(set() if shown else {host, *host.split(":")})}
    raw |= {other.partition("=")[2] or other for other in others}
    return {form for part in raw for form in (part, unquote(part), quote(part, safe=""))} - _NO_SECRETS


# --- Apprise -----------------------------------------------------------------------------------------------


async def _in_thread(call: Callable[[], None]) -> None:
    """Runs `call` in a thread of its own, awaited until it is done or the awaiter gives up.

    Not in a pool: a service that answers a byte a minute would hold a worker, and the process's end.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            call()
        except Exception as raised:
            error = raised
        # Whoever waited may be gone with the loop; the message's fate is then told by the next try.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="notify", daemon=True).start()
    await done


class _Hear(logging.Handler):
    """Apprise tells why a message failed only in its log, of a connection only in its small print (DEBUG, where
    payloads stand too); this keeps what is said in the sender's thread."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _heard.get()
        if heard is None:
            return
        said = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception: " in said[:40]:
            heard.append(said)


@dataclass(frozen=True)
class _Apprise:
    instantiate: Callable[..., Any]
    asset: Any
    plugins: Any
    formats: Mapping[str, Any]
    direct: type


@cache
def _apprise() -> _Apprise:
    """Apprise with our plugins in place, and its log kept from everybody else's: addresses stand in it."""
    import apprise
    from apprise.manager_plugins import NotificationManager

    from notify import plugins

    plugins.register()
    untyped: Any = NotificationManager
    log = logging.getLogger("apprise")
    log.addHandler(_Hear())
    log.propagate = False
    log.setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # it writes paths at DEBUG
    return _Apprise(
        instantiate=apprise.Apprise.instantiate,
        asset=apprise.AppriseAsset(app_id="Pledgewatch", app_desc="Pledgewatch", app_url=""),
        plugins=untyped(),
        formats={f.value: f for f in apprise.NotifyFormat},
        direct=plugins.Direct,
    )


def _plugin(url: str) -> Any:
    """The plugin for an address, ready to send. `Refused` for good where there is none."""
    apprise = _apprise()
    if _scheme(url) not in apprise.plugins:
        raise Refused(f"no service is called {_scheme(url)}://", permanent=True)
    heard = _heard.set([])
    try:
        plugin = apprise.instantiate(url, asset=apprise.asset, suppress_exceptions=False)
        if hasattr(plugin, "recipient"):
            plugin.recipient()
    except TypeError as error:  # AppriseImproperlyConfigured is one
        raise Refused(f"not a usable address: {error}", permanent=True) from None
    finally:
        said = _heard.get() or []
        _heard.reset(heard)
    if plugin is None:
        raise Refused(f"not a usable address: {' '.join(said)}", permanent=True)
    return plugin


def _deliver(url: str, message: Message) -> None:
    plugin = _plugin(url)
    if isinstance(plugin, _apprise().direct):
        plugin.deliver(message)  # type: ignore[attr-defined]
        return
    heard = _heard.set([])
    try:
        form = _apprise().formats[message.format]
        if not plugin.notify(body=message.body, title=message.title, body_format=form):
            _judge_log(_heard.get() or [])
    finally:
        _heard.reset(heard)


def _judge_log(said: Sequence[str]) -> None:
    """The status that a plugin wrote into its log tells whether another try is worth while."""
    if trouble := connection_trouble(*(line for line in said if "Exception: " in line[:40])):
        raise Refused(trouble)
    words = clean(" ".join(said)) or "not sent, without a word why"
    status = _STATUS.search(words)
    try:
        judge_status(int(status[1]) if status else 500)
    except Refused as refused:
        raise Refused(words, permanent=refused.permanent) from None
    raise Refused(words)


# --- signed webhook ----------------------------------------------------------------------------------------


def _webhook_target(url: str) -> tuple[str, str]:
    """The address to post to and the secret to sign with, from `webhook+https://host/path?secret=…`."""
    try:
        parts = urlsplit(url.partition("+")[2])
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Refused("not a usable address: webhook+https://host/path?secret=… is expected", permanent=True)
    query = parse_qsl(parts.query, keep_blank_values=True)
    secret = next((value for name, value in query if name == "secret"), "")
    rest = urlencode([(name, value) for name, value in query if name != "secret"])
    return urlunsplit((parts.scheme.lower(), parts.netloc, parts.path or "/", rest, "")), secret


def cloud_events(events: Sequence[Event]) -> bytes:
    """A batch of CloudEvents 1.0 (JSON batch format) whose `data` are the events of the contract."""
    batch = [
        {
            "specversion": "1.0",
            "id": str(event.id),
            "source": f"/sources/{quote(event.source)}",
            "type": event.type,
            "time": event.time.isoformat(),
            "datacontenttype": "application/json",
            "data": event.to_json(),
        }
        | ({"subject": event.document.url} if event.document and event.document.url else {})
        for event in events
    ]
    return json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `timestamp.body` in hex. A receiver computes the same, compares in constant time, and
    turns down what is older than some minutes."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, "sha256").hexdigest()


async def _post_events(url: str, events: Sequence[Event]) -> None:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes whole addresses at INFO
    address, secret = _webhook_target(url)
    body = cloud_events(events)
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
        "Pledgewatch-Timestamp": stamp,
    }
    if secret:
        headers["Pledgewatch-Signature"] = f"v1={signature(secret, stamp, body)}"
    try:
        async with (
            httpx.AsyncClient(verify=_tls(), follow_redirects=False, timeout=None) as client,
            client.stream("POST", address, content=body, headers=headers) as answer,
        ):
            judge_status(answer.status_code, answer.headers)
    except httpx.InvalidURL as error:
        raise Refused(f"not a usable address: {error}", permanent=True) from None
    except httpx.TransportError as error:
        raise Refused(connection_trouble(error) or f"{type(error).__name__}: {error}") from None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
