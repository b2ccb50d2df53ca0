from databases import (  # noqa: F401
    database,
    database_url,
    empty_url,
    postgresql,
    postgresql_url,
    sqlite_template,
    sqlite_url,
)
