"""Runs one job: tunes the workloads of one bucket until its budget is spent.

Builds run ahead of measurements, in child processes. Every outcome is handed to the recorder
before the next one is measured, so that a crash loses at most what was not written yet.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from db import CpuArch, Lease, Measurement, Store, Task, measurement_uid
from tuner.arch import toolchain
from tuner.cost_model import CostModel, train
from tuner.measure import BuildResult, Failure, RunResult
from workers.ahead import Ahead, Planned
from workers.budget import seconds_left, seconds_to_end
from workers.champion import Champion, Ring
from workers.choice import choose
from workers.host import cpu_model, host_name
from workers.recorder import Recorder
from workers.task import SearchOptions, TaskState
from workers.tools import Tools


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is run."""

    #: Candidates that are built and wait, beyond those that are being built.
    build_ahead: int = 3
    #: Validity of the lease, in seconds; renewed at a sixth of it.
    lease_s: float = 90.0
    #: Seconds between two calibrations.
    calibrate_every_s: float = 10.0


class _Job:
    def __init__(
        self,
        store: Store,
        lease: Lease,
        tools: Tools,
        options: JobOptions,
    ) -> None:
        self.store, self.lease, self.options, self.tools = store, lease, options, tools
        self.job = lease.job
        self.arch: CpuArch = next(a for a in store.archs() if a.name == self.job.arch)
        self.toolchain = store.add_toolchain(toolchain())
        self.calibration: dict[str, float] = {}
        self._calibrated = self._renewed = 0.0
        self.recorder = Recorder(store)
        self.measured = 0
        #: Cost models by operator kind, and the seconds that training them took.
        self._models: dict[str, CostModel | None] = {}
        self.learned_s = 0.0

    def states(self) -> list[TaskState]:
        """The workloads that are this job's to tune, with all that is known of them."""
        tasks = self.store.job_tasks(self.job.id)
        digests = [t.workload.digest for t in tasks]
        best = self.store.best_records(digests, self.arch.name, self.toolchain)
        return [self._state(task, Champion.of(best.get(task.workload.digest))) for task in tasks]

    def _state(self, task: Task, champion: Champion | None) -> TaskState:
        digest = task.workload.digest
        ring = Ring(
            self.store,
            self.tools.builder,
            self.tools.measurer,
            self.arch,
            workload=digest,
            tir=task.workload.tir,
            champion=champion,
        )
        known = dict(self.store.measured(digest, self.arch.name, self.toolchain))
        state = TaskState.create(
            task,
            self.arch,
            ring,
            options=SearchOptions(self.job.strategy, self.job.searcher, self.job.seed),
            known=known,
            model=self._model(task),
            calibration=self.calibration,
        )
        if champion is None and state.best is not None:
            self._crown_known(state)
        return state

    def _model(self, task: Task) -> CostModel | None:
        """What other workloads of its kind taught, by all that is stored when the job begins."""
        kind = task.workload.op_kind
        if kind not in self._models:
            trained = train(self.store, kind, task.workload.flops)
            self._models[kind] = trained.model
            self.learned_s += trained.secs
        return self._models[kind]

    def _crown_known(self, state: TaskState) -> None:
        """An earlier run was cut between measuring and promoting: make up for it."""
        tir = state.task.workload.tir
        for measured in self.store.top_measurements(
            state.digest, self.arch.name, self.toolchain, limit=3
        ):
            built = self.tools.builder.build(tir, self.arch, config=None, trace=measured.trace)
            if built.code is None:
                continue
            ran = self.tools.measurer.run(state.digest, tir, built.code, best=None)
            if ran.failure is None and state.ring.challenge(measured, built.code, ran):
                return

    def stored(self) -> int:
        """Candidates that earlier attempts of this job measured: they count in its budget."""
        return self.store.job_measurements(self.job.id)

    def keep_alive(self) -> None:
        """Renew the lease and the calibration when they are due; raises `LeaseLost`."""
        now = time.monotonic()
        if now - self._renewed > self.options.lease_s / 6:
            self.lease = self.store.renew(self.lease, self.options.lease_s)
            self._renewed = now
        if now - self._calibrated > self.options.calibrate_every_s:
            self.calibration = self.tools.measurer.calibrate()
            self._calibrated = now

    def record(self, planned: Planned, built: BuildResult, ran: RunResult | None) -> Measurement:
        """Store one outcome."""
        failure: Failure | None = built.failure or (ran.failure if ran else None)
        measurement = Measurement(
            uid=measurement_uid(self.job.id, self.job.attempt, planned.candidate.digest),
            job_id=self.job.id,
            attempt=self.job.attempt,
            workload=planned.state.digest,
            arch=self.arch.name,
            toolchain=self.toolchain,
            candidate=planned.candidate.digest,
            strategy=planned.candidate.strategy,
            config=planned.candidate.config,
            trace=built.trace,
            run_secs=ran.run_secs if ran and failure is None else (),
            error_kind=failure.kind if failure else None,
            error_text=failure.text if failure else None,
            host=host_name(),
            cpu=cpu_model(),
            core=self.tools.core,
            calibration=self._held_against(planned.state, ran),
            build_secs=built.secs,
        )
        self.recorder.add(measurement)
        self.measured += 1
        return measurement

    def _held_against(self, state: TaskState, ran: RunResult | None) -> dict[str, float]:
        """The calibration, and the part of this core's roofline that was reached."""
        bound = state.bound_secs(self.calibration)
        if bound is None or ran is None or not ran.run_secs:
            return self.calibration
        return {**self.calibration, "roofline": bound / ran.median}


