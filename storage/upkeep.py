"""Looking after a whole archive: how big it is, whether it is sound, and moving it to another database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage import search
from storage.archive import unsound
from storage.captures import broken_links
from storage.database import Database
from storage.errors import StorageError
from storage.tables import blobs, captures, documents, metadata, pages, sources, versions

Tell = Callable[[int], None]  # hears how many more rows or bodies are done

_CHUNK = 500  # rows read and written at a time


class NotEmptyError(StorageError):
    """The database that was to take a copy holds something already."""


# --- size --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bodies:
    """Distinct bodies of one kind: how many, their bytes as they were and as they are kept, how many were pruned."""

    count: int
    bytes: int
    kept: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Rows per table; bodies by kind ("text" is what was read out of the others); bytes of the whole database.

    `answers` are the captures that name a body. `file_bytes` is what the database takes on its disk, `free_bytes`
    the part of it that waits to be used again (unknown to PostgreSQL: 0).
    """

    rows: dict[str, int]
    bodies: dict[str, Bodies]
    answers: int
    answered_bodies: int
    file_bytes: int
    free_bytes: int

    @property
    def bytes_as_they_were(self) -> int:
        return sum(b.bytes for b in self.bodies.values())

    @property
    def bytes_kept(self) -> int:
        return sum(b.kept for b in self.bodies.values())

    @property
    def bytes_per_version(self) -> float | None:
        """Kept bytes of texts, pages and files, for each version."""
        kept = sum(b.kept for kind, b in self.bodies.items() if kind not in ("list", "api", "failed"))
        return kept / self.rows["versions"] if self.rows["versions"] else None

    @property
    def repeated(self) -> float | None:
        """The share of answers whose bytes were known already, 0 to 1."""
        return 1 - self.answered_bodies / self.answers if self.answers else None


def stats(conn: sa.Connection) -> Stats:
    named = sa.select(sa.func.count(captures.c.sha256), sa.func.count(sa.distinct(captures.c.sha256)))
    answers, distinct = conn.execute(named).one()
    return Stats(_rows(conn), _bodies(conn), int(answers), int(distinct), *_room(conn))


def _rows(conn: sa.Connection) -> dict[str, int]:
    return {
        table.name: int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in metadata.sorted_tables
    }


def _bodies(conn: sa.Connection) -> dict[str, Bodies]:
    failed = captures.c.outcome.not_in(("ok", "not_modified"))
    kind = sa.func.coalesce(sa.func.min(sa.case((failed, None), else_=pages.c.kind)), "failed").label("kind")
    owner = (
        sa.select(captures.c.sha256, kind)
        .join(pages, pages.c.id == captures.c.page_id)
        .where(captures.c.sha256.is_not(None))
        .group_by(captures.c.sha256)
        .subquery()
    )
    name = sa.func.coalesce(owner.c.kind, "text").label("name")
    kept = sa.func.sum(sa.func.length(blobs.c.data))
    pruned = sa.func.sum(sa.case((blobs.c.encoding == "pruned", 1), else_=0))
    query = (
        sa.select(name, sa.func.count(), sa.func.sum(blobs.c.size), kept, pruned)
        .select_from(blobs.outerjoin(owner, owner.c.sha256 == blobs.c.sha256))
        .group_by(name)
        .order_by(name)
    )
    return {row[0]: Bodies(*map(int, row[1:])) for row in conn.execute(query)}


