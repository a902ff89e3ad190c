"""Builds and measurements on one core, taking turns: where every core of a host measures.

A build beside a measurement on the same core would double the latency that is measured. One that
waits for it costs nothing: the core is busy either way.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from db import CpuArch
from tuner.measure import Builder, BuildResult, Measurer, RunResult


class PoliteBuilder(Builder):
    """Builds only while nothing is measured."""

    def __init__(self, builder: Builder, turn: threading.Lock) -> None:
        self._builder, self._turn = builder, turn

    def build(
        self, tir: str, arch: CpuArch, *, config: Mapping[str, int] | None, trace: str | None
    ) -> BuildResult:
        """See `Builder.build`."""
        with self._turn:
            return self._builder.build(tir, arch, config=config, trace=trace)

    def close(self) -> None:
        """See `Builder.close`."""
        self._builder.close()


class PoliteMeasurer(Measurer):
    """Measures only while nothing is built."""

    def __init__(self, measurer: Measurer, turn: threading.Lock) -> None:
        self._measurer, self._turn = measurer, turn

    def run(self, workload: str, tir: str, code: str, *, best: float | None) -> RunResult:
        """See `Measurer.run`."""
        with self._turn:
            return self._measurer.run(workload, tir, code, best=best)

    def compare(self, workload: str, tir: str, codes: Sequence[str]) -> list[RunResult]:
        """See `Measurer.compare`."""
        with self._turn:
            return self._measurer.compare(workload, tir, codes)

    def calibrate(self) -> dict[str, float]:
        """See `Measurer.calibrate`."""
        with self._turn:
            return self._measurer.calibrate()

    def close(self) -> None:
        """See `Measurer.close`."""
        self._measurer.close()


def take_turns(builder: Builder, measurer: Measurer) -> tuple[Builder, Measurer]:
    """The same builder and measurer, never at work at the same time."""
    turn = threading.Lock()
    return PoliteBuilder(builder, turn), PoliteMeasurer(measurer, turn)
