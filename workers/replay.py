"""A night without a compiler: builds cost nothing, latencies are recorded or invented."""

from __future__ import annotations

from dataclasses import dataclass

from db import open_store
from tuner.testing import (
    FakeBuilder,
    FakeMeasurer,
    Latencies,
    RecordedLatencies,
    SyntheticLatencies,
)
from workers.tools import Tools


@dataclass(frozen=True, slots=True)
class ReplayTools:
    """Makes the tools of a slot that measures nothing."""

    #: Database whose measurements are replayed; None invents latencies.
    recording: str | None = None
    #: CPU architecture and toolchain (key) of the recording.
    arch: str = ""
    toolchain: str = ""
    #: Seed of invented latencies.
    seed: int = 0
    #: Share of the candidates that seem to fail, where latencies are invented.
    failing: float = 0.0
    #: Seconds that a build seems to take.
    build_s: float = 0.0
    #: Seconds that a measurement seems to take.
    measure_s: float = 0.0

    def __call__(self) -> Tools:
        """Make a builder and a measurer that only wait."""
        return Tools(
            FakeBuilder(delay_s=self.build_s),
            FakeMeasurer(self._latencies(), delay_s=self.measure_s),
        )

    def _latencies(self) -> Latencies:
        if self.recording is None:
            return SyntheticLatencies(self.seed, failing=self.failing)
        with open_store(self.recording, create=False, read_only=True) as store:
            return RecordedLatencies.of_store(store, self.arch, self.toolchain)
