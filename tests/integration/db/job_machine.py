"""A model of the job life cycle, small enough to be believed, and a machine that drives both."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from db import (
    CampaignSpec,
    CpuArch,
    JobAction,
    JobSpec,
    JobState,
    Lease,
    LeaseLost,
    ModelVersion,
    RetryPolicy,
    Store,
)
from db.domain.states import TRANSITIONS, campaign_state

MAX_FAILURES = 2
#: Longer than any example takes.
LEASE_S = 36_000.0

_numbers = itertools.count()


@dataclass
class ModelJob:
    """What the model knows of a job."""

    id: int
    arch: str
    priority: int
    state: JobState = JobState.QUEUED
    attempt: int = 0
    failures: int = 0
    #: Token of the holder, or of the last one as long as it may repeat its last word.
    token: str | None = None
    worker: str | None = None
    #: Whether the lease, if any, has run out.
    over: bool = False
    story: list[JobAction] = field(default_factory=lambda: [JobAction.CREATE])

    def move(self, action: JobAction) -> None:
        self.state = TRANSITIONS[self.state, action]
        self.story.append(action)

    def fail(self, action: JobAction) -> None:
        self.failures += 1
        self.move(JobAction.QUARANTINE if self.failures >= MAX_FAILURES else action)

    def lose(self) -> None:
        self.fail(JobAction.LOSE)
        self.token = None


class JobMachine(RuleBasedStateMachine):
    """Does the same to the store and to the model, and compares them after every step."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.jobs: dict[int, ModelJob] = {}
        self.leases: list[Lease] = []
        self.campaigns: dict[int, list[int]] = {}

    @initialize()
    def start(self) -> None:
        # Architectures of its own keep an example apart from those that ran before it.
        number = next(_numbers)
        self.archs = [f"arch{number}a", f"arch{number}b"]
        for arch in self.archs:
            self.store.add_arch(CpuArch(arch, "x86-64-v3"))
        self.version = self.store.add_model_version(ModelVersion("m", "g", "m.pt2"))

    def teardown(self) -> None:
        for campaign in self.campaigns:
            self.store.cancel_campaign(campaign, "end of the example")

    @rule(jobs=st.lists(st.tuples(st.integers(0, 1), st.integers(-1, 1)), min_size=1, max_size=3))
    def create(self, jobs: list[tuple[int, int]]) -> None:
        specs = [
            JobSpec(self.version, self.archs[arch], bucket, priority)
            for bucket, (arch, priority) in enumerate(jobs, start=1)
        ]
        policy = RetryPolicy(max_failures=MAX_FAILURES, backoff_s=0.0)
        campaign = self.store.create_campaign(CampaignSpec("c", "auto", retry=policy), specs)
        created = [progress.job for progress in self.store.job_progress(campaign)]
        self.campaigns[campaign] = [job.id for job in created]
        for job in created:
            self.jobs[job.id] = ModelJob(job.id, job.arch, job.priority)

    @rule(
        archs=st.sampled_from([(0,), (1,), (0, 1)]),
        worker=st.sampled_from("xy"),
        live=st.booleans(),
    )
    def claim(self, archs: tuple[int, ...], worker: str, live: bool) -> None:
        names = [self.archs[n] for n in archs]
        if not self._claimable(names):
            self._expire()
        first = next(iter(self._claimable(names)), None)
        lease = self.store.claim_job(worker, archs=names, lease_s=LEASE_S if live else -1.0)
        assert (lease and lease.job.id) == (first and first.id)
        if lease is None or first is None:
            return
        first.move(JobAction.CLAIM)
        first.attempt += 1
        first.token, first.worker, first.over = lease.token, worker, not live
        self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), live=st.booleans())
    def renew(self, data: st.DataObject, live: bool) -> None:
        lease, job = self._lease(data)
        if self._holds(lease, job):
            self.store.renew(lease, LEASE_S if live else -1.0)
            job.over = not live
        else:
            with pytest.raises(LeaseLost):
                self.store.renew(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), how=st.sampled_from(["finish", "release", "retry", "fail"]))
    def leave(self, data: st.DataObject, how: str) -> None:
        lease, job = self._lease(data)
        said = {
            "finish": [JobState.DONE],
            "release": [JobState.QUEUED],
            "retry": [JobState.QUEUED, JobState.QUARANTINED],
            "fail": [JobState.FAILED],
        }
        if self._holds(lease, job):
            self._leave(lease, how)
            if how == "retry":
                job.fail(JobAction.RETRY)
            else:
                job.failures += how == "fail"
                job.move(JobAction(how))
        elif job.token == lease.token and job.state in said[how]:
            self._leave(lease, how)
        else:
            with pytest.raises(LeaseLost):
                self._leave(lease, how)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), action=st.sampled_from([JobAction.CANCEL, JobAction.REQUEUE]))
    def order(self, data: st.DataObject, action: JobAction) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())))
        call = self.store.cancel_job if action is JobAction.CANCEL else self.store.requeue_job
        possible = (job.state, action) in TRANSITIONS
        assert call(job.id, "a person said so") == possible
        if possible:
            job.move(action)
            job.token = None
            if action is JobAction.REQUEUE:
                job.failures = 0

    @rule()
    def expire(self) -> None:
        assert self.store.expire_leases() == self._expire()

    @rule(worker=st.sampled_from("xy"))
    def retire(self, worker: str) -> None:
        held = [job for job in self._running() if job.worker == worker]
        assert self.store.retire_worker(worker, "no heartbeat") == len(held)
        for job in held:
            job.lose()

    @invariant()
    def states_agree(self) -> None:
        for campaign, ids in self.campaigns.items():
            progress = {one.job.id: one.job for one in self.store.job_progress(campaign)}
            assert list(progress) == ids
            for id_, job in progress.items():
                model = self.jobs[id_]
                assert (job.state, job.attempt, job.failures) == (
                    model.state,
                    model.attempt,
                    model.failures,
                )
                assert (job.lease_expires_at is not None) == (job.state is JobState.RUNNING)
                assert (job.finished_at is not None) == job.state.final
            states = [self.jobs[id_].state for id_ in ids]
            told = self.store.campaign_progress(campaign)
            assert told.state is campaign_state({state: states.count(state) for state in states})

    @invariant()
    def stories_agree(self) -> None:
        for job in self.jobs.values():
            events = self.store.events(job.id)
            assert [event.action for event in events] == job.story
            for before, event in itertools.pairwise(events):
                assert event.before is before.after
                assert TRANSITIONS[before.after, event.action] is event.after

    def _claimable(self, archs: list[str]) -> list[ModelJob]:
        found = [job for job in self.jobs.values() if job.state.claimable and job.arch in archs]
        return sorted(found, key=lambda job: (-job.priority, job.id))

    def _running(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.state is JobState.RUNNING]

    def _expire(self) -> int:
        overdue = [job for job in self._running() if job.over]
        for job in overdue:
            job.lose()
        return len(overdue)

    def _lease(self, data: st.DataObject) -> tuple[Lease, ModelJob]:
        lease = data.draw(st.sampled_from(self.leases))
        return lease, self.jobs[lease.job.id]

    def _holds(self, lease: Lease, job: ModelJob) -> bool:
        return job.state is JobState.RUNNING and job.token == lease.token

    def _leave(self, lease: Lease, how: str) -> Any:
        if how == "finish":
            return self.store.finish(lease)
        if how == "release":
            return self.store.release(lease)
        return self.store.fail(lease, "boom", retry=how == "retry")
