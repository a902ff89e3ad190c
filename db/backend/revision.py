"""Which revision a database is at; creating a fresh SQLite file at this code's one."""

from __future__ import annotations

from enum import Enum

import sqlalchemy as sa

from db.backend.database import OPENING_PATIENCE_S, Database
from db.backend.sqlite import SqliteBackend
from db.errors import DatabaseUnavailable, SchemaMismatch
from db.schema.base import HEAD, metadata

UPGRADE = "tunefleet db upgrade"

_version = sa.table("alembic_version", sa.column("version_num", sa.String))


class Special(Enum):
    """What a database may hold instead of a revision."""

    #: No tables at all.
    EMPTY = "empty"
    #: Tables, but not ours.
    FOREIGN = "foreign"


def revision(connection: sa.Connection) -> str | Special:
    """Revision of the database behind `connection`."""
    names = sa.inspect(connection).get_table_names()
    if "alembic_version" in names:
        found = connection.execute(sa.select(_version.c.version_num)).scalar_one_or_none()
        if found is not None:
            return str(found)
        return Special.EMPTY if names == ["alembic_version"] else Special.FOREIGN
    return Special.FOREIGN if names else Special.EMPTY


def require_head(database: Database) -> None:
    """Raise `SchemaMismatch`, naming the command to run, unless the revision is this code's."""
    masked = database.backend.masked
    found = database.read(revision, patience_s=OPENING_PATIENCE_S)
    if found == HEAD:
        return
    if found is Special.EMPTY:
        raise SchemaMismatch(f"{masked}: no tables yet; run `{UPGRADE}`")
    if found is Special.FOREIGN:
        raise SchemaMismatch(f"{masked}: tables of something else; name another database")
    # Revisions are numbered, so the older one is known without loading the migrations.
    if str(found) < HEAD:
        raise SchemaMismatch(
            f"{masked}: at revision {found}, this tunefleet needs {HEAD}; run `{UPGRADE}`"
        )
    raise SchemaMismatch(
        f"{masked}: at revision {found}, newer than this tunefleet ({HEAD}); upgrade tunefleet"
    )


def create_sqlite(database: Database, backend: SqliteBackend) -> None:
    """Give a missing or empty file the tables, in one transaction; leave any other file alone."""
    try:
        backend.path.touch()
    except OSError as error:
        raise backend.unavailable(
            f"cannot create {backend.path.name}: {error.strerror}", "choose another folder"
        ) from error
    with database.translated():
        _use_wal(database)

    def create(connection: sa.Connection) -> None:
        # Another process may have been faster; its tables are not there before its commit.
        if revision(connection) is Special.EMPTY:
            create_tables(connection)

    database.write(create)


def create_tables(connection: sa.Connection) -> None:
    """Create every table of this code's revision; what the migrations lead to, at once."""
    metadata.create_all(connection)
    connection.execute(
        sa.text(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL,"
            " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(_version.insert().values(version_num=HEAD))


def _use_wal(database: Database) -> None:
    # Not within a transaction, hence not through SQLAlchemy's.
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        raw.close()


def is_fresh(database: Database, backend: SqliteBackend) -> bool:
    """Whether the file is missing, or has no tables yet: another process may be creating them."""
    try:
        missing = not backend.path.exists() or backend.path.stat().st_size == 0
    except OSError as error:
        raise DatabaseUnavailable(
            f"{backend.masked}: {error.strerror}; check that file and folder are accessible"
        ) from error
    return missing or database.read(revision) is Special.EMPTY
