"""Records that do not apply: never tried again here, and revoked in the database."""

from __future__ import annotations

import logging
import threading

from db import DbError, Store
from runtime.lookup import Choice, Reach
from tuner.arch import toolchain

_log = logging.getLogger(__name__)


class Quarantine:
    """Remembers what does not apply.

    Parameters
    ----------
    database
        Where such records are revoked, in the background; None revokes nothing.
    """

    def __init__(self, database: Reach | None) -> None:
        self._database = database
        self._measurements: set[str] = set()
        self._threads: list[threading.Thread] = []

    def holds(self, choice: Choice) -> bool:
        """True if this record was found not to apply before."""
        return choice.measurement in self._measurements

    def add(self, workload: str, choice: Choice, reason: str) -> None:
        """Note that a schedule does not apply."""
        if choice.measurement is None:
            return
        self._measurements.add(choice.measurement)
        _log.warning("the record of workload %s on %s does not apply: %s",
                     workload, choice.arch, reason)  # fmt: skip
        if self._database is None:
            return
        thread = threading.Thread(
            target=self._revoke, args=(self._database, workload, choice, reason), daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def settle(self, timeout_s: float) -> None:
        """Wait until what was added is revoked."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _revoke(self, database: Reach, workload: str, choice: Choice, reason: str) -> None:
        key = toolchain().key

        def revoke(store: Store) -> None:
            best = store.best_records([workload], choice.arch, key).get(workload)
            # Another one may have become the best meanwhile.
            if best is not None and best.measurement_uid == choice.measurement:
                store.rollback(workload, choice.arch, key, f"does not apply: {reason}")

        try:
            database.ask(revoke)
        except DbError as error:
            _log.warning("a record that does not apply stays in the database: %s", error)
