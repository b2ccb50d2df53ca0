"""The hours of the day in which a source may be visited: `hours = "08:00-12:00, 14:00-18:00"` in its table."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notify.subscriptions import parse_quiet

Hours = tuple[tuple[time, time], ...]


def parse_hours(text: str) -> Hours:
    """Start and end of each span; an end that is earlier lies on the next day. ValueError says what is wrong."""
    return tuple(parse_quiet(span) for span in text.split(","))


def is_open(hours: Hours, moment: datetime, zone: ZoneInfo) -> bool:
    """Whether `moment` (aware) lies within the hours, on the clocks of `zone`."""
    now = moment.astimezone(zone).time()
    return any(start <= now < end if start < end else now >= start or now < end for start, end in hours)


def opening(hours: Hours, moment: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, `moment` or later, that lies within the hours. In UTC."""
    if is_open(hours, moment, zone):
        return moment.astimezone(UTC)
    today = moment.astimezone(zone).date()
    starts = (
        datetime.combine(today + timedelta(days=day), start, zone).astimezone(UTC)
        for day in range(3)
        for start, _ in hours
    )
    return min(start for start in starts if start > moment)
