"""Whatever is passed, a call ends with scores or an `InputError`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime import InputError, Model

#: The fixture is not changed by calls; a machine that others use too makes examples slowly.
_FIXTURE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

_DTYPES = st.one_of(
    hnp.floating_dtypes(), hnp.integer_dtypes(), hnp.boolean_dtypes(), hnp.complex_number_dtypes()
)
_SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6)
_THINGS = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.lists(st.floats(), max_size=3),
    hnp.arrays(_DTYPES, _SHAPES),
)


@settings(suppress_health_check=_FIXTURE)
@given(things=st.lists(_THINGS, max_size=4))
def test_anything(served: Model, things: list[Any]) -> None:
    with pytest.raises(InputError):
        served(*things)


@settings(suppress_health_check=_FIXTURE)
@given(batch=st.integers(1, 20), data=st.data())
def test_row_numbers_of_any_value(served: Model, batch: int, data: st.DataObject) -> None:
    dense, sparse = served.random_inputs(batch)
    values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 103))
    for _ in range(data.draw(st.integers(0, 3))):
        at = tuple(data.draw(st.integers(0, n - 1)) for n in sparse.shape)
        sparse[at] = data.draw(values)
    if ((sparse >= 0) & (sparse < 100)).all():
        assert np.isfinite(served(dense, sparse)).all()
    else:
        with pytest.raises(InputError, match=r"outside \[0, 100\)"):
            served(dense, sparse)


@settings(suppress_health_check=_FIXTURE)
@given(
    values=hnp.arrays(np.float32, (3, 5), elements=st.floats(width=32)),
    step=st.sampled_from([1, 2, -1]),
)
def test_floats_of_any_value_and_layout(served: Model, values: np.ndarray, step: int) -> None:
    _, sparse = served.random_inputs(3)
    spread = np.zeros((3 * abs(step), 5), np.float32)[::step]
    spread[:3] = values
    scores = served(spread[:3], sparse)
    assert scores.shape == (3,)
    if np.abs(values).max() < 1e3:
        assert np.isfinite(scores).all()


def test_an_object_that_lies_about_itself(served: Model) -> None:
    dense, sparse = served.random_inputs(8)

    class Liar:
        def __init__(self, array: np.ndarray, shape: tuple[Any, ...]) -> None:
            self._array, self.shape = array, shape

        def __dlpack__(self, **options: Any) -> Any:
            return self._array.__dlpack__(**options)

        def __dlpack_device__(self) -> tuple[int, int]:
            return self._array.__dlpack_device__()

    expected = served(dense, sparse)
    shapes: list[tuple[Any, ...]] = [(800, 5), (1, 5), (0, 5), (-1, 5), ("a",), (2**62, 5), ()]
    for shape in shapes:
        np.testing.assert_array_equal(served(Liar(dense, shape), sparse), expected)
