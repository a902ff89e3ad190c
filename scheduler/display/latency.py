"""The latency of one inference with the best kernels so far, while a job is still looking."""

from __future__ import annotations

from dataclasses import dataclass

from db import Job, JobProgress, JobState, Store


@dataclass(frozen=True, slots=True)
class Found:
    """What a job has found so far."""

    #: Workloads with at least one valid latency.
    tasks: int = 0
    #: Seconds of one inference in these, each with its fastest candidate.
    best: float | None = None
    #: The same with default schedules; ``None`` unless known for each of them.
    default: float | None = None


class Latencies:
    """Follows the measurements of one job.

    Best records appear only when a job ends, and nothing else counts then: they were measured
    again. Until then a workload is as fast as its fastest measurement, and its default schedule is
    what a strategy measures first.
    """

    def __init__(self, store: Store, job: Job) -> None:
        self._store = store
        self._job = job
        self._last = 0
        self._seen = -1
        self._records = -1
        self._calls: dict[str, int] = {}
        self._best: dict[str, float] = {}
        self._default: dict[str, float] = {}
        self._found = Found()

    def update(self, progress: JobProgress) -> Found:
        """What has been found by now; reads nothing if there is nothing new."""
        if progress.job.state is JobState.DONE and progress.best_total is not None:
            return Found(progress.tuned, progress.best_total, progress.default_total)
        if (progress.measurements, progress.tuned) == (self._seen, self._records):
            return self._found
        if not self._calls:
            job = self._job
            tasks = self._store.tasks(job.model_version, job.arch, job.bucket)
            self._calls = {task.workload.digest: task.calls for task in tasks}
        if progress.tuned != self._records:
            self._read_records()
        self._read_samples()
        self._seen, self._records = progress.measurements, progress.tuned
        self._found = self._sum()
        return self._found

    def _read_records(self) -> None:
        records = self._store.best_records(list(self._calls), self._job.arch, None)
        for digest, record in records.items():
            self._best[digest] = record.run_secs
            if record.default_secs is not None:
                self._default[digest] = record.default_secs

    def _read_samples(self) -> None:
        while samples := self._store.samples(self._job.id, after=self._last):
            self._last = samples[-1].id
            for sample in samples:
                if sample.median is None or sample.workload not in self._calls:
                    continue
                self._default.setdefault(sample.workload, sample.median)
                known = self._best.get(sample.workload, sample.median)
                self._best[sample.workload] = min(known, sample.median)

    def _sum(self) -> Found:
        if not self._best:
            return Found()
        best = sum(self._calls[digest] * secs for digest, secs in self._best.items())
        if not self._best.keys() <= self._default.keys():
            return Found(len(self._best), best)
        default = sum(self._calls[digest] * self._default[digest] for digest in self._best)
        return Found(len(self._best), best, default)
