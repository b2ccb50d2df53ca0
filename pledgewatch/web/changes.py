"""动态: the change log, and one event in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify.marking import Piece, alike, mark, side
from notify.phrases import (
    both_words,
    clean,
    days_words,
    end_words,
    importance,
    label,
    last_report,
    reason_words,
    side_words,
    size_words,
)
from pledgewatch.web import queries
from pledgewatch.web.queries import LogFilter
from pledgewatch.web.site import Site, address, id_of, number, one_of, plain, site_of
from pledgewatch.web.words import event_types
from storage.documents import history
from storage.events import event_by_id
from storage.records import Event

KINDS = ("subsidy", "target", "progress")
HEADLINES = 3  # figures of a new document that the log shows
_TURNED = ("measure.changed", "measure.added", "measure.removed")


@dataclass(frozen=True)
class Entry:
    """An event in words. `sides` are the names of the two figures, `between` the sign that stands between them;
    `turned`: the first does not hold any more, the second took its place."""

    event: Event
    time: datetime
    label: str
    name: str
    sides: tuple[str, str]
    before: str
    after: str
    between: str
    turned: bool
    size: str
    note: str


def entry_of(event: Event, site: Site) -> Entry:
    return Entry(
        event,
        site.local(event.time),
        label(event, site.language),
        _name(event, site),
        side_words(event, site.language),
        *both_words(event, site.language),
        _between(event.type),
        event.type in _TURNED,
        size_words(event, site.language),
        _note(event, site),
    )


def _name(event: Event, site: Site) -> str:
    if event.measure:
        return clean(event.measure.name)
    if event.document:
        return clean(event.document.title)
    return clean(event.detail.get("name") or site.source_names().get(event.source, event.source))


def _between(type_: str) -> str:
    if type_ == "measure.conflict":
        return "≠"
    return "·" if type_.startswith("target.") else "→"


def _note(event: Event, site: Site) -> str:
    """What an event without figures of its own says beyond its name: the figures of a new document, what was
    revised, why it is gone or a source is ill."""
    if event.type == "target.due" and (day := clean(event.detail.get("deadline") or "")):
        return f"{site.words['deadline']}{site.words['colon']}{day}"
    if event.measure:
        return ""
    if event.type == "document.published":
        return _headlines(event, site.words)
    reasons = _reasons(event, site)
    return f"{_reasons_word(event, site.words)}{site.words['colon']}{reasons}" if reasons else ""


def _reasons(event: Event, site: Site) -> str:
    if ended := end_words(event, site.language):
        return ended
    codes = event.detail.get("reasons") or filter(None, [event.detail.get("reason")])
    return site.words["comma"].join(reason_words(code, site.language) for code in codes)


def _reasons_word(event: Event, w: Mapping[str, str]) -> str:
    return w["reasons"] if event.type == "document.revised" else w["reason"]


def _headlines(event: Event, w: Mapping[str, str]) -> str:
    """The first figures of a new document, and how many there are."""
    told = [
        f"{clean(f.get('name') or '')} {clean(f['words'])}" for f in event.detail.get("figures") or () if f.get("words")
    ]
    if not told:
        return ""
    total = max(len(told), int(event.detail.get("measures") or 0))
    more = w["comma"] + w["more_figures"].format(n=total) if total > HEADLINES else ""
    return w["figures_found"] + w["colon"] + w["comma"].join(told[:HEADLINES]) + more


# --- the log --------------------------------------------------------------------------------------------------


SIZES = (5, 10, 20, 50)  # percent or points from which a change can be asked for


@dataclass(frozen=True)
class Revision:
    """What one revision or publication brought, as one line of the log that unfolds: `head` tells what it is, `rest`
    are the other events, the most important first."""

    head: Entry
    rest: tuple[Entry, ...]

    @property
    def lead(self) -> Entry:
        """The one of `rest` that is told before it unfolds: the first with a figure that moved, else the first."""
        return next((entry for entry in self.rest if entry.before and entry.after), self.rest[0])


def show_log(request: Request) -> Response:
    site = site_of(request)
    wanted = log_filter(request)
    with site.database.read() as conn:
        regions, recipients = queries.document_regions(conn), queries.log_recipients(conn)
        found = queries.change_log(conn, wanted)
        measure = queries.tracked_by_id(conn, wanted.measure) if wanted.measure else None
        empty = not found.events and not queries.has_events(conn)
    return site.page(
        "events",
        section="events",
        days=_by_day(_revisions(found.events, site)),
        wanted=wanted,
        period=(plain(request, "since"), plain(request, "until")),
        measure=measure,
        filtered=wanted != LogFilter(baseline=wanted.baseline, before=wanted.before, after=wanted.after),
        empty=empty,
        types=event_types(site.language),
        regions=regions,
        recipients=recipients,
        sizes=SIZES,
        sources=site.source_names(),
        kinds=KINDS,
        newer=address(request, after=found.events[0].id, before=None) if found.newer and found.events else None,
        older=address(request, before=found.events[-1].id, after=None) if found.older and found.events else None,
        feed=address(request, before=None, after=None).replace(request.url.path, "/feeds/events.atom", 1),
        with_baseline=address(request, baseline="1", before=None, after=None),
    )


def log_filter(request: Request) -> LogFilter:
    """What the query asks for; a choice that is not offered counts as none, except for a source or region that
    was there once. Days are those of the service's time zone, both included."""
    since, until = (_day(request, name) for name in ("since", "until"))
    least = number(request, "least", least=0)
    return LogFilter(
        type=one_of(request, "type", event_types("en")),
        region=plain(request, "region"),
        source=plain(request, "source"),
        kind=one_of(request, "kind", KINDS),
        recipient=plain(request, "recipient"),
        measure=plain(request, "measure"),
        least=least if least else None,
        since=since,
        until=until + timedelta(days=1) if until else None,
        baseline=request.query_params.get("baseline") == "1",
        before=number(request, "before"),
        after=number(request, "after", least=0),
    )


