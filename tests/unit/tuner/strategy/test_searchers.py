"""Searchers that learn find the best sooner than those that do not."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest

from tuner.cost_model import CostModel, Table, fit
from tuner.measure import Failure
from tuner.strategy.searchers import SEARCHERS, Problem, Searcher
from tuner.strategy.searchers.annealing import AnnealingSearcher
from tuner.templates import Config
from tuner.testing import SyntheticLatencies
from tuner.testing.latencies import fake_trace

W, OTHER = "a" * 64, "b" * 64
LANDSCAPE = SyntheticLatencies(seed=4)


def grid(*sizes: int) -> list[Config]:
    """Knobs ``k0``, ``k1``, … of powers of two, or of whole numbers where there are many."""
    axes = [[2**i if size < 10 else i + 1 for i in range(size)] for size in sizes]
    return [{f"k{i}": v for i, v in enumerate(values)} for values in itertools.product(*axes)]


def problem(configs: list[Config], prior: CostModel | None = None) -> Problem:
    names = tuple(configs[0])
    values = np.log2(1 + np.array([[c[n] for n in names] for c in configs], np.float32))
    return Problem(configs, lambda places: Table(names, values[list(places)]), prior)


def latency(config: Config, workload: str = W) -> float:
    secs = LANDSCAPE.secs(workload, fake_trace(config))
    assert not isinstance(secs, Failure)
    return secs


def trials_to_best(searcher: Searcher, configs: list[Config], within: float) -> int:
    """Trials until something is found within a part of the best of the space."""
    target = min(map(latency, configs)) * (1.0 + within)
    for trial in range(1, len(configs) + 1):
        (place,) = searcher.ask(1)
        secs = latency(configs[place])
        if secs <= target:
            return trial
        searcher.tell(place, secs)
    raise AssertionError("a search of the whole space misses nothing")


def mean_trials(name: str, configs: list[Config], prior: CostModel | None = None) -> float:
    return statistics.mean(
        trials_to_best(SEARCHERS[name](problem(configs, prior), seed), configs, 0.05)
        for seed in range(8)
    )


def test_learning_pays() -> None:
    configs = grid(5, 5, 4, 3)
    blind = mean_trials("random", configs)
    assert mean_trials("genetic", configs) < blind
    assert mean_trials("xgb", configs) < 0.7 * blind


def test_other_workloads_halve_the_search() -> None:
    configs = grid(5, 5, 4, 3)
    known = problem(configs).features(range(len(configs)))
    prior = fit(known, [latency(c, OTHER) for c in configs], [0] * len(configs))
    assert mean_trials("xgb", configs, prior) <= 0.5 * mean_trials("xgb", configs)


def test_large_spaces_are_annealed() -> None:
    configs = grid(12, 12, 12, 12)
    searcher = AnnealingSearcher(problem(configs), 0)
    found = []
    for _ in range(60):
        (place,) = searcher.ask(1)
        searcher.tell(place, latency(configs[place]))
        found.append(latency(configs[place]))
    rng = np.random.default_rng(0)
    drawn = [latency(configs[i]) for i in rng.integers(0, len(configs), 60)]
    assert min(found) < min(drawn)
    assert statistics.mean(found[30:]) < statistics.mean(drawn)


@pytest.mark.parametrize("name", SEARCHERS)
def test_what_is_tried_elsewhere_is_left_out(name: str) -> None:
    configs = grid(3, 3)
    searcher = SEARCHERS[name](problem(configs), 0)
    searcher.claim(4)
    assert searcher.remaining == 8
    assert sorted(searcher.ask(20)) == [0, 1, 2, 3, 5, 6, 7, 8]
    searcher.tell(4, 1.0)
    searcher.claim(4)
    assert searcher.remaining == 0
    assert searcher.ask(1) == []


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_space_of_one(name: str) -> None:
    searcher = SEARCHERS[name](problem([{"vector": 16}]), 0)
    assert searcher.ask(3) == [0]
    searcher.tell(0, None)
    assert searcher.ask(3) == []


def test_a_space_where_everything_fails_is_searched_whole() -> None:
    configs = grid(6, 6)
    searcher = SEARCHERS["genetic"](problem(configs), 0)
    for _ in range(len(configs)):
        (place,) = searcher.ask(1)
        searcher.tell(place, None)
    assert searcher.remaining == 0
