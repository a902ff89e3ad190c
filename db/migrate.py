"""Bringing a database to this code's revision: the only code that changes a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from db.backend.database import Database
from db.backend.revision import Special, create_sqlite, is_fresh, revision
from db.backend.sqlite import SqliteBackend
from db.backend.url import resolve
from db.errors import CorruptDatabase, SchemaMismatch
from db.schema.base import HEAD

#: Any number will do as long as nobody else takes this advisory lock in the same database.
_ADVISORY_LOCK = 7_305_301


def upgrade(url: str | None = None, to: str = HEAD) -> tuple[str | None, str]:
    """Migrate a database, creating what is missing, in one transaction.

    Parameters
    ----------
    url
        As for `db.open_store`.
    to
        Revision to stop at; only tests want another than the newest.

    Returns
    -------
    tuple of str
        Revision before (``None`` if there was nothing) and after.
    """
    backend = resolve(url)
    database = Database(backend, read_only=False)
    try:
        if isinstance(backend, SqliteBackend) and to == HEAD and is_fresh(database, backend):
            create_sqlite(database, backend)
            return None, to
        if isinstance(backend, SqliteBackend):
            backend.path.touch()
            # A table that is made anew must not look like rows that lost their parents.
            sa.event.listen(database.engine, "connect", _without_foreign_keys)
        return database.write(lambda connection: _upgrade(connection, backend.masked, to))
    finally:
        database.close()


def _upgrade(connection: sa.Connection, masked: str, to: str) -> tuple[str | None, str]:
    # Late: only upgrading pays for it.
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
    found = revision(connection)
    if found is Special.FOREIGN:
        raise SchemaMismatch(f"{masked}: tables of something else; name another database")
    if isinstance(found, str) and found > to:
        raise SchemaMismatch(
            f"{masked}: at revision {found}, newer than this tunefleet ({to}); upgrade tunefleet"
        )
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    if connection.dialect.name == "sqlite":
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            raise CorruptDatabase(
                f"{masked}: {len(orphans)} rows refer to nothing; restore a copy, or report this"
            )
    return (found if isinstance(found, str) else None), to


def _without_foreign_keys(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
