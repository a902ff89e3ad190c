"""How busy measuring slots are, and what a second one adds; or 200 synthetic ones on Ray nodes.

    python -m benchmarks.fleet.slots                          one slot, then two, of this machine
    python -m benchmarks.fleet.slots --replay 200 --nodes 4   latencies invented, all else real

A slot is a core. With as many slots as cores, builds take turns with the measurements on their
core; that is also how a single slot is run here, on one core, so that both runs are of the same
kind: twice the cores, twice the slots.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from benchmarks._layers import Layer
from db import CampaignSpec, JobSpec, ModelVersion, Store, Task, open_store
from db.testing.builders import digest
from scheduler.executors.ray_cluster import RayExecutor, RayOptions
from tuner.arch import host_arch
from tuner.measure import MeasureOptions
from workers.cores import physical_cores
from workers.job import JobOptions
from workers.replay import ReplayTools
from workers.tools import LocalTools
from workers.worker import WorkerOptions, serve_campaign

#: Inputs and outputs of the layers of a job; each has hundreds of configurations.
SHAPES = ((256, 256), (256, 512), (512, 256))


def queue(
    store: Store,
    jobs: int,
    *,
    trials: int | None,
    seconds: float | None,
    shapes: tuple[tuple[int, int], ...] = SHAPES,
) -> int:
    """A campaign of a few layers per job, each job of another batch size."""
    arch = host_arch()
    store.add_arch(arch)
    version = store.add_model_version(ModelVersion("slots", digest(jobs), ""))
    specs = []
    for batch in range(64, 64 + jobs):
        layers = [Layer(batch, k, n) for k, n in shapes]
        store.set_tasks(version, arch.name, batch, [Task(x.workload(), 1) for x in layers])
        specs.append(JobSpec(version, arch.name, batch))
    spec = CampaignSpec("slots", "autotvm", trials, seconds=seconds, searcher="random")
    return store.create_campaign(spec, specs)


def valid_per_second(url: str, campaign: int) -> float:
    """Valid measurements per second, from the first to the last that was stored."""
    query = (
        "SELECT count(*), (julianday(max(measured_at)) - julianday(min(measured_at))) * 86400 "
        "FROM measurements JOIN jobs ON jobs.id = job_id "
        "WHERE campaign_id = :campaign AND median IS NOT NULL"
    )
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        count, secs = connection.execute(sa.text(query), {"campaign": campaign}).one()
    engine.dispose()
    return float(count / secs)


def busy(store: Store) -> list[float]:
    """Utilisation of each worker, from its first measurement to its last."""
    return [w.stats["utilisation"] for w in store.workers(gone=True) if "utilisation" in w.stats]


def real(slots: int, seconds: float) -> tuple[float, float]:
    """Tune on `slots` cores of this machine; valid measurements per second, and utilisation."""
    cores = [core[0] for core in physical_cores()][-slots:]
    everything = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/slots.db"
        os.sched_setaffinity(0, set(cores))
        try:
            with open_store(url) as store:
                campaign = queue(store, slots, trials=None, seconds=seconds)
                # As in a fleet, each slot is a process of its own.
                fresh = multiprocessing.get_context("spawn")
                served = [fresh.Process(target=_serve, args=(url, campaign, slots)) for _ in cores]
                for process in served:
                    process.start()
                for process in served:
                    process.join()
                return valid_per_second(url, campaign), statistics.mean(busy(store))
        finally:
            os.sched_setaffinity(0, everything)


def _serve(url: str, campaign: int, slots: int) -> None:
    with open_store(url) as store:
        tools = LocalTools(MeasureOptions(), slots)()
        serve_campaign(store, campaign, archs=[host_arch().name], tools=tools)


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
    """A campaign on synthetic slots: everything is real but the compiler and the latencies."""
    with tempfile.TemporaryDirectory() as folder, cluster(nodes, slots) as address:
        url = f"sqlite:///{folder}/slots.db"
        with open_store(url) as store:
            campaign = queue(store, slots, trials=trials, seconds=None, shapes=SHAPES[:1])
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
            shares = sorted(busy(store))
            rate = valid_per_second(url, campaign)
            progress = store.campaign_progress(campaign)
    print(f"{slots} slots on {nodes} Ray nodes, {measure_s:g} s per measurement, {secs:.0f} s")
    print(f"measured          {progress.measurements} candidates, {rate:.1f} per second")
    print(
        f"utilisation       {statistics.mean(shares):.1%} on average, "
        f"median {statistics.median(shares):.1%}, lowest {shares[0]:.1%}"
    )


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--replay", type=int, metavar="SLOTS")
    options.add_argument("--nodes", type=int, default=4)
    options.add_argument("--measure-s", type=float, default=2.0)
    options.add_argument("--trials", type=int, default=30)
    options.add_argument("--seconds", type=float, default=15.0, help="of each real run")
    given = options.parse_args()
    if given.replay:
        replayed(given.replay, given.nodes, measure_s=given.measure_s, trials=given.trials)
        return
    one, one_busy = real(1, given.seconds)
    two, two_busy = real(2, given.seconds)
    print(f"1 slot      {one:6.2f} valid measurements per second, busy {one_busy:.0%}")
    print(f"2 slots     {two:6.2f} valid measurements per second, busy {two_busy:.0%}")
    print(f"ratio       {two / one:.2f}")


if __name__ == "__main__":
    main()
