"""A campaign of sketches with a real compiler: its traces replay wherever they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from db import (
    CampaignState,
    ErrorKind,
    Measurement,
    Promotion,
    Store,
    measurement_uid,
    open_store,
)
from runtime import Engine
from scheduler.campaigns import add_model, start_campaign
from tests.integration.campaign.test_campaign import run_campaign, url
from tests.unit.runtime.conftest import torch_scores
from tuner.arch import host_arch, toolchain
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import prepare
from tuner.importers import import_model
from tuner.sketch import SketchSpace
from tuner.workloads import extract_workloads

__all__ = ["url"]


def test_sketches_are_tuned_stored_and_served(small_dlrm: Path, url: str) -> None:
    with open_store(url) as store:
        version = add_model(store, small_dlrm, buckets=(8,))
        campaign, _ = start_campaign(
            store, version, archs=["host"], buckets=[8], strategy="ansor", trials=12, seconds=None
        )
        run_campaign(store, url, campaign)
        assert store.campaign_progress(campaign).state is CampaignState.DONE
        (job,) = store.job_progress(campaign)
        assert job.tuned == job.tasks > 0
        digests = [t.workload.digest for t in store.tasks(version.id, host_arch().name, 8)]
        key = toolchain().key
        measured = [m for d in digests for m in store.measured(d, host_arch().name, key).values()]
        best = store.best_records(digests, host_arch().name, key)
    assert {record.strategy for record in best.values()} == {"ansor"}
    sketches = [m for m in measured if m.config is None]
    assert sketches
    assert any(m.median is not None for m in sketches)
    # A trace that does not apply, or computes something else, is an error of the rules.
    kinds = {m.error_kind for m in sketches}
    assert not kinds & {ErrorKind.INVALID_SCHEDULE, ErrorKind.WRONG_RESULT, ErrorKind.BUILD_ERROR}
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(8,))
    (bucket,) = model.report().buckets
    assert bucket.from_records == len(bucket.kernels)
    inputs = model.random_inputs(8)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_scores_are_right_whatever_sketch_serves_a_kernel(small_dlrm: Path, url: str) -> None:
    arch = host_arch()
    uses = extract_workloads(bucket_module(prepare(import_model(small_dlrm)), 8))
    served = 0
    with open_store(url) as store:
        key = store.add_toolchain(toolchain())
        store.add_arch(arch)
        store.add_workloads([use.workload for use in uses])
        for use in uses:
            space = SketchSpace(use.func, arch)
            drawn = (space.sample(i, 7, whole_vectors=True) for i in range(len(space.sketches)))
            program = next((p for p in drawn if p is not None), None)
            if program is not None:
                _promote(store, use.workload.digest, key, program.trace)
                served += 1
    assert served > 2
    with Engine(url, patience_s=60.0) as engine:
        model = engine.load(small_dlrm, buckets=(8,))
    assert model.report().buckets[0].from_records == served
    inputs = model.random_inputs(8)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def _promote(store: Store, workload: str, toolchain_key: str, trace: str) -> None:
    uid = measurement_uid(0, 0, workload)
    store.add_measurements(
        [
            Measurement(
                uid, None, 0, workload, host_arch().name, toolchain_key, "0" * 64, "ansor",
                trace=trace, run_secs=(1e-6,),
            )
        ]
    )  # fmt: skip
    store.promote(
        Promotion(
            workload, host_arch().name, toolchain_key, "warm", uid, trace, None, "ansor",
            1e-6, None, {"passed": True},
        )
    )  # fmt: skip
