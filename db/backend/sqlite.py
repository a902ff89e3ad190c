"""SQLite: a file, one writer at a time, readers never blocked (WAL)."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from db.backend.base import Backend, Fault, Insert, Retry, dumps
from db.errors import CorruptDatabase, DatabaseUnavailable, ReadOnlyDatabase

#: Seconds a statement waits for another writer before the file counts as locked.
BUSY_TIMEOUT_S = 30.0

#: Execution option of a connection that is going to write.
WRITES = "tunefleet_writes"


class SqliteBackend(Backend):
    """A SQLite file."""

    one_writer = True
    skip_locked = False

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise DatabaseUnavailable(
                "a database in memory cannot be shared by threads and processes; "
                "name a file, e.g. sqlite:///tunefleet.db"
            )
        super().__init__(url)
        self.path = Path(url.database)

    def engine(self, *, read_only: bool) -> sa.Engine:
        # mode=rw and not rwc: a file that vanished is an error, not a new empty database.
        uri = f"file:{quote(str(self.path))}?mode={'ro' if read_only else 'rw'}"

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                uri,
                uri=True,
                timeout=BUSY_TIMEOUT_S,
                # Transactions are begun below; the driver's own idea of when is not ours.
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -65536")
            return connection

        engine = sa.create_engine(
            "sqlite://",
            creator=connect,
            poolclass=sa.QueuePool,
            pool_size=4,
            max_overflow=-1,
            json_serializer=dumps,
        )
        sa.event.listen(engine, "begin", _begin)
        return engine

    def insert(self, table: sa.Table) -> Insert:
        return sqlite.insert(table)

    def fault(self, error: sa.exc.DBAPIError) -> Fault | None:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is None:
            return None
        says = self.mask(str(error.orig))
        match code & 0xFF:
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return Fault(
                    Retry.SOON,
                    self.unavailable(
                        says, "another process holds the file: stop it, or use PostgreSQL"
                    ),
                )
            case sqlite3.SQLITE_FULL:
                return Fault(
                    Retry.NEVER, self.unavailable(says, "free some space and run it again")
                )
            case sqlite3.SQLITE_READONLY:
                return Fault(
                    Retry.NEVER,
                    ReadOnlyDatabase(f"{self.masked}: {says}; make file and folder writable"),
                )
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return Fault(
                    Retry.NEVER,
                    CorruptDatabase(
                        f"{self.masked}: {says}; restore a copy, or move the file away"
                    ),
                )
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
                return Fault(
                    Retry.NEVER, self.unavailable(says, "check that file and folder are accessible")
                )
            case sqlite3.SQLITE_IOERR:
                return Fault(
                    Retry.NEVER, self.unavailable(says, "check the disk and free some space")
                )
        return None


def _begin(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would fail when another wrote in between:
    # writers take their lock at once.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
