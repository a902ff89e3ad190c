"""What serving lacked becomes work for the next night, the most missed first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from db import MISSED, open_store
from runtime import Engine
from runtime.arenas import ThreadArenas
from scheduler.nightly.night import missed
from tuner.arch import host_arch


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/log.db"
    open_store(url).close()
    return url


def test_untuned_buckets_and_strange_batches_are_queued_by_their_calls(
    url: str, small_dlrm: Path
) -> None:
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(1, 8))
        for batch, calls in ((8, 300), (5, 150), (1, 120), (3, 10)):
            inputs = model.random_inputs(batch)
            for _ in range(calls):
                model(*inputs)
        assert model.misses()[0].batch == 8
    with open_store(url) as store:
        (night,) = missed(store)
        progress = store.campaign_progress(night.campaign)
        assert (progress.key or "").startswith(f"{MISSED}dlrm/")
        jobs = [p.job for p in store.job_progress(night.campaign)]
        assert {j.bucket for j in jobs} == {1, 5, 8}
        assert all(j.priority < 0 and j.arch == host_arch().name for j in jobs)
        by_bucket = {j.bucket: j for j in jobs}
        assert by_bucket[8].priority > by_bucket[5].priority
        assert (by_bucket[8].trials or 0) > (by_bucket[1].trials or 0)
        assert all(store.job_tasks(j.id) for j in jobs if j.bucket == 8)


def test_a_model_that_is_known_keeps_its_name_and_a_second_process_adds_nothing(
    url: str, small_dlrm: Path
) -> None:
    from scheduler.campaigns import add_model

    with open_store(url) as store:
        version = add_model(store, small_dlrm, name="ads", buckets=(8,))
    for _ in range(2):
        with Engine(url, patience_s=60.0) as engine:
            model = engine.load(small_dlrm, buckets=(8,))
            inputs = model.random_inputs(8)
            for _ in range(100):
                model(*inputs)
    with open_store(url) as store:
        (job,) = [p.job for n in missed(store) for p in store.job_progress(n.campaign)]
        assert (job.model_version, job.bucket) == (version.id, 8)


def test_what_is_hardly_called_is_not_missed(url: str, small_dlrm: Path) -> None:
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(8,))
        model(*model.random_inputs(8))
        assert model.misses() == []
    with open_store(url) as store:
        assert missed(store) == []


def test_arenas_that_nobody_used_for_a_while_go_back() -> None:
    arenas = ThreadArenas()
    arena = arenas.take(1 << 20)
    arenas.put(arena)
    assert arenas.release(idle=True) == 0
    used = arenas.take(1 << 20)
    # As every call does first.
    np.from_dlpack(used[0])[:4] = 0
    arenas.put(used)
    assert arenas.release(idle=True) == 0
    assert arenas.held() == (1 << 20,)
    assert arenas.release(idle=True) == 1 << 20
    assert arenas.held() == ()
