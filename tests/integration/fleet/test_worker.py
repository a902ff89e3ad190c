"""A worker with fakes: budgets, stopping, draining, failures, waiting, sharing."""

from __future__ import annotations

import dataclasses
import threading
from datetime import datetime

import pytest

from db import CampaignSpec, JobSpec, JobState, ModelVersion, Store, Task
from tests.integration.fleet.campaigns import (
    AT_ONCE,
    AVX512,
    EAGER,
    Stalling,
    campaign_of,
    in_background,
    records,
    wait_until,
)
from tuner.measure import RunResult
from workers.budget import seconds_left
from workers.health import HealthPolicy
from workers.replay import ReplayTools
from workers.worker import WorkerOptions, serve_campaign

ARCHS = [AVX512]


def states(store: Store, campaign: int) -> list[JobState]:
    return [p.job.state for p in store.job_progress(campaign)]


def last_heartbeat(store: Store) -> datetime:
    (worker,) = store.workers()
    assert worker.seen_at is not None
    return worker.seen_at


def test_a_night_without_a_compiler(store: Store, url: str) -> None:
    campaign = campaign_of(store, trials=30)
    left = serve_campaign(store, campaign, archs=ARCHS, tools=ReplayTools()(), options=EAGER)
    assert left.reason == "no job is left"
    for progress in store.job_progress(campaign):
        assert progress.job.state is JobState.DONE
        assert progress.measurements >= 30
        assert progress.tuned == progress.tasks > 0
        assert progress.best_total is not None
        assert progress.default_total is not None
        assert progress.best_total <= progress.default_total
    assert max(records(url).values()) == 1
    (worker,) = store.workers(gone=True)
    assert worker.gone_reason == "no job is left"
    assert worker.stats["measured"] >= 60
    assert 0.0 < worker.stats["utilisation"] <= 1.0


def test_failures_are_rows_too(store: Store, url: str) -> None:
    campaign = campaign_of(store, trials=40)
    tools = ReplayTools(failing=0.5)()
    serve_campaign(store, campaign, archs=ARCHS, tools=tools, options=EAGER)
    progress = store.campaign_progress(campaign)
    assert 0 < progress.errors["build_error"] < progress.measurements
    assert max(records(url).values()) == 1


def test_a_stopped_worker_gives_its_job_back(store: Store, url: str) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=80)
    tools = ReplayTools()()
    run, ran = tools.measurer.run, list[object]()

    def counted(*args: object, **named: object) -> RunResult:
        ran.append(args)
        return run(*args, **named)  # type: ignore[arg-type]

    tools.measurer.run = counted  # type: ignore[method-assign]
    serve_campaign(
        store, campaign, archs=ARCHS, tools=tools, options=EAGER,
        should_stop=lambda: len(ran) >= 10,
    )  # fmt: skip
    (job,) = store.job_progress(campaign)
    assert (job.job.state, job.job.failures) == (JobState.QUEUED, 0)
    assert job.measurements < 80
    serve_campaign(store, campaign, archs=ARCHS, tools=ReplayTools()(), options=EAGER)
    (job,) = store.job_progress(campaign)
    assert (job.job.state, job.job.attempt) == (JobState.DONE, 2)
    # The first attempt's count in the budget, and none was measured again.
    assert 80 <= job.measurements <= 90
    assert max(records(url).values()) == 1


def test_a_drained_worker_leaves(store: Store) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=100_000)
    ended, told = [], threading.Event()
    tools = Stalling(ReplayTools(), 5, told.is_set)()
    worker = in_background(
        lambda: ended.append(
            serve_campaign(store, campaign, archs=ARCHS, tools=tools, options=EAGER, worker="w1")
        )
    )
    wait_until(lambda: store.campaign_progress(campaign).measurements >= 3, "measurements")
    assert store.drain_workers("its fan broke", worker="w1") == 1
    for _ in range(2):
        # Once the second heartbeat is in, the answer to the first was heard.
        before = store.now()
        wait_until(lambda before=before: last_heartbeat(store) > before, "a heartbeat")  # type: ignore[misc]
    told.set()
    worker.join(600)
    assert ended[0].reason == "drained: its fan broke"
    assert not ended[0].fit
    assert states(store, campaign) == [JobState.QUEUED]


def test_a_noisy_host_leaves(store: Store) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=100_000)
    speeds = iter([100.0, 100.0] + [40.0] * 100_000)
    tools = ReplayTools()()
    tools.measurer.calibrate = lambda: {"fma_gflops": next(speeds)}  # type: ignore[method-assign]
    options = dataclasses.replace(EAGER, health=HealthPolicy(calibrations=4))
    left = serve_campaign(store, campaign, archs=ARCHS, tools=tools, options=options)
    assert left.reason.startswith("noisy: its core runs at 40% of its best")
    assert not left.fit
    assert states(store, campaign) == [JobState.QUEUED]


