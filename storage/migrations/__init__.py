"""The schema's history, run by the program itself: `upgrade(engine)`.

A migration is never edited after its release. `HEAD` repeats the newest revision's id, so that opening an
up-to-date database needs no import of Alembic (0.2 s); a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from storage.errors import StorageError

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"

_LOCK = 7_024_981  # any number, but always this one: two programs that start at once migrate one after another


def upgrade_if_old(engine: sa.Engine) -> None:
    """Bring the schema up to date, if it is not."""
    with engine.begin() as conn:
        current = revision(conn)
    if current != HEAD:
        upgrade(engine)


def upgrade(engine: sa.Engine, target: str = "head") -> None:
    """Bring the schema to revision `target`, in one transaction."""
    from alembic import command
    from alembic.util.exc import CommandError

    with engine.execution_options(pledgewatch_write=True).begin() as conn:
        _lock(conn)
        if revision(conn) == HEAD and target == "head":
            return
        try:
            command.upgrade(_config(conn), target)
        except CommandError as error:
            raise _newer(engine, revision(conn)) from error


def downgrade(engine: sa.Engine, target: str) -> None:
    """Take the schema back to revision `target` ("base": no tables), in one transaction."""
    from alembic import command

    with engine.execution_options(pledgewatch_write=True).begin() as conn:
        _lock(conn)
        command.downgrade(_config(conn), target)


def revision(conn: sa.Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    found: str | None = conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _newer(engine: sa.Engine, found: str | None) -> StorageError:
    where = engine.url.render_as_string(hide_password=True)
    return StorageError(
        f"{where}: written by a newer Pledgewatch (schema {found}, this one knows up to {HEAD}); "
        "install that version, or restore a backup"
    )


def _lock(conn: sa.Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _config(conn: sa.Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    return config
