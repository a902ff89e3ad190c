"""Which workers a campaign needs where."""

from __future__ import annotations

import pytest

from scheduler.executors.placement import Node, Pool, place, serves

ICELAKE = {"cpu-arch": "icelake-server", "isa-level": "x86-64-v4"}
HASWELL = {"cpu-arch": "haswell", "isa-level": "x86-64-v3"}


@pytest.mark.parametrize(
    ("arch", "yes"),
    [("icelake-server", True), ("x86-64-v4", True), ("x86-64-v3", False), ("znver4", False)],
)
def test_a_node_serves_its_cpu_and_its_level_alone(arch: str, yes: bool) -> None:
    assert serves(ICELAKE, arch) is yes


def test_a_pool_per_kind_of_node() -> None:
    nodes = [Node("a", ICELAKE, 4), Node("b", ICELAKE, 4), Node("c", HASWELL, 2)]
    placement = place(nodes, {"icelake-server": 30, "x86-64-v4": 1, "haswell": 9})
    assert placement.pools == (
        Pool("haswell", ("haswell",), 2),
        Pool("icelake-server", ("icelake-server", "x86-64-v4"), 8),
    )
    assert placement.waiting == {}


def test_no_more_workers_than_jobs() -> None:
    (pool,) = place([Node("a", ICELAKE, 64)], {"icelake-server": 3}).pools
    assert pool.wanted == 3


def test_an_architecture_without_a_node_waits_and_says_why() -> None:
    nodes = [Node("a", ICELAKE, 4), Node("head", {}, 0)]
    placement = place(nodes, {"icelake-server": 1, "znver4": 2})
    assert placement.waiting == {
        "znver4": "waits for a node with the CPU znver4; measuring nodes there are: "
        "icelake-server; start one with: tunefleet worker --arch znver4"
    }
    assert [pool.label for pool in placement.pools] == ["icelake-server"]


def test_an_empty_cluster() -> None:
    placement = place([Node("head", {}, 0)], {"haswell": 1})
    assert placement.pools == ()
    assert "measuring nodes there are: none" in placement.waiting["haswell"]


def test_nothing_left_to_do() -> None:
    placement = place([Node("a", ICELAKE, 4)], {})
    assert placement.pools == ()
    assert placement.waiting == {}
