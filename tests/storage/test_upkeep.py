"""The archive as a whole: its size, its soundness, its moves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from stock import NOW, add_document, add_source, capture, event, fill, fill_everything, measure, reading

from storage import captures, documents, events, search, tables, upkeep
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.tables import blobs


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
        conn.execute(tables.captures.update().values(status=500))
        told = list(upkeep.faults(conn))
    assert sum("is damaged" in line for line in told) == 3
    assert told[-1] == "source mzj: capture 1 was changed, or one before it removed"


def several(conn: sa.Connection) -> None:
    """Two sources, five captures in each, three versions of one document."""
    fill(conn)
    add_source(conn, "other")
    for source in ("mzj", "other"):
        url = f"https://{source}.example.gov.cn/x"
        for n in range(5):
            page = captures.page_for(conn, url, source, "document")
            id_ = captures.record_capture(conn, page, capture(f"<p>{'养老' * 200}{n}</p>".encode(), url))
    for n in range(2):
        documents.add_version(conn, 1, reading(measure(6000 + n), text=f"给予{n}元"), capture_id=id_, now=NOW)


def _swap_chains(conn: sa.Connection) -> None:
    one, other = conn.execute(sa.select(tables.captures.c.chain).order_by(tables.captures.c.id).limit(2)).scalars()
    for id_, chain in ((1, other), (2, one)):
        conn.execute(tables.captures.update().where(tables.captures.c.id == id_).values(chain=chain))


def _one_byte(conn: sa.Connection) -> None:
    row = conn.execute(sa.select(tables.blobs).where(tables.blobs.c.encoding == "delta").limit(1)).one()
    data = bytes(row.data)
    spoiled = data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]
    conn.execute(tables.blobs.update().where(tables.blobs.c.sha256 == row.sha256).values(data=spoiled))


def _statement(sql: str) -> Callable[[sa.Connection], object]:
    return lambda conn: conn.execute(sa.text(sql))


TAMPERINGS: dict[str, tuple[Callable[[sa.Connection], object], str]] = {
    "byte": (_one_byte, "is damaged"),
    "removed capture": (_statement("DELETE FROM captures WHERE id = 3"), "capture 4 was changed, or one before it"),
    "removed last capture": (_statement("DELETE FROM captures WHERE id = 6"), "source mzj: its last captures"),
    "header": (_statement('UPDATE captures SET headers = \'{"ETag": "v2"}\' WHERE id = 2'), "mzj: capture 2 was"),
    "no JSON": (_statement("UPDATE captures SET headers = '{}' || '{' WHERE id = 2"), "a row cannot be read"),
    "time": (
        _statement("UPDATE captures SET fetched_at = '2020-01-01T00:00:00.000000+00:00' WHERE id = 4"),
        "capture 4",
    ),
    "swapped chains": (_swap_chains, "capture 1 was changed"),
    "swapped heads": (_statement("UPDATE sources SET chain = (SELECT max(chain) FROM sources)"), "last captures"),
    "moved to another source": (_statement("UPDATE captures SET source_id = 'other' WHERE id = 4"), "capture 5 was"),
    "bytes of another": (_statement("UPDATE captures SET sha256 = (SELECT max(sha256) FROM blobs)"), "was changed"),
    "removed body": (_statement("DELETE FROM blobs WHERE encoding = 'delta'"), "which is not there"),
    "turned base": (_statement("UPDATE blobs SET base_sha256 = sha256 WHERE encoding = 'delta'"), "builds on bytes"),
    "size": (_statement("UPDATE blobs SET size = size + 1"), "is damaged"),
    "encoding": (_statement("UPDATE blobs SET encoding = 'zip' WHERE encoding = 'delta'"), "in a way that nobody"),
    "pruned text": (_statement("UPDATE blobs SET encoding = 'pruned'"), "document 1, version 1: its text"),
    "removed version": (_statement("DELETE FROM versions WHERE number = 2"), "document 1: 1 of its 3 versions missing"),
    "set back": (_statement("UPDATE documents SET latest_version_id = 1"), "its latest version is not the one"),
    "no document": (_statement("DELETE FROM documents"), "versions 1: document_id names 1, which is not there"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_every_tampering_is_found(database: Database, name: str) -> None:
    tamper, told = TAMPERINGS[name]
    with database.begin() as conn:
        several(conn)
        assert list(upkeep.faults(conn)) == []
    _without_constraints(database, tamper, name)
    with database.read() as conn:
        found = list(upkeep.faults(conn))
    assert any(told in line for line in found), found


def _without_constraints(database: Database, tamper: Callable[[sa.Connection], object], name: str) -> None:
    """As somebody does it who opens the database with a tool of his own."""
    if database.dialect == "sqlite":
        engine = sa.create_engine(database.engine.url)
        with engine.begin() as conn:
            tamper(conn)
        engine.dispose()
        return
    if name == "no JSON":
        pytest.skip("PostgreSQL takes no broken JSON")
    with database.begin() as conn:
        conn.execute(sa.text("SET LOCAL session_replication_role = replica"))
        tamper(conn)


def test_an_archive_moves_there_and_back(database: Database, tmp_path: Path) -> None:
    with database.begin() as conn:
        fill_everything(conn)
        for n in range(3):  # deltas of each other
            text = "给予补贴。" * 300 + str(n)
            add_document(
                conn,
                reading(measure(n), text=text, doc_number=None, index_number=None),
                f"https://mzj.example.gov.cn/{n}",
            )
    other = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    steps: list[int] = []
    copied = upkeep.copy_archive(database, other, steps.append)
    with database.read() as conn:
        assert sum(steps) == upkeep.work_of_copying(conn)
    with database.read() as conn, other.read() as copy:
        assert copied == upkeep.stats(conn).rows == upkeep.stats(copy).rows
        for id in range(1, 5):
            assert documents.latest_version(copy, id) == documents.latest_version(conn, id)
            assert documents.document_by_id(copy, id) == documents.document_by_id(conn, id)
        assert list(events.events_since(copy)) == list(events.events_since(conn))
        found = sa.select(tables.documents.c.id).where(search.found_in(copy, search.words_of("养老机构补贴")))
        assert len(copy.execute(found).all()) == 4
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


def test_a_row_that_changes_on_its_way_is_noticed(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, target = open_database(sqlite_url), open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    with origin.begin() as conn:
        fill(conn)
    with target.begin() as conn:
        conn.execute(
            sa.text("CREATE TRIGGER spoil AFTER INSERT ON statements BEGIN UPDATE statements SET subject = 'x'; END")
        )
    with pytest.raises(StorageError, match="nothing was copied: statements does not read back"):
        upkeep.copy_archive(origin, target)
    with target.read() as conn:
        assert not any(upkeep.stats(conn).rows.values())
    origin.close()
    target.close()


def test_a_damaged_archive_is_not_copied(sqlite_url: str, tmp_path: Path) -> None:
    origin, target = open_database(sqlite_url), open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    with origin.begin() as conn:
        fill(conn)
        conn.execute(tables.captures.update().values(status=500))
    with pytest.raises(StorageError, match="nothing was copied: source mzj"):
        upkeep.copy_archive(origin, target)
    with target.read() as conn:
        assert not any(upkeep.stats(conn).rows.values())
    origin.close()
    target.close()
