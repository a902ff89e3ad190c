"""A campaign under control, and what it says of itself: commands, limits, metrics, logs."""

from __future__ import annotations

import io
import json
import logging
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from db import CampaignState, Job, JobState, Store, WorkerInfo
from scheduler.cli import cli
from scheduler.errors import ExecutorError
from scheduler.executors import make_executor
from scheduler.metrics import METRICS, serve_metrics
from tests.integration.fleet.campaigns import AVX512, EAGER, Stalling, campaign_of, wait_until
from workers.logs import get_logger, log_to
from workers.replay import ReplayTools
from workers.tools import NoFreeCore, ToolMaker, Tools
from workers.worker import serve_campaign

REPLAY = ReplayTools()


def tunefleet(url: str, *args: str) -> Any:
    return CliRunner().invoke(cli, ["--db", url, *args], prog_name="tunefleet")


def is_paused(store: Store, campaign: int) -> bool:
    return store.campaign_progress(campaign).paused_reason is not None


def run(url: str, store: Store, campaign: int, make_tools: ToolMaker = REPLAY) -> None:
    """Work on a campaign until it is over, or cannot go on."""
    executor = make_executor("inprocess", db_url=url, make_tools=make_tools, options=EAGER)
    with executor:
        executor.start(campaign)
        while store.campaign_progress(campaign).unfinished:
            executor.poll()
            time.sleep(0.02)


def test_cancel(store: Store, url: str) -> None:
    campaign = campaign_of(store)
    result = tunefleet(url, "campaign", "cancel", str(campaign), "--reason", "wrong model")
    assert result.stdout == f"campaign {campaign}: 2 jobs cancelled\n"
    assert store.campaign_progress(campaign).state is CampaignState.CANCELLED
    assert tunefleet(url, "campaign", "cancel", "99").exit_code == 1


def test_pause_and_resume(store: Store, url: str) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=60)
    assert tunefleet(url, "campaign", "pause", str(campaign), "--reason", "heat").exit_code == 0
    with pytest.raises(ExecutorError, match=f"campaign {campaign} is paused: heat; to go on"):
        run(url, store, campaign)
    assert store.campaign_progress(campaign).measurements == 0
    resumed = tunefleet(url, "campaign", "resume", str(campaign))
    assert resumed.stdout == f"campaign {campaign}: resumed, 1 jobs wait, 0 of them had failed\n"
    run(url, store, campaign)
    assert store.campaign_progress(campaign).state is CampaignState.DONE


def test_pausing_takes_running_jobs_back(store: Store, url: str) -> None:
    campaign = campaign_of(store, buckets=(8,), trials=100_000)
    tools = Stalling(ReplayTools(), 8, lambda: is_paused(store, campaign))
    executor = make_executor("inprocess", db_url=url, make_tools=tools, options=EAGER)
    with executor:
        executor.start(campaign)
        wait_until(lambda: store.campaign_progress(campaign).measurements >= 5, "measurements")
        store.pause_campaign(campaign, "heat")
        with pytest.raises(ExecutorError, match="paused"):
            executor.poll()
    (job,) = store.job_progress(campaign)
    assert (job.job.state, job.job.failures) == (JobState.QUEUED, 0)


