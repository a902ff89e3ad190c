"""A commit whose answer was lost is run again: what it did is found, not done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from db import JobState
from db.store._sql import SqlStore
from db.testing.builders import ARCH, TOOLCHAIN, World, measurement, promotion, workload

KEY = (workload().digest, ARCH.name, TOOLCHAIN.key)


@pytest.fixture
def twice(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which every write is committed, forgotten, and run again."""
    assert isinstance(world.store, SqlStore)
    write = world.store.database.write

    def write_twice(body: Callable[[sa.Connection], Any], *, single: bool = False) -> Any:
        write(body, single=single)
        return write(body, single=single)

    monkeypatch.setattr(world.store.database, "write", write_twice)
    return world


def test_one_claim_takes_one_job(twice: World) -> None:
    campaign = twice.campaign(1, 16)
    lease = twice.lease()
    states = twice.store.campaign_progress(campaign).jobs
    assert (states[JobState.RUNNING], states[JobState.QUEUED]) == (1, 1)
    twice.store.renew(lease)
    twice.store.finish(lease)
    assert len(twice.store.events(lease.job.id)) == 3


def test_one_campaign_is_created(twice: World) -> None:
    twice.campaign(1, 16)
    (campaign,) = twice.store.campaigns()
    assert campaign.jobs[JobState.QUEUED] == 2


def test_one_failure_is_counted(twice: World) -> None:
    twice.campaign()
    assert twice.store.fail(twice.lease(), "boom").failures == 1


def test_measurements_are_counted_once(twice: World) -> None:
    campaign = twice.campaign()
    job = twice.lease().job
    twice.store.add_measurements([measurement(1, job_id=job.id)])
    assert twice.store.campaign_progress(campaign).measurements == 1


def test_one_promotion_is_one(twice: World) -> None:
    of = measurement(1)
    assert twice.store.promote(promotion(of), measurements=[of])
    assert len(twice.store.history(*KEY)) == 1
