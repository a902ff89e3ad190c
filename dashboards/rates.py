"""How fast measurements arrive, from looking again and again."""

from __future__ import annotations

import threading
from collections import deque

from db.views.pulse import Pulse

#: Seconds over which a rate is taken: long enough to be calm, short enough to show a stall.
WINDOW_S = 30.0


class Rates:
    """Measurements per second over the last `WINDOW_S` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: deque[Pulse] = deque()

    def note(self, pulse: Pulse) -> None:
        """Remember a look."""
        with self._lock:
            if self._seen and pulse.measurement < self._seen[-1].measurement:
                # Another database under the same name.
                self._seen.clear()
            self._seen.append(pulse)
            while len(self._seen) > 2 and _age(pulse, self._seen[1]) >= WINDOW_S:
                self._seen.popleft()

    @property
    def per_second(self) -> float | None:
        """The rate; ``None`` until there is something to compare with."""
        with self._lock:
            if len(self._seen) < 2:
                return None
            first, last = self._seen[0], self._seen[-1]
        secs = _age(last, first)
        return (last.measurement - first.measurement) / secs if secs > 0 else None


def _age(now: Pulse, then: Pulse) -> float:
    return (now.at - then.at).total_seconds()
