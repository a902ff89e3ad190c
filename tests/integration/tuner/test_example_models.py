"""The shipped models go from their file to the scores of torch, on both vector widths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from examples.deepctr import SMALL, Architecture, build_ctr
from examples.deepctr import random_inputs as ctr_inputs
from examples.dlrm import build_dlrm, random_inputs
from tests.helpers import check_torch, compile_bucket, export
from tests.models import SMALL_DLRM
from tuner.arch import host_arch, resolve, runs_on
from tuner.graph.bucket import bucket_module
from tuner.graph.prepare import PreparedModel, prepare
from tuner.importers import import_model
from tuner.templates import fallbacks
from tuner.workloads import extract_workloads


@pytest.fixture(scope="module")
def dlrm(small_dlrm: Path) -> PreparedModel:
    return prepare(import_model(small_dlrm))


def dlrm_scores(batch: int) -> tuple[list[Any], Any]:
    inputs = random_inputs(SMALL_DLRM, batch)
    with torch.no_grad():
        scores = build_dlrm(SMALL_DLRM)(*inputs)
    return [x.numpy() for x in inputs], scores.numpy()


@pytest.mark.parametrize("batch", [1, 3, 16, 17])
def test_dlrm(dlrm: PreparedModel, batch: int) -> None:
    inputs, expected = dlrm_scores(batch)
    bucket = compile_bucket(dlrm, batch)
    np.testing.assert_allclose(bucket(inputs)[0], expected, atol=1e-5)
    kinds = "dense dense embedding_bag pair_dots dense dense_narrow"
    assert bucket.kinds == kinds.split()


@pytest.mark.parametrize("batch", [1, 16])
def test_dlrm_on_avx2(dlrm: PreparedModel, batch: int) -> None:
    avx2 = resolve("avx2")
    if not runs_on(avx2, host_arch()):
        pytest.skip("this CPU has no avx2")
    inputs, expected = dlrm_scores(batch)
    np.testing.assert_allclose(compile_bucket(dlrm, batch, avx2)(inputs)[0], expected, atol=1e-5)


def test_equal_layers_are_one_workload(dlrm: PreparedModel) -> None:
    uses = extract_workloads(bucket_module(dlrm, 4))
    calls = {use.workload.name: use.calls for use in uses}
    # Layers 32 -> 16 occur in both MLPs.
    assert calls["dense 4x16x32 add+compute float32"] == 2
    assert len({use.workload.digest for use in uses}) == len(uses)


def test_buckets_share_their_weights(dlrm: PreparedModel) -> None:
    """Kernels of every batch size read one packed copy."""
    parameters = [
        [str(v.ty) for v in bucket_module(dlrm, batch)["main"].params[2:]] for batch in (1, 16, 64)
    ]
    assert parameters[0] == parameters[1] == parameters[2]
    assert len(parameters[0]) == len(dlrm.layouts)


@pytest.mark.parametrize(
    ("architecture", "kinds"),
    [
        (
            "DeepFM",
            "gather reduction concat gather reduction reduction reduction concat dense dense "
            "dense_narrow dense_narrow",
        ),
        ("WDL", "gather reduction concat gather concat dense dense dense_narrow dense_narrow"),
    ],
)
def test_deepctr(architecture: Architecture, kinds: str) -> None:
    def make(batch: int) -> tuple[torch.Tensor, ...]:
        return ctr_inputs(SMALL, batch)

    for bucket in check_torch(build_ctr(architecture), make, (1, 3, 16, 17)):
        assert bucket.kinds == kinds.split()


MAKERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "dlrm": lambda: (build_dlrm(SMALL_DLRM), random_inputs(SMALL_DLRM, 5)),
    "deepfm": lambda: (build_ctr("DeepFM"), ctr_inputs(SMALL, 5)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_every_kernel_is_scheduled(name: str) -> None:
    before = fallbacks()
    module, inputs = MAKERS[name]()
    compile_bucket(prepare(export(module, inputs)), 16)
    assert fallbacks() == before
