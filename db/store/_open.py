"""Opening a store: the right backend, the right revision."""

from __future__ import annotations

from db.backend.database import PATIENCE_S, Database
from db.backend.revision import create_sqlite, is_fresh, require_head
from db.backend.sqlite import SqliteBackend
from db.backend.url import resolve
from db.errors import NotFound
from db.store._sql import SqlStore


def open_database(
    url: str | None, *, create: bool, read_only: bool, patience_s: float = PATIENCE_S
) -> Database:
    """Open a database at this code's revision."""
    backend = resolve(url)
    database = Database(backend, read_only=read_only, patience_s=patience_s)
    try:
        if isinstance(backend, SqliteBackend):
            if create and not read_only:
                if is_fresh(database, backend):
                    create_sqlite(database, backend)
            elif not backend.path.exists():
                raise NotFound(
                    f"{backend.masked}: no such database; name another, or tune something first"
                )
        require_head(database)
    except BaseException:
        database.close()
        raise
    return database


def open_sql_store(
    url: str | None, *, create: bool, read_only: bool, patience_s: float = PATIENCE_S
) -> SqlStore:
    """Open a store; see `db.open_store`."""
    return SqlStore(open_database(url, create=create, read_only=read_only, patience_s=patience_s))
