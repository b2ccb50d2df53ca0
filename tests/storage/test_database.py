"""Opening, transactions, and what an operator is told when the database cannot."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from stock import NOW, URL, add_source, capture

from storage import archive, captures, database, migrations, sources
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.tables import blobs
from storage.tables import captures as capture_table
from storage.tables import sources as source_table


def test_a_file_is_made_and_a_missing_folder_is_told(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/c.db").close()
    assert (tmp_path / "c.db").exists()
    with pytest.raises(StorageError, match=f"{tmp_path}/a/b: there is no such folder"):
        open_database(f"sqlite:///{tmp_path}/a/b/c.db")
    assert not (tmp_path / "a").exists()


def test_an_archive_that_was_not_begun_is_empty() -> None:
    with closing(database.empty_database()) as db, db.read() as conn:
        assert sources.source_states(conn) == []
        assert conn.execute(sa.select(sa.func.count()).select_from(blobs)).scalar() == 0


def test_sqlite_is_set_up_for_safety(sqlite_url: str) -> None:
    with closing(open_database(sqlite_url)) as db, db.begin() as conn:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", 2, 1, int(database.BUSY_SECONDS * 1000)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("pledgewatch.db", "no database URL"),
        ("mysql://root@localhost/x", "only sqlite and postgresql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("postgresql://nobody@127.0.0.1:1/none", "does not answer"),
    ],
)
def test_a_url_that_leads_nowhere(url: str, said: str) -> None:
    with pytest.raises(StorageError, match=said):
        open_database(url)


def test_a_password_is_not_told() -> None:
    with pytest.raises(StorageError) as caught:
        open_database("postgresql://nobody:hush@127.0.0.1:1/none")
    assert "hush" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear reader, " * 200)
    with pytest.raises(StorageError, match=r"letter\.db.*something else"):
        open_database(f"sqlite:///{path}")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(StorageError, match=r"x\.db.*check that the folder"):
        open_database(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StorageError, match="another folder"):
        open_database(f"sqlite:///{tmp_path / 'data' / 'x.db'}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written(sqlite_url: str) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).chmod(0o400)
    with (
        closing(open_database(sqlite_url)) as db,
        pytest.raises(StorageError, match="owner and mode"),
        db.begin() as conn,
    ):
        add_source(conn)


def test_a_newer_schema_is_refused(database_url: str) -> None:
    with closing(open_database(database_url)) as db, db.begin() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match=r"newer Pledgewatch \(schema 9999"):
        open_database(database_url)


def test_a_locked_file_says_so(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    path = sqlite_url.removeprefix("sqlite:///")
    with closing(open_database(sqlite_url)) as db, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another program is writing"), db.begin() as conn:
            add_source(conn)
        other.rollback()
        with db.begin() as conn:
            add_source(conn)


def test_a_full_disk_leaves_nothing_by_half(sqlite_url: str) -> None:
    with closing(open_database(sqlite_url)) as db:
        with db.begin() as conn:
            add_source(conn)
            page = captures.page_for(conn, URL, "mzj", "document")
            used = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
            conn.exec_driver_sql(f"PRAGMA max_page_count = {used + 20}")
        stored = 0
        with pytest.raises(StorageError, match="make room"):
            for number in range(1000):
                with db.begin() as conn:
                    captures.record_capture(conn, page, capture(os.urandom(5000)))
                stored = number + 1
        with db.begin() as conn:
            count = conn.execute(sa.select(sa.func.count()).select_from(capture_table)).scalar_one()
            kept = conn.execute(sa.select(blobs.c.sha256)).scalars().all()
            assert 0 < stored == count == len(kept)
            assert captures.broken_links(conn) == {}
            assert all(archive.get_blob(conn, sha) for sha in kept)
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            conn.exec_driver_sql("PRAGMA max_page_count = 1000000")
            captures.record_capture(conn, page, capture(os.urandom(5000)))


def test_an_exception_takes_everything_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.begin() as conn:
        add_source(conn)
        raise ZeroDivisionError
    with database.read() as conn:
        assert sources.source_states(conn) == []


def test_reading_does_not_write(database: Database) -> None:
    with pytest.raises(StorageError), database.read() as conn:
        add_source(conn)
    with database.begin() as conn:  # the connection that refused is in the pool again, and writes
        add_source(conn)


def test_a_reader_sees_one_state(database: Database) -> None:
    with database.read() as conn:
        assert sources.source_states(conn) == []
        with database.begin() as other:
            add_source(other)
        assert sources.source_states(conn) == []
    with database.read() as conn:
        assert len(sources.source_states(conn)) == 1


def test_a_mistake_of_ours_is_not_dressed_up(database: Database) -> None:
    with pytest.raises(exc.IntegrityError), database.begin() as conn:
        captures.page_for(conn, URL, "unknown source", "document")


def test_times_must_have_a_zone(database: Database) -> None:
    with pytest.raises(exc.StatementError, match="without a zone"), database.begin() as conn:
        sources.sync_sources(conn, {"a": "https://a/"}, NOW.replace(tzinfo=None))


def test_what_no_database_can_hold_is_replaced(database: Database) -> None:
    with database.begin() as conn:
        sources.sync_sources(conn, {"a": "https://a/\0\ud800中"}, NOW)
        assert conn.execute(sa.select(source_table.c.url)).scalar() == "https://a/��中"


def test_opening_twice_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        with closing(open_database(database_url)) as db, db.read() as conn:
            assert migrations.revision(conn) == migrations.HEAD


@pytest.mark.parametrize("rested", [True, False])
def test_a_connection_that_the_server_ended_is_noticed(
    postgresql_url: str, rested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a rest before anything is asked of it; without one, by one transaction that fails."""
    monkeypatch.setattr("storage.database.REST_SECONDS", -1.0 if rested else 3600.0)
    with closing(open_database(postgresql_url)) as ours, closing(open_database(postgresql_url)) as other:
        with ours.read() as conn:
            pid = conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        with other.begin() as conn:
            conn.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        if not rested:
            with pytest.raises(StorageError), ours.read() as conn:
                conn.execute(sa.text("SELECT 1"))
        with ours.read() as conn:
            assert conn.execute(sa.text("SELECT pg_backend_pid()")).scalar_one() != pid
