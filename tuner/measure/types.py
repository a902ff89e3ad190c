"""What building and measuring yield: a value or a failure, never both."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from db import ErrorKind


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How one candidate is measured."""

    #: Shortest window, in seconds: the number of calls in it is chosen so.
    min_repeat_s: float = 0.002
    #: Windows that count, the fastest ones: see `tuner.measure.quiet`.
    repeats: int = 5
    #: A kernel that takes at most this much longer than its fastest window, relative, ran on a
    #: quiet core.
    noise: float = 0.03
    #: How long to wait for quiet moments of the core, in seconds.
    patience_s: float = 0.1
    #: A candidate slower than this times the best one so far is given up after a first look.
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

    #: Seconds per call, one per window; empty on failure.
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
