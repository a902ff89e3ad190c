"""What building and measuring yield: a value or a failure, never both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from db import ErrorKind


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How one candidate is measured."""

    #: Shortest repeat, in seconds: the number of calls in it is chosen so.
    min_repeat_s: float = 0.02
    #: Repeats of a candidate that is worth it.
    repeats: int = 5
    #: Interquartile range over the median above which a round of repeats is suspicious.
    noise: float = 0.05
    #: Rounds by which a suspicious one is repeated, at most.
    noisy_rounds: int = 2
    #: A candidate slower than this times the best one so far is measured by short repeats only.
    give_up_factor: float = 1.1
    #: Longest build, in seconds.
    build_deadline_s: float = 20.0
    #: Longest run of one candidate, in seconds, data and reference included.
    run_deadline_s: float = 30.0
    #: Largest error against double precision, relative to the largest magnitude of the output.
    tolerance: float = 2e-5
    #: Measuring core; None takes the last one this process may use.
    core: int | None = None
    #: Cores that builds may use; None takes all but the measuring one.
    build_cores: tuple[int, ...] | None = None
    #: Memory that a child may map, in bytes; None takes half of the host's.
    memory_bytes: int | None = None


DEFAULT_OPTIONS = MeasureOptions()


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no value."""

    kind: ErrorKind
    #: One line, as reported.
    text: str


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A compiled candidate, or why there is none."""

    #: Optimised LLVM IR, which any process loads without a linker; None on failure.
    code: str | None
    #: The schedule as a MetaSchedule trace (JSON text); None if none could be made.
    trace: str | None
    #: Time spent scheduling and compiling, in seconds.
    secs: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """A measured candidate, or why there is no latency."""

    #: Seconds per call, one per repeat; empty on failure.
    run_secs: tuple[float, ...] = ()
    #: Largest error against double precision, relative to the largest magnitude of the output.
    error: float | None = None
    failure: Failure | None = None
    #: Speed of the core just before, e.g. ``{"fma_gflops": ...}``.
    calibration: Mapping[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Median seconds per call; infinite on failure."""
        return statistics.median(self.run_secs) if self.run_secs else float("inf")


def spread(secs: Sequence[float]) -> float:
    """Interquartile range over the median."""
    if len(secs) < 2:
        return 0.0
    first, middle, third = statistics.quantiles(secs, n=4, method="inclusive")
    return (third - first) / middle
