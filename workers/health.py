"""Whether a host is fit to measure: decided from what was measured on it, acted on elsewhere."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from db import ErrorKind


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """When a worker leaves."""

    #: Outcomes that are looked at.
    window: int = 40
    #: Share of them that took their process down or ran out of time; candidates of a sound
    #: search do so now and then, on a failing host almost all do.
    crash_rate: float = 0.8
    #: Calibrations that are looked at.
    calibrations: int = 6
    #: The host is noisy if their median falls below this share of its best so far.
    slowest: float = 0.6


#: Failures that a broken host causes as well as a broken candidate.
_FATAL = {ErrorKind.RUN_CRASH, ErrorKind.RUN_TIMEOUT, ErrorKind.BUILD_TIMEOUT}


class Health:
    """Collects outcomes and calibrations of one worker, and judges its host."""

    def __init__(self, policy: HealthPolicy = HealthPolicy()) -> None:
        self._policy = policy
        self._fatal: deque[bool] = deque(maxlen=policy.window)
        self._speeds: deque[float] = deque(maxlen=policy.calibrations)
        self._best = 0.0

    def outcome(self, kind: ErrorKind | str | None) -> None:
        """Note how a candidate ended; None if it has a latency."""
        self._fatal.append(kind in _FATAL)

    def calibrated(self, calibration: Mapping[str, float]) -> None:
        """Note how fast the core was."""
        speed = calibration.get("fma_gflops")
        if speed is not None:
            self._speeds.append(speed)
            self._best = max(self._best, speed)

    def verdict(self) -> str | None:
        """Why this host should measure no more; None if it is fit."""
        policy = self._policy
        fatal = sum(self._fatal)
        if len(self._fatal) == policy.window and fatal >= policy.crash_rate * policy.window:
            return f"failing: {fatal} of the last {policy.window} candidates crashed or hung"
        if len(self._speeds) == policy.calibrations:
            share = statistics.median(self._speeds) / self._best
            if share < policy.slowest:
                return f"noisy: its core runs at {share:.0%} of its best ({self._best:.0f} GFLOP/s)"
        return None
