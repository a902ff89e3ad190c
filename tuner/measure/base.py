"""The seams of measuring: a builder and a measurer, each replaceable by a fake."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from db import CpuArch
from tuner.measure.types import BuildResult, RunResult


class Builder(ABC):
    """Turns a configuration or a trace into code.

    Contract: `build` returns within its deadline whatever the compiler does, reports every
    failure as a value, and may be called from any thread: calls beyond `at_once` wait. Builds need
    not run on the architecture they are for.
    """

    #: Calls that run at the same time.
    at_once: int = 1

    @abstractmethod
    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """Build one candidate.

        Parameters
        ----------
        tir
            The workload's unscheduled function, TVM JSON text.
        config
            Configuration of its template; without `config` and `trace` it is built unscheduled.
        trace
            Schedule as a MetaSchedule trace, JSON text; comes before `config`.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to free
        """Free what `build` holds."""


class Measurer(ABC):
    """Runs code on one core of this host.

    Contract: as `Builder`; a candidate that crashes or hangs takes nothing with it.
    """

    @abstractmethod
    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        """Check and measure one candidate.

        Parameters
        ----------
        workload
            Digest; data and reference are kept for the last one.
        tir
            The unscheduled function, TVM JSON text.
        code
            As `BuildResult.code`.
        best
            Seconds of the best candidate so far: much slower ones are cut short.
        """

    @abstractmethod
    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        """Measure candidates in turns (A B C A B C …), so that drift hits all alike."""

    @abstractmethod
    def calibrate(self) -> dict[str, float]:
        """Speed of the measuring core now: ``fma_gflops``."""

    def close(self) -> None:  # noqa: B027 - most have nothing to free
        """Free what `run` holds."""
