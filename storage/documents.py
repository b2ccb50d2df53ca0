"""Documents, their versions, and the statements that were read out of each version.

A version is what a document said: its text (body and attachments), title, numbers, publisher, dates and
status. It is written once; only `replace_reading` changes it, when a newer reader has read the same bytes
again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from storage import search
from storage.addresses import normal_address
from storage.archive import get_blob, put_blob
from storage.columns import AnyRow, storable
from storage.database import Prepared, insert_into
from storage.identity import normal_number, short_key
from storage.records import Attachment, Document, DocumentRef, Figure, Measure, Repeal, Status
from storage.tables import captures, document_keys, documents, pages, repeals, sources, statements, versions

DocumentState = Literal["live", "withdrawn"]

ENDED: tuple[Status, ...] = ("expired", "repealed")  # what a document says of itself when it holds no more


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document as the archive knows it, with the metadata of its latest version.

    `status` is what the document says of itself. `repealed_by` is the document that declares it ended, `repealed_on`
    from when if it names a day, and `ended` whether that day has come.
    """

    id: int
    source: str
    url: str
    title: str
    doc_number: str | None
    index_number: str | None
    publisher: str | None
    region: str | None
    published_on: date | None
    state: DocumentState
    status: Status
    first_seen_at: datetime
    last_seen_at: datetime
    latest_version_id: int | None
    repealed_by: int | None
    repealed_on: date | None
    ended: bool

    @property
    def standing(self) -> bool:
        """Whether it is on its site, and declared ended neither by itself nor by another document."""
        return self.state == "live" and self.status not in ENDED and not self.ended

    def ref(self) -> DocumentRef:
        """The document as an event names it."""
        return DocumentRef(self.id, self.title, self.url, self.doc_number, self.publisher, self.region)

    def to_json(self) -> dict[str, Any]:
        """The document as `documents --json` prints it."""
        names: tuple[str, ...] = ("id", "source", "title", "url", "doc_number", "index_number", "publisher")
        names += (
            "region",
            "published_on",
            "state",
            "status",
            "repealed_by",
            "repealed_on",
            "first_seen_at",
            "last_seen_at",
        )
        told = {name: getattr(self, name) for name in names}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in told.items()}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a document's bytes: the input of `add_version`.

    `document.text` is the whole text that is compared, attachments included. `reader` names the code that
    read, `fingerprint` is over all that is compared. `attachment_captures`: attachment URL → id of its
    capture.
    """

    document: Document
    measures: tuple[Measure, ...]
    reader: str
    fingerprint: str
    attachment_captures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """A measure as it stands in one version. `tracked_id` is None until it is threaded."""

    id: int
    version_id: int
    position: int
    measure: Measure
    tracked_id: str | None = None


@dataclass(frozen=True, slots=True)
class VersionMark:
    """A version without its text and statements: enough to tell whether anything changed."""

    id: int
    document_id: int
    number: int
    capture_id: int
    created_at: datetime
    text_sha256: str
    fingerprint: str
    reader: str
    baseline: bool


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as it was stored; `document.text` and the attachments' texts are the stored ones."""

    mark: VersionMark
    document: Document
    statements: tuple[Statement, ...]
    attachment_captures: Mapping[str, int]

    @property
    def id(self) -> int:
        return self.mark.id

    @property
    def number(self) -> int:
        return self.mark.number

    @property
    def text(self) -> str:
        return self.document.text

    @property
    def measures(self) -> tuple[Measure, ...]:
        return tuple(s.measure for s in self.statements)


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One version as `history` lists it. `fetched_at` is when its bytes came, `size` its text in bytes."""

    id: int
    number: int
    created_at: datetime
    fetched_at: datetime
    title: str
    status: Status
    reader: str
    baseline: bool
    capture_id: int
    statements: int

    def to_json(self, document_id: int) -> dict[str, Any]:
        """The version as `history --json` prints it."""
        return {
            "document": document_id,
            "version": self.number,
            "created_at": self.created_at.isoformat(),
            "fetched_at": self.fetched_at.isoformat(),
            "title": self.title,
            "status": self.status,
            "measures": self.statements,
            "baseline": self.baseline,
        }


# ---------------------------------------------------------------- documents


def find_document(conn: sa.Connection, keys: Sequence[str]) -> StoredDocument | None:
    """The document that one of `keys` (see `identity.identity_keys`) names; an earlier key wins."""
    rows = conn.execute(_KEYS, {"keys": [short_key(k) for k in keys]}).all()
    owner = {row.key: row.document_id for row in rows}
    for key in keys:
        if short_key(key) in owner:
            return document_by_id(conn, owner[short_key(key)])
    return None


def document_by_id(conn: sa.Connection, id: int) -> StoredDocument | None:
    row = conn.execute(_DOCUMENT_BY_ID, {"wanted": id}).first()
    return StoredDocument(**row._mapping) if row else None


def create_document(
    conn: sa.Connection,
    keys: Sequence[str],
    *,
    source: str,
    url: str,
    document: Document,
    region: str | None,
    now: datetime,
) -> int:
    """A new document, found by `keys` from now on; its id. `url` is the address at which it is read."""
    row = {
        **_described(document),
        "source_id": source,
        "url": url,
        "region": region,
        "rank_on": document.published_on or now.astimezone(UTC).date(),
        "first_seen_at": now,
        "last_seen_at": now,
    }
    id = int(conn.execute(documents.insert().returning(documents.c.id), row).scalar_one())
    add_keys(conn, id, keys)
    return id


def add_keys(conn: sa.Connection, document_id: int, keys: Sequence[str]) -> None:
    """Let the document be found by these keys too. A key that names another document stays with that."""
    rows = [{"key": short_key(key), "document_id": document_id} for key in dict.fromkeys(keys)]
    if rows:
        conn.execute(insert_into(conn, document_keys).on_conflict_do_nothing(), rows)


def lock_document(conn: sa.Connection, document_id: int) -> None:
    """Keep other workers from adding a version to this document until the transaction ends."""
    conn.execute(_LOCK_DOCUMENT, {"wanted": document_id})


def touch(conn: sa.Connection, document_id: int, now: datetime) -> None:
    """The document was seen again, unchanged."""
    _TOUCH.run(conn, {"wanted": document_id, "last_seen_at": now})


def quiet_documents(conn: sa.Connection, page_ids: Sequence[int], reader: str) -> dict[int, int]:
    """Which of these pages need no more than a look while their bytes stay the same: page id → document id.

    The document is on its site and read at this address, its last good bytes were compared, by this reader, and it
    has no attachments that could have changed without the page.
    """
    found: dict[int, int] = {}
    for start in range(0, len(page_ids), 500):
        rows = conn.execute(_QUIET, {"ids": page_ids[start : start + 500]})
        found |= {row.page: row.document for row in rows if row.reader == reader}
    return found


def set_state(conn: sa.Connection, document_id: int, state: DocumentState) -> None:
    conn.execute(documents.update().where(documents.c.id == document_id).values(state=state))


def adopt(conn: sa.Connection, source: str, urls: Sequence[str]) -> None:
    """Watch the documents at these addresses for `source`, where theirs is not in the configuration any more."""
    retired = sa.select(sources.c.id).where(sources.c.next_due_at.is_(None))
    for start in range(0, len(urls), 500):
        listed = sa.select(pages.c.document_id).where(pages.c.url.in_(urls[start : start + 500]))
        orphans = sa.and_(documents.c.id.in_(listed), documents.c.source_id.in_(retired))
        conn.execute(documents.update().where(orphans).values(source_id=source))


def resolve(conn: sa.Connection, wanted: str) -> tuple[StoredDocument, ...]:
    """The documents that a person means by `wanted`: an id, an address, a 文号 or a 索引号.

    None, one, or several, where issuers share a number; white space and the kind of bracket do not matter.
    """
    wanted = wanted.strip()
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        found = document_by_id(conn, int(wanted))
        if found:
            return (found,)
    if "://" in wanted:
        return _documents_at(conn, wanted)
    number = short_key(normal_number(wanted))
    by_number = sa.select(documents.c.id).where(documents.c.normal_number == number)
    by_index = sa.select(document_keys.c.document_id).where(
        document_keys.c.key == short_key(f"index:{normal_number(wanted)}")
    )
    either = documents.c.id.in_(by_number.union(by_index))
    return _stored(conn, _DOCUMENTS.where(either).order_by(documents.c.id))


def list_documents(
    conn: sa.Connection,
    *,
    source: str | None = None,
    region: str | None = None,
    state: DocumentState | None = None,
    title: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[StoredDocument, ...]:
    """The documents to which all of the filters apply, the newest first. `title` is a part of the title."""
    order = (documents.c.rank_on.desc(), documents.c.id.desc())
    query = _DOCUMENTS.order_by(*order).limit(limit).offset(offset)
    for column, value in (("source_id", source), ("region", region), ("state", state)):
        if value is not None:
            query = query.where(documents.c[column] == value)
    if title:
        query = query.where(documents.c.title.contains(title, autoescape=True))
    return _stored(conn, query)


# ---------------------------------------------------------------- what documents declare ended


def set_repeals(conn: sa.Connection, document_id: int, declared: Sequence[Repeal]) -> None:
    """Keep what the document declares ended, in place of what it declared before."""
    conn.execute(repeals.delete().where(repeals.c.document_id == document_id))
    names = Repeal.__slots__
    rows = {_number_key(r.number): {name: getattr(r, name) for name in names} for r in declared}
    if rows:
        given = [{**row, "document_id": document_id, "normal_number": key} for key, row in rows.items()]
        conn.execute(repeals.insert(), given)


def repeals_of(conn: sa.Connection, number: str) -> list[tuple[int, Repeal]]:
    """Who declares that a 文号 is ended, as (document id, what it says): acts before tales, the latest first."""
    columns = (repeals.c[name] for name in Repeal.__slots__)
    query = sa.select(repeals.c.document_id, *columns).where(repeals.c.normal_number == _number_key(number))
    rows = conn.execute(query.order_by(repeals.c.own.desc(), repeals.c.document_id.desc()))
    return [(row.document_id, Repeal(**{name: row._mapping[name] for name in Repeal.__slots__})) for row in rows]


def with_number(conn: sa.Connection, number: str) -> tuple[StoredDocument, ...]:
    """The documents with this 文号, of whomever."""
    return _stored(conn, _DOCUMENTS.where(documents.c.normal_number == _number_key(number)).order_by(documents.c.id))


def repealed_by(conn: sa.Connection, document_id: int) -> tuple[StoredDocument, ...]:
    """The documents that this one ended."""
    return _stored(conn, _DOCUMENTS.where(documents.c.repealed_by == document_id).order_by(documents.c.id))


def set_repealed(conn: sa.Connection, document_id: int, by: int | None, on: date | None, ended: bool) -> None:
    """Say which document ended this one, from which day, and whether that has come; by None: it stands again."""
    values = {"repealed_by": by, "repealed_on": on, "ended": ended}
    conn.execute(documents.update().where(documents.c.id == document_id).values(values))


def let_repeals_hold(conn: sa.Connection, today: date) -> None:
    """End the documents whose end was declared for a day that has come."""
    # "> 0" and not "is not null", for which SQLite would look at every document.
    due = sa.and_(documents.c.repealed_by > 0, documents.c.ended.is_(False))
    conn.execute(documents.update().where(due, documents.c.repealed_on <= today).values(ended=True))


def _number_key(number: str) -> str:
    return short_key(normal_number(number))


# ---------------------------------------------------------------- versions


def latest_mark(conn: sa.Connection, document_id: int) -> VersionMark | None:
    """The latest version, without its text and statements: one indexed read."""
    row = conn.execute(_LATEST_MARK, {"wanted": document_id}).first()
    return VersionMark(**row._mapping) if row else None


def asked_parts(conn: sa.Connection, document_id: int) -> tuple[Attachment, ...]:
    """The files and further pages that the latest version was read from or asked for, without their texts."""
    row = conn.execute(_LATEST_PARTS, {"wanted": document_id}).first()
    parts = (_part(data) for data in (row.attachments if row else ()))
    return tuple(p for p in parts if p.sha256 or p.error or p.kind == "page")


def latest_version(conn: sa.Connection, document_id: int) -> StoredVersion | None:
    """The latest version with its text and statements, or None for a document that has none yet."""
    row = conn.execute(_LATEST_VERSION, {"wanted": document_id}).first()
    return _version(conn, row) if row else None


def version_by_number(conn: sa.Connection, document_id: int, number: int) -> StoredVersion | None:
    chosen = _VERSIONS.where(versions.c.document_id == document_id, versions.c.number == number)
    row = conn.execute(chosen).first()
    return _version(conn, row) if row else None


def version_by_id(conn: sa.Connection, id: int) -> StoredVersion | None:
    row = conn.execute(_VERSIONS.where(versions.c.id == id)).first()
    return _version(conn, row) if row else None


def add_version(
    conn: sa.Connection,
    document_id: int,
    reading: Reading,
    *,
    capture_id: int,
    now: datetime,
    baseline: bool = False,
) -> StoredVersion:
    """Append a version and make it the document's latest; what was stored."""
    lock_document(conn, document_id)
    before = latest_mark(conn, document_id)
    row = {
        **_read(conn, reading, before.text_sha256 if before else None),
        "document_id": document_id,
        "number": before.number + 1 if before else 1,
        "capture_id": capture_id,
        "created_at": now,
        "baseline": baseline,
    }
    id = int(conn.execute(versions.insert().returning(versions.c.id), row).scalar_one())
    if before:
        search.forget(conn, before.id)
    _describe(conn, document_id, reading.document, latest_version_id=id, versions=row["number"], last_seen_at=now)
    search.learn(conn, id)
    stored = _add_statements(conn, id, reading.measures, {})
    mark = VersionMark(id=id, **{name: row[name] for name in VersionMark.__slots__ if name != "id"})
    return StoredVersion(mark, reading.document, stored, dict(reading.attachment_captures))


