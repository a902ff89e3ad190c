"""Best records: only validated ones, only faster ones, with a history that can be rolled back."""

from __future__ import annotations

import pytest

from db.domain.catalog import Task
from db.domain.measurements import Measurement
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


def _promote(store: Store, *measured: Measurement) -> list[bool]:
    store.add_measurements(measured)
    return [store.promote(promotion(m)) for m in measured]


def _best(store: Store) -> float | None:
    found = store.best_records([KEY[0]], *KEY[1:])
    return found[KEY[0]].run_secs if found else None


class BestConformance(Conformance):
    """The fastest validated records."""

    def test_only_faster_ones_become_the_best(self, world: World) -> None:
        tries = [measurement(n, secs=secs) for n, secs in enumerate([5e-5, 7e-5, 3e-5, 3e-5])]
        assert _promote(world.store, *tries) == [True, False, True, False]
        assert _best(world.store) == tries[2].median

    def test_repeating_a_promotion_changes_nothing(self, world: World) -> None:
        of = measurement(1)
        _promote(world.store, of)
        assert _promote(world.store, of) == [True]
        assert len(world.store.history(*KEY)) == 1

    def test_a_best_record_is_complete(self, world: World) -> None:
        of = measurement(1)
        _promote(world.store, of)
        (record,) = world.store.best_records([of.workload], of.arch, of.toolchain).values()
        assert (record.workload, record.arch, record.toolchain) == KEY
        assert (record.trace, record.config, record.strategy) == (of.trace, of.config, "autotvm")
        assert (record.measurement_uid, record.default_secs) == (of.uid, 1e-3)
        assert record.validation == {"passed": True, "max_abs_error": 1e-6}
        assert record.revoked_at is None

    def test_the_measurement_may_come_along(self, world: World) -> None:
        of = measurement(1)
        assert world.store.promote(promotion(of), measurements=[of])
        assert world.store.top_measurements(*KEY, limit=1) == [of]
        assert _best(world.store) == of.median

    def test_a_refused_promotion_leaves_no_measurement(self, world: World) -> None:
        of = measurement(1)
        with pytest.raises(ValueError, match="trace"):
            world.store.promote(promotion(of, trace="[]"), measurements=[of])
        assert world.store.measured(*KEY) == {}

    def test_what_is_promoted_was_measured(self, world: World) -> None:
        good, failed = measurement(1), measurement(2, secs=None)
        with pytest.raises(NotFound, match="store it"):
            world.store.promote(promotion(good))
        world.store.add_measurements([good, failed])
        with pytest.raises(ValueError, match="failed"):
            world.store.promote(promotion(good, measurement_uid=failed.uid, trace=failed.trace))
        with pytest.raises(ValueError, match="another key"):
            world.store.promote(promotion(good, arch=OTHER_ARCH.name))
        assert _best(world.store) is None

    def test_keys_do_not_mix(self, world: World) -> None:
        variants = [
            measurement(1),
            measurement(2, arch=OTHER_ARCH.name, secs=2e-5),
            measurement(3, toolchain=OTHER_TOOLCHAIN.key, secs=3e-5),
            measurement(4, regime="cold", secs=4e-5),
        ]
        assert _promote(world.store, *variants) == [True] * 4
        for one in variants:
            found = world.store.best_records([one.workload], one.arch, one.toolchain, one.regime)
            assert found[one.workload].measurement_uid == one.uid

    def test_without_a_toolchain_the_fastest_of_any(self, world: World) -> None:
        _promote(
            world.store,
            measurement(1, secs=5e-5),
            measurement(2, secs=2e-5, toolchain=OTHER_TOOLCHAIN.key),
        )
        (record,) = world.store.best_records([KEY[0]], ARCH.name, None).values()
        assert record.toolchain == OTHER_TOOLCHAIN.key

    def test_unknown_names_have_no_records(self, world: World) -> None:
        _promote(world.store, measurement(1))
        store = world.store
        assert store.best_records(["unknown"], ARCH.name, TOOLCHAIN.key) == {}
        assert store.best_records([KEY[0]], "i386", TOOLCHAIN.key) == {}
        assert store.best_records([KEY[0]], ARCH.name, "unknown") == {}
        assert store.lookup(world.model_version, 16, "i386", None) == {}
        assert store.lookup(99, 16, ARCH.name, None) == {}
        assert store.history("unknown", ARCH.name, TOOLCHAIN.key) == []

    def test_lookup_of_a_model_version(self, world: World) -> None:
        store, version = world.store, world.model_version
        store.set_tasks(version, ARCH.name, 16, [Task(workload(n), calls=1) for n in range(4)])
        store.set_tasks(version, ARCH.name, 64, [Task(workload(n), calls=1) for n in (3, 4, 5)])
        tuned = [measurement(n, workload=workload(n).digest) for n in (0, 3, 4)]
        store.add_workloads([workload(6)])
        other = measurement(6, workload=workload(6).digest)
        _promote(store, *tuned, other)

        def found(bucket: int | None) -> set[str]:
            return set(store.lookup(version, bucket, ARCH.name, TOOLCHAIN.key))

        assert found(16) == {workload(n).digest for n in (0, 3)}
        assert found(64) == {workload(n).digest for n in (3, 4)}
        assert found(None) == {workload(n).digest for n in (0, 3, 4)}
        assert found(1) == set()
        assert store.lookup(version, None, OTHER_ARCH.name, TOOLCHAIN.key) == {}

    def test_history_keeps_every_best(self, world: World) -> None:
        tries = [measurement(n, secs=secs) for n, secs in enumerate([5e-5, 7e-5, 3e-5])]
        _promote(world.store, *tries)
        history = world.store.history(*KEY)
        assert [record.measurement_uid for record in history] == [tries[0].uid, tries[2].uid]

    def test_rolling_back_restores_the_one_before(self, world: World) -> None:
        tries = [measurement(n, secs=secs) for n, secs in enumerate([5e-5, 4e-5, 3e-5])]
        _promote(world.store, *tries)
        heir = world.store.rollback(*KEY, reason="wrong on negative inputs")
        assert heir is not None
        assert heir.measurement_uid == tries[1].uid
        assert _best(world.store) == tries[1].median
        revoked = world.store.history(*KEY)[-1]
        assert revoked.revoked_reason == "wrong on negative inputs"
        assert revoked.revoked_at is not None

    def test_a_revoked_candidate_stays_out(self, world: World) -> None:
        first, bad = measurement(1, secs=5e-5), measurement(2, secs=3e-5)
        _promote(world.store, first, bad)
        world.store.rollback(*KEY, reason="wrong")
        again = measurement(2, attempt=2, secs=2e-5)
        assert _promote(world.store, bad, again) == [False, False]
        assert _promote(world.store, measurement(3, secs=4e-5)) == [True]

    def test_rolling_back_to_nothing(self, world: World) -> None:
        _promote(world.store, measurement(1))
        assert world.store.rollback(*KEY, reason="wrong") is None
        assert _best(world.store) is None
        with pytest.raises(NotFound, match="nothing to roll back"):
            world.store.rollback(*KEY, reason="again")