def test_a_worker_whose_jobs_all_fail_leaves(store: Store) -> None:
    campaign = campaign_of(store, retry=dataclasses.replace(AT_ONCE, max_failures=5))
    tools = ReplayTools()()

    def refuse() -> dict[str, float]:
        raise RuntimeError("no such instruction")

    tools.measurer.calibrate = refuse  # type: ignore[method-assign]
    left = serve_campaign(store, campaign, archs=ARCHS, tools=tools, options=EAGER)
    assert left.reason == (
        "failing: 3 jobs in a row failed here, the last with RuntimeError: no such instruction"
    )
    assert not left.fit
    assert sum(p.job.failures for p in store.job_progress(campaign)) == 3


def test_jobs_that_back_off_are_waited_for(store: Store) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=4)
    tools = ReplayTools()()
    failed = []

    def once(*_: object, **__: object) -> RunResult:
        failed.append(True)
        tools.measurer.run = run  # type: ignore[method-assign]
        raise RuntimeError("the child was away")

    run, tools.measurer.run = tools.measurer.run, once  # type: ignore[method-assign]
    left = serve_campaign(store, campaign, archs=ARCHS, tools=tools, options=EAGER)
    assert left.reason == "no job is left"
    assert failed == [True]
    (job,) = store.job_progress(campaign)
    assert (job.job.state, job.job.attempt, job.job.failures) == (JobState.DONE, 2, 1)


def test_time_is_counted_over_attempts(store: Store) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=None, seconds=100.0)
    stopping = threading.Event()
    tools = Stalling(ReplayTools(measure_s=0.01), 24, stopping.is_set)()
    worker = in_background(
        lambda: serve_campaign(
            store, campaign, archs=ARCHS, tools=tools, options=EAGER, should_stop=stopping.is_set
        )
    )
    wait_until(lambda: store.campaign_progress(campaign).measurements >= 20, "measurements")
    stopping.set()
    worker.join(600)
    again = store.claim_job("w2", campaign_id=campaign)
    assert again is not None
    left = seconds_left(store, again.job)
    assert left is not None
    # Twenty measurements of 10 ms each are behind it.
    assert 0.0 < left <= 99.8


def test_a_campaign_whose_time_is_up_ends_its_jobs(store: Store) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=None, seconds=1e6, wall_s=1.0)
    left = serve_campaign(store, campaign, archs=ARCHS, tools=ReplayTools()(), options=EAGER)
    assert left.reason == "no job is left"
    assert states(store, campaign) == [JobState.DONE]


def test_what_two_models_have_in_common_is_tuned_once(store: Store, url: str) -> None:
    first = store.model_version("dlrm").id
    second = store.add_model_version(ModelVersion("twin", "0" * 64, "twin.pt2"))
    common = store.tasks(first, AVX512, 8)
    store.set_tasks(second, AVX512, 8, [Task(t.workload, t.calls) for t in common])
    jobs = [JobSpec(version, AVX512, 8) for version in (first, second)]
    campaign = store.create_campaign(CampaignSpec("n", "autotvm", 20, retry=AT_ONCE), jobs)
    serve_campaign(store, campaign, archs=ARCHS, tools=ReplayTools()(), options=EAGER)
    one, two = store.job_progress(campaign)
    assert one.measurements >= 20
    assert two.measurements == 0
    assert two.job.state is JobState.DONE
    assert two.tuned == two.tasks > 0
    assert max(records(url).values()) == 1


@pytest.mark.parametrize("attempts", [3])
def test_a_killed_worker_wastes_nothing(store: Store, url: str, attempts: int) -> None:
    """Each attempt ends in the middle without a word; the next goes on from what is stored."""
    campaign = campaign_of(
        store, buckets=(8,), trials=60, retry=dataclasses.replace(AT_ONCE, max_failures=10)
    )

    class Killed(BaseException):
        pass

    for attempt in range(attempts):
        tools = ReplayTools()()
        run, count = tools.measurer.run, iter(range(10))

        def mortal(*args: object, run=run, count=count, **named: object) -> RunResult:  # type: ignore[no-untyped-def]
            if next(count, None) is None:
                raise Killed
            return run(*args, **named)  # type: ignore[no-any-return]

        tools.measurer.run = mortal  # type: ignore[method-assign]
        with pytest.raises(Killed):
            serve_campaign(
                store, campaign, archs=ARCHS, tools=tools, options=WorkerOptions(job=EAGER.job),
                worker=f"w{attempt}",
            )  # fmt: skip
    serve_campaign(store, campaign, archs=ARCHS, tools=ReplayTools()(), options=EAGER)
    (job,) = store.job_progress(campaign)
    assert (job.job.state, job.job.attempt) == (JobState.DONE, attempts + 1)
    assert 60 <= job.measurements <= 64
    assert max(records(url).values()) == 1
    reasons = [w.gone_reason for w in store.workers(gone=True)]
    assert sum("Killed" in (reason or "") for reason in reasons) == attempts
