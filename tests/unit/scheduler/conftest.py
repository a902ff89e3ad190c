"""A database with a campaign in it, and an executor that only pretends to work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from db import CampaignSpec, JobSpec, Store, StoredModelVersion, Task, open_store
from db.testing.builders import (
    ARCH,
    AT_ONCE,
    World,
    measurement,
    populate,
    promotion,
    workload,
)
from scheduler.cli import cli
from scheduler.executors import Executor

Invoke = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tunefleet.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def world(store: Store) -> World:
    """A model `dlrm` with two workloads in each of its buckets 1 and 16."""
    made = populate(store)
    for bucket in (1, 16):
        tasks = [Task(workload(10 * bucket + i), calls=1 + i) for i in (0, 1)]
        store.set_tasks(made.model_version, ARCH.name, bucket, tasks)
    return made


@pytest.fixture
def invoke(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run `tunefleet` in a folder of its own, on the database of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEFLEET_DB", url)
    monkeypatch.delenv("TUNEFLEET_DEBUG", raising=False)

    def run(*args: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, args, prog_name="tunefleet", **options)

    return run


def work(
    store: Store,
    campaign_id: int,
    *,
    failing: Sequence[int] = (),
    secs: Sequence[float] = (4e-5, 1e-5),
) -> None:
    """Run the jobs of a campaign: each candidate takes the next of `secs`, the default first.

    Jobs of the buckets in `failing` end as failed.
    """
    while lease := store.claim_job("w1", campaign_id=campaign_id):
        job = lease.job
        if job.bucket in failing:
            store.fail(lease, "the compiler refused", retry=False)
            continue
        for task in store.tasks(job.model_version, job.arch, job.bucket):
            made = [
                replace(measurement(job.id * 100 + i, job_id=job.id, secs=s), workload=digest)
                for digest in [task.workload.digest]
                for i, s in enumerate(secs)
            ]
            made = [replace(m, uid=f"{m.uid}{task.workload.digest[:8]}") for m in made]
            store.add_measurements(made)
            store.promote(promotion(made[-1], default_secs=secs[0]))
        store.finish(lease, "done")


class FakeExecutor(Executor):
    """Does all the work when it is started."""

    def __init__(self, url: str, failing: Sequence[int] = (), error: Exception | None = None):
        self.url, self.failing, self.error = url, failing, error
        self.stopped = False

    def start(self, campaign_id: int) -> None:
        with open_store(self.url) as store:
            work(store, campaign_id, failing=self.failing)

    def poll(self) -> None:
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def executor(world: World, url: str, monkeypatch: pytest.MonkeyPatch) -> FakeExecutor:
    """Whatever executor is asked for, this one is made; campaigns need no compiler."""
    fake = FakeExecutor(url)
    monkeypatch.setattr("scheduler.executors.make_executor", lambda *_, **__: fake)

    def start_campaign(
        store: Store,
        version: StoredModelVersion,
        *,
        buckets: Sequence[int],
        strategy: str,
        trials: int | None,
        seconds: float | None,
        seed: int = 0,
        **_: object,
    ) -> tuple[int, bool]:
        found = store.find_campaign(version.id, [ARCH.name], list(buckets), strategy)
        if found is not None:
            return found, True
        spec = CampaignSpec(version.model, strategy, trials, seconds, seed=seed, retry=AT_ONCE)
        jobs = [JobSpec(version.id, ARCH.name, bucket) for bucket in buckets]
        return store.create_campaign(spec, jobs), False

    monkeypatch.setattr("scheduler.campaigns.start_campaign", start_campaign)
    return fake
