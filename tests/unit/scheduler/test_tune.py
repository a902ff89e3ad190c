"""`tunefleet tune` with workers that only pretend."""

from __future__ import annotations

import signal
from typing import NoReturn

import click
import pytest

from db import Store
from db.testing.builders import World
from scheduler.cli.interrupts import Interrupt
from scheduler.errors import ExecutorError
from tests.unit.scheduler.conftest import FakeExecutor, Invoke


def test_all_jobs_done(invoke: Invoke, executor: FakeExecutor, store: Store) -> None:
    result = invoke("tune", "dlrm", "--trials", "8", "--seed", "5")
    assert result.exit_code == 0, result.stderr
    assert "2 of 2 jobs done" in result.stdout
    assert not result.stderr
    assert executor.stopped
    (job, _) = store.job_progress(1)
    assert (job.job.trials, job.job.seconds, job.job.seed) == (8, None, 5)


def test_a_job_has_a_minute_unless_told_otherwise(
    invoke: Invoke, executor: FakeExecutor, store: Store
) -> None:
    assert invoke("tune", "dlrm").exit_code == 0
    assert store.job_progress(1)[0].job.seconds == 60.0


def test_buckets_are_those_asked_for(invoke: Invoke, executor: FakeExecutor, store: Store) -> None:
    assert invoke("tune", "dlrm", "--bucket", "16", "--bucket", "1,16").exit_code == 0
    assert invoke("tune", "dlrm", "--bucket", "16").exit_code == 0
    assert [job.job.bucket for job in store.job_progress(1)] == [1, 16]
    assert [job.job.bucket for job in store.job_progress(2)] == [16]


def test_some_jobs_failed(invoke: Invoke, executor: FakeExecutor) -> None:
    executor.failing = [16]
    result = invoke("tune", "dlrm")
    assert result.exit_code == 3
    assert "1 of 2 jobs done, 1 failed" in result.stdout
    assert "error: znver4/16 failed: the compiler refused" in result.stderr


def test_every_job_failed(invoke: Invoke, executor: FakeExecutor) -> None:
    executor.failing = [1, 16]
    assert invoke("tune", "dlrm").exit_code == 1


def test_workers_that_are_gone(invoke: Invoke, executor: FakeExecutor) -> None:
    executor.error = ExecutorError("the workers died 4 times; run the same command again")
    result = invoke("tune", "dlrm")
    assert result.exit_code == 1
    assert result.stderr == "error: the workers died 4 times; run the same command again\n"
    assert executor.stopped


def test_an_unfinished_campaign_is_resumed(
    invoke: Invoke, executor: FakeExecutor, world: World
) -> None:
    campaign = world.campaign(1, 16)
    result = invoke("tune", "dlrm")
    assert f"resuming campaign {campaign}: 0 measurements already there\n" in result.stdout
    assert len(world.store.campaigns()) == 1


def test_a_model_nobody_added(invoke: Invoke, executor: FakeExecutor) -> None:
    result = invoke("tune", "nosuch")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: unknown model 'nosuch'")


def test_an_architecture_that_this_machine_cannot_run(
    invoke: Invoke, executor: FakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuner.arch.runs_on", lambda arch, host: False)
    result = invoke("tune", "dlrm", "--arch", "znver5")
    assert result.exit_code == 1
    assert "kernels for znver5 do not run on this machine" in result.stderr
    assert "--ray-address" in result.stderr
    assert invoke("tune", "dlrm", "--arch", "znver5", "--ray-address", "auto").exit_code == 0


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (Interrupt(signal.SIGTERM), 143)]
)
def test_a_signal_stops_the_workers_and_says_how_to_go_on(
    invoke: Invoke,
    executor: FakeExecutor,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    def interrupt(_campaign: int) -> NoReturn:
        raise error

    monkeypatch.setattr(executor, "start", interrupt)
    result = invoke("tune", "dlrm")
    assert result.exit_code == code
    assert result.stderr == (
        "stopped; what was measured is stored: run the same command again to go on\n"
    )
    assert executor.stopped


def test_searchers_are_those_of_the_tuner() -> None:
    from scheduler.cli.tune import tune
    from tuner.strategy import DEFAULT_SEARCHER, SEARCHERS

    (option,) = (p for p in tune.params if p.name == "searcher")
    assert option.default == DEFAULT_SEARCHER
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(SEARCHERS)
