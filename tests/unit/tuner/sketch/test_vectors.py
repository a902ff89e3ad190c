"""Tiles are mended without changing what they cover."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tuner.sketch.vectors import filled

SIZES = st.lists(st.integers(1, 24), min_size=4, max_size=4)


@given(SIZES, st.sampled_from([8, 16]))
def test_the_product_stays_and_the_last_is_as_whole_as_it_can_be(
    sizes: list[int], vector: int
) -> None:
    mended = filled(sizes, vector)
    assert math.prod(mended) == math.prod(sizes)
    assert mended[-1] == math.gcd(math.prod(sizes), vector)
    assert len(mended) == len(sizes)
    assert all(size >= 1 for size in mended)


def test_a_whole_vector_is_left_alone() -> None:
    assert filled([2, 3, 5, 16], 16) == [2, 3, 5, 16]


def test_the_innermost_levels_give_first() -> None:
    assert filled([4, 2, 8, 2], 16) == [4, 2, 1, 16]
