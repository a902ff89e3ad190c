"""One workload while a job tunes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import tvm

from db import CpuArch, Measured, Task
from tuner.arch import simd_of
from tuner.cost_model import CostModel
from tuner.measure import bound_secs
from tuner.strategy import (
    DEFAULT_SEARCHER,
    Candidate,
    Outcome,
    Progress,
    Strategy,
    make_strategy,
)
from tuner.workloads import Facts, facts_of
from workers.champion import Ring


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a job searches."""

    #: As `tuner.strategy.make_strategy` takes it.
    strategy: str
    #: A key of `tuner.strategy.SEARCHERS`; None for the default.
    searcher: str | None
    #: Seed of every random choice.
    seed: int


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
    #: Candidates tried, in earlier campaigns too.
    progress: Progress = field(default_factory=Progress)
    #: Candidates that this job told.
    trials: int = 0
    #: Candidates asked for and not told yet.
    pending: int = 0
    #: Seconds that one trial takes, lately.
    trial_secs: float = 0.0
    #: True if the strategy had nothing more to propose.
    over: bool = False

    @classmethod
    def create(
        cls,
        task: Task,
        arch: CpuArch,
        ring: Ring,
        *,
        options: SearchOptions,
        known: Mapping[str, Measured],
        model: CostModel | None,
        calibration: Mapping[str, float],
    ) -> TaskState:
        """Prepare a workload.

        Parameters
        ----------
        known
            What was ever measured of it with this toolchain, the oldest first.
        model
            What other workloads taught.
        calibration
            Speed of the measuring core.
        """
        facts, lanes = facts_of(tvm.ir.load_json(task.workload.tir)), simd_of(arch).lanes
        strategy = make_strategy(
            options.strategy,
            task.workload.digest,
            facts,
            arch,
            seed=options.seed,
            known=known,
            tir=task.workload.tir,
            searcher=options.searcher or DEFAULT_SEARCHER,
            model=model,
            roofline=bound_secs(facts.flops, facts.bytes, calibration, lanes),
        )
        progress = Progress.of(m.median for m in known.values())
        return cls(task, facts, lanes, strategy, ring, progress)

    @property
    def digest(self) -> str:
        """Digest of the workload."""
        return self.task.workload.digest

    @property
    def best(self) -> float | None:
        """Fastest valid median so far, in seconds."""
        return self.progress.best

    @property
    def exhausted(self) -> bool:
        """True if there is nothing left to ask for."""
        return self.over or self.strategy.remaining == 0

    @property
    def untried(self) -> bool:
        """True if nobody ever tried it, nor is about to."""
        return self.progress.told + self.pending == 0

    @property
    def use(self) -> float:
        """How much a second of it weighs: calls of one inference times their traffic."""
        return self.task.calls * self.task.weight

    def ask(self) -> Candidate | None:
        """The next candidate; None if there is none."""
        asked = self.strategy.ask(1)
        self.pending += len(asked)
        self.over = not asked
        return asked[0] if asked else None

    def tell(self, candidate: Candidate, secs: float | None, *, took: float) -> None:
        """Note how a candidate did, and how many seconds it took to find out."""
        self.strategy.tell([Outcome(candidate, secs)])
        self.progress.note(secs)
        self.trials += 1
        self.pending -= 1
        self.over = False
        self.trial_secs = took if not self.trial_secs else 0.7 * self.trial_secs + 0.3 * took

    def bound_secs(self, calibration: Mapping[str, float]) -> float | None:
        """Seconds below which it cannot run on a core so calibrated; None if it was not."""
        return bound_secs(self.facts.flops, self.facts.bytes, calibration, self.lanes)

    def room(self, calibration: Mapping[str, float]) -> float:
        """Part of its time that a schedule at the roofline would save, in ``[0, 1)``."""
        bound = self.bound_secs(calibration)
        if bound is None or self.best is None:
            return 0.5
        return max(0.0, 1.0 - bound / self.best)
