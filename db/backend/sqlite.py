"""SQLite: a file, one writer at a time, readers never blocked (WAL)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from db.backend.base import Backend, Bulk, Fault, Insert, Retry, Row, dumps
from db.backend.chunks import chunks
from db.errors import CorruptDatabase, DatabaseUnavailable, ReadOnlyDatabase
from db.schema.clock import SQLITE_NOW as NOW_TEXT

#: Seconds a statement waits for another writer before the file counts as locked.
BUSY_TIMEOUT_S = 30.0

#: Parameters of one statement; SQLite's limit is 32766.
_MAX_VARIABLES = 16_000

#: Execution option of a connection that is going to write.
WRITES = "tunefleet_writes"


class SqliteBackend(Backend):
    """A SQLite file."""

    one_writer = True
    driver_errors = (sqlite3.Error,)

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
            # Commits survive kill -9; a power cut may take the last ones, but nothing breaks.
            # An fsync per commit would cost more than everything else together.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("PRAGMA wal_autocheckpoint = 16000")
            return connection

        engine = sa.create_engine(
            "sqlite://",
            creator=connect,
            poolclass=sa.QueuePool,
            # The one used last has the most in its cache.
            pool_use_lifo=True,
            pool_size=4,
            max_overflow=-1,
            json_serializer=dumps,
        )
        sa.event.listen(engine, "begin", _begin)
        return engine

    def insert(self, table: sa.Table) -> Insert:
        return sqlite.insert(table)

    def insert_new(
        self, connection: sa.Connection, into: Bulk, rows: Sequence[tuple[Any, ...]]
    ) -> list[Row]:
        new: list[Row] = []
        for some in chunks(rows, _MAX_VARIABLES // len(into.columns)):
            values = tuple(chain.from_iterable(some))
            result = connection.exec_driver_sql(_insert_text(into, len(some)), values)
            new.extend(result.all())
        return new

    def size(self, connection: sa.Connection) -> int:
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def damage(self, connection: sa.Connection) -> list[str]:
        lines = connection.exec_driver_sql("PRAGMA integrity_check(20)").scalars()
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return [line for line in lines if line != "ok"] + [
            f"row {row[1]} of {row[0]} refers to nothing in {row[2]}" for row in orphans[:20]
        ]

    def compact(self, engine: sa.Engine) -> None:
        raw = engine.raw_connection()
        try:
            for statement in ("VACUUM", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"):
                raw.cursor().execute(statement).fetchall()
        finally:
            raw.close()

    def fault(self, error: BaseException) -> Fault | None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:
            return None
        says = self.mask(str(error))
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


@lru_cache(maxsize=256)
def _insert_text(into: Bulk, rows: int) -> str:
    given = ", ".join("?" * len(into.columns))
    row = f"({given}{', ' + NOW_TEXT if into.now else ''})"
    return (
        f"INSERT INTO {into.table.name} ({', '.join(into.columns + into.now)}) "
        f"VALUES {', '.join([row] * rows)} "
        f"ON CONFLICT ({', '.join(into.unique)}) DO NOTHING RETURNING {', '.join(into.returning)}"
    )


def _begin(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would fail when another wrote in between:
    # writers take their lock at once.
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
