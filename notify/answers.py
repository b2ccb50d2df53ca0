"""What a service's answer means for a message: taken, tried again later, or refused for good."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_WORTH_ANOTHER_TRY = (408, 425, 429)
_LONGEST_WAIT = 86_400.0


class Refused(Exception):  # noqa: N818 - a service refuses; it is no error of ours
    """The message was not taken. `permanent`: it never will be. `retry_after`: seconds the service wants."""

    def __init__(self, reason: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after = retry_after


# What libraries say of a connection that came to nothing, and what that is called here.
_CAUSES = tuple(
    (words, re.compile(signs, re.IGNORECASE))
    for words, signs in (
        ("connection refused", r"refused|errno 111"),
        ("host name not resolved", r"name or service not known|nodename|getaddrinfo|name resolution|no address assoc"),
        ("host unreachable", r"no route to host|unreachable"),
        ("certificate not trusted", r"certificate[ _]verify[ _]failed"),
        ("connection closed by the other side", r"reset by peer|connection aborted|disconnected|closed connection"),
        ("timed out", r"timed? ?out"),
        ("TLS failed", r"\bssl\b|\btls\b"),
    )
)


def connection_trouble(*said: object) -> str | None:
    """Why nothing could be sent, in words of ours, where what was said or raised tells that.

    >>> connection_trouble("[Errno 111] Connection refused"), connection_trouble("disk full")
    ('connection refused', None)
    """
    told = " ".join(part for one in said for part in _chain(one))
    return next((words for words, signs in _CAUSES if signs.search(told)), None)


def _chain(said: object) -> Iterator[str]:
    """What an error says, and what those behind it say: libraries hide the cause behind words of their own."""
    yield f"{type(said).__name__ if isinstance(said, BaseException) else ''} {said}"
    if isinstance(said, BaseExceptionGroup):
        for one in said.exceptions:
            yield from _chain(one)
    if isinstance(said, BaseException) and (behind := said.__cause__ or said.__context__):
        yield from _chain(behind)


def judge_status(status: int, headers: Mapping[str, str] | None = None) -> None:
    """Returns for a status of success, else raises `Refused`. What the client did wrong (4xx) and an address
    that has moved (3xx) stay wrong; a timeout, a rate limit and the server's own trouble pass."""
    if 200 <= status < 300:
        return
    permanent = 300 <= status < 500 and status not in _WORTH_ANOTHER_TRY
    wait = None if permanent else read_retry_after((headers or {}).get("Retry-After"), datetime.now(UTC))
    raise Refused(f"answered HTTP {status}", permanent=permanent, retry_after=wait)


def read_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from `now` that a Retry-After header asks for: a number or a date, one day at most."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), _LONGEST_WAIT)