def replace_reading(
    conn: sa.Connection, version_id: int, reading: Reading, capture_id: int | None = None
) -> StoredVersion:
    """Put a better reading of what a version says in place of the older one; what is stored now.

    It is a newer reader's of the same bytes, or comes from the bytes of `capture_id`, which are the version's from
    now on. A statement that the new reading has as well (same kind, subject and recipient, in order) keeps its
    thread.
    """
    version = version_by_id(conn, version_id)
    if version is None:
        raise LookupError(f"no version {version_id}")
    row = _read(conn, reading, version.mark.text_sha256) | {"capture_id": capture_id or version.mark.capture_id}
    search.forget(conn, version_id)
    conn.execute(versions.update().where(versions.c.id == version_id).values(row))
    search.learn(conn, version_id)
    latest = documents.c.latest_version_id == version_id
    if conn.execute(sa.select(documents.c.id).where(latest)).first():
        _describe(conn, version.mark.document_id, reading.document)
    conn.execute(statements.delete().where(statements.c.version_id == version_id))
    kept: dict[tuple[str, ...], list[str | None]] = {}
    for old in version.statements:
        kept.setdefault(_thread_key(old.measure), []).append(old.tracked_id)
    stored = _add_statements(conn, version_id, reading.measures, kept)
    mark = replace(
        version.mark,
        text_sha256=row["text_sha256"],
        fingerprint=reading.fingerprint,
        reader=reading.reader,
        capture_id=row["capture_id"],
    )
    return StoredVersion(mark, reading.document, stored, dict(reading.attachment_captures))


