"""Transactions against one database: begun, retried, and their errors told in one line."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

from db.backend.base import Backend, Insert, Retry
from db.backend.sqlite import WRITES
from db.errors import DatabaseUnavailable, ReadOnlyDatabase

T = TypeVar("T")

#: Seconds that a transaction is retried while the server is away.
PATIENCE_S = 20.0

#: The same while opening: a wrong address should be told soon.
OPENING_PATIENCE_S = 3.0

#: Runs of a transaction that keeps losing races.
RACES = 12


class Database:
    """One engine, and the two ways to use it.

    Transactions are functions, not blocks, because a block cannot be run again. A function may
    run several times and must do nothing but talk to its connection.
    """

    def __init__(
        self, backend: Backend, *, read_only: bool, patience_s: float = PATIENCE_S
    ) -> None:
        self.backend = backend
        self._patience_s = patience_s
        self.read_only = read_only
        self.engine = backend.engine(read_only=read_only)
        # Threads of one process queue here, in order, rather than poll for the file lock.
        self._turn: contextlib.AbstractContextManager[object] = (
            threading.Lock() if backend.one_writer else contextlib.nullcontext()
        )
        # Transactions under way, and whether `close` was called.
        self._count = threading.Lock()
        self._under_way = 0
        self._closed = False

    def insert(self, table: sa.Table) -> Insert:
        """``INSERT`` that knows ``ON CONFLICT``."""
        return self.backend.insert(table)

    def read(
        self,
        body: Callable[[sa.Connection], T],
        *,
        repeatable: bool = False,
        patience_s: float | None = None,
    ) -> T:
        """Run `body`, which only reads.

        Parameters
        ----------
        body
            What to run.
        repeatable
            Whether all its statements see one snapshot, as they always do on SQLite, and may leave
            a cursor open. Otherwise each sees what is committed when it runs, and the server is
            spared the two calls that begin and end a transaction.
        patience_s
            Seconds to try again while the server is away; this object's own without.
        """
        patience_s = self._patience_s if patience_s is None else patience_s
        isolation = "REPEATABLE READ" if repeatable else "AUTOCOMMIT"
        return self._run(body, writes=False, isolation=isolation, patience_s=patience_s)

    def write(self, body: Callable[[sa.Connection], T], *, single: bool = False) -> T:
        """Run `body` in a transaction that is committed when this returns.

        Parameters
        ----------
        body
            What to run.
        single
            Whether it writes by one statement, which is a transaction of its own.
        """
        if self.read_only:
            raise ReadOnlyDatabase(f"{self.backend.masked}: opened read-only; open it for writing")
        with self._turn:
            isolation = "AUTOCOMMIT" if single else None
            return self._run(body, writes=True, isolation=isolation, patience_s=self._patience_s)

    def compact(self) -> None:
        """Give the space of removed rows back to the disk."""
        with self._turn, self.translated():
            self.backend.compact(self.engine)

    def close(self) -> None:
        """Close every connection; those that other threads use, as soon as none of them does."""
        with self._count:
            self._closed = True
            idle = not self._under_way
        if idle:
            self.engine.dispose()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Raise this package's errors instead of the driver's; no retries."""
        errors: tuple[type[Exception], ...] = (sa.exc.DBAPIError, *self.backend.driver_errors)
        try:
            yield
        except errors as error:
            fault = self.backend.fault(_of_driver(error))
            if fault is None:
                raise
            raise fault.error from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        with self._count:
            self._under_way += 1
        try:
            with self.engine.connect() as connection:
                yield connection
        finally:
            with self._count:
                self._under_way -= 1
                left = self._closed and not self._under_way
            # A pool that is disposed of while a connection is out never closes that one.
            if left:
                self.engine.dispose()

    def _run(
        self,
        body: Callable[[sa.Connection], T],
        *,
        writes: bool,
        isolation: str | None,
        patience_s: float,
    ) -> T:
        options: dict[str, Any] = {WRITES: writes}
        # SQLite has one kind of transaction, begun by an event of its own.
        if isolation is not None and not self.backend.one_writer:
            options["isolation_level"] = isolation
        started = time.monotonic()
        runs = 0
        while True:
            runs += 1
            try:
                with self._connected() as connection:
                    connection = connection.execution_options(**options)
                    with connection.begin():
                        return body(connection)
            except sa.exc.TimeoutError as error:
                raise DatabaseUnavailable(
                    f"{self.backend.masked}: every connection of this process is in use; "
                    "use fewer threads"
                ) from error
            except sa.exc.DBAPIError as error:
                fault = self.backend.fault(_of_driver(error))
                if fault is None:
                    raise
                wait = min(0.01 * 2.0**runs, 1.0) * random.uniform(0.5, 1.0)
                waited = time.monotonic() - started
                hopeless = fault.retry is Retry.NEVER or waited + wait > patience_s
                if hopeless or (fault.retry is Retry.SOON and runs >= RACES):
                    raise fault.error from error
            except sa.exc.StatementError as error:
                # A value that cannot be stored, e.g. NaN within JSON: the caller's to mend.
                if isinstance(error.orig, ValueError):
                    raise ValueError(f"not storable: {error.orig}") from error
                raise
            time.sleep(wait)


def _of_driver(error: Exception) -> BaseException:
    """The driver's error behind SQLAlchemy's."""
    orig = error.orig if isinstance(error, sa.exc.DBAPIError) else None
    return orig or error
