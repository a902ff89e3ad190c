"""Builder and measurer on this host."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from db import CpuArch, ErrorKind
from tuner.measure.base import Builder, Measurer
from tuner.measure.process import ChildCrashed, ChildProcess, ChildTimeout
from tuner.measure.types import (
    DEFAULT_OPTIONS,
    BuildResult,
    Failure,
    MeasureOptions,
    RunResult,
)


def split_cores(core: int | None = None) -> tuple[int, set[int]]:
    """The core to measure on, and those to build on: another one wherever there are two."""
    allowed = os.sched_getaffinity(0)
    measuring = core if core is not None else max(allowed)
    return measuring, (allowed - {measuring}) or allowed


class LocalBuilder(Builder):
    """Compiles in a child process that keeps off the measuring core."""

    def __init__(self, options: MeasureOptions = DEFAULT_OPTIONS) -> None:
        self._options = options
        cores = options.build_cores
        self._child = ChildProcess(
            set(cores) if cores else split_cores(options.core)[1],
            memory_bytes=options.memory_bytes,
        )

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        deadline = self._options.build_deadline_s
        try:
            result: BuildResult = self._child.call(
                "build", tir, arch, config, trace, deadline_s=deadline
            )
        except ChildTimeout as error:
            return BuildResult(None, None, deadline, Failure(ErrorKind.BUILD_TIMEOUT, str(error)))
        except (ChildCrashed, RuntimeError) as error:
            return BuildResult(None, None, 0.0, Failure(ErrorKind.BUILD_ERROR, str(error)[:500]))
        return result

    def close(self) -> None:
        """Kill the child."""
        self._child.close()


class LocalMeasurer(Measurer):
    """Measures in a child process pinned to one core."""

    def __init__(self, options: MeasureOptions = DEFAULT_OPTIONS) -> None:
        self._options = options
        #: The core that candidates run on.
        self.core = split_cores(options.core)[0]
        self._child = ChildProcess({self.core}, memory_bytes=options.memory_bytes)

    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        """See `Measurer.run`."""
        try:
            result: RunResult = self._child.call(
                "run", workload, tir, code, best, self._options,
                deadline_s=self._options.run_deadline_s,
            )  # fmt: skip
        except (ChildTimeout, ChildCrashed, RuntimeError) as error:
            return RunResult(failure=_failure(error))
        if result.failure is not None and result.failure.kind is ErrorKind.WRONG_RESULT:
            # It may have written anywhere: what it left behind must not judge the next one.
            self._child.close()
        return result

    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        """See `Measurer.compare`."""
        try:
            results: list[RunResult] = self._child.call(
                "compare", workload, tir, list(codes), self._options,
                deadline_s=self._options.run_deadline_s * max(1, len(codes)),
            )  # fmt: skip
        except (ChildTimeout, ChildCrashed, RuntimeError) as error:
            return [RunResult(failure=_failure(error)) for _ in codes]
        return results

    def calibrate(self) -> dict[str, float]:
        """See `Measurer.calibrate`."""
        measured: dict[str, float] = self._child.call("calibrate", deadline_s=60.0)
        return measured

    def close(self) -> None:
        """Kill the child."""
        self._child.close()


def _failure(error: Exception) -> Failure:
    if isinstance(error, ChildTimeout):
        return Failure(ErrorKind.RUN_TIMEOUT, str(error))
    if isinstance(error, ChildCrashed):
        return Failure(ErrorKind.RUN_CRASH, f"the measuring process was {error}")
    return Failure(ErrorKind.RUN_ERROR, str(error)[:500])
