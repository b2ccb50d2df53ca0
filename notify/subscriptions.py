"""Who is concerned by an event, where they are reached, and when they want to hear of it. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from notify.recipients import is_one_of, plain_names
from storage.records import Event, change_size

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", re.ASCII)
_REGION_ENDS = "省市区县州盟旗"


@dataclass(frozen=True)
class Subscriber:
    """One `[[subscribers]]` table of the configuration. An empty filter lets everything through.

    `to` are Apprise URLs, or `webhook+https://`. `minimum_change` is in percent of the old figure, or in
    percentage points where the figure is itself a percentage.
    """

    id: str
    to: tuple[str, ...]
    events: tuple[str, ...] = ("measure.*", "document.*", "target.*")
    sources: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    minimum_change: float | None = None
    deliver: str = "now"
    quiet: str | None = None
    operator: bool = False
    language: str | None = None


# --- who ---------------------------------------------------------------------------------------------------


def concerns(subscriber: Subscriber, event: Event) -> bool:
    """Whether `subscriber` is to hear of `event`.

    A baseline concerns nobody. `source.*` goes to operators, whatever their patterns, and to nobody else.
    An event of a measure or target must pass every filter. An event of a document passes `kinds`,
    `recipients` and `tracked` together when one measure of the document does (`detail["figures"]`, each with
    `measure`, `name`, `kind`, `recipient`; `detail["measures"]` is how many there are in all): so a reader of
    subsidies hears of every document that grants one, and of no other. Where the event does not tell what the
    document holds, or tells a part only, it passes: better one too many than one lost.
    """
    if event.baseline or (subscriber.sources and event.source not in subscriber.sources):
        return False
    if event.type.startswith("source."):
        return subscriber.operator
    return (
        any(fnmatchcase(event.type, pattern) for pattern in subscriber.events)
        and _in_regions(subscriber.regions, event)
        and _has_measure(subscriber, event)
        and _has_keyword(subscriber.keywords, event)
        and _changes_enough(subscriber.minimum_change, event)
    )


def within(region: str, wanted: str) -> bool:
    """Whether a region as written (湖北省武汉市江汉区) is, or lies in, the wanted one (武汉市).

    >>> within("武汉市江汉区", "武汉市"), within("武汉市", "武汉市江汉区")
    (True, False)
    """
    at = region.find(wanted)
    return at == 0 or (at > 0 and region[at - 1] in _REGION_ENDS)


def _in_regions(regions: tuple[str, ...], event: Event) -> bool:
    """A source without a region is judged by its documents' publisher and title (武汉市民政局关于…)."""
    if not regions:
        return True
    document = event.document
    if document is None:
        return False
    places = (document.region,) if document.region else (document.publisher, document.title)
    return any(within(place, wanted) for place in places if place for wanted in regions)


def _has_measure(subscriber: Subscriber, event: Event) -> bool:
    if not (subscriber.kinds or subscriber.recipients or subscriber.tracked):
        return True
    if event.measure is not None:
        ref = event.measure
        told = {"measure": ref.id, "name": ref.name, "kind": ref.kind, "recipient": ref.recipient}
        return _measure_passes(subscriber, told, _sentences(event))
    told_of = _figures_of(event)
    if len(told_of) < event.detail.get("measures", 1):
        return True
    return any(_measure_passes(subscriber, m, (str(m.get("sentence") or ""),)) for m in told_of)


def _measure_passes(subscriber: Subscriber, measure: Mapping[str, Any], sentences: Iterable[str]) -> bool:
    if subscriber.kinds and measure.get("kind") not in subscriber.kinds:
        return False
    names = {measure.get("measure"), measure.get("name")}
    if subscriber.tracked and names.isdisjoint(subscriber.tracked):
        return False
    # Only a subsidy has a recipient: a reader of targets and subsidies for care homes still hears of targets.
    if not subscriber.recipients or measure.get("kind") != "subsidy":
        return True
    return _is_for(subscriber.recipients, measure, sentences)