def baseline_documents(conn: sa.Connection) -> frozenset[int]:
    """The documents that were there at their source's first pass."""
    first = sa.select(versions.c.document_id).where(versions.c.number == 1, versions.c.baseline.is_(True))
    return frozenset(conn.execute(first).scalars())


def history(conn: sa.Connection, document_id: int) -> tuple[HistoryLine, ...]:
    """All versions of a document, oldest first."""
    count = (
        sa.select(sa.func.count()).where(statements.c.version_id == versions.c.id).correlate(versions).scalar_subquery()
    )
    names = ("id", "number", "created_at", "meta", "reader", "baseline", "capture_id")
    rows = conn.execute(
        sa.select(*(versions.c[name] for name in names), captures.c.fetched_at, count.label("statements"))
        .join(captures, captures.c.id == versions.c.capture_id)
        .where(versions.c.document_id == document_id)
        .order_by(versions.c.number)
    )
    return tuple(_history_line(row) for row in rows)


# ---------------------------------------------------------------- rows and records


def measure_of(row: sa.RowMapping) -> Measure:
    """The measure in a row of the table `statements`."""
    return Measure(
        kind=row["kind"],
        subject=row["subject"],
        figures=tuple(Figure.from_json(f) for f in row["figures"]),
        deadline=row["deadline"],
        recipient=row["recipient"],
        condition=row["condition"],
        bodies=tuple(row["bodies"]),
        sentence=row["sentence"],
    )


