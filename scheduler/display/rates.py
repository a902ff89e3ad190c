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
        then, before = self._seen[0]
        span = now - then
        if span <= 0:
            return dict.fromkeys(counts, 0.0)
        return {name: (n - before.get(name, n)) / span for name, n in counts.items()}
