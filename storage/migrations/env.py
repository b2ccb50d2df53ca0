"""Alembic's entry: runs the migrations on the connection it is handed, inside its transaction."""

from __future__ import annotations

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true of SQLite too, where BEGIN is ours
    render_as_batch=True,
)
context.run_migrations()
