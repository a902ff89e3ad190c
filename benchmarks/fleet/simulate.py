"""A night of 1,000 workers and 100,000 jobs against a real database, its time compressed.

Workers are events of a simulation; what they ask of the database is asked in earnest, one call
after the other, and takes its place in simulated time: a call waits for those before it. Renewals
of leases and heartbeats, which come by the hundred in a job of ten minutes, are made once in ten
jobs; they count for as many as the product makes in the time of the night.

    python -m benchmarks.fleet.simulate --jobs 1000,10000,100000 --workers 1000
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import psutil

from benchmarks.db.common import SETTINGS, opened
from db import CampaignSpec, JobSpec, Lease, ModelVersion, RetryPolicy, Store, WorkerInfo
from db.store._sql import SqlStore
from db.testing.builders import ARCH, OTHER_ARCH, digest, measurement, populate
from db.testing.postgres import TemporaryPostgres, temporary_postgres
from scheduler.policy.fair import Claim, in_fair_order
from workers.job import JobOptions
from workers.worker import WorkerOptions

Result = TypeVar("Result")

#: Measurements that a job stores, in one batch.
ROWS = 2
#: Simulated seconds that a job takes: the median and the spread of a log-normal distribution.
MEDIAN_S, SIGMA = 600.0, 0.5
#: Share of the jobs in which the worker dies.
DEATHS = 0.01
#: Simulated seconds until the death of a worker is noticed.
NOTICED_S = 90.0
ARCHS = (ARCH.name, OTHER_ARCH.name)
#: Jobs to one of these that is made; and seconds between two of them, as workers make them.
SAMPLED = 10
EVERY_S = {"renew": JobOptions().lease_s / 6, "heartbeat": WorkerOptions().heartbeat_s}
#: Figures of a heartbeat.
STATS = {
    "measured": 1000.0, "failed": 10.0, "build_s": 300.0, "measure_s": 280.0, "validate_s": 10.0,
    "calibrate_s": 5.0, "utilisation": 0.95, "measuring": 0.9, "fma_gflops": 88.0,
}  # fmt: skip


@dataclass(slots=True)
class Database:
    """The store, and the time its calls take."""

    store: Store
    #: Seconds of each call, by name.
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    #: Simulated moment at which it has answered all calls so far.
    free_at: float = 0.0

    def call(self, name: str, now: float, call: Callable[[], Result]) -> tuple[float, Result]:
        """Make a call at a simulated moment; return when it was answered, and what."""
        start = time.perf_counter()
        answer = call()
        secs = time.perf_counter() - start
        self.took[name].append(secs)
        self.free_at = max(self.free_at, now) + secs
        return self.free_at, answer

    def median(self, name: str, part: slice = slice(None)) -> float:
        """Median seconds of a call: this machine may stand still for a moment."""
        return statistics.median(self.took[name][part])


@dataclass(slots=True)
class Night:
    """A campaign, and what happened so far."""

    campaign: int
    jobs: int
    #: Share that each model should have of all service, while all have jobs.
    weights: dict[str, float]
    done: int = 0
    lost: int = 0
    #: Simulated seconds that finished jobs took, and the moment the last one ended.
    work_s: float = 0.0
    ended: float = 0.0
    served: Counter[str] = field(default_factory=Counter)
    #: Largest part of all service that a model had more or less than its share, from the first
    #: hundredth of the night until a model had no job left.
    unfair: float = 0.0

    def note(self, job_model: str, now: float) -> None:
        """A job is done."""
        self.done += 1
        self.served[job_model] += 1
        self.ended = max(self.ended, now)
        left = max(self.served.values()) < self.jobs // len(self.weights) - 1
        if left and self.done >= max(self.jobs // 100, 100):
            mass = sum(self.weights.values())
            shares = (self.served[m] / self.done - w / mass for m, w in self.weights.items())
            self.unfair = max(self.unfair, *map(abs, shares))


def queue(store: Store, jobs: int, models: int) -> Night:
    """Create a campaign."""
    weights = {f"model{m}": 1.0 / (1 + m) for m in range(models)}
    versions = {
        name: store.add_model_version(ModelVersion(name, digest(name), f"{name}.pt2"))
        for name in weights
    }
    wanted = [
        (name, arch, bucket)
        for bucket in range(1, 1 + jobs // (models * len(ARCHS)))
        for name in weights
        for arch in ARCHS
    ]
    order = in_fair_order([Claim(name, 0.0) for name, _, _ in wanted], weights)
    specs = [
        JobSpec(versions[wanted[i][0]], wanted[i][1], wanted[i][2], priority=len(order) - place)
        for place, i in enumerate(order)
    ]
    spec = CampaignSpec("night", "auto", trials=ROWS, retry=RetryPolicy(10, backoff_s=0.0))
    return Night(store.create_campaign(spec, specs), len(specs), weights)


def simulate(database: Database, night: Night, workers: int) -> None:
    """Run a night to its end."""
    store = database.store
    for worker in range(workers):
        store.register_worker(WorkerInfo(f"worker{worker}", "host", ARCHS[worker % 2]))
    # (moment, number that breaks ties, worker, the lease it holds, seconds of it, whether it dies)
    events: list[tuple[float, int, int, Lease | None, float, bool]] = [
        (0.0, worker, worker, None, 0.0, False) for worker in range(workers)
    ]
    numbers = iter(range(workers, 1 << 60))
    while events and night.done < night.jobs:
        now, _, worker, lease, secs, dies = heapq.heappop(events)
        name = f"worker{worker}"
        if lease is not None and dies:
            now, _ = database.call("retire", now, partial(store.retire_worker, name, "killed"))
            night.lost += 1
        elif lease is not None:
            now = work(database, name, now, lease)
            night.work_s += secs
            night.note(lease.job.model, now)
        claim = partial(
            store.claim_job, name, archs=[ARCHS[worker % 2]], campaign_id=night.campaign
        )
        now, taken = database.call("claim", now, claim)
        if taken is not None:
            secs = random.lognormvariate(0.0, SIGMA) * MEDIAN_S
            dies = random.random() < DEATHS
            held = secs * random.random() + NOTICED_S if dies else secs
            heapq.heappush(events, (now + held, next(numbers), worker, taken, secs, dies))
        elif any(event[5] for event in events):
            # A dying worker's job will come back.
            heapq.heappush(events, (now + NOTICED_S, next(numbers), worker, None, 0.0, False))
    assert night.done == night.jobs, f"{night.done} of {night.jobs} jobs done"
    progress = store.campaign_progress(night.campaign)
    assert progress.measurements == ROWS * night.jobs, progress


def work(database: Database, worker: str, now: float, lease: Lease) -> float:
    """What a worker asks while it runs a job, and at its end."""
    store, job = database.store, lease.job
    if job.id % SAMPLED == 0:
        now, _ = database.call("renew", now, lambda: store.renew(lease, 3600.0))
        now, _ = database.call("heartbeat", now, lambda: store.heartbeat(worker, STATS))
    made = [
        measurement(job.id * ROWS + i, job_id=job.id, attempt=job.attempt, arch=job.arch)
        for i in range(ROWS)
    ]
    now, _ = database.call("record", now, lambda: store.add_measurements(made))
    now, _ = database.call("finish", now, lambda: store.finish(lease))
    return now


#: What a job needs of the queue, once each.
SCHEDULING = ("claim", "finish")


def tell(database: Database, night: Night, workers: int, server_s: float, wall_s: float) -> None:
    """Print a row of the table."""
    fifth = len(database.took["finish"]) // 5
    first, last = slice(fifth), slice(-fifth, None)
    scheduling = [sum(database.median(n, part) for n in SCHEDULING) for part in (first, last)]
    per_job = dict.fromkeys((*SCHEDULING, "record"), 1.0)
    per_job |= {name: night.work_s / night.jobs / every for name, every in EVERY_S.items()}
    load = sum(count * database.median(name) for name, count in per_job.items()) * night.jobs
    made = sum(len(took) * database.median(name) for name, took in database.took.items())
    print(
        f"{night.jobs:9,}"
        + "".join(f"{1e3 * database.median(n):8.2f}" for n in (*SCHEDULING, "record", *EVERY_S))
        + "".join(f"{1e3 * secs:11.2f}" for secs in scheduling)
        + f"{load / night.ended:12.1%}{server_s * load / made / night.ended:11.1%}"
        + f"{night.unfair:9.2%}{night.ended * workers / night.work_s:10.3f}"
        + f"{night.lost:8,}{wall_s:8.0f}",
        flush=True,
    )


HEAD = (
    "             milliseconds a call                    of scheduling a job    "
    "load, of one core   fair to  time to     jobs    took\n"
    "     jobs   claim  finish  record   renew  h.beat  first 5th   last 5th"
    "     clients     server   within    ideal    lost       s"
)


def server_cpu(server: TemporaryPostgres) -> float:
    """Seconds of CPU time that the server's processes took so far."""
    found = psutil.Process(int((server.pgdata / "postmaster.pid").read_text().split()[0]))
    own = [p.cpu_times() for p in (found, *found.children())]
    return sum(t.user + t.system for t in own) + sum(found.cpu_times()[2:4])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--workers", type=int, default=1000)
    options.add_argument("--jobs", default="1000,10000,100000", help="sizes of the nights")
    options.add_argument("--models", type=int, default=5)
    given = options.parse_args()
    random.seed(0)
    print(f"{given.workers:,} workers, {given.models} models, jobs of {MEDIAN_S:g} s\n{HEAD}")
    # One connection makes all calls here: waiting for the disk after each commit would be counted a
    # hundred times over, where a thousand workers share one wait.
    with temporary_postgres(**SETTINGS, synchronous_commit="off") as server:
        for jobs in map(int, given.jobs.split(",")):
            with opened(server.create_database()) as store:
                run(server, store, jobs, given.workers, given.models)


def run(server: TemporaryPostgres, store: SqlStore, jobs: int, workers: int, models: int) -> None:
    """A night of its own database."""
    populate(store)
    night = queue(store, jobs, models)
    database = Database(store)
    cpu, start = server_cpu(server), time.perf_counter()
    simulate(database, night, workers)
    tell(database, night, workers, server_cpu(server) - cpu, time.perf_counter() - start)


if __name__ == "__main__":
    main()
