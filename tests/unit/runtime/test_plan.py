"""How a batch is cut into buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.plan import plan

BUCKETS = st.sets(st.integers(1, 300), min_size=1, max_size=6).map(sorted)


def test_smallest_bucket_that_holds_the_batch() -> None:
    assert plan(1, [1, 16, 64]) == [(0, 1, 1)]
    assert plan(5, [1, 16, 64]) == [(0, 5, 16)]
    assert plan(64, [1, 16, 64]) == [(0, 64, 64)]


def test_larger_batches_in_pieces() -> None:
    assert plan(130, [1, 16, 64]) == [(0, 64, 64), (64, 64, 64), (128, 2, 16)]


@given(batch=st.integers(1, 2000), buckets=BUCKETS)
def test_every_row_once_and_no_piece_over_its_bucket(batch: int, buckets: list[int]) -> None:
    pieces = plan(batch, buckets)
    rows = [row for start, count, _ in pieces for row in range(start, start + count)]
    assert rows == list(range(batch))
    assert all(count <= bucket and bucket in buckets for _, count, bucket in pieces)
