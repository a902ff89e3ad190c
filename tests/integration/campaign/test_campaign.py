"""A campaign with a real compiler on a small model: everything ends in the database."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from db import CampaignState, JobState, Store, StoredModelVersion, open_store
from runtime import Engine
from scheduler.campaigns import add_model, start_campaign
from scheduler.executors import make_executor
from tests.unit.runtime.conftest import torch_scores
from tuner.arch import host_arch
from tuner.errors import TunerError
from tuner.measure import MeasureOptions
from workers.replay import ReplayTools
from workers.tools import ToolMaker

#: Nothing fails for being late on a busy machine.
QUICK = MeasureOptions(min_repeat_s=0.001, repeats=3, build_deadline_s=600.0, run_deadline_s=600.0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def run_campaign(
    store: Store,
    url: str,
    campaign: int,
    *,
    seconds: float = 900.0,
    make_tools: ToolMaker | None = None,
) -> None:
    with make_executor("inprocess", db_url=url, measure=QUICK, make_tools=make_tools) as executor:
        executor.start(campaign)
        end = time.monotonic() + seconds
        while store.campaign_progress(campaign).unfinished:
            executor.poll()
            assert time.monotonic() < end, "the campaign did not end"
            time.sleep(0.1)


def _start(store: Store, version: StoredModelVersion, trials: int = 12) -> tuple[int, bool]:
    return start_campaign(
        store, version, archs=["host"], buckets=[1, 8], strategy="autotvm", trials=trials,
        seconds=None,
    )  # fmt: skip


def _records(url: str) -> list[int]:
    """The tuning record (workload, architecture, toolchain, candidate) of each measurement."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = [
            row[0] for row in connection.execute(sa.text("SELECT record_id FROM measurements"))
        ]
    engine.dispose()
    return found


def test_from_model_to_tuned_scores(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm, buckets=(1, 8))
        campaign, resumed = _start(store, version)
        assert not resumed
        run_campaign(store, url, campaign)
        progress = store.campaign_progress(campaign)
        assert progress.state is CampaignState.DONE
        assert progress.jobs[JobState.DONE] == 2
        assert progress.measurements >= 24
        for job in store.job_progress(campaign):
            assert job.tuned == job.tasks > 0
            assert job.best_total is not None
            assert job.default_total is not None
            assert job.best_total <= job.default_total
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(1, 8))
    for bucket in model.report().buckets:
        assert bucket.from_records == len(bucket.kernels)
    inputs = model.random_inputs(11)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_a_later_campaign_measures_nothing_again(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm, buckets=(1, 8))
        for trials in (10, 20):
            campaign, _ = _start(store, version, trials)
            run_campaign(store, url, campaign, make_tools=ReplayTools())
    counts = Counter(_records(url))
    assert len(counts) >= 20
    assert max(counts.values()) == 1


def test_an_unfinished_campaign_is_taken_up(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm, buckets=(1, 8))
        first, _ = _start(store, version)
        second, resumed = _start(store, version)
        assert (second, resumed) == (first, True)


def test_budget_and_buckets_are_checked(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm)
        with pytest.raises(TunerError, match="budget"):
            start_campaign(store, version, archs=["host"], buckets=[1], strategy="autotvm",
                           trials=None, seconds=None)  # fmt: skip
        with pytest.raises(TunerError, match="at least 1"):
            start_campaign(store, version, archs=["host"], buckets=[0], strategy="autotvm",
                           trials=1, seconds=None)  # fmt: skip
        with pytest.raises(TunerError, match="unknown CPU architecture 'z80'"):
            start_campaign(store, version, archs=["z80"], buckets=[1], strategy="autotvm",
                           trials=1, seconds=None)  # fmt: skip


def test_records_are_of_this_host(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm)
        _start(store, version)
        assert [a.name for a in store.archs()] == [host_arch().name]
