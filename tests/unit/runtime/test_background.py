"""A model that does not wait serves any batch at once, and ever faster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime import Engine
from runtime.keeper import Keeper
from runtime.plan import OPEN, Planner
from tests.unit.runtime.conftest import torch_scores


def test_any_batch_is_served_before_a_bucket_is_ready(engine: Engine, small_dlrm: Path) -> None:
    model = engine.load(small_dlrm, buckets=(1, 8), traffic={8: 1.0}, wait=False)
    for _ in range(2):
        for batch in (1, 3, 8, 21):
            inputs = model.random_inputs(batch, seed=batch)
            np.testing.assert_allclose(
                model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0
            )
        assert model.wait(600)
    report = model.report()
    assert model.buckets == (1, 8)
    assert report.pending == ()
    assert report.failed == {}
    assert report.calls == {1: 2, 3: 2, 8: 2, 21: 2}
    assert model._served.open_code is None


def test_inputs_are_checked_before_a_bucket_is_ready(engine: Engine, small_dlrm: Path) -> None:
    from runtime import InputError

    model = engine.load(small_dlrm, buckets=(8,), wait=False)
    dense, sparse = model.random_inputs(3)
    sparse[0, 0, 0] = 100
    with pytest.raises(InputError, match="outside"):
        model(dense, sparse)
    assert model.wait(600)


def test_a_bucket_that_fails_leaves_its_batches_to_others(
    engine: Engine, small_dlrm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runtime.compiler import BucketCompiler

    compiled = BucketCompiler._compile

    def fails(self: BucketCompiler, batch: int, *rest: object) -> object:
        if batch == 8:
            raise ValueError("does not compile")
        return compiled(self, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(BucketCompiler, "_compile", fails)
    model = engine.load(small_dlrm, buckets=(1, 8), wait=False)
    assert model.wait(600)
    assert model.report().failed == {8: "does not compile"}
    assert "batch 8 failed: does not compile" in str(model.report())
    inputs = model.random_inputs(8)
    np.testing.assert_allclose(model(*inputs), torch_scores(small_dlrm, *inputs), atol=1e-5, rtol=0)


def test_a_process_may_end_while_buckets_compile(small_dlrm: Path) -> None:
    program = (
        "import sys; from runtime import Engine; e = Engine(use_records=False, cache_bytes=0);"
        "m = e.load(sys.argv[1], buckets=(2, 4, 8), wait=False); m(*m.random_inputs(3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_dlrm)], timeout=600, check=False
    )
    assert done.returncode == 0


def test_code_for_any_batch_serves_where_it_is_faster() -> None:
    planner = Planner({16: 10.0}, (1.0, 1.0))
    assert planner.pieces(3) == [(0, 3, OPEN)]
    assert planner.pieces(12) == [(0, 12, 16)]
    assert Planner({}, (1.0, 1.0)).pieces(500) == [(0, 500, OPEN)]


def test_a_chore_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    import threading

    calls, enough = [0], threading.Event()

    def chore() -> None:
        calls[0] += 1
        if calls[0] == 3:
            enough.set()
        raise ValueError("not now")

    keeper = Keeper([(0.01, chore)])
    assert enough.wait(600)
    keeper.close()
    done = calls[0]
    assert "not now" in caplog.text
    keeper.close()
    assert calls[0] == done
