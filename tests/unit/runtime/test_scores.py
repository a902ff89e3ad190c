"""Scores equal PyTorch's for every batch, from every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from runtime import Engine, Model
from tests.unit.runtime.conftest import torch_scores


@pytest.mark.parametrize("batch", [1, 2, 7, 8, 9, 16, 29])
def test_any_batch(served: Model, small_dlrm: Path, batch: int) -> None:
    inputs = served.random_inputs(batch, seed=batch)
    scores = served(*inputs)
    assert scores.shape == (batch,)
    np.testing.assert_allclose(scores, torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_a_row_scores_the_same_in_any_batch(served: Model) -> None:
    inputs = served.random_inputs(20, seed=1)
    together = served(*inputs)
    alone = np.concatenate([served(*(x[i : i + 1] for x in inputs)) for i in range(20)])
    np.testing.assert_allclose(together, alone, atol=1e-6, rtol=0)


def test_torch_tensors_and_strided_arrays_are_taken(served: Model) -> None:
    import torch

    dense, sparse = served.random_inputs(8)
    expected = served(dense, sparse)
    np.testing.assert_array_equal(served(torch.tensor(dense), torch.tensor(sparse)), expected)
    strided = np.repeat(dense, 2, axis=0)[::2]
    assert not strided.flags.c_contiguous
    np.testing.assert_array_equal(served(strided, sparse), expected)


def test_unaligned_inputs_are_taken(served: Model) -> None:
    dense, sparse = served.random_inputs(8)
    room = np.empty(dense.nbytes + 4, np.uint8)[4:].view(np.float32).reshape(dense.shape)
    room[...] = dense
    np.testing.assert_array_equal(served(room, sparse), served(dense, sparse))


def test_results_are_the_callers_own(served: Model) -> None:
    first = served(*served.random_inputs(8, seed=1))
    kept = first.copy()
    served(*served.random_inputs(8, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_many_threads(served: Model) -> None:
    cases = [served.random_inputs(1 + i % 11, seed=i) for i in range(40)]
    expected = [served(*case) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda case: served(*case), cases))
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_report_names_every_kernel(served: Model) -> None:
    report = served.report()
    assert [b.batch for b in report.buckets] == list(served.buckets)
    kernels = report.buckets[0].kernels
    assert {k.op_kind for k in kernels} >= {"dense", "embedding_bag", "pair_dots"}
    assert all(k.served_by == "default" for k in kernels)
    assert f"{len(kernels)} kernels by default" in str(report)
    assert report.as_dict()["buckets"][0]["batch"] == 1


def test_buckets_are_checked(engine: Engine, small_dlrm: Path) -> None:
    from tuner.errors import TunerError

    with pytest.raises(TunerError, match="batch sizes of at least 1"):
        engine.load(small_dlrm, buckets=(0, 4))
