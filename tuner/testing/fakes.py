"""A builder that compiles nothing, and a measurer that runs nothing."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from db import CpuArch
from tuner.measure import Builder, BuildResult, Failure, Measurer, RunResult
from tuner.testing.latencies import Latencies, fake_trace


class FakeBuilder(Builder):
    """Returns at once what `FakeMeasurer` understands; the trace stands for the code.

    Parameters
    ----------
    delay_s
        Seconds that a build seems to take; it sleeps as long.
    """

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._lock = threading.Lock()
        #: Builds so far.
        self.builds = 0

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        with self._lock:
            self.builds += 1
            time.sleep(self._delay_s)
        made = trace or fake_trace(config or {})
        return BuildResult(made, made, self._delay_s)


class FakeMeasurer(Measurer):
    """Tells latencies instead of measuring them.

    Parameters
    ----------
    latencies
        Where they come from.
    delay_s
        Seconds that a measurement seems to take; it sleeps as long.
    calibration
        Speed that the core seems to have.
    """

    def __init__(
        self,
        latencies: Latencies,
        *,
        delay_s: float = 0.0,
        calibration: Mapping[str, float] | None = None,
    ) -> None:
        self._latencies, self._delay_s = latencies, delay_s
        self._calibration = dict(calibration or {"fma_gflops": 100.0, "stream_gbs": 20.0})
        self._lock = threading.Lock()
        #: How often each (workload, code) was run.
        self.runs: Counter[tuple[str, str]] = Counter()
        #: Core it seems to be pinned to.
        self.core = 0

    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        """See `Measurer.run`."""
        with self._lock:
            self.runs[workload, code] += 1
            return self._told(workload, code)

    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        """See `Measurer.compare`."""
        with self._lock:
            return [self._told(workload, code) for code in codes]

    def _told(self, workload: str, code: str) -> RunResult:
        time.sleep(self._delay_s)
        secs = self._latencies.secs(workload, code)
        if isinstance(secs, Failure):
            return RunResult(failure=secs)
        return RunResult((secs,) * 3, error=0.0)

    def calibrate(self) -> dict[str, float]:
        """See `Measurer.calibrate`."""
        return dict(self._calibration)
