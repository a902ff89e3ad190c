"""What was read a moment ago: many viewers of one page cost one read."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class _Entry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: Any = None
        self.until = -math.inf


class Cache:
    """Remembers values for seconds; whoever asks while one is made waits for it.

    Parameters
    ----------
    room
        Values that are kept; the one asked for longest ago leaves first.
    """

    def __init__(self, room: int = 256, clock: Callable[[], float] = time.monotonic) -> None:
        self._room, self._clock = room, clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def get(
        self, key: Hashable, seconds: float, make: Callable[[], T], *, stale_s: float = 0.0
    ) -> T:
        """The value of `key`, made if there is none younger than `seconds`.

        One that is older by less than `stale_s` is returned all the same, and made anew meanwhile.
        An exception of `make` is raised to everybody who waited, one after the other, and is not
        remembered.
        """
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._room:
                self._entries.popitem(last=False)
        stale: T = entry.value
        if 0.0 <= self._clock() - entry.until < stale_s:
            refresh = threading.Thread(
                target=self._refresh, args=(entry, seconds, make), daemon=True
            )
            refresh.start()
            return stale
        with entry.lock:
            if self._clock() >= entry.until:
                entry.value = make()
                entry.until = self._clock() + seconds
            value: T = entry.value
            return value

    def _refresh(self, entry: _Entry, seconds: float, make: Callable[[], Any]) -> None:
        # One at a time: who comes while it is made anew is served with the old one, too.
        if not entry.lock.acquire(blocking=False):
            return
        try:
            # What cannot be made now is told to the next who has to wait for it.
            with contextlib.suppress(Exception):
                if self._clock() >= entry.until:
                    entry.value = make()
                    entry.until = self._clock() + seconds
        finally:
            entry.lock.release()
