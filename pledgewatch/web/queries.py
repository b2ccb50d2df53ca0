"""What the pages ask of the database beyond the archive's own questions: filtered, counted, a page at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from notify.phrases import clean
from pledgewatch.web.snippets import has_all
from storage import search
from storage.archive import get_blob
from storage.columns import AnyRow
from storage.documents import DocumentState, StoredDocument, measure_of
from storage.errors import StorageError
from storage.events import events_by_ids
from storage.records import DeliveryState, Event, Kind, Measure, Status
from storage.tables import OPEN_DELIVERY, deliveries, documents, events, pages, statements, tracked, versions
from storage.threads import STANDING, Tracked

PAGE = 50  # rows of a page
COUNTED = 1000  # rows that are counted; past it a page says "more than"
_LAST_ID = 2**63 - 1
_NEAR = 1000  # events among which times may be out of order: passes that run side by side write in turns

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a list a page begins: after the row with this id, or before it; at the beginning with neither."""

    after: str = ""
    before: str = ""


BEGINNING = Place()


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """Some rows of a list in its order, whether there are others on either side, and how many in all, as far as
    `COUNTED`."""

    rows: Sequence[Row]
    previous: bool
    next: bool
    total: int


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which part of the change log to show. `type` is a name or a pattern such as "measure.*".

    `least` is the size of change, in percent of the old figure or in points (`change_size`). `since` and `until` are
    moments, the second one not included. `before` and `after` are ids of events: only older, or only newer ones.
    """

    type: str = ""
    region: str = ""
    source: str = ""
    kind: str = ""
    recipient: str = ""
    measure: str = ""
    least: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    baseline: bool = False
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events, the newest first, and whether there are older and newer ones."""

    events: Sequence[Event]
    older: bool
    newer: bool


def change_log(conn: sa.Connection, wanted: LogFilter, limit: int = PAGE) -> LogPage:
    """A page of the change log, at most `limit` events. It is found by id, not by counting, so that its depth costs
    nothing, and ends where a revision ends, unless one alone has more events than that."""
    query = sa.select(events.c.id).where(*_log_conditions(conn, wanted)).limit(limit + 1)
    newer_ones = wanted.after is not None
    ids = conn.execute(query.order_by(events.c.id.asc() if newer_ones else events.c.id.desc())).scalars().all()
    more = len(ids) > limit
    found = _whole_revisions(events_by_ids(conn, ids), limit)
    if newer_ones:
        return LogPage(found[::-1], older=True, newer=more)
    return LogPage(found, older=more, newer=wanted.before is not None)


def revision_of(event: Event) -> Hashable:
    """What events of one revision or publication have in common; they were written together and stand together."""
    return (event.document.id, *event.versions) if event.document else event.id


def _whole_revisions(found: Sequence[Event], limit: int) -> list[Event]:
    """The first of `found`, at most `limit`; of the last revision all or none, if it is not the only one."""
    runs = [list(run) for _, run in groupby(found, revision_of)]
    if len(found) > limit and len(runs) > 1:
        runs.pop()
    return [event for run in runs for event in run][:limit]


def _log_conditions(conn: sa.Connection, wanted: LogFilter) -> Iterator[sa.ColumnElement[bool]]:
    c = events.c
    if wanted.type.endswith(".*"):
        yield c.type.startswith(wanted.type.removesuffix("*"), autoescape=True)
    elif wanted.type:
        yield c.type == wanted.type
    asked = (
        (c.region, wanted.region),
        (c.source_id, wanted.source),
        (c.kind, wanted.kind),
        (c.recipient, wanted.recipient),
        (c.measure_id, wanted.measure),
    )
    for column, value in asked:
        if value:
            yield column == value
    if wanted.least is not None:
        yield c.size >= wanted.least
    if wanted.since:
        yield c.time >= wanted.since
    if wanted.until:
        yield c.time < wanted.until
    yield c.baseline.in_((False, True)) if wanted.baseline else c.baseline.is_(False)
    first, last = _id_bounds(conn, wanted)
    yield c.id > (first if wanted.after is None else max(first, wanted.after))
    yield c.id < (last if wanted.before is None else min(last, wanted.before))