def _documents_at(conn: sa.Connection, url: str) -> tuple[StoredDocument, ...]:
    shown = sa.select(pages.c.document_id).where(pages.c.normal_url == normal_address(url))
    named = sa.select(document_keys.c.document_id).where(document_keys.c.key == short_key(f"url:{normal_address(url)}"))
    here = documents.c.id.in_(shown.union(named))
    return _stored(conn, _DOCUMENTS.where(here).order_by(documents.c.id))


def _stored(conn: sa.Connection, query: sa.Select[Any]) -> tuple[StoredDocument, ...]:
    return tuple(StoredDocument(**row._mapping) for row in conn.execute(query))


def _described(document: Document) -> dict[str, Any]:
    """The columns of `documents` that repeat the latest version's metadata."""
    number = document.doc_number
    return {
        "title": document.title,
        "doc_number": number,
        "normal_number": _number_key(number) if number else None,
        "index_number": document.index_number,
        "publisher": document.publisher,
        "published_on": document.published_on,
        "status": document.status,
    }


def _describe(conn: sa.Connection, document_id: int, document: Document, **more: Any) -> None:
    values = _described(document) | more
    if document.published_on:
        values["rank_on"] = document.published_on
    conn.execute(documents.update().where(documents.c.id == document_id).values(values))


