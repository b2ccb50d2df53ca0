"""The migrations build the tables that the code speaks of, there and back, on both databases."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Thread

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from stock import NOW, fill_everything

from storage import documents, migrations, upkeep
from storage.database import Database, make_engine, open_database
from storage.tables import metadata


def history() -> list[str]:
    """The revisions, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return [s.revision for s in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as conn:
        tables = sa.inspect(conn).get_table_names()
        return {t: conn.execute(sa.select(sa.func.count()).select_from(sa.table(t))).scalar_one() for t in tables}


def test_head_is_the_newest_revision() -> None:
    assert history()[-1] == migrations.HEAD


def test_the_migrations_build_the_tables_of_the_code(empty_url: str) -> None:
    engine = make_engine(empty_url)
    migrations.upgrade(engine)
    with engine.connect() as conn:
        # The index of words is no table of the code's: each database has one of its own kind.
        context = MigrationContext.configure(conn, opts={"include_name": lambda name, *_: "search" not in str(name)})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_indexes_are_those_of_the_code(empty_url: str) -> None:
    engine = make_engine(empty_url)
    migrations.upgrade(engine)
    with engine.connect() as conn:
        inspector = sa.inspect(conn)
        built = {(t, i["name"]) for t in metadata.tables for i in inspector.get_indexes(t)}
    unique = {(t, name) for t, name in built if str(name).startswith("uq_")}  # PostgreSQL lists these too
    assert built - unique == {(t.name, i.name) for t in metadata.tables.values() for i in t.indexes}
    engine.dispose()


def test_down_and_up_again_with_rows_in_every_table(empty_url: str) -> None:
    """Step by step: what a step does not take with its table stays, on the way down and up again."""
    with closing(open_database(empty_url)) as db:
        with db.begin() as conn:
            fill_everything(conn)
        filled = counts(db.engine)
        assert {name for name, rows in filled.items() if not rows} == set()
        assert set(metadata.tables) <= set(filled)
        steps = history()
        for revision in steps[:-1][::-1]:
            migrations.downgrade(db.engine, revision)
            left = counts(db.engine)
            assert left == {name: filled[name] for name in left}
        for revision in steps[1:]:
            migrations.upgrade(db.engine, revision)
            again = counts(db.engine)
            assert {name: again[name] for name in left} == left
        with db.read() as conn:
            assert list(upkeep.faults(conn)) == []
        migrations.downgrade(db.engine, "base")
        assert set(counts(db.engine)) == {"alembic_version"}
        migrations.upgrade(db.engine)
        with db.begin() as conn:
            fill_everything(conn)
        assert counts(db.engine) == filled


def test_documents_of_an_older_archive_are_ended_by_none(empty_url: str) -> None:
    with closing(open_database(empty_url)) as db:
        with db.begin() as conn:
            fill_everything(conn)
            documents.set_repealed(conn, 1, 1, NOW.date(), True)
        migrations.downgrade(db.engine, "0007")
        migrations.upgrade(db.engine)
        with db.read() as conn:
            found = documents.document_by_id(conn, 1)
        assert found is not None
        assert (found.repealed_by, found.repealed_on, found.ended, found.standing) == (None, None, False, True)


def test_an_upgrade_that_fails_leaves_the_old_schema(empty_url: str) -> None:
    engine = make_engine(empty_url)
    with engine.execution_options(pledgewatch_write=True).begin() as conn:
        conn.execute(sa.text("CREATE TABLE sources (id TEXT)"))  # stands in the way of the first migration
    try:
        migrations.upgrade(engine)
    except sa.exc.DBAPIError:
        assert set(counts(engine)) - {"alembic_version"} == {"sources"}
    else:
        raise AssertionError("the migration should have failed")
    engine.dispose()


def test_two_programs_may_start_at_once(empty_url: str) -> None:
    opened: list[Database] = []
    threads = [Thread(target=lambda: opened.append(open_database(empty_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 3
    for db in opened:
        db.close()
