"""Reads a campaign's progress from the database, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from db import CampaignProgress, JobProgress, JobState, Store
from scheduler.display.latency import Latencies
from scheduler.display.rates import Rates
from scheduler.display.snapshot import JobSnapshot, Snapshot


class Observer:
    """Takes snapshots of one campaign.

    Parameters
    ----------
    store
        Where the campaign is; only read.
    campaign_id
        The campaign.
    own
        Whether the command that watches also does the work: time is then counted from now on, not
        from when the campaign was created, which may have been yesterday.
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        campaign_id: int,
        *,
        own: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._campaign_id = campaign_id
        self._clock = clock
        self._began = clock() if own else None
        self._rates = Rates()
        self._overall = Rates()
        self._latencies: dict[int, Latencies] = {}
        #: Job -> when it was first seen running in its present attempt.
        self._seen: dict[int, tuple[int, float]] = {}

    def snapshot(self) -> Snapshot:
        """The campaign as it is now."""
        progress = self._store.campaign_progress(self._campaign_id)
        jobs = self._store.job_progress(self._campaign_id)
        now = self._clock()
        rates = self._rates.update(now, {job.job.id: job.measurements for job in jobs})
        overall = self._overall.update(now, {self._campaign_id: progress.measurements})
        return Snapshot(
            campaign_id=progress.campaign_id,
            name=progress.name,
            strategy=progress.strategy,
            state=progress.state,
            jobs=tuple(self._job(job, rates) for job in jobs),
            elapsed=self._elapsed(progress),
            rate=overall[self._campaign_id],
        )

    def _job(self, progress: JobProgress, rates: Mapping[int, float]) -> JobSnapshot:
        job = progress.job
        if job.id not in self._latencies:
            self._latencies[job.id] = Latencies(self._store, job)
        found = self._latencies[job.id].update(progress)
        return JobSnapshot(
            id=job.id,
            model=job.model,
            arch=job.arch,
            bucket=job.bucket,
            state=job.state,
            trials=progress.measurements,
            errors=progress.errors,
            rate=rates[job.id] if job.state is JobState.RUNNING else 0.0,
            tasks=progress.tasks,
            measured_tasks=found.tasks,
            best=found.best,
            default=found.default,
            running_secs=self._running(progress),
            seconds=job.seconds,
            budget=job.trials,
            reason="" if job.state is JobState.DONE else job.reason,
        )

    def _running(self, progress: JobProgress) -> float:
        """Seconds that a job has searched, those of earlier attempts included."""
        job = progress.job
        if job.state is not JobState.RUNNING:
            return 0.0
        attempt, since = self._seen.get(job.id, (-1, 0.0))
        if attempt != job.attempt:
            since = self._clock()
            if self._began is None and job.attempt == 1:
                since -= _age(job.started_at)
            if job.attempt > 1:
                # Late: most jobs need one attempt, and a reader no compiler.
                from workers.budget import seconds_spent

                since -= seconds_spent(self._store, job)
            self._seen[job.id] = (job.attempt, since)
        return self._clock() - since

    def _elapsed(self, progress: CampaignProgress) -> float:
        if self._began is not None:
            return self._clock() - self._began
        if progress.finished_at is not None:
            return (progress.finished_at - progress.started_at).total_seconds()
        return _age(progress.started_at)


def _age(moment: datetime | None) -> float:
    """Seconds since a moment of the database's clock, by this machine's clock."""
    if moment is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
