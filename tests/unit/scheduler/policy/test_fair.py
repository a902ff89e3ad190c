"""Fairness: served in the ratio of the weights at every moment, nobody forgotten."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scheduler.policy.fair import Claim, in_fair_order, split_trials

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 10.0), min_size=4)


def test_models_take_turns_by_weight() -> None:
    claims = [Claim(model, 0.0) for model in "aaaaaabbbbbb"]
    order = in_fair_order(claims, {"a": 2.0, "b": 1.0})
    assert "".join(claims[i].model for i in order[:6]).count("a") == 4


def test_the_urgent_jobs_of_a_model_come_first() -> None:
    claims = [Claim("a", 1.0), Claim("a", 3.0), Claim("a", 2.0), Claim("a", 3.0)]
    assert in_fair_order(claims, {}) == [1, 3, 2, 0]


def test_nothing_to_order() -> None:
    assert in_fair_order([], {}) == []


@given(st.lists(st.sampled_from("abcd"), max_size=60), WEIGHTS)
def test_every_job_is_served_once(models: list[str], weights: dict[str, float]) -> None:
    order = in_fair_order([Claim(m, 0.0) for m in models], weights)
    assert sorted(order) == list(range(len(models)))


@given(WEIGHTS)
def test_service_stands_in_the_ratio_of_the_weights(weights: dict[str, float]) -> None:
    claims = [Claim(model, 0.0) for model in "abcd" for _ in range(100)]
    served = Counter[str]()
    for place in in_fair_order(claims, weights):
        served[claims[place].model] += 1
        if max(served.values()) == 100:
            break  # From here on one model has nothing left to be served.
        at = {m: served[m] / weights[m] for m in "abcd"}
        # Virtual times differ by at most one job of each.
        assert max(at.values()) - min(at.values()) <= 1.0 / min(weights.values()) + 1e-6


@given(st.integers(1, 5000), st.lists(st.floats(0.0, 10.0), min_size=1, max_size=30))
def test_parts_add_up(total: int, weights: list[float]) -> None:
    parts = split_trials(total, weights)
    assert min(parts) >= 1
    assert sum(parts) == max(total, len(weights)) or not any(weights)


def test_trials_follow_the_weights() -> None:
    assert split_trials(100, [3.0, 1.0], least=10) == [70, 30]
    assert split_trials(10, [3.0, 1.0], least=10) == [5, 5]
    assert split_trials(10, []) == []
