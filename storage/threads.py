"""Threads: which statements of which documents speak of the same measure, and what operators decided."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Literal

import sqlalchemy as sa

from storage.columns import AnyRow
from storage.database import insert_into
from storage.documents import ENDED, measure_of
from storage.records import DocumentRef, Kind, Measure, Status
from storage.tables import decisions, documents, statements, tracked, versions

Verdict = Literal["same", "apart"]

#: The document is on its site, and declared ended neither by itself nor by another one.
STANDING = sa.and_(documents.c.state == "live", documents.c.status.not_in(ENDED), documents.c.ended.is_(False))


@dataclass(frozen=True, slots=True)
class Tracked:
    """A measure that is followed through documents. `configured`: an operator named it."""

    id: str
    name: str
    kind: Kind
    region: str | None
    unit: str | None
    created_at: datetime
    configured: bool = False


@dataclass(frozen=True, slots=True)
class KnownStatement:
    """A statement of a document's latest version, with what threading needs to know of the document.

    `standing`: the document is on its site and neither expired nor repealed, by itself or by another one.
    """

    id: int
    measure: Measure
    tracked_id: str | None
    document: DocumentRef
    source: str
    published_on: date | None
    status: Status
    version: int
    standing: bool

    def to_json(self) -> dict[str, Any]:
        """The statement as `measures --json` prints it; `quote` is the sentence, verbatim."""
        measure = self.measure.to_json()
        return {
            "document": self.document.id,
            "title": self.document.title,
            "kind": measure["kind"],
            "figures": measure["figures"],
            "quote": measure["sentence"],
            "deadline": measure["deadline"],
            "published_on": self.published_on.isoformat() if self.published_on else None,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Thread:
    """A tracked measure with its statements, the oldest document first."""

    tracked: Tracked
    statements: tuple[KnownStatement, ...]

    def to_json(self) -> dict[str, Any]:
        """One line of `measures --json`."""
        names = ("id", "name", "kind", "region", "unit")
        head = {name: getattr(self.tracked, name) for name in names}
        return {**head, "statements": [s.to_json() for s in self.statements]}


@dataclass(frozen=True, slots=True)
class Decision:
    """An operator's word that two statements or measures (their ids) are the same, or are not."""

    a: str
    b: str
    verdict: Verdict
    made_at: datetime


def put_tracked(conn: sa.Connection, measures: Sequence[Tracked]) -> None:
    """Make tracked measures known; of one that is, name, kind, region, unit and `configured` are updated."""
    if not measures:
        return
    insert = insert_into(conn, tracked)
    updated = {n: insert.excluded[n] for n in ("name", "kind", "region", "unit", "configured")}
    conn.execute(insert.on_conflict_do_update(index_elements=["id"], set_=updated), [asdict(m) for m in measures])


def list_tracked(conn: sa.Connection, region: str | None = None, also: Collection[str] = ()) -> list[Tracked]:
    """The tracked measures of a region with those of no region and those of the ids `also`, or all of them."""
    query = sa.select(tracked).order_by(tracked.c.id)
    if region is not None:
        query = query.where(sa.or_(tracked.c.region == region, tracked.c.region.is_(None), tracked.c.id.in_(also)))
    return [Tracked(**row._mapping) for row in conn.execute(query)]


def assign(conn: sa.Connection, threads: Mapping[int, str | None]) -> None:
    """Say which tracked measure each statement (id → tracked id) speaks of; None: of none."""
    rows = [{"statement": id, "thread": thread} for id, thread in threads.items()]
    if rows:
        conn.execute(_ASSIGN, rows)


def statements_of(
    conn: sa.Connection,
    *,
    region: str | None = None,
    kind: Kind | None = None,
    tracked_ids: Sequence[str] | None = None,
    document_id: int | None = None,
    promised_until: date | None = None,
    standing_only: bool = True,
) -> Iterator[KnownStatement]:
    """The statements of latest versions to which the filters apply, the oldest document first.

    `promised_until` leaves the measures of which something was promised for a day up to this one.
    """
    query = _KNOWN.order_by(documents.c.rank_on, documents.c.id, statements.c.position)
    if region is not None:
        query = query.where(documents.c.region == region)
    if kind is not None:
        query = query.where(statements.c.kind == kind)
    if tracked_ids is not None:
        query = query.where(statements.c.tracked_id.in_(tracked_ids))
    if document_id is not None:
        query = query.where(documents.c.id == document_id)
    if promised_until is not None:
        due = sa.select(_PROMISES.c.tracked_id).where(_PROMISES.c.kind == "target")
        query = query.where(statements.c.tracked_id.in_(due.where(_PROMISES.c.deadline <= promised_until)))
    if standing_only:
        query = query.where(STANDING)
    for row in conn.execute(query.execution_options(yield_per=500)):
        yield _known(row)


def tracked_with_statements(conn: sa.Connection, standing_only: bool = True) -> Iterator[Thread]:
    """Every tracked measure that has statements, in the order of ids, one at a time: `measures --json`."""
    columns = [c.label(f"thread_{c.name}") for c in tracked.c]
    query = (
        _KNOWN.add_columns(*columns)
        .join(tracked, tracked.c.id == statements.c.tracked_id)
        .order_by(tracked.c.id, documents.c.rank_on, documents.c.id, statements.c.position)
    )
    if standing_only:
        query = query.where(STANDING)
    rows = conn.execute(query.execution_options(yield_per=500))
    for _, group in groupby(rows, key=lambda row: row.thread_id):
        members = list(group)
        yield Thread(_tracked(members[0]), tuple(_known(row) for row in members))


def decide(conn: sa.Connection, a: str, b: str, verdict: Verdict, now: datetime) -> None:
    """Keep an operator's decision; a later one about the same two replaces it, in either order."""
    a, b = sorted((a, b))
    insert = insert_into(conn, decisions).values(a=a, b=b, verdict=verdict, made_at=now)
    later = {"verdict": verdict, "made_at": now}
    conn.execute(insert.on_conflict_do_update(index_elements=["a", "b"], set_=later))


def list_decisions(conn: sa.Connection) -> list[Decision]:
    query = sa.select(*(decisions.c[name] for name in Decision.__slots__)).order_by(decisions.c.id)
    return [Decision(**row._mapping) for row in conn.execute(query)]


def _known(row: AnyRow) -> KnownStatement:
    return KnownStatement(
        id=row.id,
        measure=measure_of(row._mapping),
        tracked_id=row.tracked_id,
        document=DocumentRef(row.document_id, row.title, row.url, row.doc_number, row.publisher, row.region),
        source=row.source_id,
        published_on=row.published_on,
        status=row.status,
        version=row.number,
        standing=bool(row.standing),
    )


def _tracked(row: AnyRow) -> Tracked:
    return Tracked(**{name: row._mapping[f"thread_{name}"] for name in Tracked.__slots__})


_OF_DOCUMENT = (
    documents.c.id.label("document_id"),
    *(documents.c[n] for n in ("title", "url", "doc_number", "publisher", "region", "source_id")),
    *(documents.c[n] for n in ("published_on", "status")),
)
_PROMISES = statements.alias("promises")
_KNOWN = (
    sa.select(
        *(c for c in statements.c if c.name not in ("version_id", "position")),
        *_OF_DOCUMENT,
        versions.c.number,
        STANDING.label("standing"),
    )
    .join(documents, documents.c.latest_version_id == statements.c.version_id)
    .join(versions, versions.c.id == statements.c.version_id)
)
_ASSIGN = (
    statements.update().where(statements.c.id == sa.bindparam("statement")).values(tracked_id=sa.bindparam("thread"))
)
