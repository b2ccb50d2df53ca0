"""What the pages ask of the database beyond the archive's own questions: filtered, counted, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from storage.documents import DocumentState, measure_of
from storage.events import events_by_ids
from storage.identity import normal_number
from storage.records import DeliveryState, Event, Measure, Status
from storage.tables import deliveries, documents, events, pages, statements, tracked, versions
from storage.threads import Tracked

PAGE = 50  # rows of a page


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which part of the change log to show. `type` is a name or a pattern such as "measure.*".

    `before` and `after` are ids of events: only older, or only newer ones.
    """

    type: str = ""
    region: str = ""
    source: str = ""
    kind: str = ""
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
    """A page of the change log. It is found by id, not by counting, so that its depth costs nothing."""
    query = sa.select(events.c.id).where(*_log_conditions(wanted)).limit(limit + 1)
    if wanted.after is not None:
        ids = list(conn.execute(query.where(events.c.id > wanted.after).order_by(events.c.id)).scalars())
        more, ids = len(ids) > limit, ids[:limit][::-1]
        return LogPage(events_by_ids(conn, ids), older=True, newer=more)
    if wanted.before is not None:
        query = query.where(events.c.id < wanted.before)
    ids = list(conn.execute(query.order_by(events.c.id.desc())).scalars())
    return LogPage(events_by_ids(conn, ids[:limit]), older=len(ids) > limit, newer=wanted.before is not None)


