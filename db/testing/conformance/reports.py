"""Reports: samples in order, two moments compared, counts."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from db.domain.measurements import Measurement
from db.domain.reports import Change
from db.errors import NotFound
from db.store.base import Store
from db.testing.builders import (
    ARCH,
    OTHER_ARCH,
    OTHER_TOOLCHAIN,
    TOOLCHAIN,
    World,
    measurement,
    promotion,
    workload,
)
from db.testing.conformance.base import Conformance

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)


def _promote(store: Store, measured: Measurement) -> None:
    assert store.promote(promotion(measured), measurements=[measured])


def _moment(store: Store, measured: Measurement) -> datetime:
    """Promote a measurement and return the moment it became the best."""
    _promote(store, measured)
    found = store.best_records([measured.workload], measured.arch, measured.toolchain)
    at = found[measured.workload].recorded_at
    # SQLite's clock ticks in milliseconds; what follows is to be after this moment.
    time.sleep(0.01)
    return at


class ReportConformance(Conformance):
    """Reading what happened."""

    def test_one_measurement(self, world: World) -> None:
        world.store.add_measurements([measurement(1)])
        assert world.store.measurement(measurement(1).uid) == measurement(1)
        with pytest.raises(NotFound, match="pruned"):
            world.store.measurement("unknown")

    def test_samples_can_be_read_on(self, world: World) -> None:
        world.campaign(1, 16)
        job, other = world.lease().job, world.lease().job
        world.store.add_measurements([measurement(0, job_id=other.id)])
        for n in range(1, 5):
            world.store.add_measurements([measurement(n, job_id=job.id, secs=n * 1e-5)])
        world.store.add_measurements([measurement(5, job_id=job.id, secs=None)])
        first = world.store.samples(job.id, limit=3)
        rest = world.store.samples(job.id, after=first[-1].id)
        expected = [measurement(n, job_id=job.id).uid for n in range(1, 6)]
        assert [sample.uid for sample in [*first, *rest]] == expected
        assert (rest[-1].median, rest[-1].error_kind) == (None, "build_error")
        assert first[0].workload == workload().digest

    def test_two_nights(self, world: World) -> None:
        store = world.store
        store.add_workloads([workload(1), workload(2)])
        bad = measurement(1, secs=4e-5, workload=workload(2).digest)
        _promote(store, measurement(0, secs=9e-5, workload=workload(2).digest))
        _promote(store, bad)
        first = _moment(store, measurement(2, secs=8e-5))
        _promote(store, measurement(3, secs=2e-5))
        _promote(store, measurement(4, secs=5e-5, workload=workload(1).digest))
        store.rollback(workload(2).digest, *KEY[1:], reason="wrong")
        second = _moment(store, measurement(5, secs=1e-6, arch=OTHER_ARCH.name))

        changes = store.compare(first, second, arch=ARCH.name)
        assert [change.name for change in changes] == [workload(n).name for n in (2, 0, 1)]
        slower, faster, new = changes
        assert slower.speedup == pytest.approx(4 / 9)
        assert faster.speedup == pytest.approx(4)
        assert new.before is None
        assert new.speedup is None
        assert store.compare(first, first, arch=OTHER_ARCH.name) == []

    def test_rolled_back_to_nothing(self, world: World) -> None:
        before = _moment(world.store, measurement(1))
        world.store.rollback(*KEY, reason="wrong")
        after = _moment(world.store, measurement(2, arch=OTHER_ARCH.name))
        (change,) = world.store.compare(before, after, arch=ARCH.name)
        assert change.after is None
        assert change.before is not None
        assert change.before.measurement_uid == measurement(1).uid

    def test_two_toolchains(self, world: World) -> None:
        _promote(world.store, measurement(1, secs=1e-5))
        now = _moment(world.store, measurement(2, secs=2e-5, toolchain=OTHER_TOOLCHAIN.key))

        def changes(**toolchains: str) -> list[Change]:
            return world.store.compare(now, now, **toolchains)

        (same,) = changes()
        assert same.speedup == 1.0
        (slower,) = changes(toolchain_before=TOOLCHAIN.key, toolchain_after=OTHER_TOOLCHAIN.key)
        assert slower.speedup == pytest.approx(0.5)

    def test_stats(self, world: World) -> None:
        empty = world.store.stats()
        assert empty.rows["measurements"] == 0
        assert (empty.first_measured_at, empty.last_measured_at) == (None, None)
        world.campaign(1, 16)
        world.lease()
        _promote(world.store, measurement(1))
        world.store.add_measurements([measurement(2)])
        stats = world.store.stats()
        assert (stats.rows["measurements"], stats.rows["jobs"]) == (2, 2)
        assert stats.jobs == {"queued": 1, "running": 1}
        assert stats.best_records == {ARCH.name: 1}
        assert stats.size > 0
        assert stats.first_measured_at is not None
        assert stats.last_measured_at is not None
        assert stats.first_measured_at <= stats.last_measured_at

    def test_what_a_campaign_is_about(self, world: World) -> None:
        campaign = world.campaign(16, 64)
        assert world.store.campaign_workloads(campaign) == {(workload().digest, ARCH.name)}
        assert world.store.campaign_workloads(campaign + 1) == set()

    def test_slots_are_counted_while_jobs_are_held(self, world: World) -> None:
        store = world.store
        campaign, other = world.campaign(16, 64), world.campaign(32)
        assert store.slot_seconds(campaign) == 0.0
        first = store.claim_job("w1", campaign_id=campaign)
        second = store.claim_job("w2", campaign_id=campaign)
        assert first is not None
        assert second is not None
        time.sleep(0.1)
        store.release(first)
        held = store.slot_seconds(campaign)
        # To the millisecond, as SQLite counts.
        assert held >= 0.199, "one job was held for as long as the other"
        time.sleep(0.1)
        store.finish(second)
        ended = store.slot_seconds(campaign)
        assert ended >= held + 0.099
        time.sleep(0.02)
        assert store.slot_seconds(campaign) == ended
        assert store.slot_seconds(other) == 0.0

    def test_how_a_record_did_lately(self, world: World) -> None:
        store = world.store

        def looks(name: str = TOOLCHAIN.key) -> list[float]:
            found = store.standings([workload().digest], ARCH.name, name)
            return [look.secs for s in found.values() for look in s.looks]

        assert looks() == []
        best = measurement(1, secs=1.0)
        _promote(store, best)
        assert looks() == [best.median]
        # Elsewhere, of another candidate, or failed: no look at this record.
        store.add_measurements(
            [
                measurement(1, attempt=2, secs=9.0, host="host2"),
                measurement(2, secs=9.0),
                measurement(1, attempt=3, secs=None),
            ]
        )
        assert looks() == [best.median]
        for attempt, secs in ((4, 2.0), (5, 3.0)):
            store.add_measurements([measurement(1, attempt=attempt, secs=secs)])
        assert looks() == pytest.approx([3.03, 2.02])
        (standing,) = store.standings([workload().digest], ARCH.name, TOOLCHAIN.key).values()
        assert standing.host == "host1"
        assert standing.looks[0].calibration["fma_gflops"] == 118.0
        assert looks(OTHER_TOOLCHAIN.key) == looks("unknown") == []
