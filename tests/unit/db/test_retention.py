"""What retention chooses to remove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.maintenance.prune import Kept, RetentionPolicy, choose

_kept = st.builds(
    Kept,
    id=st.integers(1, 10_000),
    record_id=st.integers(1, 40),
    median=st.none() | st.floats(1e-6, 1e-3),
    old=st.booleans(),
)


def _fastest_first(of_key: list[Kept]) -> list[Kept]:
    return sorted(of_key, key=lambda one: (one.median is None, one.median or 0.0))


@given(
    st.lists(_kept, max_size=80, unique_by=lambda one: one.id),
    st.frozensets(st.integers(1, 10_000), max_size=20),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_retention(
    of_key: list[Kept], promoted: frozenset[int], runners_up: int, keep_one_in: int
) -> None:
    policy = RetentionPolicy(runners_up, keep_days=30, keep_one_in=keep_one_in)
    ranked = _fastest_first(of_key)
    doomed = choose(policy, ranked, promoted)
    left = [one for one in ranked if one not in doomed]

    assert all(one.old for one in doomed)
    assert not promoted & {one.id for one in doomed}
    assert choose(policy, left, promoted) == []

    fastest: dict[int, Kept] = {}
    for one in ranked:
        if one.median is not None:
            fastest.setdefault(one.record_id, one)
    assert all(one in left for one in list(fastest.values())[:runners_up])


def test_one_in_one_keeps_everything() -> None:
    of_key = [Kept(n, n, n * 1e-6, old=True) for n in range(1, 50)]
    assert choose(RetentionPolicy(1, keep_one_in=1), of_key, frozenset()) == []
    assert len(choose(RetentionPolicy(1, keep_one_in=10), of_key, frozenset())) == 44


@pytest.mark.parametrize("wrong", [{"runners_up": 0}, {"keep_days": -1.0}, {"keep_one_in": 0}])
def test_impossible_policies(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not a retention policy"):
        RetentionPolicy(**wrong)  # type: ignore[arg-type]