def _id_bounds(conn: sa.Connection, wanted: LogFilter) -> tuple[int, int]:
    """Ids between which the period's events are, so that the walk by id begins there."""
    first, last = -1, _LAST_ID
    near = sa.select(events.c.id).limit(_NEAR)
    if wanted.since:
        after = near.where(events.c.time >= wanted.since).order_by(events.c.time, events.c.id).subquery()
        found = conn.execute(sa.select(sa.func.min(after.c.id))).scalar()
        first = last if found is None else found - 1
    if wanted.until:
        until = near.where(events.c.time < wanted.until).order_by(events.c.time.desc(), events.c.id.desc()).subquery()
        found = conn.execute(sa.select(sa.func.max(until.c.id))).scalar()
        last = 0 if found is None else found + 1
    return first, last


def log_recipients(conn: sa.Connection) -> list[str]:
    return _distinct(conn, events.c.recipient)


def document_log(conn: sa.Connection, document_id: int, limit: int = 20) -> list[Event]:
    """The latest events of one document that are no baseline, the newest first."""
    mine = sa.and_(events.c.document_id == document_id, events.c.baseline.is_(False))
    ids = conn.execute(sa.select(events.c.id).where(mine).order_by(events.c.id.desc()).limit(limit))
    return events_by_ids(conn, list(ids.scalars()))


def withdrawal(conn: sa.Connection, document_id: int) -> Event | None:
    """The last time that a document was taken from its site, or None where that was never seen."""
    gone = sa.and_(events.c.document_id == document_id, events.c.type == "document.withdrawn")
    ids = conn.execute(sa.select(events.c.id).where(gone).order_by(events.c.id.desc()).limit(1))
    return next(iter(events_by_ids(conn, list(ids.scalars()))), None)


def has_events(conn: sa.Connection) -> bool:
    return last_event_id(conn) > 0


def last_event_id(conn: sa.Connection) -> int:
    """The highest id that was given out; 0 where there is no event yet."""
    return int(conn.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0)


# --- documents ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list. `words` are searched for in the latest version: title, 文号, publisher, text,
    attachments; all of them must be there. `state` is "live", "withdrawn" or "" for either."""

    words: str = ""
    region: str = ""
    source: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as a list shows it; `versions` is the number of its latest version, 0 where it has none."""

    id: int
    title: str
    doc_number: str | None
    index_number: str | None
    publisher: str | None
    region: str | None
    published_on: date | None
    state: DocumentState
    status: Status
    source: str
    versions: int
    latest_version_id: int | None
    ended: bool


def find_documents(
    conn: sa.Connection, wanted: DocumentFilter, place: Place = BEGINNING, size: int = PAGE
) -> Slice[DocumentRow]:
    """Some of the documents, the newest first."""
    conditions = list(document_conditions(conn, wanted))
    shown = [documents.c.source_id.label("source") if n == "source" else documents.c[n] for n in DocumentRow.__slots__]
    keys = (documents.c.rank_on, documents.c.id)
    place = Place(_number(place.after), _number(place.before))
    rows, previous, following = _walk(conn, sa.select(*shown), conditions, keys, (date.max, _LAST_ID), place, size)
    total = _counted(conn, keys, conditions, documents.c.rank_on <= date.max)
    return Slice([DocumentRow(**row._mapping) for row in rows], previous, following, total)


def _number(id: str) -> str:
    """An id as it can be asked for, "" for what can be none."""
    return id if id.isascii() and id.isdigit() and len(id) < 19 else ""


def document_conditions(conn: sa.Connection, wanted: DocumentFilter) -> Iterator[sa.ColumnElement[bool]]:
    """What holds for the documents that are wanted, as far as the index can tell."""
    if words := search.words_of(wanted.words):
        yield search.found_in(conn, words)
    asked = ((documents.c.region, wanted.region), (documents.c.source_id, wanted.source))
    for column, value in (*asked, (documents.c.state, wanted.state)):
        if value:
            yield column == value


def has_words(row: DocumentRow | StoredDocument, text: str, words: Sequence[str]) -> bool:
    """Whether a document has all of the words indeed: the index that named it cannot tell a word from its parts that
    stand apart."""
    names = (row.title, row.doc_number, row.publisher, row.index_number)
    return has_all((*(clean(name or "") for name in names), text), words)


