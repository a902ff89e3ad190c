"""Lessons: what was measured of other workloads, the nearest and the newest."""

from __future__ import annotations

from db.domain.measurements import Lesson
from db.testing.builders import (
    ARCH,
    OTHER_ARCH,
    TOOLCHAIN,
    World,
    measurement,
    workload,
)
from db.testing.conformance.base import Conformance


class LessonConformance(Conformance):
    """What a cost model learns from."""

    def test_lessons_are_the_newest_first_failures_too(self, world: World) -> None:
        made = [
            measurement(1),
            measurement(2, secs=None),
            measurement(3, arch=OTHER_ARCH.name, regime="cold"),
        ]
        for one in made:
            world.store.add_measurements([one])
        expected = [
            Lesson(m.workload, m.arch, m.toolchain, m.regime, m.config or {}, m.median)
            for m in reversed(made)
        ]
        assert world.store.lessons("dense", 1e6) == expected
        assert world.store.lessons("dense", 1e6, limit=2) == expected[:2]

    def test_lessons_are_of_one_kind_and_of_templates(self, world: World) -> None:
        other = workload(1, op_kind="softmax")
        world.store.add_workloads([other])
        world.store.add_measurements(
            [measurement(1, workload=other.digest), measurement(2, strategy="ansor", config=None)]
        )
        assert world.store.lessons("dense", 1e6) == []
        (only,) = world.store.lessons("softmax", 1e6)
        assert (only.workload, only.toolchain) == (other.digest, TOOLCHAIN.key)
        assert world.store.lessons("unheard of", 1e6) == []

    def test_lessons_are_of_the_workloads_nearest_in_size(self, world: World) -> None:
        sizes = {n: workload(n, flops=10.0**n) for n in range(1, 6)}
        world.store.add_workloads([*sizes.values(), workload(9, flops=1e3)])
        world.store.add_measurements(
            [measurement(n, workload=w.digest, arch=ARCH.name) for n, w in sizes.items()]
        )
        found = world.store.lessons("dense", 2e3, workloads=2)
        assert {one.workload for one in found} == {sizes[3].digest, sizes[4].digest}
        assert len(world.store.lessons("dense", 0.0)) == 5
