"""The archive as a whole: its size, its soundness, its moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from stock import add_document, event, fill, measure, reading

from storage import documents, events, upkeep
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.tables import blobs, captures


def test_size_is_told(database: Database) -> None:
    with database.begin() as conn:
        assert upkeep.stats(conn).bytes_kept == 0
        fill(conn)
        found = upkeep.stats(conn)
    assert found.rows["documents"] == found.rows["versions"] == 1 and found.rows["leases"] == 0
    assert found.bytes_as_they_were >= found.bytes_kept > 0


def test_faults_are_told_by_name(database: Database) -> None:
    with database.begin() as conn:
        fill(conn)
        assert list(upkeep.faults(conn)) == []
        conn.execute(blobs.update().values(data=b"5000", encoding="raw"))
        conn.execute(captures.update().values(status=500))
        told = list(upkeep.faults(conn))
    assert sum("is damaged" in line for line in told) == 3
    assert told[-1] == "source mzj: capture 1 was changed"


def test_an_archive_moves_there_and_back(database: Database, tmp_path: Path) -> None:
    with database.begin() as conn:
        fill(conn)
        for n in range(3):  # deltas of each other
            text = "给予补贴。" * 300 + str(n)
            add_document(
                conn,
                reading(measure(n), text=text, doc_number=None, index_number=None),
                f"https://mzj.example.gov.cn/{n}",
            )
    other = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    copied = upkeep.copy_archive(database, other)
    with database.read() as conn, other.read() as copy:
        assert copied == upkeep.stats(conn).rows == upkeep.stats(copy).rows
        for id in range(1, 5):
            assert documents.latest_version(copy, id) == documents.latest_version(conn, id)
            assert documents.document_by_id(copy, id) == documents.document_by_id(conn, id)
        assert list(events.events_since(copy)) == list(events.events_since(conn))
    with pytest.raises(StorageError, match="not empty"):
        upkeep.copy_archive(other, database)
    other.close()


def test_a_copy_goes_on_counting(sqlite_url: str, postgresql_url: str) -> None:
    origin, target = open_database(sqlite_url), open_database(postgresql_url)
    with origin.begin() as conn:
        fill(conn)
    upkeep.copy_archive(origin, target)
    with target.begin() as conn:
        assert [e.id for e in events.record_events(conn, [event("next")])] == [2]
    origin.close()
    target.close()


def test_a_damaged_archive_is_not_copied(sqlite_url: str, tmp_path: Path) -> None:
    origin, target = open_database(sqlite_url), open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    with origin.begin() as conn:
        fill(conn)
        conn.execute(captures.update().values(status=500))
    with pytest.raises(StorageError, match="nothing was copied: source mzj"):
        upkeep.copy_archive(origin, target)
    with target.read() as conn:
        assert not any(upkeep.stats(conn).rows.values())
    origin.close()
    target.close()
