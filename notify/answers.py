"""What a service's answer means for a message: taken, tried again later, or refused for good."""

from __future__ import annotations

from collections.abc import Mapping
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
