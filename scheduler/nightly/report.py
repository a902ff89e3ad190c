"""The morning report: what a campaign improved, worsened, covered and missed, and its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db import Change, JobAction, JobProgress, JobState, Store

#: Changes of less than this are noise.
NOISE = 0.01


@dataclass(frozen=True, slots=True)
class Cost:
    """What a campaign took."""

    #: Candidates, and those of them without a latency.
    measured: int
    failed: int
    #: Hours from its creation to its end, or to now.
    hours: float
    #: Hours that measuring slots held jobs.
    slot_hours: float


@dataclass(frozen=True, slots=True)
class Report:
    """How a campaign went."""

    campaign: int
    name: str
    state: str
    #: Workloads that became faster, the greatest gain first.
    improved: tuple[Change, ...]
    #: Workloads whose record was revoked or replaced by a slower one, the worst first.
    regressed: tuple[Change, ...]
    #: Workloads that have a record now and had none.
    covered: tuple[Change, ...]
    #: Jobs that ended without being done, and why.
    failed: tuple[JobProgress, ...]
    #: Jobs that are done, and all of them.
    done: int
    jobs: int
    cost: Cost


def report(store: Store, campaign_id: int) -> Report:
    """Read how a campaign went; of one that still runs, how it goes."""
    progress = store.campaign_progress(campaign_id)
    jobs = store.job_progress(campaign_id)
    end = progress.finished_at or store.now()
    # A record of the campaign's first moment is one of the campaign.
    changes = store.compare(progress.started_at - timedelta(milliseconds=1), end)
    ours = _workloads(store, jobs)
    changes = [c for c in changes if (c.workload, c.arch) in ours]
    speedups = [(c, c.speedup) for c in changes if c.speedup is not None]
    return Report(
        campaign=campaign_id,
        name=progress.name,
        state=str(progress.state),
        improved=tuple(
            c for c, s in sorted(speedups, key=lambda pair: -pair[1]) if s > 1.0 + NOISE
        ),
        regressed=tuple(
            c
            for c in changes
            if (c.after is None and c.before is not None)
            or (c.speedup is not None and c.speedup < 1.0 - NOISE)
        ),
        covered=tuple(c for c in changes if c.before is None and c.after is not None),
        failed=tuple(p for p in jobs if p.job.state.final and p.job.state is not JobState.DONE),
        done=progress.jobs[JobState.DONE],
        jobs=len(jobs),
        cost=Cost(
            measured=progress.measurements,
            failed=sum(progress.errors.values()),
            hours=(end - progress.started_at).total_seconds() / 3600.0,
            slot_hours=sum(_held(store, p, end) for p in jobs) / 3600.0,
        ),
    )


def _workloads(store: Store, jobs: Sequence[JobProgress]) -> set[tuple[str, str]]:
    return {
        (task.workload.digest, p.job.arch)
        for p in jobs
        for task in store.tasks(p.job.model_version, p.job.arch, p.job.bucket)
    }


def _held(store: Store, progress: JobProgress, end: datetime) -> float:
    """Seconds that workers held a job."""
    total, since = 0.0, None
    for event in store.events(progress.job.id):
        if event.action is JobAction.CLAIM:
            since = event.at
        elif since is not None:
            total += (event.at - since).total_seconds()
            since = None
    return total if since is None else total + max(0.0, (end - since).total_seconds())
