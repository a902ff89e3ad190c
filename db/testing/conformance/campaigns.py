"""Campaigns, their progress, and schedules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.domain.jobs import CampaignSpec, JobSpec, Schedule
from db.domain.states import CampaignState, JobState
from db.errors import LeaseLost, NotFound
from db.store.base import Store
from db.testing.builders import ARCH, OTHER_ARCH, World, measurement, promotion
from db.testing.conformance.base import Conformance


class CampaignConformance(Conformance):
    """What one night is asked to do, and how far it is."""

    def test_a_new_campaign_has_queued_jobs(self, world: World) -> None:
        campaign = world.campaign(1, 16)
        progress = world.store.campaign_progress(campaign)
        assert progress.state is CampaignState.RUNNING
        assert progress.jobs == {**dict.fromkeys(JobState, 0), JobState.QUEUED: 2}
        assert (progress.name, progress.strategy, progress.trials) == ("nightly", "auto", 64)
        assert progress.unfinished == 2
        assert progress.finished_at is None

    def test_a_key_makes_creation_repeatable(self, world: World) -> None:
        first = world.campaign(1, 16, key="nightly/2026-11-22")
        assert world.campaign(1, 16, key="nightly/2026-11-22") == first
        assert world.campaign(1, 16, key="nightly/2026-11-23") != first
        assert len(world.store.job_progress(first)) == 2

    def test_nothing_is_left_of_a_refused_campaign(self, world: World) -> None:
        spec = CampaignSpec("nightly", "auto")
        good = JobSpec(world.model_version, ARCH.name, 16)
        for wrong in (JobSpec(world.model_version, "i386", 1), JobSpec(99, ARCH.name, 1)):
            with pytest.raises(NotFound):
                world.store.create_campaign(spec, [good, wrong])
        assert world.store.campaigns() == []

    def test_jobs_know_how_to_search(self, world: World) -> None:
        world.campaign(searcher="genetic", seed=7)
        job = world.lease().job
        assert (job.strategy, job.searcher, job.seed) == ("auto", "genetic", 7)
        world.campaign()
        assert world.lease().job.searcher is None

    def test_an_empty_campaign_is_done(self, world: World) -> None:
        campaign = world.store.create_campaign(CampaignSpec("empty", "auto"), [])
        assert world.store.campaign_progress(campaign).state is CampaignState.DONE

    def test_the_state_follows_the_jobs(self, world: World) -> None:
        store = world.store
        campaign = world.campaign(1, 16)
        store.finish(world.lease())
        assert store.campaign_progress(campaign).state is CampaignState.RUNNING
        store.finish(world.lease())
        progress = store.campaign_progress(campaign)
        assert progress.state is CampaignState.DONE
        assert progress.finished_at is not None

    def test_one_failed_job_fails_the_campaign(self, world: World) -> None:
        campaign = world.campaign(1, 16)
        world.store.finish(world.lease())
        world.store.fail(world.lease(), "no such model", retry=False)
        assert world.store.campaign_progress(campaign).state is CampaignState.FAILED

    def test_cancelling_takes_jobs_from_their_holders(self, world: World) -> None:
        campaign = world.campaign(1, 16)
        lease = world.lease()
        assert world.store.cancel_campaign(campaign, "budget is needed elsewhere") == 2
        assert world.store.campaign_progress(campaign).state is CampaignState.CANCELLED
        with pytest.raises(LeaseLost, match="cancelled"):
            world.store.finish(lease)
        assert world.store.claim_job("w2") is None
        assert world.store.cancel_campaign(campaign, "again") == 0

    def test_campaigns_are_listed_newest_first(self, world: World) -> None:
        made = [world.campaign() for _ in range(3)]
        listed = [progress.campaign_id for progress in world.store.campaigns()]
        assert listed == made[::-1]
        assert len(world.store.campaigns(limit=2)) == 2

    def test_unknown_campaigns(self, store: Store) -> None:
        with pytest.raises(NotFound):
            store.campaign_progress(7)
        with pytest.raises(NotFound):
            store.cancel_campaign(7, "")
        assert store.job_progress(7) == []

    def test_find_campaign_wants_exactly_the_jobs(self, world: World) -> None:
        store, version = world.store, world.model_version
        world.campaign(1, 16)
        newest = world.campaign(1, 16)
        world.campaign(1, 16, arch=OTHER_ARCH.name)
        assert store.find_campaign(version, [ARCH.name], [16, 1], "auto") == newest
        assert store.find_campaign(version, [ARCH.name], [16], "auto") is None
        assert store.find_campaign(version, [ARCH.name], [1, 16, 64], "auto") is None
        assert store.find_campaign(version, [ARCH.name], [1, 16], "ansor") is None

    def test_find_campaign_wants_it_unfinished(self, world: World) -> None:
        campaign = world.campaign(16)
        args = (world.model_version, [ARCH.name], [16], "auto")
        lease = world.lease()
        assert world.store.find_campaign(*args) == campaign
        world.store.finish(lease)
        assert world.store.find_campaign(*args) is None

    def test_job_progress_tells_what_was_gained(self, world: World) -> None:
        store = world.store
        campaign = world.campaign(16)
        (before,) = store.job_progress(campaign)
        assert (before.tasks, before.tuned, before.best_total) == (1, 0, None)
        lease = world.lease()
        fast = measurement(1, job_id=lease.job.id, secs=2e-5)
        store.add_measurements([fast, measurement(2, job_id=lease.job.id, secs=None)])
        store.promote(promotion(fast, run_secs_median=2e-5, default_secs=5e-5))
        (after,) = store.job_progress(campaign)
        assert (after.measurements, after.errors, after.tuned) == (2, {"build_error": 1}, 1)
        assert after.best_total == pytest.approx(3 * 2e-5)
        assert after.default_total == pytest.approx(3 * 5e-5)
        assert after.job.worker == "w1"

    def test_schedules(self, store: Store) -> None:
        nightly = Schedule("nightly", "30 2 * * *", {"models": ["dlrm"], "trials": 64})
        weekly = Schedule("weekly", "0 3 * * 0", enabled=False)
        store.put_schedule(weekly)
        store.put_schedule(Schedule("nightly", "0 0 * * *"))
        store.put_schedule(nightly)
        found = store.schedules()
        assert [replace(s, since=None) for s in found] == [nightly, weekly]
        # Changed last: it is not due for what was before.
        since = [s.since for s in found]
        assert since[0] is not None
        assert since[1] is not None
        assert since[1] <= since[0] <= store.now()
        store.remove_schedule("weekly")
        assert [s.name for s in store.schedules()] == ["nightly"]
        with pytest.raises(NotFound):
            store.remove_schedule("weekly")