_META = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")


def _read(conn: sa.Connection, reading: Reading, base: str | None) -> dict[str, Any]:
    """The columns of `versions` that a reading fills; the texts go to the archive."""
    meta = reading.document.to_json()
    text_sha = _put_text(conn, reading.document.text, base)
    return {
        "text_sha256": text_sha,
        "fingerprint": reading.fingerprint,
        "reader": reading.reader,
        "meta": {name: meta[name] for name in _META},
        "attachments": [
            {
                "name": a.name,
                "url": a.url,
                "capture_id": reading.attachment_captures.get(a.url),
                "sha256": a.sha256,
                # The version's text holds the attachment's, so this costs a few bytes.
                "text_sha256": None if a.text is None else _put_text(conn, a.text, text_sha),
                "error": a.error,
                "kind": a.kind,
            }
            for a in reading.document.attachments
        ],
    }


def _put_text(conn: sa.Connection, text: str, base: str | None) -> str:
    return put_blob(conn, storable(text).encode(), base)


def _add_statements(
    conn: sa.Connection,
    version_id: int,
    measures: Sequence[Measure],
    threads: dict[tuple[str, ...], list[str | None]],
) -> tuple[Statement, ...]:
    """Write the statements of a version; `threads` gives tracked ids by `_thread_key`, each used once."""
    if not measures:
        return ()
    tracked = [t.pop(0) if (t := threads.get(_thread_key(m))) else None for m in measures]
    rows = [
        {**_statement_row(m), "version_id": version_id, "position": i, "tracked_id": tracked[i]}
        for i, m in enumerate(measures)
    ]
    insert = statements.insert().returning(statements.c.id, sort_by_parameter_order=True)
    ids = conn.execute(insert, rows).scalars().all()
    return tuple(Statement(int(id), version_id, i, measures[i], tracked[i]) for i, id in enumerate(ids))


def _thread_key(measure: Measure) -> tuple[str, ...]:
    return (measure.kind, measure.subject, measure.recipient or "")


