"""Campaigns, jobs, leases, events, workers and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from db.domain.retry import RetryPolicy
from db.domain.states import CampaignState, JobAction, JobState

#: Start of the keys of campaigns for what serving missed: the next night works on them, too.
MISSED = "missed/"


@dataclass(frozen=True, slots=True)
class CampaignSpec:
    """What one night (or one manual run) is asked to do."""

    #: Name for people; need not be unique.
    name: str
    #: Search strategy: ``autotvm``, ``ansor`` or ``auto``.
    strategy: str
    #: Budget of each job, in measured candidates; ``None`` leaves it to `seconds`.
    trials: int | None = None
    #: Budget of each job, in seconds; ``None`` leaves it to `trials`.
    seconds: float | None = None
    #: How the configurations of a template are searched; ``None`` for the tuner's own choice.
    searcher: str | None = None
    #: Seed of every random choice.
    seed: int = 0
    #: When failed and lost jobs are tried again.
    retry: RetryPolicy = RetryPolicy()
    #: Creating a campaign with a key that exists returns the existing one: safe to call twice.
    key: str | None = None
    #: Budget of the whole campaign, in seconds from its creation; ``None`` for no end.
    wall_s: float | None = None


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job to be queued."""

    #: Identifier returned by ``add_model_version``.
    model_version: int
    #: Name of the CPU architecture.
    arch: str
    #: Batch size the kernels are specialised for.
    bucket: int
    #: Higher goes first.
    priority: int = 0
    #: Budget in candidates; ``None`` takes the campaign's.
    trials: int | None = None
    #: Budget in seconds; ``None`` takes the campaign's.
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job, with what its worker needs to know of its campaign and its model."""

    #: Identifier.
    id: int
    #: Campaign it belongs to.
    campaign_id: int
    #: Model version to tune.
    model_version: int
    #: Name of the model.
    model: str
    #: Where the model comes from.
    source: str
    #: Name of the CPU architecture.
    arch: str
    #: Batch bucket.
    bucket: int
    #: Where it stands.
    state: JobState
    #: Number of the attempt: grows by one with each claim and is never used twice.
    attempt: int
    #: Higher goes first.
    priority: int
    #: Why it is where it is, for people; empty when there is nothing to say.
    reason: str
    #: Search strategy of the campaign.
    strategy: str
    #: Budget in candidates.
    trials: int | None
    #: Budget in seconds.
    seconds: float | None
    #: Seed of the campaign.
    seed: int
    #: When the campaign's budget in wall time ends.
    ends_at: datetime | None = None
    #: How the configurations of a template are searched.
    searcher: str | None = None
    #: Failures and losses so far; quarantined at the campaign's ``max_failures``.
    failures: int = 0
    #: Worker that holds it, or held it last.
    worker: str | None = None
    #: Not claimable earlier than this.
    not_before: datetime | None = None
    #: When the lease ends, while it runs.
    lease_expires_at: datetime | None = None
    #: When it was queued.
    created_at: datetime | None = None
    #: When it was first claimed.
    started_at: datetime | None = None
    #: When it reached a final state.
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job until a moment of the database's clock."""

    #: The job.
    job: Job
    #: Proof of holding it; every claim makes a new one.
    token: str
    #: When others may take it.
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One step in the story of a job."""

    #: Grows with time.
    id: int
    #: The job.
    job_id: int
    #: When it happened, by the database's clock.
    at: datetime
    #: What happened.
    action: JobAction
    #: State the job was in, ``None`` for its creation.
    before: JobState | None
    #: State it is in since.
    after: JobState
    #: Attempt it happened in.
    attempt: int
    #: Worker concerned, if any.
    worker: str | None
    #: Why, for people.
    reason: str


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """One campaign at a glance."""

    #: Identifier.
    campaign_id: int
    #: Name for people.
    name: str
    #: Derived from the jobs.
    state: CampaignState
    #: Jobs by state; every state is present.
    jobs: Mapping[JobState, int]
    #: Measurements stored, failed ones included.
    measurements: int
    #: Failed measurements by error kind; only kinds that occurred.
    errors: Mapping[str, int]
    #: When it was created.
    started_at: datetime
    #: Last change of any of its jobs.
    updated_at: datetime
    #: Search strategy.
    strategy: str = "auto"
    #: Budget of each job in candidates.
    trials: int | None = None
    #: Budget of each job in seconds.
    seconds: float | None = None
    #: When the last job became final; ``None`` while one has not.
    finished_at: datetime | None = None
    #: What makes its creation safe to repeat.
    key: str | None = None
    #: When its budget in wall time ends.
    ends_at: datetime | None = None
    #: Why none of its jobs is given out at present; ``None`` if they are.
    paused_reason: str | None = None

    @property
    def unfinished(self) -> int:
        """Jobs that are not final yet."""
        return sum(count for state, count in self.jobs.items() if not state.final)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One job at a glance."""

    #: The job.
    job: Job
    #: Measurements stored, failed ones included.
    measurements: int
    #: Failed measurements by error kind; only kinds that occurred.
    errors: Mapping[str, int]
    #: Workloads in the job's bucket.
    tasks: int
    #: Workloads that have a best record on the job's architecture.
    tuned: int
    #: Seconds of one inference spent in tuned workloads, with the best records; None without any.
    best_total: float | None
    #: The same workloads with their default schedules.
    default_total: float | None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker process of the fleet."""

    #: A fresh UUID per process, so that a restarted worker is never taken for its predecessor.
    id: str
    #: Host it runs on.
    host: str
    #: CPU architecture it measures on.
    arch: str
    #: CPU model name.
    cpu: str = ""
    #: Process id on its host.
    pid: int = 0
    #: Candidates it measures at once.
    slots: int = 1
    #: Anything else worth showing.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: When it registered; filled in by the database.
    started_at: datetime | None = None
    #: Its last heartbeat; filled in by the database.
    seen_at: datetime | None = None
    #: Figures of its last heartbeat; filled in by the database.
    stats: Mapping[str, float] = field(default_factory=dict)
    #: Why it is to leave after its present job; ``None`` if it may stay.
    drain_reason: str | None = None
    #: When it was declared gone; ``None`` while it serves.
    gone_at: datetime | None = None
    #: Why it left or was declared gone.
    gone_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A campaign that returns, as the scheduler understands it."""

    #: Unique name.
    name: str
    #: When it is due, in the scheduler's own notation (e.g. a cron line).
    when: str
    #: What to run: the scheduler's own options.
    spec: Mapping[str, Any] = field(default_factory=dict)
    #: Whether it runs at all.
    enabled: bool = True
    #: It is not due before this; filled in by the database, anew with each change.
    since: datetime | None = None
