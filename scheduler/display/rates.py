"""How fast counters grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

#: Seconds over which a rate is taken: long enough to be calm, short enough to show a stall.
WINDOW_S = 15.0


class Rates:
    """Growth per second of named counters over the last `WINDOW_S` seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[int, int]]] = deque()

    def update(self, now: float, counts: Mapping[int, int]) -> dict[int, float]:
        """Note the counters at `now`; a counter that is new has grown by nothing yet."""
        self._seen.append((now, dict(counts)))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW_S:
            self._seen.popleft()
        return {name: self._rate(name, now, count) for name, count in counts.items()}

    def _rate(self, name: int, now: float, count: int) -> float:
        began = None
        for then, counts in self._seen:
            # Time before the counter began to grow says nothing about how fast it grows.
            if began is None or counts.get(name, count) == began[1]:
                began = (then, counts.get(name, count))
            else:
                break
        if began is None or now <= began[0]:
            return 0.0
        return (count - began[1]) / (now - began[0])
