"""Snapshots are read from the database, and from nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db import CampaignState, JobState
from db.testing.builders import World, measurement, promotion, workload
from scheduler.display import Observer
from scheduler.display.rates import WINDOW_S, Rates
from tests.unit.scheduler.conftest import work


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_running_job_is_as_fast_as_its_fastest_measurements(world: World) -> None:
    campaign = world.campaign(16)
    observer = Observer(world.store, campaign)
    lease = world.lease()
    first, second = (workload(160 + i).digest for i in (0, 1))

    def measure(number: int, digest: str, secs: float | None) -> None:
        made = measurement(number, job_id=lease.job.id, secs=secs)
        world.store.add_measurements([replace(made, workload=digest)])

    measure(1, first, 4e-5)
    (job,) = observer.snapshot().jobs
    assert (job.measured_tasks, job.tasks) == (1, 2)
    # The median of the builder's three repeats is 1.01 times the first.
    assert job.best == job.default == pytest.approx(4.04e-5)

    measure(2, first, 2e-5)
    measure(3, first, 3e-5)
    measure(4, second, None)
    measure(5, second, 1e-5)
    (job,) = observer.snapshot().jobs
    assert job.best == pytest.approx(1.01 * (2e-5 + 2 * 1e-5))
    assert job.default == pytest.approx(1.01 * (4e-5 + 2 * 1e-5))
    assert (job.trials, dict(job.errors)) == (5, {"build_error": 1})
    assert job.state is JobState.RUNNING


def test_records_count_once_a_job_is_done(world: World) -> None:
    campaign = world.campaign(16)
    observer = Observer(world.store, campaign)
    lease = world.lease()
    digest = workload(160).digest
    made = replace(measurement(1, job_id=lease.job.id, secs=1e-5), workload=digest)
    world.store.add_measurements([made])
    world.store.promote(replace(promotion(made, default_secs=6e-5), run_secs_median=2e-5))
    world.store.finish(lease)
    snapshot = observer.snapshot()
    (job,) = snapshot.jobs
    assert (job.measured_tasks, job.best, job.default) == (1, 2e-5, 6e-5)
    assert snapshot.state is CampaignState.DONE


def test_records_of_earlier_campaigns_count_for_a_job_that_waits(world: World) -> None:
    work(world.store, world.campaign(16))
    campaign = world.campaign(16)
    (job,) = Observer(world.store, campaign).snapshot().jobs
    assert job.state is JobState.QUEUED
    assert job.gain == pytest.approx(4e-5 / 1.01e-5)


def test_time_of_ones_own_campaign_counts_from_now(world: World) -> None:
    clock = Clock()
    observer = Observer(world.store, world.campaign(16, seconds=60.0), own=True, clock=clock)
    world.lease()
    assert observer.snapshot().elapsed == 0.0
    clock.now += 20
    snapshot = observer.snapshot()
    assert snapshot.elapsed == 20.0
    assert snapshot.jobs[0].running_secs == 20.0
    assert snapshot.left == 40.0


def test_a_job_taken_up_again_has_its_whole_time_before_it(world: World) -> None:
    clock = Clock()
    observer = Observer(world.store, world.campaign(16, seconds=60.0), own=True, clock=clock)
    lease = world.lease()
    observer.snapshot()
    clock.now += 50
    world.store.release(lease)
    world.lease()
    assert observer.snapshot().jobs[0].running_secs == 0.0


def test_rates_are_taken_over_a_window() -> None:
    rates = Rates()
    assert rates.update(0.0, {1: 0}) == {1: 0.0}
    assert rates.update(10.0, {1: 30}) == {1: 3.0}
    rates.update(20.0, {1: 30})
    assert rates.update(20.0 + WINDOW_S, {1: 30}) == {1: 0.0}


def test_a_rate_starts_when_its_counter_does() -> None:
    rates = Rates()
    for second in range(8):
        rates.update(float(second), {1: 0})
    assert rates.update(8.0, {1: 4}) == {1: 4.0}


def test_a_counter_that_is_new_has_not_grown() -> None:
    rates = Rates()
    rates.update(0.0, {1: 5})
    assert rates.update(1.0, {1: 6, 2: 100}) == {1: 1.0, 2: 0.0}