def _is_for(recipients: tuple[str, ...], measure: Mapping[str, Any], sentences: Iterable[str]) -> bool:
    """Where no recipient was read, the subsidy's name and sentence are searched for the wanted ones."""
    told = measure.get("recipient")
    if told:
        return any(is_one_of(wanted, told) for wanted in recipients)
    words = [plain_names(text) for text in (measure.get("name") or "", *sentences)]
    return any(plain_names(wanted) in text for text in words for wanted in recipients)


def _has_keyword(keywords: tuple[str, ...], event: Event) -> bool:
    return not keywords or any(k.casefold() in text.casefold() for text in _words(event) for k in keywords)


def _words(event: Event) -> Iterator[str]:
    yield event.summary
    if event.document:
        yield event.document.title
        yield event.document.publisher or ""
    if event.measure:
        yield event.measure.name
        yield event.measure.recipient or ""
    yield from _sentences(event)
    for told in _figures_of(event):
        yield " ".join(str(told.get(key) or "") for key in ("name", "recipient", "sentence"))


def _figures_of(event: Event) -> Sequence[Mapping[str, Any]]:
    """The measures that an event of a document tells of."""
    return event.detail.get("figures") or ()


def _sentences(event: Event) -> Iterator[str]:
    for figure in (event.before, event.after):
        if figure and figure.get("sentence"):
            yield str(figure["sentence"])


def _changes_enough(minimum: float | None, event: Event) -> bool:
    """A change whose size cannot be told (another unit, a new bound, a new deadline) always counts."""
    if minimum is None or event.before is None or event.after is None:
        return True
    size = change_size(event.before, event.after)
    return size is None or abs(size) >= minimum


# --- in which messages -------------------------------------------------------------------------------------

#: More messages than this at once, or single ones within a day, are told together.
BURST = 20


@dataclass(frozen=True)
class Told:
    """One message: the events that it tells of, and when it was, or will be, due."""

    due: datetime
    events: tuple[Event, ...]


def occasions(events: Iterable[Event]) -> list[tuple[Event, ...]]:
    """Events by what brought them: one revision or publication of a document, one turn of a source."""
    together: dict[tuple[datetime, object], list[Event]] = {}
    for event in events:
        together.setdefault((event.time, event.document.id if event.document else event.source), []).append(event)
    return [tuple(members) for members in together.values()]


def as_told(subscriber: Subscriber, events: Iterable[Event], tz: ZoneInfo) -> list[Told]:
    """The messages in which a subscriber is told of `events`, as they are due: one for each occasion, or the
    digests into which their rhythm, quiet hours and a flood gather them."""
    due: dict[datetime, list[tuple[Event, ...]]] = {}
    for occasion in occasions(events):
        due.setdefault(next_send(subscriber, occasion[0].time, tz), []).append(occasion)
    told: list[Told] = []
    for moment, members in sorted(due.items()):
        if is_digest(subscriber) or len(members) > BURST:
            told.append(Told(moment, tuple(event for occasion in members for event in occasion)))
        else:
            told += [Told(moment, occasion) for occasion in members]
    return told


# --- where -------------------------------------------------------------------------------------------------


def channel_id(url: str) -> str:
    """What stands for an address outside of the configuration: its scheme and a fingerprint, no secret.

    A mail address keeps its id when the server or the password that sends to it changes: what waits for it
    still goes there, and who has unsubscribed stays so.
    """
    reader = mail_reader(url)
    scheme = "mailto" if reader else _scheme(url)
    return f"{scheme or 'invalid'}-{sha256((reader or url).encode()).hexdigest()[:8]}"


def mail_reader(url: str) -> str | None:
    """The mail address that an Apprise URL sends to, in small letters; None where it is no URL of a mail."""
    if _scheme(url) not in ("mailto", "mailtos"):
        return None
    place, _, query = url.partition("://")[2].partition("?")
    sender, _, path = place.partition("/")
    named = [value for key, value in parse_qsl(query) if key.lower() == "to"]
    user, _, host = sender.rpartition("@")
    name = unquote(user.partition(":")[0])
    own = name if "@" in name else f"{name}@{host.partition(':')[0]}"
    return (named[0] if named else unquote(path.strip("/")) or own).strip().lower()


