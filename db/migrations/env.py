"""Runs migrations on the connection that `db.migrate` hands over."""

from alembic import context

from db.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite alters a table by making a new one.
    render_as_batch=connection.dialect.name == "sqlite",
)
# The transaction is the caller's: all migrations happen, or none.
context.run_migrations()
