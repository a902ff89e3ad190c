"""Eight processes insert and claim; fifty times one of them is killed."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from db import JobAction, RetryPolicy, Store, open_store
from db.maintenance import check
from db.schema import queue, records
from db.store._sql import SqlStore
from db.testing.builders import populate

from .crowd import BATCH, Crowd, Told

PROCESSES = 8
KILLS = 50
JOBS = 3000
#: What is said between two kills, at least.
LINES = 12
#: Jobs that have to be taken over from the dead.
TAKEN_OVER = 5


@pytest.mark.slow
def test_nothing_acknowledged_is_lost(url: str, tmp_path: Path) -> None:
    with open_store(url) as store:
        world = populate(store)
        retry = RetryPolicy(max_failures=1_000_000, backoff_s=0.0)
        campaign = world.campaign(*range(1, JOBS + 1), retry=retry)

    crowd = Crowd(url, tmp_path, PROCESSES)
    try:
        for _ in range(KILLS):
            before = crowd.said()
            time.sleep(random.uniform(0.05, 0.35))
            _wait(lambda before=before: crowd.said() >= before + LINES)  # type: ignore[misc]
            crowd.kill_one()
        with open_store(url) as store:
            _wait(lambda: _lost(store) >= TAKEN_OVER)
    finally:
        crowd.kill_all()

    told = Told.gather(tmp_path)
    assert len(told.batches) > KILLS
    with open_store(url) as store:
        assert isinstance(store, SqlStore)
        _measurements_are_those_told(store, told, campaign)
        _no_two_held_a_job(store, told)
        assert check(store.database) == []


def _wait(condition: Callable[[], bool]) -> None:
    """However slow the machine is, there is something to lose."""
    while not condition():
        time.sleep(0.05)


def _lost(store: Store) -> int:
    """Jobs whose leases ran out so far."""
    assert isinstance(store, SqlStore)
    count = sa.select(sa.func.count()).where(queue.events.c.action == JobAction.LOSE)
    with store.database.engine.connect() as connection:
        return int(connection.execute(count).scalar_one())


def _measurements_are_those_told(store: SqlStore, told: Told, campaign: int) -> None:
    table = records.measurements
    with store.database.engine.connect() as connection:
        rows = connection.execute(sa.select(table.c.uid, table.c.job_id)).all()
    stored = [row.uid for row in rows]
    assert len(set(stored)) == len(stored)
    acknowledged = {uid for batch in told.batches for uid in batch}
    assert acknowledged <= set(stored)
    print(f"{len(told.batches)} batches of {BATCH} acknowledged")  # noqa: T201
    # At most one batch per death was stored without its answer being heard; none in part.
    unheard = len(stored) - len(acknowledged)
    assert unheard % BATCH == 0
    assert unheard <= BATCH * (KILLS + PROCESSES)
    assert store.campaign_progress(campaign).measurements == len(stored)


def _no_two_held_a_job(store: Store, told: Told) -> None:
    assert all(len(tokens) == 1 for tokens in told.tokens.values())
    taken_over = 0
    for job in {job for job, _ in told.tokens}:
        for before, event in itertools.pairwise(store.events(job)):
            if event.action is JobAction.CLAIM:
                # Claimed only after its last holder had let go of it, or was cut off ...
                assert before.action is not JobAction.CLAIM
            if event.action is JobAction.LOSE:
                # ... and cut off only after the lease that it had been told of.
                taken_over += 1
                end = told.ends.get((job, event.attempt))
                assert end is None or event.at >= end
    print(f"{len(told.tokens)} claims, {taken_over} taken over")  # noqa: T201  # read with -s
    assert taken_over >= TAKEN_OVER
