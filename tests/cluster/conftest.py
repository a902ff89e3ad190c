"""One Ray cluster per run on this machine: a head, a node of avx2 and a node of avx512."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.fleet.conftest import model_database, store, url

__all__ = ["model_database", "store", "url"]

#: Adds a node with the labels of a CPU and its measuring slots; see `cluster`.
AddNode = Callable[[str, str, int], Any]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    class PatientCluster(Cluster):
        def _wait_for_node(self, node: Any, timeout: float = 600.0) -> None:
            super()._wait_for_node(node, timeout)

    # A node that answers late on a busy machine is not dead; one that is gone refuses at once.
    patient = {
        "health_check_timeout_ms": 240_000,
        "health_check_initial_delay_ms": 240_000,
        # Importing a compiler may take a while, too.
        "worker_register_timeout_seconds": 600,
    }
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": patient}
    made = PatientCluster(initialize_head=True, head_node_args=head)
    try:
        yield made
    finally:
        made.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def add_node(cluster: Any) -> AddNode:
    def add(arch: str, level: str, slots: int) -> Any:
        return cluster.add_node(
            num_cpus=1,
            resources={"measure_slot": slots},
            labels={"cpu-arch": arch, "isa-level": level},
            object_store_memory=78_643_200,
        )

    return add


@pytest.fixture(scope="session")
def address(cluster: Any, add_node: AddNode) -> str:
    """Of the cluster, its two nodes joined."""
    add_node("x86-64-v3", "x86-64-v3", 2)
    add_node("x86-64-v4", "x86-64-v4", 2)
    found: str = cluster.address
    return found
