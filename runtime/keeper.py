"""What an engine does now and then while its models serve."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Keeper:
    """Calls functions, each again after its own time, on one thread that ends with the process.

    Parameters
    ----------
    chores
        Seconds between two calls, and what to call. One that raises is logged, and called again.
    """

    def __init__(self, chores: list[tuple[float, Callable[[], object]]]) -> None:
        self._chores = chores
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if chores:
            self._thread = threading.Thread(target=self._run, name="tunefleet-keeper", daemon=True)
            self._thread.start()
            # A chore that is in TVM's C++ when the interpreter ends would take the process down.
            atexit.register(self.close)

    def close(self) -> None:
        """End; a chore that runs is waited for."""
        self._stop.set()
        atexit.unregister(self.close)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        due = [time.monotonic() + seconds for seconds, _ in self._chores]
        while not self._stop.wait(max(0.0, min(due) - time.monotonic())):
            for i, (seconds, chore) in enumerate(self._chores):
                if time.monotonic() < due[i]:
                    continue
                try:
                    chore()
                except Exception:
                    _log.exception("%s failed; it is tried again", getattr(chore, "__name__", ""))
                due[i] = time.monotonic() + seconds
