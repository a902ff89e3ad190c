"""Catalog: adding is idempotent, reading gives back what was added."""

from __future__ import annotations

from dataclasses import replace

import pytest

from db.domain.catalog import ModelVersion, Task
from db.errors import NotFound
from db.store.base import Store
from db.testing.builders import ARCH, OTHER_ARCH, OTHER_TOOLCHAIN, TOOLCHAIN, World, workload
from db.testing.conformance.base import Conformance


class CatalogConformance(Conformance):
    """What is tuned, for what, and with what."""

    def test_archs_are_added_once(self, store: Store) -> None:
        store.add_arch(ARCH)
        store.add_arch(OTHER_ARCH)
        store.add_arch(ARCH)
        assert store.archs() == [OTHER_ARCH, ARCH]

    def test_toolchains_are_added_once(self, store: Store) -> None:
        assert store.add_toolchain(TOOLCHAIN) == TOOLCHAIN.key
        assert store.add_toolchain(OTHER_TOOLCHAIN) == OTHER_TOOLCHAIN.key
        assert store.add_toolchain(TOOLCHAIN) == TOOLCHAIN.key
        assert store.toolchains() == [OTHER_TOOLCHAIN, TOOLCHAIN]

    def test_workloads_come_back_as_they_were(self, store: Store) -> None:
        added = [workload(n) for n in range(3)]
        store.add_workloads(added)
        store.add_workloads([replace(added[0], name="another name")])
        found = store.workloads([w.digest for w in added] + ["unknown"])
        assert found == {w.digest: w for w in added}

    def test_a_graph_seen_again_is_the_same_version(self, store: Store) -> None:
        first = store.add_model_version(ModelVersion("dlrm", "g1", "a.pt2"))
        second = store.add_model_version(ModelVersion("dlrm", "g2", "b.pt2"))
        assert store.model_version("dlrm").id == second
        again = store.add_model_version(ModelVersion("dlrm", "g1", "c.pt2", {"x": [1]}, {16: 1.0}))
        assert again == first != second
        latest = store.model_version("dlrm")
        assert (latest.id, latest.source, latest.traffic) == (first, "c.pt2", {16: 1.0})
        assert latest.input_schema == {"x": [1]}
        assert latest.seen_at >= latest.added_at
        assert store.model_version(second).source == "b.pt2"

    def test_models_lists_the_latest_of_each(self, store: Store) -> None:
        for model, graph in (("b", "g1"), ("a", "g1"), ("b", "g2")):
            store.add_model_version(ModelVersion(model, graph, f"{model}-{graph}"))
        assert [version.source for version in store.models()] == ["a-g1", "b-g2"]

    def test_unknown_model(self, store: Store) -> None:
        with pytest.raises(NotFound, match="models add"):
            store.model_version("nothing")
        with pytest.raises(NotFound):
            store.model_version(7)

    def test_tasks_are_replaced_and_heaviest_first(self, world: World) -> None:
        store, version = world.store, world.model_version
        light, heavy = Task(workload(1), calls=1), Task(workload(2), calls=4, weight=2.0)
        store.set_tasks(version, ARCH.name, 16, [light, heavy])
        assert store.tasks(version, ARCH.name, 16) == [heavy, light]
        store.set_tasks(version, ARCH.name, 16, [light])
        assert store.tasks(version, ARCH.name, 16) == [light]

    def test_tasks_of_other_buckets_and_archs_stay(self, world: World) -> None:
        store, version = world.store, world.model_version
        store.set_tasks(version, ARCH.name, 1, [Task(workload(1), calls=1)])
        store.set_tasks(version, OTHER_ARCH.name, 16, [Task(workload(1), calls=2)])
        assert [task.calls for task in store.tasks(version, ARCH.name, 16)] == [3]
        assert store.buckets(version, ARCH.name) == [1, 16]
        assert store.buckets(version, OTHER_ARCH.name) == [16]

    def test_unknown_names_are_refused_when_writing(self, world: World) -> None:
        task = Task(workload(), calls=1)
        with pytest.raises(NotFound, match="add_arch"):
            world.store.set_tasks(world.model_version, "i386", 1, [task])
        with pytest.raises(NotFound, match="add_model_version"):
            world.store.set_tasks(99, ARCH.name, 1, [task])

    def test_unknown_names_yield_nothing_when_reading(self, world: World) -> None:
        assert world.store.tasks(world.model_version, "i386", 16) == []
        assert world.store.tasks(99, ARCH.name, 16) == []
        assert world.store.buckets(99, ARCH.name) == []