def _log_conditions(wanted: LogFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.type.endswith(".*"):
        yield events.c.type.startswith(wanted.type.removesuffix("*"), autoescape=True)
    elif wanted.type:
        yield events.c.type == wanted.type
    if wanted.region:
        # By the documents, not by what the event says of its own: reading JSON row by row takes three times as long.
        yield events.c.document_id.in_(sa.select(documents.c.id).where(documents.c.region == wanted.region))
    if wanted.source:
        yield events.c.source_id == wanted.source
    if wanted.kind:
        yield events.c.measure["kind"].as_string() == wanted.kind
    if not wanted.baseline:
        yield events.c.baseline.is_(False)


def document_log(conn: sa.Connection, document_id: int, limit: int = 20) -> list[Event]:
    """The latest events of one document that are no baseline, the newest first."""
    mine = sa.and_(events.c.document_id == document_id, events.c.baseline.is_(False))
    ids = conn.execute(sa.select(events.c.id).where(mine).order_by(events.c.id.desc()).limit(limit))
    return events_by_ids(conn, list(ids.scalars()))


def has_events(conn: sa.Connection) -> bool:
    return conn.execute(sa.select(events.c.id).limit(1)).first() is not None


def last_event_id(conn: sa.Connection) -> int:
    """The highest id that was given out; 0 where there is no event yet."""
    return int(conn.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0)


# --- documents ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list. `words` is a part of the title or of the 文号, in any of its spellings."""

    words: str = ""
    region: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as a list shows it; `versions` is the number of its latest version, 0 where it has none."""

    id: int
    title: str
    doc_number: str | None
    publisher: str | None
    region: str | None
    published_on: date | None
    state: DocumentState
    status: Status
    source: str
    versions: int


def find_documents(
    conn: sa.Connection, wanted: DocumentFilter, page: int, size: int = PAGE
) -> tuple[list[DocumentRow], int]:
    """A page of the documents, the newest first, and how many there are in all."""
    conditions = list(_document_conditions(wanted))
    total = int(conn.execute(sa.select(sa.func.count()).select_from(documents).where(*conditions)).scalar_one())
    order = (documents.c.rank_on.desc(), documents.c.id.desc())
    # Chosen first, so that versions are counted for the rows of this page and not for those before it.
    chosen = sa.select(documents.c.id).where(*conditions).order_by(*order).limit(size).offset((page - 1) * size)
    names = ("id", "title", "doc_number", "publisher", "region", "published_on", "state", "status")
    query = (
        sa.select(
            *(documents.c[name] for name in names),
            documents.c.source_id.label("source"),
            sa.func.coalesce(sa.func.max(versions.c.number), 0).label("versions"),
        )
        .outerjoin(versions, versions.c.document_id == documents.c.id)
        .where(documents.c.id.in_(chosen))
        .group_by(documents.c.id)
        .order_by(*order)
    )
    return [DocumentRow(**row._mapping) for row in conn.execute(query)], total


def _document_conditions(wanted: DocumentFilter) -> Iterator[sa.ColumnElement[bool]]:
    if words := wanted.words.strip():
        by_title = documents.c.title.contains(words, autoescape=True)
        by_number = documents.c.normal_number.contains(normal_number(words), autoescape=True)
        yield sa.or_(by_title, by_number)
    if wanted.region:
        yield documents.c.region == wanted.region
    if wanted.source:
        yield documents.c.source_id == wanted.source


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


def find_tracked(conn: sa.Connection, wanted: MeasureFilter, page: int, size: int = PAGE) -> tuple[list[Tracked], int]:
    """A page of the tracked measures that have statements, by region and name, and how many there are in all."""
    conditions = list(_tracked_conditions(wanted))
    total = int(conn.execute(sa.select(sa.func.count()).select_from(tracked).where(*conditions)).scalar_one())
    query = sa.select(tracked).where(*conditions).order_by(tracked.c.region, tracked.c.name, tracked.c.id)
    rows = conn.execute(query.limit(size).offset((page - 1) * size))
    return [Tracked(**row._mapping) for row in rows], total


def _tracked_conditions(wanted: MeasureFilter) -> Iterator[sa.ColumnElement[bool]]:
    spoken_of = sa.select(statements.c.id).where(statements.c.tracked_id == tracked.c.id)
    if wanted.kind:
        spoken_of = spoken_of.where(statements.c.kind == wanted.kind)
    yield spoken_of.exists()
    if words := wanted.words.strip():
        yield tracked.c.name.contains(words, autoescape=True)
    if wanted.region:
        yield tracked.c.region == wanted.region


def tracked_by_id(conn: sa.Connection, id: str) -> Tracked | None:
    row = conn.execute(sa.select(tracked).where(tracked.c.id == id)).first()
    return Tracked(**row._mapping) if row else None


def tracked_regions(conn: sa.Connection) -> list[str]:
    return _distinct(conn, tracked.c.region)


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
    standing = sa.and_(documents.c.state == "live", documents.c.status.not_in(("expired", "repealed")))
    query = (
        sa.select(
            statements,
            documents.c.id.label("document_id"),
            documents.c.title,
            documents.c.published_on,
            versions.c.number,
            versions.c.created_at,
            (documents.c.latest_version_id == versions.c.id).label("latest"),
            standing.label("standing"),
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
    counted = sa.select(deliveries.c.channel, deliveries.c.state, sa.func.count()).group_by(
        deliveries.c.channel, deliveries.c.state
    )
    channels: dict[str, dict[DeliveryState, int]] = {}
    for channel, state, count in conn.execute(counted):
        of_scheme = channels.setdefault(channel.partition(":")[2] or channel, {})
        of_scheme[state] = of_scheme.get(state, 0) + count
    waiting = deliveries.c.state.in_(("pending", "retrying"))
    oldest = conn.execute(sa.select(sa.func.min(deliveries.c.created_at)).where(waiting)).scalar()
    last = conn.execute(sa.select(sa.func.max(deliveries.c.sent_at))).scalar()
    return DeliveryCounts(dict(sorted(channels.items())), oldest, last)


def _distinct(conn: sa.Connection, column: sa.ColumnElement[Any]) -> list[str]:
    """The values of a column but for null and "", in order."""
    found = conn.execute(sa.select(column).where(column.is_not(None), column != "").distinct().order_by(column))
    return list(found.scalars())