def document_words(conn: sa.Connection, version_ids: Sequence[int]) -> dict[int, str]:
    """The texts of versions by their ids; one that is damaged is left out."""
    found = sa.select(versions.c.id, versions.c.text_sha256).where(versions.c.id.in_(version_ids))
    texts = {}
    for row in conn.execute(found):
        with suppress(StorageError):
            texts[row.id] = get_blob(conn, row.text_sha256).decode()
    return texts


def _walk(
    conn: sa.Connection,
    query: sa.Select[Any],
    conditions: Sequence[sa.ColumnElement[bool]],
    keys: tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]],
    start: tuple[Any, Any],
    place: Place,
    size: int,
) -> tuple[Sequence[AnyRow], bool, bool]:
    """Rows on from a place in the order of `keys` (what sorts, then the id), falling where `start` is their highest
    value, rising where it is "" and the lowest; and whether there are others before and after.

    A place is a row's own key, not a number of rows: the last page costs what the first does.
    """
    wanted: Any = place.before or place.after
    if wanted and isinstance(keys[1].type, sa.Integer):
        wanted = int(wanted)
    at = conn.execute(sa.select(*keys).where(keys[1] == wanted)).first() if wanted else None
    back = at is not None and bool(place.before)
    down = (start[0] != "") != back
    bound = sa.tuple_(*map(sa.literal, at or start))
    beyond = sa.tuple_(*keys) < bound if down else sa.tuple_(*keys) > bound
    order = [key.desc() if down else key.asc() for key in keys]
    found = conn.execute(query.where(*conditions, beyond).order_by(*order).limit(size + 1)).all()
    more, rows = len(found) > size, found[:size]
    if back:
        return rows[::-1], more, True
    return rows, at is not None, more


def _counted(
    conn: sa.Connection,
    keys: Sequence[sa.ColumnElement[Any]],
    conditions: Sequence[sa.ColumnElement[bool]],
    every: sa.ColumnElement[bool],
) -> int:
    """How many rows there are, as far as `COUNTED`, and one more where there are more. `every` holds for each row and
    names the index to count in."""
    found = sa.select(keys[1]).where(every, *conditions).limit(COUNTED + 1).subquery()
    return int(conn.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())


def document_regions(conn: sa.Connection) -> list[str]:
    return _distinct(conn, documents.c.region)


def capture_name(conn: sa.Connection, capture_id: int, page_id: int) -> str | None:
    """What the document calls the attachment that this capture holds, or None where it is none."""
    owner = sa.select(pages.c.document_id).where(pages.c.id == page_id).scalar_subquery()
    held = conn.execute(sa.select(versions.c.attachments).where(versions.c.document_id == owner)).scalars()
    return next((a["name"] for attachments in held for a in attachments if a["capture_id"] == capture_id), None)


# --- tracked measures -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeasureFilter:
    """Which tracked measures to list; `words` is a part of the name."""

    words: str = ""
    region: str = ""
    kind: str = ""


def find_tracked(
    conn: sa.Connection, wanted: MeasureFilter, place: Place = BEGINNING, size: int = PAGE
) -> Slice[Tracked]:
    """Some of the tracked measures that have statements, by name."""
    conditions = list(_tracked_conditions(wanted))
    keys = (tracked.c.name, tracked.c.id)
    rows, previous, following = _walk(conn, sa.select(tracked), conditions, keys, ("", ""), place, size)
    total = _counted(conn, keys, conditions, tracked.c.name >= "")
    return Slice([Tracked(**row._mapping) for row in rows], previous, following, total)


def _tracked_conditions(wanted: MeasureFilter) -> Iterator[sa.ColumnElement[bool]]:
    spoken_of = sa.select(statements.c.id).where(statements.c.tracked_id == tracked.c.id)
    if wanted.kind:
        # Told by the measure's own kind first: a subsidy is never spoken of as a target, nor the other way round.
        family = ("subsidy",) if wanted.kind == "subsidy" else ("target", "progress")
        yield tracked.c.kind.in_(family)
        spoken_of = spoken_of.where(statements.c.kind == wanted.kind)
    yield spoken_of.exists()
    if words := wanted.words.strip():
        # Names are few and short beside documents: they are read along the index that sorts them.
        yield tracked.c.name.contains(words, autoescape=True)
    if wanted.region:
        yield tracked.c.region == wanted.region


