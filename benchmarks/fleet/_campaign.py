"""What the fleet's benchmarks share: a campaign of layers, and what its workers said of it."""

from __future__ import annotations

import sqlalchemy as sa

from benchmarks._layers import Layer
from db import CampaignSpec, JobSpec, ModelVersion, Store, Task
from db.testing.builders import digest
from tuner.arch import host_arch


def queue(
    store: Store, layers: list[list[Layer]], *, trials: int | None, seconds: float | None
) -> int:
    """Queue a campaign of one job per list of layers, searched at random."""
    arch = host_arch()
    store.add_arch(arch)
    version = store.add_model_version(ModelVersion("slots", digest(len(layers)), ""))
    specs = []
    for bucket, some in enumerate(layers, start=1):
        store.set_tasks(version, arch.name, bucket, [Task(x.workload(), 1) for x in some])
        specs.append(JobSpec(version, arch.name, bucket))
    spec = CampaignSpec("slots", "autotvm", trials, seconds=seconds, searcher="random")
    return store.create_campaign(spec, specs)


def valid_per_second(url: str, campaign: int) -> float:
    """Valid measurements per second while all jobs of a campaign ran."""
    query = (
        "SELECT job_id, julianday(measured_at) * 86400 AS at "
        "FROM measurements JOIN jobs ON jobs.id = job_id "
        "WHERE campaign_id = :campaign AND median IS NOT NULL"
    )
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query), {"campaign": campaign}).all()
    engine.dispose()
    jobs: dict[int, list[float]] = {}
    for row in rows:
        jobs.setdefault(row.job_id, []).append(row.at)
    start = max(min(times) for times in jobs.values())
    end = min(max(times) for times in jobs.values())
    return float(sum(start < row.at <= end for row in rows) / (end - start))


def shares(store: Store, name: str) -> list[float]:
    """A figure of each worker that has it, e.g. ``utilisation``; ascending."""
    return sorted(w.stats[name] for w in store.workers(gone=True) if name in w.stats)
