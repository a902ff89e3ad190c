"""Measurements: stored once, whole, and read back by key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.errors import NotFound
from db.store.base import Store
from db.testing.builders import (
    ARCH,
    OTHER_ARCH,
    OTHER_TOOLCHAIN,
    TOOLCHAIN,
    World,
    measurement,
    workload,
)
from db.testing.conformance.base import Conformance

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)


class MeasurementConformance(Conformance):
    """Every attempt, good or bad."""

    def test_everything_comes_back(self, world: World) -> None:
        world.campaign()
        job = world.lease().job
        added = measurement(1, job_id=job.id, attempt=job.attempt)
        assert world.store.add_measurements([added]) == 1
        assert world.store.top_measurements(*KEY, limit=9) == [added]

    def test_storing_twice_stores_once(self, world: World) -> None:
        world.campaign()
        job = world.lease().job
        batch = [measurement(n, job_id=job.id) for n in range(5)]
        assert world.store.add_measurements(batch[:3]) == 3
        assert world.store.add_measurements(batch) == 2
        assert world.store.add_measurements(batch) == 0
        (progress,) = world.store.job_progress(job.campaign_id)
        assert progress.measurements == 5

    def test_the_first_of_two_with_one_uid_stays(self, world: World) -> None:
        first = measurement(1, secs=1e-5)
        world.store.add_measurements([first])
        world.store.add_measurements([replace(first, run_secs=(9.0,))])
        assert world.store.top_measurements(*KEY, limit=9) == [first]

    def test_one_batch_may_hold_the_same_one_twice(self, world: World) -> None:
        assert world.store.add_measurements([measurement(1), measurement(1)]) == 1

    def test_an_empty_batch(self, store: Store) -> None:
        assert store.add_measurements([]) == 0

    def test_a_batch_is_stored_whole_or_not_at_all(self, world: World) -> None:
        batch = [measurement(1), measurement(2, workload="unknown")]
        with pytest.raises(NotFound, match="add_workloads"):
            world.store.add_measurements(batch)
        assert world.store.measured(*KEY) == {}

    def test_unknown_names_are_refused(self, world: World) -> None:
        with pytest.raises(NotFound, match="add_arch"):
            world.store.add_measurements([measurement(1, arch="i386")])
        with pytest.raises(NotFound, match="add_toolchain"):
            world.store.add_measurements([measurement(1, toolchain="unknown")])

    def test_an_unknown_job_is_refused(self, world: World) -> None:
        with pytest.raises(NotFound, match="unknown job 7"):
            world.store.add_measurements([measurement(1, job_id=7)])

    def test_results_of_a_lost_job_are_kept(self, world: World) -> None:
        world.campaign()
        dead = world.lease("dead", lease_s=-1.0)
        world.store.expire_leases()
        late = measurement(1, job_id=dead.job.id, attempt=dead.job.attempt)
        assert world.store.add_measurements([late]) == 1

    def test_errors_are_counted_by_kind(self, world: World) -> None:
        campaign = world.campaign()
        job = world.lease().job
        batch = [measurement(n, job_id=job.id, secs=None) for n in range(3)]
        batch[0] = replace(batch[0], error_kind="run_timeout")
        world.store.add_measurements([*batch, measurement(9, job_id=job.id)])
        progress = world.store.campaign_progress(campaign)
        assert progress.measurements == 4
        assert progress.errors == {"build_error": 2, "run_timeout": 1}

    def test_measured_knows_each_candidate(self, world: World) -> None:
        good, bad = measurement(1, secs=3e-5), measurement(2, secs=None)
        world.store.add_measurements([good, bad])
        found = world.store.measured(*KEY)
        assert found.keys() == {good.candidate, bad.candidate}
        assert found[good.candidate].median == good.median
        assert found[good.candidate].config == good.config
        assert found[good.candidate].trace == good.trace
        assert (found[bad.candidate].median, found[bad.candidate].error_kind) == (
            None,
            "build_error",
        )

    def test_measured_keeps_the_fastest_of_several(self, world: World) -> None:
        tries = [
            measurement(1, attempt=1, secs=None),
            measurement(1, attempt=2, secs=3e-5),
            measurement(1, attempt=3, secs=2e-5),
            measurement(1, attempt=4, secs=4e-5),
            measurement(1, attempt=5, secs=None),
        ]
        for one in tries:
            world.store.add_measurements([one])
        (only,) = world.store.measured(*KEY).values()
        assert only.median == tries[2].median
        assert only.error_kind is None

    def test_measured_is_of_one_key(self, world: World) -> None:
        others = [
            measurement(1, arch=OTHER_ARCH.name),
            measurement(2, toolchain=OTHER_TOOLCHAIN.key),
            measurement(3, regime="cold"),
        ]
        world.store.add_measurements(others)
        assert world.store.measured(*KEY) == {}
        assert len(world.store.measured(*KEY, regime="cold")) == 1
        assert world.store.measured("unknown", ARCH.name, TOOLCHAIN.key) == {}
        assert world.store.top_measurements("unknown", ARCH.name, TOOLCHAIN.key, 3) == []

    def test_a_trace_is_learnt_later(self, world: World) -> None:
        without = measurement(1, attempt=1, secs=None, trace=None, config=None)
        world.store.add_measurements([without])
        world.store.add_measurements([measurement(1, attempt=2)])
        (only,) = world.store.measured(*KEY).values()
        assert only.trace == measurement(1).trace
        assert only.config == measurement(1).config

    def test_top_is_fastest_first_one_per_candidate(self, world: World) -> None:
        batch = [measurement(n, secs=(10 - n) * 1e-5) for n in range(8)]
        repeats = [measurement(7, attempt=a, secs=3.1e-5) for a in range(2, 30)]
        failed = measurement(99, secs=None)
        world.store.add_measurements([*batch, *repeats, failed])
        top = world.store.top_measurements(*KEY, limit=3)
        assert [m.config for m in top] == [{"tile": 7}, {"tile": 6}, {"tile": 5}]
        assert len(world.store.top_measurements(*KEY, limit=100)) == 8

    def test_large_batches(self, world: World) -> None:
        batch = [measurement(n) for n in range(1500)]
        assert world.store.add_measurements(batch) == 1500
        assert len(world.store.measured(*KEY)) == 1500

    def test_a_number_json_does_not_know_is_refused(self, world: World) -> None:
        with pytest.raises(ValueError, match="JSON"):
            world.store.add_measurements([measurement(1, calibration={"x": float("nan")})])
        assert world.store.measured(*KEY) == {}
