"""Pausing, waiting, sharing, draining: what a fleet asks of the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.domain.catalog import ModelVersion, Task
from db.domain.jobs import CampaignSpec, JobSpec, WorkerInfo
from db.domain.retry import RetryPolicy
from db.domain.states import JobState
from db.errors import LeaseLost, NotFound
from db.store.base import Store
from db.testing.builders import ARCH, AT_ONCE, OTHER_ARCH, World, digest, measurement, workload
from db.testing.conformance.base import Conformance

ARCHS = [ARCH.name]


class FleetConformance(Conformance):
    """Campaigns under control, and workers that come and go."""

    def test_a_paused_campaign_gives_out_nothing(self, world: World) -> None:
        store = world.store
        campaign, other = world.campaign(1, 16), world.campaign(64)
        lease = world.lease()
        assert store.pause_campaign(campaign, "the rack is hot") == 1
        assert store.campaign_progress(campaign).paused_reason == "the rack is hot"
        with pytest.raises(LeaseLost):
            store.renew(lease)
        assert store.job(lease.job.id).failures == 0
        found = store.claim_job("w2")
        assert found is not None
        assert found.job.campaign_id == other
        assert store.claim_job("w2") is None
        assert store.next_claim_in(campaign, ARCHS) is None
        store.resume_campaign(campaign)
        assert store.campaign_progress(campaign).paused_reason is None
        again = store.claim_job("w2", campaign_id=campaign)
        assert again is not None
        assert again.job.campaign_id == campaign
        with pytest.raises(NotFound):
            store.pause_campaign(99, "")

    def test_how_long_to_wait(self, world: World) -> None:
        store = world.store
        retry = RetryPolicy(max_failures=3, backoff_s=3000.0, backoff_max_s=3000.0)
        campaign = world.campaign(1, retry=retry)
        assert store.next_claim_in(campaign, ARCHS) == 0.0
        assert store.next_claim_in(campaign, [OTHER_ARCH.name]) is None
        lease = world.lease(lease_s=5000.0)
        assert 4500.0 < (store.next_claim_in(campaign, ARCHS) or 0.0) <= 5000.0
        store.fail(lease, "the compiler was away")
        assert 2500.0 < (store.next_claim_in(campaign, ARCHS) or 0.0) <= 3000.0
        store.cancel_campaign(campaign, "enough")
        assert store.next_claim_in(campaign, ARCHS) is None

    def test_what_is_left_by_architecture(self, world: World) -> None:
        store = world.store
        campaign = world.campaign(1, 16, 64)
        assert store.unfinished_archs(campaign) == {ARCH.name: 3}
        lease = world.lease()
        store.add_measurements([measurement(i, job_id=lease.job.id) for i in range(3)])
        store.add_measurements([measurement(9, job_id=lease.job.id, secs=None)])
        assert store.job_measurements(lease.job.id) == 4
        assert store.job_measurements(99) == 0
        store.finish(lease)
        assert store.unfinished_archs(campaign) == {ARCH.name: 2}
        store.cancel_campaign(campaign, "enough")
        assert store.unfinished_archs(campaign) == {}

    def test_waiting_jobs_say_why(self, world: World) -> None:
        store = world.store
        campaign = world.campaign(1, 16)
        running = world.lease().job.id
        assert store.explain(campaign, ARCH.name, "no node has this CPU") == 1
        assert store.explain(campaign, ARCH.name, "no node has this CPU") == 0
        for progress in store.job_progress(campaign):
            expected = "" if progress.job.id == running else "no node has this CPU"
            assert progress.job.reason == expected
        lease = world.lease()
        assert store.job(lease.job.id).reason == ""

    def test_a_job_may_have_a_budget_of_its_own(self, world: World) -> None:
        jobs = [
            JobSpec(world.model_version, ARCH.name, 1, trials=7, seconds=1.5),
            JobSpec(world.model_version, ARCH.name, 16),
        ]
        spec = CampaignSpec("night", "auto", trials=64, wall_s=3600.0)
        campaign = world.store.create_campaign(spec, jobs)
        first, second = (p.job for p in world.store.job_progress(campaign))
        assert (first.trials, first.seconds) == (7, 1.5)
        assert (second.trials, second.seconds) == (64, None)
        progress = world.store.campaign_progress(campaign)
        assert progress.ends_at == first.ends_at
        assert progress.ends_at is not None
        assert 3500.0 < (progress.ends_at - world.store.now()).total_seconds() <= 3600.0

    def test_a_campaign_is_found_by_its_key(self, world: World) -> None:
        campaign = world.campaign(1, key="night/1")
        assert world.store.find_key("night/1") == campaign
        assert world.store.campaign_progress(campaign).key == "night/1"
        assert world.store.find_key("night/2") is None

    def test_a_common_workload_has_one_tuner(self, world: World) -> None:
        store = world.store
        other = store.add_model_version(ModelVersion("deepfm", digest("g2"), "deepfm.pt2"))
        own, common = workload(1), workload()
        store.set_tasks(other, ARCH.name, 16, [Task(common, 2, 0.5), Task(own, 1)])
        jobs = [
            JobSpec(other, ARCH.name, 16, priority=1),
            JobSpec(world.model_version, ARCH.name, 16, priority=2),
        ]
        campaign = store.create_campaign(CampaignSpec("n", "auto", 8, retry=AT_ONCE), jobs)
        second, first = (p.job.id for p in store.job_progress(campaign))
        (task,) = store.job_tasks(first)
        assert (task.workload, task.calls) == (common, 3)
        # Three calls of weight 1 in one model, two of weight 0.5 in the other.
        assert task.calls * task.weight == pytest.approx(4.0)
        assert [t.workload for t in store.job_tasks(second)] == [own]
        store.cancel_job(first, "not wanted")
        digests = {t.workload.digest for t in store.job_tasks(second)}
        assert digests == {common.digest, own.digest}
        with pytest.raises(NotFound):
            store.job_tasks(99)

    def test_other_campaigns_and_architectures_share_nothing(self, world: World) -> None:
        store = world.store
        store.set_tasks(world.model_version, OTHER_ARCH.name, 16, [Task(workload(), 3)])
        ids = [
            p.job.id
            for campaign in (world.campaign(16), world.campaign(16, arch=OTHER_ARCH.name))
            for p in store.job_progress(campaign)
        ]
        ids += [p.job.id for p in store.job_progress(world.campaign(16))]
        assert all(len(store.job_tasks(id_)) == 1 for id_ in ids)

    def test_a_drained_worker_is_told_so(self, store: Store) -> None:
        info = WorkerInfo("w1", "host1", ARCH.name)
        for made in (info, replace(info, id="w2"), replace(info, id="w3", host="host2")):
            store.register_worker(made)
        assert store.heartbeat("w1", {"busy_s": 2.5}) is None
        assert store.drain_workers("its fan broke", host="host1") == 2
        assert store.drain_workers("too noisy", worker="w3") == 1
        assert store.heartbeat("w1") == "its fan broke"
        found = {w.id: w for w in store.workers()}
        assert found["w1"].stats == {"busy_s": 2.5}
        assert found["w3"].drain_reason == "too noisy"

    def test_the_first_reason_to_leave_stands(self, world: World) -> None:
        store = world.store
        store.register_worker(WorkerInfo("w1", "host1", ARCH.name))
        world.campaign(1)
        world.lease("w1")
        assert store.retire_worker("w1", "killed by the kernel: out of memory") == 1
        assert store.retire_worker("w1", "its process is gone") == 0
        (worker,) = store.workers(gone=True)
        assert worker.gone_reason == "killed by the kernel: out of memory"
        (job,) = store.job_progress(1)
        assert (job.job.state, job.job.reason) == (
            JobState.LOST,
            "killed by the kernel: out of memory",
        )
