"""Times functions against each other on one core."""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

#: Shortest time that is measured at once, in seconds.
REPEAT_S = 0.02
#: Repeats of each function.
REPEATS = 15


def time_in_turns(
    calls: Sequence[Callable[[], object]],
    *,
    repeats: int = REPEATS,
    repeat_s: float = REPEAT_S,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Median seconds per call of each function.

    They take turns (A B C A B C …), so that a machine that slows down slows all of them alike.
    """
    counts = [_calls_in(call, repeat_s, clock) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    collects = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for call, count, seen in zip(calls, counts, times, strict=True):
                seen.append(_run(call, count, clock) / count)
    finally:
        if collects:
            gc.enable()
    return [statistics.median(seen) for seen in times]


def _calls_in(call: Callable[[], object], repeat_s: float, clock: Callable[[], float]) -> int:
    """Calls that take at least `repeat_s`; they warm the caches as well."""
    count = 1
    while True:
        took = _run(call, count, clock)
        if took >= repeat_s:
            return count
        count = max(count + 1, int(count * min(10.0, 1.2 * repeat_s / max(took, 1e-9))))


def _run(call: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return clock() - start


@contextlib.contextmanager
def one_core() -> Iterator[int]:
    """Keep this thread on one core, the last it may use; the first ones serve interrupts."""
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)
