"""Questions to a database that may not answer, and must not be waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from db import DatabaseUnavailable, Store

T = TypeVar("T")


class _Answer(Generic[T]):
    """What a thread found: a value, or what it raised."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: BaseException | None = None
        self.ready = threading.Event()

    def fill(self, question: Callable[[], T]) -> None:
        try:
            self.value = question()
        except BaseException as error:
            self.error = error
        self.ready.set()


class Reach:
    """A store that is given up for a while when it does not answer in time.

    Parameters
    ----------
    opened
        Opens the store.
    timeout_s
        Longest wait for one answer, opening included.
    retry_s
        After a failure, questions are refused at once for so long.
    """

    def __init__(
        self, opened: Callable[[], Store], *, timeout_s: float = 2.0, retry_s: float = 30.0
    ) -> None:
        self._opened, self._timeout, self._retry = opened, timeout_s, retry_s
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._refused_until = 0.0

    def ask(self, question: Callable[[Store], T]) -> T:
        """Put a question to the store.

        Raises
        ------
        DatabaseUnavailable
            If it cannot be reached, or did not answer in time.
        DbError
            Whatever else the store raises.
        """
        if time.monotonic() < self._refused_until:
            raise DatabaseUnavailable("the database did not answer lately; it is asked again soon")
        answer: _Answer[T] = _Answer()
        # A thread that nobody waits for: one that hangs in a connection ends with the process.
        threading.Thread(
            target=answer.fill, args=(lambda: question(self._open()),), daemon=True
        ).start()
        if not answer.ready.wait(self._timeout):
            self._refused_until = time.monotonic() + self._retry
            raise DatabaseUnavailable(f"the database did not answer within {self._timeout:g} s")
        if isinstance(answer.error, DatabaseUnavailable):
            self._refused_until = time.monotonic() + self._retry
        if answer.error is not None:
            raise answer.error
        return answer.value  # type: ignore[return-value]

    def close(self) -> None:
        """Close the store, if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _open(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._opened()
            return self._store
