"""Jobs: claimed in order, held by leases, retried, lost, quarantined; workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from db.domain.jobs import CampaignSpec, JobSpec, Lease, WorkerInfo
from db.domain.retry import RetryPolicy
from db.domain.states import JobAction, JobState
from db.errors import LeaseLost, NotFound
from db.store.base import Store
from db.testing.builders import ARCH, OTHER_ARCH, World
from db.testing.conformance.base import Conformance

#: A lease that has run out by the time it is looked at.
OVER = -1.0


class JobConformance(Conformance):
    """The life of a job."""

    def test_a_claim_tells_the_worker_what_to_do(self, world: World) -> None:
        campaign = world.campaign(16, seed=7)
        lease = world.store.claim_job("w1", archs=[ARCH.name], lease_s=30)
        assert lease is not None
        job = lease.job
        assert (job.campaign_id, job.arch, job.bucket) == (campaign, ARCH.name, 16)
        assert (job.model, job.source, job.model_version) == ("dlrm", "dlrm.pt2", 1)
        assert (job.strategy, job.trials, job.seconds, job.seed) == ("auto", 64, None, 7)
        assert (job.state, job.attempt, job.worker) == (JobState.RUNNING, 1, "w1")
        assert job.started_at is not None
        assert 28 < (lease.expires_at - job.started_at).total_seconds() < 32

    def test_an_empty_queue_yields_nothing(self, world: World) -> None:
        assert world.store.claim_job("w1") is None
        world.campaign()
        world.lease()
        assert world.store.claim_job("w2") is None

    def test_highest_priority_first_then_oldest(self, world: World) -> None:
        priorities = {1: 0, 2: 5, 4: 5, 8: 9}
        jobs = [JobSpec(world.model_version, ARCH.name, b, p) for b, p in priorities.items()]
        world.store.create_campaign(CampaignSpec("night", "auto"), jobs)
        assert [world.lease().job.bucket for _ in jobs] == [8, 2, 4, 1]

    def test_priorities_count_across_architectures(self, world: World) -> None:
        jobs = [
            JobSpec(world.model_version, ARCH.name, 1, 1),
            JobSpec(world.model_version, OTHER_ARCH.name, 1, 2),
            JobSpec(world.model_version, ARCH.name, 2, 3),
        ]
        world.store.create_campaign(CampaignSpec("night", "auto"), jobs)
        archs = [ARCH.name, OTHER_ARCH.name]
        claimed = [world.store.claim_job("w1", archs=archs) for _ in jobs]
        assert [lease.job.priority for lease in claimed if lease] == [3, 2, 1]

    def test_only_the_asked_architecture_and_campaign(self, world: World) -> None:
        store = world.store
        first, second = world.campaign(1), world.campaign(2)
        assert store.claim_job("w1", archs=[OTHER_ARCH.name]) is None
        assert store.claim_job("w1", archs=[]) is None
        lease = store.claim_job("w1", campaign_id=second)
        assert lease is not None
        assert lease.job.campaign_id == second
        assert store.claim_job("w1", campaign_id=second) is None
        lease = store.claim_job("w1", archs=[ARCH.name], campaign_id=first)
        assert lease is not None
        assert lease.job.campaign_id == first

    def test_claiming_for_an_unknown_architecture_finds_nothing(self, world: World) -> None:
        world.campaign()
        assert world.store.claim_job("w1", archs=["i386"]) is None

    def test_renewing_extends(self, world: World) -> None:
        world.campaign()
        lease = world.lease(lease_s=5)
        renewed = world.store.renew(lease, 100)
        assert (renewed.expires_at - lease.expires_at).total_seconds() > 90
        assert world.store.job(lease.job.id).lease_expires_at == renewed.expires_at
        world.store.finish(renewed)

    def test_finishing(self, world: World) -> None:
        world.campaign()
        lease = world.lease()
        world.store.finish(lease)
        job = world.store.job(lease.job.id)
        assert job.state is JobState.DONE
        assert job.finished_at is not None
        assert job.lease_expires_at is None

    def test_repeating_the_last_word_does_nothing(self, world: World) -> None:
        store = world.store
        world.campaign(1, 2, 4)
        for leave in (
            lambda lease: store.finish(lease),
            lambda lease: store.fail(lease, "boom", retry=False),
            lambda lease: store.release(lease),
        ):
            lease = world.lease()
            leave(lease)
            said = store.events(lease.job.id)
            leave(lease)
            assert store.events(lease.job.id) == said

    def test_releasing_burns_no_attempt(self, world: World) -> None:
        world.campaign()
        for _ in range(5):
            world.store.release(world.lease(), "worker is going home")
        job = world.lease().job
        assert (job.failures, job.attempt) == (0, 6)

    def test_a_failure_is_tried_again_with_a_new_attempt(self, world: World) -> None:
        world.campaign()
        failed = world.store.fail(world.lease(), "LLVM crashed")
        assert (failed.state, failed.reason, failed.failures) == (
            JobState.QUEUED,
            "LLVM crashed",
            1,
        )
        again = world.lease("w2").job
        assert (again.attempt, again.failures, again.worker) == (2, 1, "w2")

    def test_a_failure_waits_for_its_back_off(self, world: World) -> None:
        world.campaign(retry=RetryPolicy(backoff_s=100.0))
        job = world.store.fail(world.lease(), "boom")
        failed_at = world.store.events(job.id)[-1].at
        assert job.not_before is not None
        assert (job.not_before - failed_at).total_seconds() == pytest.approx(100, abs=2)
        assert world.store.claim_job("w1") is None

    def test_claimable_after_its_back_off(self, world: World) -> None:
        world.campaign(retry=RetryPolicy(backoff_s=0.3))
        job = world.store.fail(world.lease(), "boom")
        while (lease := world.store.claim_job("w1")) is None:
            time.sleep(0.05)
        claimed = world.store.events(lease.job.id)[-1]
        assert claimed.action is JobAction.CLAIM
        assert job.not_before is not None
        assert claimed.at >= job.not_before

    def test_too_many_failures_quarantine(self, world: World) -> None:
        campaign = world.campaign()
        states = [world.store.fail(world.lease(), f"boom {n}").state for n in range(3)]
        assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED]
        assert world.store.claim_job("w1") is None
        (progress,) = world.store.job_progress(campaign)
        assert progress.job.reason == "boom 2"
        assert progress.job.finished_at is not None

    def test_a_hopeless_failure_is_final(self, world: World) -> None:
        world.campaign()
        job = world.store.fail(world.lease(), "no such operator", retry=False)
        assert (job.state, job.failures) == (JobState.FAILED, 1)
        assert world.store.claim_job("w1") is None

    def test_an_expired_lease_is_lost_to_the_next(self, world: World) -> None:
        store = world.store
        world.campaign()
        dead = world.lease("dead", OVER)
        assert store.expire_leases() == 1
        lost = store.job(dead.job.id)
        assert (lost.state, lost.failures, lost.worker) == (JobState.LOST, 1, "dead")
        assert "dead" in lost.reason
        assert store.expire_leases() == 0
        alive = world.lease("alive")
        assert (alive.job.id, alive.job.attempt) == (dead.job.id, 2)
        for call in _calls(store, dead):
            with pytest.raises(LeaseLost, match="claim another"):
                call()
        store.finish(alive)

    def test_a_late_holder_may_go_on_until_it_is_expired(self, world: World) -> None:
        world.campaign()
        late = world.lease(lease_s=OVER)
        renewed = world.store.renew(late, 60)
        assert world.store.expire_leases() == 0
        world.store.finish(renewed)

    def test_a_live_lease_is_left_alone(self, world: World) -> None:
        world.campaign()
        lease = world.lease()
        assert world.store.expire_leases() == 0
        world.store.finish(lease)

    def test_claiming_collects_expired_leases_itself(self, world: World) -> None:
        world.campaign()
        dead = world.lease("dead", OVER)
        alive = world.lease("alive")
        assert alive.job.id == dead.job.id

    def test_losing_too_often_quarantines(self, world: World) -> None:
        world.campaign()
        for _ in range(3):
            lease = world.lease(lease_s=OVER)
        world.store.expire_leases()
        assert world.store.job(lease.job.id).state is JobState.QUARANTINED
        assert world.store.claim_job("w1") is None

    def test_a_forged_token_holds_nothing(self, world: World) -> None:
        world.campaign()
        forged = replace(world.lease(), token="0" * 32)
        for call in _calls(world.store, forged):
            with pytest.raises(LeaseLost):
                call()

    def test_a_cancelled_job_is_lost_to_its_holder(self, world: World) -> None:
        world.campaign()
        lease = world.lease()
        assert world.store.cancel_job(lease.job.id, "wrong model")
        for call in _calls(world.store, lease):
            with pytest.raises(LeaseLost, match="cancelled"):
                call()
        assert not world.store.cancel_job(lease.job.id, "again")

    def test_requeueing_forgets_failures(self, world: World) -> None:
        world.campaign()
        for _ in range(3):
            job = world.store.fail(world.lease(), "boom")
        assert world.store.requeue_job(job.id, "compiler was fixed")
        assert not world.store.requeue_job(job.id, "again")
        again = world.lease().job
        assert (again.failures, again.attempt) == (0, 4)

    def test_done_is_for_ever(self, world: World) -> None:
        world.campaign()
        lease = world.lease()
        world.store.finish(lease)
        assert not world.store.cancel_job(lease.job.id, "")
        assert not world.store.requeue_job(lease.job.id, "")

    def test_unknown_jobs(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.job(7)
        with pytest.raises(NotFound):
            store.cancel_job(7, "")
        assert store.events(7) == []

    def test_events_tell_the_story(self, world: World) -> None:
        store = world.store
        world.campaign()
        lease = world.lease("w1")
        store.renew(lease)
        store.fail(lease, "LLVM crashed")
        world.lease("w2", OVER)
        store.expire_leases()
        store.finish(world.lease("w3"), "64 candidates")
        story = [
            (e.action, e.before, e.after, e.attempt, e.worker) for e in store.events(lease.job.id)
        ]
        queued, running, lost, done = (
            JobState.QUEUED,
            JobState.RUNNING,
            JobState.LOST,
            JobState.DONE,
        )
        assert story == [
            (JobAction.CREATE, None, queued, 0, None),
            (JobAction.CLAIM, queued, running, 1, "w1"),
            (JobAction.RETRY, running, queued, 1, "w1"),
            (JobAction.CLAIM, queued, running, 2, "w2"),
            (JobAction.LOSE, running, lost, 2, "w2"),
            (JobAction.CLAIM, lost, running, 3, "w3"),
            (JobAction.FINISH, running, done, 3, "w3"),
        ]
        reasons = [event.reason for event in store.events(lease.job.id)]
        assert reasons[2] == "LLVM crashed"
        assert reasons[-1] == "64 candidates"
        times = [event.at for event in store.events(lease.job.id)]
        assert times == sorted(times)

    def test_a_retired_worker_leaves_its_jobs(self, world: World) -> None:
        store = world.store
        world.campaign(1, 2, 4)
        info = WorkerInfo("uuid-1", "host1", ARCH.name, cpu="EPYC", pid=12, labels={"rack": "a"})
        store.register_worker(info)
        store.register_worker(replace(info, id="uuid-2"))
        for worker in ("uuid-1", "uuid-1", "uuid-2"):
            world.lease(worker)
        assert store.retire_worker("uuid-1", "no heartbeat for 90 s") == 2
        assert [worker.id for worker in store.workers()] == ["uuid-2"]
        gone = {worker.id: worker.gone_at is not None for worker in store.workers(gone=True)}
        assert gone == {"uuid-1": True, "uuid-2": False}
        assert world.lease("uuid-2").job.reason == ""

    def test_heartbeats(self, store: Store) -> None:
        info = WorkerInfo("uuid-1", "host1", ARCH.name, slots=4)
        store.register_worker(info)
        (before,) = store.workers()
        assert replace(before, started_at=None, seen_at=None) == info
        time.sleep(0.01)
        store.heartbeat("uuid-1")
        (after,) = store.workers()
        assert before.seen_at is not None
        assert after.seen_at is not None
        assert after.seen_at > before.seen_at
        with pytest.raises(NotFound, match="register_worker"):
            store.heartbeat("uuid-9")


def _calls(store: Store, lease: Lease) -> list[Callable[[], object]]:
    return [
        lambda: store.renew(lease),
        lambda: store.finish(lease),
        lambda: store.release(lease),
        lambda: store.fail(lease, "boom"),
        lambda: store.fail(lease, "boom", retry=False),
    ]
