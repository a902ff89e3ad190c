"""What was read a moment ago: many viewers of one page cost one read."""

from __future__ import annotations

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
        self.source: object = None


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

    def get(self, key: Hashable, seconds: float, make: Callable[[], T]) -> T:
        """The value of `key`, made if there is none younger than `seconds`.

        An exception of `make` is raised to everybody who waited, one after the other, and is not
        remembered.
        """
        entry = self._entry(key)
        with entry.lock:
            if self._clock() >= entry.until:
                entry.value = make()
                entry.until = self._clock() + seconds
            value: T = entry.value
            return value

    def made_of(self, key: Hashable, source: object, make: Callable[[], T]) -> T:
        """What `make` makes of `source`; made anew when that is another object than before.

        Its keys are its own: `get` may be asked for the same one, also by `make`.
        """
        entry = self._entry(("made of", key))
        with entry.lock:
            if entry.source is not source:
                entry.value = make()
                entry.source = source
            value: T = entry.value
            return value

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
            while len(self._entries) > self._room:
                self._entries.popitem(last=False)
            return entry
