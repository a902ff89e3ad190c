"""``kill -9`` of a tuning command: nothing stored is lost, nothing is measured twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from db import CampaignState, open_store

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TRIALS = 16
#: Measurements after which the command is killed: far from its end.
FEW = 4


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def _tune(url: str, model: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.tune_once", url, str(model), str(TRIALS)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
    )


def _stored(url: str) -> list[tuple[str, int]]:
    """(uid, tuning record) of each measurement; none while the database is not there yet."""
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT uid, record_id FROM measurements"))
            return [(row.uid, row.record_id) for row in found]
    except sa.exc.OperationalError:
        return []
    finally:
        engine.dispose()


def _wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        time.sleep(0.1)


def _workers(parent: int) -> list[psutil.Process]:
    """The worker of a command, and its children that build and measure."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "tuner.measure.child" in line or line.startswith("ray::TuneWorker"):
            found.append(process)
    return found


def _gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=0)
    return not alive


@pytest.mark.timeout(2400)
def test_a_killed_campaign_goes_on(small_dlrm: Path, url: str) -> None:
    first = _tune(url, small_dlrm)
    try:
        _wait(lambda: len(_stored(url)) >= FEW, 900, "the first measurements")
        workers = _workers(first.pid)
        assert len(workers) >= 3, workers
        os.kill(first.pid, signal.SIGKILL)
    finally:
        first.kill()
        first.wait()
    # A kernel that runs on unseen would disturb what the next command measures.
    _wait(lambda: _gone(workers), 600, "the killed command's workers to end")
    before = _stored(url)
    assert len(before) >= FEW

    assert _tune(url, small_dlrm).wait(timeout=1200) == 0
    after = _stored(url)
    assert set(before) <= set(after), "a stored measurement was lost"
    records = [record for _, record in after]
    assert len(records) == len(set(records)), "a candidate was measured twice"
    assert len(after) > len(before)
    with open_store(url, create=False) as store:
        (campaign,) = store.campaigns()
        assert campaign.state is CampaignState.DONE
        for job in store.job_progress(campaign.campaign_id):
            assert job.tuned == job.tasks