def _statement_row(measure: Measure) -> dict[str, Any]:
    return {
        "kind": measure.kind,
        "subject": measure.subject,
        "recipient": measure.recipient,
        "condition": measure.condition,
        "deadline": measure.deadline,
        "bodies": list(measure.bodies),
        "sentence": measure.sentence,
        "figures": [f.to_json() for f in measure.figures],
    }


def _version(conn: sa.Connection, row: AnyRow) -> StoredVersion:
    mark = VersionMark(**{name: row._mapping[name] for name in VersionMark.__slots__})
    found = conn.execute(_STATEMENTS, {"wanted": mark.id})
    stored = tuple(Statement(r.id, r.version_id, r.position, measure_of(r._mapping), r.tracked_id) for r in found)
    return StoredVersion(
        mark,
        _document(conn, row),
        stored,
        {a["url"]: a["capture_id"] for a in row.attachments if a["capture_id"] is not None},
    )


def _document(conn: sa.Connection, row: AnyRow) -> Document:
    meta = dict(row.meta)
    for name in ("published_on", "issued_on"):
        meta[name] = date.fromisoformat(meta[name]) if meta[name] else None
    text = get_blob(conn, row.text_sha256).decode()
    return Document(**meta, text=text, attachments=tuple(_attachment(conn, data) for data in row.attachments))


def _attachment(conn: sa.Connection, data: Mapping[str, Any]) -> Attachment:
    sha = data["text_sha256"]
    return replace(_part(data), text=None if sha is None else get_blob(conn, sha).decode())


def _part(data: Mapping[str, Any]) -> Attachment:
    return Attachment(
        name=data["name"],
        url=data["url"],
        sha256=data["sha256"],
        error=data["error"],
        kind=data.get("kind", "file"),
    )


def _history_line(row: AnyRow) -> HistoryLine:
    values = dict(row._mapping)
    meta = values.pop("meta")
    return HistoryLine(**values, title=meta["title"], status=meta["status"])


_DOCUMENTS = sa.select(
    *(
        documents.c.source_id.label("source") if name == "source" else documents.c[name]
        for name in StoredDocument.__slots__
    )
)
_DOCUMENT_BY_ID = _DOCUMENTS.where(documents.c.id == sa.bindparam("wanted"))
_LOCK_DOCUMENT = sa.select(documents.c.id).where(documents.c.id == sa.bindparam("wanted")).with_for_update()
_KEYS = sa.select(document_keys).where(document_keys.c.key.in_(sa.bindparam("keys", expanding=True)))
_MARK = tuple(versions.c[name] for name in VersionMark.__slots__)
_VERSIONS = sa.select(*_MARK, versions.c.meta, versions.c.attachments)
_OF_LATEST = sa.and_(documents.c.id == sa.bindparam("wanted"), documents.c.latest_version_id == versions.c.id)
_ONE_DOCUMENT = documents.update().where(documents.c.id == sa.bindparam("wanted"))
_TOUCH = Prepared(_ONE_DOCUMENT.values(last_seen_at=sa.bindparam("last_seen_at")))
# Who read them is not asked for here: SQLite would begin with the index on readers, and look at the whole archive.
_QUIET = (
    sa.select(pages.c.id.label("page"), documents.c.id.label("document"), versions.c.reader)
    .join(documents, sa.and_(documents.c.id == pages.c.document_id, documents.c.url == pages.c.url))
    .join(versions, versions.c.id == documents.c.latest_version_id)
    .where(
        pages.c.id.in_(sa.bindparam("ids", expanding=True)),
        pages.c.settled_sha256 == pages.c.last_sha256,
        documents.c.state == "live",
        sa.cast(versions.c.attachments, sa.Text) == "[]",
    )
)
_LATEST_MARK = sa.select(*_MARK).join(documents, _OF_LATEST)
_LATEST_PARTS = sa.select(versions.c.attachments).join(documents, _OF_LATEST)
_LATEST_VERSION = _VERSIONS.join(documents, _OF_LATEST)
_STATEMENTS = (
    sa.select(statements).where(statements.c.version_id == sa.bindparam("wanted")).order_by(statements.c.position)
)
