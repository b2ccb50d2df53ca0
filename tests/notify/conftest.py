"""Fixtures of the tests of sending."""

from databases import (  # noqa: F401
    database,
    database_url,
    postgresql,
    postgresql_url,
    sqlite_template,
    sqlite_url,
)