def _day(request: Request, name: str) -> datetime | None:
    """The beginning of a day in the query; None where it is none, or one that no clock has."""
    try:
        day = datetime.fromisoformat(plain(request, name))
    except ValueError:
        return None
    if not 1970 <= day.year < 9000:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=site_of(request).settings.service.zone)


def _revisions(found: Iterable[Event], site: Site) -> list[Revision]:
    """Neighbouring events of one document's same two versions as one."""
    made = []
    for _, group in groupby(found, queries.revision_of):
        told = sorted(group, key=importance)
        whole = [e for e in told if e.type.startswith("document.")]
        head = (whole or told)[0]
        made.append(Revision(entry_of(head, site), tuple(entry_of(e, site) for e in told if e is not head)))
    return made


def _by_day(told: Iterable[Revision]) -> list[tuple[date, list[Revision]]]:
    return [(day, list(of_day)) for day, of_day in groupby(told, lambda revision: revision.head.time.date())]


# --- one event ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sentences:
    """Both sentences of an event: in one where they are alike, else each for itself."""

    inline: tuple[Piece, ...] = ()
    old: tuple[Piece, ...] = ()
    new: tuple[Piece, ...] = ()


def show_event(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        event = event_by_id(conn, id_of(request))
        if event is None:
            raise HTTPException(404)
        ids = _version_ids(conn, event)
        tracked = event.measure is not None and queries.tracked_by_id(conn, event.measure.id) is not None
    old, new = event.versions
    return site.page(
        "event",
        section="events",
        entry=entry_of(event, site),
        event=event,
        sentences=sentences_of(event),
        facts=_facts(event, site),
        summary="" if event.before or event.after else clean(event.summary),  # it would say the figures again
        compared=old is not None and new is not None and old != new,
        archived=[(n, ids[n]) for n in dict.fromkeys((new, old)) if n in ids],
        other=event.detail.get("other_document") or None,
        headlines=[f for f in event.detail.get("figures") or () if f.get("words")],
        tracked=tracked,
    )


def _version_ids(conn: sa.Connection, event: Event) -> dict[int | None, int]:
    """Version number → id."""
    return {line.number: line.id for line in history(conn, event.document.id)} if event.document else {}


def sentences_of(event: Event) -> Sentences:
    before, after = (clean((figure or {}).get("sentence") or "") for figure in (event.before, event.after))
    if not before or not after:
        old, new = ((Piece(text, "same"),) if text else () for text in (before, after))
        return Sentences(old=old, new=new)
    pieces = mark(before, after)
    if alike(pieces):
        return Sentences(inline=pieces)
    return Sentences(old=side(pieces, "old"), new=side(pieces, "new"))


def _facts(event: Event, site: Site) -> list[tuple[str, str]]:
    """What is known beside the figures, as (word, value)."""
    detail, w = event.detail, site.words
    recipient = event.measure.recipient if event.measure else None
    told = [
        (w["recipient"], _sides(detail, "recipient", w) or clean(recipient or "")),
        (w["condition"], _sides(detail, "condition", w)),
        (w["deadline"], _sides(detail, "deadline", w)),
        (w["days"], days_words(detail["days"], site.language) if detail.get("days") is not None else ""),
        (w["reported"], last_report(detail, site.language)),
        (w["bodies"], w["comma"].join(clean(body) for body in detail.get("bodies") or ())),
        (_reasons_word(event, w), _reasons(event, site)),
    ]
    return [(name, value) for name, value in told if value]


def _sides(detail: Mapping[str, Any], name: str, w: Mapping[str, str]) -> str:
    """A value of an event, or the old and the new one where it changed."""
    value = detail.get(name)
    pair = value if isinstance(value, list | tuple) else (value,)
    if not any(pair):
        return ""
    return " → ".join(clean(value) if value else w["none"] for value in pair)
