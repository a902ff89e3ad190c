"""How a batch is cut into buckets."""

from __future__ import annotations

from itertools import combinations_with_replacement

from hypothesis import given
from hypothesis import strategies as st

from runtime.plan import Planner

COSTS = st.dictionaries(st.integers(1, 300), st.floats(1e-7, 1e-2), min_size=1, max_size=6)


def _cost(planner: Planner, costs: dict[int, float], batch: int) -> float:
    return sum(costs[bucket] for _, _, bucket in planner.pieces(batch))


def test_what_is_cheaper_decides_between_padding_and_splitting() -> None:
    dear = Planner({1: 1.0, 16: 20.0})
    assert dear.pieces(3) == [(0, 1, 1), (1, 1, 1), (2, 1, 1)]
    cheap = Planner({1: 1.0, 16: 2.0})
    assert cheap.pieces(3) == [(0, 3, 16)]
    assert cheap.pieces(17) == [(0, 16, 16), (16, 1, 1)]
    assert cheap.pieces(1) == [(0, 1, 1)]


def test_a_large_batch_runs_on_the_bucket_whose_rows_are_cheapest() -> None:
    planner = Planner({1: 1.0, 16: 4.0, 64: 17.0})
    assert {bucket for _, _, bucket in planner.pieces(1600)} == {16}


@given(batch=st.integers(1, 2000), costs=COSTS)
def test_every_row_once_and_no_piece_over_its_bucket(batch: int, costs: dict[int, float]) -> None:
    pieces = Planner(costs).pieces(batch)
    rows = [row for start, count, _ in pieces for row in range(start, start + count)]
    assert rows == list(range(batch))
    assert all(count <= bucket and bucket in costs for _, count, bucket in pieces)


@given(
    batch=st.integers(1, 12),
    costs=st.dictionaries(st.integers(1, 8), st.floats(0.1, 10.0), min_size=1, max_size=3),
)
def test_nothing_is_cheaper(batch: int, costs: dict[int, float]) -> None:
    planner = Planner(costs)
    if batch > 2 * max(costs):
        return
    best = min(
        sum(costs[b] for b in some)
        for count in range(1, batch + 1)
        for some in combinations_with_replacement(costs, count)
        if sum(some) >= batch
    )
    assert _cost(planner, costs, batch) <= best * (1 + 1e-9)
