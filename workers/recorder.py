"""Writes measurements behind the measuring: what has gathered meanwhile goes in one transaction.

While the database is quick each measurement is stored at once; while it is slow they gather; while
it is away measuring goes on. A crash loses what has not been written: those candidates are
measured again by the next attempt, under another name, so that nothing is stored twice.
"""

from __future__ import annotations

import threading
from collections import deque

from db import Measurement, Store

#: Measurements in one transaction, at most.
BATCH = 200
#: Measurements that may wait; then measuring waits for the database.
ROOM = 2000


class Recorder:
    """Stores measurements in the order they are added, on a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Measurement] = deque()
        self._writing = 0
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        #: Transactions so far.
        self.batches = 0
        self._thread = threading.Thread(target=self._write, name="record", daemon=True)
        self._thread.start()

    def add(self, measurement: Measurement) -> None:
        """Have a measurement stored soon.

        Raises
        ------
        db.DbError
            If an earlier one could not be stored.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < ROOM or self._error is not None)
            self._raise()
            self._waiting.append(measurement)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything is stored; raises as `add`."""
        with self._changed:
            self._changed.wait_for(
                lambda: not (self._waiting or self._writing) or self._error is not None
            )
            self._raise()

    def close(self) -> None:
        """Store what waits, and end; what cannot be stored is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._writing = len(batch)
                if not batch:
                    return
            try:
                self._store.add_measurements(batch)
            except BaseException as error:  # Raised where the next one is added.
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                self.batches += 1
                self._writing = 0
                self._changed.notify_all()
