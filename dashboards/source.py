"""The database as the dashboard sees it: read only, sometimes away, never waited for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from db import DatabaseUnavailable, DbError, NotFound, Store
from db.backend.sqlite import SqliteBackend
from db.backend.url import resolve
from db.store._open import open_sql_store
from db.store._sql import SqlStore

T = TypeVar("T")

#: Seconds for which everybody is told of a failure without trying again.
_PAUSE_S = 1.0


class Source:
    """A database that is opened when it is there, and again when it has come back.

    Parameters
    ----------
    url
        As for `db.open_store`.
    patience_s
        Seconds that a read keeps trying while the server is away.
    """

    def __init__(self, url: str | None, *, patience_s: float = 1.0) -> None:
        backend = resolve(url)
        self._url = backend.url.render_as_string(hide_password=False)
        #: URL, the password masked.
        self.name = backend.masked
        self._patience_s = patience_s
        self._path = backend.path if isinstance(backend, SqliteBackend) else None
        self._lock = threading.Lock()
        self._store: SqlStore | None = None
        self._file: tuple[int, int] | None = None
        self._failed: tuple[float, DbError] | None = None
        self._closed = False

    @property
    def store(self) -> Store:
        """The store; raises what `db.open_store` does."""
        return self._opened()

    def read(self, body: Callable[[sa.Connection], T]) -> T:
        """Run `body` in one transaction that only reads, and sees one moment.

        Raises
        ------
        db.DbError
            If the database cannot be read now.
        """
        return self._opened().database.read(body, repeatable=True)

    def close(self) -> None:
        """Close every connection for good; reads that are under way end as they would have."""
        with self._lock:
            self._closed = True
            self._drop()

    def _opened(self) -> SqlStore:
        with self._lock:
            if self._closed:
                raise DatabaseUnavailable("the dashboard is ending; start it again")
            found = _identity(self._path)
            if self._store is not None and found != self._file:
                # Another file, or none, under the same name: what is open is no longer it.
                self._drop()
            if self._store is None:
                self._file = found
                self._store = self._open()
            return self._store

    def _open(self) -> SqlStore:
        if self._failed is not None and time.monotonic() < self._failed[0]:
            raise self._failed[1]
        try:
            opened = open_sql_store(
                self._url, create=False, read_only=True, patience_s=self._patience_s
            )
        except DbError as error:
            # A file that is not there may be made, or come back.
            told = DatabaseUnavailable(str(error)) if isinstance(error, NotFound) else error
            self._failed = (time.monotonic() + _PAUSE_S, told)
            raise told from error
        self._failed = None
        return opened

    def _drop(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None


def _identity(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
