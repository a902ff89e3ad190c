"""A campaign at one moment: all that is shown of it, and what follows from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from db import CampaignState, JobState


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """One job at one moment."""

    id: int
    model: str
    #: Name of the CPU architecture.
    arch: str
    bucket: int
    state: JobState
    #: Candidates measured, failed ones included.
    trials: int = 0
    #: Failed candidates by error kind.
    errors: Mapping[str, int] = field(default_factory=dict)
    #: Candidates per second, lately.
    rate: float = 0.0
    #: Workloads of the bucket.
    tasks: int = 0
    #: Workloads with at least one valid measurement.
    measured_tasks: int = 0
    #: Seconds of one inference in these workloads, each with its fastest candidate so far.
    best: float | None = None
    #: The same with their default schedules; ``None`` until each of them was measured so.
    default: float | None = None
    #: Seconds it has run in its present attempt.
    running_secs: float = 0.0
    #: Budget in seconds.
    seconds: float | None = None
    #: Budget in candidates.
    budget: int | None = None
    #: Why it is where it is; empty when there is nothing to say.
    reason: str = ""

    @property
    def gain(self) -> float | None:
        """How many times faster than with default schedules."""
        if self.best is None or self.default is None:
            return None
        return self.default / self.best

    @property
    def failed(self) -> bool:
        """Whether it ended without being done."""
        return self.state.final and self.state is not JobState.DONE

    @property
    def left(self) -> float | None:
        """Seconds of work left, ``None`` if that cannot be told."""
        if self.state.final:
            return 0.0
        by_time = by_trials = None
        if self.seconds is not None:
            by_time = max(0.0, self.seconds - self.running_secs)
        if self.budget is not None and self.rate > 0:
            by_trials = max(0, self.budget - self.trials) / self.rate
        known = [left for left in (by_time, by_trials) if left is not None]
        return min(known, default=None)

    @property
    def spent(self) -> float:
        """Share of its budget that is used up, 0 to 1."""
        if self.state.final:
            return 1.0
        shares = [0.0]
        if self.seconds:
            shares.append(self.running_secs / self.seconds)
        if self.budget:
            shares.append(self.trials / self.budget)
        return min(1.0, max(shares))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One campaign at one moment."""

    campaign_id: int
    name: str
    strategy: str
    state: CampaignState
    #: In the order they were queued.
    jobs: tuple[JobSnapshot, ...]
    #: Seconds since it, or the command that shows it, began.
    elapsed: float = 0.0
    #: Candidates per second over all jobs, lately.
    rate: float = 0.0

    @property
    def trials(self) -> int:
        """Candidates measured, failed ones included."""
        return sum(job.trials for job in self.jobs)

    @property
    def errors(self) -> Counter[str]:
        """Candidates that failed, by error kind."""
        kinds = Counter[str]()
        for job in self.jobs:
            kinds.update(job.errors)
        return kinds

    @property
    def done(self) -> int:
        """Jobs that are done."""
        return sum(job.state is JobState.DONE for job in self.jobs)

    @property
    def failed(self) -> int:
        """Jobs that ended without being done."""
        return sum(job.failed for job in self.jobs)

    @property
    def finished(self) -> bool:
        """Whether every job is final."""
        return self.state is not CampaignState.RUNNING

    @property
    def spent(self) -> float:
        """Share of the budget that is used up, 0 to 1."""
        return sum(job.spent for job in self.jobs) / len(self.jobs) if self.jobs else 1.0

    @property
    def left(self) -> float | None:
        """Seconds until the campaign ends, ``None`` if that cannot be told.

        Jobs that wait take the places of those that run, as many at a time.
        """
        if self.finished:
            return 0.0
        waiting = [job.left for job in self.jobs if not job.state.final]
        if any(left is None for left in waiting):
            return None
        running = sum(job.state is JobState.RUNNING for job in self.jobs)
        total = sum(left for left in waiting if left is not None)
        longest = max((left for left in waiting if left is not None), default=0.0)
        return max(longest, total / max(1, running))
