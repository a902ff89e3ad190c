"""The morning report: what a campaign improved, worsened, covered and missed, and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from db import Change, JobProgress, JobState, Store

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
    ours = store.campaign_workloads(campaign_id)
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
            slot_hours=store.slot_seconds(campaign_id) / 3600.0,
        ),
    )
