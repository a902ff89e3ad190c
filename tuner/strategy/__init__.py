"""Search strategies: what to measure next, learned from what was measured."""

from tuner.strategy.autotvm import AutoTvmStrategy
from tuner.strategy.base import Candidate, Outcome, Strategy, make_strategy
from tuner.strategy.searchers import SEARCHERS, Problem, Searcher

__all__ = [
    "SEARCHERS",
    "AutoTvmStrategy",
    "Candidate",
    "Outcome",
    "Problem",
    "Searcher",
    "Strategy",
    "make_strategy",
]
