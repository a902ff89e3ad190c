"""Synthetic slots on Ray nodes: latencies are invented, everything else is real.

python -m benchmarks.fleet.replay --slots 200 --nodes 4
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks._layers import Layer
from benchmarks.fleet._campaign import queue, shares, valid_per_second
from db import open_store
from scheduler.executors.ray_cluster import RayExecutor, RayOptions
from tuner.arch import host_arch
from workers.job import JobOptions
from workers.replay import ReplayTools
from workers.worker import WorkerOptions


@contextmanager
def cluster(nodes: int, slots: int) -> Iterator[str]:
    """A Ray cluster on this machine; yields its address."""
    from ray.cluster_utils import Cluster

    head: dict[str, Any] = {
        "num_cpus": 0,
        "include_dashboard": False,
        "_system_config": {"health_check_timeout_ms": 60_000},
    }
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            made.add_node(
                num_cpus=1,
                resources={"measure_slot": slots // nodes},
                labels={"cpu-arch": host_arch().name, "isa-level": host_arch().isa_level},
                object_store_memory=78_643_200,
            )
        yield str(made.address)
    finally:
        made.shutdown()  # type: ignore[no-untyped-call]


def replayed(slots: int, nodes: int, *, measure_s: float, trials: int) -> None:
    """Run a campaign of as many jobs as slots, and print how busy these were."""
    with tempfile.TemporaryDirectory() as folder, cluster(nodes, slots) as address:
        url = f"sqlite:///{folder}/slots.db"
        with open_store(url) as store:
            layers = [[Layer(batch, 256, 256)] for batch in range(64, 64 + slots)]
            campaign = queue(store, layers, trials=trials, seconds=None)
            options = WorkerOptions(job=JobOptions(calibrate_every_s=60.0))
            executor = RayExecutor(
                url,
                ReplayTools(measure_s=measure_s),
                options,
                RayOptions(address, slots_per_actor=slots // nodes),
            )
            start = time.monotonic()
            with executor:
                executor.start(campaign)
                while store.unfinished_archs(campaign):
                    executor.poll()
                    time.sleep(1.0)
                secs = time.monotonic() - start
            busy = shares(store, "utilisation")
            rate = valid_per_second(url, campaign)
            progress = store.campaign_progress(campaign)
    print(f"{slots} slots on {nodes} Ray nodes, {measure_s:g} s per measurement, {secs:.0f} s")
    print(f"measured          {progress.measurements} candidates, {rate:.1f} per second")
    print(
        f"utilisation       {statistics.mean(busy):.1%} on average, "
        f"median {statistics.median(busy):.1%}, lowest {busy[0]:.1%}"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--slots", type=int, default=200)
    options.add_argument("--nodes", type=int, default=4)
    options.add_argument("--measure-s", type=float, default=2.0)
    options.add_argument("--trials", type=int, default=30)
    given = options.parse_args()
    replayed(given.slots, given.nodes, measure_s=given.measure_s, trials=given.trials)


if __name__ == "__main__":
    main()
