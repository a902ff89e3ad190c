"""The database away for half a minute: the campaign ends complete, nothing lost, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import CampaignState, Store, open_store
from db.testing.postgres import TemporaryPostgres, temporary_postgres
from scheduler.campaigns import add_model, register_tasks
from scheduler.executors import make_executor
from tests.integration.fleet.campaigns import AVX512, EAGER, campaign_of, records
from tuner.arch import resolve
from workers.replay import ReplayTools

#: Longer than a call keeps trying for a person (20 s).
AWAY_S = 30.0


@pytest.fixture
def server() -> Iterator[TemporaryPostgres]:
    """A server of its own: others must not miss theirs."""
    with temporary_postgres() as made:
        yield made


@pytest.mark.postgres
@pytest.mark.slow
def test_the_database_is_away_for_half_a_minute(
    server: TemporaryPostgres, small_dlrm: Path
) -> None:
    url = server.create_database()
    with open_store(url) as store:
        version = add_model(store, small_dlrm, name="dlrm", buckets=(1, 8))
        register_tasks(store, version, [resolve("avx512")], (1, 8))
        campaign = campaign_of(store, archs=(AVX512,), trials=30)
        executor = make_executor(
            "inprocess", db_url=url, make_tools=ReplayTools(measure_s=0.05), options=EAGER
        )
        with executor:
            executor.start(campaign)
            wait_for_rows(store, campaign, 10)
            server.stop()
            time.sleep(AWAY_S)
            server.start()
            while store.campaign_progress(campaign).unfinished:
                executor.poll()
                time.sleep(0.1)
        progress = store.campaign_progress(campaign)
        assert progress.state is CampaignState.DONE
        jobs = store.job_progress(campaign)
        assert all(p.tuned == p.tasks > 0 for p in jobs)
        assert all(p.measurements >= 30 for p in jobs)
        assert max(records(url).values()) == 1
        # It was the same worker all along, with the same leases.
        assert [p.job.attempt for p in jobs] == [1, 1]
        assert len(store.workers(gone=True)) == 1


def wait_for_rows(store: Store, campaign: int, rows: int) -> None:
    end = time.monotonic() + 600.0
    while store.campaign_progress(campaign).measurements < rows:
        assert time.monotonic() < end, "nothing is measured"
        time.sleep(0.02)
