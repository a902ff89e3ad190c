"""One workload while a job tunes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tvm

from db import CpuArch, Measured, Task
from tuner.arch import simd_of
from tuner.measure import bound_secs
from tuner.strategy import Candidate, Outcome, Strategy, make_strategy
from tuner.workloads import Facts, facts_of
from workers.champion import Ring


@dataclass(slots=True)
class TaskState:
    """What a job knows of one of its workloads."""

    task: Task
    facts: Facts
    #: float32 values in a register of the architecture it is tuned for.
    lanes: int
    strategy: Strategy
    #: Decides what becomes the best record.
    ring: Ring
    #: Fastest valid median so far, in seconds.
    best: float | None = None
    #: Candidates tried, in earlier campaigns too.
    trials: int = 0
    #: Candidates asked for and not told yet.
    pending: int = field(default=0)

    @classmethod
    def create(
        cls,
        task: Task,
        arch: CpuArch,
        ring: Ring,
        *,
        strategy: str,
        seed: int,
        known: dict[str, Measured],
    ) -> TaskState:
        """Prepare a workload; `known` is what was ever measured of it with this toolchain."""
        facts = facts_of(tvm.ir.load_json(task.workload.tir))
        chosen = make_strategy(
            strategy,
            task.workload.digest,
            facts,
            arch,
            seed=seed,
            known=known,
            tir=task.workload.tir,
        )
        times = [m.median for m in known.values() if m.median is not None]
        return cls(
            task,
            facts,
            simd_of(arch).lanes,
            chosen,
            ring,
            best=min(times, default=None),
            trials=len(known),
        )

    @property
    def digest(self) -> str:
        """Digest of the workload."""
        return self.task.workload.digest

    @property
    def exhausted(self) -> bool:
        """True if there is nothing left to ask for."""
        return self.strategy.remaining == 0

    def tell(self, candidate: Candidate, secs: float | None) -> None:
        """Note how a candidate did."""
        self.strategy.tell([Outcome(candidate, secs)])
        self.trials += 1
        self.pending -= 1
        if secs is not None and (self.best is None or secs < self.best):
            self.best = secs

    def bound_secs(self, calibration: Mapping[str, float]) -> float | None:
        """Seconds below which it cannot run on a core so calibrated; None if it was not."""
        return bound_secs(self.facts.flops, self.facts.bytes, calibration, self.lanes)

    def gain(self, calibration: Mapping[str, float]) -> float:
        """What the next trial is worth, in expected seconds of the model's time.

        A workload that was never tried comes first. Otherwise: its share of the inference, times
        the room below the roofline, spread over the trials it already had.
        """
        if self.best is None:
            return float("inf") if self.trials + self.pending == 0 else 0.0
        bound = self.bound_secs(calibration)
        room = 0.5 if bound is None else min(0.5, max(0.02, 1.0 - bound / self.best))
        share = self.task.calls * self.task.weight * self.best
        return share * room / (1 + self.trials + self.pending)