def tracked_by_id(conn: sa.Connection, id: str) -> Tracked | None:
    row = conn.execute(sa.select(tracked).where(tracked.c.id == id)).first()
    return Tracked(**row._mapping) if row else None


def tracked_regions(conn: sa.Connection) -> list[str]:
    return _distinct(conn, tracked.c.region)


def last_version_id(conn: sa.Connection) -> int:
    """The highest id that a version has; 0 where there is none yet."""
    return int(conn.execute(sa.select(sa.func.max(versions.c.id))).scalar() or 0)


def tracked_in_regions(conn: sa.Connection) -> list[tuple[str, str, Kind, str]]:
    """Id, name, kind and region of all tracked measures that have one. What is told in many documents is one row, so
    these are few."""
    columns = (tracked.c[name] for name in ("id", "name", "kind", "region"))
    query = sa.select(*columns).where(tracked.c.region > "").order_by(tracked.c.region, tracked.c.id)
    return [tuple(row) for row in conn.execute(query)]


@dataclass(frozen=True, slots=True)
class PastStatement:
    """What one version of a document says, or said, of a tracked measure.

    `latest`: the version is the document's latest. `standing`: so is the document, neither withdrawn nor expired.
    """

    measure: Measure
    document_id: int
    title: str
    published_on: date | None
    version: int
    created_at: datetime
    latest: bool
    standing: bool


def statements_over_time(conn: sa.Connection, tracked_id: str) -> list[PastStatement]:
    """All statements of a tracked measure in all versions, the oldest document first."""
    query = (
        sa.select(
            statements,
            documents.c.id.label("document_id"),
            documents.c.title,
            documents.c.published_on,
            versions.c.number,
            versions.c.created_at,
            (documents.c.latest_version_id == versions.c.id).label("latest"),
            STANDING.label("standing"),
        )
        .join(versions, versions.c.id == statements.c.version_id)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(statements.c.tracked_id == tracked_id)
        .order_by(documents.c.rank_on, documents.c.id, versions.c.number, statements.c.position)
    )
    return [_past(row._mapping) for row in conn.execute(query)]


def _past(row: sa.RowMapping) -> PastStatement:
    return PastStatement(
        measure=measure_of(row),
        document_id=row["document_id"],
        title=row["title"],
        published_on=row["published_on"],
        version=row["number"],
        created_at=row["created_at"],
        latest=bool(row["latest"]),
        standing=bool(row["standing"]),
    )


# --- deliveries -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How many deliveries there are by channel (the scheme alone) and state, and the ends of the queue."""

    by_channel: Mapping[str, Mapping[DeliveryState, int]]
    oldest_open: datetime | None
    last_sent: datetime | None

    def total(self, state: DeliveryState) -> int:
        return sum(counts.get(state, 0) for counts in self.by_channel.values())


def delivery_counts(conn: sa.Connection) -> DeliveryCounts:
    """Counts over all deliveries; nothing of whom they went to."""
    c = deliveries.c
    of_one = sa.select(c.state, sa.func.count(), sa.func.max(c.sent_at)).group_by(c.state)
    channels: dict[str, dict[DeliveryState, int]] = {}
    sent: list[datetime] = []
    for channel in _distinct(conn, c.channel):  # one at a time, along the index
        of_scheme = channels.setdefault(channel.partition(":")[2] or channel, {})
        for state, count, last in conn.execute(of_one.where(c.channel == channel)):
            of_scheme[state] = of_scheme.get(state, 0) + count
            sent += [last] if last else []
    oldest = conn.execute(sa.select(sa.func.min(c.created_at)).where(OPEN_DELIVERY)).scalar()
    return DeliveryCounts(dict(sorted(channels.items())), oldest, max(sent, default=None))


def _distinct(conn: sa.Connection, column: sa.Column[str | None]) -> list[str]:
    """The values of a column that begins an index, but for null and "", in order: one look for each value, not for
    each row."""
    step = sa.select(sa.func.min(column).label("value")).where(column > "").cte("step", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > step.c.value).correlate(step).scalar_subquery()
    step = step.union_all(sa.select(following).where(step.c.value.is_not(None)))
    found = conn.execute(sa.select(step.c.value).where(step.c.value.is_not(None)))
    return [str(value) for value in found.scalars()]
