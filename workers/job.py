"""Runs one job: tunes the workloads of one bucket until its budget is spent.

Builds run ahead of measurements, each in a child process of its own. Every outcome is stored
before the next one is asked for, so that a crash loses at most what is being measured.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from db import CpuArch, Lease, Measurement, Store, measurement_uid
from tuner.arch import toolchain
from tuner.measure import Builder, BuildResult, Failure, Measurer, RunResult
from tuner.strategy import Candidate
from workers.finalize import finalize
from workers.host import cpu_model, host_name
from workers.task import TaskState


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is run."""

    #: Candidates built ahead of the one being measured.
    build_ahead: int = 3
    #: Validity of the lease, in seconds; renewed at a quarter of it.
    lease_s: float = 60.0
    #: Part of the time budget kept for confirming the winners.
    finish_share: float = 0.25
    #: Seconds between two calibrations.
    calibrate_every_s: float = 10.0
    #: Candidates of each workload that are confirmed against each other at the end.
    finalists: int = 2


@dataclass(slots=True)
class _Planned:
    state: TaskState
    candidate: Candidate
    build: Future[BuildResult]


class _Job:
    def __init__(
        self,
        store: Store,
        lease: Lease,
        builder: Builder,
        measurer: Measurer,
        options: JobOptions,
        core: int | None,
    ) -> None:
        self.store, self.lease, self.options = store, lease, options
        self.builder, self.measurer, self.core = builder, measurer, core
        self.job = lease.job
        self.arch: CpuArch = next(a for a in store.archs() if a.name == self.job.arch)
        self.toolchain = store.add_toolchain(toolchain())
        self.calibration: dict[str, float] = {}
        self._calibrated = self._renewed = 0.0
        self.measured = 0

    def states(self) -> list[TaskState]:
        tasks = self.store.tasks(self.job.model_version, self.job.arch, self.job.bucket)
        return [
            TaskState.create(
                task,
                self.arch,
                strategy=self.job.strategy,
                seed=self.job.seed,
                known=dict(self.store.measured(task.workload.digest, self.arch.name,
                                               self.toolchain)),
            )
            for task in tasks
        ]  # fmt: skip

    def keep_alive(self) -> None:
        """Renew the lease and the calibration when they are due; raises `LeaseLost`."""
        now = time.monotonic()
        if now - self._renewed > self.options.lease_s / 4:
            self.lease = self.store.renew(self.lease, self.options.lease_s)
            self._renewed = now
        if now - self._calibrated > self.options.calibrate_every_s:
            self.calibration = self.measurer.calibrate()
            self._calibrated = now

    def record(self, planned: _Planned, built: BuildResult, ran: RunResult | None) -> float | None:
        """Store one outcome; returns its median, None for a failure."""
        failure: Failure | None = built.failure or (ran.failure if ran else None)
        self.store.add_measurements([
            Measurement(
                uid=measurement_uid(self.job.id, self.job.attempt, planned.candidate.digest),
                job_id=self.job.id,
                attempt=self.job.attempt,
                workload=planned.state.digest,
                arch=self.arch.name,
                toolchain=self.toolchain,
                candidate=planned.candidate.digest,
                strategy=self.job.strategy,
                config=planned.candidate.config,
                trace=built.trace,
                run_secs=ran.run_secs if ran and failure is None else (),
                error_kind=failure.kind if failure else None,
                error_text=failure.text if failure else None,
                host=host_name(),
                cpu=cpu_model(),
                core=self.core,
                calibration=self.calibration,
                build_secs=built.secs,
            )
        ])  # fmt: skip
        self.measured += 1
        return None if failure or ran is None else ran.median


def run_job(
    store: Store,
    lease: Lease,
    builder: Builder,
    measurer: Measurer,
    options: JobOptions = JobOptions(),
    *,
    core: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Tune the workloads of a job within its budget and promote the winners.

    Returns
    -------
    Number of candidates measured now, failed ones included.

    Raises
    ------
    db.LeaseLost
        If the job was taken away meanwhile; what was measured is stored.
    """
    start = time.monotonic()
    job = _Job(store, lease, builder, measurer, options, core)
    states = job.states()
    already = sum(s.trials for s in states)
    seconds = job.job.seconds
    search_s = seconds * (1.0 - options.finish_share) if seconds is not None else None

    def spent() -> bool:
        if should_stop() or (search_s is not None and time.monotonic() - start > search_s):
            return True
        tried = already + job.measured + sum(s.pending for s in states)
        return job.job.trials is not None and tried >= job.job.trials

    job.keep_alive()
    queue: deque[_Planned] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="build") as pool:
        try:
            while True:
                while len(queue) <= options.build_ahead and not spent():
                    planned = _plan(job, states, pool)
                    if planned is None:
                        break
                    queue.append(planned)
                if not queue:
                    break
                planned = queue.popleft()
                job.keep_alive()
                built = planned.build.result()
                ran = None
                if built.code is not None:
                    ran = measurer.run(
                        planned.state.digest,
                        planned.state.task.workload.tir,
                        built.code,
                        best=planned.state.best,
                    )
                planned.state.tell(planned.candidate, job.record(planned, built, ran))
        finally:
            for waiting in queue:
                waiting.build.cancel()
    for state in states:
        job.keep_alive()
        finalize(
            store, builder, measurer, state, job.arch, job.toolchain, finalists=options.finalists
        )
    store.finish(job.lease, f"{job.measured} candidates measured")
    return job.measured


def _plan(job: _Job, states: list[TaskState], pool: ThreadPoolExecutor) -> _Planned | None:
    """Ask the workload that has most to gain for a candidate, and start building it."""
    peak = job.calibration.get("fma_gflops")
    open_states = [s for s in states if not s.exhausted]
    if not open_states:
        return None
    state = max(open_states, key=lambda s: s.gain(peak))
    (candidate,) = state.strategy.ask(1)
    state.pending += 1
    build = pool.submit(
        job.builder.build,
        state.task.workload.tir,
        job.arch,
        config=candidate.config,
        trace=candidate.trace,
    )
    return _Planned(state, candidate, build)
