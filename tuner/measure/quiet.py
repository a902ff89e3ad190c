"""Timing on a core that others slow down now and then: by short windows, beside a known kernel.

On a shared host a core has quiet and busy moments of milliseconds to seconds; in busy ones a
kernel that lives in caches may take twice its time. Noise only ever slows a kernel down, so the
fastest windows tell what it takes; but were there quiet ones among them? A candidate therefore
runs in turns with the workload's fastest kernel so far: while that one does not reach the time it
once had, the core is busy, and the windows go on, for a while: builders on the other cores may take
their part of caches and memory all night. Both are slowed by the same, so the candidate's windows
count as much less as the other's were too long.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tuner.measure.types import MeasureOptions

#: Runs a kernel for one window and returns its seconds per call.
Timer = Callable[[], float]

#: Turns by which a candidate is looked at before it is measured.
_LOOK = 3
#: Windows of a kernel that has nothing to run beside, as multiples of those that are kept.
_ALONE = 4
#: A fastest kernel that takes so many times its time at the best of moments runs on a host that has
#: changed: neighbours in a cache cost less. So many candidates in a row have to see it.
_CHANGED, _DRIFTED = 1.3, 5


@dataclass(frozen=True, slots=True)
class Timing:
    """What a kernel took."""

    #: Seconds per call as on a quiet core, one per window, rising.
    secs: tuple[float, ...]
    #: Seconds per call of its fastest window, as the clock had it. A floor must be one of these:
    #: what was worked out would sink from one candidate to the next by chance alone.
    fastest: float


@dataclass(slots=True)
class Pacemaker:
    """The fastest kernel of a workload so far, and how fast it is when nothing disturbs it."""

    time: Timer
    #: Seconds per call of its fastest window.
    floor: float
    #: Candidates measured beside it in a row to which the host seemed changed.
    missed: int = field(default=0)

    def window(self) -> float:
        """Run for one window; seconds per call."""
        secs = self.time()
        self.floor = min(self.floor, secs)
        return secs

    def met(self, fastest: float) -> None:
        """Note its fastest window beside a candidate; believe in the end that the host changed."""
        self.missed = self.missed + 1 if fastest > _CHANGED * self.floor else 0
        if self.missed >= _DRIFTED:
            self.floor, self.missed = fastest, 0


def quietest(
    candidate: Timer, pace: Pacemaker | None, best: float | None, options: MeasureOptions
) -> Timing:
    """Time a candidate by its `options.repeats` fastest windows.

    Parameters
    ----------
    candidate
        Runs it for one window.
    pace
        What it runs in turns with; None if nothing of this workload ran before.
    best
        Seconds per call of the best one known: a candidate that is slower than
        `options.give_up_factor` times that at a first look is given up after it.
    """
    if pace is None:
        return _timing([candidate() for _ in range(options.repeats * _ALONE)], options)
    turns = [(pace.window(), candidate()) for _ in range(_LOOK)]
    if best is not None:
        # Both ran under the same conditions, whatever these are.
        ratio = statistics.median(ours / beside for beside, ours in turns)
        if min(ratio * pace.floor, *(ours for _, ours in turns)) > options.give_up_factor * best:
            return _timing([ours for _, ours in turns], options)
    start = time.perf_counter()
    while _quiet(turns, pace, options) < options.repeats:
        if time.perf_counter() - start > options.patience_s and len(turns) >= options.repeats:
            break
        turns.append((pace.window(), candidate()))
    least = _fastest([beside for beside, _ in turns], options.repeats)
    slower = max(1.0, statistics.median(least) / pace.floor)
    pace.met(least[0])
    return _timing([ours for _, ours in turns], options, slower)


def in_turns(timers: list[Timer], options: MeasureOptions) -> list[list[float]]:
    """Time several kernels in turns.

    Returns
    -------
    Of each its windows in the `options.repeats` turns that took the least time in all.
    """
    turns = [[run() for run in timers] for _ in range(options.repeats * _ALONE)]
    turns.sort(key=sum)
    return [list(column) for column in zip(*turns[: options.repeats], strict=True)]


def _quiet(turns: list[tuple[float, float]], pace: Pacemaker, options: MeasureOptions) -> int:
    return sum(beside <= (1.0 + options.noise) * pace.floor for beside, _ in turns)


def _timing(windows: list[float], options: MeasureOptions, slower: float = 1.0) -> Timing:
    fastest = _fastest(windows, options.repeats)
    return Timing(tuple(secs / slower for secs in fastest), fastest[0])


def _fastest(windows: list[float], count: int) -> list[float]:
    return sorted(windows)[:count]
