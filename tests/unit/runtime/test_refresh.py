"""New weights serve at once, compile nothing, and are refused whole if they do not fit."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from examples.dlrm import export_dlrm
from runtime import Engine, InputError, Model, RefreshError
from tests.models import SMALL_DLRM
from tests.unit.runtime.conftest import torch_scores


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("newer") / "dlrm.pt2"
    export_dlrm(path, seed=7, config=SMALL_DLRM)
    return path


def test_from_a_file(own: Model, keeping: Engine, newer: Path) -> None:
    inputs = own.random_inputs(8)
    before, compiled = own(*inputs), keeping.compile_count
    own.refresh(newer)
    after = own(*inputs)
    assert keeping.compile_count == compiled
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, torch_scores(newer, *inputs), atol=1e-5, rtol=0)


def test_from_a_mapping_of_some_weights(own: Model) -> None:
    inputs = own.random_inputs(8)
    name, (shape, dtype) = next(
        (n, s) for n, s in own.parameters.items() if n.startswith("top") and len(s[0]) == 2
    )
    before = own(*inputs)
    own.refresh({name: np.zeros(shape, dtype)})
    assert np.abs(own(*inputs) - before).max() > 0


def test_another_graph_takes_over_once_it_is_compiled(
    own: Model, keeping: Engine, tmp_path: Path
) -> None:
    other = tmp_path / "wider.pt2"
    export_dlrm(other, config=replace(SMALL_DLRM, top=(64, 16)))
    inputs, compiled = own.random_inputs(8), keeping.compile_count
    before = own(*inputs)
    own.refresh(other)
    assert keeping.compile_count == compiled + len(own.buckets)
    assert np.abs(own(*inputs) - before).max() > 1e-3
    np.testing.assert_allclose(own(*inputs), torch_scores(other, *inputs), atol=1e-5, rtol=0)
    assert own.report().source == str(other)


def test_tables_of_another_size_are_checked_by_their_own_limits(own: Model, tmp_path: Path) -> None:
    other = tmp_path / "shorter.pt2"
    export_dlrm(other, config=replace(SMALL_DLRM, rows=50))
    dense, sparse = own.random_inputs(8)
    sparse[0, 0, 0] = 99
    own(dense, sparse)
    own.refresh(other)
    with pytest.raises(InputError, match=r"outside \[0, 50\)"):
        own(dense, sparse)


def test_a_graph_of_other_inputs_is_refused(own: Model, tmp_path: Path) -> None:
    other = tmp_path / "more.pt2"
    export_dlrm(other, config=replace(SMALL_DLRM, dense_features=6))
    inputs = own.random_inputs(8)
    before = own(*inputs)
    with pytest.raises(RefreshError, match="takes other inputs"):
        own.refresh(other)
    np.testing.assert_array_equal(own(*inputs), before)


def test_unknown_wrong_and_broken_weights_are_refused(own: Model) -> None:
    name, (shape, dtype) = next(iter(own.parameters.items()))
    inputs = own.random_inputs(8)
    before = own(*inputs)
    with pytest.raises(RefreshError, match="the model has no nobody"):
        own.refresh({"nobody": np.zeros(3, np.float32)})
    with pytest.raises(RefreshError, match=f"weight {name} is float32"):
        own.refresh({name: np.zeros((1, 1), dtype)})
    with pytest.raises(RefreshError, match="not finite"):
        own.refresh({name: np.full(shape, np.nan, dtype)})
    np.testing.assert_array_equal(own(*inputs), before)


def test_weights_that_overflow_are_refused(own: Model) -> None:
    inputs = own.random_inputs(8)
    before = own(*inputs)
    # The last layer adds infinities of both signs.
    last = next(n for n, (shape, _) in own.parameters.items() if shape == (1, 16))
    bias = next(n for n, (shape, _) in own.parameters.items() if n[:3] == "top" and shape == (16,))
    signs = np.where(np.arange(16) % 2, 1, -1)
    huge = {last: np.float32(3e38) * signs[None].astype(np.float32), bias: np.full(16, 1e3, "f4")}
    with pytest.raises(RefreshError, match="not finite"):
        own.refresh(huge)
    np.testing.assert_array_equal(own(*inputs), before)


def test_no_call_sees_a_mixture(own: Model, newer: Path, small_dlrm: Path) -> None:
    inputs = own.random_inputs(8)
    old = own(*inputs)
    own.refresh(newer)
    new = own(*inputs)
    stop = threading.Event()
    strange: list[np.ndarray] = []

    def score() -> None:
        while not stop.is_set():
            scores = own(*inputs)
            if not (np.array_equal(scores, old) or np.array_equal(scores, new)):
                strange.append(scores)

    threads = [threading.Thread(target=score) for _ in range(2)]
    for thread in threads:
        thread.start()
    for path in [small_dlrm, newer] * 10:
        own.refresh(path)
    stop.set()
    for thread in threads:
        thread.join()
    assert not strange


def test_a_whole_state_dict_and_an_exported_program(
    own: Model, keeping: Engine, newer: Path, small_dlrm: Path
) -> None:
    import torch

    inputs = own.random_inputs(8)
    expected = torch_scores(newer, *inputs)
    program = torch.export.load(newer)
    own.refresh(dict(program.state_dict))
    np.testing.assert_allclose(own(*inputs), expected, atol=1e-5, rtol=0)
    other = keeping.load(torch.export.load(small_dlrm), buckets=(8,))
    other.refresh(newer)
    np.testing.assert_allclose(other(*inputs), expected, atol=1e-5, rtol=0)
