"""Opening a store: the right backend, the right revision."""

from __future__ import annotations

from db.backend.base import Backend
from db.backend.database import Database
from db.backend.revision import create_sqlite, is_fresh, require_head
from db.backend.sqlite import SqliteBackend
from db.backend.url import resolve
from db.errors import NotFound
from db.store._sql import SqlStore


def open_database(url: str | None, *, create: bool, read_only: bool) -> Database:
    """Open a database at this code's revision."""
    backend = resolve(url)
    database = Database(backend, read_only=read_only)
    try:
        if isinstance(backend, SqliteBackend) and is_fresh(backend):
            _require_creation(backend, create and not read_only)
            create_sqlite(database, backend)
        require_head(database)
    except BaseException:
        database.close()
        raise
    return database


def open_sql_store(url: str | None, *, create: bool, read_only: bool) -> SqlStore:
    """Open a store; see `db.open_store`."""
    return SqlStore(open_database(url, create=create, read_only=read_only))


def _require_creation(backend: Backend, create: bool) -> None:
    if not create:
        raise NotFound(f"{backend.masked}: no such database; name another, or tune something first")