def _scheme(url: str) -> str:
    found = _SCHEME.match(url)
    return found[0].lower() if found else ""


def channel_url(subscriber: Subscriber, channel: str) -> str | None:
    """The address behind a `channel_id`; None if the subscriber has it no longer."""
    return next((url for url in subscriber.to if channel_id(url) == channel), None)


# --- when --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rhythm:
    """`weekday` is 0 for Monday; None with "daily"."""

    every: Literal["now", "daily", "weekly"]
    at: time = time(0)
    weekday: int | None = None


def parse_deliver(text: str) -> Rhythm:
    """ "now", "daily 08:30" or "mon 08:30". ValueError says which word is wrong."""
    words = text.strip().lower().split()
    if words == ["now"]:
        return Rhythm("now")
    if len(words) != 2:
        raise ValueError(f'"{text[:80]}" is no rhythm: write "now", "daily HH:MM" or "mon HH:MM"')
    day, clock = words
    if day != "daily" and day not in WEEKDAYS:
        raise ValueError(f'"{day[:80]}" is not "daily" or one of {", ".join(WEEKDAYS)}')
    at = _parse_clock(clock)
    return Rhythm("daily", at) if day == "daily" else Rhythm("weekly", at, WEEKDAYS.index(day))


def parse_quiet(text: str) -> tuple[time, time]:
    """ "22:00-07:00" as start and end; the end may lie on the next day. ValueError says what is wrong."""
    start, dash, end = text.replace(" ", "").partition("-")
    if not dash:
        raise ValueError(f'"{text[:80]}" are no hours: write "HH:MM-HH:MM"')
    hours = _parse_clock(start), _parse_clock(end)
    if hours[0] == hours[1]:
        raise ValueError(f'"{text}" has the same start and end')
    return hours


def _parse_clock(text: str) -> time:
    found = _CLOCK.fullmatch(text)
    if not found:
        raise ValueError(f'"{text[:80]}" is not a time of day, HH:MM from 00:00 to 23:59')
    return time(int(found[1]), int(found[2]))


def is_digest(subscriber: Subscriber) -> bool:
    return parse_deliver(subscriber.deliver).every != "now"


def next_send(subscriber: Subscriber, now: datetime, tz: ZoneInfo) -> datetime:
    """The first moment, `now` or later, at which a message that is ready may go out. Aware, in UTC.

    Clock times are those of `tz`. A time of day that a change of the clock skips is taken as long after
    the skip as it would have been, one that comes twice as its first coming.
    """
    now = now.astimezone(UTC)
    rhythm = parse_deliver(subscriber.deliver)
    due = now if rhythm.every == "now" else _next_turn(rhythm, now, tz)
    return after_quiet(subscriber, due, tz)


def after_quiet(subscriber: Subscriber, due: datetime, tz: ZoneInfo) -> datetime:
    """`due`, or the end of the subscriber's quiet hours where it falls into them."""
    return _end_of_quiet(parse_quiet(subscriber.quiet), due, tz) if subscriber.quiet else due


def _next_turn(rhythm: Rhythm, now: datetime, tz: ZoneInfo) -> datetime:
    today = now.astimezone(tz).date()
    days = (today + timedelta(days=n) for n in range(9))
    turns = (_moment(d, rhythm.at, tz) for d in days if rhythm.weekday in (None, d.weekday()))
    return next(turn for turn in turns if turn >= now)


def _end_of_quiet(quiet: tuple[time, time], due: datetime, tz: ZoneInfo) -> datetime:
    start, end = quiet
    local = due.astimezone(tz)
    clock = local.time().replace(tzinfo=None)
    over_midnight = start > end
    hushed = (clock >= start or clock < end) if over_midnight else start <= clock < end
    if not hushed:
        return due
    day = local.date() + timedelta(days=1 if over_midnight and clock >= start else 0)
    # In the hour that comes twice, the first coming of the end may already be past.
    return next((m for m in (_moment(day, end, tz, fold) for fold in (0, 1)) if m > due), due)


def _moment(day: date, at: time, tz: ZoneInfo, fold: int = 0) -> datetime:
    return datetime.combine(day, at.replace(fold=fold), tz).astimezone(UTC)
