"""Wrong inputs end in one clear line, before any kernel runs."""

from __future__ import annotations

import numpy as np
import pytest

from runtime import InputError, Model


def _inputs(served: Model) -> tuple[np.ndarray, np.ndarray]:
    dense, sparse = served.random_inputs(4)
    return dense, sparse


@pytest.mark.parametrize("bad", [100, 10**9, 2**62])
def test_index_above_its_table(served: Model, bad: int) -> None:
    dense, sparse = _inputs(served)
    sparse[2, 1, 0] = bad
    with pytest.raises(InputError, match=rf"sparse, row 2, position \[2, 1, 0\]: index {bad} is"
                                         r" outside \[0, 100\)"):  # fmt: skip
        served(dense, sparse)


@pytest.mark.parametrize("bad", [-1, -(2**63)])
def test_index_below_zero(served: Model, bad: int) -> None:
    dense, sparse = _inputs(served)
    sparse[3, 0, 2] = bad
    with pytest.raises(InputError, match="row 3"):
        served(dense, sparse)


def test_edges_of_the_table_are_inside(served: Model) -> None:
    dense, sparse = _inputs(served)
    sparse[0, 0, 0], sparse[1, 0, 0] = 0, 99
    assert np.isfinite(served(dense, sparse)).all()


def test_number_of_inputs(served: Model) -> None:
    with pytest.raises(InputError, match=r"takes 2 inputs \(dense: float32\[batch, 5\]"):
        served(_inputs(served)[0])


def test_batch_of_zero(served: Model) -> None:
    dense, sparse = _inputs(served)
    with pytest.raises(InputError, match="batch of 0"):
        served(dense[:0], sparse[:0])


def test_dtype(served: Model) -> None:
    dense, sparse = _inputs(served)
    with pytest.raises(InputError, match="dense is float64, the model takes float32"):
        served(dense.astype(np.float64), sparse)


def test_shape(served: Model) -> None:
    dense, sparse = _inputs(served)
    with pytest.raises(InputError, match=r"dense has shape \[4, 4\], the model takes \[batch, 5\]"):
        served(dense[:, :4], sparse)


def test_rows_that_differ(served: Model) -> None:
    dense, sparse = _inputs(served)
    with pytest.raises(InputError, match="sparse has 3 rows, the inputs before it 4"):
        served(dense, sparse[:3])


def test_something_else(served: Model) -> None:
    dense, _ = _inputs(served)
    with pytest.raises(InputError, match="sparse is a list"):
        served(dense, [[1]])
