"""The cost model ranks what it has never seen, and is corrected by what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.cost_model import Table, fit, relative_speed

RNG = np.random.default_rng(7)


def _table(count: int) -> Table:
    return Table(("a", "b", "c"), RNG.random((count, 3)).astype(np.float32))


def _secs(table: Table, weight: float = 0.0) -> list[float | None]:
    a, b, c = table.values.T
    return [float(s) for s in 1.0 + np.abs(a - 0.5) + b + weight * c]


def _agreement(scores: np.ndarray, secs: list[float | None]) -> float:
    """Part of all pairs that the scores put in the right order."""
    times = np.array(secs, float)
    first, second = np.triu_indices(len(times), 1)
    right = (scores[first] > scores[second]) == (times[first] < times[second])
    return float(right.mean())


def test_it_ranks_candidates_it_never_saw() -> None:
    seen, unseen = _table(200), _table(60)
    model = fit(seen, _secs(seen), [0] * 120 + [1] * 80)
    assert _agreement(model.predict(unseen), _secs(unseen)) > 0.8


def test_groups_are_ranked_apart() -> None:
    # The second workload takes a thousand times as long: that must not look like bad knobs.
    table = _table(200)
    slow = [s * 1000 if i >= 100 else s for i, s in enumerate(_secs(table)) if s is not None]
    model = fit(table, slow, [0] * 100 + [1] * 100)
    assert _agreement(model.predict(table), _secs(table)) > 0.8


def test_a_refinement_corrects_it() -> None:
    others, own, unseen = _table(200), _table(60), _table(60)
    prior = fit(others, _secs(others), [0] * 200)
    refined = prior.refined(own, _secs(own, weight=2.0))
    secs = _secs(unseen, weight=2.0)
    assert _agreement(refined.predict(unseen), secs) > _agreement(prior.predict(unseen), secs)


def test_failed_candidates_teach() -> None:
    table = _table(200)
    secs = [None if c > 0.5 else 1.0 for c in table.values[:, 2]]
    scores = fit(table, secs, [0] * 200).predict(_table_with_c(0.1, 0.9))
    assert scores[0] > scores[1]


def _table_with_c(*values: float) -> Table:
    return Table.of([{"a": 0.5, "b": 0.5, "c": value} for value in values])


def test_features_are_found_by_name() -> None:
    table = _table(100)
    model = fit(table, _secs(table), [0] * 100)
    shuffled = Table(("x", "c", "b", "a"), np.c_[np.zeros(100), table.values[:, ::-1]])
    assert np.array_equal(model.predict(shuffled), model.predict(table))


def test_the_same_data_gives_the_same_model() -> None:
    table = _table(100)
    first, second = (fit(table, _secs(table), [0] * 100) for _ in range(2))
    assert np.array_equal(first.predict(table), second.predict(table))


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="one row or more"):
        fit(_table(0), [], [])
    with pytest.raises(ValueError, match="rising groups"):
        fit(_table(2), [1.0, 2.0], [1, 0])


def test_speed_is_relative_to_the_fastest() -> None:
    assert relative_speed([2.0, 1.0, None]).tolist() == [0.5, 1.0, 0.0]
    assert relative_speed([None, None]).tolist() == [0.0, 0.0]


def test_tables_stack_by_name() -> None:
    stacked = Table.stacked([Table.of([{"a": 1.0}]), Table.of([{"b": 2.0, "a": 3.0}])])
    assert stacked.columns == ("a", "b")
    assert np.array_equal(stacked.values, [[1.0, np.nan], [3.0, 2.0]], equal_nan=True)
