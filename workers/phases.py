"""Where a measuring slot spends its time, and what came of it: figures for every heartbeat."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from db import CpuArch
from tuner.measure import Builder, BuildResult, Failure, Measurer, RunResult
from workers.health import Health
from workers.tools import Tools

#: Phases in which the measuring core measures.
MEASURING = ("measure", "validate", "calibrate")
#: Phases in which it works: it builds what it needs when nothing is built elsewhere.
BUSY = (*MEASURING, "build_here")


class Phases:
    """Seconds per phase; may be used by several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._secs: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = {"measured": 0.0, "failed": 0.0}
        self._began: float | None = None
        self._ended = 0.0
        #: Seconds that the core worked, from then on.
        self._worked = 0.0
        self._speed: Mapping[str, float] = {}

    @contextmanager
    def time(self, phase: str) -> Iterator[None]:
        """Count a block as `phase`."""
        start = self._clock()
        try:
            yield
        finally:
            end = self._clock()
            with self._lock:
                self._secs[phase] += end - start
                if self._began is None and phase in MEASURING:
                    self._began = start
                if self._began is not None and phase in BUSY:
                    self._ended = end
                    self._worked += end - start

    def outcome(self, failure: Failure | None) -> None:
        """Count a candidate."""
        with self._lock:
            self._counts["measured"] += 1
            self._counts["failed"] += failure is not None

    def calibrated(self, calibration: Mapping[str, float]) -> None:
        """Remember the speed of the core."""
        with self._lock:
            self._speed = dict(calibration)

    def stats(self) -> dict[str, float]:
        """Figures by name.

        ``<phase>_s``, ``measured``, ``failed``, speeds; and of the time since the first
        measurement, the share in which the core worked (``utilisation``) and measured
        (``measuring``).
        """
        with self._lock:
            found = {f"{phase}_s": secs for phase, secs in self._secs.items()}
            found |= self._counts | dict(self._speed)
            if self._began is not None and self._ended > self._began:
                # From the first measurement on: starting up is no idleness.
                measured = sum(self._secs.get(phase, 0.0) for phase in MEASURING)
                for name, secs in (("utilisation", self._worked), ("measuring", measured)):
                    found[name] = min(1.0, secs / (self._ended - self._began))
        return {name: round(value, 4) for name, value in found.items()}


class WatchedBuilder(Builder):
    """A builder whose time and failures are counted."""

    def __init__(
        self, builder: Builder, phases: Phases, health: Health, phase: str = "build"
    ) -> None:
        self._builder, self._phases, self._health = builder, phases, health
        self._phase = phase
        self.at_once = builder.at_once

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        with self._phases.time(self._phase):
            result = self._builder.build(tir, arch, config=config, trace=trace)
        if result.failure is not None:
            self._phases.outcome(result.failure)
            self._health.outcome(result.failure.kind)
        return result

    def close(self) -> None:
        """See `Builder.close`."""
        self._builder.close()


class WatchedMeasurer(Measurer):
    """A measurer whose time and outcomes are counted."""

    def __init__(self, measurer: Measurer, phases: Phases, health: Health) -> None:
        self._measurer, self._phases, self._health = measurer, phases, health

    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        """See `Measurer.run`."""
        with self._phases.time("measure"):
            result = self._measurer.run(workload, tir, code, best=best)
        self._phases.outcome(result.failure)
        self._health.outcome(result.failure.kind if result.failure else None)
        return result

    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        """See `Measurer.compare`."""
        with self._phases.time("validate"):
            return self._measurer.compare(workload, tir, codes)

    def calibrate(self) -> dict[str, float]:
        """See `Measurer.calibrate`."""
        with self._phases.time("calibrate"):
            measured = self._measurer.calibrate()
        self._phases.calibrated(measured)
        self._health.calibrated(measured)
        return measured

    def close(self) -> None:
        """See `Measurer.close`."""
        self._measurer.close()


def watch(tools: Tools, phases: Phases, health: Health) -> Tools:
    """The same tools, their time and outcomes counted."""
    here: Builder | None = None
    if tools.here is not None:
        here = WatchedBuilder(tools.here, phases, health, "build_here")
    beside: Builder | None = here if tools.here is tools.builder else None
    return Tools(
        beside or WatchedBuilder(tools.builder, phases, health),
        WatchedMeasurer(tools.measurer, phases, health),
        here,
        tools.core,
        tools.claim,
    )