def _room(conn: sa.Connection) -> tuple[int, int]:
    if conn.dialect.name == "postgresql":
        return int(conn.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()), 0
    page, used, free = (
        int(conn.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    return page * used, page * free


# --- soundness ---------------------------------------------------------------------------------------------------


def faults(conn: sa.Connection, tell: Tell = lambda _: None) -> Iterator[str]:
    """What is wrong in the archive, one line each; reads everything, and nothing comes where all is well.

    `tell` hears of each body that was unpacked and compared with its hash.
    """
    for check in (_damaged_file, lambda c: _damaged_bodies(c, tell), _broken_chains, _dangling, _faulty_versions):
        try:
            yield from check(conn)
        except (ValueError, TypeError, KeyError) as error:  # what stands in a row is not what was written there
            yield f"a row cannot be read ({error}); restore it from a backup"


def _damaged_file(conn: sa.Connection) -> Iterator[str]:
    if conn.dialect.name == "sqlite":
        found = conn.exec_driver_sql("PRAGMA quick_check").scalars().all()
        yield from (f"the file is damaged: {line}" for line in found if line != "ok")


def _damaged_bodies(conn: sa.Connection, tell: Tell) -> Iterator[str]:
    for _, fault in unsound(conn):
        tell(1)
        if fault:
            yield fault


def _broken_chains(conn: sa.Connection) -> Iterator[str]:
    for source, ids in broken_links(conn).items():
        for id_ in ids:
            what = f"capture {id_} was changed, or one before it removed" if id_ else "its last captures are missing"
            yield f"source {source}: {what}"


#: Columns that point at rows which are written after their own, and hence have no foreign key.
_POINTERS = (
    (pages.c.last_capture_id, captures.c.id),
    (pages.c.last_sha256, blobs.c.sha256),
    (documents.c.latest_version_id, versions.c.id),
    (documents.c.repealed_by, documents.c.id),
)


def _dangling(conn: sa.Connection) -> Iterator[str]:
    """Rows that refer to rows which are not there: a database opened without its constraints permits it."""
    keys = [(key.parent, key.column) for table in metadata.sorted_tables for key in table.foreign_keys]
    for column, wanted in (*keys, *_POINTERS):
        other = wanted.table.alias()
        lost = other.c[wanted.name].is_(None)
        join = column.table.outerjoin(other, other.c[wanted.name] == column)
        row = sa.func.coalesce(*(sa.cast(key, sa.Text) for key in column.table.primary_key), "")
        for found in conn.execute(sa.select(row, column).select_from(join).where(column.is_not(None), lost)):
            yield f"{column.table.name} {found[0]}: {column.name} names {found[1]}, which is not there"


def _faulty_versions(conn: sa.Connection) -> Iterator[str]:
    """Versions that are missing in their row of numbers, or whose words or files are not kept any more."""
    last = sa.func.max(versions.c.number)
    counted = sa.select(versions.c.document_id, last.label("last"), sa.func.count().label("count"))
    for row in conn.execute(counted.group_by(versions.c.document_id).having(last != sa.func.count())):
        yield f"document {row.document_id}: {row.last - row.count} of its {row.last} versions missing"
    none = documents.c.latest_version_id.is_(None)
    for id_ in conn.execute(sa.select(documents.c.id).where(none)).scalars():
        yield f"document {id_}: has no version"
    latest = versions.alias()
    newer = latest.c.number > versions.c.number
    behind = (
        sa.select(documents.c.id)
        .distinct()
        .join(versions, versions.c.id == documents.c.latest_version_id)
        .join(latest, sa.and_(latest.c.document_id == documents.c.id, newer))
    )
    for id_ in conn.execute(behind).scalars():
        yield f"document {id_}: its latest version is not the one that it names"
    yield from _lost_words(conn)


def _lost_words(conn: sa.Connection) -> Iterator[str]:
    gone = set(conn.execute(sa.select(blobs.c.sha256).where(blobs.c.encoding == "pruned")).scalars())
    known = sa.select(blobs.c.sha256)
    held = sa.select(captures.c.id)
    columns = (versions.c[name] for name in ("document_id", "number", "text_sha256", "attachments"))
    for row in conn.execute(sa.select(*columns).order_by(versions.c.id).execution_options(yield_per=_CHUNK)):
        name = f"document {row.document_id}, version {row.number}"
        texts = [row.text_sha256, *(a["text_sha256"] for a in row.attachments if a["text_sha256"])]
        for sha in texts:
            if sha in gone or not conn.execute(known.where(blobs.c.sha256 == sha)).first():
                yield f"{name}: its text {sha} is not there"
        for file in row.attachments:
            id_ = file["capture_id"]
            if id_ is not None and not conn.execute(held.where(captures.c.id == id_)).first():
                yield f"{name}: capture {id_} of its file {file['name']} is not there"


def chain_heads(conn: sa.Connection) -> dict[str, str]:
    """The end of each source's chain: who keeps these elsewhere can prove later that nothing before was rewritten."""
    ends = sa.select(sources.c.id, sources.c.chain).where(sources.c.chain.is_not(None)).order_by(sources.c.id)
    return {row.id: row.chain for row in conn.execute(ends)}


# --- moving ------------------------------------------------------------------------------------------------------


def copy_archive(origin: Database, target: Database, tell: Tell = lambda _: None) -> dict[str, int]:
    """Copy all rows into the empty database `target`, in one transaction; rows per table.

    Before it is committed, the rows are read back and compared by hash, and the whole is searched for faults.
    `tell` hears of each row that was written or read back and of each body that was verified. Raises NotEmptyError, or
    StorageError where a fault is found; then `target` is as it was.
    """
    with origin.read() as source, target.begin() as sink:
        if any(_rows(sink).values()):
            raise NotEmptyError(f"{target.where}: not empty; copy into a new database")
        copied = {table.name: _copy(source, sink, table, tell) for table in metadata.sorted_tables}
        for table in metadata.sorted_tables:
            _, written = copied[table.name]
            if _digest(sink, table, tell) != written:
                raise StorageError(f"{target.where}: nothing was copied: {table.name} does not read back as written")
        found = next(faults(sink, tell), None)
        if found:
            raise StorageError(f"{target.where}: nothing was copied: {found}")
        search.rebuild(sink)
        return {name: count for name, (count, _) in copied.items()}


def work_of_copying(conn: sa.Connection) -> int:
    """How often `copy_archive` will call its `tell`, in all."""
    pruned = conn.execute(sa.select(sa.func.count()).where(blobs.c.encoding == "pruned")).scalar_one()
    rows = _rows(conn)
    return 2 * sum(rows.values()) + rows["blobs"] - int(pruned)


def _columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.c if column.computed is None]


def _in_order(conn: sa.Connection, table: sa.Table) -> Iterator[Sequence[Any]]:
    # A delta comes after what it builds on, and every other table after those that it refers to.
    order = [*([blobs.c.depth] if table is blobs else []), *table.primary_key]
    query = sa.select(*_columns(table)).execution_options(yield_per=_CHUNK)
    # Databases sort text in different ways; rows are compared in the order of their bytes.
    words = (sa.collate(c, "C" if conn.dialect.name == "postgresql" else "BINARY") if _is_text(c) else c for c in order)
    yield from conn.execute(query.order_by(*words)).partitions(_CHUNK)


def _is_text(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.String) or isinstance(getattr(column.type, "impl", None), sa.String)


def _copy(source: sa.Connection, sink: sa.Connection, table: sa.Table, tell: Tell) -> tuple[int, str]:
    count, summed = 0, hashlib.sha256()
    for part in _in_order(source, table):
        sink.execute(table.insert(), [dict(row._mapping) for row in part])
        for row in part:
            summed.update(_row_bytes(row))
        count += len(part)
        tell(len(part))
    if sink.dialect.name == "postgresql" and "id" in table.c and isinstance(table.c.id.type, type(pages.c.id.type)):
        _go_on_counting(sink, table)
    return count, summed.hexdigest()


def _digest(conn: sa.Connection, table: sa.Table, tell: Tell) -> str:
    summed = hashlib.sha256()
    for part in _in_order(conn, table):
        for row in part:
            summed.update(_row_bytes(row))
        tell(len(part))
    return summed.hexdigest()


def _row_bytes(row: Any) -> bytes:
    return json.dumps(list(row), sort_keys=True, default=_comparable).encode()


def _comparable(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value.isoformat())


def _go_on_counting(conn: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL's sequence does not see ids that are given, and would hand them out again."""
    sequence: Any = sa.func.pg_get_serial_sequence(table.name, "id")
    last = sa.select(sa.func.max(table.c.id)).scalar_subquery()
    conn.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None))))