def run_job(
    store: Store,
    lease: Lease,
    tools: Tools,
    options: JobOptions = JobOptions(),
    *,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Tune the workloads of a job within its budget and promote the winners.

    A job that is stopped before its budget is spent is given back: another worker goes on with it.

    Returns
    -------
    Number of candidates measured now, failed ones included.

    Raises
    ------
    db.LeaseLost
        If the job was taken away meanwhile; what was measured is stored.
    """
    job = _Job(store, lease, tools, options)
    try:
        stopped = _search(job, should_stop)
        job.recorder.flush()
    finally:
        # Whoever has the job now counts on what was measured here.
        job.recorder.close()
    if stopped:
        store.release(job.lease, f"stopped after {job.measured} candidates")
    else:
        told = f"{job.measured} candidates measured, {job.learned_s:.1f} s learning"
        store.finish(job.lease, told)
    return job.measured


def _search(job: _Job, should_stop: Callable[[], bool]) -> bool:
    """Measure candidates until the budget is spent; True if something else was the end."""
    job.keep_alive()
    states = job.states()
    already = job.stored()
    seconds, to_end = seconds_left(job.store, job.job), seconds_to_end(job.store, job.job)
    night_ends = time.monotonic() + to_end if to_end is not None else math.inf
    stopped = False

    def spent() -> bool:
        nonlocal stopped
        stopped = stopped or should_stop()
        if stopped or time.monotonic() > night_ends:
            return True
        # Time ends the search, but every workload gets its default schedule measured: what the
        # database knows of a bucket is whole, however slow the host was today.
        untried = any(s.untried and not s.exhausted for s in states)
        if seconds is not None and time.monotonic() - start > seconds and not untried:
            return True
        tried = already + job.measured + sum(s.pending for s in states)
        return job.job.trials is not None and tried >= job.job.trials

    job.keep_alive()
    # Starting the measuring child takes seconds; the budget is for searching.
    start = time.monotonic()
    with Ahead(job.arch, job.tools) as ahead:
        while True:
            while len(ahead) < job.options.build_ahead + ahead.beside and not spent():
                planned = _plan(job, states)
                if planned is None:
                    break
                ahead.add(planned)
            if not ahead:
                return stopped
            job.keep_alive()
            _measure(job, *ahead.take())


def _measure(job: _Job, planned: Planned, built: BuildResult) -> None:
    """Measure what was built, store it, and let it challenge the champion."""
    begun = time.monotonic()
    ran = None
    if built.code is not None:
        ran = job.tools.measurer.run(
            planned.state.digest,
            planned.state.task.workload.tir,
            built.code,
            best=planned.state.best,
        )
    measured = job.record(planned, built, ran)
    # The slower of the two sets the pace, because builds run ahead.
    took = max(built.secs, time.monotonic() - begun)
    planned.state.tell(planned.candidate, measured.median, took=took)
    if built.code is not None and ran is not None and ran.failure is None:
        planned.state.ring.challenge(measured, built.code, ran)


def _plan(job: _Job, states: list[TaskState]) -> Planned | None:
    """Ask the workload that has most to gain for a candidate."""
    while (state := choose(states, job.calibration)) is not None:
        candidate = state.ask()
        if candidate is not None:
            return Planned(state, candidate)
    return None
