"""Looking after a whole archive: how big it is, whether it is sound, and moving it to another database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.archive import get_blob
from storage.captures import broken_links
from storage.database import Database
from storage.errors import StorageError
from storage.tables import blobs, metadata, pages

_CHUNK = 500  # rows read and written at a time


@dataclass(frozen=True, slots=True)
class Stats:
    """Rows per table; bytes of all bodies as they were, and as they are kept."""

    rows: dict[str, int]
    bytes_as_they_were: int
    bytes_kept: int


def stats(conn: sa.Connection) -> Stats:
    rows = {
        table.name: int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in metadata.sorted_tables
    }
    kept = sa.func.coalesce(sa.func.sum(sa.func.length(blobs.c.data)), 0)
    sizes = conn.execute(sa.select(sa.func.coalesce(sa.func.sum(blobs.c.size), 0), kept)).one()
    return Stats(rows, int(sizes[0]), int(sizes[1]))


def faults(conn: sa.Connection) -> Iterator[str]:
    """What is wrong in the archive, one line each: bodies that do not match their hash, captures whose chain
    is broken. Reads everything; nothing comes where all is well."""
    for sha in conn.execute(sa.select(blobs.c.sha256).where(blobs.c.encoding != "pruned")).scalars().all():
        try:
            get_blob(conn, sha)
        except StorageError as error:
            yield str(error)
    for source, ids in broken_links(conn).items():
        for id in ids:
            yield f"source {source}: {f'capture {id} was changed' if id else 'its last captures are missing'}"


def copy_archive(origin: Database, target: Database) -> dict[str, int]:
    """Copy all rows into the empty database `target`, in one transaction; rows per table.

    Verified by hash before it is committed. Raises StorageError where `target` is not empty or a fault is found.
    """
    with origin.read() as source, target.begin() as sink:
        if any(stats(sink).rows.values()):
            raise StorageError(f"{target.where}: not empty; copy into a new database")
        copied = {table.name: _copy(source, sink, table) for table in metadata.sorted_tables}
        found = next(faults(sink), None)
        if found:
            raise StorageError(f"{target.where}: nothing was copied: {found}")
        return copied


def _copy(source: sa.Connection, sink: sa.Connection, table: sa.Table) -> int:
    # A delta comes after what it builds on, and every other table after those that it refers to.
    order = [blobs.c.depth] if table is blobs else list(table.primary_key)
    count = 0
    rows = source.execute(sa.select(table).order_by(*order).execution_options(yield_per=_CHUNK))
    for part in rows.mappings().partitions(_CHUNK):
        sink.execute(table.insert(), [dict(row) for row in part])
        count += len(part)
    if sink.dialect.name == "postgresql" and "id" in table.c and isinstance(table.c.id.type, type(pages.c.id.type)):
        _go_on_counting(sink, table)
    return count


def _go_on_counting(conn: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL's sequence does not see ids that are given, and would hand them out again."""
    sequence: Any = sa.func.pg_get_serial_sequence(table.name, "id")
    last = sa.select(sa.func.max(table.c.id)).scalar_subquery()
    conn.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None))))