def test_a_campaign_where_all_fails_pauses_itself(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scheduler.executors import base
    from scheduler.policy.breaker import BreakerPolicy

    monkeypatch.setattr(base, "BREAKER", BreakerPolicy(candidates=20))
    campaign = campaign_of(store, trials=1000)
    tools = Stalling(ReplayTools(failing=1.0), 25, lambda: is_paused(store, campaign))
    with pytest.raises(ExecutorError, match=r"it fails too often: \d+ of \d+ candidates"):
        run(url, store, campaign, tools)
    assert is_paused(store, campaign)


def test_a_campaign_whose_time_is_up_is_called_off(store: Store, url: str) -> None:
    campaign = campaign_of(store, archs=(AVX512, "x86-64-v3"), trials=None, seconds=1e6, wall_s=1.0)
    run(url, store, campaign, ReplayTools(measure_s=0.01))
    states = {p.job.state for p in store.job_progress(campaign)}
    assert states <= {JobState.DONE, JobState.CANCELLED}


def test_drain_and_workers(store: Store, url: str) -> None:
    store.register_worker(WorkerInfo("w1", "host1", AVX512))
    assert tunefleet(url, "drain", "--host", "host1", "--reason", "fan").exit_code == 0
    assert "fan" in tunefleet(url, "workers").stdout
    (listed,) = json.loads(tunefleet(url, "workers", "--json").stdout)["workers"]
    assert listed["drain_reason"] == "fan"
    assert tunefleet(url, "drain", "--worker", "nobody").exit_code == 1
    assert tunefleet(url, "drain").exit_code == 2


def test_report(store: Store, url: str) -> None:
    campaign = campaign_of(store)
    run(url, store, campaign)
    text = tunefleet(url, "campaign", "report", str(campaign)).stdout
    assert "2 of 2 jobs done" in text
    assert "newly covered: " in text
    found = json.loads(tunefleet(url, "campaign", "report", str(campaign), "--json").stdout)
    assert found["covered"]
    assert found["cost"]["measured"] == store.campaign_progress(campaign).measurements


def test_metrics(store: Store, url: str) -> None:
    campaign = campaign_of(store, trials=20)
    tools = ReplayTools(failing=0.3)()
    serve_campaign(store, campaign, archs=[AVX512], tools=tools, options=EAGER)
    store.register_worker(WorkerInfo("w9", "host9", AVX512))
    store.heartbeat("w9", {"measured": 5.0, "failed": 2.0, "utilisation": 0.93, "measuring": 0.8,
                           "measure_s": 4.5, "fma_gflops": 88.0})  # fmt: skip
    port = serve_metrics(store, 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    found = {
        (s.name, *(s.labels.get(k, "") for k in ("campaign", "state", "outcome", "worker"))): s
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert {key[0] for key in found} == set(METRICS) - {"tunefleet_workers_draining"}
    id_ = str(campaign)
    progress = store.campaign_progress(campaign)
    assert found["tunefleet_up", "", "", "", ""].value == 1.0
    assert found["tunefleet_jobs", id_, "done", "", ""].value == 2
    failed = found["tunefleet_measurements_total", id_, "", "build_error", ""].value
    valid = found["tunefleet_measurements_total", id_, "", "valid", ""].value
    assert failed == progress.errors["build_error"] > 0
    assert failed + valid == progress.measurements
    assert found["tunefleet_worker_utilisation", "", "", "", "w9"].value == 0.93
    assert found["tunefleet_worker_measuring", "", "", "", "w9"].value == 0.8
    assert found["tunefleet_worker_candidates_total", "", "", "valid", "w9"].value == 3
    assert "tunefleet_jobs" in tunefleet(url, "metrics", "--once").stdout


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logger = logging.getLogger("tunefleet")
    before = (logger.handlers[:], logger.level, logger.propagate)
    log_to(stream)
    yield stream
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_logs_are_json_with_the_ids(store: Store, url: str, logs: io.StringIO) -> None:
    campaign = campaign_of(store, buckets=(8,))
    serve_campaign(
        store, campaign, archs=[AVX512], tools=ReplayTools()(), options=EAGER, worker="w7"
    )
    get_logger("test").warning("by the way", campaign=0, worker="w7")
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    events = {line["event"]: line for line in lines}
    assert {"worker started", "job claimed", "job ended", "worker left"} <= set(events)
    assert all(line["worker"] == "w7" for line in lines)
    assert events["job ended"]["job"] == store.job_progress(campaign)[0].job.id
    assert events["job ended"]["campaign"] == campaign
    assert events["by the way"]["level"] == "warning"
    assert events["worker left"]["measured"] >= 12


def test_a_campaign_waits_for_a_core_that_another_one_measures_on(store: Store, url: str) -> None:
    campaign = campaign_of(store, buckets=(8,))
    free = threading.Event()

    def job() -> Job:
        return store.job_progress(campaign)[0].job

    def make() -> Tools:
        if not free.is_set():
            raise NoFreeCore("other workers of this host measure on core 1")
        return ReplayTools()()

    executor = make_executor("inprocess", db_url=url, make_tools=make, options=EAGER)
    with executor:
        executor.start(campaign)
        expected = "waits for a core: other workers of this host measure on core 1"
        wait_until(lambda: job().reason == expected, "the job to say why")
        executor.poll()
        free.set()
        wait_until(lambda: job().state is JobState.DONE, "the campaign")
    assert job().reason != expected


def test_a_campaign_that_waits_for_a_core_can_be_stopped(store: Store, url: str) -> None:
    campaign = campaign_of(store, buckets=(8,))

    def make() -> Tools:
        raise NoFreeCore("taken")

    with make_executor("inprocess", db_url=url, make_tools=make, options=EAGER) as executor:
        executor.start(campaign)
        wait_until(lambda: store.job_progress(campaign)[0].job.reason != "", "the job to say why")
    assert store.job_progress(campaign)[0].job.state is JobState.QUEUED
