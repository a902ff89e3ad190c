"""A night of 1,000 workers and 100,000 jobs against a real database, its time compressed.

Workers are events of a simulation; what they ask of the database is asked in earnest, one call
after the other, and takes its place in simulated time: a call waits for those before it.

    python -m benchmarks.fleet.simulate --jobs 100000 --workers 1000
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from benchmarks.db.common import SETTINGS, opened
from db import CampaignSpec, JobSpec, Lease, ModelVersion, RetryPolicy, Store
from db.testing.builders import ARCH, OTHER_ARCH, digest, measurement, populate
from db.testing.postgres import temporary_postgres
from scheduler.policy.fair import Claim, in_fair_order

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


@dataclass(slots=True)
class Database:
    """The store, and the time its calls take."""

    store: Store
    #: Milliseconds of each call, by name, since the last row of the table.
    took: dict[str, list[float]] = field(default_factory=dict)
    #: Simulated moment at which it has answered all calls so far.
    free_at: float = 0.0
    #: Seconds it worked altogether.
    busy_s: float = 0.0

    def call(self, name: str, now: float, call: Callable[[], Result]) -> tuple[float, Result]:
        """Make a call at a simulated moment; return when it was answered, and what."""
        start = time.perf_counter()
        answer = call()
        secs = time.perf_counter() - start
        self.took.setdefault(name, []).append(1e3 * secs)
        self.busy_s += secs
        self.free_at = max(self.free_at, now) + secs
        return self.free_at, answer


@dataclass(slots=True)
class Night:
    """What happened so far."""

    done: int = 0
    lost: int = 0
    work_s: float = 0.0
    served: Counter[str] = field(default_factory=Counter)
    #: Largest deviation from the fair share, at each row of the table.
    unfair: list[float] = field(default_factory=list)


def queue(store: Store, jobs: int, models: int) -> tuple[int, dict[str, float]]:
    """Create the campaign; return it and the weights of its models."""
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
    return store.create_campaign(spec, specs), weights


def simulate(
    store: Store, *, workers: int, jobs: int, models: int, rows: int, until: int | None
) -> None:
    """Run the night, or its first `until` jobs, and print the table."""
    random.seed(0)
    campaign, weights = queue(store, jobs, models)
    total = sum(store.unfinished_archs(campaign).values())
    database, night = Database(store), Night()
    # (moment, number that breaks ties, worker, the lease it holds, whether it dies)
    events: list[tuple[float, int, int, Lease | None, bool]] = [
        (0.0, worker, worker, None, False) for worker in range(workers)
    ]
    numbers = iter(range(workers, 1 << 60))
    wanted = until or total
    end, step, wall = 0.0, max(1, wanted // rows), time.perf_counter()
    print("  jobs done   claim p50   claim p95   per job   database   unfair")
    while events and night.done < wanted:
        now, _, worker, lease, dies = heapq.heappop(events)
        name = f"worker{worker}"
        if lease is not None and dies:
            now, _ = database.call("retire", now, partial(store.retire_worker, name, "killed"))
            night.lost += 1
        elif lease is not None:
            now = finish(database, now, lease)
            night.done += 1
            night.served[lease.job.model] += 1
            end = max(end, now)
            if night.done % step == 0:
                row(database, night, weights, now, total)
        claim = partial(store.claim_job, name, archs=[ARCHS[worker % 2]], campaign_id=campaign)
        now, taken = database.call("claim", now, claim)
        if taken is not None:
            secs = random.lognormvariate(0.0, SIGMA) * MEDIAN_S
            dies = random.random() < DEATHS
            night.work_s += secs if not dies else 0.0
            secs = secs * random.random() + NOTICED_S if dies else secs
            heapq.heappush(events, (now + secs, next(numbers), worker, taken, dies))
        elif night.done < total and any(event[4] for event in events):
            # A dying worker's job will come back.
            heapq.heappush(events, (now + NOTICED_S, next(numbers), worker, None, False))
    assert night.done == wanted, f"{night.done} of {wanted} jobs done"
    print(f"\n{wanted} of {total} jobs of {models} models, {workers} workers, {night.lost} deaths")
    print(f"database per job          {1e3 * database.busy_s / wanted:.2f} ms")
    print(f"database busy             {database.busy_s / end:.2%} of the night")
    if until is None:
        ideal = night.work_s / workers
        print(f"time to finish            {end / ideal:.4f} of the ideal ({ideal / 3600:.2f} h)")
    if night.unfair:
        print(f"fair share missed by      at most {max(night.unfair):.2%} until a model had ended")
    print(f"simulated in              {time.perf_counter() - wall:.0f} s")


def finish(database: Database, now: float, lease: Lease) -> float:
    """What a worker asks while it runs a job: one renewal, one batch, the end."""
    store, job = database.store, lease.job
    now, _ = database.call("renew", now, lambda: store.renew(lease, 3600.0))
    made = [
        measurement(job.id * ROWS + i, job_id=job.id, attempt=job.attempt, arch=job.arch)
        for i in range(ROWS)
    ]
    now, _ = database.call("record", now, lambda: store.add_measurements(made))
    now, _ = database.call("finish", now, lambda: store.finish(lease))
    return now


def row(
    database: Database, night: Night, weights: dict[str, float], now: float, total: int
) -> None:
    """Print what the last part of the night cost."""
    claims = sorted(database.took["claim"])
    per_job = sum(sum(times) for times in database.took.values()) / len(database.took["finish"])
    unfair = deviation(night.served, weights, total)
    if unfair is not None:
        night.unfair.append(unfair)
    shown = "-" if unfair is None else f"{unfair:.2%}"
    print(
        f"  {night.done:9,}  {statistics.median(claims):7.2f} ms "
        f"{claims[int(0.95 * (len(claims) - 1))]:8.2f} ms {per_job:6.2f} ms "
        f"{database.busy_s / now:9.2%} {shown:>8}",
        flush=True,
    )
    database.took.clear()


def deviation(served: Counter[str], weights: dict[str, float], total: int) -> float | None:
    """Largest part of all service that a model has more or less than its share.

    None once a model has no job left: the others then share what was its.
    """
    if max(served.values()) >= total // len(weights) - 1:
        return None
    mass, sum_ = sum(weights.values()), sum(served.values())
    return max(abs(served[name] / sum_ - weight / mass) for name, weight in weights.items())


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--workers", type=int, default=1000)
    options.add_argument("--jobs", type=int, default=100_000)
    options.add_argument("--models", type=int, default=5)
    options.add_argument("--rows", type=int, default=20)
    options.add_argument("--until", type=int, help="end after so many jobs")
    given = options.parse_args()
    # One connection makes all calls here: waiting for the disk after each commit would be counted a
    # hundred times over, where a thousand workers share one wait.
    with (
        temporary_postgres(**SETTINGS, synchronous_commit="off") as server,
        opened(server.create_database()) as store,
    ):
        populate(store)
        simulate(
            store,
            workers=given.workers,
            jobs=given.jobs,
            models=given.models,
            rows=given.rows,
            until=given.until,
        )


if __name__ == "__main__":
    main()
