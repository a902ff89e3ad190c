"""Campaigns on a cluster of several nodes; latencies are invented, everything else is real."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from db import CampaignState, JobAction, JobState, Store
from scheduler.executors.ray_cluster import RayExecutor, RayOptions
from tests.cluster.conftest import AddNode
from tests.integration.fleet.campaigns import (
    AVX2,
    AVX512,
    EAGER,
    Stalling,
    campaign_of,
    records,
)
from tuner.arch import resolve
from workers.replay import ReplayTools
from workers.tools import ToolMaker

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(2400)]


#: Tools that hardly wait.
AT_ONCE = ReplayTools(measure_s=0.02)


def executor_of(url: str, address: str, tools: ToolMaker = AT_ONCE) -> RayExecutor:
    # Two slots of a node share a process: half as many to start.
    return RayExecutor(url, tools, EAGER, RayOptions(address, slots_per_actor=2))


@pytest.fixture
def go(tmp_path: Path) -> Path:
    """A file without which no job of `stalling` ends."""
    return tmp_path / "go"


def stalling(go: Path) -> ToolMaker:
    """Two jobs at once measure ten candidates together, and more when they may go on."""
    return Stalling(ReplayTools(), 8, go.exists)


def poll_until(
    executor: RayExecutor, condition: Callable[[], bool], what: str, seconds: float = 900.0
) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}; {executor}"
        executor.poll()
        time.sleep(0.2)


def ended(store: Store, campaign: int) -> Callable[[], bool]:
    return lambda: not store.campaign_progress(campaign).unfinished


def check_complete(store: Store, url: str, campaign: int) -> None:
    """Every job is done with its budget, and no candidate was measured twice."""
    assert store.campaign_progress(campaign).state is CampaignState.DONE
    for progress in store.job_progress(campaign):
        assert progress.measurements >= (progress.job.trials or 0)
        assert progress.tuned == progress.tasks > 0
    assert max(records(url).values()) == 1


def measured_on(store: Store, campaign: int) -> dict[int, set[str]]:
    """The label ``cpu-arch`` of the nodes that each job's attempts ran on."""
    import ray

    labels = {n["NodeID"]: n["Labels"].get("cpu-arch", "") for n in ray.nodes()}  # type: ignore[no-untyped-call]
    nodes = {w.id: w.labels["ray_node"] for w in store.workers(gone=True)}
    return {
        progress.job.id: {
            labels[nodes[event.worker or ""]]
            for event in store.events(progress.job.id)
            if event.action is JobAction.CLAIM
        }
        for progress in store.job_progress(campaign)
    }


def test_every_job_runs_on_its_own_architecture(
    store: Store, url: str, address: str, add_node: AddNode
) -> None:
    other = resolve("znver4")
    store.add_arch(other)
    version = store.model_version("dlrm").id
    store.set_tasks(version, other.name, 8, store.tasks(version, AVX512, 8))
    campaign = campaign_of(store, archs=(AVX2, AVX512, other.name), buckets=(8,), trials=20)

    def job(arch: str) -> Any:
        return next(p.job for p in store.job_progress(campaign) if p.job.arch == arch)

    with executor_of(url, address) as executor:
        executor.start(campaign)
        assert job(other.name).reason.startswith("waits for a node with the CPU znver4")
        poll_until(
            executor,
            lambda: store.unfinished_archs(campaign) == {other.name: 1},
            "the jobs of the two nodes",
        )
        waiting = job(other.name)
        assert waiting.state is JobState.QUEUED
        assert "tunefleet worker --arch znver4" in waiting.reason
        add_node(other.name, other.isa_level, 1)
        poll_until(executor, ended(store, campaign), "the job of the node that joined late")
        for progress in store.job_progress(campaign):
            assert measured_on(store, campaign)[progress.job.id] == {progress.job.arch}
    check_complete(store, url, campaign)


def test_a_node_killed_in_the_middle(
    store: Store, url: str, address: str, cluster: Any, add_node: AddNode, go: Path
) -> None:
    first = add_node("haswell", "x86-64-v3-only", 2)
    store.add_arch(resolve("haswell"))
    version = store.model_version("dlrm").id
    for bucket in (1, 8):
        store.set_tasks(version, "haswell", bucket, store.tasks(version, AVX512, bucket))
    campaign = campaign_of(store, archs=("haswell",), trials=20)
    with executor_of(url, address, stalling(go)) as executor:
        executor.start(campaign)
        poll_until(
            executor,
            lambda: store.campaign_progress(campaign).measurements >= 10,
            "the first measurements",
        )
        workers = [psutil.Process(worker.pid) for worker in store.workers()]
        cluster.remove_node(first, allow_graceful=False)
        # They end with their node, a moment later: not one of them goes on.
        psutil.wait_procs(workers)
        go.touch()
        add_node("haswell", "x86-64-v3-only", 2)
        poll_until(executor, ended(store, campaign), "the campaign on the new node")
    check_complete(store, url, campaign)
    attempts = [p.job.attempt for p in store.job_progress(campaign)]
    assert max(attempts) >= 2
    reasons = {w.gone_reason for w in store.workers(gone=True)}
    assert any(reason and reason.startswith("died: ") for reason in reasons)


def test_a_worker_killed_in_the_middle(store: Store, url: str, address: str, go: Path) -> None:
    campaign = campaign_of(store, archs=(AVX512,), trials=20)
    with executor_of(url, address, stalling(go)) as executor:
        executor.start(campaign)
        poll_until(
            executor,
            lambda: store.campaign_progress(campaign).measurements >= 10,
            "the first measurements",
        )
        # One that holds a job: an idle worker's death would cost no job an attempt.
        victim, *_ = (
            p.job.worker for p in store.job_progress(campaign) if p.job.state is JobState.RUNNING
        )
        os.kill(next(w.pid for w in store.workers() if w.id == victim), signal.SIGKILL)
        go.touch()
        poll_until(executor, ended(store, campaign), "the campaign")
    check_complete(store, url, campaign)
    assert max(p.job.attempt for p in store.job_progress(campaign)) >= 2


def test_builds_go_to_the_nodes_that_offer_them(address: str, cluster: Any) -> None:
    import ray
    import tvm

    from benchmarks._layers import Layer
    from tuner.measure import MeasureOptions
    from workers.builders import RemoteBuilder, builds_per_slot

    ray.init(address=address, log_to_driver=False)
    try:
        assert builds_per_slot() == 0
        node = cluster.add_node(
            num_cpus=1, resources={"build_slot": 1}, object_store_memory=78_643_200
        )
        assert builds_per_slot() == 1
        builder = RemoteBuilder(MeasureOptions(build_deadline_s=900.0))
        tir = tvm.ir.save_json(Layer(4, 64, 64).function())
        # Nobody here has such a CPU: only its code is made.
        built = builder.build(tir, resolve("znver5"), config={}, trace=None)
        refused = builder.build(tir, resolve("znver5"), config=None, trace="no trace")
        cluster.remove_node(node)
    finally:
        ray.shutdown()
    assert built.failure is None, built.failure
    assert built.code is not None
    assert "znver5" in built.code
    assert refused.failure is not None
