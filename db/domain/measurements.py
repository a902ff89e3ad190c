"""What measuring yields: measurements, promotions, best records."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

#: Weights in cache (``warm``) or flushed before each call (``cold``).
REGIMES = ("warm", "cold")


class ErrorKind(StrEnum):
    """Why a candidate has no latency."""

    #: The trace does not apply to the workload.
    INVALID_SCHEDULE = "invalid_schedule"
    #: The compiler refused it.
    BUILD_ERROR = "build_error"
    #: The compiler took too long.
    BUILD_TIMEOUT = "build_timeout"
    #: The kernel reported an error.
    RUN_ERROR = "run_error"
    #: The kernel took its process down.
    RUN_CRASH = "run_crash"
    #: The kernel took too long.
    RUN_TIMEOUT = "run_timeout"
    #: The kernel computed something else.
    WRONG_RESULT = "wrong_result"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One candidate measured once, on one core of one host: a latency or an error, never both."""

    #: Identity of the attempt, see `measurement_uid`; storing it twice stores it once.
    uid: str
    #: Job it belongs to; ``None`` for imported ones.
    job_id: int | None
    #: Attempt of the job.
    attempt: int
    #: Digest of the workload.
    workload: str
    #: Name of the CPU architecture.
    arch: str
    #: Key of the toolchain.
    toolchain: str
    #: SHA-256 (hex) of the candidate.
    candidate: str
    #: Strategy that proposed it.
    strategy: str
    #: Knob values of a template; ``None`` for sketches.
    config: Mapping[str, Any] | None = None
    #: MetaSchedule trace as JSON text; ``None`` if none could be made.
    trace: str | None = None
    #: Seconds per call, one number per repeat; empty on error.
    run_secs: tuple[float, ...] = ()
    #: Why there is no latency.
    error_kind: ErrorKind | str | None = None
    #: What was reported, for people.
    error_text: str | None = None
    #: Host it ran on.
    host: str = ""
    #: CPU model name.
    cpu: str = ""
    #: Core it was pinned to.
    core: int | None = None
    #: Threads of the kernel.
    threads: int = 1
    #: ``warm`` or ``cold``.
    regime: str = "warm"
    #: Speed of the host at that moment, e.g. ``{"fma_gflops": ..., "read_gbs_4MiB": ...}``; with
    #: ``roofline``, the part of that speed which the kernel reached.
    calibration: Mapping[str, float] = field(default_factory=dict)
    #: Seconds spent building.
    build_secs: float | None = None

    def __post_init__(self) -> None:
        if bool(self.run_secs) == (self.error_kind is not None):
            raise ValueError(f"measurement {self.uid}: give run_secs or error_kind, not both")
        if self.error_kind is not None:
            ErrorKind(self.error_kind)
        elif not all(math.isfinite(s) and s > 0 for s in self.run_secs):
            raise ValueError(f"measurement {self.uid}: run_secs must be positive and finite")
        if self.regime not in REGIMES:
            raise ValueError(f"measurement {self.uid}: regime is one of {REGIMES}")

    @property
    def median(self) -> float | None:
        """Median seconds per call; ``None`` on error."""
        return self.summary()[0]

    @property
    def spread(self) -> float | None:
        """Interquartile range over the median; 0 for a single repeat, ``None`` on error."""
        return self.summary()[1]

    def summary(self) -> tuple[float | None, float | None]:
        """Median and spread, for those who want both."""
        if not self.run_secs:
            return None, None
        ordered = sorted(self.run_secs)
        middle = _quantile(ordered, 0.5)
        return middle, (_quantile(ordered, 0.75) - _quantile(ordered, 0.25)) / middle


def _quantile(ordered: Sequence[float], q: float) -> float:
    """Quantile by linear interpolation; `statistics.quantiles` is ten times slower."""
    place = q * (len(ordered) - 1)
    below = int(place)
    rest = place - below
    if rest == 0.0:
        return ordered[below]
    return ordered[below] + (ordered[below + 1] - ordered[below]) * rest


def measurement_uid(job_id: int, attempt: int, candidate: str, regime: str = "warm") -> str:
    """Identity of a measurement: 128 bits of the SHA-256 of what it measured, as hex.

    The attempt makes a repeated job measure again; within an attempt a resent result is the same.
    """
    text = f"{job_id}/{attempt}/{candidate}/{regime}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one candidate: enough for a strategy to skip it or to learn from it."""

    #: SHA-256 (hex) of the candidate.
    candidate: str
    #: Fastest valid median, in seconds; ``None`` if it never ran.
    median: float | None
    #: Kind of its last error; ``None`` if it ran.
    error_kind: str | None
    #: Knob values of a template.
    config: Mapping[str, Any] | None
    #: MetaSchedule trace as JSON text.
    trace: str | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """One template configuration that was measured for some workload."""

    #: Digest of the workload.
    workload: str
    #: Name of the CPU architecture.
    arch: str
    #: Key of the toolchain.
    toolchain: str
    #: ``warm`` or ``cold``.
    regime: str
    #: Knob values of the template.
    config: Mapping[str, Any]
    #: Median in seconds; ``None`` if it failed.
    median: float | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A validated measurement proposed as the best of its key."""

    #: Digest of the workload.
    workload: str
    #: Name of the CPU architecture.
    arch: str
    #: Key of the toolchain.
    toolchain: str
    #: ``warm`` or ``cold``.
    regime: str
    #: The measurement it rests on; must be stored, or be passed along.
    measurement_uid: str
    #: Its trace, exactly as measured.
    trace: str | None
    #: Its knob values.
    config: Mapping[str, Any] | None
    #: Strategy that found it.
    strategy: str
    #: Confirmed median, in seconds.
    run_secs_median: float
    #: Seconds of the default schedule on the same host; ``None`` if not measured.
    default_secs: float | None
    #: How it was validated (inputs, tolerances, largest error); never empty.
    validation: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not self.validation or self.validation.get("passed") is False:
            raise ValueError(f"promotion of {self.measurement_uid}: not validated")
        if not (math.isfinite(self.run_secs_median) and self.run_secs_median > 0):
            raise ValueError(f"promotion of {self.measurement_uid}: not a latency")
        if self.regime not in REGIMES:
            raise ValueError(f"promotion of {self.measurement_uid}: regime is one of {REGIMES}")


@dataclass(frozen=True, slots=True)
class BestRecord:
    """The fastest validated record of a workload on an architecture with a toolchain."""

    #: Digest of the workload.
    workload: str
    #: Name of the CPU architecture.
    arch: str
    #: Key of the toolchain.
    toolchain: str
    #: ``warm`` or ``cold``.
    regime: str
    #: MetaSchedule trace as JSON text.
    trace: str | None
    #: Knob values of a template.
    config: Mapping[str, Any] | None
    #: Strategy that found it.
    strategy: str
    #: Confirmed median, in seconds.
    run_secs: float
    #: Seconds of the default schedule.
    default_secs: float | None
    #: The measurement it rests on.
    measurement_uid: str
    #: When it became the best.
    recorded_at: datetime
    #: How it was validated.
    validation: Mapping[str, Any] = field(default_factory=dict)
    #: When it was rolled back; only in histories.
    revoked_at: datetime | None = None
    #: Why it was rolled back.
    revoked_reason: str = ""
