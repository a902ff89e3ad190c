"""How the latency of a model fell while a job tuned it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from db import Job, Store


@dataclass(frozen=True, slots=True)
class Step:
    """A moment at which a model became faster."""

    #: Seconds since the job began.
    at: float
    #: Candidates measured by then.
    trials: int
    #: Seconds of one inference in the fastest kernels known by then.
    latency: float


def steps(store: Store, job: Job) -> Iterator[Step]:
    """The moments of a job, once each of its workloads has a latency.

    Latencies that the database had before the job count from its beginning.
    """
    tasks = {t.workload.digest: t for t in store.job_tasks(job.id)}
    samples = store.samples(job.id)
    if job.started_at is None:
        return
    best: dict[str, float] = {}
    for trials, sample in enumerate(samples, 1):
        if sample.workload not in tasks or sample.median is None:
            continue
        if sample.median >= best.get(sample.workload, math.inf):
            continue
        best[sample.workload] = sample.median
        if len(best) == len(tasks):
            latency = sum(tasks[digest].calls * secs for digest, secs in best.items())
            yield Step((sample.at - job.started_at).total_seconds(), trials, latency)


def reached(found: list[Step], within: float, target: float | None = None) -> Step | None:
    """The first step within a part of a latency; of the last one without a target."""
    if not found:
        return None
    limit = (1.0 + within) * (found[-1].latency if target is None else target)
    return next((step for step in found if step.latency <= limit), None)
